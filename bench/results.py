"""What has come of measuring a figure."""

import math
import statistics
from typing import NamedTuple

from bench import Bench
from figures import Figure
from load import Failed


def repetitions(quick: bool) -> int:
    return 3 if quick else 11


class Value(NamedTuple):
    """What one side came to: samples, or a text if it cannot do the work."""
    samples: list[float]
    failure: str = ''

    @property
    def median(self) -> float:
        return statistics.median(self.samples) if self.samples else math.nan

    @property
    def spread(self) -> float:
        """Half of the interquartile range, as a part of the median."""
        if len(self.samples) < 2 or not self.median:
            return 0.0
        low, _, high = statistics.quantiles(self.samples, n=4)
        return (high - low) / 2 / self.median


class Result(NamedTuple):
    figure: Figure
    c: Value
    ours: Value

    @property
    def ratio(self) -> float:
        """This module's value to the C module's; not a number if one has none."""
        return self.ours.median / self.c.median if self.c.median else math.nan

    @property
    def met(self) -> bool:
        """Whether the goal is; a value that is not there meets none."""
        goal = self.figure.goal
        value = {'value': self.ours.median, 'ratio': self.ratio}[goal.of]
        slack = goal.slack
        if goal.within_noise:
            slack = value * math.hypot(self.c.spread, self.ours.spread)
        return value >= goal.bound - slack if goal.at_least else value <= goal.bound + slack


def measure(bench: Bench, figure: Figure) -> Result:
    """Measures both sides; in turn, if time plays a part, so that whatever else
    the machine does meets both."""
    times = repetitions(bench.quick) if figure.timed else 1
    samples: dict[str, list[float]] = {side.name: [] for side in bench.sides}
    failures = dict.fromkeys(samples, '')
    for number in range(times):
        for side in bench.sides if number % 2 == 0 else reversed(bench.sides):
            try:
                if not failures[side.name]:
                    samples[side.name].append(figure.measure(bench, side))
            except Failed as failed:
                failures[side.name] = str(failed)
    return Result(figure, *(Value(samples[side.name], failures[side.name]) for side in bench.sides))
