"""The experiments, and the figures that come of each."""

import contextlib
import time
from typing import Callable, Iterator, NamedTuple

from peers.bench import Bench
from peers.server import Limits, Peer, Server
from peers.traffic import FULL, PLAIN, REUSED

CLIENTS = (1, 16, 100, 1000)
KINDS = {PLAIN: 'plain', FULL: 'TLS, full', REUSED: 'TLS, reused'}
# Seconds of logins.
LONG, QUICK = 0.5, 0.2
# A mailbox of 200 MB, and how many of its messages a client that pipelines asks for.
MESSAGES, TOGETHER = 4000, 20
# Silent clients where there is no limit, and a limit with more clients than that.
SILENT = 5000
FULL_AT, TRYING = 1000, 500
DESCRIPTORS, AFTERWARDS = 400, 20
# Sessions whose memory is looked at; where each is a process, fewer.
SESSIONS, PROCESSES = 1000, 200


# What is looked for by others.
RELAY = f'MB relayed per CPU second, {TOGETHER} RETR pipelined'
FULL_AT_LIMIT = f'Logins of {TRYING} that succeed while the limit is full'
BESIDE = f'99th percentile of a login, {SILENT:,} silent clients beside / none'


class Figure(NamedTuple):
    name: str
    unit: str = ''


class Experiment(NamedTuple):
    """Figures that come of the same runs."""
    figures: tuple[Figure, ...]
    run: Callable[[Bench, Peer], tuple[float, ...]]
    # How often, in turns; quickly, once.
    rounds: int = 4


def of_logins(kind: str, clients: int) -> Experiment:
    what = f'{KINDS[kind]}, {named(clients)}'

    def run(bench: Bench, peer: Peer) -> tuple[float, ...]:
        seconds = QUICK if bench.quick else LONG
        logins, cpu = bench.traffic.logins(bench.kept(peer), kind, clients, seconds)
        figures = (cpu * 1e6 / logins.count, logins.median, logins.late, logins.count / logins.seconds)
        return (*figures, logins.greeting) if is_greeting else figures

    is_greeting = kind == FULL and clients == 1
    figures = (Figure(f'CPU per login, {what}', 'µs'), Figure(f'Median of a login, {what}', 'ms'),
               Figure(f'99th percentile of a login, {what}', 'ms'), Figure(f'Logins per second, {what}'))
    if is_greeting:
        figures += (Figure('From the TLS handshake to the greeting', 'ms'),)
    # The goals are about sixteen clients.
    rounds = {16: 8, 1000: 1}.get(clients, 3 if kind == PLAIN else 2)
    return Experiment(figures, run, rounds)


def of_calls(clients: int) -> Experiment:
    """The difference of two runs: what starting takes does not show."""
    few, many = 50, 250

    def run(bench: Bench, peer: Peer) -> tuple[float, ...]:
        counts = []
        for logins in (few, many):
            with bench.fresh(peer, tool=('strace', '-f', '-c', '-o', 'FILE')) as server:
                bench.traffic.counted(server, clients, logins)
                folder = server.place.folder
            counts.append(sum(total(file.read_text()) for file in folder.glob('tool-*')))
        return ((counts[1] - counts[0]) / (many - few),)

    return Experiment((Figure(f'System calls per login, plain, {named(clients)}'),), run, rounds=1)


def named(clients: int) -> str:
    return f'{clients:,} client{"s" if clients > 1 else ""}'


def total(summary: str) -> int:
    """What strace says at the end."""
    return next(int(line.split()[3]) for line in summary.splitlines() if line.endswith(' total'))


def memory(kind: str, until: str) -> Callable[[Bench, Peer], tuple[float, ...]]:
    """Of each session beside a tenth that were there before: their memory comes out of what
    the server's start has left free."""
    def run(bench: Bench, peer: Peer) -> tuple[float, ...]:
        sessions = PROCESSES if peer.forks else SESSIONS
        with (bench.fresh(peer) as server,
              bench.traffic.crowd(server, kind, sessions // 10, until)):
            before = server.memory()
            with bench.traffic.crowd(server, kind, sessions, until):
                return ((server.memory() - before) / sessions,)
    return run


def relay(together: int) -> Callable[[Bench, Peer], tuple[float, ...]]:
    def run(bench: Bench, peer: Peer) -> tuple[float, ...]:
        server = bench.kept(peer)
        options = ('--count', str(MESSAGES), '--together', str(together), '--ack-at-once')
        with bench.traffic.clients(server, 'fetch', PLAIN, *options) as client:
            before = server.cpu()
            size, _ = client.go()
            return (size / 1e6 / (server.cpu() - before),)
    return run


def message(bench: Bench, peer: Peer) -> tuple[float, ...]:
    with bench.traffic.clients(bench.kept(peer), 'fetch', PLAIN, '--count', '20') as client:
        _, seconds = client.go()
        return (seconds / 20 * 1e3,)


def silent(bench: Bench, peer: Peer) -> tuple[float, ...]:
    seconds = QUICK if bench.quick else 1.0
    with bench.fresh(peer) as server:
        alone, _ = bench.traffic.logins(server, PLAIN, 16, seconds)
        with bench.traffic.crowd(server, PLAIN, SILENT, 'greeted'):
            beside, _ = bench.traffic.logins(server, PLAIN, 16, seconds)
    return alone.median, beside.median, alone.late, beside.late, beside.late / alone.late


def limit(bench: Bench, peer: Peer) -> tuple[float, ...]:
    with bench.fresh(peer, Limits(connections=FULL_AT)) as server:
        with filled(bench, server, FULL_AT * 6 // 5):
            return (bench.traffic.tries(server, TRYING),)


def descriptors(bench: Bench, peer: Peer) -> tuple[float, ...]:
    with bench.fresh(peer, Limits(descriptors=DESCRIPTORS)) as server:
        with filled(bench, server, DESCRIPTORS * 3 // 2):
            meanwhile = bench.traffic.tries(server, 100)
        time.sleep(2)
        return meanwhile, bench.traffic.tries(server, AFTERWARDS)


@contextlib.contextmanager
def filled(bench: Bench, server: Server, clients: int) -> Iterator[None]:
    """Keeps connections on which nothing comes, not even a look at the greeting."""
    with bench.traffic.crowd(server, PLAIN, clients, 'connected'):
        time.sleep(0.5)
        yield


def of_memory(what: str, until: str) -> list[Experiment]:
    return [Experiment((Figure(f'Memory per {what} session, {KINDS[kind].partition(",")[0]}', 'B'),),
                       memory(kind, until), rounds=1) for kind in (PLAIN, FULL)]


EXPERIMENTS = [
    *(of_logins(kind, clients) for kind in KINDS for clients in CLIENTS),
    *map(of_calls, (1, 16)),
    *of_memory('idle', 'greeted'),
    *of_memory('relayed', 'logged-in'),
    Experiment((Figure(RELAY, 'MB'),), relay(TOGETHER)),
    Experiment((Figure('MB relayed per CPU second, one RETR after the other', 'MB'),), relay(1)),
    Experiment((Figure('RETR of a message of 50 KB', 'ms'),), message),
    Experiment((Figure('Median of a login, 16 clients', 'ms'),
                Figure(f'Median of a login, {SILENT:,} silent clients beside', 'ms'),
                Figure('99th percentile of a login, 16 clients', 'ms'),
                Figure(f'99th percentile of a login, {SILENT:,} silent clients beside', 'ms'),
                Figure(BESIDE)), silent, rounds=2),
    Experiment((Figure(FULL_AT_LIMIT),), limit, rounds=1),
    Experiment((Figure('Logins of 100 that succeed while descriptors are short'),
                Figure(f'Logins of {AFTERWARDS} that succeed afterwards')), descriptors, rounds=1),
]
