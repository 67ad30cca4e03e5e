"""Plays a dialogue to one nginx and notes what comes of each line."""

import asyncio
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

from client import Client
from dialogue import Dialogue, Digest, Line, wire
from peers import Record, Side
from servers import Server

# The first lines of the replies that go on up to a dot.
LISTS = (b'+OK Capability list', b'+OK methods supported', b'+OK list follows')
CHALLENGE = re.compile(rb'<\d+\.\d+@mail\.example>')
MESSAGE = re.compile(rb'\+ (P[A-Za-z0-9+/]+=*)\r\n')
# For one dialogue: many times what Auth-Wait can add up to.
PATIENCE = 40.0
# How long nothing has to come until it is taken for the end of the replies to
# a segment. An nginx that owes no more is quicker by far.
SILENCE = 5.0
QUIT = b'QUIT\r\n'

Auths = tuple[tuple[tuple[str, str], ...], ...]


@dataclass
class Answer:
    """What comes of a line. What differs by the challenge is normalized."""

    line: bytes
    reply: bytes | None
    closed: bool = False
    auths: Auths = ()
    backend: tuple[bytes, ...] = ()


def proxy_of(address: str, server: Server) -> str:
    """Where a client of that address comes from."""
    return address.replace('127.1.', '127.2.') if 'real_ip' in server.extra else address


class Play:
    def __init__(self, side: Side, address: str, dialogue: Dialogue) -> None:
        self.side, self.address, self.dialogue = side, address, dialogue
        # A new record for each play: what a late connection of an earlier one
        # may still note goes nowhere.
        self.record = Record(side.records[address].port, dialogue.server.proxied)
        side.records[address] = self.record
        # That of the greeting, and that of the exchange of CRAM-MD5.
        self.challenges: dict[str, bytes] = {'apop': b'', 'cram-md5': b''}
        self.tokens: list[tuple[bytes, bytes]] = []
        self.answers: list[Answer] = []
        self.pending = b''

    async def run(self) -> list[Answer]:
        server = self.dialogue.server
        host = self.address if server.proxied else '127.0.0.1'
        self.client = await Client.connect(
            host, self.side.ports[server.name], proxy_of(self.address, server),
            self.side.contexts[server.certificate] if server.tls else None)
        try:
            async with asyncio.timeout(PATIENCE):
                if server.opening:
                    self.client.transport.write(server.opening(self.address))
                self.greet(await self.reply())
                await (self.in_step() if self.dialogue.mode == 'lines' else self.in_one())
        except TimeoutError:
            # Nothing that the other one could have answered as well.
            self.note(f'no reply in time from {self.side.name}'.encode())
        finally:
            self.client.transport.abort()
        return self.answers

    def greet(self, greeting: bytes | None) -> None:
        self.take_challenge('apop', greeting or b'')
        self.note(greeting)

    def take_challenge(self, method: str, text: bytes) -> None:
        found = CHALLENGE.search(text)
        if found:
            self.challenges[method] = challenge = found.group()
            self.tokens += [(challenge, b'<challenge>'),
                            (b64encode(challenge), b'<challenge in base64>')]

    async def in_step(self) -> None:
        lines = [*self.dialogue.lines]
        # The first QUITs may be taken for the messages of an exchange.
        for line in lines + [QUIT] * 3:
            self.send([line])
            reply = await self.reply()
            if reply is None:
                self.answers[-1].closed = True
                return
            self.note(reply)
            if self.pending[:4].upper() == b'STLS' and reply == b'+OK\r\n':
                # TLS is left to the tests under t/.
                return
        self.answers[-1].closed = await self.reply() is None

    async def in_one(self) -> None:
        if self.dialogue.mode == 'fin':
            # Into the same segment as the last bytes.
            self.client.cork()
        self.send([*self.dialogue.lines])
        if self.dialogue.mode == 'fin':
            self.client.transport.write_eof()

        replies = b''
        closed = False
        while not closed:
            try:
                async with asyncio.timeout(SILENCE):
                    reply = await self.reply()
            except TimeoutError:
                break
            closed = reply is None
            replies += reply or b''
        self.note(replies)
        self.answers[-1].closed = closed

    def send(self, lines: list[Line]) -> None:
        for line in lines:
            if isinstance(line, Digest):
                self.tokens += line.tokens(self.challenges[line.method])
        # A spoilt digest may be a piece of another one.
        self.tokens.sort(key=lambda token: len(token[0]), reverse=True)
        self.pending = b''.join(wire(line, self.challenges) for line in lines)
        self.client.transport.write(self.pending)

    async def reply(self) -> bytes | None:
        """One reply; nothing if the connection is closed."""
        reply = await self.client.line()
        if reply.startswith(LISTS):
            while not reply.endswith(b'\n.\r\n') and (line := await self.client.line()):
                reply += line
        if (message := MESSAGE.fullmatch(reply)):
            self.take_challenge('cram-md5', b64decode(message[1]))
        return reply or None

    def note(self, reply: bytes | None) -> None:
        auths, self.record.auths[:] = tuple(self.record.auths), []
        backend, self.record.backend[:] = tuple(self.record.backend), []
        self.answers.append(Answer(
            self.pending, reply and self.normal(reply), False,
            tuple(tuple((name, self.normal_field(name, value)) for name, value in auth)
                  for auth in auths),
            tuple(map(self.normal, backend))))

    def normal(self, text: bytes) -> bytes:
        for value, token in self.tokens:
            text = text.replace(value, token)
        return text

    def normal_field(self, name: str, value: str) -> str:
        if name not in ('Auth-Pass', 'Auth-Salt'):
            return value
        return self.normal(value.encode('latin-1')).decode('latin-1')
