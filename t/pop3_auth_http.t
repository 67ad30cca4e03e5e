#!/usr/bin/perl

# What auth_http is asked: each header of the request, its order and value, where it
# goes, and on which connection.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Socket::UNIX;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Login;
use POP3Proxy;
use POP3Session;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail imap/)->plan(71);

# Names with their addresses, and what auth servers do there; nobody is at the others.

my $ok = {};

my @names = (
	['all',     8281, 2 => $ok, 3 => $ok],
	['refused', 8282, 2 => undef, 3 => $ok],
	['down',    8283, 2 => undef, 3 => undef],
);

my (%auth, $hosts, $servers);

for (@names) {
	my ($name, $number, %at) = @$_;
	my $listen = $number - 100;

	$hosts .= "127.0.0.$_ $name.test\n" for sort keys %at;
	$auth{"127.0.0.$_:$number"} = $at{$_} for grep { $at{$_} } keys %at;

	$servers .= "server {
		listen    127.0.0.1:$listen;
		protocol  pop3;
		auth_http $name.test:%%PORT_$number%%/name;
	}\n";
}

$t->write_file_expand('nginx.conf', <<"EOC");

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http        127.0.0.1:8280/auth;
    auth_http_header X-One 1;
    auth_http_header X-Two "two words";
    server_name      pop3.example.com;
    max_errors       100;

    server {
        listen    127.0.0.1:8110;
        listen    unix:%%TESTDIR%%/pop3.sock;
        protocol  pop3;
        pop3_auth plain apop cram-md5 external;
    }

    server {
        listen           127.0.0.1:8120;
        protocol         pop3;
        auth_http        http://localhost:%%PORT_8280%%;
        auth_http_header X-Own y;
    }

    server {
        listen    127.0.0.1:8121;
        protocol  pop3;
        auth_http http://127.0.0.1:8280/a/b?c=d%20e&f;
    }

    server {
        listen    127.0.0.1:8122;
        protocol  pop3;
        auth_http unix:%%TESTDIR%%/auth:/in/a/socket;
    }

    server {
        listen    127.0.0.1:8123;
        protocol  pop3;
        auth_http unix:%%TESTDIR%%/auth;
    }

    server {
        listen    127.0.0.1:8124;
        protocol  pop3;
        auth_http [::1]:%%PORT_8284%%/v6;
    }

    server {
        listen   127.0.0.1:8130 proxy_protocol;
        protocol pop3;
    }

    server {
        listen           127.0.0.1:8131 proxy_protocol;
        protocol         pop3;
        set_real_ip_from 127.0.0.1;
    }

    server {
        listen   127.0.0.1:8143;
        protocol imap;
    }

$servers
}

EOC

start_auth($t, %auth,
	'unix:auth'  => {},
	'[::1]:8284' => {},
	8280 => { logins => {
		'wait@auth'   => http_head('1.0 200 OK', 'Auth-Status: no', 'Auth-Wait: 1'),
		'stays@auth'  => [http_head('1.0 200 OK', route())],
	} },
);

start_backends($t, 8211 => {});

run_with_hosts($t, $hosts);

###############################################################################

my $login = 'test@example.com';
my $welcome = '+OK logged in to backend';
my $ip = 'Client-IP: 127.0.0.1';
my @header = ('X-One: 1', 'X-Two: two words');

# All that was asked since the last call: one request, as it came.

sub is_asked {
	my ($name, @lines) = @_;

	my ($r, @more) = asked_take();

	is_deeply([@{$r->{lines} // []}, @more], \@lines, "$name - request");

	return $r;
}

# What follows the method.

sub follows {
	my ($login, $secret, %args) = @_;

	return ("Auth-User: $login", "Auth-Pass: $secret",
		$args{salt} ? "Auth-Salt: $args{salt}" : (), 'Auth-Protocol: pop3',
		'Auth-Login-Attempt: ' . ($args{attempt} // 1));
}

my @get = ('GET /auth HTTP/1.0', 'Host: 127.0.0.1');
my @plain = ('Auth-Method: plain', follows($login, 'secret'));

# each method

is(login(session(8110)), $welcome, 'USER - login');
is_asked('USER', @get, @plain, $ip, @header);

is(command(session(8110), 'AUTH PLAIN ' . sasl_plain('', $login, 'secret')),
	$welcome, 'PLAIN - login');
is_asked('PLAIN', @get, @plain, $ip, @header);

my $s = session(8110);

command($s, 'AUTH LOGIN ' . b64($login));
is(command($s, b64('secret')), $welcome, 'LOGIN - login');
is_asked('LOGIN', @get, @plain, $ip, @header);

$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8110));

my $salt = challenge($s->read());

is(command($s, "APOP $login " . apop($salt, 'secret')), $welcome,
	'APOP - login');
is_asked('APOP', @get, 'Auth-Method: apop',
	follows($login, apop($salt, 'secret'), salt => $salt), $ip, @header);

$s = session(8110);
$salt = challenge(command($s, 'AUTH CRAM-MD5'));

my $answer = cram_md5($salt, $login, 'secret');

is(command($s, $answer), $welcome, 'CRAM-MD5 - login');
is_asked('CRAM-MD5', @get, 'Auth-Method: cram-md5',
	follows(split(/ /, unb64($answer)), salt => $salt), $ip, @header);

is(command(session(8110), 'AUTH EXTERNAL ' . b64($login)), $welcome,
	'EXTERNAL - login');
is_asked('EXTERNAL', @get, 'Auth-Method: external', follows($login, ''), $ip,
	@header);

is(command(session(8110), 'AUTH EXTERNAL ='), $welcome,
	'EXTERNAL without a name - login');
is_asked('EXTERNAL without a name', @get, 'Auth-Method: external',
	follows('', ''), $ip, @header);

# escaping

for (
	['two words', 'two%20words'],
	['percent%40', 'percent%2540'],
	[' % ', '%20%25%20'],
	["j\xc3\xbcrgen", "j\xc3\xbcrgen"],
	["\x80\xff", "\x80\xff"],
	['!"#$&\'()*+,-./:;<=>?@[\]^_`{|}~', '!"#$&\'()*+,-./:;<=>?@[\]^_`{|}~'],
	['Auth-Pass: x', 'Auth-Pass:%20x'],
	['%' x 200, '%25' x 200])
{
	my ($text, $escaped) = @$_;
	my $name = 'escaped ' . substr $escaped, 0, 20;

	like(command(session(8110), 'AUTH PLAIN ' . sasl_plain('', $text, $text)),
		qr/^-ERR/, "$name - reply");
	is_asked($name, @get, 'Auth-Method: plain', follows($escaped, $escaped), $ip,
		@header);
}

# a password that the backend would get as it is

is(command(session(8110), 'AUTH PLAIN ' . sasl_plain('', $login, "\ttab")),
	'-ERR [AUTH] Invalid login or password', 'tab in a password - reply');
is_asked('tab in a password', @get, 'Auth-Method: plain',
	follows($login, '%09tab'), $ip, @header);

# a second try

$s = session(8110);
command($s, 'USER wait@auth');
command($s, 'PASS x');
is_asked('first attempt', @get, 'Auth-Method: plain', follows('wait@auth', 'x'),
	$ip, @header);
is(login($s), $welcome, 'second attempt - login');
is_asked('second attempt', @get, 'Auth-Method: plain',
	follows($login, 'secret', attempt => 2), $ip, @header);

# where it goes

for (
	[8120, ['GET / HTTP/1.0', 'Host: localhost'], 'X-Own: y'],
	[8121, ['GET /a/b?c=d%20e&f HTTP/1.0', 'Host: 127.0.0.1'], @header],
	[8122, ['GET /in/a/socket HTTP/1.0', 'Host: localhost'], @header],
	[8123, ['GET / HTTP/1.0', 'Host: localhost'], @header],
	[8124, ['GET /v6 HTTP/1.0', 'Host: [::1]'], @header])
{
	my ($number, $get, @header) = @$_;
	my $name = "$get->[0], $get->[1]";

	is(login(session($number)), $welcome, "$name - login");
	is_asked($name, @$get, @plain, $ip, @header);
}

# the PROXY protocol

my $proxy = "PROXY TCP4 192.0.2.1 192.0.2.2 1234 110\x0d\x0a";
my @proxy = ('Proxy-Protocol-Addr: 192.0.2.1', 'Proxy-Protocol-Port: 1234',
	'Proxy-Protocol-Server-Addr: 192.0.2.2', 'Proxy-Protocol-Server-Port: 110');

for ([8130, '127.0.0.1'], [8131, '192.0.2.1']) {
	my ($number, $address) = @$_;

	$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
	$s->print($proxy);
	$s->read();

	is(login($s), $welcome, "PROXY protocol, $address - login");
	is_asked("PROXY protocol, $address", @get, @plain, "Client-IP: $address",
		@proxy, @header);
}

$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8130));
$s->print("PROXY TCP6 2001:db8::1 2001:db8::2 1234 110\x0d\x0a");
$s->read();
login($s);
is_asked('PROXY protocol, version 6', @get, @plain, $ip,
	'Proxy-Protocol-Addr: 2001:db8::1', 'Proxy-Protocol-Port: 1234',
	'Proxy-Protocol-Server-Addr: 2001:db8::2', 'Proxy-Protocol-Server-Port: 110',
	@header);

$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8130));
$s->print("PROXY UNKNOWN\x0d\x0a");
$s->read();
login($s);
is_asked('PROXY protocol, unknown', @get, @plain, $ip, @header);

# a client that has no address

my $unix = IO::Socket::UNIX->new($t->testdir() . '/pop3.sock');

$unix->getline();
$unix->print("AUTH PLAIN " . sasl_plain('', $login, 'secret') . "\x0d\x0a");
is($unix->getline(), "$welcome\x0d\x0a", 'unix socket - login');
is_asked('unix socket', @get, @plain, 'Client-IP: unix:', @header);
undef $unix;

# IMAP beside it is nginx's own

my $imap = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8143));

$imap->read();
is(command($imap, "1 LOGIN $login wrong"), '1 NO Invalid login or password',
	'IMAP - reply');
is_asked('IMAP', @get, 'Auth-Method: plain', "Auth-User: $login",
	'Auth-Pass: wrong', 'Auth-Protocol: imap', 'Auth-Login-Attempt: 1', $ip,
	@header);

# the addresses of a name in turn

errors_take($t);
is_deeply([map { login(session(8181)) } 1 .. 4], [($welcome) x 4],
	'all - logins');

my @asked = asked_take();

is_deeply([sort map { $_->{at} } @asked],
	[('127.0.0.2:8281') x 2, ('127.0.0.3:8281') x 2], 'all - all of them');
is_deeply([map { @{$_->{lines}}[0, 1] } @asked],
	[('GET /name HTTP/1.0', 'Host: all.test') x 4], 'all - requests');
is(scalar errors_take($t), 0, 'all - no errors');

# the next one

is_deeply([map { login(session(8182)) } 1 .. 4], [($welcome) x 4],
	'refused - logins');
is_deeply([map { $_->{at} } asked_take()], [('127.0.0.3:8282') x 4],
	'refused - the other one is asked');

my $port = port(8282);
my @errors = errors_take($t, 1);

is(scalar(grep { !/127\.0\.0\.2:$port/ } @errors), 0,
	'refused - error lines name the address') or diag(join "\n", @errors);
cmp_ok(scalar(@errors), '>=', 1, 'refused - error lines');

# none is left

$s = session(8183);
is(login($s), '-ERR [SYS/TEMP] internal server error', 'down - reply');
is(command($s, 'NOOP'), '+OK', 'down - session goes on');
is(scalar errors_take($t, 2), 2, 'down - a line for each');

# a connection for each request, which we end where the auth server does not

is(login(session(8110), 'secret', 'stays@auth'), $welcome, 'stays - login');
undef $s;
ok(auth_ended(), 'all connections end');
is_deeply([map { $_->{requests} } auth_connections()],
	[(1) x scalar asked()], 'each has one request');
is_deeply([map { $_->{rest} // () } auth_connections()], [],
	'nothing is sent behind a request');
is((auth_connections())[-1]{end}, 'eof', 'stays - we end it');

undef $t;

###############################################################################
