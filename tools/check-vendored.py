#!/usr/bin/env python3
"""Holds what the packages say about the crates to the crates themselves. Runs at
the top of an unpacked tarball."""

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

COPYRIGHT = 'packaging/debian/copyright'
SPEC = 'packaging/rpm/nginx-mod-mail-pop3-rs.spec'

# Debian's names for licenses, where they are not those of SPDX.
DEBIAN = {
    'MIT': 'Expat',
    'LGPL-2.1-or-later': 'LGPL-2.1+',
    'Apache-2.0 WITH LLVM-exception': 'Apache-2.0 with LLVM exception',
}

problems = []


def expect(holds: bool, problem: str) -> None:
    if not holds:
        problems.append(problem)


def terms(license: str) -> set[frozenset[str]]:
    """All of the terms hold, each with a choice. One license is one choice."""
    return {
        frozenset(DEBIAN.get(name, name).lower() for name in re.split(r' or |/', term, flags=re.I))
        for term in re.split(r',? and ', re.sub('[()]', '', license), flags=re.I)
    }


def fields(paragraph: str) -> dict[str, str]:
    return dict(re.findall(r'^([A-Z][a-z-]+):[ \n]*((?:.*)(?:\n .*)*)', paragraph, re.M))


def read_copyright(text: str) -> tuple[list[tuple[str, str]], set[str]]:
    """The patterns with the licenses that they say, and those with a text."""
    patterns = []
    texts = set()
    for paragraph in map(fields, text.split('\n\n')):
        license = paragraph.get('License', '').split('\n')[0]
        for pattern in paragraph.get('Files', '').split():
            patterns.append((pattern, license))
        if license and 'Files' not in paragraph:
            texts.add(license.lower())
    return patterns, texts


def check_licenses(patterns: list[tuple[str, str]]) -> None:
    """Of the patterns that match, the last one holds."""
    for crate in sorted(Path('vendor').iterdir()):
        with open(crate / 'Cargo.toml', 'rb') as manifest:
            license = tomllib.load(manifest)['package']['license']
        file = f'vendor/{crate.name}/Cargo.toml'
        said = [
            name
            for pattern, name in patterns
            if pattern.startswith('vendor/') and fnmatchcase(file, pattern)
        ]
        if not said:
            problems.append(f'{COPYRIGHT} does not name {crate.name}, which is {license}')
        else:
            expect(
                terms(said[-1]) == terms(license),
                f'{COPYRIGHT}: {crate.name} is {license}, not {said[-1]}',
            )

        files = {str(path.relative_to(crate)) for path in crate.rglob('*') if path.is_file()}
        expect(
            files == {'.cargo-checksum.json', 'Cargo.toml', 'src/lib.rs'}
            or any(file.startswith('LICENSE') for file in files),
            f'vendor/{crate.name} has no text of its license',
        )


def check_patterns(patterns: list[tuple[str, str]], texts: set[str]) -> None:
    files = [str(path) for path in Path('.').rglob('*')]
    for pattern, license in patterns:
        expect(
            pattern == 'debian/*' or any(fnmatchcase(file, pattern) for file in files),
            f'{COPYRIGHT}: there is no {pattern}',
        )
        for term in terms(license):
            for name in term - texts:
                problems.append(f'{COPYRIGHT} has no text of {name}')


def linked() -> dict[str, str]:
    """The crates that are in the module's file, with their versions."""
    output = subprocess.run(
        ['cargo', 'tree', '--locked', '--package', 'ngx-mail-pop3-rs-module',
         '--edges', 'no-build,no-dev,no-proc-macro', '--prefix', 'none', '--format', '{p}'],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return dict(re.findall(r'^(\S+) v(\S+)(?: \(\*\))?$', output, re.M))


def check_linked(copyright: str) -> None:
    crates = linked()

    named = re.search(r'these crates under vendor/: ([^.]*)\.', copyright)
    said = re.split(r',\s+|\s+and\s+', named.group(1)) if named else []
    expect(
        said == sorted(crates),
        f'{COPYRIGHT} names {said} as linked in, not {sorted(crates)}',
    )

    spec = Path(SPEC).read_text()
    provided = re.findall(r'^Provides: +bundled\(crate\((\S+)\)\) = (\S+)$', spec, re.M)
    expect(
        dict(provided) == crates,
        f'{SPEC} provides {provided}, not {sorted(crates.items())}',
    )


def main() -> None:
    copyright = Path(COPYRIGHT).read_text()
    patterns, texts = read_copyright(copyright)

    check_licenses(patterns)
    check_patterns(patterns, texts)
    check_linked(copyright)

    if problems:
        sys.exit('\n'.join(problems))
    print('ok - the packages name the crates and their licenses')


main()
