"""The kinds of session that log in at a backend of pop3_proxy_pass."""

import asyncio
import random

from backends import FAULTS, LATE
from client import Client
from kinds import play, stls
from leaving import DEAF, leave
from logins import (REFUSED_BY_BACKEND as REFUSED, UNAVAILABLE, Step, attempt, b64, mailbox,
                    new_login, welcome)

METHODS = 'user', 'plain', 'plain-ir', 'login', 'login-ir'
WAYS = 'to_clear', 'to_tls', 'to_starttls'
# No login is possible there.
DEAD_ENDS = 'to_closed', 'to_drops', 'to_untrusted', 'to_no_tls'


async def connect(client: Client, rng: random.Random, port: int) -> None:
    await client.open(port)
    await client.expect(b'+OK POP3 ready')
    if rng.random() < 0.2:
        await stls(client, rng, faultless=True)


def one(rng: random.Random, word: str, reply: bytes | None = None,
        secret: bytes | None = None) -> tuple[bytes, list[Step]]:
    """A new login, and the lines of an attempt."""
    method = rng.choice(METHODS)
    name = new_login(rng, word, method)
    reply = welcome(name) if reply is None else reply
    return name, attempt(rng, method, name, b'', reply, secret)


def right(rng: random.Random, word: str = 'good') -> list[Step]:
    """A login and a look into the mailbox."""
    name, steps = one(rng, word)
    return steps + mailbox(rng, name)


async def login(client: Client, rng: random.Random, ports: dict[str, int], way: str) -> None:
    await connect(client, rng, ports[way])
    await play(client, rng, right(rng))
    await client.end()


async def late(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    await connect(client, rng, ports[rng.choice(WAYS)])
    await play(client, rng, right(rng, rng.choice(LATE)))
    await client.end()


async def wrong(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    """Four times forgiven; the fifth one ends the session (max_errors)."""
    await connect(client, rng, ports[rng.choice(WAYS)])
    count = rng.choice([1, 1, 2, 4, 5])
    steps = [step for _ in range(count) for step in one(rng, 'good', REFUSED, b'not it')[1]]
    await play(client, rng, steps + (right(rng) if count < 5 else []))
    await client.end()


async def fault(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    """Backends that fail, and then one that does not."""
    await connect(client, rng, ports[rng.choice(WAYS)])
    steps = [step for word in rng.sample(FAULTS, rng.randint(1, 4))
             for step in one(rng, word, UNAVAILABLE)[1]]
    await play(client, rng, steps + right(rng))
    await client.end()


async def dead_end(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    await connect(client, rng, ports[rng.choice(DEAD_ENDS)])
    steps = [step for _ in range(rng.randint(1, 4))
             for step in one(rng, 'good', UNAVAILABLE)[1]]
    await play(client, rng, [*steps, Step(b'QUIT', b'+OK')])
    await client.end()


async def silent(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    """The backend says nothing until the client's time is over (timeout)."""
    await client.open(ports['to_silent'])
    await client.expect(b'+OK POP3 ready')
    # In one go: a busy machine may have it late for more.
    login = b64(b'\0good@soak\0secret')
    client.send(b'AUTH PLAIN ' + login + b'\r\nNOOP\r\n')
    received = await client.rest()
    client.check(received in (b'', UNAVAILABLE + b'\r\n'), f'{received!r} at the end')


async def vanish(client: Client, rng: random.Random, ports: dict[str, int], how: str) -> None:
    """The client goes at any byte."""
    await connect(client, rng, ports[rng.choice(WAYS + DEAD_ENDS)])
    steps = [step for _ in range(rng.randint(0, 2))
             for step in one(rng, rng.choice(['good', *FAULTS]), b'', b'not it')[1]]
    steps += right(rng, rng.choice(['good', *LATE, *FAULTS]))
    data = b''.join(map(client.line_of, steps))
    # Mostly where there is a login under way, or it is over.
    client.send(data[:rng.choice([len(data), rng.randint(0, len(data))])])
    await leave(client, rng, how)


async def deaf(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    """Logs in and does not read; then it is gone, or reads and finds all replies."""
    async with DEAF:
        await client.open(ports[rng.choice(WAYS)], receive_buffer=4096)
        await client.expect(b'+OK POP3 ready')
        name, steps = one(rng, 'good')
        await play(client, rng, steps)
        steps = mailbox(rng, name)
        steps[-1:-1] = [Step(b'STAT', steps[0].reply)] * 3000
        client.transport.pause_reading()
        client.send(b''.join(map(client.line_of, steps)))
        await asyncio.sleep(rng.uniform(0.5, 2))
        if rng.random() < 0.5:
            return await leave(client, rng, rng.choice(['rst', 'close']))
        client.transport.resume_reading()
        for step in steps:
            await client.expect(step.reply)
        await client.end()
