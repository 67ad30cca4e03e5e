"""Where the module's own instructions for a login go."""

import re
from typing import NamedTuple

from bench import Bench
from counting import instructions, is_own, profile
from figures import LOGINS, ONE_BY_ONE, Figure
from load import logins

METHODS = {'USER/PASS': 'user-pass', 'PLAIN': 'plain-initial', 'LOGIN': 'login',
           'EXTERNAL': 'external-initial', 'APOP': 'apop', 'CRAM-MD5': 'cram-md5'}

# How many lines a client sends for each.
LINES = (2, 1, 3, 1, 1, 2)

BASE64 = 'The `base64` crate'
MEMCHR = 'The `memchr` crate'
CHECKS = 'Checking names, passwords and digests'
GREETING = 'The session, the greeting'

# A function is of the first part that it fits. What the compiler has put into
# another function is where that is.
PARTS = {
    BASE64: r'pop3::sasl::base64::(?:en|de)code_group',
    MEMCHR: r'memchr::.*',
    'Around `base64`': r'pop3::sasl::base64::.*',
    CHECKS: r'pop3::credentials::.*',
    'Commands and mechanisms': r'pop3::.*',
    GREETING: r'.*::init_session|ngx_mail_salt',
    'Handing it to the auth server': r'.*::authenticate|.*::go_on',
    'Wiping it and giving it back': r'.*drop.*',
    'Events: reading, lines, sending': r'.*',
}


class Row(NamedTuple):
    name: str
    instructions: list[float]


def measure(bench: Bench) -> list[Row]:
    few, many = 20, 20 + bench.scaled(400)
    c, ours = bench.sides
    columns = []
    for method in METHODS.values():
        column = dict.fromkeys(PARTS, 0.0)
        for (binary, function), cost in profile(bench, ours, logins(method), few, many).items():
            if is_own(ours, binary, function):
                part = next(name for name, fits in PARTS.items() if re.fullmatch(fits, function))
                column[part] += cost / (many - few)
        columns.append(column)
    rows = [Row(name, [column[name] for column in columns]) for name in PARTS]

    a_command = instructions(bench, ours, ONE_BY_ONE, 200, 200 + bench.scaled(8000)).own
    least = [sum(column[name] for name in (BASE64, MEMCHR, CHECKS, GREETING)) + lines * a_command
             for column, lines in zip(columns, LINES)]
    goals = [figure.goal.bound * (instructions(bench, c, work, few, many).own
                                  if figure.goal.of == 'ratio' else 1)
             for figure, work in zip(own_figures(), map(logins, METHODS.values()))]
    return [*rows, Row('Sum', [sum(column.values()) for column in columns]),
            Row('Least', least), Row('Goal', goals)]


def own_figures() -> list[Figure]:
    return [figure for name in METHODS for figure in LOGINS
            if figure.name == f'Own instructions per login, {name}']
