"""The servers of the configuration that both nginx get."""

import socket
import struct
from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Server:
    name: str
    methods: frozenset[str]
    starttls: str = 'off'
    max_errors: int = 1000
    # A directive that the C module does not have.
    max_commands: int | None = None
    # In it and in `auth`, what stands in braces is one of a run's own names.
    extra: str = ''
    # Another address of the auth server than that of the other servers.
    auth: str = ''
    # Whether ours logs in at the client's backend by itself, and the C module's
    # auth server lets everybody in who is to be refused there.
    proxied: bool = False
    # Options of `listen`.
    listen: str = ''
    # What a proxy before nginx sends first about the client of that address.
    opening: Callable[[str], bytes] | None = None
    # The certificate that a client in TLS has, if it is in TLS and has one.
    certificate: str = ''

    @property
    def challenge(self) -> bool:
        return bool(self.methods & {'apop', 'cram-md5'})

    @property
    def tls(self) -> bool:
        return 'ssl' in self.listen.split()

    def conf(self, port: int, ours: bool, backends: dict[str, int], names: dict[str, str]) -> str:
        """With a backend for each client's address, at which that finds it, too."""
        if not self.proxied:
            return self.block(f'127.0.0.1:{port} {self.listen}', ours, names)
        return ''.join(
            self.block(f'{address}:{port}', ours, names,
                       f'pop3_proxy_pass 127.0.0.1:{backend};' if ours else '')
            for address, backend in backends.items())

    def block(self, listen: str, ours: bool, names: dict[str, str], way: str = '') -> str:
        limit = f'pop3_max_commands {self.max_commands};' if ours and self.max_commands else ''
        # The order of the methods must not matter; sorted, apop comes first.
        methods = ' '.join(sorted(self.methods))
        auth = f'auth_http {self.auth};' if self.auth else ''
        return f'''
    server {{
        listen {listen};
        protocol pop3;
        pop3_auth {methods};
        starttls {self.starttls};
        max_errors {self.max_errors};
        {self.extra.format(**names)}
        {auth.format(**names)}
        {way}
        {limit}
    }}
'''


def proxy_tcp4(address: str) -> bytes:
    return f'PROXY TCP4 {address} 192.0.2.7 1 65535\r\n'.encode()


def proxy_tcp6(_: str) -> bytes:
    return b'PROXY TCP6 2001:db8::1 2001:DB8:0:0::2 40000 110\r\n'


def proxy_unknown(_: str) -> bytes:
    return b'PROXY UNKNOWN\r\n'


def proxy_binary(address: str) -> bytes:
    """Version 2, with a TLV behind the addresses, that nobody knows."""
    sender, receiver = map(socket.inet_aton, (address, '198.51.100.9'))
    addresses = sender + receiver + struct.pack('!HH', 50000, 995) + b'\xe0\0\1x'
    return b'\r\n\r\n\0\r\nQUIT\n!\x11' + struct.pack('!H', len(addresses)) + addresses


ALL = frozenset({'plain', 'apop', 'cram-md5', 'external'})
VERIFY = 'ssl_verify_client {}; ssl_client_certificate {{folder}}/ca.pem;'

SERVERS = {server.name: server for server in [
    Server('plain', frozenset({'plain'})),
    Server('apop', frozenset({'apop'})),
    Server('digests', frozenset({'plain', 'apop', 'cram-md5'})),
    Server('external', frozenset({'plain', 'external'})),
    Server('all', ALL, extra='proxy_pass_error_message on;'),
    Server('unlisted', frozenset({'cram-md5', 'external'}),
           extra='pop3_capabilities "EXPIRE NEVER" user TOP "IMPLEMENTATION a b";'),
    Server('proxied', frozenset({'plain'}), proxied=True),
    Server('proxied-words', frozenset({'plain'}), extra='proxy_pass_error_message on;',
           proxied=True),
    Server('starttls', ALL, starttls='on'),
    Server('tls-only', ALL, starttls='only'),
    Server('headers', ALL, extra="""
        auth_http_header X-Auth-Key "a key: %41 {{}}";
        auth_http_header X-Auth-Key second;
        auth_http_header X-Empty "";"""),
    Server('unix', ALL, auth='http://unix:{socket}:/auth?a=b%20c&d',
           extra='resolver 127.0.0.1:{resolver};'),
    Server('no-path', ALL, auth='127.0.0.1:{port}'),
    Server('query', ALL, auth='http://127.0.0.1:{port}?x=/y'),
    Server('proxy-tcp4', ALL, listen='proxy_protocol', opening=proxy_tcp4),
    Server('proxy-tcp6', ALL, listen='proxy_protocol', opening=proxy_tcp6),
    Server('proxy-unknown', ALL, listen='proxy_protocol', opening=proxy_unknown),
    Server('proxy-binary', ALL, listen='proxy_protocol', opening=proxy_binary),
    # The client's address is the one that the proxy says.
    Server('real-ip', ALL, listen='proxy_protocol', opening=proxy_tcp4,
           extra='set_real_ip_from 127.2.0.0/16;'),
    Server('tls', ALL, listen='ssl'),
    Server('tls-client', ALL, listen='ssl', certificate='client',
           extra=VERIFY.format('on')),
    Server('tls-client-passed', ALL, listen='ssl', certificate='client',
           extra=VERIFY.format('on') + 'auth_http_pass_client_cert on;'),
    Server('tls-client-none', ALL, listen='ssl',
           extra=VERIFY.format('optional') + 'auth_http_pass_client_cert on;'),
    Server('tls-client-failed', ALL, listen='ssl', certificate='self-signed',
           extra=VERIFY.format('optional_no_ca') + 'auth_http_pass_client_cert on;'),
    Server('limits', ALL, max_errors=4, max_commands=20),
]}


def nearest(methods: frozenset[str], starttls: str) -> Server:
    """The server that is closest to a policy, for inputs that name one."""
    for server in SERVERS.values():
        if server.listen or server.auth:
            continue
        if starttls != 'off' and server.starttls == starttls:
            return server
        if starttls == 'off' and server.starttls == 'off' and server.methods == methods:
            return server
    return SERVERS['all']
