"""Dialogues from the fuzz targets' inputs."""

from base64 import b64encode
from pathlib import Path
from typing import Callable

from dialogue import Dialogue, Line, text_lines
from servers import ALL, SERVERS, Server, nearest

Made = tuple[Server, list[Line]]


def session(data: bytes) -> Made:
    """Seven bytes choose a policy and cuts; see fuzz/fuzz_targets/session.rs."""
    if len(data) < 7:
        return SERVERS['all'], text_lines(data)
    names = ('plain', 'apop', 'cram-md5', 'external')
    methods = frozenset(name for bit, name in enumerate(names) if data[0] >> bit & 1)
    limits = data[3] & 31 < 31 or data[4] & 31 < 31
    server = nearest(methods, ('off', 'on', 'only')[data[1] % 3])
    if limits and methods == ALL and server.starttls == 'off':
        server = SERVERS['limits']
    return server, text_lines(data[7:])


def lines(data: bytes) -> Made:
    return SERVERS['plain'], text_lines(data[3:])


def base64(data: bytes) -> Made:
    # Where any message is fit: EXTERNAL takes a login, and an empty one.
    return SERVERS['external'], text_lines(b'AUTH EXTERNAL\r\n' + data + b'\r\n')


def plain(data: bytes) -> Made:
    return SERVERS['plain'], [b'AUTH PLAIN\r\n', b64encode(data) + b'\r\n']


def external(data: bytes) -> Made:
    return SERVERS['all'], [b'AUTH EXTERNAL\r\n', b64encode(data) + b'\r\n']


def cram_md5(data: bytes) -> Made:
    return SERVERS['digests'], [b'AUTH CRAM-MD5\r\n', b64encode(data) + b'\r\n']


def login(data: bytes) -> Made:
    length, text = (data[0], data[1:]) if data else (0, b'')
    return SERVERS['plain'], [b'AUTH LOGIN\r\n', b64encode(text[:length]) + b'\r\n',
                              b64encode(text[length:]) + b'\r\n']


TARGETS: dict[str, Callable[[bytes], Made]] = {
    each.__name__: each for each in (session, lines, base64, plain, external, cram_md5, login)
}


def read(folder: Path) -> list[Dialogue]:
    """All of them; what belongs to no target known here is taken as lines."""
    def whole(data: bytes) -> Made:
        return SERVERS['all'], text_lines(data)

    found = []
    for path in sorted(path for path in folder.rglob('*') if path.is_file()):
        name = path.relative_to(folder)
        server, sent = TARGETS.get(name.parts[0], whole)(path.read_bytes())
        found.append(Dialogue(f'corpus:{name}', server, tuple(sent)))
    return found
