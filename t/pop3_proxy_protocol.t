#!/usr/bin/perl

# PROXY protocol: before the client's commands, with which it may share a
# segment, and before those that go to the backend.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Socket::INET;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(48);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http     127.0.0.1:8080;
    max_errors    100;
    timeout       300s;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen           127.0.0.1:8110 proxy_protocol;
        protocol         pop3;
        set_real_ip_from 127.0.0.1;
        proxy_protocol   on;
    }

    # an address that is not believed

    server {
        listen           127.0.0.1:8120 proxy_protocol;
        protocol         pop3;
        set_real_ip_from 192.0.2.0/24;
    }

    server {
        listen           127.0.0.1:8995 ssl proxy_protocol;
        protocol         pop3;
        set_real_ip_from 127.0.0.1;
    }

    server {
        listen           127.0.0.1:8130 proxy_protocol;
        protocol         pop3;
        set_real_ip_from 127.0.0.1;
        starttls         on;
    }

    # only to the backend

    server {
        listen         127.0.0.1:8140;
        protocol       pop3;
        proxy_protocol on;
    }

    server {
        listen   127.0.0.1:8150 proxy_protocol;
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
my $v1 = "PROXY TCP4 192.0.2.1 192.0.2.2 1234 110$crlf";
my $v2 = "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c"
	. "\xc0\x00\x02\x03\xc0\x00\x02\x04\x04\xd2\x00\x6e";

my @user = ("USER $login", 'PASS secret');

my $s;

sub session {
	my ($number) = @_;

	$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
}

sub lines {
	return join '', map { "$_$crlf" } @_;
}

# Greeting, USER, PASS and STAT are +OK, and this is the address of it.

sub is_served {
	my ($name, $address, @backend) = @_;

	is(scalar(grep { /^\+OK/ } replies($s, 4)), 4, "$name - replies");
	is(((auth_take())[0] // {})->{'Client-IP'}, $address,
		"$name - auth_http");

	my ($first, @lines) = backend_take();

	if (@backend) {
		like($first, $backend[0], "$name - header to the backend");
	} else {
		unshift @lines, $first;
	}

	is_deeply(\@lines, [@user, 'STAT'], "$name - backend");
}

my $to_backend = qr/^PROXY TCP4 192\.0\.2\.1 \S+ 1234 \d+$/;

# header and commands in one segment, in order of trouble

session(8110);
segment($s, $v1 . lines(@user, 'STAT'));
is_served('one segment', '192.0.2.1', $to_backend);

session(8110);
segment($s, $v2 . lines(@user, 'STAT'));
is_served('version 2', '192.0.2.3', qr/^PROXY TCP4 192\.0\.2\.3 \S+ 1234 \d+$/);

session(8110);
$s->print($v1);
like($s->read(), qr/^\+OK POP3 ready/, 'in turn - greeting');
is(command($s, $_) =~ /^\+OK/, 1, "in turn - $_") for @user, 'STAT';
is(((auth_take())[0] // {})->{'Client-IP'}, '192.0.2.1', 'in turn - auth_http');
backend_take();

session(8120);
segment($s, $v1 . lines(@user, 'STAT'));
is_served('not believed', '127.0.0.1');

session(8110);
segment($s, "PROXY UNKNOWN$crlf" . lines(@user, 'STAT'));
is_served('unknown', '127.0.0.1', qr/^PROXY TCP4 127\.0\.0\.1 /);

session(8140);
segment($s, lines(@user, 'STAT'));
is_served('only to the backend', '127.0.0.1', qr/^PROXY TCP4 127\.0\.0\.1 /);

# half a command with the header, many commands, a command and the end

session(8110);
segment($s, "${v1}NOOP${crlf}NO");
is(scalar(grep { /^\+OK/ } replies($s, 2)), 2, 'half a command - the first');
like(command($s, 'OP'), qr/^\+OK/, 'half a command - the other half');

session(8110);
segment($s, $v1 . lines(('NOOP') x 900));
is(scalar(grep { /^\+OK/ } replies($s, 901)), 901, 'many commands');

session(8110);
segment($s, $v1 . lines('NOOP'), fin => 1);
is(scalar(grep { /^\+OK/ } replies($s, 2)), 2, 'command and FIN - answered');
ok(closed($s), 'command and FIN - closed');

session(8110);
segment($s, $v1 . lines('NOOP', 'QUIT', 'NOOP'));
is(scalar(grep { /^\+OK/ } replies($s, 3)), 3, 'QUIT - answered');
ok(closed($s), 'QUIT - closed');

# no header, or a wrong one: not a word

for my $wrong ("USER $login$crlf", "PROXY TCP4 nonsense$crlf",
	"${crlf}NOOP$crlf")
{
	session(8110);
	segment($s, $wrong);
	ok(closed($s), 'no header - closed without a word');
}

session(8150);
ok(closed($s, 4), 'no header - timeout');
session(8150);
$s->print($v1);
like($s->read(), qr/^\+OK/, 'timeout - greeting');
ok(closed($s, 4), 'timeout - closed');

is(scalar auth_take(), 0, 'auth_http is not asked');

# TLS behind the header

session(8995);
$s->print($v1);
ok(starttls($s), 'TLS - handshake');
$s->print(lines(@user, 'STAT'));
is_served('TLS', '192.0.2.1');

session(8130);
segment($s, $v1 . lines('NOOP', 'STLS', 'USER evil'));
is(scalar(grep { /^\+OK/ } replies($s, 3)), 3, 'STLS - replies');
ok(starttls($s), 'STLS - handshake');
like(command($s, 'PASS secret'), qr/^-ERR/, 'STLS - nothing is remembered');
$s->print(lines('NOOP', @user, 'STAT'));
is_served('STLS', '192.0.2.1');

undef $s;

###############################################################################
