#!/usr/bin/perl

# What can be set for TLS to the backend: sessions that are used again, client
# certificates, protocols and ciphers.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Certificates;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

require IO::Socket::SSL;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(70);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_proxy_ssl                     on;
    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;

    # sessions

    server {
        listen                   127.0.0.1:8120;
        protocol                 pop3;
        pop3_proxy_pass          127.0.0.1:8211;
        pop3_proxy_ssl_protocols TLSv1.2;
    }

    server {
        listen                   127.0.0.1:8121;
        protocol                 pop3;
        pop3_proxy_pass          127.0.0.1:8211;
        pop3_proxy_ssl_protocols TLSv1.3;
    }

    server {
        listen                       127.0.0.1:8122;
        protocol                     pop3;
        pop3_proxy_pass              127.0.0.1:8211;
        pop3_proxy_ssl_protocols     TLSv1.2;
        pop3_proxy_ssl_session_reuse off;
    }

    server {
        listen                       127.0.0.1:8123;
        protocol                     pop3;
        pop3_proxy_pass              127.0.0.1:8211;
        pop3_proxy_ssl_protocols     TLSv1.3;
        pop3_proxy_ssl_session_reuse off;
    }

    server {
        listen                   127.0.0.1:8125;
        protocol                 pop3;
        pop3_proxy_pass          127.0.0.1:8211;
        pop3_proxy_ssl_protocols TLSv1.3;
    }

    server {
        listen          127.0.0.1:8124;
        protocol        pop3;
        pop3_proxy_pass eight.example.com:%%PORT_8212%%;
    }

    # client certificates

    server {
        listen                        127.0.0.1:8130;
        protocol                      pop3;
        pop3_proxy_pass               127.0.0.1:8213;
        pop3_proxy_ssl_certificate     %%TESTDIR%%/client.crt;
        pop3_proxy_ssl_certificate_key %%TESTDIR%%/client.enc.key;
        pop3_proxy_ssl_password_file   %%TESTDIR%%/words;
    }

    server {
        listen          127.0.0.1:8131;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8213;
    }

    # ciphers

    server {
        listen                   127.0.0.1:8140;
        protocol                 pop3;
        pop3_proxy_pass          127.0.0.1:8211;
        pop3_proxy_ssl_protocols TLSv1.2;
        pop3_proxy_ssl_ciphers   ECDHE-ECDSA-AES128-SHA256;
    }

    # TLS 1.1, and whether it is on by default

    server {
        listen                   127.0.0.1:8141;
        protocol                 pop3;
        pop3_proxy_pass          127.0.0.1:8214;
        pop3_proxy_ssl_protocols TLSv1.1;
        pop3_proxy_ssl_ciphers   ALL:@SECLEVEL=0;
    }

    server {
        listen                   127.0.0.1:8142;
        protocol                 pop3;
        pop3_proxy_pass          127.0.0.1:8214;
        pop3_proxy_ssl_ciphers   ALL:@SECLEVEL=0;
    }
}

EOC

my $dir = $t->testdir();

$t->write_file('words', "another\nword\n");

keep_certificates($dir);
issue('ca', ca => 1);
issue('localhost', by => 'ca', names => 'DNS:eight.example.com,IP:127.0.0.1');
issue('client', by => 'ca');
encrypt_key('client', 'word');

my %verify = (
	SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_PEER()
		| IO::Socket::SSL::SSL_VERIFY_FAIL_IF_NO_PEER_CERT(),
	SSL_ca_file => "$dir/ca.crt",
	SSL_session_id_context => 'test',
);

start_backends($t,
	8211 => { tls => { ssl => 1 } },
	map({ ("127.0.0.$_:8212" => { tls => { ssl => 1 } }) } 1 .. 8),
	8213 => { tls => { ssl => 1, %verify } },
	8214 => { tls => { ssl => 1, SSL_version => 'TLSv1_1',
		SSL_cipher_list => 'ALL:@SECLEVEL=0' } },
);

run_with_hosts($t, join '', map { "127.0.0.$_ eight.example.com\n" } 1 .. 8);

###############################################################################

# A login, and what the backend sees of TLS.

sub tls {
	my ($number, $name) = @_;

	return logs_in(session($number), $name)->{tls} // {};
}

# Sessions are used again by the same server{} alone

for my $version ([8120, 8122, 'TLSv1_2'], [8121, 8123, 'TLSv1_3']) {
	my ($reuses, $not, $name) = @$version;

	for my $case ([$reuses, 0, 'first'], [$reuses, 1, 'second'],
		[$reuses, 1, 'third'], [$not, 0, 'off, first'], [$not, 0, 'off, second'])
	{
		my ($number, $reused, $which) = @$case;

		my $tls = tls($number, "$name, $which");

		is("$tls->{version} $tls->{reused}", "$name $reused",
			"$name, $which - session");
	}
}

is(tls(8125, 'another server')->{reused}, 0, 'another server - session');

# and for the same address alone: these take turns, and few are in another's way

my @reused;

for my $round (0, 1) {
	for (1 .. 8) {
		connections_take();
		login(session(8124));
		$reused[$round] += (connections_take())[0]{tls}{reused};
	}
}

is($reused[0], 0, 'eight addresses - none has the session of another');
cmp_ok($reused[1], '>', 2, 'eight addresses - sessions are used again');

# client certificate

for my $which ('first', 'second') {
	is(tls(8130, "client certificate, $which")->{client}, '/CN=client',
		"client certificate, $which - seen");
}

is_unavailable($t, session(8131), 'no client certificate',
	qr/certificate required|handshake/, 8213);

# protocols and ciphers

is(tls(8140, 'ciphers')->{cipher}, 'ECDHE-ECDSA-AES128-SHA256',
	'ciphers - used');
is(tls(8141, 'TLS 1.1')->{version}, 'TLSv1_1', 'TLS 1.1 - used');

is_unavailable($t, session(8142), 'TLS 1.1, by default', qr/protocol/, 8214);

# the last session ends before nginx is to

undef $t;

###############################################################################
