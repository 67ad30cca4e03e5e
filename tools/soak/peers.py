"""The auth server and the backend, each a process of its own. What they do
with a login is told by the word that it begins with."""

import asyncio
import hashlib
import hmac
import multiprocessing
import os
import signal
import socket
from urllib.parse import unquote_to_bytes

MAIL = b'Subject: soak\r\n\r\n' + b'0123456789abcdef' * 4 + b'\r\n'
# More than the socket buffers between a backend and a client that does not read.
LARGE_MAIL = b'Subject: large\r\n\r\n' + (b'x' * 70 + b'\r\n') * 1000

INVALID = b'Invalid login or password'


def password(login: bytes) -> bytes:
    """Each login has its own: what is mixed up between sessions is refused."""
    return b'pw ' + hashlib.md5(login).hexdigest().encode()


def right(method: bytes, login: bytes, secret: bytes, salt: bytes) -> bool:
    clear = password(login)
    if method == b'plain':
        return secret == clear
    if method == b'apop':
        return secret == hashlib.md5(salt + clear).hexdigest().encode()
    if method == b'cram-md5':
        return secret == hmac.digest(clear, salt, 'md5').hex().encode()
    return method == b'external' and not secret


class Auth(asyncio.Protocol):
    """Answers a request, and those behind it if that is one of HTTP/1.1. ports: of the
    backend, of the one that closes, and one where nobody listens."""

    told_to_wait: set[bytes] = set()

    def __init__(self, ports: dict[str, int]) -> None:
        self.ports = ports
        self.request = b''
        self.idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.request += data
        if self.idle:
            self.idle.cancel()
        if not self.request.endswith(b'\r\n\r\n'):
            return
        kept = b' HTTP/1.1\r\n' in self.request
        answer = self.answer()
        self.request = b''
        if answer is None:
            return
        status, _, headers = answer.partition(b'\r\n')
        if kept and status == b'HTTP/1.0 200 OK' and headers.startswith(b'Auth-Status: '):
            head = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n'
            self.transport.write(head + headers)
            # None is idle for long: what is left at the end is counted.
            self.idle = asyncio.get_running_loop().call_later(0.5, self.transport.close)
        else:
            self.transport.write(answer)
            self.transport.close()

    def answer(self) -> bytes | None:
        lines = self.request.split(b'\r\n')
        header = dict(line.split(b': ', 1) for line in lines if b': ' in line)
        login = unquote_to_bytes(header.get(b'Auth-User', b''))
        word = login.partition(b'-')[0]
        if word == b'stall':
            return None
        if word == b'close':
            return b''
        if word == b'half':
            return b'HTTP/1.0 200 OK\r\nAuth-Status: O'
        if word == b'garbage':
            return b'\x16\x03\x01 (rubbish) \r\n\x00\xff\r\n\r\n'
        if word == b'huge':
            return (b'HTTP/1.0 200 OK\r\nX-Huge: ' + b'x' * 65536
                    + b'\r\nAuth-Status: OK\r\n\r\n')

        if word == b'again' and login not in self.told_to_wait:
            self.told_to_wait.add(login)
            return self.reply(b'Auth-Status: WAIT', b'Auth-Wait: 1')
        self.told_to_wait.discard(login)
        if not right(header.get(b'Auth-Method', b''), login,
                     unquote_to_bytes(header.get(b'Auth-Pass', b'')),
                     header.get(b'Auth-Salt', b'')):
            wait = [b'Auth-Wait: 1'] if word == b'wait' else []
            return self.reply(b'Auth-Status: ' + INVALID, *wait)
        port = self.ports.get(word.decode(), self.ports['backend'])
        return self.reply(b'Auth-Status: OK', b'Auth-Server: 127.0.0.1',
                          b'Auth-Port: %d' % port, b'Auth-Pass: ' + password(login))

    @staticmethod
    def reply(*lines: bytes) -> bytes:
        return b'\r\n'.join((b'HTTP/1.0 200 OK', *lines, b'', b''))


class Backend(asyncio.Protocol):
    """A mailbox. It names the login in its replies to PASS and QUIT."""

    def __init__(self, drops: bool) -> None:
        self.drops = drops
        self.login = self.rest = b''

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(b'+OK backend ready\r\n')
        if self.drops:
            transport.close()

    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b'\r\n')
        replies = b''.join(self.reply(line) for line in lines)
        self.transport.write(replies)
        if b'QUIT' in lines:
            self.transport.close()

    def reply(self, line: bytes) -> bytes:
        command, _, argument = line.partition(b' ')
        if command == b'USER':
            self.login = argument
            return b'+OK\r\n'
        if command == b'PASS':
            if argument != password(self.login) or self.login.startswith(b'refuse'):
                return b'-ERR [AUTH] refused by backend\r\n'
            return b'+OK in ' + self.login + b'\r\n'
        if command == b'STAT':
            return b'+OK 2 %d\r\n' % (len(MAIL) + len(LARGE_MAIL))
        if command == b'RETR':
            return b'+OK\r\n' + (LARGE_MAIL if argument == b'2' else MAIL) + b'.\r\n'
        if command == b'QUIT':
            return b'+OK bye ' + self.login + b'\r\n'
        return b'+OK\r\n' if command == b'NOOP' else b'-ERR backend\r\n'


class Peers:
    """Both, and the ports of theirs."""

    def __init__(self) -> None:
        auth, backend, drop = (listener() for _ in range(3))
        # Bound and not listening: whoever connects is refused.
        self.nobody = socket.socket()
        self.nobody.bind(('127.0.0.1', 0))
        self.auth_port = port(auth)
        ports = {'backend': port(backend), 'drop': port(drop), 'nobody': port(self.nobody)}
        self.processes = [
            start([(auth, lambda: Auth(ports))]),
            start([(backend, lambda: Backend(False)), (drop, lambda: Backend(True))]),
        ]
        for each in auth, backend, drop:
            each.close()

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
            process.join()
        self.nobody.close()


def listener() -> socket.socket:
    return socket.create_server(('127.0.0.1', 0), backlog=4096)


def port(sock: socket.socket) -> int:
    return sock.getsockname()[1]


def start(servers: list) -> multiprocessing.Process:
    """Each a socket, what makes a protocol, and TLS if there is any."""
    process = multiprocessing.get_context('fork').Process(
        target=lambda: asyncio.run(serve(servers, os.getppid())), daemon=True)
    process.start()
    return process


async def serve(servers: list, parent: int) -> None:
    # Ctrl-C is for the parent, which then ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    loop = asyncio.get_running_loop()
    for sock, factory, *tls in servers:
        await loop.create_server(factory, sock=sock, backlog=4096, ssl=tls[0] if tls else None)
    while os.getppid() == parent:
        await asyncio.sleep(1)
