#!/usr/bin/perl

# What is announced: the greeting, CAPA (RFC 2449) and AUTH without an
# argument (RFC 5034), by configuration and by TLS.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(59);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http   127.0.0.1:8080;
    server_name pop3.example.com;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    # nothing said

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    # order, and each method

    server {
        listen            127.0.0.1:8120;
        protocol          pop3;
        pop3_capabilities UIDL "EXPIRE 60" TOP user X-Last;
        pop3_auth         external cram-md5 apop plain;
    }

    server {
        listen    127.0.0.1:8121;
        protocol  pop3;
        pop3_auth apop;
    }

    server {
        listen    127.0.0.1:8122;
        protocol  pop3;
        pop3_auth cram-md5;
    }

    server {
        listen    127.0.0.1:8123;
        protocol  pop3;
        pop3_auth external;
    }

    # TLS

    server {
        listen   127.0.0.1:8130;
        protocol pop3;
        starttls on;
    }

    server {
        listen            127.0.0.1:8131;
        protocol          pop3;
        starttls          only;
        pop3_capabilities TOP user UIDL;
    }

    server {
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
    }

    server {
        listen    127.0.0.1:8132;
        protocol  pop3;
        starttls  on;
        pop3_auth apop;
    }
}

EOC

# a directive of mail {} holds in a server that has none

$t->write_file_expand('inherit.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http         127.0.0.1:8080;
    pop3_capabilities TOP X-OUTER;
    pop3_auth         cram-md5;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen            127.0.0.1:8120;
        protocol          pop3;
        pop3_capabilities X-INNER;
    }

    server {
        listen    127.0.0.1:8121;
        protocol  pop3;
        pop3_auth plain external;
    }
}

EOC

create_certificate($t, 'localhost');

$t->run();

###############################################################################

my @begin = ('+OK Capability list follows');
my @end = ('.');
my @methods = ('+OK methods supported:');

# what there is without a word in the configuration

my @codes = qw/RESP-CODES AUTH-RESP-CODE/;
my @default = (qw/TOP USER UIDL/, @codes);

my $salt = qr/<\d+\.\d+\@pop3\.example\.com>/;

sub session {
	my ($number, $name, $greeting) = @_;

	my $s = POP3Session->new(
		PeerAddr => '127.0.0.1:' . port($number),
		SSL => $number == 8995,
	);

	$s->check($greeting || qr/^\+OK POP3 ready\x0d\x0a\z/,
		"$name - greeting");

	return $s;
}

sub capa {
	my ($s, $name, @list) = @_;

	is_deeply([multiline($s, 'CAPA')], [@begin, @list, @end], "$name - CAPA");
}

sub methods {
	my ($s, $name, @list) = @_;

	is_deeply([multiline($s, 'AUTH')], [@methods, @list, @end],
		"$name - AUTH");
}

# default

my $s = session(8110, 'default');

capa($s, 'default', @default, 'SASL PLAIN LOGIN');
methods($s, 'default', qw/PLAIN LOGIN/);

is_deeply([multiline($s, 'capa')], [@begin, @default, 'SASL PLAIN LOGIN', @end],
	'keyword in lower case');
is_deeply([multiline($s, 'CaPa anything')],
	[@begin, @default, 'SASL PLAIN LOGIN', @end], 'CAPA with an argument');
is_deeply([multiline($s, 'auth')], [@methods, qw/PLAIN LOGIN/, @end],
	'auth in lower case');

$s->print("CAPA\x0a");
is_deeply([multiline($s)], [@begin, @default, 'SASL PLAIN LOGIN', @end],
	'bare LF');

$s->send('CAPA');
$s->check(qr/^\+OK Capability list follows\x0d\x0a\z/,
	'first line ends in CRLF');
$s->check(qr/^TOP\x0d\x0a\z/, 'line of the list ends in CRLF');
replies($s, 5);
$s->check(qr/^\.\x0d\x0a\z/, 'dot ends in CRLF');

# after USER

like(command($s, 'USER test@example.com'), qr/^\+OK/, 'USER');
capa($s, 'after USER', @default, 'SASL PLAIN LOGIN');
like(command($s, 'STLS'), qr/^-ERR/, 'STLS is refused without starttls');

# order as configured, SASL in the module's order

my $greeting = qr/^\+OK POP3 ready $salt\x0d\x0a\z/;

$s = session(8120, 'all', $greeting);

capa($s, 'all', 'UIDL', 'EXPIRE 60', 'TOP', 'user', 'X-Last', @codes,
	'SASL PLAIN LOGIN CRAM-MD5 EXTERNAL');
methods($s, 'all', qw/PLAIN LOGIN CRAM-MD5 EXTERNAL/);

# one method alone

$s = session(8121, 'apop', $greeting);

capa($s, 'apop', @default);
methods($s, 'apop');

$s = session(8122, 'cram-md5');

capa($s, 'cram-md5', @default, 'SASL CRAM-MD5');
methods($s, 'cram-md5', qw/CRAM-MD5/);

$s = session(8123, 'external');

capa($s, 'external', @default, 'SASL EXTERNAL');
methods($s, 'external', qw/EXTERNAL/);

# a challenge is fresh

my %seen;

for (1 .. 3) {
	$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8121));
	$seen{challenge($s->read())}++;
}

is(scalar keys %seen, 3, 'each session has a challenge of its own');

# starttls on

$s = session(8130, 'starttls on');

capa($s, 'starttls on', @default, 'SASL PLAIN LOGIN', 'STLS');
methods($s, 'starttls on', qw/PLAIN LOGIN/);

like(command($s, 'STLS'), qr/^\+OK/, 'starttls on - STLS');
ok(starttls($s), 'starttls on - handshake');

capa($s, 'starttls on, in TLS', @default, 'SASL PLAIN LOGIN');
methods($s, 'starttls on, in TLS', qw/PLAIN LOGIN/);
like(command($s, 'STLS'), qr/^-ERR/, 'starttls on - second STLS is refused');

# starttls only

$s = session(8131, 'starttls only');

capa($s, 'starttls only', qw/TOP UIDL/, @codes, 'STLS');
like(command($s, 'USER test@example.com'), qr/^-ERR/,
	'starttls only - USER is refused');
like(command($s, 'AUTH'), qr/^-ERR/, 'starttls only - AUTH is refused');
like(command($s, 'AUTH PLAIN'), qr/^-ERR/,
	'starttls only - AUTH PLAIN is refused');
like(command($s, 'NOOP'), qr/^\+OK/, 'starttls only - NOOP');

like(command($s, 'stls now'), qr/^\+OK/, 'starttls only - STLS');
ok(starttls($s), 'starttls only - handshake');

capa($s, 'starttls only, in TLS', qw/TOP user UIDL/, @codes, 'SASL PLAIN LOGIN');
methods($s, 'starttls only, in TLS', qw/PLAIN LOGIN/);
like(command($s, 'USER test@example.com'), qr/^\+OK/,
	'starttls only, in TLS - USER');

# TLS from the start, and TLS with nothing for SASL

$s = session(8995, 'ssl');
capa($s, 'ssl', @default, 'SASL PLAIN LOGIN');
like(command($s, 'STLS'), qr/^-ERR/, 'ssl - STLS is refused');

$s = session(8132, 'starttls on, apop', $greeting);
capa($s, 'starttls on, apop', @default, 'STLS');

undef $s;

# inheritance: an inner directive replaces the outer one, each by itself

$t->write_file('nginx.conf', $t->read_file('inherit.conf'));
reload($t);

# the old worker may still be the one that accepts

ok(wait_until(sub {
	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8110));
	$s->read();
	return grep { $_ eq 'X-OUTER' } multiline($s, 'CAPA');
}), 'reloaded');

$s = session(8110, 'inherited');
capa($s, 'inherited', qw/TOP X-OUTER/, @codes, 'SASL CRAM-MD5');
methods($s, 'inherited', qw/CRAM-MD5/);

$s = session(8120, 'inner list');
capa($s, 'inner list', 'X-INNER', @codes, 'SASL CRAM-MD5');

$s = session(8121, 'inner methods');
capa($s, 'inner methods', qw/TOP X-OUTER/, @codes, 'SASL PLAIN LOGIN EXTERNAL');
methods($s, 'inner methods', qw/PLAIN LOGIN EXTERNAL/);

###############################################################################
