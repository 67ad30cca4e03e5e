"""The differences that are wanted. A1 to A18 are those of docs/differences.md."""

import re
from dataclasses import dataclass
from typing import Callable
from urllib.parse import quote

from compare import (C_INTERNAL, C_REFUSAL, INTERNAL, UNAVAILABLE, Point, decode_as_c, field,
                     has_control, is_base64, is_refusal, same_line, same_reply)
from peers import AT_PASS_PROXIED, AT_USER, account

CODES = [b'-ERR [' + code for code in
         (b'AUTH', b'IN-USE', b'LOGIN-DELAY', b'SYS/TEMP', b'SYS/PERM')]

WELCOME = b'+OK welcome\r\n'

# The C module's buffer.
BUFFER = 128


@dataclass(frozen=True)
class Difference:
    name: str
    why: str
    applies: Callable[[Point], bool]


def rejected(p: Point) -> bool:
    """The C module goes on with the line, ours refuses it."""
    return p.dialogue.mode == 'lines' and p.c_goes_on and p.refused


def external_off(p: Point) -> bool:
    return (rejected(p) and p.phase == 'command' and p.mechanism == 'EXTERNAL'
            and 'external' not in p.methods
            and set(field(p.c.auths, 'Auth-Method')) == {b'external'})


def presented(p: Point, secret: bytes) -> bool:
    """Whether an earlier login had that password, or a refused message of
    CRAM-MD5 that text in place of a digest."""
    if any(secret in field(each.auths, 'Auth-Pass') for each in p.before):
        return True
    messages = [decode_as_c(each.line.strip().partition(b' ')[0]) or b'' for each in p.before]
    # What depends on the challenge has been normalized in what C hands on.
    head, digest, _ = secret.partition(b'<digest>')
    return any(b' ' + head in each if digest else each.endswith(b' ' + secret)
               for each in messages)


def external_password(p: Point) -> bool:
    def rest(auths):
        return [[pair for pair in auth if pair[0] != 'Auth-Pass'] for auth in auths]

    return (p.mechanism == 'EXTERNAL' and bool(p.ours.auths)
            and rest(p.c.auths) == rest(p.ours.auths)
            and set(field(p.ours.auths, 'Auth-Pass')) == {b''}
            and all(presented(p, secret) for secret in field(p.c.auths, 'Auth-Pass')))


def stale_digest(p: Point) -> bool:
    # Whatever was presented before, even without reaching the auth server.
    return (rejected(p) and p.phase == 'message' and p.mechanism == 'CRAM-MD5'
            and b' ' not in (decode_as_c(p.encoded) or b' '))


def injection(p: Point) -> bool:
    return rejected(p) and p.message.may_not_pass


def long_line(p: Point) -> bool:
    return (p.dialogue.mode == 'lines' and p.phase != 'relayed' and len(p.sent) > BUFFER
            and p.c.closed and is_refusal(p.c.reply) and not p.c.auths)


def empty_sasl_line(p: Point) -> bool:
    return (p.keyword == b'CAPA' and p.methods == {'apop'} and p.c.reply is not None
            and p.c.reply.replace(b'\r\nSASL\r\n', b'\r\n') == p.ours.reply)


def errors_count(p: Point) -> bool:
    return (p.dialogue.mode == 'lines' and p.phase != 'relayed' and p.ours.closed
            and not p.c.closed and is_refusal(p.c.reply) and is_refusal(p.ours.reply)
            and p.c.auths == p.ours.auths and p.c.backend == p.ours.backend
            and p.errors == p.dialogue.server.max_errors)


def commands_limit(p: Point) -> bool:
    limit = p.dialogue.server.max_commands
    return (limit is not None and p.is_command and p.ours.closed and p.refused
            # The greeting is one of those before. What belongs to an exchange
            # is no command.
            and len(p.before) - 1 >= limit and p.ours.reply == b'-ERR too many commands\r\n')


def other_identity(p: Point) -> bool:
    return (rejected(p) and p.mechanism == 'PLAIN'
            and p.message.identity not in (b'', p.message.login))


def space_in_cram_login(p: Point) -> bool:
    if p.phase != 'message' or p.mechanism != 'CRAM-MD5' or b' ' not in (p.message.secret or b''):
        return False
    # If the C module happens to find 32 characters, they are no digest.
    if len(p.message.secret) == 32:
        return rejected(p)
    login = b' '.join(p.message[:2]).rpartition(b' ')[0]
    return (is_refusal(p.c.reply) and not p.c.auths
            and set(field(p.ours.auths, 'Auth-User')) == {login})


def is_digest(text: bytes) -> bool:
    return len(text) == 32 and all(c in b'0123456789abcdefABCDEF' for c in text)


def apop_digest(p: Point) -> bool:
    return (rejected(p) and p.keyword == b'APOP' and len(p.words) == 3
            and not is_digest(p.words[2]))


def cram_digest(p: Point) -> bool:
    return (rejected(p) and p.phase == 'message' and p.mechanism == 'CRAM-MD5'
            and len(p.message.secret or b'') == 32 and not is_digest(p.message.secret))


def spaces_before_password(p: Point) -> bool:
    secret = p.argument
    return (p.phase == 'user' and p.keyword == b'PASS' and secret.startswith(b' ')
            and set(field(p.ours.auths, 'Auth-Pass')) == {secret}
            and set(field(p.c.auths, 'Auth-Pass')) in ({secret.lstrip(b' ')}, set()))


def empty_credentials(p: Point) -> bool:
    return (rejected(p) and p.mechanism in ('PLAIN', 'LOGIN', 'CRAM-MD5')
            and b'' in (p.message.login, p.message.secret))


def nul_in_command(p: Point) -> bool:
    return rejected(p) and p.keyword in (b'USER', b'PASS') and b'\0' in p.argument


def control_in_login(p: Point) -> bool:
    login = p.words[1] if p.keyword == b'APOP' and len(p.words) == 3 else p.argument
    return rejected(p) and p.keyword in (b'USER', b'APOP') and has_control(login)


def lax_base64(p: Point) -> bool:
    text = p.encoded if p.is_command and p.mechanism else p.text.rstrip(b' ')
    return rejected(p) and p.mechanism != '' and not is_base64(text)


def ignored_arguments(p: Point) -> bool:
    return (p.is_command and p.keyword in (b'NOOP', b'CAPA', b'QUIT', b'STLS')
            and is_refusal(p.c.reply) and (len(p.words) > 4 or b'\r' in p.argument)
            and (p.ours.reply or b'').startswith(b'+OK')
            and not p.c.auths and not p.ours.auths)


def capa_after_user(p: Point) -> bool:
    return (p.phase == 'user' and p.keyword == b'CAPA' and p.dialogue.server.starttls == 'on'
            and (p.c.reply or b'').replace(b'\r\n.\r\n', b'\r\nSTLS\r\n.\r\n') == p.ours.reply)


def stls_after_user(p: Point) -> bool:
    return (p.phase == 'user' and p.keyword == b'STLS' and p.dialogue.server.starttls == 'on'
            and is_refusal(p.c.reply) and p.ours.reply == b'+OK\r\n')


def in_place_of_user(p: Point) -> bool:
    return (p.phase == 'user' and p.keyword in (b'USER', b'APOP', b'AUTH')
            and is_refusal(p.c.reply) and not p.c.auths)


def http_request(p: Point) -> bool:
    return (len(p.before) == 1 and p.ours.closed and is_refusal(p.c.reply)
            and p.ours.reply == b'-ERR this is not an HTTP server\r\n')


def replies(p: Point) -> tuple[list[bytes], list[bytes]]:
    return (p.c.reply or b'').splitlines(True), (p.ours.reply or b'').splitlines(True)


def is_head(p: Point) -> bool:
    """The C module gives some of our replies and no other."""
    c, ours = replies(p)
    return len(c) < len(ours) and all(map(same_line, c, ours))


def is_long_segment(p: Point) -> bool:
    return p.dialogue.mode == 'segment' and len(p.sent) > BUFFER


def across_buffer(p: Point) -> bool:
    # What the C module has not read resets the connection, and may take some
    # of its replies along.
    c, ours = replies(p)
    c = c[:-1] if c[-1:] == [C_REFUSAL] else c
    return (is_long_segment(p) and p.c.closed and len(c) < len(ours)
            and all(map(same_line, c, ours)))


def waits_at_buffer_end(p: Point) -> bool:
    return is_long_segment(p) and not p.c.closed and is_head(p)


def lingers(p: Point) -> bool:
    return (p.dialogue.mode == 'fin' and p.ours.closed and not p.c.closed
            and same_reply(p.c.reply, p.ours.reply) and p.c.auths == p.ours.auths)


def loses_commands(p: Point) -> bool:
    return (p.dialogue.mode == 'fin' and p.ours.closed and p.c.closed and is_head(p)
            and len(replies(p)[1]) == p.sent.count(b'\n'))


def stays(p: Point) -> bool:
    """The auth server and a backend were asked for the same login, in vain, and the C
    module closes."""
    # A backend that refuses the login is not told the password.
    untold = p.dialogue.server.proxied and p.ours.backend != () and p.ours.auths == ()
    return (p.dialogue.mode == 'lines' and p.phase != 'relayed'
            and p.c.closed and not p.ours.closed and p.c.auths != ()
            and (p.ours.auths == p.c.auths or untold) and p.c.backend == p.ours.backend)


def refused_by_backend(p: Point) -> bool:
    words = [*AT_USER.values(), *AT_PASS_PROXIED.values()]
    code, _, text = (p.ours.reply or b'').partition(b'] ')
    if not stays(p) or p.ours.backend == () or code not in CODES:
        return False
    if 'proxy_pass_error_message' not in p.dialogue.server.extra:
        return p.c.reply == C_INTERNAL and p.ours.reply not in words
    return p.c.reply in words and re.sub(rb'^-ERR (\[.*\] )?', b'', p.c.reply) == text


def failed_backend(p: Point) -> bool:
    return (stays(p) and p.ours.reply == UNAVAILABLE
            and p.c.reply in (C_INTERNAL, AT_PASS_PROXIED['rubbish']))


def failed_auth(p: Point) -> bool:
    return (stays(p) and not p.dialogue.server.proxied and p.ours.backend == ()
            and p.c.reply == C_INTERNAL and p.ours.reply == INTERNAL)


def asked_for(p: Point, *accounts: str) -> bool:
    """Whether both have asked for one of these accounts, for the first time."""
    users = field(p.ours.auths, 'Auth-User')
    return (p.dialogue.mode == 'lines' and not p.dialogue.server.proxied and p.c.auths == p.ours.auths
            and len(users) == 1 and account(quote(users[0])) in accounts)


def fails_in_c(p: Point, *accounts: str) -> bool:
    """The C module takes no such answer, and ours follows it."""
    return (asked_for(p, *accounts) and p.c.reply == C_INTERNAL and p.c.closed and p.c.backend == ()
            and p.ours.reply == WELCOME and not p.ours.closed)


def fails_in_ours(p: Point, *accounts: str) -> bool:
    """Ours takes no such answer, and tells nobody what it says."""
    return (asked_for(p, *accounts) and p.c.reply != C_INTERNAL
            and p.ours.reply == INTERNAL and not p.ours.closed and p.ours.backend == ())


def large_answer(p: Point) -> bool:
    return fails_in_c(p, 'large')


def named_backend(p: Point) -> bool:
    return fails_in_c(p, 'named') and 'resolver' in p.dialogue.server.extra


def interim_answer(p: Point) -> bool:
    return fails_in_c(p, 'interim')


def header_name(p: Point) -> bool:
    return fails_in_c(p, 'underscore')


def tab_before_value(p: Point) -> bool:
    return (asked_for(p, 'tabbed') and p.c.reply == b'-ERR \tOK\r\n' and p.c.backend == ()
            and p.ours.reply == WELCOME)


def no_http(p: Point) -> bool:
    return fails_in_ours(p, 'nohttp') and p.c.reply == WELCOME


def no_colon(p: Point) -> bool:
    return fails_in_ours(p, 'nocolon') and p.c.reply == WELCOME


def refused_and_later(p: Point) -> bool:
    """The C module asks again instead of telling."""
    return (p.dialogue.mode == 'lines' and len(p.c.auths) == 2 and p.c.auths[:1] == p.ours.auths
            and field(p.ours.auths, 'Auth-User') == [b'laterno'] and is_refusal(p.ours.reply))


def control_in_status(p: Point) -> bool:
    return fails_in_ours(p, 'statuscontrol') and has_control(p.c.reply[:-2])


def unfit_user(p: Point) -> bool:
    return fails_in_ours(p, 'usercontrol', 'usernone') and p.c.backend != ()


def digest_again(p: Point) -> bool:
    """Both were told to wait, and the C module has forgotten the digest."""
    def all_but(auth: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
        return [pair for pair in auth if pair[0] != 'Auth-Pass']

    first, *again = p.c.auths or [()]
    return (len(again) > 0 and set(field(p.c.auths[1:], 'Auth-Pass')) == {b''}
            and set(p.ours.auths) == {first} and len(p.ours.auths) > 1
            and dict(first)['Auth-Method'] in ('apop', 'cram-md5')
            and all(all_but(each) == all_but(first) for each in again))


# The first one that applies is counted.
DIFFERENCES = [Difference(*each) for each in [
    ('A7', 'a command across the end of a buffer is no longer than others', across_buffer),
    ('A14', 'what has been sent is answered, wherever the buffer ends', waits_at_buffer_end),
    ('A15', 'after the end of the input nothing is left to wait for', lingers),
    ('A15-commands', 'what came before the end is answered, not the first command only',
     loses_commands),
    ('A5', 'a POP3 line may be longer than 128 bytes: RFC 2449 allows 255, RFC 5034 more',
     long_line),
    ('A8', 'whatever is refused counts towards max_errors', errors_count),
    ('A8-commands', 'pop3_max_commands, which the C module does not have', commands_limit),
    ('A1', 'a method that is off cannot be used with an initial response either', external_off),
    ('A2', 'the password of another login is no part of EXTERNAL', external_password),
    ('A2-digest', 'nor of a CRAM-MD5 message that has no digest', stale_digest),
    ('A3', 'what base64 hides may not end a line at the backend', injection),
    ('A17', 'NUL is no part of a login or password (RFC 4616; RFC 1939: printable)',
     nul_in_command),
    ('login-control', 'control characters in a login forge log lines', control_in_login),
    ('A10', 'nobody gets in as another one who was asked for (RFC 4616)', other_identity),
    ('A16', 'an empty login or password proves nothing (RFC 4616)', empty_credentials),
    ('base64', 'RFC 4648, section 3: refuse what is not of the alphabet, stray padding, and '
     'bits that are not zero', lax_base64),
    ('A11', 'a login may hold spaces, a digest may not', space_in_cram_login),
    ('A12', 'a digest has 32 hex digits (RFC 1939)', apop_digest),
    ('A12-cram', 'and so in CRAM-MD5 (RFC 2195)', cram_digest),
    ('A13', 'a password may begin with a space (RFC 1939)', spaces_before_password),
    ('A6', 'a SASL line without mechanism says nothing (RFC 2449)', empty_sasl_line),
    ('arguments', 'the commands that ignore arguments ignore any', ignored_arguments),
    ('capa-user', 'STLS is possible after USER (RFC 2595), so CAPA lists it there',
     capa_after_user),
    ('user-again', 'a login takes the place of one that was begun (RFC 1939: USER in the whole '
     'AUTHORIZATION state)', in_place_of_user),
    ('http', 'a browser can be made to send POP3 lines in the body of a request', http_request),
    ('backend-refuses', 'a password that a backend refuses leaves the session, and the code says '
     'why (RFC 3206)', refused_by_backend),
    ('backend-fails', 'so does a backend that fails', failed_backend),
    ('auth-fails', 'nor is an auth server that fails the end of a session', failed_auth),
    ('auth-large', 'a head may have 8 KB', large_answer),
    ('auth-name', 'a backend may be told by its name, where there is a resolver', named_backend),
    ('auth-interim', 'what is read over before the answer (RFC 9110, section 15.2)', interim_answer),
    ('auth-names', 'the name of a header is any token (RFC 9110, section 5.6.2)', header_name),
    ('auth-tab', 'a tab before a value is none of it (RFC 9110, section 5.6.3)', tab_before_value),
    ('auth-no-http', 'what is no HTTP lets nobody in', no_http),
    ('auth-line', 'a line without a colon is no header (RFC 9112, section 5)', no_colon),
    ('auth-refuses', 'a login that is refused is not to be asked for again', refused_and_later),
    ('auth-status', 'a client is told no control characters', control_in_status),
    ('auth-user', 'nor is a backend, and no empty login', unfit_user),
    ('auth-digest', 'a digest is there when the auth server is asked again', digest_again),
    ('stls-user', 'RFC 2595, section 4: STLS is permitted in all of the AUTHORIZATION state',
     stls_after_user),
]]


def explain(point: Point) -> Difference | None:
    return next((each for each in DIFFERENCES if each.applies(point)), None)
