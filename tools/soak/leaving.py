"""Clients that disappear or do not read."""

import asyncio
import random

from client import Client, client_hello
from kinds import connect, play
from logins import METHODS, Step, attempt, capabilities, idle, mailbox, new_login, welcome

# How many sessions that do not read there are at a time.
DEAF = asyncio.Semaphore(20)


def dialogue(client: Client, rng: random.Random) -> bytes:
    """The bytes of a whole session, of any kind."""
    method = rng.choice(METHODS)
    name = new_login(rng, rng.choice(['good', 'good', 'wrong', 'wait', 'close', 'drop']), method)
    steps = idle(rng, rng.randint(0, 3), False)
    steps += attempt(rng, method, name, client.challenge, b'')
    steps += [Step(b'RETR 2', b'')] * rng.randint(0, 1) + mailbox(rng, name)
    return b''.join(map(client.line_of, steps))


async def vanish(client: Client, rng: random.Random, ports: dict[str, int], how: str) -> None:
    """At any byte: RST; a socket closed; or FIN, when the server has to close
    as well."""
    await connect(client, rng, ports)
    data = dialogue(client, rng)
    client.send(data[:rng.randint(0, len(data))])
    await leave(client, rng, how)


async def vanish_in_handshake(client: Client, rng: random.Random, ports: dict[str, int],
                              how: str) -> None:
    await client.open(ports['plain'] if rng.random() < 0.6 else ports['tls'])
    hello = client_hello()
    if client.port == ports['plain']:
        await client.greeting()
        client.send(b'STLS\r\n')
        await client.expect(b'+OK')
    client.send(hello[:rng.randint(0, len(hello))])
    await leave(client, rng, how)


async def leave(client: Client, rng: random.Random, how: str) -> None:
    if rng.random() < 0.7:
        await asyncio.sleep(rng.choice([0, 0.001, 0.01, 0.05]))
    if how == 'rst':
        client.reset()
    elif how == 'close':
        client.close()
    else:
        client.half_close()
        await client.closed()


async def deaf(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    """Sends and does not read, before the login or after; then it is gone, or
    reads and finds all replies."""
    async with DEAF:
        await client.open(ports['small'], receive_buffer=4096)
        await client.greeting()
        if rng.random() < 0.5:
            steps = [Step(b'CAPA', capabilities(False))] * 2000 + [Step(b'QUIT', b'+OK')]
        else:
            name = new_login(rng, 'good', 'user')
            login = attempt(rng, 'user', name, client.challenge, welcome(name))
            await play(client, rng, login)
            steps = mailbox(rng, name)
            steps[-1:-1] = [step for step in steps if step.line == b'RETR 1'] * 1000
        client.transport.pause_reading()
        client.send(b''.join(map(client.line_of, steps)))
        await asyncio.sleep(rng.uniform(0.5, 2))
        if rng.random() < 0.5:
            return await leave(client, rng, rng.choice(['rst', 'close']))
        client.transport.resume_reading()
        for step in steps:
            await client.expect(step.reply)
        await client.end()
