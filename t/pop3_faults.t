#!/usr/bin/perl

# Auth servers and backends that are down, slow, or talk nonsense: the client
# is told, the session goes on, the worker lives on and holds nothing back.

###############################################################################

use warnings;
use strict;

use Test::More;

use Time::HiRes qw/ time /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(95);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http         127.0.0.1:8080;
    auth_http_timeout 700ms;

    server {
        listen    127.0.0.1:8110;
        protocol  pop3;
        pop3_auth plain cram-md5 external;
    }

    # nobody listens there

    server {
        listen    127.0.0.1:8120;
        protocol  pop3;
        auth_http 127.0.0.1:8119;
    }

    server {
        listen                   127.0.0.1:8130;
        protocol                 pop3;
        proxy_pass_error_message on;
    }
}

EOC

start_daemons($t);

$t->run();

###############################################################################

my $internal = qr/^-ERR \[SYS\/TEMP\] internal server error$/;
my $login = 'test@example.com';

sub session {
	my ($number) = @_;

	my $s = POP3Session->new(
		PeerAddr => '127.0.0.1:' . port($number || 8110));
	$s->read();

	return $s;
}

sub logs_in {
	my ($s, $name, $user) = @_;

	$user //= $login;

	like(command($s, "USER $user"), qr/^\+OK/, "$name - USER");
	like(command($s, 'PASS secret'), qr/^\+OK/, "$name - PASS");
	like(command($s, 'STAT'), qr/^\+OK \d/, "$name - at the backend");
}

# Sends a login in one go, and a command behind it, which has its reply.

sub fails {
	my ($name, $number, $user, $reply) = @_;

	my $s = session($number);

	$s->print(join "\x0d\x0a", "USER $user", 'PASS secret', 'NOOP', '');

	my @replies = replies($s, 3);

	like($replies[1] // '', $reply, "$name - reply");
	is($replies[2], '+OK', "$name - session goes on");
}

sub goes_on {
	my ($s, $name) = @_;

	is(command($s, 'NOOP'), '+OK', "$name - session goes on");
}

# what is there before the first fault

logs_in(session(), 'before');

my $pid = worker_pid($t);
my $fds;

ok(wait_until(sub {
	my $now = worker_fds($t);
	my $settled = defined $fds && $now == $fds;
	$fds = $now;
	return $settled;
}), 'descriptors before');

# the auth server

fails('auth server is down', 8120, $login, $internal);

my $start = time();
fails('auth server stalls', 8110, 'stall@fault', $internal);
cmp_ok(time() - $start, '<', 5, 'auth server stalls - auth_http_timeout');

fails('auth server closes', 8110, 'close@fault', $internal);
fails('auth server sends half an answer', 8110, 'half@fault', $internal);
fails('auth server sends no HTTP', 8110, 'garbage@fault', $internal);
fails('auth server sends 64 KB of header', 8110, 'huge@fault', $internal);
fails('auth server names no server', 8110, 'nohost@fault', $internal);
fails('auth server names no port', 8110, 'noport@fault', $internal);
fails('auth server names no address', 8110, 'badhost@fault', $internal);

# that is no fault: without Auth-Wait it is the end

my $s = session();

$s->print(join "\x0d\x0a", 'USER text@fault', 'PASS secret', 'NOOP', '');
is((replies($s, 2))[1], '-ERR [AUTH] Unknown fault text',
	'auth server sends a text - reply');
ok(closed($s), 'auth server sends a text - closed');

logs_in(session(), 'slow auth server', 'slow0.4@fault');

# other ways to log in come to the same

$s = session();

like(command($s, 'AUTH PLAIN ' . sasl_plain('', 'close@fault', 'secret')),
	$internal, 'PLAIN - reply');
goes_on($s, 'PLAIN');

$s = session();

command($s, 'AUTH LOGIN ' . b64('half@fault'));
like(command($s, b64('secret')), $internal, 'LOGIN - reply');
goes_on($s, 'LOGIN');

$s = session();

command($s, 'AUTH CRAM-MD5');
like(command($s, b64('garbage@fault ' . 'f' x 32)), $internal,
	'CRAM-MD5 - reply');
goes_on($s, 'CRAM-MD5');

$s = session();

like(command($s, 'AUTH EXTERNAL ' . b64('close@fault')), $internal,
	'EXTERNAL - reply');
goes_on($s, 'EXTERNAL');

# the backend

my $unavailable = qr/^-ERR \[SYS\/TEMP\] mail server is not available$/;

for my $number (8110, 8130) {
	my $name = $number == 8130 ? 'told' : 'untold';
	my $refused = $number == 8130
		? qr/^-ERR \[AUTH\] refused by backend$/
		: qr/^-ERR \[AUTH\] invalid login or password$/;

	fails("$name, backend is down", $number, 'nobody@backend', $unavailable);
	fails("$name, backend closes", $number, 'drop@backend', $unavailable);
	fails("$name, backend refuses PASS", $number, 'refuse@backend', $refused);
}

# Auth-Wait: the session is kept, any method may come next

my @second = (
	['USER wait@example.com', 'PASS secret'],
	['AUTH PLAIN ' . sasl_plain('', $login, 'secret')],
	['AUTH PLAIN', sasl_plain('', $login, 'secret')],
	['AUTH LOGIN', b64($login), b64('secret')],
	['AUTH EXTERNAL ' . b64($login)],
);

for my $first (['USER wait@example.com', 'PASS wrong'],
	['AUTH LOGIN ' . b64('wait@example.com'), b64('wrong')],
	['AUTH CRAM-MD5', b64('wait@example.com ' . 'f' x 32)])
{
	my $name = "Auth-Wait, $first->[0]" =~ s/ \S+$//r;
	my @waiting = map { session() } @second;

	# all of them at once: each waits for a second

	for my $waiting (@waiting) {
		command($waiting, $first->[0]);
		$waiting->send($first->[1]);
	}

	for my $second (@second) {
		my $waiting = shift @waiting;

		is((replies($waiting, 1))[0], '-ERR [AUTH] Invalid login or password',
			"$name - first attempt fails");
		like(command($waiting, 'PASS secret'), qr/^-ERR/,
			"$name - the login is forgotten") if @waiting % 2;

		my $reply = '';
		$reply = command($waiting, $_) for @$second;
		like($reply, qr/^\+OK/, "$name - then $second->[0]");
	}
}

# Auth-Status: WAIT, nothing is sent meanwhile

$s = session();

logs_in($s, 'WAIT', 'again@fault');

is(scalar(grep { $_->{user} eq 'again@fault' } auth_take()), 2,
	'WAIT - auth_http is asked again');

$s = session();

$s->print(join "\x0d\x0a", 'USER again@fault', 'PASS secret', 'STAT',
	'QUIT', '');
is(scalar(grep { /^\+OK/ } replies($s, 4)), 4, 'WAIT - commands behind it');

# nothing is left of all this

undef $s;

ok(wait_until(sub { worker_fds($t) == $fds }), 'descriptors are level')
	or diag(worker_fds($t) . " of $fds");
is(worker_pid($t), $pid, 'the worker is the same');
is(() = $t->read_file('error.log') =~ /exited on signal/g, 0,
	'no worker died');

$s = session();
logs_in($s, 'after');

undef $s;

###############################################################################
