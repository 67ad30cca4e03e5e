"""The kinds of session that are to go well to their end, and what is expected
of each."""

import asyncio
import random

from client import Client
from logins import (CANCELLED, ERRORS, INTERNAL, METHODS, REFUSED, REFUSED_BY_BACKEND,
                    UNAVAILABLE, Step, attempt, b64, batches, capabilities, idle, mailbox,
                    new_login, welcome)


async def play(client: Client, rng: random.Random, steps: list[Step]) -> None:
    """Sends the lines one by one, in one go, cut anywhere or byte by byte."""
    how = rng.choices(['step', 'once', 'cut', 'bytes'], weights=[4, 4, 2, 1])[0]
    for batch in [[step] for step in steps] if how == 'step' else batches(steps):
        await play_batch(client, rng, batch, how)


async def play_batch(client: Client, rng: random.Random, steps: list[Step], how: str) -> None:
    data = b''.join(map(client.line_of, steps))
    if how in ('step', 'once'):
        client.send(data)
    else:
        # So many bytes one by one would take minutes.
        few = len(data) < 2000
        await client.send_cut(data, rng, 1 if how == 'bytes' and few else 40 if few else 2000)
    for step in steps:
        await client.expect(step.reply)


async def connect(client: Client, rng: random.Random, ports: dict[str, int],
                  faultless: bool = False) -> bool:
    """In clear, with STLS or with TLS from the start; gives whether there is
    TLS. Unless it is to be faultless, there may have been an error."""
    how = rng.choices(['plain', 'kept', 'stls', 'tls'], weights=[3, 3, 2, 1])[0]
    await client.open(ports['plain' if how == 'stls' else how], tls=how == 'tls')
    await client.greeting()
    if how == 'stls':
        await stls(client, rng, faultless)
    return how in ('stls', 'tls')


async def stls(client: Client, rng: random.Random, faultless: bool) -> None:
    """What is sent behind STLS, and what came before, is forgotten."""
    if rng.random() < 0.3:
        client.send(b'USER before@tls\r\n')
        await client.expect(b'+OK')
    ahead = b'NOOP\r\nUSER injected\r\nPA' if rng.random() < 0.3 else b''
    client.send(b'STLS\r\n' + ahead)
    await client.expect(b'+OK')
    await client.start_tls()
    if not faultless and rng.random() < 0.3:
        client.send(b'PASS x\r\n')
        await client.expect(b'-ERR command not valid in this state')


async def login(client: Client, rng: random.Random, ports: dict[str, int], method: str) -> None:
    await connect(client, rng, ports)
    name = new_login(rng, 'good', method)
    steps = attempt(rng, method, name, client.challenge, welcome(name))
    await play(client, rng, steps + mailbox(rng, name))
    await client.end()


async def wrong(client: Client, rng: random.Random, ports: dict[str, int], method: str) -> None:
    await connect(client, rng, ports)
    name = new_login(rng, 'wrong', method)
    steps = attempt(rng, method, name, client.challenge, REFUSED, b'not it')
    await play(client, rng, steps)
    await client.end()


async def wait(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    """Auth-Wait: the session goes on, with what was sent ahead."""
    await connect(client, rng, ports)
    first = rng.choice([each for each in METHODS if not each.startswith('external')])
    then = rng.choice(METHODS)
    name = new_login(rng, 'wait', first)
    steps = attempt(rng, first, name, client.challenge, REFUSED, b'not it')
    name = new_login(rng, 'good', then)
    steps += attempt(rng, then, name, client.challenge, welcome(name))
    await play(client, rng, steps + mailbox(rng, name))
    await client.end()


async def again(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    """Auth-Status: WAIT: the auth server is asked a second time."""
    await connect(client, rng, ports)
    method = rng.choice(METHODS)
    name = new_login(rng, 'again', method)
    steps = attempt(rng, method, name, client.challenge, welcome(name))
    await play(client, rng, steps + mailbox(rng, name))
    await client.end()


async def fault(client: Client, rng: random.Random, ports: dict[str, int], word: str) -> None:
    """An auth server or a backend that fails, by the login's first word; the session
    goes on."""
    if word == 'stall':
        await client.open(ports['impatient'])
        await client.greeting()
    else:
        await connect(client, rng, ports)
    method = rng.choice(METHODS)
    name = new_login(rng, word, method)
    reply = FAULTS.get(word, INTERNAL)
    await play(client, rng, [*attempt(rng, method, name, client.challenge, reply),
                             Step(b'QUIT', b'+OK')])
    await client.end()


# What the client of a backend that fails is told.
FAULTS = {'refuse': REFUSED_BY_BACKEND, 'drop': UNAVAILABLE, 'nobody': UNAVAILABLE}


async def browse(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    tls = await connect(client, rng, ports)
    await play(client, rng, [*idle(rng, 20, tls), Step(b'QUIT', b'+OK')])
    await client.end()


async def pipeline(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    """2,000 commands and a login in one go."""
    await client.open(ports['plain'])
    await client.greeting()
    method = rng.choice(METHODS)
    name = new_login(rng, 'good', method)
    steps = idle(rng, 2000, False)
    steps += attempt(rng, method, name, client.challenge, welcome(name)) + mailbox(rng, name)
    for batch in batches(steps):
        await client.send_cut(b''.join(map(client.line_of, batch)), rng, 20000)
        for step in batch:
            await client.expect(step.reply)
    await client.end()


async def errors(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    """Four of them are forgiven, the fifth ends the session (max_errors)."""
    await connect(client, rng, ports, faultless=True)
    steps = rng.choices(ERRORS, k=rng.choice([4, 5]))
    if len(steps) == 4:
        method = rng.choice(METHODS)
        name = new_login(rng, 'good', method)
        steps += attempt(rng, method, name, client.challenge, welcome(name))
        steps += mailbox(rng, name)
    await play(client, rng, steps)
    await client.end()


async def too_long(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    """At pop3_client_buffer, 4,096 bytes, a line is skipped."""
    await connect(client, rng, ports)
    fits, skipped = Step(b'NOOP ' + b'x' * (4096 - 7), b'+OK'), b'-ERR line too long'
    steps = rng.sample([
        fits, Step(b'NOOP ' + b'x' * (4096 - 6), skipped),
        Step(b'PASS ' + b'x' * rng.randint(4096, 40000), skipped),
        Step(b'AUTH PLAIN ' + b'A' * rng.randint(4096, 20000), skipped)], k=4)
    await play(client, rng, [*steps, Step(b'QUIT', b'+OK')])
    await client.end()


async def cancelled(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    """Any number of times, then a login."""
    await connect(client, rng, ports)
    steps = []
    for _ in range(rng.randint(1, 12)):
        method = rng.choice(['plain', 'login', 'cram-md5', 'external', 'login-ir'])
        begun = attempt(rng, method, b'x', client.challenge, b'')
        begun = begun[:rng.randint(1, len(begun) - 1)]
        steps += [*begun, Step(b'*', CANCELLED)]
    name = new_login(rng, 'good', 'plain')
    steps += attempt(rng, 'plain', name, client.challenge, welcome(name))
    await play(client, rng, steps + mailbox(rng, name))
    await client.end()


async def tls_only(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    await client.open(ports['only'])
    await client.greeting()
    capa = (b'+OK Capability list follows\r\nTOP\r\nUIDL\r\nRESP-CODES\r\n'
            b'AUTH-RESP-CODE\r\nSTLS\r\n.')
    await play(client, rng, [
        Step(b'CAPA', capa), Step(b'USER x', b'-ERR STLS required first'),
        Step(b'AUTH PLAIN ' + b64(b'\0a\0b'), b'-ERR STLS required first')])
    client.send(b'STLS\r\n')
    await client.expect(b'+OK')
    await client.start_tls()
    name = new_login(rng, 'good', 'user')
    await play(client, rng, [
        Step(b'CAPA', capabilities(True)), Step(b'STLS', b'-ERR STLS not available'),
        *attempt(rng, 'user', name, client.challenge, welcome(name)), *mailbox(rng, name)])
    await client.end()


async def too_many(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    """The 51st command ends the session (pop3_max_commands)."""
    await client.open(ports['few'])
    await client.greeting()
    steps = [*idle(rng, 50, False), Step(b'NOOP', b'-ERR too many commands')]
    await play(client, rng, steps)
    await client.end()


async def silent(client: Client, rng: random.Random, ports: dict[str, int]) -> None:
    """A client whose time runs out (timeout), whatever it has begun."""
    # From before it connects, as it may see the greeting late.
    start = asyncio.get_running_loop().time()
    await client.open(ports['timeout'])
    await client.greeting()
    data, reply = rng.choice([
        (b'', b''), (b'NO', b''), (b'USER x\r\n', b'+OK\r\n'), (b'AUTH PLAIN\r\n', b'+ \r\n'),
        (b'STLS\r\n', b'+OK\r\n'), (b'x' * 9000, b'')])
    client.send(data)
    received = await client.rest()
    # On a busy machine the client may send after its time.
    client.check(received in (b'', reply), f'{received!r} instead of {reply!r}')
    client.check(asyncio.get_running_loop().time() - start > 0.8, 'closed before its time')
