"""Where the module's own instructions for a command and for a login go."""

import collections
import re
import subprocess
from pathlib import Path
from typing import Iterable, NamedTuple

from bench import Bench
from counting import Place, is_own, profile
from figures import METHODS, ONE_BY_ONE
from load import Work, logins


class Kind(NamedTuple):
    """What somebody sends, and how many lines that is."""
    name: str
    work: Work
    few: int
    more: int
    lines: int


KINDS = (
    Kind('NOOP, CAPA', ONE_BY_ONE, 200, 8000, 1),
    *(Kind(name, logins(method), 20, 400, {'USER/PASS': 2, 'LOGIN': 3, 'CRAM-MD5': 2}.get(name, 1))
      for name, method in METHODS.items()),
)

COMMANDS = 'Commands, mechanisms, states'

# An instruction is of the first part that fits its function or one of those that
# this one was put into.
PARTS = {
    'The `base64` crate': r'pop3::sasl::base64::(?:en|de)code_group',
    'The `memchr` crate': r'memchr::',
    'Around `base64`: groups, padding, wiping': r'pop3::sasl::base64::',
    'Checking names, passwords, digests': r'pop3::credentials::(?:login|password|digest|holds)',
    'The session, the greeting': r'.*::init_session|ngx_mail_salt',
    'Keeping a login for the next line': r'.*::(?:keep_login|copy_login)',
    'The login to be made': r'.*::(?:authenticate|copy_credentials)|ngx_mail::(?:attempt|login)::',
    'The auth server: request, reply': r'auth_http::|ngx_mail::(?:ask|kept|facts|learnt)::|.*::auth::',
    'The backend: connecting, dialogue': r'pop3::backend::|ngx_mail::(?:backend|connect|upstream)::|.*::backend::',
    'While nginx relays': r'ngx_mail::(?:relay|passing)::',
    'Wiping it and giving it back': r'.*(?:drop_place|::drop_in_place|::Drop>::drop)',
    COMMANDS: r'pop3::(?:command|sasl|session)::',
    'Events: reading, lines, sending': r'',
}


class Row(NamedTuple):
    name: str
    instructions: list[float]


def measure(bench: Bench) -> list[Row]:
    columns = [of_kind(bench, kind) for kind in KINDS]
    rows = [Row(part, [column[part] for column in columns]) for part in PARTS]
    sums = [sum(column.values()) for column in columns]
    command = columns[0][COMMANDS]
    least = [total - column[COMMANDS] + kind.lines * command
             for total, column, kind in zip(sums, columns, KINDS)]
    return [*rows, Row('Sum', sums), Row('Least', least)]


def of_kind(bench: Bench, kind: Kind) -> dict[str, float]:
    ours = bench.sides[1]
    more = bench.scaled(kind.more)
    counted = profile(bench, ours, kind.work, kind.few, kind.few + more)
    own = {place: count for place, count in counted.items() if is_own(ours, place)}
    within = functions(ours.module, own)
    column = dict.fromkeys(PARTS, 0.0)
    for place, count in own.items():
        column[part(within[place])] += count / more
    return column


def functions(module: Path, places: Iterable[Place]) -> dict[Place, list[str]]:
    """The functions that the instructions are from, each with those that the
    compiler has put it into."""
    here = {place for place in places if place.binary == str(module)}
    said = subprocess.run(['addr2line', '-a', '-C', '-f', '-i', '-e', module], check=True, text=True,
                          input='\n'.join(hex(place.address) for place in here), capture_output=True)
    found: dict[int, list[str]] = collections.defaultdict(list)
    lines = iter(said.stdout.splitlines())
    address = 0
    for line in lines:
        if line.startswith('0x'):
            address = int(line, 16)
        else:
            found[address].append(line)
            # Its file and line.
            next(lines)
    return {place: found[place.address] if place in here else [place.function] for place in places}


def part(within: list[str]) -> str:
    return next(name for name, fits in PARTS.items()
                if any(re.match(fits, function) for function in within))
