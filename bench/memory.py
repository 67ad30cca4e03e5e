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
def per_connection(bench: Bench, side: Side, connections: int) -> Growth:
    """After the greeting, and after the answer to one CAPA."""
    with bench.worker(side) as worker:
        with bench.load.crowd(worker, FIRST) as first:
            first.order('all CAPA')
            before = worker.memory()
            with bench.load.crowd(worker, connections) as crowd:
                greeted = worker.memory()
                crowd.order('all CAPA')
                answered = worker.memory()
    return Growth((greeted - before) / connections, (answered - before) / connections)


def per_relayed_session(bench: Bench, side: Side, connections: int) -> float:
    """Bytes for each session that is logged in; the other end's are not nginx's."""
    with bench.worker(side) as worker:
        with bench.load.crowd(worker, FIRST) as first:
            first.order('log-in')
            before = worker.memory()
            with bench.load.crowd(worker, connections) as crowd:
                crowd.order('log-in')
                return (worker.memory() - before) / connections


def per_command(bench: Bench, side: Side, work: Work, count: int) -> float:
    """Bytes for each command of one connection, while that is still there."""
    with bench.worker(side) as worker:
        with bench.load.held(worker, work, 2):
            before = worker.memory()
        with bench.load.held(worker, work, count):
            return (worker.memory() - before) / count
