#!/usr/bin/perl

# The session log's addresses: IPv6, sockets of the file system, clients behind the PROXY
# protocol, and backends by name, of several addresses, and at a socket.

###############################################################################

use warnings;
use strict;

use IO::Socket::UNIX;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Proxy;
use POP3SessionLog;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(15);
my $dir = $t->testdir();

$t->write_file_expand('nginx.conf', <<"EOC");

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_log_format all escape=json '$FORMAT';
    pop3_log        sessions.log all;

    pop3_proxy_pass 127.0.0.1:8211;

    server {
        listen   [::1]:%%PORT_8110%%;
        listen   unix:%%TESTDIR%%/pop3;
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen           127.0.0.1:8120 proxy_protocol;
        listen           unix:%%TESTDIR%%/proxied proxy_protocol;
        protocol         pop3;
        set_real_ip_from 127.0.0.1;
        set_real_ip_from unix:;
    }

    server {
        listen           127.0.0.1:8130 proxy_protocol;
        protocol         pop3;
        set_real_ip_from 192.0.2.0/24;
    }

    server {
        listen          127.0.0.1:8140;
        protocol        pop3;
        pop3_proxy_pass unix:%%TESTDIR%%/backend;
    }

    server {
        listen          127.0.0.1:8150;
        protocol        pop3;
        pop3_proxy_pass localhost:%%PORT_8211%%;
    }

    # a wildcard: where the client has come to is known all the same

    server {
        listen   %%PORT_8160%%;
        protocol pop3;
    }
}

EOC

use_session_log($t);
start_backends($t, 8211 => {}, '[::1]:8211' => {}, 'unix:backend' => {});
chmod 0711, $dir;

$t->run();

###############################################################################

my $login = 'test@example.com';
my %in = (status => 'ok', login => $login, method => 'user', login_attempts => 1,
	end => 'client');
my $backend = '127.0.0.1:' . port(8211);
my $s;

sub is_in {
	my ($name, %expected) = @_;

	command($s, $_) for "USER $login", 'PASS secret';
	$s->send('QUIT');
	1 while $s->more();

	return is_logged($s, $name, %in, upstream_addr => $backend, %expected);
}

# where clients are, and come to

$s = client(8110);
is_in('IPv4');

$s = client(8160);
is_in('wildcard');

$s = client(8160, PeerAddr => '127.0.0.7:' . port(8160));
is((is_in('another address of the wildcard'))->{server_addr}, '127.0.0.7',
	'another address of the wildcard - is known');

SKIP: {
	require IO::Socket::IP;

	my $socket = IO::Socket::IP->new(PeerHost => '::1', PeerPort => port(8110))
		or skip 'no IPv6', 1;

	$s = client(8110, own => $socket);
	is_in('IPv6', ends => ['::1', $socket->sockport(), '::1', port(8110)]);
}

$s = client(8110, own => IO::Socket::UNIX->new("$dir/pop3"));
is_in('a socket of the file system', ends => ['unix:', '', '', '']);

# behind a balancer

sub behind {
	my ($name, $header, @client) = @_;

	$s = client(8120, header => $header);
	is_in("PROXY - $name", ends => [@client, '127.0.0.1', port(8120)]);
}

my $crlf = "\x0d\x0a";

behind('IPv4', "PROXY TCP4 192.0.2.1 192.0.2.2 1234 110$crlf", '192.0.2.1', 1234);
behind('IPv6', "PROXY TCP6 2001:db8::1 2001:db8::2 1234 110$crlf", '2001:db8::1', 1234);
behind('version 2', "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c"
	. "\xc0\x00\x02\x03\xc0\x00\x02\x04\x04\xd2\x00\x6e", '192.0.2.3', 1234);

$s = client(8120, header => "PROXY UNKNOWN$crlf");
is_in('PROXY - unknown');

$s = client(8130, header => "PROXY TCP4 192.0.2.1 192.0.2.2 1234 110$crlf");
is_in('PROXY - not believed');

$s = client(8110, own => IO::Socket::UNIX->new("$dir/proxied"),
	header => "PROXY TCP4 192.0.2.9 192.0.2.2 1234 110$crlf");
is_in('PROXY - by a socket', ends => ['192.0.2.9', 1234, '', '']);

# a header that does not come, or is none, has no session behind it

for my $text ('', "USER x$crlf", 'PROXY TCP4 192.0') {
	my $raw = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8120));

	$raw->print($text);
	reset_by_client($raw);
}

is(scalar next_lines('sessions.log', 0), 0, 'PROXY - no session without it');

# where backends are

$s = client(8140);
is_in('backend at a socket', upstream_addr => "unix:$dir/backend");

$s = client(8150);
is_in('backend by name', upstream_addr => qr/^(?:127\.0\.0\.1|\[::1\]):\d+$/);

undef $s;

###############################################################################
