"""A picture of what a user feels. It is to be readable in a README, in the light and in the
dark."""

from pathlib import Path

from chart import C_COLOUR, OUR_COLOUR, save
from matplotlib import pyplot
from peers.experiments import FULL_AT_LIMIT, RELAY
from peers.results import Results, Values, named
from peers.server import Peer
from report import number

# What each panel is called, and whether more is better.
PANELS = {
    'CPU per login, plain, 16 clients': ('CPU per login, µs', False),
    'CPU per login, TLS, full, 16 clients': ('CPU per login in TLS, µs', False),
    '99th percentile of a login, plain, 16 clients': ('99 of 100 logins within, ms', False),
    'Memory per idle session, TLS': ('Memory per idle session in TLS, KB', False),
    RELAY: ('MB relayed per CPU second', True),
    FULL_AT_LIMIT: ('Logins of 500 while the limit is full', True),
}
NAMES = {'C': 'nginx, C module', 'auth_http': 'this, auth_http', 'kept': 'this, kept connections',
         'proxy_pass': 'this, pop3_proxy_pass', 'pipelining': 'this, pop3_proxy_pipelining',
         'user file': 'this, user file', 'stream': 'nginx stream'}


def draw(come: Results, peers: list[Peer], path: Path) -> None:
    figure, all_axes = pyplot.subplots(2, 3, figsize=(12, 5.6), sharey=True)
    for axes, (name, (title, more)) in zip(all_axes.flat, PANELS.items()):
        panel(axes, named(come, name), peers, 1024 if title.endswith('KB') else 1)
        axes.set_title(f'{title}\n{"longer" if more else "shorter"} is better', loc='left', fontsize=10)
    all_axes[0][0].invert_yaxis()
    figure.tight_layout()
    save(figure, path)


def panel(axes: pyplot.Axes, values: Values, peers: list[Peer], divisor: int) -> None:
    lengths = [0.0 if values[peer.name].failure else values[peer.name].median / divisor for peer in peers]
    names = [NAMES.get(peer.name, peer.name) for peer in peers]
    axes.barh(names, lengths, height=0.7,
              color=[OUR_COLOUR if name.startswith('this') else C_COLOUR for name in names])
    most = max(lengths) or 1
    # One that is far behind would leave nothing to see of the others: its bar is cut.
    second = sorted(lengths)[-2] or most
    end = most if most <= 3 * second else 2 * second
    for at, (peer, length) in enumerate(zip(peers, lengths)):
        text = values[peer.name].failure or number(length) + (' (bar is cut)' if length > end else '')
        axes.text(min(length, end) + 0.02 * end, at, text, va='center', fontsize=8.5)
    axes.set_xlim(0, 1.3 * end if end == most else 1.5 * end)
    axes.set_xticks([])
    axes.spines['bottom'].set_visible(False)
    axes.tick_params(axis='y', length=0)
