#!/usr/bin/env python3
"""Lists the files with unsafe code, and looks whether there is any beyond the
places for it, and whether a crate names what it has to know nothing of."""

import re
import sys
from pathlib import Path

from rust_source import code

UNSAFE = re.compile(r'ngx-mail/src/.*|src/module\.rs')

KINDS = {
    'block': r'unsafe\s*\{',
    'fn': r'unsafe\s+(?:extern\s+)?fn\s+\w',
    'impl': r'unsafe\s+impl\b',
    'trait': r'unsafe\s+trait\b',
    'attribute': r'unsafe\s*\(',
}

# The crates that know neither of nginx nor of each other.
PURE = ('address-limits', 'auth-http', 'log-format', 'pop3', 'user-file')

# Files, and the words that they do not hold.
STRANGE = [
    (rf'(?:src|{"|".join(PURE)})/.*', r'nginx_sys\w*'),
    (rf'(?:{"|".join(PURE)})/.*', r'(?i:\w*ngx\w*)'),
    *((rf'(?:{"|".join(crate for crate in PURE if crate != name)})/.*',
       rf'(?i:\w*{name.replace("-", "_")}\w*)') for name in PURE),
    # nginx's own list of protocols is in the one file.
    (r'ngx-mail/src/kind\.rs', r'(?!Pop3\b|NGX_MAIL_POP3_PROTOCOL\b|ngx_pop3_state_e_ngx_pop3_passwd\b)(?i:\w*pop3\w*)'),
    (r'ngx-mail/(?!src/kind\.rs).*', r'(?i:\w*pop3\w*)'),
]


def places(text: str) -> dict[str, int]:
    counts = {kind: len(re.findall(rf'\b{form}', text)) for kind, form in KINDS.items()}
    return {kind: count for kind, count in counts.items() if count}


def main() -> None:
    problems = []
    total = 0
    for folder in sorted((*(f'{name}/src' for name in PURE), 'ngx-mail/src', 'src')):
        for file in sorted(map(str, Path(folder).rglob('*.rs'))):
            text = Path(file).read_text()
            if re.search(r'\bunsafe\b', code(text)):
                found = places(code(text))
                total += sum(found.values())
                print(f'{file}: unsafe, {", ".join(f"{count} {kind}" for kind, count in found.items())}')
                if not UNSAFE.fullmatch(file):
                    problems.append(f'{file} has unsafe code')
            for files, word in STRANGE:
                if re.fullmatch(files, file) and (found := re.search(rf'\b{word}', code(text, strings=True))):
                    problems.append(f'{file} names {found[0]}')
    print(f'unsafe in {total} places')
    if problems:
        sys.exit('\n'.join(problems))


main()
