"""What has come of the experiments."""

from load import Failed
from peers.bench import Bench
from peers.experiments import Experiment, Figure
from peers.server import Peer
from report import number
from results import Value

# Of each figure, by the names of the peers.
Values = dict[str, Value]
Results = dict[Figure, Values]


def named(come: Results, name: str) -> Values:
    return next(values for figure, values in come.items() if figure.name == name)


def measure(bench: Bench, experiment: Experiment, peers: list[Peer]) -> Results:
    """Measures all peers in turn, and in the next round the other way round, so that
    whatever else the machine does meets all."""
    samples: dict[str, list[tuple[float, ...]]] = {peer.name: [] for peer in peers}
    failures = dict.fromkeys(samples, '')
    for turn in range(1 if bench.quick else experiment.rounds):
        for peer in peers if turn % 2 == 0 else reversed(peers):
            if not failures[peer.name]:
                try:
                    samples[peer.name].append(experiment.run(bench, peer))
                except Failed as failed:
                    failures[peer.name] = str(failed)
    return {
        figure: {name: Value([] if failures[name] else [sample[at] for sample in came], failures[name])
                 for name, came in samples.items()}
        for at, figure in enumerate(experiment.figures)
    }


def show(value: Value, unit: str) -> str:
    return value.failure or f'{number(value.median)} {unit}'.strip()


def for_terminal(figure: Figure, values: Values) -> str:
    cells = ', '.join(f'{name} {show(value, figure.unit)}' for name, value in values.items())
    return f'{figure.name}: {cells}'
