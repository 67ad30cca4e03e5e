"""An auth service on Python's http.server, as its documentation shows it.

usage: http_server.py PORT 1.0|1.1 [one]

In HTTP/1.1, /length is a reply with a length, others have none.  With "one" it
takes one connection at a time.
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

from accounts import answer

port, version, *one = sys.argv[1:]


class Handler(BaseHTTPRequestHandler):
    protocol_version = f'HTTP/{version}'

    def do_GET(self):
        headers = answer(self.client_address[1], self.headers['Auth-User'], self.headers['Auth-Pass'])

        self.send_response(200)
        for name, value in headers:
            self.send_header(name, value)
        if self.path == '/length':
            self.send_header('Content-Length', '2')
        self.end_headers()
        if self.path == '/length':
            self.wfile.write(b'ok')

    def log_message(self, *_):
        pass


server = HTTPServer if one else ThreadingHTTPServer
server.request_queue_size = 64      # or more than 5 at once wait for a second
server(('127.0.0.1', int(port)), Handler).serve_forever()
