"""The nginx under test: its configuration, its processes and what they hold."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

CONF = '''
{user}
load_module {folder}/module.so;
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log warn;
events {{
    worker_connections 4096;
}}
mail {{
    server_name mail.example;
    auth_http 127.0.0.1:{auth}/auth;
    # Long, so that a busy machine alone makes no session fail.
    auth_http_timeout 60s;
    timeout 60s;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    starttls on;
    pop3_auth plain apop cram-md5 external;
    pop3_max_commands 2500;

    server {{ listen 127.0.0.1:{plain} backlog=4096; protocol pop3; }}
    server {{ listen 127.0.0.1:{kept} backlog=4096; protocol pop3; pop3_auth_http_keepalive 16; }}
    server {{ listen 127.0.0.1:{tls} ssl backlog=4096; protocol pop3; }}
    server {{ listen 127.0.0.1:{only}; protocol pop3; starttls only; }}
    server {{ listen 127.0.0.1:{impatient}; protocol pop3; auth_http_timeout 300ms; }}
    server {{ listen 127.0.0.1:{timeout}; protocol pop3; timeout 1s; }}
    server {{ listen 127.0.0.1:{few}; protocol pop3; pop3_max_commands 50; }}
    server {{ listen 127.0.0.1:{small} sndbuf=4k; protocol pop3; }}

    pop3_proxy_ssl_trusted_certificate {folder}/cert.pem;
    pop3_proxy_ssl_name mail.example;
{through}
}}
'''
# Logins at a backend: by name of the server the backend, and how to get there.
THROUGH = {
    'to_clear': ('clear', ''),
    'to_tls': ('implicit', 'pop3_proxy_ssl on;'),
    'to_starttls': ('starttls', 'pop3_proxy_ssl starttls;'),
    'to_closed': ('closed', ''),
    'to_drops': ('drops', ''),
    'to_untrusted': ('implicit', 'pop3_proxy_ssl on; pop3_proxy_ssl_name other.example;'),
    'to_no_tls': ('clear', 'pop3_proxy_ssl on;'),
    'to_silent': ('silent', 'timeout 1s;'),
}
PORTS = 'plain', 'kept', 'tls', 'only', 'impatient', 'timeout', 'few', 'small', *THROUGH


def through(ports: dict[str, int], backends: dict[str, int]) -> str:
    return '\n'.join(
        f'    server {{ listen 127.0.0.1:{ports[name]} backlog=4096 sndbuf=4k; protocol pop3; '
        f'pop3_auth plain; pop3_proxy_pass 127.0.0.1:{backends[f"backend_{backend}"]}; {more} }}'
        for name, (backend, more) in THROUGH.items())


class Trouble(Exception):
    """What a user can do something about."""


@dataclass(frozen=True)
class Figures:
    """What a process holds: memory in KiB (PSS is the RSS less what it shares
    with others, whoever they are; anonymous is what is no file's), and
    descriptors."""
    pid: int
    rss: int
    pss: int
    anonymous: int
    fds: int

    def __str__(self) -> str:
        return (f'pid {self.pid}, RSS {self.rss} KiB, PSS {self.pss} KiB, '
                f'anonymous {self.anonymous} KiB, {self.fds} descriptors')


class Nginx:
    def __init__(self, binary: Path, module: Path, folder: Path, auth_port: int,
                 backends: dict[str, int]) -> None:
        self.binary, self.folder = binary, folder
        self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        (folder / 'logs').mkdir()
        # A copy: workers crash if the file they have mapped is written anew.
        shutil.copy(module, folder / 'module.so')
        user = 'user root;' if os.getuid() == 0 else ''
        (folder / 'nginx.conf').write_text(
            CONF.format(folder=folder, user=user, auth=auth_port,
                        through=through(self.ports, backends), **self.ports))
        # Out of reach of the terminal's Ctrl-C: stop() ends it.
        self.process = subprocess.Popen(self.command(), process_group=0,
                                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self.workers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Trouble(f'nginx does not start: {self.log()}')
            time.sleep(0.05)

    def command(self, *more: str) -> list[str]:
        return [str(self.binary), '-p', f'{self.folder}/', '-c', 'nginx.conf',
                '-e', 'error.log', *more]

    def log(self) -> str:
        path = self.folder / 'error.log'
        return path.read_text(errors='backslashreplace') if path.exists() else ''

    def alarms(self) -> list[str]:
        return [line for line in self.log().splitlines()
                if re.search(r'\[(alert|crit|emerg)\]|exited on signal', line)]

    def workers(self) -> list[int]:
        master = self.process.pid
        try:
            children = Path(f'/proc/{master}/task/{master}/children').read_text()
        except OSError:
            return []
        return [int(pid) for pid in children.split()]

    async def reload(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *self.command('-s', 'reload'), stderr=asyncio.subprocess.DEVNULL)
        if await process.wait():
            raise Trouble(f'reload fails: {self.log()[-1000:]}')

    async def settled(self, seconds: float = 90) -> int:
        """Waits for one worker whose descriptors stay as they are; gives it.
        A reload is first over when the workers before it have gone."""
        deadline = time.monotonic() + seconds
        before: tuple[int, int] | None = None
        same = 0
        while time.monotonic() < deadline:
            workers = self.workers()
            now = (workers[0], descriptors(workers[0])) if len(workers) == 1 else None
            same = same + 1 if now is not None and now == before else 0
            if same == 10:
                return workers[0]
            before = now
            await asyncio.sleep(0.2)
        raise Trouble(f'workers after {seconds} s without clients: {self.workers()}')

    def stop(self) -> bool:
        """Gracefully: so nginx tells of connections that are left open. Gives
        whether that was enough."""
        for sent, seconds in (signal.SIGQUIT, 20), (signal.SIGTERM, 5):
            if self.process.poll() is None:
                self.process.send_signal(sent)
            try:
                self.process.wait(seconds)
                return sent == signal.SIGQUIT
            except subprocess.TimeoutExpired:
                pass
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return False


def descriptors(pid: int) -> int:
    try:
        return len(os.listdir(f'/proc/{pid}/fd'))
    except OSError:
        return -1


def figures(pid: int) -> Figures:
    text = Path(f'/proc/{pid}/smaps_rollup').read_text()
    memory = (int(re.search(rf'^{name}: +(\d+) kB', text, re.M)[1])
              for name in ('Rss', 'Pss', 'Anonymous'))
    return Figures(pid, *memory, descriptors(pid))


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def make_certificate(folder: Path) -> None:
    command = ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
               '-nodes', '-days', '2', '-subj', '/CN=mail.example',
               '-addext', 'subjectAltName=DNS:mail.example',
               '-keyout', folder / 'key.pem', '-out', folder / 'cert.pem']
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise Trouble('openssl is missing: install it') from None
    except subprocess.CalledProcessError as error:
        raise Trouble(f'openssl makes no certificate: {error.stderr}') from None
