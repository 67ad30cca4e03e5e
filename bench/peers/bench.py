"""What every experiment needs."""

import contextlib
import itertools
from pathlib import Path
from typing import Iterator

from nginx import FEW, Peers, make_certificate, make_users
from peers.server import Limits, Peer, Server, started
from peers.traffic import Traffic


class Bench:
    def __init__(self, traffic: Traffic, backends: Peers, folder: Path, processor: int, quick: bool) -> None:
        self.traffic, self.backends, self.processor, self.quick = traffic, backends, processor, quick
        make_certificate(folder)
        make_users(folder, FEW)
        self._folders = (folder / str(number) for number in itertools.count())
        self._stack = contextlib.ExitStack()
        self._kept: dict[str, Server] = {}

    def __enter__(self) -> 'Bench':
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def kept(self, peer: Peer) -> Server:
        """One that runs until the end, for what leaves nothing behind."""
        if peer.name not in self._kept:
            self._kept[peer.name] = self._stack.enter_context(self.fresh(peer))
        return self._kept[peer.name]

    @contextlib.contextmanager
    def fresh(self, peer: Peer, limits: Limits = Limits(), tool: tuple[str, ...] = ()) -> Iterator[Server]:
        with started(peer, next(self._folders), self.backends, self.processor, limits, tool) as server:
            yield server
