"""Where the module's own instructions for a login go."""

import re
from typing import NamedTuple

from bench import Bench
from counting import is_own, profile
from load import logins

METHODS = {'USER/PASS': 'user-pass', 'PLAIN': 'plain-initial', 'LOGIN': 'login',
           'EXTERNAL': 'external-initial', 'APOP': 'apop', 'CRAM-MD5': 'cram-md5'}

# A function is of the first part that it fits. What the compiler has put into
# another function is where that is.
PARTS = {
    'The `base64` crate': r'pop3::sasl::base64::(?:en|de)code_group',
    'The `memchr` crate': r'memchr::.*',
    'Around `base64`': r'pop3::sasl::base64::.*',
    'Checking names, passwords and digests': r'pop3::credentials::.*',
    'Commands and mechanisms': r'pop3::.*',
    'The session, the greeting': r'.*::init_session|ngx_mail_salt',
    'Handing it to the auth server': r'.*::authenticate|.*::go_on',
    'Wiping it and giving it back': r'.*drop.*',
    'Events: reading, lines, sending': r'.*',
}


class Row(NamedTuple):
    name: str
    instructions: list[float]


def measure(bench: Bench) -> list[Row]:
    few, many = 20, 20 + bench.scaled(400)
    _, ours = bench.sides
    columns = []
    for method in METHODS.values():
        column = dict.fromkeys(PARTS, 0.0)
        for (binary, function), cost in profile(bench, ours, logins(method), few, many).items():
            if is_own(ours, binary, function):
                part = next(name for name, fits in PARTS.items() if re.fullmatch(fits, function))
                column[part] += cost / (many - few)
        columns.append(column)
    return [Row(name, [column[name] for column in columns]) for name in PARTS]
