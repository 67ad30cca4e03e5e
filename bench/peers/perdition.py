"""Perdition, which has a process for each session."""

import grp
import os
import pwd
import subprocess

from peers.server import Command, Peer, Place

PROGRAM = '/usr/sbin/perdition'


class Perdition(Peer):
    forks = True
    # What Linux has by default: each process begins with closing all that there may be.
    descriptors = 1024

    def version(self) -> str:
        said = subprocess.run(['dpkg-query', '-W', '-f', '${Version}', 'perdition'],
                              capture_output=True, text=True, check=True).stdout
        return f'Perdition {said}'

    def commands(self, place: Place) -> list[Command]:
        """One with TLS, and one without."""
        owner = pwd.getpwuid(os.getuid()) if os.getuid() else pwd.getpwnam('nobody')
        usual = [PROGRAM, '--no_daemon', '--config_file', '/dev/null', '--protocol', 'POP3',
                 '--bind_address', '127.0.0.1', '--outgoing_server', '127.0.0.1',
                 '--outgoing_port', str(place.peers.backend), '--no_lookup', '--quiet',
                 '--connection_limit', str(place.limits.connections),
                 '--username', owner.pw_name, '--group', grp.getgrgid(owner.pw_gid).gr_name]
        in_tls = ['--listen_port', str(place.tls), '--ssl_mode', 'ssl_listen',
                  '--ssl_cert_file', str(place.certificate), '--ssl_key_file', str(place.certificate)]
        return [
            Command([*usual, '--listen_port', str(place.plain), '--pid_file', str(place.folder / 'plain.pid')]),
            Command([*usual, *in_tls, '--pid_file', str(place.folder / 'tls.pid')]),
        ]
