#!/usr/bin/perl

# A full worker and clients that are silent where nginx itself waits for them, in a TLS
# handshake or before the header of the PROXY protocol: with nginx-patches/ they make
# room as well.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Select;
use IO::Socket::INET;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Login;
use POP3Proxy;
use POP3Session;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl imap/)->has_daemon('openssl')
	->plan(24);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
    worker_connections 100;
}

mail {
    auth_http       127.0.0.1:8080;
    timeout         5m;
    starttls        on;
    pop3_proxy_pass 127.0.0.1:8211;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen   127.0.0.1:8110;
        listen   127.0.0.1:8111 proxy_protocol;
        listen   127.0.0.1:8112 proxy_protocol ssl;
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
    }

    server {
        listen   127.0.0.1:8993 ssl;
        protocol imap;
    }
}

EOC

create_certificate($t, 'localhost');
start_backends($t, 8211 => {});

$t->run();

###############################################################################

my $header = "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\x0d\x0a";

# Connections that say nothing more than that.

sub crowd {
	my ($number, $count, $bytes) = @_;

	return map {
		my $socket = IO::Socket::INET->new('127.0.0.1:' . port($number))
			or die "Can't connect: $@\n";
		$socket->syswrite($bytes) if $bytes;
		$socket;
	} 1 .. $count;
}

# whoever speaks is served, as long as there is room

my $relayed = session(8110);
is(login($relayed), '+OK logged in to backend', 'first - logged in');

my $secure = session(8995, SSL => 1);
is(login($secure), '+OK logged in to backend', 'first in TLS - logged in');

my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8111));
$s->print($header);
like($s->read(), qr/^\+OK/, 'PROXY header - greeted');
is(login($s), '+OK logged in to backend', 'PROXY header - logged in');
undef $s;

SKIP: {
	skip 'nginx-patches/05-mail-reusable.patch', 18
		unless $ENV{TEST_NGINX_PATCHED};

	for my $case (['TLS handshake', 8995], ['half a TLS handshake', 8995, "\x16\x03\x01\x02"],
		['IMAP, TLS handshake', 8993], ['PROXY header', 8111],
		['TLS handshake behind a PROXY header', 8112, $header])
	{
		my ($name, $number, $bytes) = @$case;
		my @silent = crowd($number, 300, $bytes);

		# those that are accepted late would make room of who comes before them

		ok(wait_until(sub { IO::Select->new(@silent)->can_read(0) > 200 }),
			"$name - silent ones are closed");
		is(login(session(8110)), '+OK logged in to backend', "$name - another logs in");
		is(login(session(8995, SSL => 1)), '+OK logged in to backend',
			"$name - another logs in, in TLS");
	}

	like($t->read_file('error.log'), qr/\[warn\] .* reusing connections$/m,
		'nginx says that it is full');

	like(command($relayed, 'STAT'), qr/^\+OK 1 /, 'first - goes on');
	like(command($secure, 'STAT'), qr/^\+OK 1 /, 'first in TLS - goes on');
}

# one that is slow is served, once there is room

my ($slow) = crowd(8995, 1);

is(login(session(8110)), '+OK logged in to backend', 'another - logs in');

undef $_ for $relayed, $secure;

ok(IO::Socket::SSL->start_SSL($slow, SSL_verify_mode => 0), 'slow in its handshake - is done');

undef $slow;

###############################################################################
