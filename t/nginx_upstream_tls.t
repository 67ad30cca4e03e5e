#!/usr/bin/perl

# TLS to the backend where nginx ends a session that it relays, by itself: with
# nginx-patches/ it takes leave of the backend by close_notify then, too.

###############################################################################

use warnings;
use strict;

use Test::More;

use Socket qw/ SOL_SOCKET SO_LINGER /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Certificates;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(41);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

worker_shutdown_timeout 1s;

events {
}

mail {
    pop3_proxy_ssl                     on;
    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;
    pop3_proxy_pass                    127.0.0.1:8211;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen        127.0.0.1:8110;
        protocol      pop3;
        proxy_timeout 1s;
    }

    server {
        listen        127.0.0.1:8120;
        listen        127.0.0.1:8995 ssl;
        protocol      pop3;
    }
}

EOC

my $dir = $t->testdir();
my $crlf = "\x0d\x0a";
my $huge = 'x' x 1000 . $crlf;

keep_certificates($dir);
issue('ca', ca => 1);
issue('localhost', by => 'ca', names => 'IP:127.0.0.1');

# a backend that does not read has no place for close_notify

start_backends($t, 8211 => { tls => { ssl => 1 }, RETR => [['flood', $huge]] });

$t->run();

###############################################################################

my $s;

# How the backend sees the end of the last connection.

sub end_of_last {
	ended_take();

	return (connections())[-1]{end};
}

logs_in($s = session(8110), 'proxy_timeout');
ok(closed($s), 'proxy_timeout - closed');

SKIP: {
	skip 'nginx-patches/01-mail-upstream-tls.patch', 1
		unless $ENV{TEST_NGINX_PATCHED};

	is(end_of_last(), 'notify', 'proxy_timeout - close_notify');
}

# a client that goes is as before: close_notify comes once

logs_in($s = session(8110), 'client leaves');
undef $s;
is(end_of_last(), 'notify', 'client leaves - close_notify');

# where the backend is at work, which TLS cannot tell any more

for my $port (8120, 8995) {
	for my $n (1 .. 3) {
		login($s = session($port, $port == 8995 ? (SSL => 1) : ()));
		$s->send('RETR 1');
		receive($s, 100000);
		$s->socket()->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
		undef $s;
		ok(end_of_last(), "reset in a reply, $port, $n - ends");
	}
}

# and the next one is not taken for what was freed

for my $n (1 .. 3) {
	logs_in($s = session(8120), "afterwards, $n");
	is(command($s, 'QUIT'), '+OK bye from backend', "afterwards, $n - QUIT");
	ok(closed($s), "afterwards, $n - closed");
}

is(join("\n", errors_take($t)), '', 'nothing at level error');

# several at once: the worker's connections have them in any order

ended_take();

my @all = map { session($_ % 2 ? 8120 : (8995, SSL => 1)) } 1 .. 8;

is(login($_), '+OK logged in to backend', 'shutdown - logged in') for @all;

reload($t);

is(scalar(grep { closed($_) } @all), 8, 'shutdown - closed');

SKIP: {
	skip 'nginx-patches/01-mail-upstream-tls.patch', 1
		unless $ENV{TEST_NGINX_PATCHED};

	is(join(' ', map { $_->{end} } ended_take()), join(' ', ('notify') x 8),
		'shutdown - close_notify');
}

@all = ();

###############################################################################
