"""The certificates: nginx's own, and those of clients."""

import ssl
import subprocess
from pathlib import Path

from nginx import Trouble

# What a name may hold that a header has to take as it is.
SUBJECT = r'/C=DE/O=A, "B" \+ <C>; #1/CN=jürgen %41 \\ a\=b/emailAddress=ann@example.org'


def make_certificates(folder: Path) -> None:
    make(folder, 'server', '/CN=mail.example')
    make(folder, 'ca', '/O=The CA/CN=a "root"', '-addext', 'keyUsage=keyCertSign')
    make(folder, 'client', SUBJECT, '-CA', folder / 'ca.pem', '-CAkey', folder / 'ca.key',
         '-set_serial', '0x00f0123456789abcdef0')
    make(folder, 'self-signed', '/CN=ann', '-set_serial', '5')


def make(folder: Path, name: str, subject: str, *options: str | Path) -> None:
    command = ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
               '-nodes', '-days', '2', '-utf8', '-subj', subject,
               '-keyout', folder / f'{name}.key', '-out', folder / f'{name}.pem', *options]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise Trouble('openssl is missing: install it') from None
    except subprocess.CalledProcessError as error:
        raise Trouble(f'openssl makes no certificate: {error.stderr}') from None


def client_context(folder: Path, certificate: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(folder / f'{certificate}.pem', folder / f'{certificate}.key')
    return context
