"""What every figure needs to measure."""

import contextlib
import itertools
from pathlib import Path
from typing import Iterator

from load import Load
from nginx import Peers, Setting, Side, Worker, make_certificate, started


class Bench:
    def __init__(self, load: Load, sides: tuple[Side, Side], peers: Peers, folder: Path,
                 quick: bool) -> None:
        self.load, self.sides, self.peers, self.quick = load, sides, peers, quick
        make_certificate(folder)
        self._folders = (folder / str(number) for number in itertools.count())

    def new_folder(self) -> Path:
        """Names a folder that is not there yet."""
        return next(self._folders)

    @contextlib.contextmanager
    def worker(self, side: Side, folder: Path | None = None, *tool: str,
               setting: Setting = Setting()) -> Iterator[Worker]:
        with started(side, folder or self.new_folder(), self.peers, setting, list(tool)) as worker:
            yield worker

    @contextlib.contextmanager
    def tls_backend(self) -> Iterator[None]:
        """Puts a worker with this module, which has TLS, before the backend."""
        with self.worker(self.sides[1]) as worker:
            self.peers = self.peers._replace(tls=worker.ports['tls'])
            yield

    def scaled(self, count: int) -> int:
        """A smaller count when it has to be quick."""
        return max(1, count // 4) if self.quick else count
