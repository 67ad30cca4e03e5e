#!/usr/bin/python3
"""An auth service by CGI: 204, a length, or neither, by the path."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True

from accounts import answer     # noqa: E402

environ = os.environ
headers = answer(environ['REMOTE_PORT'], environ['HTTP_AUTH_USER'], environ['HTTP_AUTH_PASS'])
path = environ['DOCUMENT_URI']

if path == '/204':
    headers.append(('Status', '204 No Content'))
if path == '/length':
    headers.append(('Content-Length', '2'))

sys.stdout.write(''.join(f'{name}: {value}\r\n' for name, value in headers) + '\r\n')
if path != '/204':
    sys.stdout.write('ok')
