"""What the clients do to a server."""

import contextlib
import subprocess
from pathlib import Path
from typing import Iterator, NamedTuple

from load import Failed
from peers.server import Server

# How a client speaks: the option of the clients' program.
PLAIN, FULL, REUSED = '', 'full', 'reused'


class Logins(NamedTuple):
    """What came of logins: how many a second, and milliseconds of each."""
    count: int
    seconds: float
    median: float
    late: float
    greeting: float


class Clients(NamedTuple):
    """A program that runs clients, and has prepared what it was told to do."""
    process: subprocess.Popen
    said: str

    def go(self) -> list[float]:
        """Has it done, and gives the numbers that are printed then."""
        out, err = self.process.communicate('\n')
        if self.process.returncode:
            raise Failed(told(err))
        return [float(word) for word in out.split()]


class Traffic(NamedTuple):
    program: Path

    @contextlib.contextmanager
    def clients(self, server: Server, work: str, kind: str, *options: str) -> Iterator[Clients]:
        """Prepares the work, until it takes no more than a word."""
        with subprocess.Popen(self.command(server, work, kind, *options), text=True, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                line = process.stdout.readline()
                if not line.startswith('ready'):
                    raise Failed(told(process.stderr.read()))
                yield Clients(process, line.removeprefix('ready').strip())
            finally:
                process.kill()

    def command(self, server: Server, work: str, kind: str, *options: str) -> list[str]:
        tls = ['--tls', kind] if kind else []
        return [str(self.program), work, '--port', str(server.port(bool(kind))), *tls, *options]

    def logins(self, server: Server, kind: str, clients: int, seconds: float) -> tuple[Logins, float]:
        """For so long; gives the server's processor time, too."""
        options = ('--clients', str(clients), '--seconds', str(seconds))
        with self.clients(server, 'logins', kind, *options) as prepared:
            before = server.cpu()
            count, *others = prepared.go()
            return Logins(int(count), *others), server.cpu() - before

    def counted(self, server: Server, clients: int, count: int) -> None:
        """So many logins in all."""
        options = ('--clients', str(clients), '--count', str(count))
        with self.clients(server, 'logins', PLAIN, *options) as prepared:
            prepared.go()

    def crowd(self, server: Server, kind: str, count: int, until: str) -> contextlib.AbstractContextManager[Clients]:
        """Keeps so many connections."""
        return self.clients(server, 'crowd', kind, '--count', str(count), '--until', until)

    def tries(self, server: Server, count: int) -> int:
        """How many of so many logins go well, each within a second."""
        done = subprocess.run(self.command(server, 'tries', PLAIN, '--count', str(count)),
                              capture_output=True, text=True)
        if done.returncode:
            raise Failed(told(done.stderr))
        return int(done.stdout)


def told(error: str) -> str:
    return error.strip().lower().partition(' (os error')[0] or 'the clients gave up'
