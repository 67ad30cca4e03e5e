"""The tables, for a terminal and for the repository."""

import datetime
import math
import os
import subprocess
from pathlib import Path

import parts
from figures import FIGURES, INSTRUCTIONS, NONE, Goal
from results import Result, Value
from scale import Point
from tls import SESSIONS

HEADS = ('figure', 'C module', 'this module', 'ratio', 'goal', 'spread')
SCALE_HEADS = ('connections', 'memory: C', 'this module', 'after CAPA: C', 'this module',
               'CPU per command: C', 'this module')
WIDTHS = (max(len(figure.name) for figure in (*FIGURES, *INSTRUCTIONS)), 16, 12, 7, 30, 15)
SCALE_WIDTHS = (11, 9, 11, 13, 11, 18, 11)


def number(value: float) -> str:
    """Three digits or more."""
    if value == 0 or abs(value) >= 100:
        return f'{value:,.0f}'
    return f'{value:.2g}' if abs(value) < 1 else f'{value:.3g}'


def show_value(value: Value, unit: str) -> str:
    return value.failure or f'{number(value.median)} {unit}'.strip()


def show_goal(goal: Goal) -> str:
    if goal == NONE:
        return '-'
    sign = '≥' if goal.at_least else '≤'
    if goal.within_noise:
        return f'ratio {sign} {goal.bound:.2f} ± spread'
    if goal.of == 'ratio':
        return f'ratio {sign} {goal.bound:g}' if goal.at_least else f'ratio {sign} {goal.bound:.2f}'
    return f'{sign} {goal.bound:,.6g}' if goal.bound % 1 else f'{sign} {goal.bound:,.0f}'


def show_ratio(ratio: float) -> str:
    if math.isnan(ratio):
        return '-'
    return f'{ratio:.3f}' if ratio < 10 else f'{ratio:,.0f}'


def row(result: Result) -> tuple[str, ...]:
    spread = '-'
    if result.figure.timed:
        spread = ', '.join('-' if value.failure else f'{100 * value.spread:.1f} %'
                           for value in (result.c, result.ours))
    missed = '' if result.met else ': missed'
    return (result.figure.name, show_value(result.c, result.figure.unit),
            show_value(result.ours, result.figure.unit), show_ratio(result.ratio),
            show_goal(result.figure.goal) + missed, spread)


def scale_row(point: Point) -> tuple[str, ...]:
    memory = [f'{value:,.0f} B' for pair in (point.greeted, point.answered) if pair
              for value in pair] or ['-'] * 4
    return (f'{point.connections:,}', *memory, *(f'{value:.2f} µs' for value in point.cpu))


def part_row(row: parts.Row) -> tuple[str, ...]:
    return (row.name, *(f'{instructions:,.0f}' for instructions in row.instructions))


def for_terminal(cells: tuple[str, ...], widths: tuple[int, ...]) -> str:
    first, *others = (width for width in widths)
    return '  '.join([cells[0].ljust(first),
                      *(cell.rjust(width) for cell, width in zip(cells[1:], others))])


def for_markdown(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, ('---',) + ('--:',) * (len(heads) - 1), *rows]
    return '\n'.join(f"| {' | '.join(cells)} |" for cells in lines)


def about(nginx: Path) -> str:
    """What was measured, and on what."""
    version = subprocess.run([nginx, '-v'], capture_output=True, text=True, check=True).stderr
    processor = Path('/proc/cpuinfo').read_text().splitlines()
    model = next((line.partition(':')[2].strip() for line in processor
                  if line.startswith('model name')), os.uname().machine)
    return (f"{version.rpartition(' ')[2].strip()}, {model}, "
            f'Linux {os.uname().release.partition("-")[0]}, {datetime.date.today()}')


TEXT = '''# C module and this module

{about}

`make bench` runs one worker of the same nginx, without this module and with it,
on the same work, and writes this file.

![Ratios](results.svg)

{figures}

System calls and reads (strace) and memory (PSS without mapped files) are counted: the
difference between a run with much work and one with little, or before and after; they
hardly depend on the machine. What is timed does: the medians of {repetitions} runs of each
module in turn, with client, worker, auth server and backend on one processor; the spread
is half of the interquartile range, of the C module and of this one. *± spread* lets a ratio
be off by both of them together.

A command is NOOP or CAPA in turn, in the train of 2,000 NOOP alone; a login is greeting,
login, relaying of QUIT and its reply. A *kept* connection to the auth server is
`pop3_auth_http_keepalive`, with a server that speaks HTTP/1.1; the C module makes a new one
for each login. With *pop3_proxy_pass* this module asks no auth server, and the C module as
ever; *pop3_proxy_pipelining* is that with USER and PASS in one segment. A backend in TLS is a
second worker with this module before the same backend, and is verified; its own processor
time does not count. With a *file of users*, of 10 unless it says otherwise, it is
`pop3_auth_user_file` with passwords in plain text, and the backend that of
`pop3_proxy_pass`; the memory is what 100,000 take more than 10. During a login is when the
backend has PASS and does not answer. Of TLS to clients, each run is the median of
{sessions} sessions of Python's `ssl`, one after the other.

Nearly all of the processor time of a command goes to the kernel: 20 commands are three
system calls. A build of this module that sent replies made before, and did not look at the
commands, was tried once: its ratio was 0.299 to 0.300 where that of this module was 0.303
to 0.307.

## From 1 to {most:,} connections

A tenth of them is active and sends NOOP in turns, the rest is idle. Memory is
that of each connection after the greeting, and after one CAPA on each; it comes
in pages of 4 KB, so that of 100 connections is rough, and that of one is left
out. CPU is dear for one connection, as each command is an event of its own, and
for thousands, as what the kernel and nginx have of each has left the processor's
caches when its turn comes: that is so with both modules.

![Scale](scale.svg)

{scale}

## For developers: instructions

They are counted by callgrind, of the worker in user space. An instruction is the module's
*own* if it is in this module's file, base64 and `memchr` included, or in one of these
functions of nginx, for both sides: `ngx_mail_pop3_*` but the proxy's,
`ngx_mail_read_command`, `ngx_mail_send`, `ngx_mail_salt`, `ngx_mail_starttls_only`,
`ngx_mail_auth_parse`, `_plain`, `_login_username`, `_login_password`, `_cram_md5_salt`,
`_cram_md5`, `_external`, and `ngx_encode_base64*`, `ngx_decode_base64*`. This module asks
the auth server and speaks with the backend itself, which counts as its own; for the C
module nginx's auth_http and proxy do it, which do not: of a login, all of the worker's are
what can be compared. They take a few microseconds of a login.

{instructions}

Where this module's own go: an instruction is of the function that it is from, even where
the compiler has put that into another one; those of `core` are their caller's.

{parts}

*Least* is what is left if commands, mechanisms and states take no more for each line than
for a NOOP or CAPA: a login has to be read, decoded, checked, kept if the secret comes in a
line of its own, made, wiped and given back. The `base64` crate takes 260 instructions for
each 32 characters or a part of them, and is not ours to change; nor is `memchr`.
'''


def markdown(results: list[Result], developers: list[Result], rows: list[parts.Row],
             points: list[Point], nginx: Path, repetitions: int, names: tuple[str, str]) -> str:
    text = TEXT.format(
        about=about(nginx), repetitions=repetitions, sessions=SESSIONS, most=points[-1].connections,
        figures=for_markdown(HEADS, [row(result) for result in results]),
        instructions=for_markdown(HEADS[:4], [row(result)[:4] for result in developers]),
        parts=for_markdown(('part', *(kind.name for kind in parts.KINDS)), [part_row(row) for row in rows]),
        scale=for_markdown(SCALE_HEADS, [scale_row(point) for point in points]))
    return text.replace('(results.svg)', f'({names[0]})').replace('(scale.svg)', f'({names[1]})')
