#!/usr/bin/perl

# pop3_proxy_pass: logins that a backend checks, without an auth server.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Socket::IP;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;
use POP3Backend;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail imap/)->plan(73);

my $has_ipv6 = IO::Socket::IP->new(LocalAddr => '::1', Listen => 1);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_proxy_pass 127.0.0.1:8211;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen          127.0.0.1:8130;
        protocol        pop3;
        pop3_proxy_pass unix:%%TESTDIR%%/backend.sock;
    }

    server {
        listen          127.0.0.1:8140;
        protocol        pop3;
        pop3_proxy_pass [::1]:%%PORT_8212%%;
    }

    server {
        listen          127.0.0.1:8150;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8213;
        proxy_protocol  on;
    }

    server {
        listen          127.0.0.1:8160;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8214;
    }

    # others have their auth server

    server {
        listen    127.0.0.1:8143;
        protocol  imap;
        auth_http 127.0.0.1:8080;
    }
}

EOC

my %logins = (
	'by-bytes' => {
		USER => [['bytes', "+OK user\x0d\x0a"]],
		PASS => [['bytes', "+OK in, byte by byte\x0d\x0a"]],
	},
	'any'      => { PASS => '+OK whatever it was' },
	'ok'       => { USER => '+OK', PASS => '+OK' },
);

start_daemons($t);
start_backends($t,
	8211                => { logins => \%logins },
	'unix:backend.sock' => {},
	$has_ipv6 ? ('[::1]:8212' => {}) : (),
	8213                => { proxy => 1, logins => \%logins },
	8214                => { greeting => [['bytes', "+OK slow\x0d\x0a"]],
		PASS => '+OK this is the other one' },
);

$t->run();

###############################################################################

my $crlf = "\x0d\x0a";
my $login = 'test@example.com';
my $welcome = '+OK logged in to backend';

sub session {
	my ($number) = @_;

	my $s = POP3Session->new(
		PeerAddr => '127.0.0.1:' . port($number || 8110));
	$s->read();

	return $s;
}

sub lines {
	return join '', map { "$_$crlf" } @_;
}

# What has been sent to a backend: a list for each connection.

sub sent {
	return [map { $_->{lines} } connections_take()];
}

# Each way to log in comes to the same.

sub ways {
	my ($user, $password) = @_;

	return (
		['USER/PASS', "USER $user", "PASS $password"],
		['PLAIN', 'AUTH PLAIN', sasl_plain('', $user, $password)],
		['PLAIN at once', 'AUTH PLAIN ' . sasl_plain('', $user, $password)],
		['LOGIN', 'AUTH LOGIN', b64($user), b64($password)],
		['LOGIN at once', 'AUTH LOGIN ' . b64($user), b64($password)],
	);
}

for (ways($login, 'secret')) {
	my ($name, @way) = @$_;

	my $s = session();
	my $reply = '';

	$reply = command($s, $_) for @way;
	is($reply, $welcome, "$name - the backend's reply");
	is(command($s, 'STAT'), '+OK 1 23', "$name - relay");
	is_deeply(sent(), [["USER $login", 'PASS secret', 'STAT']],
		"$name - to the backend");
}

connections_take();

# to the byte

for (['two words', 'any', ' leading  and trailing '], ['any', 'any', '%40%'],
	["j\xc3\xbcrgen", 'any', "gr\xc3\xbc\xc3\x9fe"],
	['long', 'any', 'p' x 3000])
{
	my ($name, undef, $password) = @$_;

	for my $way ((ways($name, $password))[0, 2, 3]) {
		my ($how, @way) = @$way;
		my $s = session();

		command($s, $_) for @way;
		is_deeply(sent(), [["USER $name", "PASS $password"]],
			"$how, '" . substr($password, 0, 20) . "' - to the backend");
	}
}

# what a mailbox says is relayed as it is

my $s = session();

command($s, "USER $login");
command($s, 'PASS secret');
is_deeply([multiline($s, 'RETR 1')], ['+OK message', 'Subject: one', '',
	'first', '.'], 'relay - message');
is(command($s, 'FOO'), '-ERR what', "relay - the backend's error");
is(command($s, 'x' x 6000), '-ERR what', 'relay - long line');
is(command($s, 'QUIT'), '+OK bye from backend', 'relay - QUIT');
ok(closed($s), 'relay - closed');
undef $s;
is(((ended_take())[-1] // {})->{end}, 'ours', 'relay - by the backend');

# replies in pieces, and as short as they can be

for (['by-bytes', '+OK in, byte by byte'], ['ok', '+OK'],
	['any', '+OK whatever it was'])
{
	my ($user, $reply) = @$_;

	$s = session();
	command($s, "USER $user");
	is(command($s, 'PASS x'), $reply, "replies - $user");
	is(command($s, 'STAT'), '+OK 1 23', "replies - relay, $user");
}

# in one go

for my $size (0, 100) {
	my @behind = ('STAT', map({ "NOOP $_ " . 'x' x 200 }
		1 .. $size * 1024 / 212), 'RETR 1', 'QUIT');

	connections_take();
	$s = session();
	segment($s, lines('NOOP', "USER $login", 'PASS secret', @behind));

	my @replies = replies($s, 3 + @behind + 4);

	is(scalar(grep { /^\+OK/ } @replies), 3 + @behind,
		"one go, $size KB behind - replies");
	is($replies[-1], '+OK bye from backend',
		"one go, $size KB behind - the last one");
	is_deeply(sent(), [["USER $login", 'PASS secret', @behind]],
		"one go, $size KB behind - to the backend");
}

$s = session();
segment($s, lines("USER $login", 'PASS secret', 'DELE 1', 'QUIT'), fin => 1);
is(scalar(grep { /^\+OK/ } replies($s, 2)), 2, 'one go, FIN behind - logged in');
ok(wait_until(sub { ((connections())[-1]{lines}[-1] // '') eq 'QUIT' }),
	'one go, FIN behind - to the backend');
connections_take();

# what is announced

is(scalar(grep { $_ eq 'AUTH-RESP-CODE' } multiline(session(), 'CAPA')), 1,
	'CAPA has AUTH-RESP-CODE');

# each server has its backend

connections_take();

for ([8130, 'unix:backend.sock', $welcome], [8140, '[::1]:8212', $welcome],
	[8150, 8213, $welcome], [8160, 8214, '+OK this is the other one'])
{
	my ($number, $at, $reply) = @$_;

	SKIP: {
		skip 'no IPv6', 3 if $number == 8140 && !$has_ipv6;

		$s = session($number);

		command($s, "USER $login");
		is(command($s, 'PASS secret'), $reply, "$at - logged in");
		is(command($s, 'STAT'), '+OK 1 23', "$at - relay");
		is(join(' ', map { $_->{at} } connections_take()), $at,
			"$at - is connected to");
	}
}

# the header comes before all else

$s = session(8150);
command($s, 'USER test');
command($s, 'PASS wrong');
command($s, "USER $login");
is(command($s, 'PASS secret'), $welcome, 'proxy_protocol - logged in');

my $port = $s->socket()->sockport();
my $header = "PROXY TCP4 127.0.0.1 127.0.0.1 $port " . port(8150);

is_deeply(sent(), [[$header, 'USER test', 'PASS wrong'],
	[$header, "USER $login", 'PASS secret']], 'proxy_protocol - header');

# IMAP has its auth server, POP3 has none

is(scalar auth_take(), 0, 'no auth server is asked');

$s = session(8143);
is(command($s, 'a LOGIN test wrong'), 'a NO Invalid login or password',
	'IMAP - auth_http answers');
is(scalar auth_take(), 1, 'IMAP - auth_http is asked');

# not one command came before it was its turn

is_deeply([map { @{$_->{early}} } connections()], [],
	'nothing is sent ahead of its turn');
is(scalar errors_take($t), 0, 'no errors');

# auth_http in mail{} is for the others; a server{} has its own

undef $s;

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http       127.0.0.1:8080;
    pop3_proxy_pass 127.0.0.1:8211;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen   127.0.0.1:8143;
        protocol imap;
    }

    server {
        listen    127.0.0.1:8180;
        protocol  pop3;
        auth_http 127.0.0.1:8080;
    }
}

EOC

reload($t);
connections_take();
auth_take();

$s = session();
command($s, "USER $login");
is(command($s, 'PASS secret'), $welcome, 'beside auth_http - logged in');
is(scalar auth_take(), 0, 'beside auth_http - which is not asked');

$s = session(8180);
command($s, "USER $login");
is(command($s, 'PASS secret'), $welcome, 'auth_http - logged in');
is(scalar auth_take(), 1, 'auth_http - is asked');
is(scalar(grep { $_ eq 'AUTH-RESP-CODE' } multiline(session(8180), 'CAPA')), 1,
	'auth_http - CAPA has AUTH-RESP-CODE');

$s = session(8143);
is(command($s, 'a LOGIN test wrong'), 'a NO Invalid login or password',
	'IMAP - auth_http of mail{} answers');

undef $s;

###############################################################################
