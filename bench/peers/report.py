"""The tables, and how each server was set up."""

import datetime
import math
import os
import re
import resource
from pathlib import Path

from nginx import Peers
from peers.experiments import (DESCRIPTORS, FULL_AT, MESSAGES, PROCESSES, SESSIONS, TOGETHER, TRYING,
                               Figure)
from peers.goals import GOALS
from peers.results import Results, show
from peers.server import Limits, Peer, Place
from report import for_markdown, number
from results import Value

TEXT = '''# Beside other POP3 front ends

{about}

`make bench-peers` has each of them log clients in at the same backend, and writes this file.

{versions}

![Figures that a user feels](peers.svg)

## Goals of this module

The medians of this run; *of C* and the like is that column's figure.

{goals}

## Figures

{figures}

Medians; behind ± is half of the interquartile range as a part of them, where there was more
than one run. The servers take turns, in the order of the columns and back. Words instead of a
figure say why there is none: where a single login does not succeed, nothing is told of the
others. The five columns behind C's are this module, by how it is decided who may log in and
where.

- A **login** is a connection, the greeting, USER, PASS and QUIT with their replies, and the
  close. Each client makes one after the other, and has made one before. It is timed from the
  connection on; of few logins the 99th percentile is the slowest. With *TLS, full* each has a
  handshake in full (TLS 1.3, RSA with 2,048 bits, X25519), with *reused* the session of the
  client's login before, or the run fails.
- A server has a **processor** to itself; clients, auth server and backend share another, and
  what is faster than they are shows it in the CPU and not in logins per second.
- **CPU** is that of all processes of a server, by the kernel's account of it: nanoseconds
  from `schedstat` of those that run, and what `stat` of the first process says of its
  children that have ended, in ticks of 10 ms for all of a run. No cgroup is needed.
- **System calls** are counted by strace, **memory** is the PSS without mapped files of all
  processes: the difference of two runs, and that for each of {sessions:,} sessions
  ({processes} of Perdition's) beside a tenth of them.
- **Relayed** are {messages:,} messages of 50 KB, {together} RETR in one segment or one after the other, to a
  client that acknowledges at once. A RETR is timed with a client that does as Linux does by default: there
  some servers wait for it for 40 ms. Buffers are those that each has by default: with the C
  module `proxy_buffer` of 4 KB (a page), in stream `proxy_buffer_size` of 16 KB, with this
  module 32 KB of the worker's.
- **Silent clients** are greeted and say nothing. The **limit** is {full_at:,} connections
  (`worker_connections`, which in nginx are those to backends, too; `client_limit`;
  `connection_limit`), with {more:,} silent clients, and {trying} logins one after the other,
  each with a second of patience. **Descriptors** are {descriptors} for each process, with
  {short} silent clients; *afterwards* is two seconds after they are gone.

Servers listen with the backlog that they have by default: of 1,000 clients who come at once
some have to knock a second time.

## How each was set up
{setups}'''

SETUP = '''
### {name}

{version}: {what}.

<details><summary>Configuration</summary>

{files}

</details>
'''


def about() -> str:
    processor = Path('/proc/cpuinfo').read_text().splitlines()
    model = next((line.partition(':')[2].strip() for line in processor if line.startswith('model name')),
                 os.uname().machine)
    return f'{model}, Linux {os.uname().release.partition("-")[0]}, {datetime.date.today()}'


def cell(value: Value, unit: str) -> str:
    spread = f' ± {100 * value.spread:.0f} %' if len(value.samples) > 1 else ''
    return show(value, unit) + spread


def figures(come: Results, peers: list[Peer]) -> str:
    """What is the same but for the clients stands together."""
    groups = list(dict.fromkeys(group(figure) for figure in come))
    together = sorted(come.items(), key=lambda item: groups.index(group(item[0])))
    return for_markdown(('figure', *(peer.name for peer in peers)),
                        [(figure.name, *(cell(values[peer.name], figure.unit) for peer in peers))
                         for figure, values in together])


def group(figure: Figure) -> str:
    return figure.name.partition(',')[0]


def goals(come: Results) -> str:
    rows = []
    for goal in GOALS:
        value = goal.value(come)
        verdict = 'met' if goal.met(value) else 'missed'
        shown = 'no figure' if math.isnan(value) else f'{value:.2f}' if goal.other else number(value)
        rows.append((goal.figure, goal.ours, goal.show(), shown, verdict))
    return for_markdown(('figure', 'of', 'goal', 'came to', ''), rows)


def setup(peer: Peer) -> str:
    """With names and ports in place of those of a run."""
    folder = Path('/bench/server')
    place = Place(folder, 8110, 8995, Peers(auth=8080, backend=1110), Limits())
    blocks = []
    for command in peer.commands(place):
        blocks.append('    ' + ' '.join([Path(command.words[0]).name, *command.words[1:]]))
        for name, text in command.files.items():
            lines = re.sub('load_module .*/', 'load_module ', text).splitlines()
            blocks.append(f'`{name}`:\n\n' + '\n'.join('    ' + line for line in lines))
    return SETUP.format(name=peer.name, what=peer.what, version=peer.version(),
                        files='\n\n'.join(blocks))


def markdown(come: Results, peers: list[Peer], picture: str) -> str:
    text = TEXT.format(
        about=about(), versions=for_markdown(('column', 'what', 'version'),
                                             [(peer.name, peer.what, peer.version()) for peer in peers]),
        goals=goals(come), figures=figures(come, peers), sessions=SESSIONS, processes=PROCESSES,
        messages=MESSAGES, together=TOGETHER, full_at=FULL_AT, more=FULL_AT * 6 // 5, trying=TRYING, descriptors=DESCRIPTORS,
        short=DESCRIPTORS * 3 // 2, many=resource.getrlimit(resource.RLIMIT_NOFILE)[1], setups=''.join(map(setup, peers)))
    return text.replace('(peers.svg)', f'({picture})')
