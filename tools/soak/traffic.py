"""Which sessions there are, and how many at a time."""

import asyncio
import functools
import random
import time
from typing import Awaitable, Callable

import kinds
import leaving
import through
from client import Client, Unexpected
from logins import METHODS
from report import Report

Kind = Callable[[Client, random.Random, dict[str, int]], Awaitable[None]]

# Sessions at a time. Those of the second kind mostly wait.
BUSY, WAITING = 96, 80
# Far more than any session takes, even on a machine that does other things.
PATIENCE = 60

QUICK: dict[str, tuple[Kind, float]] = {
    **{f'login {method}': (functools.partial(kinds.login, method=method), 6)
       for method in METHODS},
    # EXTERNAL has no password that could be wrong.
    **{f'wrong {method}': (functools.partial(kinds.wrong, method=method), 2)
       for method in METHODS if not method.startswith('external')},
    **{f'fault {word}': (functools.partial(kinds.fault, word=word), 1.5)
       for word in ('close', 'garbage', 'drop', 'refuse', 'nobody')},
    **{f'gone, {how}': (functools.partial(leaving.vanish, how=how), 8)
       for how in ('rst', 'close', 'fin')},
    **{f'gone in handshake, {how}': (functools.partial(leaving.vanish_in_handshake, how=how), 2)
       for how in ('rst', 'close', 'fin')},
    **{f'login {way}': (functools.partial(through.login, way=way), 12)
       for way in through.WAYS},
    'wrong at backend': (through.wrong, 6),
    'fault of backend': (through.fault, 6),
    'dead end': (through.dead_end, 4),
    **{f'gone at backend, {how}': (functools.partial(through.vanish, how=how), 8)
       for how in ('rst', 'close', 'fin')},
    'browse': (kinds.browse, 4),
    'cancelled': (kinds.cancelled, 4),
    'errors': (kinds.errors, 4),
    'line too long': (kinds.too_long, 3),
    'starttls only': (kinds.tls_only, 2),
    'too many commands': (kinds.too_many, 2),
    '2000 commands': (kinds.pipeline, 0.5),
}
SLOW: dict[str, tuple[Kind, float]] = {
    'Auth-Wait': (kinds.wait, 3),
    'Auth-Status WAIT': (kinds.again, 3),
    **{f'fault {word}': (functools.partial(kinds.fault, word=word), 1)
       for word in ('stall', 'half', 'huge')},
    'timeout': (kinds.silent, 2),
    'not reading': (leaving.deaf, 0.3),
    'late backend': (through.late, 6),
    'silent backend': (through.silent, 2),
    'not reading, backend': (through.deaf, 0.3),
}


class Traffic:
    def __init__(self, seed: int, ports: dict[str, int], report: Report) -> None:
        self.rng = random.Random(seed)
        self.ports = ports
        self.report = report

    async def run(self, seconds: float, beside: asyncio.Task | None = None) -> None:
        """Gives back when the last session is over. Ends early if the task
        beside it does."""
        until = time.monotonic() + seconds
        start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for kinds_of_slot, slots in (QUICK, BUSY), (SLOW, WAITING):
                for _ in range(slots):
                    group.create_task(self.slot(kinds_of_slot, until, beside))
        self.report.seconds += time.monotonic() - start
        if beside is not None and beside.done():
            beside.result()

    async def slot(self, choice: dict[str, tuple[Kind, float]], until: float,
                   beside: asyncio.Task | None) -> None:
        names, weights = list(choice), [weight for _, weight in choice.values()]
        while time.monotonic() < until and not (beside is not None and beside.done()):
            name = self.rng.choices(names, weights)[0]
            await self.session(name, choice[name][0])

    async def session(self, name: str, kind: Kind) -> None:
        # Of its own, so that a session does not depend on what others do.
        seed = self.rng.getrandbits(64)
        client = Client()
        error = None
        try:
            async with asyncio.timeout(PATIENCE):
                await kind(client, random.Random(seed), self.ports)
        except Unexpected as unexpected:
            error = str(unexpected)
        except TimeoutError:
            error = f'not over after {PATIENCE} s'
        except OSError as os_error:
            error = repr(os_error)
        finally:
            client.close()
        self.report.session(name, error, client.dialogue)
