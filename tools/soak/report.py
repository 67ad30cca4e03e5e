"""What came of it."""

from collections import Counter
from typing import Callable

from server import Figures

# In KiB. Not 0, because the allocator keeps pages for as many sessions as there
# ever were at a time, and random traffic may reach that number late. Two bytes
# that each session leaves are over it after ten minutes.
WORKER_TOLERANCE = 256

# For what comes with a reload: the heap of a master that reads a configuration
# takes several of them to find its size, and workers begin with a copy of it.
RELOAD_TOLERANCE = 1024

# Unexpected outcomes of a kind that are printed.
PRINTED = 3


class Report:
    def __init__(self) -> None:
        self.sessions: Counter[str] = Counter()
        self.unexpected: Counter[str] = Counter()
        self.dialogues: dict[str, list[str]] = {}
        self.seconds = 0.0
        self.reloads = 0
        # The worker's and the master's, by name of the moment.
        self.held: dict[str, tuple[Figures, Figures]] = {}
        self.failed = 0

    def session(self, kind: str, error: str | None,
                dialogue: Callable[[], list[str]]) -> None:
        self.sessions[kind] += 1
        if error is None:
            return
        self.unexpected[kind] += 1
        kept = self.dialogues.setdefault(kind, [])
        if len(kept) < PRINTED:
            kept.append('\n    '.join([error, *dialogue()]))

    def fail(self, text: str) -> None:
        print(f'FAILED: {text}')
        self.failed += 1

    def print_all(self, alarms: list[str], graceful: bool) -> None:
        total = self.sessions.total()
        print(f'{total} sessions in {self.seconds:.0f} s, {total / self.seconds:.0f} a second; '
              f'{self.reloads} reloads')
        for kind, count in sorted(self.sessions.items()):
            print(f'  {kind:<28}{count:>8}{count / self.seconds:>9.1f} a second'
                  f'{self.unexpected[kind]:>6} unexpected')
        for kind, texts in self.dialogues.items():
            print(f'{self.unexpected[kind]} unexpected of {kind}:')
            for text in texts:
                print(f'  {text}')
        self.failed += self.unexpected.total()
        passed = total - self.failed

        for moment, (worker, master) in self.held.items():
            print(f'{moment}: worker {worker}')
            print(f'{"":{len(moment)}}  master {master}')
        passed += self.levels()
        for line in alarms[:20]:
            self.fail(f'error.log: {line}')
        if len(alarms) > 20:
            self.fail(f'error.log: {len(alarms) - 20} more of these')
        if not graceful:
            self.fail('nginx did not exit on QUIT')
        print(f'{passed} passed, {self.failed} failed')

    def levels(self) -> int:
        """Gives the number of checks that passed."""
        (worker, master), (same, _), (last, master_last) = self.held.values()
        if same.pid != worker.pid:
            self.fail(f'the worker died: {worker.pid} became {same.pid}')
        checks = (
            ('worker, after its sessions', worker, same, WORKER_TOLERANCE),
            ('worker, after the reloads', worker, last, RELOAD_TOLERANCE),
            ('master, after the reloads', master, master_last, RELOAD_TOLERANCE),
        )
        passed = 0
        # Not PSS: it changes with every other process that has the same files
        # mapped, those that are no part of this included.
        for name, before, after, tolerance in checks:
            for what, grown, allowed in (
                    ('descriptors', after.fds - before.fds, 0),
                    ('KiB of RSS', after.rss - before.rss, tolerance),
                    ('KiB of anonymous memory', after.anonymous - before.anonymous,
                     tolerance)):
                # Memory may shrink, descriptors may not.
                if grown > allowed or (allowed == 0 and grown < 0):
                    self.fail(f'{name}: {grown:+d} {what}, {allowed} allowed')
                else:
                    passed += 1
        return passed
