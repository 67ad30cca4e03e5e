"""OAuth for the tests: whether a token is good, for Dovecot and by auth_http.

usage: oauth.py PORT BACKEND_PORT TOKENS RECORD

Each line of the file TOKENS is a token and its login.  RECORD gets a line for each
question: "introspect" or the method, the login if there is one, and "good" or "bad".
POST is RFC 7662's introspection.  GET is auth_http: /password names a password to
log in with at the backend, /token leaves the token to it.
"""

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote

port, backend_port, tokens, record = sys.argv[1:]
CHALLENGE = {'status': 'expired', 'scope': 'mail'}


def login_of(token):
    with open(tokens) as lines:
        return dict(line.split() for line in lines).get(token)


def note(*words):
    with open(record, 'a') as file:
        print(*words, file=file)


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers['Content-Length'])).decode())
        login = login_of(form['token'][0])
        note('introspect', 'good' if login else 'bad')
        body = json.dumps({'active': bool(login), **({'username': login} if login else {})})
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self):
        user, token = (unquote(self.headers[f'Auth-{name}']) for name in ('User', 'Pass'))
        right = login_of(token) == user
        note(self.headers['Auth-Method'], user, 'good' if right else 'bad')

        answer = {'Status': 'OK', 'Server': '127.0.0.1', 'Port': backend_port}
        if self.path == '/password' and right:
            answer['Pass'] = 'secret'
        elif self.path == '/password':
            error = base64.b64encode(json.dumps(CHALLENGE).encode()).decode()
            answer = {'Status': 'token has expired', 'Wait': '1', 'Error-SASL': error}

        self.send_response(204)
        for name, value in answer.items():
            self.send_header(f'Auth-{name}', value)
        self.end_headers()

    def log_message(self, *_):
        pass


ThreadingHTTPServer(('127.0.0.1', int(port)), Handler).serve_forever()
