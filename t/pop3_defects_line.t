#!/usr/bin/perl

# Where nginx's C module is wrong: lines, however they are cut, and the end of
# a session.

###############################################################################

use warnings;
use strict;

use Test::More;

use POSIX qw/ sysconf _SC_PAGESIZE /;
use Socket qw/ IPPROTO_TCP TCP_CORK TCP_NODELAY /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(51);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http 127.0.0.1:8080;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen     127.0.0.1:8120;
        protocol   pop3;
        max_errors 2;
    }
}

EOC

start_daemons($t);

$t->run();

###############################################################################

my $page = sysconf(_SC_PAGESIZE);
my $login = 'test@example.com';
my $crlf = "\x0d\x0a";

sub session {
	my ($number) = @_;

	my $s = POP3Session->new(
		PeerAddr => '127.0.0.1:' . port($number || 8110));
	$s->socket()->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
	$s->read();

	return $s;
}

# Sends the bytes at once; how many of the next $n replies are +OK.

sub oks {
	my ($s, $bytes, $n) = @_;

	$s->print($bytes);

	return scalar grep { /^\+OK/ } replies($s, $n);
}

# A5: a long line is skipped and its end found, whatever comes along

my $s = session();

is(oks($s, "USER $login$crlf", 1), 1, 'A5 - USER');
like(command($s, 'PASS ' . 'TOPSECRET' x $page), qr/^-ERR/,
	'A5 - line of many pages is refused');
like(command($s, 'NOOP'), qr/^\+OK/, 'A5 - session goes on');

$s = session();

$s->print('PASS ' . 'TOPSECRET' x $page . "${crlf}NOOP$crlf");
is_deeply([map { substr $_, 0, 3 } replies($s, 2)], ['-ER', '+OK'],
	'A5 - command after a long line is answered');

# each part has been read when the next is sent: the reply to a line of
# another session has come

$s = session();

my $other = session();

for (1 .. 4) {
	$s->print('TOPSECRET' x 200);
	command($other, 'NOOP');
}

$s->print($crlf);
like((replies($s, 1))[0], qr/^-ERR/, 'A5 - long line in parts is refused');
is(oks($s, "NOOP$crlf", 1), 1, 'A5 - session goes on after its end');

$s = session(8120);

command($s, 'NOOP ' . 'x' x 2 x $page);
like(command($s, 'NOOP ' . 'x' x 2 x $page), qr/^-ERR/,
	'A5 - long lines are counted as errors');
ok(closed($s), 'A5 - closed at max_errors');

is(() = $t->read_file('error.log') =~ /TOPSECRET/g, 0,
	'A5 - a password is not logged');
is(scalar auth_take(), 0, 'A5 - auth_http is not asked');

$s = session();

command($s, 'USER long@example.com');
like(command($s, 'PASS ' . 'p' x 300), qr/^\+OK/,
	'A5 - password of 300 bytes is fine');
my ($r) = auth_take();
is($r->{pass}, 'p' x 300, 'A5 - auth_http gets all of it');
is(() = $t->read_file('error.log') =~ /p{100}/g, 0,
	'A5 - it is not logged either');

# A7

$s = session();

is(oks($s, "NOOP argument$crlf" x 30, 30), 30,
	'A7 - commands across 128 bytes');
is(oks($s, 'NOOP ' . 'x' x 115 . "${crlf}NOOP argument$crlf", 2), 2,
	'A7 - command across the 128th byte');

# A8: what -ERR answers is an error

my %wrong = (
	'PASS without USER' => ['PASS secret'],
	'USER without a name' => ['USER'],
	'command of the next state' => ['STAT'],
	'RETR' => ['RETR 1'],
	'LANG' => ['LANG en'],
	'STLS without TLS' => ['STLS'],
	'APOP that is off' => ["APOP $login " . 'f' x 32],
	'mechanism that is off' => ['AUTH CRAM-MD5'],
	'unknown mechanism' => ['AUTH NTLM'],
	'initial response not base64' => ['AUTH PLAIN $$$$'],
	'response not base64' => ['AUTH PLAIN', '$$$$'],
);

for my $name (sort keys %wrong) {
	$s = session(8120);

	for (1 .. 2) {
		command($s, $_) for @{$wrong{$name}};
	}

	ok(closed($s, 1), "A8 - $name is counted");
}

$s = session(8120);

for (1 .. 5) {
	command($s, 'AUTH PLAIN');
	command($s, '*');
}

like(command($s, 'NOOP'), qr/^\+OK/, 'A8 - a cancelled exchange is not');

# A14

$s = session();

is(oks($s, "NOOP$crlf" x 22, 22), 22, 'A14 - 22 commands in one segment');
is(oks($s, "NOOP$crlf" x 900, 900), 900, 'A14 - 900 more');

for my $size (128, 256, 512, 1024, $page) {
	$s = session();

	my $full = "NOOP$crlf" x (($size - 16) / 6);

	$full .= 'NOOP ' . 'x' x ($size - 7 - length $full) . $crlf;

	my $n = () = $full =~ /\x0a/g;

	is(oks($s, "${full}NOOP$crlf", $n + 1), $n + 1,
		"A14 - command that begins at byte $size is not left waiting");
}

$s = session();

is(oks($s, "NOOP${crlf}NO", 1), 1, 'A14 - a command and a half');
is(scalar(grep { oks($s, "OP${crlf}NO", 1) } 1 .. 100), 100,
	'A14 - writes out of step with lines');
is(oks($s, "OP$crlf", 1), 1, 'A14 - the other half');

$s = session();

for my $byte (split //, "NOOP one\x0aNOOP$crlf") {
	$s->print($byte);
	command($other, 'NOOP');
}

is(scalar(grep { /^\+OK/ } replies($s, 2)), 2, 'A14 - byte by byte');

undef $other;

# across the login, whatever was cut where

backend_take();

for my $batch (1, 100) {
	$s = session();

	$s->print(join $crlf, "USER $login", 'PASS secret', ('NOOP') x $batch,
		'STAT', 'QUIT', '');

	my @replies = replies($s, $batch + 4);

	is(scalar(grep { /^\+OK/ } @replies), $batch + 4,
		"A14 - $batch and more commands after the login");
	is($replies[-1], '+OK bye from backend', "A14 - $batch and more in order");
	ok(closed($s), "A14 - $batch and more, closed");
	is_deeply([backend_take()], ["USER $login", 'PASS secret',
		('NOOP') x $batch, 'STAT', 'QUIT'],
		"A14 - $batch and more at the backend");
}

# A15: the cork keeps the data until the FIN can go with it

for my $command ('NOOP', 'CAPA x') {
	$s = session();

	$s->socket()->setsockopt(IPPROTO_TCP, TCP_CORK, 1);
	$s->print("$command$crlf");
	shutdown($s->socket(), 1);

	like((replies($s, 1))[0], qr/^\+OK/, "A15 - $command and FIN, answered");
	replies($s, 7) if $command ne 'NOOP';
	ok(closed($s, 3), "A15 - $command and FIN, closed");
}

# A18: one send() on the loopback is there whole, or not at all

$s = session();

$s->print("NOOP$crlf" x 20);
$s->can_read(8);
sysread($s->socket(), my $bytes, 65536);

is(() = $bytes =~ /^\+OK/mg, 20, 'A18 - replies to 20 commands come together');

undef $s;

###############################################################################
