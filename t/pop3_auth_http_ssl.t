#!/usr/bin/perl

# What auth_http is told of the client's TLS and of its certificate.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Certificates;
use POP3Login;
use POP3Proxy;
use POP3Session;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(22);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http        127.0.0.1:8280;
    auth_http_header X-One 1;
    pop3_auth        plain external;

    ssl_certificate        %%TESTDIR%%/localhost.crt;
    ssl_certificate_key    %%TESTDIR%%/localhost.key;
    ssl_client_certificate %%TESTDIR%%/ca.crt;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
        starttls on;
    }

    server {
        listen            127.0.0.1:8120 ssl;
        protocol          pop3;
        ssl_verify_client optional;
    }

    server {
        listen            127.0.0.1:8130 ssl;
        protocol          pop3;
        ssl_verify_client optional;

        auth_http_pass_client_cert on;
    }

    server {
        listen            127.0.0.1:8140 ssl;
        protocol          pop3;
        ssl_verify_client optional_no_ca;

        auth_http_pass_client_cert on;
    }

    # without certificates asked for there is none to pass

    server {
        listen   127.0.0.1:8150 ssl proxy_protocol;
        protocol pop3;

        auth_http_pass_client_cert on;
    }
}

EOC

my $dir = $t->testdir();

keep_certificates($dir);

issue('ca', ca => 1);
issue('localhost');
issue('client', by => 'ca', cn => 'a name, 50% \+ more');
issue('stranger');

start_auth($t, 8280 => {});
start_backends($t, 8211 => {});

$t->run();

###############################################################################

my $login = 'test@example.com';
my $welcome = '+OK logged in to backend';

# What openssl says of a certificate.

sub fact {
	my ($name, @args) = @_;

	my $fact = `openssl x509 -in $dir/$name.crt -noout -nameopt RFC2253 @args`;

	return $fact =~ s/^[^=]*=\s*|\n//gr;
}

sub of_certificate {
	my ($name, $verify, $ssl) = @_;

	my $pem = $t->read_file("$name.crt");

	$pem =~ s/([\x00-\x20%])/sprintf '%%%02X', ord $1/ge;

	return ("Auth-SSL-Verify: $verify",
		'Auth-SSL-Subject: ' . fact($name, '-subject'),
		'Auth-SSL-Issuer: ' . fact($name, '-issuer'),
		'Auth-SSL-Serial: ' . fact($name, '-serial'),
		'Auth-SSL-Fingerprint: ' . lc(fact($name, '-fingerprint') =~ s/://gr),
		$ssl ? "Auth-SSL-Cert: $pem" : ());
}

# Two checks: a login, and all that is asked.

sub is_asked {
	my ($s, $name, @more) = @_;

	my $tls = $s->socket();
	my ($version, $cipher) = $tls->isa('IO::Socket::SSL')
		? ($tls->get_sslversion() =~ s/_/./gr, $tls->get_cipher()) : ();

	is(login($s), $welcome, "$name - login");

	my ($r) = asked_take();

	is_deeply($r->{lines}, [
		'GET / HTTP/1.0', 'Host: 127.0.0.1', 'Auth-Method: plain',
		"Auth-User: $login", 'Auth-Pass: secret', 'Auth-Protocol: pop3',
		'Auth-Login-Attempt: 1', 'Client-IP: 127.0.0.1',
		grep({ /^Proxy/ } @more),
		$version ? ('Auth-SSL: on', "Auth-SSL-Protocol: $version",
			"Auth-SSL-Cipher: $cipher") : (),
		grep({ !/^Proxy/ } @more), 'X-One: 1'], "$name - request");
}

sub tls {
	my ($number, $name, %args) = @_;

	return session($number, SSL => 1, $name ? (
		SSL_cert_file => "$dir/$name.crt",
		SSL_key_file  => "$dir/$name.key") : (), %args);
}

my $none = 'Auth-SSL-Verify: NONE';

# not asked for a certificate

is_asked(session(8110), 'in plain');

my $s = session(8110);

command($s, 'STLS');
ok(starttls($s), 'STLS - handshake');
is_asked($s, 'STLS');

$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8150));
$s->print("PROXY TCP4 192.0.2.1 192.0.2.2 1234 110\x0d\x0a");
ok(starttls($s), 'PROXY protocol - handshake');
$s->read();
is_asked($s, 'PROXY protocol', 'Proxy-Protocol-Addr: 192.0.2.1',
	'Proxy-Protocol-Port: 1234', 'Proxy-Protocol-Server-Addr: 192.0.2.2',
	'Proxy-Protocol-Server-Port: 110');

# none, a good one, one that is not known

is_asked(tls(8120), 'no certificate', $none);
is_asked(tls(8130), 'none to pass', $none);
is_asked(tls(8130, undef, SSL_version => 'TLSv1_2'), 'TLS 1.2', $none);
is_asked(tls(8120, 'client'), 'certificate',
	of_certificate('client', 'SUCCESS'));
is_asked(tls(8130, 'client'), 'certificate in full',
	of_certificate('client', 'SUCCESS', 1));
is_asked(tls(8140, 'stranger'), 'unknown certificate',
	of_certificate('stranger', 'FAILED:self-signed certificate', 1));

# and with a method that rests on it

is(command(tls(8130, 'client'), 'AUTH EXTERNAL ' . b64($login)), $welcome,
	'EXTERNAL - login');

my ($r) = asked_take();

is_deeply([@$r{qw/Auth-Method Auth-Pass/},
	grep { /^Auth-SSL-(?!Protocol|Cipher)/ } @{$r->{lines}}],
	['external', '', of_certificate('client', 'SUCCESS', 1)],
	'EXTERNAL - request');

undef $s;
undef $t;

###############################################################################
