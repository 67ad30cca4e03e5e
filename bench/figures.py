"""The figures: what is measured, how, and what it is to come to."""

import math
import shutil
import subprocess
from typing import Callable, NamedTuple

import tls
from bench import Bench
from counting import bytes_a_read, instructions, system_calls
from load import Failed, Work, commands, logins
from memory import Soaked, per_command, per_connection, per_session, soaked
from nginx import Setting, Side

Measure = Callable[[Bench, Side], float]

AT_ONCE = '--ack-at-once'
ONE_BY_ONE = commands('NOOP', 'CAPA')
PIPELINED = commands('NOOP', 'CAPA', batch=20, options=(AT_ONCE,))
PIPELINED_ORDINARY = commands('NOOP', 'CAPA', batch=20)
TRAIN = commands('NOOP', batch=2000)
# PASS without a password is refused, so that each pair begins anew; the login
# is about as long as the C module takes.
PAIRS = commands('USER ' + 'b' * 100, 'PASS', options=('--refused', AT_ONCE))
USER_PASS = logins('user-pass')
# The same where this module keeps connections to the auth server.
KEPT = logins('user-pass', 'kept')
# And where it asks none.
PASSED, TOGETHER, REUSING, SHAKING = (logins('user-pass', port)
                                      for port in ('passed', 'pipelined', 'reusing', 'shaking'))
TLS_LOGINS = 500
# Where a file says who may log in; and how many are in a large one.
FILED = logins('user-pass', 'filed')
CROWDED = Setting(users=100_000)
# With a session log and limits; and sixteen clients at a time, of four workers.
WATCHED = logins('user-pass', 'watched')
SIXTEEN = [logins('user-pass', port, 16) for port in ('watched', 'passed')]
FOUR = Setting(workers=4)


class Goal(NamedTuple):
    """What this module's value, or its ratio to the C module's, is to come to."""
    bound: float
    of: str = 'value'
    at_least: bool = False
    # What measuring may be off by; of a timed ratio, its spread.
    slack: float = 0.0
    within_noise: bool = False


def at_most(bound: float, slack: float = 0.0) -> Goal:
    return Goal(bound, slack=slack)


def at_least(bound: float) -> Goal:
    return Goal(bound, at_least=True)


def ratio(bound: float, slack: float = 0.0) -> Goal:
    return Goal(bound, 'ratio', slack=slack)


NONE = Goal(math.inf)
NO_WORSE = Goal(1.0, 'ratio', within_noise=True)


class Figure(NamedTuple):
    name: str
    unit: str
    goal: Goal
    measure: Measure
    # Timed: it depends on the machine, varies, and is measured repeatedly.
    timed: bool = False
    # Of a speed, more is better.
    more: bool = False


def own(work: Work, few: int, more: int) -> Measure:
    return lambda bench, side: instructions(bench, side, work, few, few + bench.scaled(more)).own


def everything(work: Work, few: int, more: int) -> Measure:
    return lambda bench, side: instructions(bench, side, work, few, few + bench.scaled(more)).all


def calls(work: Work, few: int, more: int) -> Measure:
    return lambda bench, side: system_calls(bench, side, work, few, few + bench.scaled(more))


def speed(work: Work, least: int) -> Measure:
    """Commands per second."""
    def measure(bench: Bench, side: Side) -> float:
        with bench.worker(side) as worker:
            return bench.load.per_second(worker, work, least, 0.1)
    return measure


def cpu(work: Work, count: int, setting: Setting = Setting()) -> Measure:
    """Microseconds of the worker's processor time for each piece of work."""
    def measure(bench: Bench, side: Side) -> float:
        some = bench.scaled(count)
        with bench.worker(side, setting=setting) as worker:
            bench.load.run(worker, work, some // 10)
            before = worker.cpu()
            bench.load.run(worker, work, some)
            return (worker.cpu() - before) * 1e6 / some
    return measure


def pairs(bench: Bench, side: Side) -> float:
    """Bytes, as exactly as pages tell."""
    return round(2 * per_command(bench, side, PAIRS, bench.scaled(400_000)), 1) + 0.0


def ours(measure: Measure) -> Measure:
    """Of what the C module does not have."""
    def measured(bench: Bench, side: Side) -> float:
        if side.module is None:
            raise Failed('-')
        return measure(bench, side)
    return measured


def difference(one: Measure, other: Measure) -> Measure:
    return lambda bench, side: one(bench, side) - other(bench, side)


def quotient(one: Measure, other: Measure) -> Measure:
    return lambda bench, side: one(bench, side) / other(bench, side)


# Processor time with TLS sessions that are used again, to that with full handshakes.
reused = quotient(cpu(REUSING, TLS_LOGINS), cpu(SHAKING, TLS_LOGINS))


def users_memory(bench: Bench, side: Side) -> float:
    """Kilobytes that many users take more than few."""
    taken = []
    for setting in (Setting(), CROWDED):
        with bench.worker(side, setting=setting) as worker:
            taken.append(worker.memory())
    return (taken[1] - taken[0]) / 1024


def saved(bench: Bench, side: Side) -> float:
    """System calls of a login, fewer than with a new connection to the auth server."""
    return calls(USER_PASS, 20, 400)(bench, side) - calls(KEPT, 20, 400)(bench, side)


def tls_memory(bench: Bench, side: Side) -> Soaked:
    return soaked(bench, side, REUSING, 1000, bench.scaled(10_000))


def size(bench: Bench, side: Side) -> float:
    """Kilobytes of the module's file without symbols."""
    if side.module is None:
        raise Failed('-')
    copy = bench.new_folder()
    shutil.copy(side.module, copy)
    subprocess.run(['strip', copy], check=True)
    return copy.stat().st_size / 1024


METHODS = {'USER/PASS': 'user-pass', 'PLAIN': 'plain-initial', 'LOGIN': 'login',
           'EXTERNAL': 'external-initial', 'APOP': 'apop', 'CRAM-MD5': 'cram-md5'}

KEPT_CONNECTIONS = [
    Figure('CPU per login, connection to the auth server kept', 'µs', ratio(0.80), cpu(KEPT, 1000),
           timed=True),
    Figure('System calls per login, connection to the auth server kept', '', NONE, calls(KEPT, 20, 400)),
    Figure('System calls that this saves', '', Goal(5, at_least=True, slack=0.5), ours(saved), more=True),
    Figure('Memory per idle connection, connection to the auth server kept', 'B', ratio(1.0, slack=0.01),
           lambda bench, side: per_connection(bench, side, 10_000, 'kept').greeted),
]

BACKEND = [
    Figure('CPU per login, pop3_proxy_pass', 'µs', ratio(0.72), cpu(PASSED, 1000), timed=True),
    # Of the calls of a worker a few are not of a login's: a half is none of them.
    Figure('System calls per login, pop3_proxy_pass', '', at_most(31, slack=0.5),
           calls(PASSED, 20, 400)),
    Figure('CPU per login, pop3_proxy_pipelining', 'µs', ratio(0.65), cpu(TOGETHER, 1000), timed=True),
    Figure('System calls per login, pop3_proxy_pipelining', '', at_most(28, slack=0.5),
           calls(TOGETHER, 20, 400)),
    Figure('CPU per login, TLS to the backend, full handshakes', 'µs', NONE,
           ours(cpu(SHAKING, TLS_LOGINS)), timed=True),
    Figure('CPU per login, TLS to the backend, sessions reused', 'µs', NONE,
           ours(cpu(REUSING, TLS_LOGINS)), timed=True),
    Figure('CPU per login, TLS to the backend, reused / full', '', at_most(0.70), ours(reused), timed=True),
    Figure('Memory per idle connection, pop3_proxy_pass', 'B', ratio(1.0, slack=0.01),
           lambda bench, side: per_connection(bench, side, 10_000, 'passed').greeted),
    Figure('Memory per session during its login, pop3_proxy_pass', 'B', ratio(0.6),
           lambda bench, side: per_session(bench, side, 500, 'begin', 'passed')),
    Figure('Memory per relayed session, pop3_proxy_pass', 'B', ratio(0.6),
           lambda bench, side: per_session(bench, side, 500, 'log-in', 'passed')),
    Figure('Memory per relayed session, TLS to the backend', 'B', NONE,
           ours(lambda bench, side: per_session(bench, side, 500, 'log-in', 'reusing'))),
    Figure('Memory after 1,000 logins, TLS to the backend', 'KB', NONE,
           ours(lambda bench, side: tls_memory(bench, side).before / 1024)),
    Figure('Memory that 10,000 more leave', 'KB', at_most(0, slack=64),
           ours(lambda bench, side: tls_memory(bench, side).more / 1024)),
]

USERS = [
    Figure('CPU per login, file of users', 'µs', NONE, cpu(FILED, 1000), timed=True),
    Figure('CPU per login, file of users / pop3_proxy_pass', '', at_most(1.05),
           ours(quotient(cpu(FILED, 1000), cpu(PASSED, 1000))), timed=True),
    Figure('CPU per login, 100,000 users / 10', '', at_most(1.05),
           ours(quotient(cpu(FILED, 1000, CROWDED), cpu(FILED, 1000))), timed=True),
    Figure('System calls per login, file of users', '', at_most(31, slack=0.5), calls(FILED, 20, 400)),
    *(Figure(f'CPU per login, {name}, file of users', 'µs', ratio(0.75),
             cpu(logins(method, 'digest'), 1000), timed=True)
      for name, method in (('APOP', 'apop'), ('CRAM-MD5', 'cram-md5'))),
    Figure('Memory of 100,000 users', 'KB', NONE, ours(users_memory)),
]

WATCH = [
    Figure('CPU that session log and limits add to a login', 'µs', at_most(3),
           ours(difference(cpu(WATCHED, 2000), cpu(PASSED, 2000))), timed=True),
    Figure('System calls that they add', '', at_most(0, slack=0.5),
           ours(difference(calls(WATCHED, 20, 400), calls(PASSED, 20, 400)))),
    Figure('CPU per login of four workers, with log and limits / without', '', at_most(1.05),
           ours(quotient(*(cpu(work, 2000, FOUR) for work in SIXTEEN))), timed=True),
]

FIGURES = [
    Figure('System calls per command, 20 pipelined', '', at_most(0.15, slack=0.002),
           calls(PIPELINED, 200, 4000)),
    Figure('System calls per command, 2,000 pipelined', '', at_most(0.05), calls(TRAIN, 2000, 80_000)),
    Figure('Commands per second, 20 pipelined', '', Goal(20, 'ratio', at_least=True),
           speed(PIPELINED_ORDINARY, 400), timed=True, more=True),
    Figure('Commands per second, 2,000 pipelined', '', at_least(1_000_000),
           speed(TRAIN, 2000), timed=True, more=True),
    Figure('CPU per command, 20 pipelined', 'µs', ratio(0.35), cpu(PIPELINED, 40_000), timed=True),
    *(Figure(f'CPU per login, {name}', 'µs', NO_WORSE, cpu(logins(method), 1000), timed=True)
      for name, method in METHODS.items()),
    Figure('From the TLS handshake to the greeting', 'ms', at_most(10),
           lambda bench, side: tls.times(bench, side).greeting, timed=True),
    Figure('From QUIT to the end of TLS', 'ms', at_most(10),
           lambda bench, side: tls.times(bench, side).end, timed=True),
    Figure('System calls per login, USER/PASS', '', ratio(1.01), calls(USER_PASS, 20, 400)),
    Figure('Memory per idle connection', 'B', ratio(1.0, slack=0.01),
           lambda bench, side: per_connection(bench, side, 10_000).greeted),
    Figure('Memory per connection after CAPA', 'B', at_most(960),
           lambda bench, side: per_connection(bench, side, 10_000).answered),
    Figure('Memory that a USER/PASS pair leaves', 'B', at_most(0, slack=0.1), pairs),
    Figure('Memory per relayed session', 'B', ratio(0.6),
           lambda bench, side: per_session(bench, side, 500, 'log-in', 'plain')),
    Figure('Bytes per read of a client after its login', 'B', at_least(512),
           lambda bench, side: bytes_a_read(bench, side, 2000), more=True),
    *KEPT_CONNECTIONS,
    *BACKEND,
    *USERS,
    *WATCH,
    Figure('Size of the stripped module', 'KB', NONE, size),
]

# What tells a developer where to look, and a user nothing.
INSTRUCTIONS = [
    *(Figure(f'{whose} instructions per {what}', '', NONE, measure(work, few, more))
      for whose, measure in (('Own', own), ('All', everything))
      for what, work, few, more in (
          ('command', ONE_BY_ONE, 200, 8000),
          ('command, 20 pipelined', PIPELINED, 200, 8000),
          *((f'login, {name}', logins(method), 20, 400) for name, method in METHODS.items()),
      )),
]
