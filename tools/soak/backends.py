"""Backends that check passwords themselves, for servers with pop3_proxy_pass. What
they do with a login is told by the word that it begins with."""

import asyncio
import contextlib
import random
import socket
import ssl
import struct
from pathlib import Path

from peers import Backend, listener, port, start

# Logins that are taken late, and in pieces.
LATE = 'slow', 'bytes'
# And those that end with the connection.
FAULTS = 'leave', 'close', 'rst', 'garbage', 'flood', 'ahead'


class Strict(Backend):
    """Speaks TLS from the start, or after STLS."""

    def __init__(self, starttls: ssl.SSLContext | None = None) -> None:
        super().__init__(drops=False)
        self.starttls = starttls
        self.greeted = self.starting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if not self.greeted:
            self.greeted = True
            transport.write(b'+OK backend ready\r\n')

    def data_received(self, data: bytes) -> None:
        self.rest += data
        # What comes along with the end of the handshake is before the transport.
        if not self.starting:
            self.answer_all()

    def answer_all(self) -> None:
        *lines, self.rest = self.rest.split(b'\r\n')
        for line in lines:
            self.answer(line)

    def answer(self, line: bytes) -> None:
        if self.transport.is_closing():
            return
        if line == b'STLS' and self.starttls is not None:
            self.transport.write(b'+OK\r\n')
            self.starting = True
            self.task = asyncio.get_running_loop().create_task(self.start_tls())
            return
        reply = self.reply(line)
        word = self.login.partition(b'-')[0].decode()
        if line.startswith(b'PASS ') and word in FAULTS:
            return self.fail(word)
        if line.startswith(b'USER ') and word == 'leave':
            return self.transport.close()
        if line.startswith(b'PASS ') and word in LATE:
            # The client has sent the rest ahead, but nginx has not.
            self.transport.pause_reading()
            self.task = asyncio.get_running_loop().create_task(self.late(reply, word))
            return
        self.transport.write(reply)
        if line == b'QUIT':
            self.transport.close()

    async def start_tls(self) -> None:
        # The client may go, and take nginx along.
        with contextlib.suppress(OSError):
            transport = await asyncio.get_running_loop().start_tls(
                self.transport, self, self.starttls, server_side=True)
            self.starting = False
            if transport is not None:
                self.transport = transport
                self.answer_all()

    async def late(self, reply: bytes, word: str) -> None:
        if word == 'slow':
            await asyncio.sleep(random.uniform(0.01, 0.5))
            self.transport.write(reply)
        else:
            for byte in reply:
                if not self.transport.is_closing():
                    self.transport.write(bytes([byte]))
                await asyncio.sleep(0)
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def fail(self, word: str) -> None:
        if word == 'garbage':
            self.transport.write(b'\x16\x03\x01 (rubbish) \r\n')
        elif word == 'flood':
            self.transport.write(b'+OK ' + b'x' * 20000)
        elif word == 'ahead':
            self.transport.write(b'+OK\r\n-ERR\r\n')
        elif word == 'close':
            self.transport.close()
        elif word == 'rst':
            sock = self.transport.get_extra_info('socket')
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            self.transport.abort()


class Silent(asyncio.Protocol):
    """Has nothing to say."""


class Backends:
    """All of them, one process, and their ports."""

    def __init__(self, folder: Path) -> None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(folder / 'cert.pem', folder / 'key.pem')
        sockets = {name: listener() for name in
                   ('clear', 'implicit', 'starttls', 'drops', 'silent')}
        # Bound and not listening: whoever connects is refused.
        self.closed = socket.socket()
        self.closed.bind(('127.0.0.1', 0))
        self.ports = {f'backend_{name}': port(each) for name, each in sockets.items()}
        self.ports['backend_closed'] = port(self.closed)
        self.process = start([
            (sockets['clear'], Strict),
            (sockets['implicit'], Strict, tls),
            (sockets['starttls'], lambda: Strict(tls)),
            (sockets['drops'], lambda: Backend(True)),
            (sockets['silent'], Silent),
        ])
        for each in sockets.values():
            each.close()

    def stop(self) -> None:
        self.process.terminate()
        self.process.join()
        self.closed.close()
