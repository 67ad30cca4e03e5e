#!/usr/bin/env python3
"""Takes out of vendor/ what Linux does not need. Of a crate that is not compiled
there, cargo still wants to see Cargo.toml."""

import json
import shutil
import subprocess
from pathlib import Path

PLATFORMS = ['x86_64-unknown-linux-gnu', 'aarch64-unknown-linux-gnu']
# Files that were compiled, and Cargo.toml.orig, which Debian's dh_clean removes.
SUPERFLUOUS = {'.a', '.dll', '.lib', '.orig'}


def compiled() -> set[str]:
    filters = [word for platform in PLATFORMS for word in ('--filter-platform', platform)]
    output = subprocess.run(
        ['cargo', 'metadata', '--locked', '--offline', '--format-version', '1', *filters],
        check=True, stdout=subprocess.PIPE).stdout
    metadata = json.loads(output)
    nodes = {node['id'] for node in metadata['resolve']['nodes']}
    return {
        f'{package["name"]}-{package["version"]}'
        for package in metadata['packages'] if package['id'] in nodes
    }


def prune(crate: Path, keep: bool) -> None:
    checksums = crate / '.cargo-checksum.json'
    known = json.loads(checksums.read_text())

    if not keep:
        manifest = (crate / 'Cargo.toml').read_bytes()
        shutil.rmtree(crate)
        (crate / 'src').mkdir(parents=True)
        (crate / 'src/lib.rs').touch()
        (crate / 'Cargo.toml').write_bytes(manifest)
        known['files'] = {}

    for path in [path for path in crate.rglob('*') if path.suffix in SUPERFLUOUS]:
        path.unlink()
        del known['files'][str(path.relative_to(crate))]

    checksums.write_text(json.dumps(known, sort_keys=True))


def main() -> None:
    needed = compiled()
    for crate in sorted(Path('vendor').iterdir()):
        # nginx-src is not for a compiler: tools/nginx copies nginx out of it.
        prune(crate, crate.name in needed or crate.name.startswith('nginx-src-'))


main()
