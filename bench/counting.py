"""What can be counted and is the same on every machine: instructions, system
calls, reads. A count is the difference of two runs, so that what starting and
connecting take does not show."""

import collections
import functools
import re
import statistics
from pathlib import Path
from typing import NamedTuple

from bench import Bench
from load import Work
from nginx import Side, Trouble

# The functions of the C module, and of nginx's mail core on its behalf, that
# read, parse and answer POP3 and SASL. Not the event loop, the log, auth_http,
# the proxy, or what allocates.
OWN = re.compile(r'''
    ngx_mail_pop3_(?:init_session|init_protocol|auth_state|parse_command
                    |user|pass|capa|stls|apop|auth)
    | ngx_mail_(?:read_command|send|salt|starttls_only)
    | ngx_mail_auth_(?:parse|plain|login_username|login_password|cram_md5_salt|cram_md5|external)
    | ngx_(?:en|de)code_base64(?:_internal)?
''', re.VERBOSE)

# What a compiler or callgrind adds to a function's name.
SUFFIX = re.compile(r"(?:\.(?:isra|part|constprop|cold)(?:\.\d+)?)*(?:'\d+)?$")

class Place(NamedTuple):
    """An instruction. The address is that in the file."""
    binary: str
    function: str
    address: int


Profile = collections.Counter[Place]


class Instructions(NamedTuple):
    own: float
    all: float


@functools.cache
def profile(bench: Bench, side: Side, work: Work, few: int, many: int) -> Profile:
    """How often each instruction runs, for the work that many have more than few."""
    counted = run_callgrind(bench, side, work, many)
    counted.subtract(run_callgrind(bench, side, work, few))
    return counted


def is_own(side: Side, place: Place) -> bool:
    """Whatever is linked into this module counts for it."""
    return (place.binary == str(side.module)
            or OWN.fullmatch(SUFFIX.sub('', place.function)) is not None)


def instructions(bench: Bench, side: Side, work: Work, few: int, many: int) -> Instructions:
    """Instructions in user space, for each piece of work."""
    counted = profile(bench, side, work, few, many)
    own = sum(count for place, count in counted.items() if is_own(side, place))
    return Instructions(own / (many - few), counted.total() / (many - few))


def run_callgrind(bench: Bench, side: Side, work: Work, count: int) -> Profile:
    folder = bench.new_folder()
    out = folder.with_suffix('.callgrind')
    with bench.worker(side, folder, 'valgrind', '--tool=callgrind', '--dump-instr=yes',
                      '--dump-line=no', f'--callgrind-out-file={out}') as worker:
        bench.load.run(worker, work, count)
    return read_callgrind(out)


def read_callgrind(out: Path) -> Profile:
    profile: Profile = collections.Counter()
    names: dict[str, str] = {}
    within = {'ob': '', 'fn': ''}
    address = 0
    called = False
    total = None
    for line in out.read_text().splitlines():
        key, equals, value = line.partition('=')
        if key in ('ob', 'fn', 'cob', 'cfn') and equals:
            # "(7) name" at first, and then "(7)"; binaries are numbered apart.
            number, _, name = value.partition(' ')
            full = names.setdefault(key[-2:] + number, name)
            if key in within:
                within[key] = full
        elif key == 'calls' and equals:
            called = True
        elif line[:1] in ('0', '+', '-', '*'):
            position, _, count = line.partition(' ')
            address = moved(address, position)
            # The line after a call has the cost of what was called.
            if not called:
                profile[Place(within['ob'], within['fn'], address)] += int(count)
            called = False
        elif line.startswith('totals:'):
            total = int(line.split()[1])
    if total != profile.total():
        raise Trouble(f'callgrind has counted {total} instructions, and {profile.total()} were read')
    return profile


def moved(address: int, position: str) -> int:
    """The address that a position means: most are told by their distance."""
    if position.startswith('0x'):
        return int(position, 16)
    return address if position == '*' else address + int(position)


@functools.cache
def system_calls(bench: Bench, side: Side, work: Work, few: int, many: int) -> float:
    """System calls for each piece of work."""
    counts = [sum(re.match(r'\w+\(', line) is not None for line in run_strace(bench, side, work, count))
              for count in (few, many)]
    return (counts[1] - counts[0]) / (many - few)


def run_strace(bench: Bench, side: Side, work: Work, count: int, *options: str) -> list[str]:
    folder = bench.new_folder()
    out = folder.with_suffix('.strace')
    with bench.worker(side, folder, 'strace', '-o', str(out), *options) as worker:
        bench.load.run(worker, work, count)
    return out.read_text().splitlines()


def bytes_a_read(bench: Bench, side: Side, count: int) -> float:
    """What most reads take of the commands that a client sends after its login."""
    trace = run_strace(bench, side, Work(('relayed',)), count, '-e', 'trace=recvfrom')
    reads = [int(found[1]) for line in trace
             if (found := re.match(r'recvfrom\(\d+, "[^"]*NOOP.* = (\d+)$', line))]
    return statistics.median(reads)
