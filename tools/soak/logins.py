"""Ways to log in, as lines and the replies to them."""

import base64
import hashlib
import hmac
import itertools
import random
from dataclasses import dataclass
from typing import Callable

from peers import INVALID, LARGE_MAIL, MAIL, password

METHODS = ('user', 'apop', 'plain', 'plain-ir', 'login', 'login-ir', 'cram-md5',
           'external', 'external-ir')
INTERNAL = b'-ERR [SYS/TEMP] internal server error'
UNAVAILABLE = b'-ERR [SYS/TEMP] mail server is not available'
REFUSED = b'-ERR [AUTH] ' + INVALID
REFUSED_BY_BACKEND = b'-ERR [AUTH] invalid login or password'
CANCELLED = b'-ERR authentication cancelled'

number = itertools.count(1)


# Stands for the reply that has the challenge of CRAM-MD5.
CHALLENGE = b'+ challenge'


@dataclass(frozen=True)
class Step:
    # Or what makes it of the challenge in the reply before.
    line: bytes | Callable[[bytes], bytes]
    reply: bytes


def batches(steps: list[Step]) -> list[list[Step]]:
    """What can be sent in one go each: the answer to a challenge waits for it."""
    parts: list[list[Step]] = [[]]
    for step in steps:
        if callable(step.line):
            parts.append([])
        parts[-1].append(step)
    return parts


def b64(text: bytes) -> bytes:
    return base64.b64encode(text)


def new_login(rng: random.Random, word: str, method: str) -> bytes:
    """One that no other session has."""
    odd = rng.choice(['', '', ' %41+&', ' ü@'])
    login = f'{word}-{next(number)}@soak' + ('' if method == 'apop' else odd)
    return login.encode()


def mixed_case(rng: random.Random, line: bytes) -> bytes:
    keyword, space, rest = line.partition(b' ')
    return rng.choice([keyword, keyword.lower(), keyword.title()]) + space + rest


def attempt(rng: random.Random, method: str, login: bytes, challenge: bytes,
            reply: bytes, secret: bytes | None = None) -> list[Step]:
    """A login whose last line gets `reply`."""
    if secret is None:
        secret = password(login)
    name, _, initial = method.partition('-ir')
    if method == 'user':
        steps = [Step(b'USER ' + login, b'+OK'), Step(b'PASS ' + secret, reply)]
    elif method == 'apop':
        digest = hashlib.md5(challenge + secret).hexdigest().encode()
        steps = [Step(b'APOP ' + login + b' ' + digest, reply)]
    elif method == 'cram-md5':
        def response(own: bytes) -> bytes:
            return b64(login + b' ' + hmac.digest(secret, own, 'md5').hex().encode())
        steps = [Step(b'AUTH CRAM-MD5', CHALLENGE), Step(response, reply)]
    else:
        messages, prompts = {
            'plain': ([b'\0' + login + b'\0' + secret], [b'']),
            'login': ([login, secret], [b64(b'Username:'), b64(b'Password:')]),
            'external': ([login], [b64(b'Username:')]),
        }[name]
        lines, replies = [b'AUTH ' + name.upper().encode()], [b'+ ' + each for each in prompts]
        lines += map(b64, messages)
        if method.endswith('-ir'):
            lines[:2] = [lines[0] + b' ' + lines[1]]
            replies = replies[1:]
        steps = list(map(Step, lines, replies + [reply]))

    return [Step(mixed_case(rng, steps[0].line), steps[0].reply), *steps[1:]]


def welcome(login: bytes) -> bytes:
    """The backend's reply to the login."""
    return b'+OK in ' + login


def mailbox(rng: random.Random, login: bytes) -> list[Step]:
    """What a client does after the login."""
    mails = b'+OK\r\n' + MAIL + b'.'
    steps = [Step(b'STAT', b'+OK 2 %d' % (len(MAIL) + len(LARGE_MAIL)))]
    steps += [Step(b'RETR 1', mails), Step(b'NOOP', b'+OK')] * rng.randint(0, 2)
    if rng.random() < 0.05:
        steps.append(Step(b'RETR 2', b'+OK\r\n' + LARGE_MAIL + b'.'))
    return [*steps, Step(b'QUIT', b'+OK bye ' + login)]


def capabilities(tls: bool, starttls: bool = True) -> bytes:
    return b'\r\n'.join([
        b'+OK Capability list follows', b'TOP', b'USER', b'UIDL', b'RESP-CODES', b'AUTH-RESP-CODE',
        b'SASL PLAIN LOGIN CRAM-MD5 EXTERNAL',
        *([b'STLS'] if starttls and not tls else []), b'.'])


LISTED = b'+OK methods supported:\r\nPLAIN\r\nLOGIN\r\nCRAM-MD5\r\nEXTERNAL\r\n.'


def idle(rng: random.Random, count: int, tls: bool) -> list[Step]:
    """Commands that leave the dialogue where it is."""
    some = [Step(b'NOOP', b'+OK'), Step(b'noop x', b'+OK'), Step(b'CAPA', capabilities(tls)),
            Step(b'AUTH', LISTED)]
    return rng.choices(some, weights=[5, 2, 2, 1], k=count)


# Refused, and counted as errors.
ERRORS = (
    Step(b'XYZZY', b'-ERR invalid command'),
    Step(b'STAT', b'-ERR command not valid in this state'),
    Step(b'PASS x', b'-ERR command not valid in this state'),
    Step(b'USER', b'-ERR invalid arguments'),
    Step(b'USER a\tb', b'-ERR [AUTH] invalid login'),
    Step(b'AUTH SCRAM-SHA-1', b'-ERR unsupported authentication method'),
    Step(b'AUTH PLAIN !', b'-ERR invalid base64 encoding'),
    Step(b'AUTH PLAIN ' + b64(b'no NUL'), b'-ERR invalid authentication message'),
    Step(b'AUTH PLAIN ' + b64(b'a\0b\0c'), b'-ERR [AUTH] authorization identity not supported'),
    Step(b'AUTH PLAIN ' + b64(b'\0a\rQUIT\0c'), b'-ERR [AUTH] invalid login'),
    Step(b'AUTH PLAIN ' + b64(b'\0a\0c\r\nQUIT'), b'-ERR [AUTH] invalid password'),
    Step(b'APOP a b', b'-ERR [AUTH] invalid digest'),
    Step(b'x' * 5000, b'-ERR line too long'),
)
