"""The servers of the configuration that both nginx get."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Server:
    name: str
    methods: frozenset[str]
    starttls: str = 'off'
    max_errors: int = 1000
    # A directive that the C module does not have.
    max_commands: int | None = None
    extra: str = ''
    # Whether ours logs in at the client's backend by itself, and the C module's
    # auth server lets everybody in who is to be refused there.
    proxied: bool = False

    @property
    def challenge(self) -> bool:
        return bool(self.methods & {'apop', 'cram-md5'})

    def conf(self, port: int, ours: bool, backends: dict[str, int]) -> str:
        """With a backend for each client's address, at which that finds it, too."""
        if not self.proxied:
            return self.block(f'127.0.0.1:{port}', ours)
        return ''.join(
            self.block(f'{address}:{port}', ours,
                       f'pop3_proxy_pass 127.0.0.1:{backend};' if ours else '')
            for address, backend in backends.items())

    def block(self, listen: str, ours: bool, way: str = '') -> str:
        limit = f'pop3_max_commands {self.max_commands};' if ours and self.max_commands else ''
        # The order of the methods must not matter; sorted, apop comes first.
        methods = ' '.join(sorted(self.methods))
        return f'''
    server {{
        listen {listen};
        protocol pop3;
        pop3_auth {methods};
        starttls {self.starttls};
        max_errors {self.max_errors};
        {self.extra}
        {way}
        {limit}
    }}
'''


ALL = frozenset({'plain', 'apop', 'cram-md5', 'external'})

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
    Server('limits', ALL, max_errors=4, max_commands=20),
]}


def nearest(methods: frozenset[str], starttls: str) -> Server:
    """The server that is closest to a policy, for inputs that name one."""
    for server in SERVERS.values():
        if starttls != 'off' and server.starttls == starttls:
            return server
        if starttls == 'off' and server.starttls == 'off' and server.methods == methods:
            return server
    return SERVERS['all']
