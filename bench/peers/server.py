"""A server that is measured: how it is started, and what it takes."""

import contextlib
import itertools
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Iterator, NamedTuple

from nginx import Peers, Trouble, free_ports

TICKS = os.sysconf('SC_CLK_TCK')


class Limits(NamedTuple):
    """What a server is started with."""
    # How many connections it may have from clients, or to both sides where it counts so.
    connections: int = 19_000
    # How many descriptors each of its processes may have, if not those of its kind.
    descriptors: int | None = None


class Place(NamedTuple):
    """Where a server runs, and whom it connects to."""
    folder: Path
    plain: int
    tls: int
    peers: Peers
    limits: Limits = Limits()

    @property
    def certificate(self) -> Path:
        """With its key, for the servers in folders of that one."""
        return self.folder.parent / 'localhost.pem'


class Command(NamedTuple):
    """What is run, in the foreground."""
    words: list[str]
    files: dict[str, str] = {}


class Peer:
    """A kind of server, with what it does by default unless its configuration says so."""

    # Whether each session is a process.
    forks = False
    # How many descriptors each of its processes may have; else as many as there may be.
    descriptors: int | None = None

    def __init__(self, name: str, what: str) -> None:
        self.name, self.what = name, what

    def version(self) -> str:
        raise NotImplementedError

    def commands(self, place: Place) -> list[Command]:
        """What to run, and the files that it needs in its folder."""
        raise NotImplementedError


def tree(pid: int) -> Iterator[int]:
    """A process and all that came of it and are still there."""
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f'/proc/{pid}/task').iterdir():
            for child in (task / 'children').read_text().split():
                yield from tree(int(child))


def ran(pid: int) -> float:
    """Seconds that a process has been running on a processor, and those of its children
    that have ended: of these Linux tells ticks, of which there are a hundred in a second."""
    with contextlib.suppress(OSError):
        tasks = list(Path(f'/proc/{pid}/task').iterdir())
        alive = sum(int((task / 'schedstat').read_text().split()[0]) for task in tasks) / 1e9
        after_name = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
        return alive + sum(map(int, after_name[13:15])) / TICKS
    return 0.0


def anonymous(pid: int) -> int:
    """The proportional set size of a process in bytes, without the files that it maps."""
    with contextlib.suppress(OSError):
        for line in Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines():
            if line.startswith('Pss_Anon:'):
                return int(line.split()[1]) * 1024
    return 0


class Server(NamedTuple):
    """One that is running."""
    peer: Peer
    place: Place
    processes: list[subprocess.Popen]
    # Whether the processes are those of a tool that has started the server's.
    in_tool: bool

    def roots(self) -> list[int]:
        """The processes that were started first."""
        pids = [process.pid for process in self.processes]
        return [child for pid in pids for child in itertools.islice(tree(pid), 1, 2)] if self.in_tool else pids

    def pids(self) -> list[int]:
        return [pid for root in self.roots() for pid in tree(root)]

    def port(self, tls: bool) -> int:
        return self.place.tls if tls else self.place.plain

    def cpu(self) -> float:
        """Seconds of all its processes, those that have ended too, once no more end."""
        self.settle()
        return sum(map(ran, self.pids()))

    def memory(self) -> int:
        self.settle()
        return sum(map(anonymous, self.pids()))

    def settle(self) -> None:
        """Waits until what the last login has left to do is done."""
        pids = None
        while pids != (pids := self.pids()):
            time.sleep(0.1)


@contextlib.contextmanager
def started(peer: Peer, folder: Path, peers: Peers, processor: int, limits: Limits = Limits(),
            tool: tuple[str, ...] = ()) -> Iterator[Server]:
    """Runs a server on a processor, under a tool such as strace if one is given: each of its
    commands gets the tool with a file of its own, FOLDER/tool-0 and so on."""
    folder.mkdir()
    folder.chmod(0o711)
    place = Place(folder, *free_ports(2), peers, limits)

    def prepare() -> None:
        os.sched_setaffinity(0, {processor})
        if bound := limits.descriptors or peer.descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (bound, bound))

    with contextlib.ExitStack() as stack:
        processes = []
        for number, command in enumerate(peer.commands(place)):
            for name, text in command.files.items():
                (folder / name).write_text(text)
            words = [word.replace('FILE', str(folder / f'tool-{number}')) for word in tool]
            output = stack.enter_context((folder / f'output-{number}').open('w'))
            process = subprocess.Popen([*words, *command.words], cwd=folder, stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=output, preexec_fn=prepare,
                                       start_new_session=True)
            processes.append(process)
            stack.callback(end, process)
        server = Server(peer, place, processes, bool(tool))
        stack.callback(stop, server)
        wait_for(server)
        yield server


def wait_for(server: Server) -> None:
    """Until it greets, and takes connections for TLS."""
    until = time.monotonic() + 30
    while time.monotonic() < until and all(process.poll() is None for process in server.processes):
        with (contextlib.suppress(OSError),
              socket.create_connection(('127.0.0.1', server.place.plain), 5) as probe,
              socket.create_connection(('127.0.0.1', server.place.tls), 5)):
            if probe.recv(1):
                return
        time.sleep(0.02)
    said = ''.join(path.read_text(errors='replace') for path in server.place.folder.iterdir()
                   if path.name.startswith('output-') or path.suffix == '.log')
    raise Trouble(f'{server.peer.name} does not start:\n{said}')


def stop(server: Server) -> None:
    """A tool hands no signal on, so the server's own processes are told. They are told
    again: of nginx, a signal just before epoll_wait() does not end that."""
    until = time.monotonic() + 10
    while time.monotonic() < until and any(process.poll() is None for process in server.processes):
        for pid in server.roots():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)
        time.sleep(0.1)


def end(process: subprocess.Popen) -> None:
    """Whatever is left of what that has started."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
