"""Logs in by Python's poplib, and writes message 1 to a file.

usage: python_poplib.py METHOD PORT PASSWORD CA MESSAGE

METHOD is user, apop, stls or pop3s.  The dialogue goes to the standard output
and standard error; a refused login is an exit status of 1.
"""

import poplib
import ssl
import sys

method, port, password, ca, message = sys.argv[1:]
login = 'test@example.com'

context = ssl.create_default_context(cafile=ca)

if method == 'pop3s':
    pop3 = poplib.POP3_SSL('localhost', int(port), timeout=20, context=context)
else:
    pop3 = poplib.POP3('127.0.0.1', int(port), timeout=20)

pop3.set_debuglevel(1)

# The certificate is for this name, and without it the greeting's host is
# what is compared.
pop3.host = 'localhost'

if method == 'stls':
    pop3.stls(context)

if method == 'apop':
    pop3.apop(login, password)
else:
    pop3.user(login)
    pop3.pass_(password)

lines = pop3.retr(1)[1]
pop3.quit()

with open(message, 'wb') as file:
    file.write(b''.join(line + b'\n' for line in lines))
