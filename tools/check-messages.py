#!/usr/bin/env python3
"""Looks whether docs/troubleshooting.md has a row for all that can be logged, and no
row for what cannot.

What can be logged is made of C strings, as nginx takes them; a line may be joined of
several. So each C string that ships has to stand in a row, as a whole: what does not
get into a log is told by its form, or by name below."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from rust_source import NO_CODE, code

DOCUMENT = Path('docs/troubleshooting.md')
FOLDERS = ('address-limits/src', 'auth-http/src', 'log-format/src', 'ngx-mail/src', 'pop3/src',
           'src', 'user-file/src')

# Rows below such a heading are of nginx.
FOREIGN = re.compile("#+ nginx's own lines")

# What nginx writes around a reason (ngx_conf_handler()).
AROUND = {'directive'}

# C strings that no log gets.
UNLOGGED = {
    'unix:pop3_proxy_pass',     # the address that nginx's own auth_http is given
    r'\x04pop3',                # ALPN
    'pop3',                     # the protocol's name, for auth_http
}
NAME = re.compile(r'[a-z0-9]+(?:_[a-z0-9]+)+')
REPLY = '-ERR '

# Up to the end of its statement.
CONCAT = re.compile(r'concat!\((?:"(?:\\.|[^"\\])*"|[^";])*', re.DOTALL)
LITERAL = re.compile(r'(?P<kind>[bc]?)(?:r#*)?"(?P<text>.*)"#*', re.DOTALL)
END = r'\0'
PLACEHOLDER = re.compile(r'%\*?(?:ui|uz|ul|[a-zA-Z])')
ESCAPE = re.compile(r'\\(?:\n\s*|(["\\]))')

# A reason of the system or of OpenSSL, behind a line.
REASON = re.compile(r' \((?:\d+|SSL): [^)]*\)')

# The end of a row that leaves out the rest of its line, and what there has to be of it.
REST = ' ...'
HEAD = 10

# Between the pieces of a row: "..." for a value, and what stands around values.
BETWEEN = re.compile(r'\.\.\.|[\s"\'():,]')
EDGES = ' "\'():,;<>@.'


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        for file in sorted(Path(folder).rglob('*.rs')):
            if 'tests' not in file.parts and file.name != 'tests.rs':
                yield file


def strings(text: str) -> Iterator[str]:
    """C strings, bytes that end as one, and what `concat!` makes such of."""
    joined = [found.span() for found in CONCAT.finditer(text)]
    for found in NO_CODE.finditer(text):
        literal = LITERAL.fullmatch(found['string'] or '')
        if literal is None:
            continue
        kind, words = literal['kind'], literal['text']
        is_joined = any(start < found.start() < end for start, end in joined)
        if kind == 'c' or words.endswith(END) or (is_joined and ' ' in words):
            yield words.removesuffix(END)


def pieces(literal: str) -> Iterator[str]:
    """What of a string is in each line that is made of it."""
    literal = ESCAPE.sub(lambda found: found[1] or '', literal)
    if literal in UNLOGGED or literal.startswith(REPLY):
        return
    for piece in PLACEHOLDER.split(literal):
        piece = piece.replace(r'\r\n', '').strip(EDGES)
        if re.search('[A-Za-z]', piece) and not NAME.fullmatch(piece):
            yield piece


def logged() -> dict[str, str]:
    """The pieces, and where each stands first."""
    places: dict[str, str] = {}
    for file in sources():
        text = code(file.read_text(), strings=True)
        for literal in strings(text):
            for piece in pieces(literal):
                places.setdefault(piece, str(file))
    return places


def rows(text: str) -> Iterator[str]:
    """The lines in the first column of each table that is not of nginx's own."""
    foreign = False
    for line in text.splitlines():
        if line.startswith('#'):
            foreign = bool(FOREIGN.match(line))
        elif line.startswith('| `') and not foreign:
            for row in re.findall(r'`([^`]+)`', line.split(' | ')[0]):
                if not row.startswith(REPLY.strip()):
                    yield row


def parse(row: str, known: set[str]) -> set[str] | None:
    """The pieces that a row is made of, the fewest that do; nothing if there are none."""
    row = REASON.sub('', row)
    best: list[set[str] | None] = [set()] + [None] * len(row)
    for at, have in enumerate(best):
        if have is None:
            continue
        for used, end in steps(row, at, known):
            now = have | {used} if used else have
            old = best[end]
            if old is None or len(now) < len(old):
                best[end] = now
    return best[-1]


def steps(row: str, at: int, known: set[str]) -> Iterator[tuple[str | None, int]]:
    """What may stand there, and where that ends."""
    for form in (BETWEEN, NAME):
        if found := form.match(row, at):
            yield None, found.end()
    for piece in known:
        if row.startswith(piece, at) and is_whole(row, at, at + len(piece)):
            yield piece, at + len(piece)
    if row.endswith(REST) and len(row) - at >= HEAD + len(REST):
        begun = [piece for piece in known if piece.startswith(row[at:-len(REST)])]
        if len(begun) == 1:
            yield begun[0], len(row)


def is_whole(row: str, start: int, end: int) -> bool:
    """Whether no word goes on beyond it."""
    return not (re.match(r'\w\w', row[start - 1:start + 1]) if start else None) \
        and not re.match(r'\w\w', row[end - 1:end + 1])


def main() -> None:
    places = logged()
    known = set(places) | AROUND
    told: set[str] = set()
    problems = []
    for row in rows(DOCUMENT.read_text()):
        found = parse(row, known)
        if found is None:
            problems.append(f'{DOCUMENT} has a row that nobody logs: {row}')
        told |= found or set()
    problems += (f'{DOCUMENT} has no row for what {file} logs: {piece}'
                 for piece, file in places.items() if piece not in told)
    if problems:
        sys.exit('\n'.join(problems))
    print(f'{DOCUMENT} has all of {len(places)} pieces of log lines')


main()
