#!/usr/bin/env python3
"""Looks whether files of a crate reach each other in a circle, by `use` and other
paths. What a file has by `use` from another counts as that one's, and `mod x;` is
no path.

    tools/check-circles.py CRATE=FOLDER ...
"""

import collections
import re
import sys
from pathlib import Path
from typing import NamedTuple

from rust_source import code

CHILD = re.compile(r'\bmod\s+(\w+)\s*;')
IN_PLACE = re.compile(r'\bmod\s+(\w+)\s*\{')
USE = re.compile(r'\buse\s+([^;]+);')
BRACES = re.compile(r'([\w:]*)\{([^{}]*)\}')
PATH = re.compile(r'(?<![\w:])\w+(?:::\w+)+')

Names = tuple[str, ...]


class Module(NamedTuple):
    path: Names
    file: str
    children: set[str]
    # What `use` brings in, by the name that it has here.
    uses: dict[str, Names]
    paths: set[Names]


Crate = dict[Names, Module]


def read(folder: Path) -> Crate:
    crate = {}
    waiting: list[Names] = [()]
    while waiting:
        path = waiting.pop()
        file = folder.joinpath(*path or ['lib']).with_suffix('.rs')
        crate[path] = parse(path, str(file), code(file.read_text()))
        waiting += [(*path, child) for child in crate[path].children]
    return crate


def parse(path: Names, file: str, text: str) -> Module:
    if found := IN_PLACE.search(text):
        sys.exit(f'{file}: the module {found[1]} has no file, and is not looked into')
    uses = dict(leaf for found in USE.finditer(text) for leaf in leaves(found[1]))
    others = {tuple(found[0].split('::')) for found in PATH.finditer(USE.sub('', text))}
    return Module(path, file, set(CHILD.findall(text)), uses, others | set(uses.values()))


def leaves(tree: str) -> list[tuple[str, Names]]:
    """The paths of `a::{b, c as d}`, each with the name that it brings in."""
    while found := BRACES.search(tree):
        paths = ','.join(found[1] + part.strip() for part in found[2].split(',') if part.strip())
        tree = tree[:found.start()] + paths + tree[found.end():]
    found = []
    for leaf in tree.split(','):
        path, _, name = leaf.strip().partition(' as ')
        names = tuple(path.removesuffix('::self').split('::'))
        found.append((name.strip() or (path if names[-1] == '*' else names[-1]), names))
    return found


def owner(crate: Crate, module: Module, path: Names, seen: frozenset = frozenset()) -> Module | None:
    """The module that has what the path names, if this crate has it."""
    for at, name in enumerate(path):
        here = (module.path, name)
        if name == 'crate':
            module = crate[()]
        elif name == 'super':
            module = crate[module.path[:-1]]
        elif name in module.children:
            module = crate[*module.path, name]
        elif name in module.uses and here not in seen:
            return owner(crate, module, module.uses[name] + path[at + 1:], seen | {here})
        elif name != 'self':
            return module if at else None
    return module


def circle(crate: Crate) -> list[str]:
    """The files of a shortest circle, or none."""
    arrows = {module.file: {other.file for path in module.paths if (other := owner(crate, module, path))}
              for module in crate.values()}
    ways = [way_back(arrows, file) for file in sorted(arrows)]
    return min(filter(None, ways), key=len, default=[])


def way_back(arrows: dict[str, set[str]], file: str) -> list[str]:
    waiting = collections.deque([[file]])
    seen = set()
    while waiting:
        way = waiting.popleft()
        # What a file has of its own is no arrow.
        for reached in sorted(arrows[way[-1]] - {way[-1]} - seen):
            if reached == file:
                return [*way, file]
            seen.add(reached)
            waiting.append([*way, reached])
    return []


def main() -> None:
    failed = False
    for argument in sys.argv[1:]:
        name, _, folder = argument.partition('=')
        crate = read(Path(folder))
        way = circle(crate)
        failed |= bool(way)
        print(f'{name}: {len(crate)} files, ' + (f'a circle: {" -> ".join(way)}' if way else 'no circle'))
    sys.exit(failed)


main()
