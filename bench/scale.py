"""The same from one connection to as many as a worker can have."""

import statistics
from typing import NamedTuple

from bench import Bench
from memory import per_connection
from nginx import Side

# A worker that has less than a sixteenth of its connections left closes idle ones.
CONNECTIONS = (1, 100, 1_000, 10_000, 17_000)
# Commands in a measurement, about.
COMMANDS = 4000


class Point(NamedTuple):
    """For each connection in bytes, and for each command in microseconds: the C
    module's and this one's. Memory comes in pages: that of one connection tells
    nothing."""
    connections: int
    greeted: tuple[float, ...] | None
    answered: tuple[float, ...] | None
    cpu: tuple[float, ...]


def measure(bench: Bench, connections: int) -> Point:
    samples: dict[str, list[float]] = {side.name: [] for side in bench.sides}
    for number in range(1 if bench.quick else 5):
        for side in bench.sides if number % 2 == 0 else reversed(bench.sides):
            samples[side.name] += cpu_per_command(bench, side, connections)
    cpu = tuple(statistics.median(samples[side.name]) for side in bench.sides)
    if connections < 100:
        return Point(connections, None, None, cpu)
    growth = [per_connection(bench, side, connections) for side in bench.sides]
    return Point(connections, tuple(each.greeted for each in growth),
                 tuple(each.answered for each in growth), cpu)


def cpu_per_command(bench: Bench, side: Side, connections: int) -> list[float]:
    """Of a tenth of the connections that send NOOP in turns; the rest is idle."""
    active = -(-connections // 10)
    rounds = -(-COMMANDS // active)
    samples = []
    with bench.worker(side) as worker, bench.load.crowd(worker, connections) as crowd:
        crowd.order('tenth NOOP 1')
        for _ in range(3):
            before = worker.cpu()
            crowd.order(f'tenth NOOP {rounds}')
            samples.append((worker.cpu() - before) * 1e6 / (rounds * active))
    return samples
