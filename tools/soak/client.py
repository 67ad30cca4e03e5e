"""A POP3 client that keeps what was said."""

import asyncio
import base64
import contextlib
import random
import socket
import ssl
import struct
from collections import deque

from logins import CHALLENGE, Step

# What is kept of a dialogue for a failure's report: its end.
KEPT_EVENTS = 40
KEPT_BYTES = 160

TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


class Unexpected(Exception):
    """What the server did is not what it has to do."""


class Client(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.buffer = bytearray()
        self.over = False
        self.news: asyncio.Future | None = None
        # What was done, the first bytes, and how many in all.
        self.events: deque[tuple[str, bytes, int]] = deque(maxlen=KEPT_EVENTS)
        # That of the greeting, and that of the exchange of CRAM-MD5.
        self.challenge = b''
        self.exchange = b''

    async def open(self, port: int, tls: bool = False, receive_buffer: int = 0) -> None:
        self.port = port
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await loop.sock_connect(sock, ('127.0.0.1', port))
            self.transport, _ = await loop.create_connection(
                lambda: self, sock=sock, ssl=TLS if tls else None,
                server_hostname='localhost' if tls else None)
        except BaseException:
            sock.close()
            raise
        self.note('connected', b'')

    async def greeting(self) -> None:
        line = await self.line()
        if not line.startswith(b'+OK POP3 ready <') or not line.endswith(b'@mail.example>'):
            raise Unexpected(f'greeting {line!r}')
        self.challenge = line[len('+OK POP3 ready '):]

    async def start_tls(self) -> None:
        """After the reply to STLS."""
        if self.buffer:
            raise Unexpected(f'{bytes(self.buffer)!r} behind the reply to STLS')
        transport = await asyncio.get_running_loop().start_tls(
            self.transport, self, TLS, server_hostname='localhost')
        if transport is None:
            raise Unexpected('closed in the TLS handshake')
        self.transport = transport
        self.note('TLS', b'')

    def note(self, what: str, data: bytes) -> None:
        before, count = b'', 0
        if data and self.events and self.events[-1][0] == what:
            _, before, count = self.events.pop()
        kept = before if len(before) == KEPT_BYTES else (before + data)[:KEPT_BYTES]
        self.events.append((what, kept, count + len(data)))

    def dialogue(self) -> list[str]:
        return [what + (f' {data!r}' if data else '')
                + (f' and {count - len(data)} bytes more' if count > len(data) else '')
                for what, data, count in self.events]

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.note('<<', data)
        self.buffer += data
        self.wake()

    def eof_received(self) -> None:
        self.note('closed by the server', b'')
        self.over = True
        self.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.note(f'lost: {exc}', b'')
        self.over = True
        self.wake()

    def wake(self) -> None:
        if self.news is not None and not self.news.done():
            self.news.set_result(None)

    # What a session's kind calls.

    async def more(self) -> None:
        self.news = asyncio.get_running_loop().create_future()
        await self.news

    async def line(self) -> bytes:
        while (end := self.buffer.find(b'\n')) < 0:
            if self.over:
                raise Unexpected(f'closed, with {bytes(self.buffer)!r} as the last line')
            await self.more()
        line = bytes(self.buffer[:end + 1])
        del self.buffer[:end + 1]
        if not line.endswith(b'\r\n'):
            raise Unexpected(f'no CRLF at the end of {line!r}')
        return line[:-2]

    async def expect(self, *replies: bytes) -> None:
        """Lines; a reply of several lines has the CRLF between them."""
        for reply in replies:
            if reply == CHALLENGE:
                self.exchange = self.take_challenge(await self.line())
                continue
            for wanted in reply.split(b'\r\n'):
                line = await self.line()
                if line != wanted:
                    raise Unexpected(f'{line!r} instead of {wanted!r}')

    def line_of(self, step: Step) -> bytes:
        line = step.line(self.exchange) if callable(step.line) else step.line
        return line + b'\r\n'

    def take_challenge(self, line: bytes) -> bytes:
        challenge = base64.b64decode(line[2:]) if line.startswith(b'+ ') else b''
        if not challenge.startswith(b'<') or not challenge.endswith(b'@mail.example>'):
            raise Unexpected(f'{line!r} instead of a challenge')
        if challenge in (self.challenge, self.exchange):
            raise Unexpected(f'{challenge!r} once more')
        return challenge

    async def end(self) -> None:
        """The server closes, and sends nothing more before."""
        while not self.over and not self.buffer:
            await self.more()
        if self.buffer:
            raise Unexpected(f'{bytes(self.buffer[:KEPT_BYTES])!r} instead of a closed session')

    @staticmethod
    def check(fine: bool, text: str) -> None:
        if not fine:
            raise Unexpected(text)

    async def rest(self) -> bytes:
        """All that the server sends until it closes."""
        while not self.over:
            await self.more()
        return bytes(self.buffer)

    async def closed(self) -> None:
        """The server closes, whatever it sends before."""
        while not self.over:
            self.buffer.clear()
            await self.more()

    def send(self, data: bytes) -> None:
        self.note('>>', data)
        self.transport.write(data)

    async def send_cut(self, data: bytes, rng: random.Random, longest: int) -> None:
        """In pieces of at most so many bytes, each a segment of its own unless
        the kernel puts them together."""
        at = 0
        while at < len(data) and not self.over:
            size = rng.randint(1, longest)
            self.send(data[at:at + size])
            at += size
            await asyncio.sleep(0)

    def half_close(self) -> None:
        # Not by write_eof(): asyncio has none for TLS.
        self.note('FIN', b'')
        sock = self.transport.get_extra_info('socket')
        if not self.transport.is_closing():
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.note('RST', b'')
        sock = self.transport.get_extra_info('socket')
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.transport.abort()

    def close(self) -> None:
        if hasattr(self, 'transport'):
            self.transport.abort()


def client_hello() -> bytes:
    """The first bytes of a TLS handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = TLS.wrap_bio(incoming, outgoing, server_hostname='localhost')
    try:
        handshake.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()
