"""The two nginx: configured alike, with the module and without."""

import contextlib
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Iterator

from peers import Side
from servers import SERVERS

class Trouble(Exception):
    """What a user can do something about."""


CONF = '''
{load}
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
    auth_http_header X-Mail all;
    proxy_timeout 20s;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
{servers}
}}
'''


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(('127.0.0.1', 0)))
                   for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


class Nginx:
    def __init__(self, binary: Path, module: Path | None, folder: Path, side: Side) -> None:
        self.name = side.name
        self.folder = folder / side.name
        (self.folder / 'logs').mkdir(parents=True, exist_ok=True)
        side.ports = dict(zip(SERVERS, free_ports(len(SERVERS))))
        backends = {address: record.port for address, record in side.records.items()}
        names = {'port': str(side.auth_port), 'socket': str(side.auth_socket),
                 'folder': str(folder), 'resolver': str(side.resolver_port)}
        conf = CONF.format(
            load=f'load_module {module};' if module else '', auth=side.auth_port, folder=folder,
            servers=''.join(
                server.conf(side.ports[name], module is not None, backends, names)
                for name, server in SERVERS.items()))
        (self.folder / 'nginx.conf').write_text(conf)
        (self.folder / 'error.log').write_text('')
        command = [binary, '-p', f'{self.folder}/', '-c', 'nginx.conf', '-e', 'error.log']
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.wait(side)
        except BaseException:
            self.stop()
            raise

    def log(self) -> str:
        return (self.folder / 'error.log').read_text(errors='replace')

    def wait(self, side: Side) -> None:
        """Waits until the last port is served."""
        port = list(side.ports.values())[-1]
        until = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError):
                socket.create_connection(('127.0.0.1', port), 1).close()
                return
            time.sleep(0.05)
        raise Trouble(f'nginx ({self.name}) does not start:\n{self.log()}')

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def alarms(self) -> list[str]:
        """Lines of the log that no client may bring about: a worker that died,
        a socket left open."""
        return re.findall(r'.*\[(?:emerg|alert|crit)\].*', self.log())


def start(binary: Path, module: Path | None, folder: Path, side: Side) -> Nginx:
    """Starts one. A port that was free may be somebody's by then."""
    for _ in range(2):
        try:
            return Nginx(binary, module, folder, side)
        except Trouble as trouble:
            if 'Address already in use' not in str(trouble):
                raise
    return Nginx(binary, module, folder, side)


@contextlib.contextmanager
def started(binary: Path, module: Path, folder: Path, sides: list[Side]) -> Iterator[list[Nginx]]:
    with contextlib.ExitStack() as stack:
        running = []
        for side in sides:
            nginx = start(binary, module if side.name == 'ours' else None, folder, side)
            stack.callback(nginx.stop)
            running.append(nginx)
        yield running
