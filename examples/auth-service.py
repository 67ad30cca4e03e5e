#!/usr/bin/python3
"""An auth service for nginx's mail proxy: auth-service.py [PORT BACKEND_PORT]"""

import hashlib
import hmac
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

PASSWORDS = {'alice@example.com': 'secret'}
TOKENS = {'token-of-alice': 'alice@example.com'}    # or ask whoever issues them
PORT, BACKEND_PORT = sys.argv[1:] or ('9000', '110')


def is_right(method, user, proof, salt):
    password = PASSWORDS.get(user, '').encode()
    right = {'plain': password.decode(),
             'apop': hashlib.md5(salt.encode() + password).hexdigest(),
             'cram-md5': hmac.new(password, salt.encode(), 'md5').hexdigest()}.get(method, '')
    if method in ('xoauth2', 'oauthbearer'):
        return TOKENS.get(proof) == user
    return password and right and hmac.compare_digest(proof.encode(), right.encode())


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        user, proof = (unquote(self.headers.get(f'Auth-{name}', '')) for name in ('User', 'Pass'))
        answer = {'Status': 'Invalid login or password', 'Wait': '2'}
        if is_right(self.headers['Auth-Method'], user, proof, self.headers.get('Auth-Salt', '')):
            answer = {'Status': 'OK', 'Server': '127.0.0.1', 'Port': BACKEND_PORT, 'Pass': PASSWORDS[user]}
        self.send_response(204)
        for name, value in answer.items():
            self.send_header(f'Auth-{name}', value)
        self.end_headers()


ThreadingHTTPServer.request_queue_size = 64     # logins at once
ThreadingHTTPServer(('127.0.0.1', int(PORT)), Handler).serve_forever()
