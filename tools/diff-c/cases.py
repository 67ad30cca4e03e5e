"""Hand-written dialogues: each wanted difference, and where one might be."""

from base64 import b64encode
from itertools import zip_longest

from answers import ANSWERS
from dialogue import Dialogue, Digest, Line
from peers import AT_PASS_PROXIED, AT_USER
from servers import ALL, SERVERS

HEX = b'c4c9334bac560ecc979e58001b3e22fb'


def b64(*parts: bytes) -> bytes:
    """A SASL message: some parts with NUL between them."""
    return b64encode(b'\0'.join(parts)) + b'\r\n'


def plain(*parts: bytes) -> bytes:
    return b'AUTH PLAIN ' + b64(*parts)


def crlf(*lines: bytes) -> list[Line]:
    return [line + b'\r\n' for line in lines]


LOGIN = crlf(b'USER ann', b'PASS secret')
FAILED = crlf(b'USER wrong', b'PASS secret')
AFTER = crlf(b'STAT', b'LIST', b'RETR 1 ', b'AUTH', b'CAPA', b'x' * 300)
CRAM, EXTERNAL = crlf(b'AUTH CRAM-MD5', b'AUTH EXTERNAL')
ENDINGS = [b'CAPA\n', b'NOOP\r\r\n', b'\r\n', b'\n', b'NOOP\t\r\n', b'NOOP\0\r\n', b' NOOP\r\n',
           b'NOOP \r\n', b'NOOP x y\r\n', b'NO\rOP\r\n', b'USER a\rb\r\n']

# By server and name, what the client sends line by line.
CASES: dict[str, dict[str, list[Line]]] = {
    'plain': {
        'login': LOGIN + AFTER,
        'lists': crlf(b'CAPA', b'AUTH', b'AUTH ', b'auth  ', b'capa x', b'STLS'),
        'endings': ENDINGS,
        'spaces-in-login': crlf(b'USER   ann b  ', b'PASS s  e c ') + AFTER,
        'state': crlf(b'PASS x', b'USER', b'USER  ', b'USER ann', b'USER ann', b'PASS x',
                      b'USER ann', b'STLS', b'PASS x', b'USER ann', b'PASS', b'PASS x',
                      b'USER ann', b'NOOP', b'CAPA', b'PASS secret') + AFTER,
        'later-commands': crlf(b'STAT', b'LIST', b'RETR 1', b'DELE 1', b'RSET', b'TOP 1 1',
                               b'UIDL', b'UTF8', b'LANG', b'LAST', b'XTND'),
        'off': crlf(b'APOP ann ' + HEX, b'AUTH CRAM-MD5', b'AUTH EXTERNAL', b'AUTH NTLM',
                    b'AUTH LOGINX', b'AUTH XOAUTH2 x', b'AUTH PLAIN a b', b'AUTH a b c d'),
        'plain-exchange': [*crlf(b'AUTH PLAIN'), b64(b'', b'ann', b'secret'), *AFTER],
        'plain-unpadded': crlf(b'AUTH PLAIN AGFubgBzZWNyZXQ') + AFTER,
        'plain-identity': [plain(b'ann', b'ann', b'secret'), *AFTER],
        'plain-parts': [plain(b'ann', b'secret'), plain(b'ann'), plain(b'', b''),
                        plain(b'', b'ann'), *crlf(b'AUTH PLAIN =', b'AUTH PLAIN', b'')],
        'login-exchange': [*crlf(b'AUTH LOGIN'), b64(b'ann'), b64(b'secret'), *AFTER],
        'login-initial': [b'AUTH LOGIN ' + b64(b'wrong'), b64(b'secret'),
                          b'auth  login  ' + b64(b'ann'), b64(b'secret'), *AFTER],
        'login-trailing-spaces': crlf(b'AUTH LOGIN ', b'YW5u  ', b'c2VjcmV0 ') + AFTER,
        'cancel': crlf(b'AUTH PLAIN', b'*', b'AUTH LOGIN', b'* ', b'AUTH LOGIN YW5u', b'*',
                       b'PASS x', b'AUTH LOGIN *'),
        'accounts-waiting': [*FAILED, *crlf(b'USER locked', b'PASS a'), *LOGIN, *AFTER],
        'high-bytes': [*crlf('USER ann jürgen%41+&'.encode(), b'PASS \xff\xfe%0A p'), *AFTER],
        'A5': [b'USER ann ' + b'x' * 150 + b'\r\n', *crlf(b'PASS secret')],
        'A5-command': [b'NOOP ' + b'x' * 5000 + b'\r\n', *LOGIN],
        'A5-not-yet': [b'USER ann ' + b'x' * 117 + b'\r\n', b'PASS ' + b'x' * 122 + b'\n'],
        'A13': crlf(b'USER ann', b'PASS  secret'),
        'A13-only': crlf(b'USER ann', b'PASS  '),
        'A10': [plain(b'zoe', b'ann', b'secret')],
        'A16': [plain(b'', b'', b'secret')],
        'A16-password': [plain(b'', b'ann', b'')],
        'A16-login': crlf(b'AUTH LOGIN', b''),
        'A16-equals': crlf(b'AUTH LOGIN ='),
        'A16-login-password': crlf(b'AUTH LOGIN YW5u', b''),
        'A17': crlf(b'USER a\0nn'),
        'A17-password': crlf(b'USER ann', b'PASS sec\0ret'),
        'http': crlf(b'POST / HTTP/1.1', b'Host: x'),
        'http-later': crlf(b'NOOP', b'GET / HTTP/1.1'),
        'user-again': crlf(b'USER wrong', b'USER ann', b'PASS secret') + AFTER,
        'auth-after-user': [*crlf(b'USER wrong'), plain(b'', b'ann', b'secret'), *AFTER],
        'equals': crlf(b'AUTH LOGIN', b'=', b'AUTH PLAIN', b'=', b'AUTH LOGIN YW5u', b'=='),
        'login-control': crlf(b'USER a\x01nn'),
        'login-delete': crlf(b'USER ann\x7f'),
        'password-control': crlf(b'USER ann', b'PASS s\x01\x7f\t') + AFTER,
        'A3': [plain(b'', b'ann\r\nDELE 1', b'secret')],
        'A3-password': [plain(b'', b'ann', b'secret\nDELE 1')],
        'A3-login': [b'AUTH LOGIN ' + b64(b'ann\r\nDELE 1')],
        'A3-login-password': [b'AUTH LOGIN ' + b64(b'ann'), b64(b'secret\r\nDELE 1')],
        'A1': [b'AUTH EXTERNAL ' + b64(b'ann')],
        'base64-bits': crlf(b'AUTH LOGIN YW5=', b'YW5u'),
        'base64-inside': crlf(b'AUTH LOGIN YW5u=YW5u'),
        'base64-padding': crlf(b'AUTH LOGIN YW5u===='),
        'base64-space': crlf(b'AUTH PLAIN', b'AGFubgBzZWNyZXQ= x'),
        'base64-wrong': crlf(b'AUTH PLAIN', b'AGFu!', b'AUTH PLAIN A', b'AUTH PLAIN A_-='),
        'arguments': crlf(b'NOOP a b c', b'NOOP a b c d'),
        'arguments-cr': crlf(b'NOOP a\rb'),
    },
    'apop': {
        'A6': crlf(b'CAPA'),
        'auth': crlf(b'AUTH', b'AUTH CRAM-MD5') + LOGIN,
        'apop': [Digest('apop', b'ann'), *AFTER],
        'apop-failed': [Digest('apop', b'wrong'), Digest('apop', b'ann', keyword=b'aPOP'), *AFTER],
        'apop-words': crlf(b'APOP', b'APOP ann', b'APOP  ann  ' + HEX + b' x',
                           b'APOP  ann  ' + HEX.upper() + b' ') + AFTER,
        'A12': crlf(b'APOP ann ' + HEX[1:]),
        'A12-hex': crlf(b'APOP ann g' + HEX[1:]),
        'login-control': crlf(b'APOP a\tnn ' + HEX),
    },
    'digests': {
        'lists': crlf(b'CAPA', b'AUTH'),
        'cram': [CRAM, Digest('cram-md5', b'ann'), *AFTER],
        'cram-failed': [CRAM, Digest('cram-md5', b'wrong'), CRAM, Digest('cram-md5', b'ann'),
                        *AFTER],
        'cram-upper': [CRAM, Digest('cram-md5', b'ann', spoil=bytes.upper), *AFTER],
        'cram-wrong': [CRAM, b64(b'ann'), CRAM, b64(b'ann ' + HEX[1:]), CRAM, *crlf(b'', b'*'),
                       *crlf(b'AUTH CRAM-MD5 YW5u', b'AUTH CRAM-MD5', b'*')],
        'A11': [CRAM, Digest('cram-md5', b'ann b')],
        'A11-second': [CRAM, b64(b'ann b ' + HEX[2:])],
        'A12-cram': [CRAM, b64(b'ann ' + b'g' * 32)],
        'A16-cram': [CRAM, Digest('cram-md5', b'')],
        'A3-cram': [CRAM, Digest('cram-md5', b'ann\n')],
        'A3-cram-digest': [CRAM, b64(b'ann ' + HEX[2:] + b'\r\n')],
        'A2-digest': [*crlf(b'USER wrong', b'PASS ' + HEX), CRAM, b64(b'ann')],
    },
    'external': {
        'lists': crlf(b'CAPA', b'AUTH'),
        'external': [EXTERNAL, b64(b'ann'), *AFTER],
        'external-initial': [b'AUTH EXTERNAL ' + b64(b'wrong'), b'AUTH EXTERNAL ' + b64(b'ann'),
                             *AFTER],
        'external-empty': crlf(b'AUTH EXTERNAL =') + AFTER,
        'external-equals': crlf(b'AUTH EXTERNAL', b'=') + AFTER,
        'external-nothing': crlf(b'AUTH EXTERNAL', b''),
        'external-no-password': [EXTERNAL, b64(b'nopass')],
        'A2': [*FAILED, EXTERNAL, b64(b'ann')],
        'A2-no-password': [*FAILED, EXTERNAL, b64(b'nopass')],
        'A3-external': [EXTERNAL, b64(b'ann\r\nDELE 1')],
    },
    'all': {
        'lists': crlf(b'CAPA', b'AUTH', b'capa', b'AUTH '),
        'methods-in-turn': [*FAILED, Digest('apop', b'wrong'), CRAM, Digest('cram-md5', b'wrong'),
                            plain(b'', b'wrong', b'x'), *crlf(b'AUTH LOGIN d3Jvbmc=', b'eA=='),
                            Digest('apop', b'ann'), *AFTER],
    },
    'unlisted': {
        'lists': crlf(b'CAPA', b'AUTH') + LOGIN + AFTER,
        'plain': [plain(b'', b'ann', b'secret'), *AFTER],
        'external': [EXTERNAL, b64(b'ann'), *AFTER],
        'cram': [CRAM, Digest('cram-md5', b'ann'), *AFTER],
    },
    'starttls': {
        'lists': crlf(b'CAPA', b'AUTH', b'STLS x'),
        'capa-user': crlf(b'USER ann', b'CAPA'),
        'stls-user': crlf(b'USER ann', b'STLS'),
        'arguments': crlf(b'STLS a b c d'),
        'login': LOGIN + AFTER,
    },
    'proxied': {
        'lists': crlf(b'CAPA', b'AUTH', b'STLS'),
        'login': LOGIN + AFTER,
        'spaces': crlf(b'USER   ann b  ', b'PASS s  e c ') + AFTER,
        'high-bytes': [*crlf('USER ann jürgen%41+&'.encode(), b'PASS \xff\xfe%0A p'), *AFTER],
        'password-control': crlf(b'USER ann', b'PASS s\x01\x7f\t') + AFTER,
        'A13': crlf(b'USER ann', b'PASS  secret'),
        'plain': [plain(b'', b'ann', b'secret'), *AFTER],
        'login-exchange': [*crlf(b'AUTH LOGIN'), b64(b'ann'), b64(b'secret'), *AFTER],
        'errors-before': crlf(b'STAT', b'PASS x', b'AUTH PLAIN', b'*') + LOGIN + AFTER,
        'A3-password': [plain(b'', b'ann', b'secret\nDELE 1')],
        'off': crlf(b'APOP ann ' + HEX, b'AUTH CRAM-MD5', b'AUTH EXTERNAL'),
    },
    'tls-only': {
        'before': crlf(b'CAPA', b'AUTH', b'USER ann', b'PASS secret', b'APOP ann ' + HEX,
                       b'AUTH PLAIN', b'AUTH EXTERNAL YW5u', b'AUTH LOGIN YW5u', b'NOOP', b'STLS'),
    },
    'limits': {
        'unknown': crlf(b'x', b'y', b'z', b'NOOP', b'a', b'b'),
        'A8': crlf(b'PASS a', b'x', b'USER', b'NOOP', b'AUTH NTLM', b'NOOP'),
        'cancelled': crlf(b'AUTH PLAIN', b'*') * 6,
        'failed-logins': FAILED * 5,
        'A8-commands': crlf(b'NOOP') * 21,
        'commands': crlf(b'NOOP') * 18 + LOGIN + AFTER,
    },
}

SEGMENTS: list[tuple[str, str, str, list[Line]]] = [
    ('A7', 'plain', 'segment', crlf(b'NOOP xy') * 17 + LOGIN),
    ('A14-many', 'plain', 'segment', crlf(b'NOOP') * 22),
    ('A14', 'plain', 'segment', crlf(b'NOOP x') * 20),
    ('A15', 'plain', 'fin', crlf(b'NOOP')),
    ('A15-commands', 'plain', 'fin', crlf(b'NOOP', b'QUIT')),
    ('login', 'proxied', 'segment', crlf(b'USER ann', b'PASS secret', b'STAT', b'LIST', b'QUIT')),
    ('all', 'all', 'segment', [*crlf(b'CAPA', b'AUTH LOGIN YW5u', b'c2VjcmV0', b'LIST', b'QUIT')]),
]


def accounts() -> list[Dialogue]:
    """Whatever an auth server or backend may answer."""
    proxied = [*AT_USER, *AT_PASS_PROXIED, 'ann']
    return [Dialogue(f'case:account-{name}-{server}', SERVERS[server],
                     (*crlf(b'USER ' + name.encode(), b'PASS secret'), *LOGIN, *AFTER))
            for server, names in [('plain', ANSWERS), ('all', ANSWERS), ('unix', ['named']),
                                  ('proxied', proxied), ('proxied-words', proxied)]
            for name in [*names, 'stranger']]


def requests() -> list[Dialogue]:
    """Each way to log in, after a login that has failed, with all that a server can add
    to the request."""
    ways = {
        'user-pass': LOGIN,
        'plain': [plain(b'', b'ann', b'secret')],
        'login': [*crlf(b'AUTH LOGIN'), b64(b'ann'), b64(b'secret')],
        'external': [EXTERNAL, b64(b'ann')],
        'apop': [Digest('apop', b'ann')],
        'cram-md5': [CRAM, Digest('cram-md5', b'ann')],
        'later-apop': [Digest('apop', b'later')],
        'later-cram-md5': [CRAM, Digest('cram-md5', b'later')],
    }
    return [Dialogue(f'case:request-{name}-{server.name}', server, tuple(before + way + AFTER))
            for server in SERVERS.values()
            if server.methods == ALL and server.starttls == 'off' and not server.proxied
            for name, way in ways.items() for before in ([], FAILED, [*FAILED, *way])
            if before == [] or 'later' not in name]


def every_byte() -> list[Dialogue]:
    """Logins and passwords with each byte, but for CR, LF and NUL, and for control
    characters in a login: few at a time, so that the C module has room for a line."""
    def parts(first: int) -> list[bytes]:
        text = bytes(each for each in range(first, 256) if each not in b'\n\r\x7f')
        return [text[at:at + 32] for at in range(0, len(text), 32)]

    found = []
    pairs = zip_longest(parts(0x20), parts(0x01), fillvalue=b'')
    for number, (login, password) in enumerate(pairs):
        user = b'ann ' + login.rstrip(b' ')
        ways = {
            'user-pass': crlf(b'USER ' + user, b'PASS x' + password),
            'plain': [plain(b'', user, password)],
            'login': [*crlf(b'AUTH LOGIN'), b64(user), b64(password)],
            'external': [EXTERNAL, b64(user)],
            'apop': [Digest('apop', user.replace(b' ', b''))],
            'cram-md5': [CRAM, Digest('cram-md5', user.replace(b' ', b''))],
        }
        found += [Dialogue(f'case:bytes-{number}-{name}', SERVERS['all'], (*way, *AFTER))
                  for name, way in ways.items()]
    return found


def cases() -> list[Dialogue]:
    return accounts() + requests() + every_byte() + [
        Dialogue(f'case:{name}-{server}', SERVERS[server], tuple(lines))
        for server, each in CASES.items() for name, lines in each.items()
    ] + [
        Dialogue(f'case:{name}-{mode}', SERVERS[server], tuple(lines), mode)
        for name, server, mode, lines in SEGMENTS
    ]
