"""Where two plays of a dialogue differ, and what is known about that place."""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from answers import WITHOUT_CODE
from dialogue import Dialogue
from play import Answer, Auths

# The replies whose wording is the module's own. All others come from nginx, the
# auth server or the backend and have to be the same.
C_REFUSAL = b'-ERR invalid command\r\n'
C_INTERNAL = b'-ERR internal server error\r\n'
UNAVAILABLE = b'-ERR [SYS/TEMP] mail server is not available\r\n'
INTERNAL = b'-ERR [SYS/TEMP] internal server error\r\n'

# The names that are configured, in the answer to CAPA.
NAMES = re.compile(rb'\+OK Capability list follows\r\n(?:.*\r\n)*?(?=SASL|STLS\r\n|\.\r\n)')
GREETING = re.compile(rb'\A(\+OK POP3 ready) <challenge>\r\n')

# What the auth server says of a refused login, as each of the two hands it on.
REFUSED = {
    f'-ERR {text}\r\n'.encode('latin-1'):
        f'-ERR [AUTH] {text or "invalid login or password"}\r\n'.encode('latin-1')
    for text in WITHOUT_CODE
}

PASSWORD_PROMPT = b'+ UGFzc3dvcmQ6\r\n'
OK = b'+OK\r\n'


def same_line(c: bytes, ours: bytes) -> bool:
    if c == C_INTERNAL:
        return ours == INTERNAL
    if c == C_REFUSAL:
        return is_refusal(ours) and ours != INTERNAL
    return c == ours


def same_reply(c: bytes | None, ours: bytes | None) -> bool:
    """Line by line: the reply may be a list, or those to a whole segment."""
    if c is None or ours is None:
        return c is ours
    each, our = c.splitlines(True), ours.splitlines(True)
    return len(each) == len(our) and all(map(same_line, each, our))


def is_refusal(reply: bytes | None) -> bool:
    return reply is not None and reply.startswith(b'-ERR ') and reply.endswith(b'\r\n')


def as_ours(dialogue: Dialogue, c: Answer) -> Answer:
    """With what is different in each reply of its kind, so that it hides nothing
    else: response codes are announced and given, and APOP is not where it is off."""
    reply = c.reply and NAMES.sub(rb'\g<0>RESP-CODES\r\nAUTH-RESP-CODE\r\n', c.reply)
    if reply and 'apop' not in dialogue.server.methods:
        reply = GREETING.sub(rb'\1\r\n', reply)
    if reply and c.auths:
        reply = b''.join(REFUSED.get(line, line) for line in reply.splitlines(True))
    return replace(c, reply=reply)


def same(c: Answer, ours: Answer) -> bool:
    return (same_reply(c.reply, ours.reply) and c.closed == ours.closed
            and c.auths == ours.auths and c.backend == ours.backend)


class Message(NamedTuple):
    """What the C module takes a SASL message for."""

    login: bytes | None = None
    secret: bytes | None = None
    identity: bytes = b''

    @property
    def may_not_pass(self) -> bool:
        """Control characters in the login; CR, LF or NUL in the secret."""
        return has_control(self.login or b'') or any(c in b'\r\n\0' for c in self.secret or b'')


def has_control(text: bytes) -> bool:
    return any(c < 0x20 or c == 0x7f for c in text)


def decode_as_c(text: bytes) -> bytes | None:
    """base64 up to the first `=`, whatever follows that."""
    text = text.partition(b'=')[0]
    if len(text) % 4 == 1:
        return None
    try:
        return b64decode(text + b'=' * (-len(text) % 4), validate=True)
    except ValueError:
        return None


def is_base64(text: bytes) -> bool:
    """As RFC 4648 has it, but for padding that is missing."""
    decoded = decode_as_c(text)
    if decoded is None:
        return False
    whole = b64encode(decoded)
    return text.rstrip(b'=') == whole.rstrip(b'=') and len(text) <= len(whole)


@dataclass
class Point:
    """A line that the two nginx answer differently, and all before it, where
    they agree."""

    dialogue: Dialogue
    before: list[Answer]
    c: Answer
    ours: Answer

    @property
    def sent(self) -> bytes:
        return self.c.line

    @property
    def text(self) -> bytes:
        """The line without its end."""
        return self.sent.removesuffix(b'\n').removesuffix(b'\r')

    @property
    def methods(self) -> frozenset[str]:
        return self.dialogue.server.methods

    @cached_property
    def place(self) -> tuple[str, list[bytes]]:
        """What the line is taken for: 'command', 'user' (a command after USER),
        'relayed', 'password' (of AUTH LOGIN) or 'message' (of any AUTH). And
        the words of the AUTH that it belongs to."""
        phase = 'command'
        auth: list[bytes] = []
        for answer in self.before[1:]:
            keyword = answer.line[:4].upper()
            reply = answer.reply or b''
            if phase == 'relayed' or (answer.backend and reply.startswith(b'+OK')):
                phase = 'relayed'
            elif reply.startswith(b'+ '):
                auth = answer.line.split() if phase == 'command' else auth
                phase = 'password' if reply == PASSWORD_PROMPT else 'message'
            elif keyword == b'USER' and reply == OK:
                phase = 'user'
            elif not (phase == 'user' and keyword in (b'NOOP', b'CAPA') and reply[:3] == b'+OK'):
                phase = 'command'
        return phase, auth

    @property
    def phase(self) -> str:
        return self.place[0]

    @property
    def is_command(self) -> bool:
        return self.phase in ('command', 'user')

    @property
    def words(self) -> list[bytes]:
        return [word for word in self.text.split(b' ') if word]

    @property
    def keyword(self) -> bytes:
        return self.text.partition(b' ')[0].upper() if self.is_command else b''

    @property
    def argument(self) -> bytes:
        return self.text.partition(b' ')[2]

    @cached_property
    def mechanism(self) -> str:
        """The one of the message in this line, if there is one."""
        if self.phase in ('message', 'password'):
            return self.place[1][1].decode('latin-1').upper()
        if self.keyword == b'AUTH' and self.phase == 'command' and len(self.words) == 3:
            return self.words[1].decode('latin-1').upper()
        return ''

    @property
    def encoded(self) -> bytes:
        """The message before it is decoded, as the C module sees it: up to a
        space."""
        return self.words[2] if self.is_command else self.text.partition(b' ')[0]

    @cached_property
    def message(self) -> Message:
        """The message in this line; an empty one if there is none."""
        data = decode_as_c(self.encoded) if self.mechanism else None
        if data is None:
            return Message()
        if self.phase == 'password':
            return Message(secret=data)
        match self.mechanism:
            case 'PLAIN' if data.count(b'\0') > 1:
                identity, login, secret = data.split(b'\0', 2)
                return Message(login, secret, identity)
            case 'LOGIN' | 'EXTERNAL':
                return Message(data)
            case 'CRAM-MD5' if b' ' in data:
                return Message(*data.split(b' ', 1))
        return Message()

    @property
    def refused(self) -> bool:
        """Whether ours refuses the line and nobody else hears of it."""
        return is_refusal(self.ours.reply) and not self.ours.auths and not self.ours.backend

    @property
    def c_goes_on(self) -> bool:
        """Whether the C module takes the line for a login or a part of one."""
        return bool(self.c.auths) or self.c.reply in (PASSWORD_PROMPT, OK)

    @property
    def errors(self) -> int:
        """The lines and logins that both refused, this one included, but for cancelled
        exchanges."""
        return sum(is_refusal(each.reply) for each in [*self.before, self.ours]) - self.cancelled

    @property
    def cancelled(self) -> int:
        lines = zip(self.before, [*self.before[1:], self.ours])
        return sum((before.reply or b'').startswith(b'+ ') and each.line.strip(b' \r\n') == b'*'
                   for before, each in lines)


def field(auths: Auths, name: str) -> list[bytes]:
    """The values of a field in some requests to the auth server."""
    return [unquote_to_bytes(dict(auth)[name]) for auth in auths]


def first_difference(dialogue: Dialogue, c: list[Answer], ours: list[Answer]) -> Point | None:
    c = [as_ours(dialogue, each) for each in c]
    for at, (each, our) in enumerate(zip(c, ours)):
        if not same(each, our):
            return Point(dialogue, c[:at], each, our)
    if len(c) != len(ours):
        raise AssertionError(f'{dialogue.name}: one of two equal plays is longer')
    return None
