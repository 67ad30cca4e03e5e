#!/usr/bin/python3
"""Logs in by Twisted's AdvancedPOP3Client, and writes message 1 to a file.

usage: python_twisted.py METHOD PORT PASSWORD CA MESSAGE

METHOD is user, stls or pop3s; APOP is the client's own choice.  The dialogue goes
to the standard output; a refused login is an exit status of 1.
"""

import sys

from twisted.internet import defer, endpoints, ssl, task
from twisted.mail.pop3 import AdvancedPOP3Client

method, port, password, ca, message = sys.argv[1:]
login = b'test@example.com'


class Client(AdvancedPOP3Client):
    # By default it sends no password without TLS.
    allowInsecureLogin = method == 'user'

    def serverGreeting(self, greeting):
        greeted.callback(self)

    def sendLine(self, line):
        print('>', line.decode(), flush=True)
        super().sendLine(line)

    def lineReceived(self, line):
        print('<', line.decode(), flush=True)
        super().lineReceived(line)


async def fetch(reactor):
    with open(ca) as file:
        options = ssl.optionsForClientTLS(
            'localhost', ssl.Certificate.loadPEM(file.read()))

    endpoint = endpoints.TCP4ClientEndpoint(reactor, '127.0.0.1', int(port))
    if method == 'pop3s':
        endpoint = endpoints.wrapClientTLS(options, endpoint)
    pop3 = await endpoints.connectProtocol(endpoint, Client())
    await greeted

    # The TLS that login() would begin by itself is of version 1.0.
    if method == 'stls':
        await pop3.startTLS(options)

    await pop3.login(login, password.encode())
    lines = await pop3.retrieve(0)
    await pop3.quit()

    with open(message, 'wb') as file:
        file.write(b''.join(line + b'\n' for line in lines))


greeted = defer.Deferred()
task.react(lambda reactor: defer.ensureDeferred(fetch(reactor)))
