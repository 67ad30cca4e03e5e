#!/usr/bin/perl

# The session log: who or what has ended a session, in whatever state it was.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Proxy;
use POP3SessionLog;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(53);

$t->write_file_expand('nginx.conf', <<"EOC");

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_log_format all escape=json '$FORMAT';
    pop3_log        sessions.log all;

    auth_http  127.0.0.1:8280;
    max_errors 100;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
    }

    # the same with little time

    server {
        listen   127.0.0.1:8130;
        protocol pop3;
        timeout  700ms;
    }

    server {
        listen          127.0.0.1:8140;
        protocol        pop3;
        timeout         700ms;
        proxy_timeout   700ms;
        pop3_proxy_pass 127.0.0.1:8211;
    }

    server {
        listen            127.0.0.1:8150;
        protocol          pop3;
        max_errors        2;
        pop3_max_commands 4;
        pop3_proxy_pass   127.0.0.1:8211;
    }

    server {
        listen    127.0.0.1:8170;
        protocol  pop3;
        auth_http 127.0.0.1:8289;
    }

    server {
        listen          127.0.0.1:8180;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8219;
    }
}

EOC

my $login = 'test@example.com';

use_session_log($t);
port($_) for 8219, 8289;
start_backends($t, 8211 => { logins => {
	'hold@user' => { USER => [] },
	'hold@pass' => { PASS => [] },
	'gone@user' => { USER => [['close']] },
	'gone@stat' => { STAT => ['+OK 1', ['close']] },
	'lost@stat' => { STAT => [['reset']] },
	'gone@noop' => { NOOP => [['close']] },
	'flood'     => { RETR => [['flood', 'x' x 4096]] },
} });
start_auth($t, 8280 => { logins => {
	'hold@auth' => [],
	'wait@auth' => sub { return kept($_[0], 'Auth-Status: wrong', 'Auth-Wait: 30') },
	'wait@wait' => sub { return kept($_[0], 'Auth-Status: WAIT', 'Auth-Wait: 30') },
} });

$t->run();

###############################################################################

my $backend = '127.0.0.1:' . port(8211);
my ($s, $name);

# what a line says of a login that is not through, at a backend or not

sub tried {
	my ($login, @at) = @_;

	return (login => $login, method => 'user', status => 'failed', login_attempts => 1,
		@at ? (upstream_addr => $at[0]) : ());
}

sub in {
	my ($login) = @_;

	return (tried($login // 'test@example.com', $backend), status => 'ok');
}

# Until the backend has so many lines of the last connection, or the auth server another
# request.

sub at_backend {
	my ($n) = @_;

	wait_until(sub {
		my $last = (connections())[-1] or return 0;
		return !$last->{end} && @{$last->{lines}} >= $n;
	}) or diag('the backend is not told');
}

my $asked = 0;

sub at_auth {
	wait_until(sub { asked() > $asked }) or diag('the auth server is not asked');
	$asked = asked();
}

sub user {
	my ($s, $login) = @_;

	command($s, "USER $login");
	$s->send('PASS secret');
}

# The client goes: where it stands, what the line says, and whether a FIN ends a login
# there, which is looked at when that is over.

my @states = (
	['greeting', 8110, sub { 1 }],
	['command answered', 8110, sub { command($s, 'NOOP') }],
	['USER', 8110, sub { command($s, 'USER somebody') }, login => 'somebody'],
	['half a line', 8110, sub { $s->print("NOOP\x0d\x0aPA"); replies($s, 1) }],
	['exchange', 8110, sub { command($s, 'AUTH PLAIN') }],
	['half of an exchange', 8110,
		sub { command($s, $_) for 'AUTH LOGIN', b64('somebody') }, login => 'somebody'],
	['failed login', 8120, sub { command($s, $_) for "USER $login", 'PASS wrong' },
		tried($login, $backend)],
	['logged in', 8120, sub { command($s, $_) for "USER $login", 'PASS secret' }, in()],
	['command relayed', 8120,
		sub { command($s, $_) for "USER $login", 'PASS secret', 'STAT' }, in()],
);

my @in_login = (
	['auth server is asked', 8110, sub { user($s, 'hold@auth'); at_auth() },
		tried('hold@auth')],
	['Auth-Wait', 8110, sub { user($s, 'wait@auth'); at_auth() }, tried('wait@auth')],
	['Auth-Status: WAIT', 8110, sub { user($s, 'wait@wait'); at_auth() },
		tried('wait@wait')],
	['USER at the backend', 8120, sub { user($s, 'hold@user'); at_backend(1) },
		tried('hold@user', $backend)],
	['PASS at the backend', 8120, sub { user($s, 'hold@pass'); at_backend(2) },
		tried('hold@pass', $backend)],
	['mailbox not read', 8120, sub {
		command($s, $_) for 'USER flood', 'PASS secret';
		$s->send('RETR 1');
		$s->can_read();
	}, in('flood'), all => 0],
);

for my $case (@states, @in_login) {
	my ($state, $port, $go, %expected) = @$case;

	$s = client($port);
	$go->();
	reset_by_client($s);
	is_logged($s, "client resets - $state", %expected, end => 'client');
}

for my $case (@states) {
	my ($state, $port, $go, %expected) = @$case;

	$s = client($port);
	$go->();
	abandon($s);
	is_logged($s, "client closes - $state", %expected, end => 'client');
}

# a client that does not go, and time that is over

for my $case (@states, @in_login[0 .. 4]) {
	my ($state, $port, $go, %expected) = @$case;

	$s = client($port + 20);
	$go->();
	1 while $s->more();
	is_logged($s, "timeout - $state", %expected, end => 'timeout');
}

# the backend goes, in the session or before

for my $case (['gone@stat', 'STAT'], ['lost@stat', 'STAT'], ['gone@noop', 'NOOP']) {
	my ($login, $line) = @$case;

	$s = client(8120);
	command($s, $_) for "USER $login", 'PASS secret';
	$s->send($line);
	1 while $s->more();
	is_logged($s, "backend ends - $login", in($login), end => 'backend');
}

sub fails {
	my ($name, $port, $login, $reply, %expected) = @_;

	$s = client($port);
	command($s, "USER $login");
	is(command($s, 'PASS secret'), $reply, "$name - reply");
	command($s, 'QUIT');
	is_logged($s, $name, %expected, end => 'client');
}

my $unavailable = '-ERR [SYS/TEMP] mail server is not available';
my $internal = '-ERR [SYS/TEMP] internal server error';

fails('backend is gone before the login', 8120, 'gone@user', $unavailable,
	tried('gone@user', $backend));
fails('backend is down', 8180, $login, $unavailable,
	tried($login, '127.0.0.1:' . port(8219)));
fails('auth server is down', 8170, $login, $internal, tried($login));

# limits

sub limited {
	my ($name, @lines) = @_;
	my %expected = ref $lines[-1] ? %{pop @lines} : ();

	$s = client(8150);
	command($s, $_) for @lines;
	ok(closed($s), "$name - closed");
	is_logged($s, $name, %expected, end => 'limit');
}

limited('max_errors', 'ONE', 'TWO');
limited('max_errors, logins', ("USER $login", 'PASS wrong') x 2,
	{ tried($login, $backend), login_attempts => 2 });
limited('pop3_max_commands', ('NOOP') x 5);

undef $s;

###############################################################################
