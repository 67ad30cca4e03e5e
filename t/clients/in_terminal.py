"""Runs a program in a terminal of its own and types for it.

usage: in_terminal.py [TEXT KEYS]... -- COMMAND [ARGUMENT]...

Waits until TEXT stands in what the program has written since the last KEYS, and
until it has nothing to add, and then types KEYS: programs throw away what was
typed while they drew.  Writes what the program wrote; its exit status is this
one's.
"""

import os
import pty
import re
import select
import sys

separator = sys.argv.index('--')
words, command = sys.argv[1:separator], sys.argv[separator + 1:]
steps = list(zip(words[::2], words[1::2]))

QUIET = 0.3     # seconds
CONTROL = re.compile(rb'\x1b(\[[0-9;?]*[A-Za-z]|[()].|[=>])')

pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(TERM='xterm', COLUMNS='100', LINES='30')
    os.execvp(command[0], command)

text = b''
while True:
    if select.select([terminal], [], [], QUIET)[0]:
        try:
            text += os.read(terminal, 4096)
        except OSError:     # the program has gone
            break
        continue
    shown = CONTROL.sub(b'', text).decode('latin-1')
    if steps and steps[0][0] in shown:
        keys = steps.pop(0)[1]
        print(f'{shown}\n[typed {keys!r}]', flush=True)
        os.write(terminal, keys.encode())
        text = b''

print(CONTROL.sub(b'', text).decode('latin-1'))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
