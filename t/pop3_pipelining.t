#!/usr/bin/perl

# Pipelining: any number of commands in one go is answered in order, in plain
# and in TLS, for a client that reads late or closes early as well.

###############################################################################

use warnings;
use strict;

use Test::More;

use Socket qw/ SOL_SOCKET SO_RCVBUF /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(38);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http 127.0.0.1:8080;

    # a debug log of so many commands is only slow
    error_log %%TESTDIR%%/mail.log info;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    pop3_auth         plain cram-md5;
    pop3_max_commands 1000000;
    max_errors        1000000;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
    }

    # half a page of reply, and not much room for it

    server {
        listen            127.0.0.1:8120 sndbuf=4k;
        listen            127.0.0.1:8125 ssl sndbuf=4k;
        protocol          pop3;
        pop3_capabilities %%LONG%%;
    }

    server {
        listen     127.0.0.1:8130;
        listen     127.0.0.1:8135 ssl;
        protocol   pop3;
        max_errors 3;
    }
}

EOC

$t->write_file('nginx.conf', $t->read_file('nginx.conf')
	=~ s/%%LONG%%/join ' ', map { "X-$_-" . 'x' x 99 } 1 .. 20/er);

create_certificate($t, 'localhost');

$t->run();

###############################################################################

my $crlf = "\x0d\x0a";
my $login = 'test@example.com';

sub session {
	my ($number) = @_;

	my $s = POP3Session->new(
		PeerAddr => '127.0.0.1:' . port($number),
		SSL => $number % 10 == 5);
	$s->read();

	return $s;
}

sub lines {
	return join '', map { "$_$crlf" } @_;
}

# Each command alone, and what it gets; in pipelines the same is expected.

my @commands = ('NOOP', 'CAPA', 'noop x', 'AUTH', 'STAT', 'XYZ',
	"AUTH LOGIN${crlf}*", "USER $login${crlf}NOOP${crlf}USER", 'PASS x',
	"AUTH PLAIN${crlf}*", 'NOOP ' . 'x' x 100, '');
my %multiline = (CAPA => 1, AUTH => 1);
my %reply;

my $s = session(8110);

for my $command (@commands) {
	$reply{$command} = join '', map { lines(
		$multiline{$_} ? multiline($s, $_) : command($s, $_))
	} $command eq '' ? '' : split $crlf, $command;
}

# the same order of commands in each run, with no period in it

sub mix {
	my ($n) = @_;
	my $seed = 1;

	return map {
		$seed = ($seed * 1103515245 + 12345) % 2 ** 31;
		$commands[($seed >> 16) % @commands];
	} 1 .. $n;
}

# Whole replies would make a long message: where they differ is enough.

sub same {
	my ($got, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok($got eq $expected, $name) and return;

	my $at = 0;
	$at++ while $at < length $got
		&& substr($got, $at, 1) eq substr($expected, $at, 1);

	diag(sprintf 'got %d bytes of %d, differ at %d: "%s" for "%s"',
		length $got, length $expected, $at, substr($got, $at, 40),
		substr($expected, $at, 40));
}

for my $tls (0, 1) {
	my $in = $tls ? 'TLS' : 'plain';
	my $plain = $tls ? 8995 : 8110;

	# one go

	for my $n (20, 200, 2000, 20000) {
		my @mix = mix($n);
		my $expected = join '', @reply{@mix};

		$s = session($plain);
		segment($s, lines(@mix));
		same(receive($s, length $expected), $expected,
			"$in - $n commands at once");
		is(command($s, 'NOOP'), '+OK', "$in - $n, and no other reply");
	}

	# a command that begins, ends or breaks where the read size is: 16 KB

	my $wrong = 0;

	for my $shift (-8 .. 2) {
		my $filler = lines('NOOP ' . 'x' x 1017) x 16;
		my $bytes = substr($filler, 0, length($filler) - 1024) . lines(
			'NOOP ' . 'x' x (1017 + $shift), 'CAPA', 'XYZ', 'AUTH');
		my $expected = "+OK$crlf" x 16 . join '', @reply{qw/CAPA XYZ AUTH/};

		$s = session($plain);
		segment($s, $bytes);
		$wrong++ if receive($s, length $expected) ne $expected;
	}

	is($wrong, 0, "$in - across the read size");

	# the client's end: it has all that it asked for before it is closed

	for my $n ($tls ? () : (1, 2000)) {
		my @mix = mix($n);
		my $expected = join '', @reply{@mix};

		$s = session($plain);
		segment($s, lines(@mix), fin => 1);
		same(receive($s, length $expected), $expected,
			"$in - $n commands and FIN");
		ok(closed($s), "$in - $n commands and FIN, closed");
	}

	# QUIT

	for my $n (5, 10000) {
		$s = session($plain);
		segment($s, lines('NOOP', 'CAPA', 'QUIT', ('NOOP') x $n));

		my $expected = lines('+OK') . $reply{CAPA} . lines('+OK');

		same(receive($s, length $expected), $expected,
			"$in - QUIT before $n commands");
		ok(closed($s), "$in - no reply after QUIT, $n commands");
	}

	# max_errors in the middle

	$s = session($tls ? 8135 : 8130);
	segment($s, lines('XYZ', 'NOOP', 'XYZ', 'NOOP', 'XYZ', ('NOOP') x 10));
	is_deeply([map { /^(\S+)/ } replies($s, 5)], [qw/-ERR +OK -ERR +OK -ERR/],
		"$in - up to the last error");
	ok(closed($s), "$in - no reply after the last error");

	# a client that sends it all and reads when it has: there is room for a
	# small part of the replies, so the server has to wait for the client

	$s = session($tls ? 8125 : 8120);

	my $capa = lines(multiline($s, 'CAPA'));
	my $expected = ($capa . lines('+OK')) x 300;

	$s->socket()->setsockopt(SOL_SOCKET, SO_RCVBUF, 8192);
	segment($s, lines('CAPA', 'NOOP') x 300);
	select undef, undef, undef, 0.1;
	$s->socket()->setsockopt(SOL_SOCKET, SO_RCVBUF, 1048576);

	same(receive($s, length $expected), $expected,
		"$in - read late, " . int(length($expected) / 1024) . ' KB');
	is(command($s, 'NOOP'), '+OK', "$in - read late, session goes on");
}

undef $s;

###############################################################################
