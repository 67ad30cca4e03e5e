"""What the auth server answers with, by account: the first word of the login."""

ACCEPT = 'Auth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: {port}\r\n'
AT_DISCARD = 'Auth-Status: OK\r\nAuth-Server: {server}\r\nAuth-Port: 9\r\n'


class Whole(str):
    """A reply with its status line, or without."""


# Refusals, by what the client is to be told, and what else stands in the head.
# Without Auth-Wait, nginx closes the connection.
REFUSALS = {
    'wrong': ('Invalid login or password', 'Auth-Wait: 1\r\n'),
    'locked': ('[SYS/PERM] locked', 'Auth-Wait: 1\r\nAuth-User: zoe\r\n'),
    'gone': ('Closed account', ''),
    'busy': ('[IN-USE] busy', ''),
    'strange': ('[X-OWN/CODE] never heard of', 'Auth-Wait: 1\r\n'),
    'codeonly': ('[SYS/TEMP]', 'Auth-Wait: 1\r\n'),
    'bracket': ('[not ended', 'Auth-Wait: 1\r\n'),
    'words': ('[two words] of no code', 'Auth-Wait: 1\r\n'),
    'waitzero': ('Not now', 'Auth-Wait: 0\r\n'),
    'waitword': ('Not now', 'Auth-Wait: soon\r\n'),
    'waitsigned': ('Not now', 'Auth-Wait: +1\r\n'),
    'waitlast': ('Not now', 'Auth-Wait: 0\r\nAuth-Wait:    1   \r\n'),
    'inner': ('No   such  login', 'Auth-Wait: 1\r\n'),
    'tab': ('No\tway', 'Auth-Wait: 1\r\n'),
    'okay': ('ok', 'Auth-Wait: 1\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: {port}\r\n'),
    'waiting': ('WAIT a moment', 'Auth-Wait: 1\r\n'),
    'eightbit': ('Ung\xfcltig \xe2\x82\xac', 'Auth-Wait: 1\r\n'),
    'percent': ('100%s %20n', 'Auth-Wait: 1\r\n'),
    'wordy': ('x' * 600, 'Auth-Wait: 1\r\n'),
    'nothing': ('', 'Auth-Wait: 1\r\n'),
    'nothinggone': ('', ''),
}

OTHERS = {
    'ann': ACCEPT,
    'later': 'Auth-Status: WAIT\r\nAuth-Wait: 1\r\n',
    'moved': ACCEPT + 'Auth-User: zoe\r\nAuth-Pass: other\r\n',
    'nopass': ACCEPT,
    'noport': 'Auth-Status: OK\r\nAuth-Server: 127.0.0.1\r\n',
    'noserver': 'Auth-Status: OK\r\nAuth-Port: {port}\r\n',
    'noaddr': 'Auth-Status: OK\r\nAuth-Server: mail.example\r\nAuth-Port: 110\r\n',
    'named': ACCEPT.replace('127.0.0.1', 'mail.example'),
    # Nothing listens on a discard port.
    'nowhere': AT_DISCARD.format(server='127.0.0.1'),
    'nowheresix': AT_DISCARD.format(server='::1'),
    'bracketed': AT_DISCARD.format(server='[::1]'),
    'withport': AT_DISCARD.format(server='127.0.0.1:110'),
    'socket': AT_DISCARD.format(server='unix:/nonexistent'),
    'rubbish': '?: ?\r\n',
    'silent': Whole(),
    # Refused by the backend, at the line that the name tells.
    'baduser': ACCEPT,
    'badpass': ACCEPT,
    # How a head may be written.
    'anycase': 'auth-status: OK\r\nAUTH-SERVER: 127.0.0.1\r\naUTH-pORT: {port}\r\n',
    'bare': ACCEPT.partition('\r\n')[2],
    'nospace': ACCEPT.replace(': ', ':'),
    'spaces': ACCEPT.replace(': ', ':   ').replace('\r\n', '   \r\n'),
    'twice': 'Auth-Server: 192.0.2.1\r\nAuth-Port: 1\r\n' + ACCEPT,
    'others': 'Date: x\r\nServer:\r\nX-y-1: :\r\n' + ACCEPT + 'Auth-Wait: 9\r\nAuth-Error-Code: 5\r\n',
    'linefeeds': Whole('HTTP/1.0 200 OK\n' + ACCEPT.replace('\r\n', '\n') + '\n'),
    'status': Whole('HTTP/1.1 500 Internal Server Error\r\n' + ACCEPT + '\r\n'),
    'nostatus': Whole('HTTP/\r\n' + ACCEPT + '\r\n'),
    'body': Whole('HTTP/1.1 200 OK\r\nContent-Length: 23\r\n' + ACCEPT
                  + '\r\nAuth-Status: Not so\r\n\r\n'),
    'chunks': Whole('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n' + ACCEPT
                    + '\r\n2\r\nab\r\n0\r\n\r\n'),
    'interim': Whole('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n' + ACCEPT + '\r\n'),
    'nohttp': Whole(ACCEPT + '\r\n'),
    'large': ACCEPT + 'X-Large: ' + 'x' * 2000 + '\r\n',
    'largest': ACCEPT + 'X-Large: ' + 'x' * 9000 + '\r\n',
    'underscore': 'X_Other: 1\r\n' + ACCEPT,
    'folded': 'X-Other: 1\r\n  2\r\n' + ACCEPT,
    'nocolon': 'Other\r\n' + ACCEPT,
    'return': 'X-Other: a\rb\r\n' + ACCEPT,
    'cutshort': Whole('HTTP/1.0 200 OK\r\nAuth-Status: O'),
    'cutlate': Whole('HTTP/1.0 200 OK\r\n' + ACCEPT),
    # Which of two holds.
    'yesno': ACCEPT + 'Auth-Status: No after all\r\nAuth-Wait: 1\r\n',
    'noyes': 'Auth-Status: No in spite of all\r\nAuth-Wait: 1\r\n' + ACCEPT,
    'laterno': 'Auth-Status: WAIT\r\nAuth-Status: Not even later\r\nAuth-Wait: 1\r\n',
    # What may be wrong in a value.
    'statuscontrol': 'Auth-Status: No\x1b[2Jway\r\n',
    'tabbed': ACCEPT.replace(': OK', ':\tOK'),
    'portzero': ACCEPT.format(port=0),
    'portlarge': ACCEPT.format(port=65536),
    'portword': ACCEPT.format(port='pop3'),
    'portsigned': ACCEPT.format(port='+110'),
    'otheruser': ACCEPT + 'Auth-User: zo\xe9 %41\r\n',
    'otherpass': ACCEPT + 'Auth-Pass: a  b%41\x01\tc\r\n',
    'usercontrol': ACCEPT + 'Auth-User: zo\x01e\r\n',
    'usernone': ACCEPT + 'Auth-User:\r\n',
    'passnone': ACCEPT + 'Auth-Pass:\r\n',
}

ANSWERS = OTHERS | {
    name: f'Auth-Status: {text}\r\n{more}' for name, (text, more) in REFUSALS.items()
}
# Who is not listed is refused, and nginx closes the connection.
STRANGER = 'Who are you?'
UNKNOWN = f'Auth-Status: {STRANGER}\r\n'
# For the backend, where the client has sent none or a digest.
PASSWORD = 'Auth-Pass: from auth server\r\n'
# Accounts that may be asked for once more.
WAITING = {'later': 'ann', 'laterno': 'ann'}

# What refuses with a text that has no code of its own.
WITHOUT_CODE = [STRANGER, 'No after all', 'No in spite of all', 'Not even later'] + [
    text for name, (text, _) in REFUSALS.items()
    if name not in ('locked', 'busy', 'strange', 'codeonly')]


def answer(name: str, port: int, more: str) -> bytes:
    """The reply; `more` belongs to one that lets in."""
    text = ANSWERS.get(name, UNKNOWN)
    if not isinstance(text, Whole):
        text = f'HTTP/1.0 200 OK\r\n{text}{more if ACCEPT in text else ""}\r\n'
    return text.replace('{port}', str(port)).encode('latin-1')
