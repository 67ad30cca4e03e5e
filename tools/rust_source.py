"""Rust's source text, without that in which words mean nothing."""

import re

COMMENT = r'(?P<comment>//[^\n]*|/\*.*?\*/)'
STRING = r'''(?P<string>[bc]?r(?P<hashes>\#*)".*?"(?P=hashes) | [bc]?"(?:\\.|[^"\\])*"
             | b?'(?:\\(?:x..|u\{.*?\}|.)|[^'\\\n])')'''
NO_CODE = re.compile(f'{COMMENT}|{STRING}', re.DOTALL | re.VERBOSE)

TESTS = '#[cfg(test)]'


def code(text: str, strings: bool = False) -> str:
    """Without comments, what is there for tests only, and strings unless they are
    asked for."""
    bare = NO_CODE.sub(lambda found: ' ' * len(found[0]), text)
    if strings:
        text = NO_CODE.sub(lambda found: found['string'] or ' ' * len(found[0]), text)
    else:
        text = bare
    while (start := bare.find(TESTS)) >= 0:
        end = end_of_item(bare, start + len(TESTS))
        bare, text = (version[:start] + version[end:] for version in (bare, text))
    return text


def end_of_item(text: str, start: int) -> int:
    """Behind the first `;` or `}` from there on that is not within brackets."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] in '([{') - (text[at] in ')]}')
        if depth == 0 and text[at] in ';}':
            return at + 1
    return len(text)
