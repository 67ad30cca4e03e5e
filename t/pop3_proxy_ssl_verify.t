#!/usr/bin/perl

# Which backends are believed to be those that are meant (pop3_proxy_ssl_verify):
# the chain, the name, and what is said of the others, which are not told who logs
# in.

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

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl');
my $dir = $t->testdir();

keep_certificates($dir);

# root -> middle -> lower, with a server of each, and another authority

issue('root', ca => 1);
issue('middle', by => 'root', ca => 1);
issue('lower', by => 'middle', ca => 1);
issue('stranger', ca => 1);

my $names = 'DNS:backend.example.com,DNS:*.wild.example.com,IP:127.0.0.1';

my %certificates = (
	good     => { by => 'root', names => $names },
	below    => { by => 'middle', names => $names },
	lowest   => { by => 'lower', names => $names },
	foreign  => { by => 'stranger', names => $names },
	itself   => { names => $names },
	expired  => { by => 'root', names => $names, expired => 1 },
	revoked  => { by => 'root', names => $names },
	v6       => { by => 'root', names => 'IP:::1' },
	dns_only => { by => 'root', names => 'DNS:127.0.0.1' },
	cn_only  => { by => 'root', cn => '127.0.0.1' },
	cn_name  => { by => 'root', cn => 'backend.example.com' },
	other_ip => { by => 'root', names => 'IP:127.0.0.2,DNS:host.example.com' },
);

issue($_, %{$certificates{$_}}) for sort keys %certificates;
revoke('root', 'revoked');
bundle('below.chain', 'below', 'middle');
bundle('lowest.chain', 'lowest', 'lower', 'middle');
bundle('both', 'root', 'stranger');

# The certificate that the backend shows, the name of the check, and what is
# configured; then the reason why it fails, if it does.  Without an address the
# backend is at 127.0.0.1.

my $trusted = "pop3_proxy_ssl_trusted_certificate $dir/root.crt;";
my $unknown = qr/unable to get local issuer certificate/;
my $too_long = qr/certificate chain too long/;
my $mismatch = qr/certificate does not match|mismatch/;

sub named { return "$trusted pop3_proxy_ssl_name $_[0];" }

my @cases = (

	# the chain

	[good => 'known authority', $trusted],
	[foreign => 'unknown authority', $trusted, $unknown],
	[foreign => 'one of two authorities',
		"pop3_proxy_ssl_trusted_certificate $dir/both.crt;"],
	[itself => 'self-signed', $trusted, qr/self.signed certificate/],
	[itself => 'self-signed and trusted',
		"pop3_proxy_ssl_trusted_certificate $dir/itself.crt;"],
	[expired => 'expired', $trusted, qr/certificate has expired/],
	[below => 'intermediate is missing', $trusted, $unknown],
	['below.chain' => 'intermediate', $trusted],
	['lowest.chain' => 'two intermediates', $trusted],
	['below.chain' => 'depth 0', "$trusted pop3_proxy_ssl_verify_depth 0;",
		$too_long],
	['lowest.chain' => 'depth 1', "$trusted pop3_proxy_ssl_verify_depth 1;",
		$too_long],
	['lowest.chain' => 'depth 2', "$trusted pop3_proxy_ssl_verify_depth 2;"],
	[revoked => 'revoked', "$trusted pop3_proxy_ssl_crl $dir/root.crl;",
		qr/certificate revoked/],
	[revoked => 'no CRL', $trusted],
	[good => 'not revoked', "$trusted pop3_proxy_ssl_crl $dir/root.crl;"],

	# the name

	[good => 'DNS name', named('backend.example.com')],
	[good => 'DNS name in capitals', named('Backend.Example.COM')],
	[good => 'wildcard', named('a.wild.example.com')],
	[good => 'wildcard, two labels', named('a.b.wild.example.com'), $mismatch],
	[good => 'wildcard, no label', named('wild.example.com'), $mismatch],
	[good => 'wrong name', named('www.example.com'), $mismatch],
	[good => 'end of a name', named('example.com'), $mismatch],
	[good => 'name in place of the address', named('127.0.0.2'), $mismatch],
	[other_ip => 'address in place of the address', named('127.0.0.2')],
	[other_ip => 'another address', $trusted, $mismatch],
	[other_ip => 'host of the address', $trusted, undef,
		'host.example.com'],
	[good => 'another host than that of the address', $trusted, $mismatch,
		'host.example.com'],
	[dns_only => 'address as a DNS name', $trusted, $mismatch],
	[cn_only => 'address as the common name', $trusted, $mismatch],
	[cn_name => 'name as the common name', named('backend.example.com'),
		$mismatch],
	[v6 => 'IPv6', $trusted, undef, '[::1]'],
	[v6 => 'IPv6 written out', named('0:0:0:0:0:0:0:1')],
	[v6 => 'IPv6 in brackets', named('[::1]')],
	[good => 'another IPv6', $trusted, $mismatch, '[::1]'],

	# off, and the authorities of the system

	[foreign => 'off, unknown authority', "$trusted pop3_proxy_ssl_verify off;"],
	[itself => 'off, no authority', 'pop3_proxy_ssl_verify off;'],
	[cn_name => 'off, wrong name', named('www.example.com')
		. ' pop3_proxy_ssl_verify off;'],
	[good => 'default authorities', ''],
	[foreign => 'not one of the default authorities', '', $unknown],
	[good => 'others than the default authorities',
		"pop3_proxy_ssl_trusted_certificate $dir/stranger.crt;", $unknown],
);

my (%backends, $servers);

for my $i (0 .. $#cases) {
	my ($certificate, undef, $text, undef, $host) = @{$cases[$i]};
	my $number = 8300 + $i;
	my $key = $certificate =~ s/\.chain$//r;
	my $at = ($host // '') eq '[::1]' ? "[::1]:$number" : $number;

	$backends{$at} = { tls => { ssl => 1,
		SSL_cert_file => "$dir/$certificate.crt", SSL_ca_file => "$dir/$key.crt",
		SSL_key_file => "$dir/$key.key" } };

	$servers .= "server { listen 127.0.0.1:" . (8110 + $i) . "; protocol pop3;"
		. ' pop3_proxy_pass ' . ($host // '127.0.0.1') . ":%%PORT_$number%%;"
		. " $text }\n";
}

$t->write_file_expand('nginx.conf', <<"EOC");

%%TEST_GLOBALS%%

daemon off;

env SSL_CERT_FILE;
env SSL_CERT_DIR;

events {
}

mail {
    pop3_proxy_ssl on;

    $servers

    # the same backend as that of the first, which is known, and then not

    server {
        listen          127.0.0.1:8180;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8300;
        pop3_proxy_ssl_trusted_certificate $dir/stranger.crt;
    }

    # a session of TLS 1.2 is there when the certificate is looked at

    server {
        listen          127.0.0.1:8181;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8300;
        pop3_proxy_ssl_trusted_certificate $dir/stranger.crt;
        pop3_proxy_ssl_protocols TLSv1.2;
    }

    server {
        listen          127.0.0.1:8182;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8300;
        pop3_proxy_ssl_name www.example.com;
        pop3_proxy_ssl_trusted_certificate $dir/root.crt;
        pop3_proxy_ssl_protocols TLSv1.2;
    }

    # neither of them asks for a certificate

    server {
        listen          127.0.0.1:8184;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8291;
        pop3_proxy_ssl_trusted_certificate $dir/root.crt;
        pop3_proxy_ssl_protocols TLSv1.2;
        pop3_proxy_ssl_ciphers aNULL:\@SECLEVEL=0;
    }

    # the second one is the right one

    server {
        listen          127.0.0.1:8183;
        protocol        pop3;
        pop3_proxy_pass two.example.com:%%PORT_8290%%;
        pop3_proxy_ssl_name backend.example.com;
        pop3_proxy_ssl_trusted_certificate $dir/root.crt;
    }
}

EOC

# twice as many checks where a login fails

$t->plan(2 * @cases + 2 * (grep { $_->[3] } @cases) + 4 + 4 + 6 * 4 + 5);

start_backends($t, %backends, 8291 => { tls => { ssl => 1,
	SSL_cert_file => "$dir/good.crt", SSL_key_file => "$dir/good.key",
	SSL_ca_file => "$dir/good.crt", SSL_cipher_list => 'aNULL:@SECLEVEL=0' } }, map {
	my ($n, $name) = @$_;

	("127.0.0.$n:8290" => { tls => { ssl => 1, SSL_cert_file => "$dir/$name.crt",
		SSL_ca_file => "$dir/$name.crt", SSL_key_file => "$dir/$name.key" } })
} [1, 'foreign'], [2, 'good']);

@ENV{qw/ SSL_CERT_FILE SSL_CERT_DIR /} = ("$dir/root.crt", "$dir/none");

run_with_hosts($t, "127.0.0.1 host.example.com\n"
	. "127.0.0.1 two.example.com\n127.0.0.2 two.example.com\n");

###############################################################################

for my $i (0 .. $#cases) {
	my (undef, $name, undef, $reason, $host) = @{$cases[$i]};
	my $s = session(8110 + $i);
	my $address = (($host // '') eq '[::1]' ? '[::1]' : '127.0.0.1') . ':'
		. port(8300 + $i);

	if ($reason) {
		is_unavailable($t, $s, $name, $reason, $address);
		next;
	}

	is(login($s), '+OK logged in to backend', "$name - login");
	is(join("\n", errors_take($t)), '', "$name - no error");
}

# who shows no certificate is nobody

is_unavailable($t, session(8184), 'no certificate', qr/certificate/, 8291);

# a session that is kept by one server{} is no pass for another

is_unavailable($t, session(8180), 'another server', $unknown, 8300);

# nor is one of a login that has failed

for my $n (1 .. 3) {
	is_unavailable($t, session(8181), "unknown authority, TLS 1.2, $n", $unknown,
		8300);
	is_unavailable($t, session(8182), "wrong name, TLS 1.2, $n", $mismatch, 8300);
}

# the next address takes over, and the wrong one learns nothing

connections_take();

for my $n (1, 2) {
	is(login(session(8183)), '+OK logged in to backend', "next address, $n - login");
}

my @errors = errors_take($t, 1);

ok(@errors > 0, 'next address - the first is wrong');
is(scalar(grep { /$unknown.*, upstream: 127\.0\.0\.1:/ } @errors), @errors,
	'next address - error log') or diag(join "\n", @errors);
is_deeply([map { $_->{at} =~ /^127\.0\.0\.1:/ ? @{$_->{lines}} : () }
	ended_take()], [], 'next address - the first is told nothing');

###############################################################################
