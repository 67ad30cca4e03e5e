"""The auth server and the backends: they answer by the login's first word, and
note all they are sent."""

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import answers

# By account, what a backend answers with: to USER, or to PASS. One of them closes.
AT_USER = {'baduser': b'-ERR no such user\r\n', 'gone': b''}
AT_PASS = {'badpass': b'-ERR [AUTH] no\r\n'}
# And where nobody has refused them before.
AT_PASS_PROXIED = {
    **AT_PASS,
    'wrong': b'-ERR wrong\r\n',
    'locked': b'-ERR [IN-USE] locked by 4711\r\n',
    'later': b'-ERR [LOGIN-DELAY] later\r\n',
    'noport': b'-ERR [SYS/TEMP] no space\r\n',
    'noaddr': b'-ERR [sys/perm] no\r\n',
    'stranger': b'-ERR [X-STRANGE] who\r\n',
    'rubbish': b'rubbish\r\n',
}

LIST = b'+OK list follows\r\n1 120\r\n2 200\r\n.\r\n'


@dataclass
class Record:
    """What one play of a dialogue makes the peers see."""

    port: int = 0
    proxied: bool = False
    auths: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    backend: list[bytes] = field(default_factory=list)


@dataclass
class Side:
    """One of the two nginx, as its peers see it."""

    name: str
    ports: dict[str, int] = field(default_factory=dict)
    auth_port: int = 0
    auth_socket: Path = Path()
    resolver_port: int = 0
    # By the name of the certificate that a client has.
    contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)
    # The plays under way, by the client's address.
    records: dict[str, Record] = field(default_factory=dict)


def account(user: str) -> str:
    found = re.match(rb'[a-z]*', unquote_to_bytes(user))
    return found.group().decode() if found else ''


class Auth(asyncio.Protocol):
    def __init__(self, side: Side) -> None:
        self.side = side
        self.request = b''

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.request += data
        if self.request.endswith(b'\r\n\r\n'):
            self.transport.write(self.answer())
            self.transport.close()

    def answer(self) -> bytes:
        fields = parse_request(self.request.decode('latin-1'))
        headers = dict(fields)
        record = self.side.records.get(headers['Client-IP'])
        if record is None:
            return b''
        if record.proxied:
            user, password = (unquote_to_bytes(headers[name].encode('latin-1'))
                              for name in ('Auth-User', 'Auth-Pass'))
            record.auths.append(presented(user, password, headers['Auth-Method']))
            return answers.answer('ann', record.port, '')

        record.auths.append(fields)
        name = account(headers['Auth-User'])
        attempts = [auth for auth in record.auths if auth == fields]
        if name in answers.WAITING and len(attempts) > 1:
            name = answers.WAITING[name]
        alone = headers['Auth-Method'] == 'plain' or name == 'nopass'
        return answers.answer(name, record.port, '' if alone else answers.PASSWORD)


def parse_request(text: str) -> tuple[tuple[str, str], ...]:
    """The lines of a request by what stands before and behind the first colon; none of
    its bytes is lost."""
    lines = text.removesuffix('\r\n\r\n').split('\r\n')
    fields = tuple((name, value) for name, _, value in (line.partition(': ') for line in lines[1:]))
    parsed = (('', lines[0]), *fields)
    if '\r\n'.join([lines[0], *map(': '.join, fields), '\r\n']) != text:
        parsed += (('no header somewhere in', text),)
    return parsed


def presented(user: bytes, password: bytes, method: str) -> tuple[tuple[str, str], ...]:
    """What an auth server is told that the backend is told as well."""
    return (('Auth-Method', method), ('Auth-User', quote(user, safe='')),
            ('Auth-Pass', quote(password, safe='')))


class Backend(asyncio.Protocol):
    def __init__(self, record: Record, alone: bool) -> None:
        # Whether it is the only one who is asked.
        self.alone = alone and record.proxied
        self.record = record
        self.lines = record.backend
        self.count = 0
        self.rest = self.login = b''
        self.user = ''

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(b'+OK backend\r\n')

    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b'\n')
        for line in lines:
            self.lines.append(line)
            self.count += 1
            answer = self.answer(line.removesuffix(b'\r'))
            self.transport.write(answer)
            if not answer or line.strip().upper() == b'QUIT':
                self.transport.close()

    def answer(self, line: bytes) -> bytes:
        keyword, _, argument = line.partition(b' ')
        if keyword == b'USER' and self.count == 1:
            self.login = argument
            self.user = account(quote(argument))
            return AT_USER.get(self.user, b'+OK\r\n')
        if keyword == b'PASS' and self.count == 2:
            if self.alone:
                self.record.auths.append(presented(self.login, argument, 'plain'))
            refusals = AT_PASS_PROXIED if self.record.proxied else AT_PASS
            return refusals.get(self.user, b'+OK welcome\r\n')
        if keyword.upper() == b'LIST':
            return LIST
        return b'+OK %d bytes\r\n' % len(line)


async def serve_auth(side: Side, folder: Path) -> None:
    """At a port, and at a socket that a worker of another user can connect to."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Auth(side), '127.0.0.1', 0, backlog=1024)
    side.auth_port = server.sockets[0].getsockname()[1]
    side.auth_socket = folder / f'auth-{side.name}'
    await loop.create_unix_server(lambda: Auth(side), side.auth_socket, backlog=1024)
    side.auth_socket.chmod(0o666)


async def serve_backend(side: Side, address: str) -> asyncio.Server:
    """A backend of its own for each client address, so that what it sees
    belongs to one play."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Backend(side.records[address], side.name == 'ours'), '127.0.0.1', 0, backlog=16)
    side.records[address] = Record(server.sockets[0].getsockname()[1])
    return server
