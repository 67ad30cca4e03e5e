#!/usr/bin/perl

# Tests for clients that go, by FIN or RST, at every single byte of a dialogue:
# the worker closes as well, and nothing of them is left.

###############################################################################

use warnings;
use strict;

use Test::More;

use Socket qw/ SOL_SOCKET SO_LINGER /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $CRLF = "\x0d\x0a";
my $login = 'test@example.com';

# What is sent after the greeting, whose challenge is given.

my @dialogues = (
	'USER and PASS' => sub { "USER $login", 'PASS secret' },
	'APOP' => sub { "APOP $login " . apop($_[0], 'secret') },
	'PLAIN' => sub { 'AUTH PLAIN', sasl_plain('', $login, 'secret') },
	'LOGIN' => sub { 'AUTH LOGIN', b64($login), b64('secret') },
	'CRAM-MD5' => sub { 'AUTH CRAM-MD5', cram_md5($_[0], $login, 'secret') },
	'EXTERNAL' => sub { 'AUTH EXTERNAL', b64($login) },
	'initial response of PLAIN' => sub { 'AUTH PLAIN ' . sasl_plain('', $login, 'secret') },
);

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(3 * (@dialogues / 2 + 1) + 3);

# The sessions have a log of their own, with little in it: the harness wants all
# there is to debug.

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    error_log         %%TESTDIR%%/mail.log warn;
    auth_http         127.0.0.1:8080;
    auth_http_timeout 6s;
    timeout           5m;
    starttls          on;
    pop3_auth         plain apop cram-md5 external;

    ssl_protocols       TLSv1.2 TLSv1.3;
    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }
}

EOC

create_certificate($t, 'localhost');
start_daemons($t);

$t->run();

###############################################################################

my $s = session();
like(command($s->{s}, 'NOOP'), qr/^\+OK/, 'before');
undef $s;

my $worker = worker_pid($t);
my ($fds, $settled) = (0, 0);

wait_until(sub {
	my $now = worker_fds($t);
	$settled = $now == $fds ? $settled + 1 : 0;
	$fds = $now;
	return $settled == 5;
});

push @dialogues, 'STLS' => sub { };

while (my ($name, $lines) = splice @dialogues, 0, 2) {
	for my $how ('FIN', 'RST', 'RST after the replies') {
		my ($n, $stuck) = (0, 0);

		while (1) {
			my $c = session();

			last unless leave_at($c, $n, $name, $how, $lines->($c->{challenge}));

			# it is the server's turn to close

			$stuck++ if $how eq 'FIN' && !ended($c);
			last if $stuck;
			$n++;
		}

		ok(!$stuck && $n > 40 && wait_until(sub { worker_fds($t) == $fds }),
			"$how, $name - nothing is left") or diag("at byte $n");
	}
}

is(worker_pid($t), $worker, 'the worker is the same');
is(join("\n", $t->read_file('mail.log') =~ /^.*\[(?:alert|crit|emerg)\].*$/gm),
	'', 'no alerts in sessions');

###############################################################################

sub session {
	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8110));

	return { s => $s, challenge => challenge($s->read()) };
}

# Sends the first $n bytes and goes; false if there are not that many.

sub leave_at {
	my ($c, $n, $name, $how, @lines) = @_;

	if ($name eq 'STLS') {
		command($c->{s}, 'STLS');
		return 0 if tls($c, $n, "USER $login", 'PASS secret', 'STAT')
			ne 'cut';

	} else {
		my $bytes = join $CRLF, @lines, 'STAT', 'QUIT', '';

		return 0 if $n > length $bytes;

		$bytes = substr $bytes, 0, $n;
		$c->{s}->print($bytes);
		replies($c->{s}, scalar(() = $bytes =~ /\n/g)) if $how =~ /replies/;
	}

	return go($c, $how);
}

sub go {
	my ($c, $how) = @_;
	my $socket = $c->{s}->socket();

	return shutdown $socket, 1 if $how eq 'FIN';

	$socket->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);

	return CORE::close $socket;
}

# Whether the server closes, whatever it sends before.

sub ended {
	my ($c) = @_;

	receive($c->{s}, 10 ** 6);

	return defined $c->{s}->socket()->sysread(my $byte, 1) || !$!{EAGAIN};
}

# TLS by hand, to be cut at any byte: makes the handshake and sends the lines,
# each after the reply to the one before, until that takes more than $left bytes
# ('cut') or is done.

sub tls {
	my ($c, $left, @lines) = @_;

	require Net::SSLeay;

	my $ctx = Net::SSLeay::CTX_new();
	my $ssl = Net::SSLeay::new($ctx);
	my ($in, $out) = map { Net::SSLeay::BIO_new(Net::SSLeay::BIO_s_mem()) } 1, 2;
	my ($result, $waiting) = ('', 0);

	Net::SSLeay::set_bio($ssl, $in, $out);
	Net::SSLeay::set_connect_state($ssl);

	until ($result) {
		my $ready = Net::SSLeay::do_handshake($ssl) == 1;

		$waiting = 0 if $ready && Net::SSLeay::read($ssl);

		if ($ready && !$waiting) {
			$result = 'done' unless @lines;
			Net::SSLeay::write($ssl, shift(@lines) . $CRLF) if @lines;
			$waiting = 1;
		}

		my $bytes = Net::SSLeay::BIO_pending($out)
			? Net::SSLeay::BIO_read($out) : '';

		$result = 'cut' if $left < length $bytes;
		$c->{s}->print(substr $bytes, 0, $left);
		$left -= length $bytes;
		last if $result;

		# the first bytes of the server's may be more than one record

		$result = 'closed' unless $c->{s}->can_read(8)
			&& $c->{s}->socket()->sysread($bytes, 16384);
		Net::SSLeay::BIO_write($in, $bytes) unless $result;
	}

	Net::SSLeay::free($ssl);
	Net::SSLeay::CTX_free($ctx);

	return $result;
}

###############################################################################
