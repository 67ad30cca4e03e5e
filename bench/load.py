"""What the load generator does to a worker."""

import contextlib
import re
import subprocess
import time
from pathlib import Path
from typing import Iterator, NamedTuple

from nginx import Peers, Trouble, Worker

# Seconds that it may take for the largest piece of work, under valgrind too.
PATIENCE = 120


class Failed(Exception):
    """What one side cannot do; the text stands in the table instead of a figure."""


class Work(NamedTuple):
    """A kind of traffic, to a port of a worker. How much of it, the figure says."""
    arguments: tuple[str, ...]
    port: str = 'plain'

    def command(self, worker: Worker) -> list[str]:
        return [*self.arguments, '--port', str(worker.ports[self.port])]


def commands(*lines: str, batch: int = 1, options: tuple[str, ...] = ()) -> Work:
    """Lines in turn, and so many of them in one segment."""
    each = [word for line in lines for word in ('--line', line)]
    return Work(('commands', *each, '--batch', str(batch), *options))


def logins(method: str, port: str | None = None, clients: int = 1) -> Work:
    """Logins by a method, and by so many clients at a time."""
    usual = 'challenge' if method in ('apop', 'cram-md5') else 'plain'
    return Work(('logins', '--method', method, '--clients', str(clients)), port or usual)


class Load:
    def __init__(self, program: Path) -> None:
        self.program = program

    def run(self, worker: Worker, work: Work, count: int) -> float:
        """Gives the seconds that it took."""
        try:
            done = subprocess.run([self.program, *work.command(worker), '--count', str(count)],
                                  capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed('takes too long') from None
        if done.returncode:
            raise Failed(re.sub(r'^load: | by peer| \(os error \d+\)$', '', done.stderr.strip()).lower())
        return float(done.stdout)

    def per_second(self, worker: Worker, work: Work, least: int, seconds: float) -> float:
        """Does more and more until it takes long enough to tell."""
        count = least
        while (took := self.run(worker, work, count)) < seconds:
            count *= 2
        return count / took

    @contextlib.contextmanager
    def peers(self) -> Iterator[Peers]:
        """Serves an auth server and a backend."""
        with self.talk('peers') as peers:
            yield Peers(*map(int, read(peers).split()))

    @contextlib.contextmanager
    def held(self, worker: Worker, work: Work, count: int) -> Iterator[None]:
        """Does the work and keeps the connection."""
        with self.talk(*work.command(worker), '--count', str(count), '--hold') as held:
            read(held)
            yield

    @contextlib.contextmanager
    def crowd(self, worker: Worker, connections: int, port: str = 'plain') -> Iterator['Crowd']:
        """Opens the connections."""
        with self.talk('crowd', '--port', str(worker.ports[port]),
                       '--connections', str(connections)) as crowd:
            read(crowd)
            yield Crowd(crowd)

    @contextlib.contextmanager
    def talk(self, *arguments: str) -> Iterator[subprocess.Popen]:
        """Runs it until its standard input ends."""
        with subprocess.Popen([self.program, *arguments], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                yield process
                process.communicate()
            except BaseException:
                process.terminate()
                raise


class Crowd:
    """Many connections, most of them idle."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process

    def order(self, text: str) -> None:
        """Has something done, and waits until it is."""
        print(text, file=self.process.stdin, flush=True)
        read(self.process)
        # What the worker does after its last reply.
        time.sleep(0.02)


def read(process: subprocess.Popen) -> str:
    line = process.stdout.readline()
    if not line:
        raise Trouble('the load generator gave up')
    return line
