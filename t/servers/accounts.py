"""What the auth services under test answer, and their record of who has asked.

In the environment: TEST_PORTS, those of two backends; TEST_RECORD, a file that
gets a line for each request, the port that it came from and the user.
"""

import os
from urllib.parse import unquote

ONE, TWO = os.environ['TEST_PORTS'].split()
BACKEND = {'one': ONE, 'two': TWO, 'three': ONE, 'four': TWO}


def answer(peer_port, user, password):
    """Headers of the reply.  The backend learns another name and password."""
    user, password = unquote(user), unquote(password)

    with open(os.environ['TEST_RECORD'], 'a') as record:
        record.write(f'{peer_port} {user}\n')

    if user not in BACKEND or password != f'100% {user}':
        return [('Auth-Status', 'no such account'), ('Auth-Wait', '1')]

    return [('Auth-Status', 'OK'), ('Auth-Server', '127.0.0.1'), ('Auth-Port', BACKEND[user]),
            ('Auth-User', f'{user}@backend'), ('Auth-Pass', 'secret')]
