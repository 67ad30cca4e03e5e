#!/usr/bin/perl

# Client certificates (ssl_verify_client): what a client without a good one is
# told, and AUTH EXTERNAL, for which the certificate is the proof.

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
	->plan(24);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http 127.0.0.1:8080;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    ssl_client_certificate %%TESTDIR%%/client.crt;

    server {
        listen            127.0.0.1:8140;
        listen            127.0.0.1:8145 ssl;
        protocol          pop3;
        pop3_auth         external;
        starttls          only;
        ssl_verify_client on;

        auth_http_pass_client_cert on;
    }

    server {
        listen            127.0.0.1:8150 ssl;
        protocol          pop3;
        pop3_auth         plain external;
        ssl_verify_client optional;
    }
}

EOC

create_certificate($t, $_) for qw/localhost client stranger/;

start_daemons($t);

$t->run();

###############################################################################

my $dir = $t->testdir();
my $s;

my %client = (SSL_cert_file => "$dir/client.crt",
	SSL_key_file => "$dir/client.key");
my %stranger = (SSL_cert_file => "$dir/stranger.crt",
	SSL_key_file => "$dir/stranger.key");

sub sends {
	my ($line, $regex, $name) = @_;

	like(command($s, $line), $regex, $name);
}

# What auth_http was asked last.

sub asked {
	return (auth_take())[-1] // {};
}

# no certificate, a wrong one, the right one

for my $number (8140, 8145) {
	my $name = $number == 8145 ? 'implicit' : 'STLS';
	my $open = sub {
		$s = POP3Session->new(
			PeerAddr => '127.0.0.1:' . port($number));

		if ($number == 8140) {
			$s->read();
			command($s, 'STLS');
		}

		return starttls($s, @_);
	};

	ok($open->(), "$name, no certificate - handshake");
	$s->check(qr/^-ERR No required SSL certificate\x0d\x0a\z/,
		"$name, no certificate - told");
	ok(closed($s), "$name, no certificate - closed");

	ok($open->(%stranger), "$name, wrong certificate - handshake");
	$s->check(qr/^-ERR SSL certificate error\x0d\x0a\z/,
		"$name, wrong certificate - told");
	ok(closed($s), "$name, wrong certificate - closed");

	auth_take();
	$open->(%client);
	$s->read() if $number == 8145;

	sends('AUTH EXTERNAL =', qr/^\+OK/, "$name, certificate - EXTERNAL");

	my $r = asked();

	is_deeply([@$r{qw/Auth-Method user pass Auth-SSL Auth-SSL-Verify/}],
		['external', '', '', 'on', 'SUCCESS'], "$name, certificate - auth_http");
	is($r->{'Auth-SSL-Subject'}, 'CN=client', "$name, certificate - subject");
	like($r->{'Auth-SSL-Cert'}, qr/BEGIN%20CERTIFICATE/,
		"$name, certificate - passed on");
}

# optional

$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8150), SSL => 1);
$s->ok('optional, no certificate - greeting');
sends('USER test@example.com', qr/^\+OK/, 'optional, no certificate - USER');
sends('PASS secret', qr/^\+OK/, 'optional, no certificate - PASS');
is(asked()->{'Auth-SSL-Verify'}, 'NONE',
	'optional, no certificate - Auth-SSL-Verify');

undef $s;

###############################################################################
