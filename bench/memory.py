"""What a worker's memory grows by."""

import functools
from typing import NamedTuple

from bench import Bench
from load import Work
from nginx import Side


class Growth(NamedTuple):
    """Bytes for each connection."""
    greeted: float
    answered: float


# Connections that are there before: their memory comes out of what nginx's start
# has left free.
FIRST = 100


@functools.cache
def per_connection(bench: Bench, side: Side, connections: int, port: str = 'plain') -> Growth:
    """After the greeting, and after the answer to one CAPA."""
    with bench.worker(side) as worker:
        with bench.load.crowd(worker, FIRST, port) as first:
            first.order('all CAPA')
            before = worker.memory()
            with bench.load.crowd(worker, connections, port) as crowd:
                greeted = worker.memory()
                crowd.order('all CAPA')
                answered = worker.memory()
    return Growth((greeted - before) / connections, (answered - before) / connections)


def per_session(bench: Bench, side: Side, connections: int, order: str, port: str) -> float:
    """Bytes for each session after its login, or during it; the other ends' are not
    nginx's."""
    with bench.worker(side) as worker:
        with bench.load.crowd(worker, FIRST, port) as first:
            first.order(order)
            before = worker.memory()
            with bench.load.crowd(worker, connections, port) as crowd:
                crowd.order(order)
                return (worker.memory() - before) / connections


class Soaked(NamedTuple):
    """Bytes of all memory, and what it has grown by then."""
    before: int
    more: int


@functools.cache
def soaked(bench: Bench, side: Side, work: Work, first: int, more: int) -> Soaked:
    """After the first logins, and after more."""
    with bench.worker(side) as worker:
        bench.load.run(worker, work, first)
        before = worker.memory()
        bench.load.run(worker, work, more)
        return Soaked(before, worker.memory() - before)


def per_command(bench: Bench, side: Side, work: Work, count: int) -> float:
    """Bytes for each command of one connection, while that is still there."""
    with bench.worker(side) as worker:
        with bench.load.held(worker, work, 2):
            before = worker.memory()
        with bench.load.held(worker, work, count):
            return (worker.memory() - before) / count
