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
master_process off;
pid nginx.pid;
error_log error.log error;
events {{
    worker_connections 19000;
}}
mail {{
    server_name mail.example;
    auth_http 127.0.0.1:{auth}/auth;
    timeout 600s;
    max_errors 100000000;
    {max_commands}
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
}}
'''


class Side(NamedTuple):
    """What is measured: a stock nginx, with this module or without."""
    name: str
    nginx: Path
    module: Path | None


class Worker(NamedTuple):
    """A running worker; one port has a challenge in its greeting, one has TLS."""
    process: subprocess.Popen
    folder: Path
    plain: int
    challenge: int
    tls: int

    def cpu(self) -> float:
        """Seconds that it has been running on a processor."""
        return int(Path(f'/proc/{self.process.pid}/schedstat').read_text().split()[0]) / 1e9

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
                    '-subj', '/CN=localhost', '-keyout', file, '-out', file + '.crt'],
                   check=True, stderr=subprocess.DEVNULL)
    with open(file, 'a') as pem:
        pem.write(Path(file + '.crt').read_text())


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


def start(side: Side, folder: Path, auth: int, tool: list[str]) -> Worker:
    plain, challenge, tls = free_ports(3)
    (folder / 'nginx.conf').write_text(CONF.format(
        load_module=f'load_module {side.module};' if side.module else '',
        max_commands='pop3_max_commands 100000000;' if side.module else '',
        auth=auth, plain=plain, challenge=challenge, tls=tls))
    command = [*tool, str(side.nginx), '-p', f'{folder}/', '-c', 'nginx.conf', '-e', 'error.log']
    with (folder / 'stderr').open('w') as stderr:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=stderr)
    try:
        wait_for(plain, process, folder)
    except BaseException:
        stop(process, folder)
        raise
    return Worker(process, folder, plain, challenge, tls)


@contextlib.contextmanager
def started(side: Side, folder: Path, auth: int, tool: list[str]) -> Iterator[Worker]:
    """Runs a worker, under a tool such as strace if one is given."""
    folder.mkdir()
    try:
        worker = start(side, folder, auth, tool)
    except Trouble as trouble:
        # A port that was free may be somebody's by then.
        if 'Address already in use' not in str(trouble):
            raise
        worker = start(side, folder, auth, tool)
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
