"""How long a client that has TLS from the start waits."""

import contextlib
import socket
import ssl
import statistics
import time
from typing import NamedTuple

from bench import Bench
from load import Failed
from nginx import Side

# Sessions that are timed together.
SESSIONS = 5


class Times(NamedTuple):
    """Milliseconds, medians of some sessions."""
    greeting: float
    end: float


def context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def session(port: int) -> Times:
    with socket.create_connection(('127.0.0.1', port), 10) as plain:
        with context().wrap_socket(plain) as client:
            shaken = time.monotonic()
            if not client.recv(512).startswith(b'+OK'):
                raise Failed('no greeting')
            greeted = time.monotonic()
            client.sendall(b'QUIT\r\n')
            with contextlib.suppress(ssl.SSLError):
                while client.recv(512):
                    pass
            return Times((greeted - shaken) * 1e3, (time.monotonic() - greeted) * 1e3)


def times(bench: Bench, side: Side) -> Times:
    with bench.worker(side) as worker:
        sessions = [session(worker.ports['tls']) for _ in range(SESSIONS)]
    return Times(*map(statistics.median, zip(*sessions)))
