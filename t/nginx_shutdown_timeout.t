#!/usr/bin/perl

# worker_shutdown_timeout and sessions that have not logged in, where nginx itself is at
# work with them: with nginx-patches/ it closes them, too.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Socket::INET;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Proxy;
use POP3Session;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl imap smtp/)->has_daemon('openssl')
	->plan(29);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

worker_shutdown_timeout 1s;

events {
}

mail {
    auth_http 127.0.0.1:8280;
    timeout   2m;
    starttls  on;
    resolver  off;

    auth_http_timeout 2m;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen   127.0.0.1:8110;
        listen   127.0.0.1:8111 proxy_protocol;
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
    }

    server {
        listen   127.0.0.1:8143;
        listen   127.0.0.1:8144 proxy_protocol;
        listen   127.0.0.1:8993 ssl;
        protocol imap;
    }

    server {
        listen    127.0.0.1:8125;
        protocol  smtp;
        smtp_auth none plain;
    }

    # this greets nobody while the test lasts

    server {
        listen              127.0.0.1:8126;
        protocol            smtp;
        smtp_greeting_delay 2m;
    }

    # and neither does this, whose name server is silent

    server {
        listen           127.0.0.1:8127;
        protocol         smtp;
        resolver         127.0.0.2:%%PORT_8253%% ipv6=off;
        resolver_timeout 2m;
    }
}

EOC

create_certificate($t, 'localhost');

start_auth($t, 8280 => { logins => {
	silent  => [],
	waits   => http_head('1.0 200 OK', 'Auth-Status: not yet', 'Auth-Wait: 100'),
	again   => http_head('1.0 200 OK', 'Auth-Status: WAIT', 'Auth-Wait: 100'),
	backend => http_head('1.0 200 OK', 'Auth-Status: OK', 'Auth-Server: 127.0.0.1',
		'Auth-Port: ' . port(8211)),
} });

start_backends($t, 8211 => { greeting => [] });

my $silence = IO::Socket::INET->new(Proto => 'udp',
	LocalAddr => '127.0.0.2:' . port(8253)) or die "No UDP socket: $!\n";

$t->run();

###############################################################################

my $crlf = "\x0d\x0a";
my $hello = "\x16\x03\x01\x02";

# Where nginx is at work with a session: the name, the port, whether it greets, and what
# it is sent, commands with a reply and other bytes.

my @states = (
	['PROXY header', 8111, 0],
	['TLS handshake', 8995, 0],
	['half a TLS handshake', 8995, 0, $hello],
	['half a handshake behind STLS', 8110, 1, ['STLS'], $hello],

	['IMAP, PROXY header', 8144, 0],
	['IMAP, TLS handshake', 8993, 0],
	['IMAP, greeted', 8143, 1],
	['IMAP, greeted in TLS', 8993, 1],
	['IMAP, half a line', 8143, 1, '1 NO'],
	['IMAP, NOOP', 8143, 1, ['1 NOOP']],
	['IMAP, AUTHENTICATE', 8143, 1, ['1 AUTHENTICATE LOGIN']],
	['IMAP, STARTTLS', 8143, 1, ['1 STARTTLS']],
	['IMAP, half a handshake', 8143, 1, ['1 STARTTLS'], $hello],
	['IMAP, auth server', 8143, 1, "1 LOGIN silent secret$crlf"],
	['IMAP, Auth-Wait', 8143, 1, "1 LOGIN waits secret$crlf"],
	['IMAP, WAIT', 8143, 1, "1 LOGIN again secret$crlf"],
	['IMAP, backend', 8143, 1, "1 LOGIN backend secret$crlf"],

	['SMTP, greeted', 8125, 1],
	['SMTP, HELO', 8125, 1, ['HELO there']],
	['SMTP, greeting delayed', 8126, 0],
	['SMTP, name of the client', 8127, 0],
);

# Only nginx-patches/ have it close those: without, they would stay for two minutes.

my @open = map { opens(@$_) } $ENV{TEST_NGINX_PATCHED} ? @states : ();

sub opens {
	my ($name, $number, $greets, @sent) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number),
		$number == 8993 && $greets ? (SSL => 1) : ());

	replies($s, 1) if $greets;

	for my $bytes (@sent) {
		ref $bytes ? command($s, @$bytes) : $s->print($bytes);
	}

	return [$name, $s];
}

# what has come to the module is closed by that, whichever nginx it is in

my $greeted = (opens('greeted', 8110, 1))->[1];
my $pid = worker_pid($t);

if (@open) {
	wait_until(sub { asked() == 4 && connections() == 1 })
		or die "The logins are not under way\n";
}

reload($t);

ok(closed($greeted), 'greeted - closed');
undef $greeted;

SKIP: {
	skip 'nginx-patches/03-mail-shutdown-timeout.patch', @states + 5
		unless @open;

	ok(closed($_->[1], 5), "$_->[0] - closed") for @open;

	# and so is what nginx has opened for them

	ok(auth_ended(), 'auth server - its connections end');
	is((ended_take())[-1]{end}, 'eof', 'backend - its connection ends');

	my $log = $t->read_file('error.log');

	like($log, qr/\[info\] .* shutdown timeout while $_, client: 127\.0\.0\.1,/,
		"logged, $_") for 'in auth state', 'in http auth state',
		'(?:connecting to|reading response from) upstream';
}

@open = ();

ok(gone($pid), 'the worker ends');

my $new = (opens('new', 8143, 0))->[1];
like($new->read(), qr/^\* OK/, 'new session');
undef $new;

###############################################################################
