"""nginx with its C module, with this module and as a stream proxy."""

import re
import subprocess
from pathlib import Path

from nginx import FEW
from peers.server import Command, Peer, Place

HEAD = '''\
{load_module}daemon off;
master_process off;
pid nginx.pid;
error_log error.log error;
events {{
    worker_connections {place.limits.connections};
}}
'''

MAIL = HEAD + '''\
mail {{
    server_name mail.example;
    {directives}
    server {{
        listen 127.0.0.1:{place.plain};
        protocol pop3;
    }}
    server {{
        listen 127.0.0.1:{place.tls} ssl;
        protocol pop3;
        ssl_certificate {place.certificate};
        ssl_certificate_key {place.certificate};
    }}
}}
'''

STREAM = HEAD + '''\
stream {{
    server {{
        listen 127.0.0.1:{place.plain};
        proxy_pass 127.0.0.1:{place.peers.backend};
    }}
    server {{
        listen 127.0.0.1:{place.tls} ssl;
        proxy_pass 127.0.0.1:{place.peers.backend};
        ssl_certificate {place.certificate};
        ssl_certificate_key {place.certificate};
    }}
}}
'''

AUTH_HTTP = 'auth_http 127.0.0.1:{place.peers.auth}/auth;'
KEPT = AUTH_HTTP + '\n    pop3_auth_http_keepalive 16;'
PROXY_PASS = 'pop3_proxy_pass 127.0.0.1:{place.peers.backend};'
PIPELINING = PROXY_PASS + '\n    pop3_proxy_pipelining on;'
USER_FILE = PROXY_PASS + '\n    pop3_auth_user_file {users};'


class Nginx(Peer):
    def __init__(self, name: str, what: str, nginx: Path, module: Path | None, directives: str,
                 text: str = MAIL) -> None:
        super().__init__(name, what)
        self.nginx, self.module, self.directives, self.text = nginx, module, directives, text

    def version(self) -> str:
        said = subprocess.run([self.nginx, '-V'], capture_output=True, text=True, check=True).stderr
        found = re.search(r'nginx/(\S+)(?:.|\n)*built with (OpenSSL \S+)', said)
        return f'nginx {found[1]} -O2, {found[2]}' if found else 'nginx'

    def commands(self, place: Place) -> list[Command]:
        directives = self.directives.format(place=place, users=place.folder.parent / f'users-{FEW}')
        text = self.text.format(load_module=f'load_module {self.module};\n' if self.module else '',
                                place=place, directives=directives)
        words = [str(self.nginx), '-p', f'{place.folder}/', '-c', 'nginx.conf', '-e', 'error.log']
        return [Command(words, {'nginx.conf': text})]


def peers(nginx: Path, module: Path) -> list[Peer]:
    """Of ours there are five, by how it is decided who may log in and where."""
    return [
        Nginx('C', 'nginx with its C module, by auth_http', nginx, None, AUTH_HTTP),
        Nginx('auth_http', 'nginx with this module, by auth_http', nginx, module, AUTH_HTTP),
        Nginx('kept', 'nginx with this module, by auth_http on connections that are kept',
              nginx, module, KEPT),
        Nginx('proxy_pass', 'nginx with this module, by pop3_proxy_pass', nginx, module, PROXY_PASS),
        Nginx('pipelining', 'nginx with this module, by pop3_proxy_pass, with pop3_proxy_pipelining',
              nginx, module, PIPELINING),
        Nginx('user file', f'nginx with this module, by a file of {FEW} users', nginx, module, USER_FILE),
        Nginx('stream', 'nginx as a stream proxy, which knows of no login: the floor',
              nginx, None, '', STREAM),
    ]
