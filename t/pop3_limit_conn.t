#!/usr/bin/perl

# pop3_limit_conn: where the client is told, who is counted together, and that each way
# in which a session can end is counted once.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Socket::UNIX;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Limits;
use POP3Proxy;
use POP3Session;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl');

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

worker_shutdown_timeout 1s;

events {
}

mail {
    pop3_limit_zone 64k;
    pop3_limit_conn 2;
    pop3_proxy_pass 127.0.0.1:8211;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen   127.0.0.1:8110;
        listen   unix:%%TESTDIR%%/unix.sock;
        protocol pop3;
        starttls on;
    }

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        pop3_limit_conn 1;
    }

    server {
        listen            127.0.0.1:8130;
        protocol          pop3;
        max_errors        1;
        pop3_max_commands 3;
    }

    server {
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
    }

    server {
        listen        127.0.0.1:8140;
        protocol      pop3;
        proxy_timeout 1s;
    }

    server {
        listen   127.0.0.1:8150;
        protocol pop3;
        timeout  1s;
    }
}

EOC

create_certificate($t, 'localhost');

start_backends($t, 8211 => { logins => {
	'silent@greeting' => { USER => [] },
	'silent@pass'     => { PASS => [] },
	'closes@pass'     => { PASS => [['close']] },
	'closes@relay'    => { NOOP => [['close']] },
	'in@use'          => { PASS => '-ERR [IN-USE] locked' },
	'long@reply'      => { PASS => '+OK ' . 'x' x 3000 },
} });

$t->run();

###############################################################################

my ($s, $line, @held);

# A login up to its outcome, or up to where there is none.

sub logs_in {
	my ($s, $login, $password) = @_;

	command($s, "USER $login");

	return command($s, 'PASS ' . ($password // 'secret'));
}

sub begins_login {
	my ($s, $login) = @_;

	command($s, "USER $login");
	$s->send('PASS secret');
	wait_until(sub {
		grep { !$_->{end} && "@{$_->{lines}}" =~ /\Q$login\E/ } connections()
	});
}

# By name, port, and what is done.  A session that is left open after that ends
# by the server's doing.

my @ways = (
	['QUIT', 8110, sub { command($_[0], 'QUIT') }],
	['closed', 8110, sub { $_[0]->socket()->close() }],
	['reset', 8110, sub { resets($_[0]) }],
	['closed, USER', 8110, sub { command($_[0], 'USER a'); $_[0]->socket()->close() }],
	['reset, half a line', 8110, sub { $_[0]->print('NOO'); resets($_[0]) }],
	['FIN behind a command', 8110, sub { segment($_[0], "NOOP\x0d\x0a", fin => 1) }],
	['closed, exchange', 8110,
		sub { command($_[0], 'AUTH LOGIN'); $_[0]->socket()->close() }],
	['timeout', 8150, sub { }],
	['timeout, USER', 8150, sub { command($_[0], 'USER a') }],
	['max_errors', 8130, sub { command($_[0], 'WRONG') }],
	['pop3_max_commands', 8130,
		sub { command($_[0], 'NOOP') for 1 .. 3; $_[0]->send('NOOP') }],
	['a login refused, max_errors', 8130, sub { logs_in($_[0], 'a', 'wrong') }],
	['a login in use, max_errors', 8130, sub { logs_in($_[0], 'in@use') }],
	['STLS, closed', 8110, sub { command($_[0], 'STLS'); $_[0]->socket()->close() }],
	['STLS, no handshake', 8110,
		sub { command($_[0], 'STLS'); $_[0]->print("QUIT\x0d\x0a" x 50) }],
	['STLS, half a handshake', 8110,
		sub {
			command($_[0], 'STLS');
			$_[0]->print("\x16\x03\x01\x02\x00\x01");
			resets($_[0]);
		}],
	['STLS, QUIT', 8110,
		sub { command($_[0], 'STLS'); starttls($_[0]); command($_[0], 'QUIT') }],
	['STLS, reset', 8110, sub { command($_[0], 'STLS'); starttls($_[0]); resets($_[0]) }],
	['login, reset', 8110, sub { begins_login($_[0], 'silent@greeting'); resets($_[0]) }],
	['login, reset behind PASS', 8110,
		sub { begins_login($_[0], 'silent@pass'); resets($_[0]) }],
	['backend fails, QUIT', 8110,
		sub { logs_in($_[0], 'closes@pass'); command($_[0], 'QUIT') }],
	['relay, QUIT', 8110, sub { logs_in($_[0], 'a'); command($_[0], 'QUIT') }],
	['relay, closed', 8110, sub { logs_in($_[0], 'a'); $_[0]->socket()->close() }],
	['relay, reset', 8110, sub { logs_in($_[0], 'a'); resets($_[0]) }],
	['relay, the backend closes', 8110,
		sub { logs_in($_[0], 'closes@relay'); $_[0]->send('NOOP') }],
	['relay, proxy_timeout', 8140, sub { logs_in($_[0], 'a') }],
	['relay behind a long reply', 8140, sub { logs_in($_[0], 'long@reply'); resets($_[0]) }],
	['relay in TLS, reset', 8995, sub { logs_in($_[0], 'a'); resets($_[0]) }],
	['TLS, closed', 8995, sub { $_[0]->socket()->close() }],
);

$t->plan(3 * @ways + 31);

# The greeting's place

@held = map { (enters('127.0.1.1', 8110))[0] } 1 .. 2;
($s, $line) = enters('127.0.1.1', 8110);
is($line, turned_away(), 'one too many - told');
ok(closed($s), 'one too many - closed');

($s, $line) = enters('127.0.1.2', 8110);
like($line, qr/^\+OK/, 'another address - greeted');

$s = from('127.0.1.1', 8110);
segment($s, "USER a\x0d\x0aPASS secret\x0d\x0aNOOP\x0d\x0a");
is((replies($s, 1))[0], turned_away(), 'one too many, commands ahead - told');
is(scalar(replies($s, 1)), 0, 'one too many, commands ahead - closed');

($s, $line) = enters('127.0.1.1', 8995, SSL => 1);
ok($s->socket()->isa('IO::Socket::SSL'), 'one too many, TLS - handshake');
is($line, turned_away(), 'one too many, TLS - told');
ok(closed($s), 'one too many, TLS - closed');

like($t->read_file('error.log'),
	qr/\[notice\] .*too many connections from the client's address/,
	'one too many - logged');
is(scalar(() = $t->read_file('error.log') =~ /too many connections from/g), 3,
	'one too many - once each');
is(scalar(connections()), 0, 'one too many - no backend is asked');

is(room('127.0.1.1', 8110), 0, 'those turned away do not count - none left');
command($held[0], 'QUIT');
is(left(1, '127.0.1.1', 8110), 1, 'those turned away do not count - one left');
is(command($held[1], 'NOOP'), '+OK', 'who was there goes on');

# All servers count the same; each has its limit.

is(left(0, '127.0.1.1', 8120), 0, 'a server with a lower limit');
is(room('127.0.1.1', 8995, SSL => 1), 1, 'a server with TLS');
($s, $line) = enters('127.0.1.1', 8130);
like($line, qr/^\+OK/, 'a session at another server');
is(room('127.0.1.1', 8110), 0, 'is counted');
@held = ();
undef $s;
is(left(2, '127.0.1.1', 8110), 2, 'none is counted when all are over');

# In the handshake of a port with TLS there is no session yet.

@held = map { from('127.0.1.3', 8995) } 1 .. 3;
is(room('127.0.1.3', 8995, SSL => 1), 2, 'no handshake is no session');
@held = ();

# Clients without an address

sub unix_session {
	my $socket = IO::Socket::UNIX->new(Peer => $t->testdir() . '/unix.sock');

	push @held, $socket;

	return scalar <$socket>;
}


is(scalar(grep { /^\+OK/ } map { unix_session() } 1 .. 5), 5, 'unix: is not counted');
@held = ();

# Each way, with one session that stays: counted as one too little would show as well

my (%stays, %ends, $third);
my $n = 0;

for my $way (@ways) {
	my ($name, $port, $act) = @$way;
	my $address = '127.0.2.' . ++$n;
	my @tls = $port == 8995 ? (SSL => 1) : ();

	($stays{$name}) = enters($address, 8110);
	($ends{$name}) = enters($address, $port, @tls);
	(undef, $third) = enters($address, 8110);
	is($third, turned_away(), "$name - counted");
	$act->($ends{$name});
}

$n = 0;

for my $way (@ways) {
	my ($name, $port) = @$way;
	my $address = '127.0.2.' . ++$n;

	is(left(1, $address, 8110), 1, "$name - over, and the other one counted");
	undef $stays{$name};
	is(left(2, $address, 8110), 2, "$name - none counted");
}

# A reload keeps the counts, in both directions.

my ($old) = workers($t, 1);

@held = map { (enters('127.0.1.4', 8110))[0] } 1 .. 2;
reload($t);
wait_until(sub { (workers($t, 1))[0] != $old });
is(room('127.0.1.4', 8110), 0, 'reload - those of the old worker count');
resets($held[0]);
is(left(1, '127.0.1.4', 8110), 1, 'reload - until they end');
ok(wait_until(sub { !kill 0, $old }), 'reload - worker_shutdown_timeout');
is(left(2, '127.0.1.4', 8110), 2, 'worker_shutdown_timeout - none counted');
@held = ();

# Workers that end by a signal

for my $signal ('TERM', 'KILL') {
	my ($worker) = workers($t, 1);

	@held = map { (enters('127.0.1.5', 8110))[0] } 1 .. 2;
	is(room('127.0.1.5', 8110), 0, "$signal - counted");
	kill $signal, $worker;
	ok(gone($worker), "$signal - the worker ends");
	wait_until(sub { (workers($t, 1))[0] != $worker });
	is(left(2, '127.0.1.5', 8110), 2, "$signal - none counted");
	@held = ();
	$old = $worker;
}

forget_kills($t, $old);
undef $t;

###############################################################################
