#!/usr/bin/perl

# TLS: STLS (RFC 2595, section 4), what is sent ahead of it and behind it, and
# TLS from the start.

###############################################################################

use warnings;
use strict;

use Test::More;

use Socket qw/ IPPROTO_TCP TCP_CORK /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

require IO::Socket::SSL;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(116);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http   127.0.0.1:8080;
    server_name pop3.example.com;
    max_errors  100;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;
    ssl_protocols       TLSv1.2 TLSv1.3;

    server {
        listen    127.0.0.1:8110;
        protocol  pop3;
        pop3_auth plain apop cram-md5;
    }

    server {
        listen    127.0.0.1:8120;
        protocol  pop3;
        pop3_auth plain apop cram-md5;
        starttls  on;
    }

    server {
        listen    127.0.0.1:8130;
        protocol  pop3;
        pop3_auth plain apop cram-md5 external;
        starttls  only;
    }

    server {
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
        starttls on;
    }
}

EOC

create_certificate($t, 'localhost');

start_daemons($t);

$t->run();

###############################################################################

my $crlf = "\x0d\x0a";
my $login = 'test@example.com';
my $digest = 'f' x 32;
my $s;

sub session {
	my ($number) = @_;

	$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));

	return challenge($s->read());
}

sub sends {
	my ($line, $regex, $name) = @_;

	like(command($s, $line), $regex, $name);
}

sub has_stls {
	return scalar grep { $_ eq 'STLS' } multiline($s, 'CAPA');
}

# What auth_http was asked last.

sub asked {
	return (auth_take())[-1] // {};
}

sub logs_in {
	my ($name) = @_;

	auth_take();

	sends("USER $login", qr/^\+OK/, "$name - USER");
	sends('PASS secret', qr/^\+OK/, "$name - PASS");

	is(asked()->{'Auth-SSL'}, 'on', "$name - auth_http knows of TLS");
}

# off

session(8110);

is(has_stls(), 0, 'off - CAPA');
sends('STLS', qr/^-ERR/, 'off - STLS is refused');
sends('NOOP', qr/^\+OK/, 'off - session goes on');

# on

session(8120);

is(has_stls(), 1, 'on - CAPA');
sends("USER $login", qr/^\+OK/, 'on - USER before TLS');
sends('STLS', qr/^\+OK/, 'on - STLS after USER');
ok(starttls($s), 'on - handshake');
is(has_stls(), 0, 'on, in TLS - CAPA');
sends('PASS secret', qr/^-ERR/, 'on, in TLS - USER is forgotten');
sends('STLS', qr/^-ERR/, 'on, in TLS - STLS is refused');
logs_in('on, in TLS');

# a login before TLS is allowed

session(8120);

sends("USER $login", qr/^\+OK/, 'on, no TLS - USER');
sends('PASS secret', qr/^\+OK/, 'on, no TLS - PASS');
is(asked()->{'Auth-SSL'}, undef, 'on, no TLS - auth_http');

# only

my $challenge = session(8130);

is(has_stls(), 1, 'only - CAPA');

for my $line ("USER $login", 'PASS secret',
	"APOP $login " . apop($challenge, 'secret'), 'AUTH', 'AUTH PLAIN',
	'AUTH PLAIN ' . sasl_plain('', $login, 'secret'), 'AUTH LOGIN',
	'AUTH LOGIN ' . b64($login), 'AUTH CRAM-MD5', 'AUTH EXTERNAL',
	'AUTH EXTERNAL =')
{
	sends($line, qr/^-ERR/, "only - $line is refused");
	sends('NOOP', qr/^\+OK/, "only - after $line");
}

is(scalar auth_take(), 0, 'only - auth_http is not asked');

sends('STLS', qr/^\+OK/, 'only - STLS');
ok(starttls($s), 'only - handshake');
is(has_stls(), 0, 'only, in TLS - CAPA');
sends('PASS secret', qr/^-ERR/, 'only, in TLS - nothing is remembered');
sends('STLS', qr/^-ERR/, 'only, in TLS - STLS is refused');
sends("APOP $login " . apop($challenge, 'secret'), qr/^\+OK/,
	'only, in TLS - APOP with the challenge of the greeting');

# Text sent ahead is thrown away: it is neither answered nor remembered, so
# the first reply in TLS is that to the first command in TLS.

sub injects {
	my ($name, $bytes) = @_;

	auth_take();
	session(8120);

	$s->print($bytes);
	is((replies($s, 1))[0], '+OK', "$name - STLS");
	ok(!$s->can_read(0.05), "$name - nothing else in plain");
	ok(starttls($s), "$name - handshake");

	$s->print("PASS secret${crlf}XYZ${crlf}CAPA$crlf");
	is_deeply([map { s/ .*//r } (replies($s, 3))[0 .. 2]],
		['-ERR', '-ERR', '+OK'], "$name - replies are in step");
	is(scalar auth_take(), 0, "$name - auth_http is not asked");
}

injects('injected CAPA', "STLS${crlf}CAPA$crlf");
injects('injected USER', "STLS${crlf}USER evil$crlf");
injects('injected half', "STLS${crlf}USER evil${crlf}PA");
injects('injected half of a keyword', "STLS${crlf}NO");
injects('injected login', "STLS${crlf}USER $login${crlf}PASS secret$crlf");
injects('injected exchange', "STLS${crlf}AUTH LOGIN " . b64('evil') . $crlf);
injects('injected QUIT', "STLS${crlf}QUIT$crlf");
injects('injected line end', "STLS${crlf}$crlf");
injects('injected long line', "STLS${crlf}" . 'x' x 4096);

# more than is read in one go: the rest stands where the handshake should

session(8120);

$s->print("STLS$crlf" . "NOOP$crlf" x 40000);
is((replies($s, 1))[0], '+OK', 'injected flood - STLS');
ok(closed($s), 'injected flood - closed without a reply');

# the same for what was learnt before

for my $lines (["USER $login"], ['AUTH LOGIN', b64($login), '*']) {
	session(8120);

	command($s, $_) for @$lines;

	sends('STLS', qr/^\+OK/, "@$lines before STLS - STLS");
	ok(starttls($s), "@$lines before STLS - handshake");
	sends('PASS secret', qr/^-ERR/, "@$lines before STLS - forgotten");
}

# in an exchange STLS is a message

session(8120);

sends('AUTH PLAIN', qr/^\+ $/, 'STLS in an exchange - prompt');
sends('STLS', qr/^-ERR/, 'STLS in an exchange - refused');
sends('NOOP', qr/^\+OK/, 'STLS in an exchange - session goes on');

# no TLS where it is expected

session(8120);

sends('STLS', qr/^\+OK/, 'no handshake - STLS');
$s->send('NOOP');
ok(closed($s), 'no handshake - closed without a reply');

# Commands right behind the handshake: the cork keeps its last part until the
# commands can go with it.  TLS 1.2 ends with the server's part.

for my $version ('TLSv1_3', 'TLSv1_2') {
	for my $number (8995, 8120) {
		my $name = "$version " . ($number == 8995 ? 'implicit' : 'STLS');

		auth_take();
		backend_take();

		$s = POP3Session->new(
			PeerAddr => '127.0.0.1:' . port($number));

		if ($number == 8120) {
			$s->read();
			command($s, 'STLS');
		}

		$s->socket()->setsockopt(IPPROTO_TCP, TCP_CORK, 1);
		ok(starttls($s, SSL_version => $version), "$name - handshake");
		$s->print("NOOP${crlf}USER $login${crlf}PASS secret${crlf}STAT$crlf");
		$s->socket()->setsockopt(IPPROTO_TCP, TCP_CORK, 0);

		my @replies = replies($s, $number == 8995 ? 5 : 4);

		is(scalar(grep { /^\+OK/ } @replies), $number == 8995 ? 5 : 4,
			"$name - commands behind the handshake");
		is_deeply([backend_take()],
			["USER $login", 'PASS secret', 'STAT'], "$name - backend");
	}
}

undef $s;

###############################################################################
