"""Dovecot's pop3-login as a proxy."""

import grp
import os
import pwd
import subprocess

from nginx import Trouble
from peers.server import Command, Peer, Place

PROGRAM = '/usr/sbin/dovecot'

# One process that is never replaced: what Dovecot calls its high-performance mode.
CONF = '''\
protocols = pop3
listen = 127.0.0.1
base_dir = {place.folder}/run
state_dir = {place.folder}/run
log_path = {place.folder}/dovecot.log
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
ssl = yes
ssl_cert = <{place.certificate}
ssl_key = <{place.certificate}
disable_plaintext_auth = no
auth_mechanisms = plain
auth_cache_size = 0
auth_verbose = no
mail_max_userip_connections = 0
passdb {{
    driver = static
    args = proxy=y nopassword=y host=127.0.0.1 port={place.peers.backend}
}}
service pop3-login {{
    chroot =
    service_count = 0
    process_min_avail = 1
    process_limit = 1
    client_limit = {place.limits.connections}
    vsz_limit = 4 G
    inet_listener pop3 {{
        port = {place.plain}
    }}
    inet_listener pop3s {{
        port = {place.tls}
        ssl = yes
    }}
}}
service auth {{
    client_limit = 20000
}}
service anvil {{
    chroot =
    client_limit = 20000
}}
service stats {{
    client_limit = 20000
}}
'''


class Dovecot(Peer):
    def version(self) -> str:
        said = subprocess.run([PROGRAM, '--version'], capture_output=True, text=True, check=True).stdout
        return f'Dovecot {said.split()[0]}'

    def commands(self, place: Place) -> list[Command]:
        if not self.version().startswith('Dovecot 2.3.'):
            raise Trouble(f'there is no configuration for {self.version()}')
        internal, login = ('dovecot', 'dovenull') if os.getuid() == 0 else [pwd.getpwuid(os.getuid()).pw_name] * 2
        group = grp.getgrgid(pwd.getpwnam(internal).pw_gid).gr_name
        text = CONF.format(place=place, internal=internal, login=login, group=group)
        return [Command([PROGRAM, '-F', '-c', 'dovecot.conf'], {'dovecot.conf': text})]
