#!/usr/bin/perl

# TLS and XCLIENT at the backends that auth_http names, of which each login may have
# another: the certificate is for the address in Auth-Server, whoever was asked before,
# and a next try in the same session finds all of it anew.

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

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl');

my $dir = $t->testdir();
my $mismatch = qr/mismatch/;
my $unknown = qr/unable to get local issuer certificate/;

# A server each: which backend it is told of, a port at an address; its name; what its
# configuration says, and why the login fails.

my ($on, $starttls) = map { "pop3_proxy_ssl $_;" } 'on', 'starttls';

my @cases = (
	['8212@127.0.0.1' => 'address', $on],
	['8212@127.0.0.2' => 'certificate of another address', $on, $mismatch],
	['8213@127.0.0.2' => 'another address', $on],
	['8213@127.0.0.1' => 'certificate of the other address', $on, $mismatch],
	['8212@::1' => 'IPv6', $on],
	['8213@::1' => 'certificate of IPv4', $on, $mismatch],
	['8214@127.0.0.1' => 'address as a DNS name', $on, $mismatch],
	['8215@127.0.0.1' => 'unknown authority', $on, $unknown],
	['8215@127.0.0.1' => 'off, unknown authority',
		"$on pop3_proxy_ssl_verify off;"],
	['8216@127.0.0.1' => 'in plain', $on, qr/SSL/],

	['8216@127.0.0.2' => 'name of the configuration',
		"$on pop3_proxy_ssl_name backend.test;"],
	['8212@127.0.0.1' => 'address in place of that name',
		"$on pop3_proxy_ssl_name backend.test;", $mismatch],

	['8217@127.0.0.1' => 'STLS', $starttls],
	['8217@127.0.0.2' => 'STLS, certificate of another address', $starttls,
		$mismatch],
	['8216@127.0.0.1' => 'no STLS', $starttls, qr/STLS/],

	['8212@127.0.0.1' => 'TLS 1.2', "$on pop3_proxy_ssl_protocols TLSv1.2;"],
	['8212@127.0.0.2' => 'TLS 1.2, certificate of another address',
		"$on pop3_proxy_ssl_protocols TLSv1.2;", $mismatch],

	['8221@127.0.0.1' => 'XCLIENT refused', 'pop3_proxy_xclient on;',
		qr/XCLIENT/],
	['8222@127.0.0.1' => 'XCLIENT refused in TLS',
		"$on pop3_proxy_xclient on;", qr/XCLIENT/],
);

my $servers = '';

for my $i (0 .. $#cases) {
	my ($at, undef, $text) = @{$cases[$i]};

	$servers .= 'server { listen 127.0.0.1:' . (8120 + $i) . '; protocol pop3;'
		. " auth_http_header X-Route $at; $text }\n";
}

$t->plan(3 * (grep { !$_->[3] } @cases) + 4 * (grep { $_->[3] } @cases) + 26);

$t->write_file_expand('nginx.conf', <<"EOC");

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http  127.0.0.1:8280;
    max_errors 100;

    pop3_auth                          plain apop;
    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;

    $servers

    # where a login goes says its name

    server {
        listen         127.0.0.1:8110;
        protocol       pop3;
        pop3_proxy_ssl on;
    }

    server {
        listen         127.0.0.1:8111;
        protocol       pop3;
        pop3_proxy_ssl starttls;
    }

    server {
        listen             127.0.0.1:8112;
        protocol           pop3;
        pop3_proxy_ssl     on;
        pop3_proxy_xclient on;
    }

    server {
        listen             127.0.0.1:8113;
        protocol           pop3;
        pop3_proxy_ssl     starttls;
        pop3_proxy_xclient on;
    }
}

EOC

keep_certificates($dir);

issue('ca', ca => 1);
issue('stranger', ca => 1);
issue('localhost', by => 'ca', names => 'IP:127.0.0.1');
issue('second', by => 'ca', names => 'IP:127.0.0.2');
issue('v6', by => 'ca', names => 'IP:::1');
issue('127.0.0.1', by => 'ca', names => 'DNS:127.0.0.1');
issue('unknown', by => 'stranger', names => 'IP:127.0.0.1');
issue('named', by => 'ca', names => 'DNS:backend.test');

sub certificate {
	my ($name) = @_;

	return (SSL_cert_file => "$dir/$name.crt", SSL_key_file => "$dir/$name.key",
		SSL_ca_file => "$dir/$name.crt");
}

sub in_tls { return { tls => { ssl => 1, certificate($_[0]) } } }

my $xclient = '+OK [XCLIENT] ready';

start_backends($t,
	8212             => in_tls('localhost'),
	'127.0.0.2:8212' => in_tls('localhost'),
	'[::1]:8212'     => in_tls('v6'),
	8213             => in_tls('second'),
	'127.0.0.2:8213' => in_tls('second'),
	'[::1]:8213'     => in_tls('localhost'),
	8214             => in_tls('127.0.0.1'),
	8215             => in_tls('unknown'),
	8216             => {},
	'127.0.0.2:8216' => in_tls('named'),
	8217             => { tls => {} },
	'127.0.0.2:8217' => { tls => {} },
	8218             => { tls => { ssl => 1 }, greeting => $xclient },
	8219             => { tls => {}, greeting => $xclient },
	8221             => { greeting => $xclient, XCLIENT => '-ERR no' },
	8222             => { greeting => $xclient, XCLIENT => '-ERR no',
		tls => { ssl => 1 } },
);

start_auth($t, 8280 => { reply => sub {
	my ($r) = @_;

	my ($number, $host) = ($r->{'X-Route'} // $r->{user}) =~ /^(\d+)@(.*)$/;

	return kept($r, "Auth-Server: $host", 'Auth-Port: ' . port($number),
		$r->{'Auth-Method'} eq 'apop' ? 'Auth-Pass: secret' : ());
} });

$t->run();

###############################################################################

my $crlf = "\x0d\x0a";
my $welcome = '+OK logged in to backend';

for my $i (0 .. $#cases) {
	my ($at, $name, $text, $reason) = @{$cases[$i]};
	my ($number, $host) = $at =~ /^(\d+)@(.*)$/;
	my $s = session(8120 + $i);

	if ($reason) {
		$host = "[$host]" if $host =~ /:/;
		is_unavailable($t, $s, $name, $reason, "$host:" . port($number));
	} else {
		logs_in($s, $name, $text =~ /starttls/ ? 'STLS' : ());
	}
}

is(join("\n", errors_take($t)), '', 'no other error');

# No name is told where there is none, and TLS goes on where it was with that very
# backend.

connections_take();

for my $n (1, 2) {
	for my $at ('8212@127.0.0.1', '8213@127.0.0.2') {
		is(login(session(8110), 'secret', $at), $welcome, "$at, $n - login");
	}
}

my @tls = map { $_->{tls} // {} } connections_take();

is_deeply([map { $_->{sni} } @tls], [('') x 4], 'an address is no name');
is_deeply([map { $_->{reused} } @tls], [0, 0, 1, 1], 'each has its own session');

# all of it sent at once: a wrong password, and the right one

for my $case ([8110, '8212@127.0.0.1'], [8111, '8217@127.0.0.1', 'STLS'],
	[8112, '8218@127.0.0.1', 'XCLIENT'],
	[8113, '8219@127.0.0.1', 'STLS', 'XCLIENT'])
{
	my ($number, $login, @before) = @$case;
	my $name = join ' and ', $number % 2 ? () : 'TLS', @before;
	my $s = session($number);

	segment($s, join '', map { $_ . $crlf } "USER $login", 'PASS wrong',
		"USER $login", 'PASS secret', 'STAT', 'QUIT');

	is_deeply([replies($s, 6)], ['+OK', '-ERR [AUTH] invalid login or password',
		'+OK', $welcome, '+OK 1 23', '+OK bye from backend'],
		"$name, at once - replies");

	my @new = ended_take();
	my $mine = join ' ', 'ADDR=127.0.0.1', 'PORT=' . $s->socket()->sockport(),
		'DESTADDR=127.0.0.1', 'DESTPORT=' . port($number);

	is_deeply([map { join ', ', map { s/^(XCLIENT) \Q$mine\E .*/$1/r }
			@{$_->{lines}} } @new],
		[join(', ', @before, "USER $login", 'PASS wrong'),
			join(', ', @before, "USER $login", 'PASS secret', 'STAT', 'QUIT')],
		"$name, at once - what the backend is told");
	is(scalar(grep { $_->{tls} } @new), 2, "$name, at once - in TLS");
	is_deeply([map { @{$_->{early}} } @new], [],
		"$name, at once - nothing ahead of its turn");
}

# one that is not to be trusted, and then another backend, with the password that
# auth_http gives

my $s = session(8110);

segment($s, join '', map { $_ . $crlf } 'USER 8215@127.0.0.1', 'PASS secret',
	'APOP 8213@127.0.0.2 ' . 'f' x 32, 'QUIT');

is_deeply([replies($s, 4)], ['+OK', '-ERR [SYS/TEMP] mail server is not available',
	$welcome, '+OK bye from backend'], 'another backend - replies');
is_deeply([map { @{$_->{lines}} } ended_take()],
	['USER 8213@127.0.0.2', 'PASS secret', 'QUIT'],
	'another backend - alone is told of a login');

my @errors = errors_take($t, 1);

ok(@errors == 1 && $errors[0] =~ /$unknown.*, upstream: 127\.0\.0\.1:/,
	'another backend - error log') or diag(join "\n", @errors);

undef $s;
undef $t;

###############################################################################
