"""One worker of nginx, with the C module or with this one."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Iterator, NamedTuple


class Trouble(Exception):
    """What a user can do something about."""


CONF = '''
{load_module}
daemon off;
{processes}
pid nginx.pid;
error_log error.log error;
events {{
    worker_connections 19000;
}}
mail {{
    server_name mail.example;
    auth_http 127.0.0.1:{peers.auth}/auth;
    timeout 600s;
    max_errors 100000000;
    {max_commands}
    {zone}
    server {{
        listen 127.0.0.1:{plain};
        protocol pop3;
        pop3_auth plain external;
    }}
    server {{
        listen 127.0.0.1:{challenge};
        protocol pop3;
        pop3_auth plain apop cram-md5 external;
    }}
    server {{
        listen 127.0.0.1:{tls} ssl;
        protocol pop3;
        ssl_certificate ../localhost.pem;
        ssl_certificate_key ../localhost.pem;
    }}
    server {{
        listen 127.0.0.1:{kept};
        protocol pop3;
        {keepalive}
    }}
    server {{
        listen 127.0.0.1:{passed};
        protocol pop3;
        {to_backend}
    }}
    server {{
        listen 127.0.0.1:{pipelined};
        protocol pop3;
        {to_backend}
        {pipelining}
    }}
    server {{
        listen 127.0.0.1:{filed};
        protocol pop3;
        {to_backend}
        {user_file}
    }}
    server {{
        listen 127.0.0.1:{digest};
        protocol pop3;
        pop3_auth plain apop cram-md5;
        {to_backend}
        {user_file}
    }}
    server {{
        listen 127.0.0.1:{watched};
        protocol pop3;
        {to_backend}
        {watch}
    }}
    server {{
        listen 127.0.0.1:{reusing};
        protocol pop3;
        {to_tls}
    }}
    server {{
        listen 127.0.0.1:{shaking};
        protocol pop3;
        {to_tls}
        {no_reuse}
    }}
}}
'''
TO_TLS = '''
        pop3_proxy_pass 127.0.0.1:{peers.tls};
        pop3_proxy_ssl on;
        pop3_proxy_ssl_name localhost;
        pop3_proxy_ssl_trusted_certificate ../localhost.pem;
'''

# A session log, and limits that nobody reaches.
WATCH = '''
        pop3_log sessions.log buffer=64k;
        pop3_limit_conn 100000;
        pop3_login_delay 30s;
'''

# A server's port each: as it is, with a challenge in its greeting, in TLS; and with
# this module, to keep connections to the auth server, and to do without it, in plain,
# with USER and PASS in one segment, with a file of users, with that and a challenge, with a session log and limits, and in
# TLS with sessions that are used again and without.
PORTS = ('plain', 'challenge', 'tls', 'kept', 'passed', 'pipelined', 'filed', 'digest',
         'watched', 'reusing', 'shaking')

# The users of the file, if it has few.
FEW = 10


class Peers(NamedTuple):
    """The ports of those whom a worker connects to."""
    auth: int
    backend: int
    # Of a backend in TLS, if there is one.
    tls: int | None = None


class Side(NamedTuple):
    """What is measured: a stock nginx, with this module or without."""
    name: str
    nginx: Path
    module: Path | None


class Setting(NamedTuple):
    """What a worker is started with, beside its side."""
    # How many users the file has.
    users: int = FEW
    # How many workers there are; one is alone, without a master.
    workers: int = 1


class Worker(NamedTuple):
    """A running worker, or more with their master."""
    process: subprocess.Popen
    folder: Path
    ports: dict[str, int]

    def cpu(self) -> float:
        """Seconds that it has been running on a processor."""
        pid = self.process.pid
        children = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
        times = (Path(f'/proc/{process}/schedstat').read_text().split()[0] for process in (pid, *children))
        return sum(map(int, times)) / 1e9

    def memory(self) -> int:
        """Its proportional set size in bytes, without the files that it maps: what
        is counted of those changes as other processes come and go."""
        rollup = Path(f'/proc/{self.process.pid}/smaps_rollup').read_text().splitlines()
        return next(int(line.split()[1]) for line in rollup if line.startswith('Pss_Anon:')) * 1024


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(('127.0.0.1', 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def make_certificate(folder: Path) -> None:
    """For the workers in folders of that one; with its key, in one file."""
    file = str(folder / 'localhost.pem')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2',
                    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
                    '-keyout', file, '-out', file + '.crt'],
                   check=True, stderr=subprocess.DEVNULL)
    with open(file, 'a') as pem:
        pem.write(Path(file + '.crt').read_text())


def make_users(folder: Path, count: int) -> str:
    """A file of so many users, the last of whom the load generator is; once for the
    workers in folders of that one. Gives its name there."""
    file = folder / f'users-{count}'
    if not file.exists():
        others = [f'user{number}@example.org:{{PLAIN}}password {number}\n' for number in range(count - 1)]
        file.touch(0o600)
        file.write_text(''.join(others) + 'bob@example.org:{PLAIN}correct horse\n')
    return f'../{file.name}'


def wait_for(port: int, process: subprocess.Popen, folder: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), 30) as probe:
            if probe.recv(1):
                return
        time.sleep(0.01)
    said = ''.join((folder / name).read_text() for name in ('stderr', 'error.log')
                   if (folder / name).exists())
    raise Trouble(f'nginx does not start:\n{said}')


def configuration(side: Side, peers: Peers, ports: dict[str, int], users: str, workers: int) -> str:
    def ours(text: str) -> str:
        return text if side.module else ''

    tls = TO_TLS.format(peers=peers) if peers.tls else ''
    return CONF.format(
        load_module=ours(f'load_module {side.module};'), max_commands=ours('pop3_max_commands 100000000;'),
        keepalive=ours('pop3_auth_http_keepalive 8;'), pipelining=ours('pop3_proxy_pipelining on;'),
        to_backend=ours(f'pop3_proxy_pass 127.0.0.1:{peers.backend};'), to_tls=ours(tls),
        user_file=ours(f'pop3_auth_user_file {users};'), watch=ours(WATCH),
        zone=ours('pop3_limit_zone 1m;'),
        processes='master_process off;' if workers == 1 else f'worker_processes {workers};',
        no_reuse=ours('pop3_proxy_ssl_session_reuse off;'), peers=peers, **ports)


def start(side: Side, folder: Path, peers: Peers, setting: Setting, tool: list[str]) -> Worker:
    ports = dict(zip(PORTS, free_ports(len(PORTS))))
    file = make_users(folder.parent, setting.users)
    (folder / 'nginx.conf').write_text(configuration(side, peers, ports, file, setting.workers))
    command = [*tool, str(side.nginx), '-p', f'{folder}/', '-c', 'nginx.conf', '-e', 'error.log']
    with (folder / 'stderr').open('w') as stderr:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=stderr)
    try:
        wait_for(ports['plain'], process, folder)
    except BaseException:
        stop(process, folder)
        raise
    return Worker(process, folder, ports)


@contextlib.contextmanager
def started(side: Side, folder: Path, peers: Peers, setting: Setting, tool: list[str]) -> Iterator[Worker]:
    """Runs a worker, under a tool such as strace if one is given."""
    folder.mkdir()
    try:
        worker = start(side, folder, peers, setting, tool)
    except Trouble as trouble:
        # A port that was free may be somebody's by then.
        if 'Address already in use' not in str(trouble):
            raise
        worker = start(side, folder, peers, setting, tool)
    try:
        yield worker
    finally:
        stop(worker.process, folder)


def stop(process: subprocess.Popen, folder: Path) -> None:
    """A tool hands no signal on, so nginx is told by the pid that it wrote. It
    is told again: a signal just before epoll_wait() does not end that."""
    for _ in range(60):
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((folder / 'nginx.pid').read_text()), signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
            return
    process.kill()
    process.wait()
