#!/usr/bin/perl

# Clients that go, by FIN or RST, at each stage of a session, and clients that
# let the time run out (timeout): nothing of them is left in the worker.

###############################################################################

use warnings;
use strict;

use Test::More;

use Socket qw/ SOL_SOCKET SO_LINGER SO_RCVBUF /;
use Time::HiRes qw/ time /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(64);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http         127.0.0.1:8080;
    auth_http_timeout 900ms;
    proxy_timeout     60s;
    starttls          on;
    pop3_auth         plain cram-md5;
    pop3_max_commands 100000;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen   127.0.0.1:8110 sndbuf=4k;
        protocol pop3;
    }

    server {
        listen   127.0.0.1:8120 sndbuf=4k;
        protocol pop3;
        timeout  1s;
    }
}

EOC

create_certificate($t, 'localhost');
start_daemons($t);

$t->run();

###############################################################################

my $crlf = "\x0d\x0a";
my $login = 'test@example.com';

# Stages by name: brings a session there, from the greeting on.

my @stage = (
	'greeting' => sub { 1 },
	'command answered' => sub { command($_[0], 'NOOP') },
	'USER' => sub { command($_[0], "USER $login") },
	'half a line' => sub { $_[0]->print("NOOP${crlf}PA"); replies($_[0], 1) },
	'long line' => sub { $_[0]->print('x' x 9000) },
	'exchange of PLAIN' => sub { command($_[0], 'AUTH PLAIN') },
	'half of an exchange' => sub {
		command($_[0], 'AUTH PLAIN');
		$_[0]->print('AHRlc3RA');
	},
	'password of LOGIN' => sub { command($_[0], 'AUTH LOGIN ' . b64($login)) },
	'exchange of CRAM-MD5' => sub { command($_[0], 'AUTH CRAM-MD5') },
	'STLS without a handshake' => sub { command($_[0], 'STLS') },
	'half of a handshake' => sub {
		command($_[0], 'STLS');
		$_[0]->print("\x16\x03\x01\x02\x00\x01\x00");
	},
	'TLS' => sub {
		command($_[0], 'STLS');
		starttls($_[0]);
	},
	'USER in TLS' => sub {
		command($_[0], 'STLS');
		starttls($_[0]);
		command($_[0], "USER $login");
	},
	'replies not read' => sub {
		$_[0]->socket()->setsockopt(SOL_SOCKET, SO_RCVBUF, 4096);
		segment($_[0], "CAPA$crlf" x 20000);
		return $_[0]->can_read();
	},
	'failed login' => sub {
		segment($_[0], "USER wait\@example.com${crlf}PASS x$crlf");
		replies($_[0], 2);
	},
);

# only gone: there the time before login is not what ends it

my @login_stage = (
	'auth_http is asked' => sub {
		segment($_[0], "USER stall\@fault${crlf}PASS x$crlf");
		replies($_[0], 1);
	},
	'Auth-Wait' => sub {
		segment($_[0], "USER wait\@example.com${crlf}PASS x${crlf}NOOP$crlf");
		replies($_[0], 1);
	},
	'Auth-Status: WAIT' => sub {
		segment($_[0], "USER again\@fault${crlf}PASS x$crlf");
		replies($_[0], 1);
	},
	'logged in' => sub {
		segment($_[0], "USER $login${crlf}PASS secret$crlf");
		replies($_[0], 2);
	},
	'mailbox not read' => sub {
		$_[0]->socket()->setsockopt(SOL_SOCKET, SO_RCVBUF, 4096);
		segment($_[0], "USER $login${crlf}PASS secret$crlf"
			. "RETR 1$crlf" x 5000);
		return $_[0]->can_read();
	},
);

sub session {
	my ($number) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
	$s->read();

	return $s;
}

my $s = session(8110);

like(command($s, 'NOOP'), qr/^\+OK/, 'before');
undef $s;

my $pid = worker_pid($t);
my ($fds, $settled) = (0, 0);

wait_until(sub {
	my $now = worker_fds($t);
	$settled = $now == $fds ? $settled + 1 : 0;
	$fds = $now;
	return $settled == 5;
});

# gone

for my $how ('FIN', 'RST') {
	my @all = (@stage, @login_stage);

	while (my ($name, $go) = splice @all, 0, 2) {
		my $s = session(8110);

		ok(scalar $go->($s), "$how, $name - stage is reached");

		$s->socket()->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0)
			if $how eq 'RST';
	}

	# what waits for the auth server sees it when that has answered

	ok(wait_until(sub { worker_fds($t) == $fds }), "$how - nothing is left")
		or diag(worker_fds($t) . " of $fds");
}

# timeout: one for all stages, so that they all wait at the same time

my @all = @stage;
my @waiting;

while (my ($name, $go) = splice @all, 0, 2) {
	my $s = session(8120);
	my $start = time();

	$go->($s);
	push @waiting, { s => $s, name => $name, start => $start };
}

# a session that is kept busy has no longer time than others

my $busy = session(8120);
my $start = time();

wait_until(sub { command($busy, 'NOOP') !~ /^\+OK/ }, 5);
cmp_ok(time() - $start, '<', 3, 'timeout - a busy session is ended too');

for (@waiting) {
	if ($_->{name} eq 'replies not read') {

		# what is there has to be read before the end is seen

		my ($socket, $n) = ($_->{s}->socket());

		wait_until(sub { worker_fds($t) <= $fds + 1 }, 6);
		$socket->setsockopt(SOL_SOCKET, SO_RCVBUF, 1048576);
		receive($_->{s}, 10 ** 7);
	}

	ok(closed($_->{s}, 6), "timeout - $_->{name}");
}

undef $busy;
undef @waiting;

ok(wait_until(sub { worker_fds($t) == $fds }), 'timeout - nothing is left')
	or diag(worker_fds($t) . " of $fds");

# not for a session that is logged in

$s = session(8120);

command($s, "USER $login");
like(command($s, 'PASS secret'), qr/^\+OK/, 'timeout - login');
ok(!closed($s, 1.5), 'timeout - not after the login');
like(command($s, 'STAT'), qr/^\+OK/, 'timeout - session goes on');

is(worker_pid($t), $pid, 'the worker is the same');

undef $s;

###############################################################################
