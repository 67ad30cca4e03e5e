"""A dialogue: what a client sends, written down before the server's challenge
is known."""

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Callable

from servers import Server


@dataclass(frozen=True)
class Digest:
    """A line with a digest over the challenge, which each server chooses for
    itself: APOP, or the message of CRAM-MD5."""

    method: str
    user: bytes
    password: bytes = b'secret'
    # What goes wrong with the digest before it is sent.
    spoil: Callable[[bytes], bytes] = bytes
    keyword: bytes = b'APOP'
    end: bytes = b'\r\n'

    def digest(self, challenge: bytes) -> bytes:
        if self.method == 'apop':
            value = hashlib.md5(challenge + self.password).hexdigest()
        else:
            value = hmac.new(self.password, challenge, 'md5').hexdigest()
        return self.spoil(value.encode())

    def wire(self, challenge: bytes) -> bytes:
        message = self.user + b' ' + self.digest(challenge)
        if self.method == 'apop':
            return self.keyword + b' ' + message + self.end
        return b64encode(message) + self.end

    def tokens(self, challenge: bytes) -> list[tuple[bytes, bytes]]:
        """What depends on the challenge, and what to write in its place."""
        digest = self.digest(challenge)
        tokens = [(digest, b'<digest>')] if digest else []
        if self.method == 'cram-md5':
            tokens.append((self.wire(challenge).rstrip(), b'<message with digest>'))
        return tokens


Line = bytes | Digest


def wire(line: Line, challenges: dict[str, bytes]) -> bytes:
    return line.wire(challenges[line.method]) if isinstance(line, Digest) else line


@dataclass(frozen=True)
class Dialogue:
    name: str
    server: Server
    lines: tuple[Line, ...] = field(repr=False)
    # 'lines': each line waits for the reply to the one before. 'segment': all
    # in one segment. 'fin': all in one segment, together with the end.
    mode: str = 'lines'


def text_lines(data: bytes) -> list[bytes]:
    """The lines of some bytes; the last one gets the end that it lacks."""
    lines = data.split(b'\n')
    tail = lines.pop()
    return [line + b'\n' for line in lines] + ([tail + b'\r\n'] if tail else [])
