#!/usr/bin/python3
"""Clients that stop to read within earlier replies, each somewhere else, and go on
while a login of theirs that failed waits. Prints where one had no answer to what
it had sent behind that login.

  read_late.py PORT
"""

import concurrent.futures
import contextlib
import socket
import sys
import time

REFUSED = b'-ERR Invalid login or password\r\n+OK\r\n+OK\r\n'


def answered(before: int) -> bool:
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(socket.socket())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(4)
        client.connect(('127.0.0.1', int(sys.argv[1])))
        while not client.recv(1) == b'\n':
            pass

        client.sendall(b'CAPA\r\n' * 4)
        time.sleep(0.2)
        while before:
            before -= len(client.recv(min(512, before)))
        time.sleep(0.2)

        client.sendall(b'USER wait@example.com\r\nPASS wrong\r\nNOOP\r\nNOOP\r\n')
        time.sleep(0.3)
        tail = b''
        with contextlib.suppress(TimeoutError):
            while not tail.endswith(REFUSED):
                tail = (tail + client.recv(65536))[-100:]
            return True
    return False


places = range(0, 26000, 300)
with concurrent.futures.ThreadPoolExecutor(60) as pool:
    print(*(place for place, good in zip(places, pool.map(answered, places)) if not good))
