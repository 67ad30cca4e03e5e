"""The charts. They are to be readable in a README, in the light and in the dark."""

import math
from pathlib import Path

import matplotlib

matplotlib.use('svg')
# The same figures are to give the same file, and text is to stay text.
matplotlib.rcParams.update({
    'svg.hashsalt': 'bench', 'svg.fonttype': 'none', 'font.family': 'sans-serif',
    'font.size': 10, 'figure.facecolor': 'white', 'axes.facecolor': 'white',
    'axes.spines.top': False, 'axes.spines.right': False,
})

from matplotlib import pyplot
from matplotlib.figure import Figure

from results import Result
from scale import Point

C_COLOUR, OUR_COLOUR, MISSED_COLOUR = '#8a8f98', '#1f77b4', '#d1662b'


def save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format='svg', metadata={'Date': None, 'Creator': None}, bbox_inches='tight')
    pyplot.close(figure)


def ratios(results: list[Result], path: Path) -> None:
    """A bar for each figure. Of a speed it is the other way round, so that a
    short bar is good news everywhere."""
    bars = []
    for result in results:
        ratio = 1 / result.ratio if result.figure.more and result.ratio else result.ratio
        if not math.isnan(ratio):
            name = result.figure.name + (' (C / this)' if result.figure.more else '')
            bars.append((name, ratio, OUR_COLOUR if result.met else MISSED_COLOUR))
    names, values, colours = zip(*bars)

    figure, axes = pyplot.subplots(figsize=(9, 0.9 + 0.27 * len(bars)))
    axes.barh(names, values, color=colours, height=0.68)
    for at, value in enumerate(values):
        axes.text(value + 0.012, at, f'{value:.2f}' if value >= 0.01 else f'{value:.2g}',
                  va='center', fontsize=9, bbox={'facecolor': 'white', 'edgecolor': 'none', 'pad': 0.5})
    axes.axvline(1, color=C_COLOUR, linewidth=1.2, zorder=0)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlim(0, max(1.15, max(values) + 0.12))
    axes.tick_params(axis='y', length=0)
    missed = ' (orange: goal missed)' if MISSED_COLOUR in colours else ''
    axes.set_title(f'This module / C module: shorter is better{missed}', loc='left', fontsize=11)
    save(figure, path)


def scale(points: list[Point], path: Path) -> None:
    """Lines that are to be flat."""
    panels = [('Memory after the greeting, B', [(p.connections, p.greeted) for p in points]),
              ('Memory after CAPA, B', [(p.connections, p.answered) for p in points]),
              ('CPU per command, µs', [(p.connections, p.cpu) for p in points])]
    figure, all_axes = pyplot.subplots(1, 3, figsize=(11, 3.4))
    for axes, (title, line) in zip(all_axes, panels):
        line = [(connections, pair) for connections, pair in line if pair]
        for at, name, colour, style in ((0, 'C module', C_COLOUR, 's-'),
                                        (1, 'this module', OUR_COLOUR, 'o-')):
            axes.plot([connections for connections, _ in line], [pair[at] for _, pair in line],
                      style, color=colour, label=name, markersize=4.5, linewidth=1.8)
        axes.set_xscale('log')
        axes.set_xlim(0.7, 30_000)
        axes.set_ylim(0, 1.25 * max(max(pair) for _, pair in line))
        axes.set_xticks([1, 10, 100, 1000, 10_000], ['1', '10', '100', '1,000', '10,000'])
        axes.minorticks_off()
        axes.set_xlabel('connections')
        axes.set_title(title, loc='left', fontsize=11)
        axes.grid(axis='y', color='#e4e6ea')
        axes.set_axisbelow(True)
    all_axes[0].legend(frameon=False, loc='lower left')
    figure.tight_layout()
    save(figure, path)
