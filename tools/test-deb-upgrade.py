#!/usr/bin/env python3
"""A part of tools/test-deb: upgrades the package in a Debian in a folder while nginx
has sessions open there, in states from the greeting to a message, and takes each of them
to its end. Runs in a network of its own.

    tools/test-deb-upgrade.py ROOT PACKAGE OLD-VERSION NEW-VERSION"""

import base64
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PORT = 110
BACKEND_PORT = 8111
# Where the new version serves by a directive that the old one has not.
NEW_PORT = 8112
NEW_SERVER = f"""server {{
    listen           {NEW_PORT};
    protocol         pop3;
    pop3_proxy_pass  127.0.0.1:{BACKEND_PORT};
}}
"""

SECONDS = 20
# More than all buffers on a message's way hold.
MESSAGE = b''.join(b'%07d of a long message\r\n' % n for n in range(1_500_000))

TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


class Failure(Exception):
    """What was seen is not what has to be."""


def check(right: object, what: str) -> None:
    if not right:
        raise Failure(what)


def wait_until(happened: Callable[[], object], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not happened():
        check(time.monotonic() < end, f'in vain: {what}')
        time.sleep(0.1)


class Backend(threading.Thread):
    """Takes any login. That of "late" it answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listening = socket.create_server(('127.0.0.1', BACKEND_PORT))
        self.asked = threading.Event()
        self.answers = threading.Event()
        self.sends = False

    def run(self) -> None:
        while True:
            connection, _ = self.listening.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        login = b''
        connection.sendall(b'+OK backend ready\r\n')
        with connection, connection.makefile('rb') as lines:
            for line in lines:
                command, _, argument = line.rstrip(b'\r\n').partition(b' ')
                if command == b'USER':
                    login = argument
                if command == b'PASS' and login == b'late':
                    self.asked.set()
                    self.answers.wait()
                connection.sendall(b'+OK %s of %s\r\n' % (command, login))
                if command == b'RETR':
                    self.sends = True
                    connection.sendall(MESSAGE + b'.\r\n')
                    self.sends = False
                if command == b'QUIT':
                    return


class Session:
    def __init__(self, port: int = PORT) -> None:
        self.socket = socket.socket()
        # So that a message is long at nginx.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.socket.settimeout(SECONDS)
        self.socket.connect(('127.0.0.1', port))
        self.lines = self.socket.makefile('rb')
        self.gets(b'+OK POP3 ready')

    def sends(self, data: bytes) -> None:
        self.socket.sendall(data)

    def gets(self, *replies: bytes) -> None:
        for reply in replies:
            line = self.lines.readline()
            check(line == reply + b'\r\n', f'{line!r} in place of {reply!r}')

    def says(self, command: bytes, *replies: bytes) -> None:
        self.sends(command + b'\r\n')
        self.gets(*replies)

    def starttls(self) -> None:
        self.says(b'STLS', b'+OK')
        self.handshake()

    def handshake(self) -> None:
        self.socket = TLS.wrap_socket(self.socket)
        self.lines = self.socket.makefile('rb')

    def logs_in(self, login: bytes) -> None:
        self.says(b'USER ' + login, b'+OK')
        self.says(b'PASS secret', b'+OK PASS of ' + login)

    def ends(self, login: bytes) -> None:
        """What is relayed, up to the end."""
        self.says(b'STAT', b'+OK STAT of ' + login)
        self.says(b'QUIT', b'+OK QUIT of ' + login)
        self.is_closed()

    def is_closed(self) -> None:
        rest = self.lines.read()
        check(rest == b'', f'{rest[:80]!r} behind the last reply')

    def capabilities(self) -> set[bytes]:
        self.says(b'CAPA', b'+OK Capability list follows')
        return set(iter(self.lines.readline, b'.\r\n'))


# The sessions, each with a yield where the upgrade is.

def greeted() -> Iterator[None]:
    session = Session()
    yield
    session.logs_in(b'greeted')
    session.ends(b'greeted')


def named() -> Iterator[None]:
    session = Session()
    session.says(b'USER named', b'+OK')
    yield
    session.says(b'PASS secret', b'+OK PASS of named')
    session.ends(b'named')


def in_a_command() -> Iterator[None]:
    session = Session()
    session.sends(b'NOOP\r\nUSER half\r\nPASS sec')
    session.gets(b'+OK', b'+OK')
    yield
    session.says(b'ret', b'+OK PASS of half')
    session.ends(b'half')


def in_sasl() -> Iterator[None]:
    session = Session()
    session.says(b'AUTH PLAIN', b'+ ')
    yield
    session.says(base64.b64encode(b'\0sasl\0secret'), b'+OK PASS of sasl')
    session.ends(b'sasl')


def in_stls() -> Iterator[None]:
    session = Session()
    session.says(b'STLS', b'+OK')
    yield
    session.handshake()
    session.logs_in(b'stls')
    session.ends(b'stls')


def in_tls() -> Iterator[None]:
    session = Session()
    session.starttls()
    session.says(b'NOOP', b'+OK')
    yield
    session.logs_in(b'tls')
    session.ends(b'tls')


def logging_in(backend: Backend) -> Iterator[None]:
    """All of a session sent ahead, and its login under way."""
    session = Session()
    session.says(b'NOOP\r\nUSER late\r\nPASS secret\r\nNOOP\r\nSTAT\r\nQUIT', b'+OK', b'+OK')
    check(backend.asked.wait(SECONDS), 'the backend is not asked')
    yield
    backend.answers.set()
    session.gets(*(b'+OK %s of late' % command for command in (b'PASS', b'NOOP', b'STAT', b'QUIT')))
    session.is_closed()


def relayed() -> Iterator[None]:
    session = Session()
    session.logs_in(b'relayed')
    yield
    session.says(b'NOOP\r\nSTAT', b'+OK NOOP of relayed', b'+OK STAT of relayed')
    session.ends(b'relayed')


def relayed_in_tls() -> Iterator[None]:
    session = Session()
    session.starttls()
    session.logs_in(b'tls')
    yield
    session.ends(b'tls')


def in_a_message(backend: Backend) -> Iterator[None]:
    session = Session()
    session.logs_in(b'long')
    session.says(b'RETR 1', b'+OK RETR of long')
    half = session.lines.read(1000)
    yield
    check(backend.sends, 'the message is not long enough')
    half += session.lines.read(len(MESSAGE) - len(half))
    check(half == MESSAGE, 'the message has changed')
    session.gets(b'.')
    session.ends(b'long')


class Nginx:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / 'var/log/nginx/error.log'
        self.pid_file = root / 'run/nginx.pid'

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8',
                       'DEBIAN_FRONTEND': 'noninteractive'}
        return subprocess.run(('chroot', self.root, *command), env=environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)

    def must(self, *command: str) -> str:
        done = self.run(*command)
        check(done.returncode == 0, f'{command}: {done.stdout}')
        return done.stdout

    def master(self) -> int:
        return int(self.pid_file.read_text())

    def processes(self) -> list[Path]:
        master = self.master()
        children = Path(f'/proc/{master}/task/{master}/children').read_text().split()
        # One that has ended has this no more, be it still a zombie.
        return [Path('/proc', pid, 'exe') for pid in (str(master), *children)]

    def serves(self) -> str:
        """The version that was the last one to say so."""
        return re.findall(r'POP3 is served by ngx_mail_pop3_rs_module (\S+)',
                          self.log.read_text())[-1]

    @contextmanager
    def running(self) -> Iterator[None]:
        # USR2 starts it by the same name.
        self.must('/usr/sbin/nginx', '-g', 'error_log /var/log/nginx/error.log notice;')
        # nginx makes the file first, and then writes into it.
        wait_until(lambda: self.pid_file.exists() and self.pid_file.read_text(),
                   'nginx does not start')
        wait_until(lambda: len(self.processes()) > 1, 'no worker')
        yield
        # After a failure tools/test-deb ends, and takes nginx with it.
        os.kill(self.master(), signal.SIGQUIT)
        wait_until(lambda: not self.pid_file.exists(), 'nginx does not stop')


@contextmanager
def services_upgraded(root: Path) -> Iterator[None]:
    """Whoever made the Debian has switched that off."""
    policy = root / 'usr/sbin/policy-rc.d'
    aside = policy.with_suffix('.aside')
    policy.rename(aside)
    policy.symlink_to('/bin/true')
    try:
        yield
    finally:
        aside.replace(policy)


def upgrade(nginx: Nginx, package: str, new: str) -> None:
    """The new version, with a directive that it alone has."""
    with services_upgraded(nginx.root):
        output = nginx.must('apt-get', '-q', '-y', 'install', package)
    check('Upgrading nginx on the fly' in output and 'could not be upgraded' not in output,
          f'the upgrade says: {output}')
    check(nginx.serves() == new, 'the upgrade has not reached nginx')

    session = Session()
    check(b'AUTH-RESP-CODE\r\n' in session.capabilities(), 'the old version serves a new session')
    session.logs_in(b'new')
    session.ends(b'new')

    nginx.must('nginx', '-s', 'reload')
    wait_until(lambda: not socket.socket().connect_ex(('127.0.0.1', NEW_PORT)), 'no new server')
    session = Session(NEW_PORT)
    session.logs_in(b'new')
    session.ends(b'new')


def play(nginx: Nginx, backend: Backend, package: str, old: str, new: str) -> None:
    check(nginx.serves() == old, f'version {nginx.serves()} is not the old one')
    processes = nginx.processes()
    check(b'AUTH-RESP-CODE\r\n' not in Session().capabilities(),
          'the old version has what tells the new one')

    sessions = {session.__name__: session() for session in
                (greeted, named, in_a_command, in_sasl, in_stls, in_tls, relayed, relayed_in_tls)}
    sessions['logging_in'] = logging_in(backend)
    sessions['in_a_message'] = in_a_message(backend)
    for session in sessions.values():
        next(session)

    new_server = nginx.root / 'etc/nginx/mail.d/new.conf'
    new_server.write_text(NEW_SERVER)
    refused = nginx.run('nginx', '-t')
    check('unknown directive "pop3_proxy_pass"' in refused.stdout, 'the old version knows all')

    upgrade(nginx, package, new)
    # It waits for its workers; one that has got no session need not be there.
    check(processes[0].exists(), 'the old master is gone too soon')
    for name, session in sessions.items():
        try:
            check(next(session, True), 'it has not come to its end')
        except (Failure, OSError) as error:
            raise Failure(f'{name}: {error}') from error
    wait_until(lambda: not any(process.exists() for process in processes),
               'the old processes do not end')
    new_server.unlink()
    print(f'{len(sessions)} sessions', end='')


def main() -> int:
    root, package, old, new = sys.argv[1:]
    nginx = Nginx(Path(root))
    subprocess.run(('ip', 'link', 'set', 'lo', 'up'), check=True)
    backend = Backend()
    backend.start()
    try:
        with nginx.running():
            play(nginx, backend, package, old, new)
    except (Failure, OSError) as error:
        print(f'deb test: {error}', *nginx.log.read_text().splitlines()[-5:], sep='\n',
              file=sys.stderr)
        return 1
    return 0


sys.exit(main())
