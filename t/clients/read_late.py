#!/usr/bin/python3
"""Clients that do not read all replies, each another part of them, and send a login
and more. Prints where one of them did not get what it should:

  read_late.py PORT refused   the login waits to fail: what was sent behind it is
                              answered
  read_late.py PORT failed    the auth server cannot be asked: what was sent behind
                              the login is answered behind the error
"""

import concurrent.futures
import contextlib
import socket
import sys
import time

LOGIN = b'USER wait@example.com\r\nPASS wrong\r\n'
# It has no reply before that of the login.
LOGIN_AT_ONCE = b'AUTH PLAIN AHdhaXRAZXhhbXBsZS5jb20Ad3Jvbmc=\r\n'
MORE = b'NOOP\r\nNOOP\r\n'
REFUSED = b'-ERR [AUTH] Invalid login or password\r\n+OK\r\n+OK\r\n'
FAILED = b'-ERR [SYS/TEMP] internal server error\r\n'


def greeted(stack: contextlib.ExitStack) -> socket.socket:
    client = stack.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.settimeout(4)
    client.connect(('127.0.0.1', int(sys.argv[1])))
    while not client.recv(1) == b'\n':
        pass
    return client


def late(stack: contextlib.ExitStack, before: int) -> socket.socket:
    """A client that has read so many bytes of its replies."""
    client = greeted(stack)
    client.sendall(b'CAPA\r\n' * 4)
    time.sleep(0.2)
    while before:
        before -= len(client.recv(min(512, before)))
    time.sleep(0.2)
    return client


def refused(before: int) -> bool:
    with contextlib.ExitStack() as stack:
        client = late(stack, before)
        client.sendall(LOGIN + MORE)
        time.sleep(0.3)
        tail = b''
        with contextlib.suppress(TimeoutError):
            while not tail.endswith(REFUSED):
                tail = (tail + client.recv(65536))[-100:]
            return True
    return False


def failed(before: int) -> bool:
    with contextlib.ExitStack() as stack:
        client = greeted(stack)
        # Its replies fill the connection, but for some of these clients.
        client.sendall(b'NOOP\r\n' * before)
        time.sleep(0.2)
        client.sendall(LOGIN_AT_ONCE)
        time.sleep(0.2)
        client.sendall(MORE)
        client.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        replies = b''
        with contextlib.suppress(ConnectionError, TimeoutError):
            while piece := client.recv(65536):
                replies += piece
        return replies == b'+OK\r\n' * before + FAILED + b'+OK\r\n' * 2
    return False


work, places = {
    'refused': (refused, range(0, 26000, 300)),
    'failed': (failed, range(0, 4000, 25)),
}[sys.argv[2]]
with concurrent.futures.ThreadPoolExecutor(60) as pool:
    print(*(place for place, good in zip(places, pool.map(work, places)) if not good))
