#!/usr/bin/perl

# The session log with TLS, of clients and to backends: protocol and cipher, the bytes
# within, and sessions that end in a handshake.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Proxy;
use POP3SessionLog;
use POP3Users;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(22);
my $dir = $t->testdir();
my $login = 'test@example.com';

$t->write_file_expand('nginx.conf', <<"EOC");

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_log_format all escape=json '$FORMAT';
    pop3_log        sessions.log all;

    starttls        on;
    ssl_protocols   TLSv1.2 TLSv1.3;
    pop3_proxy_pass 127.0.0.1:8211;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/localhost.crt;
    pop3_proxy_ssl_name                localhost;

    server {
        listen   127.0.0.1:8110;
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
    }

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        pop3_proxy_ssl  on;
        pop3_proxy_pass 127.0.0.1:8212;
    }

    server {
        listen          127.0.0.1:8130 ssl;
        protocol        pop3;
        pop3_proxy_ssl  starttls;
        pop3_proxy_pass 127.0.0.1:8213;
    }

    # this backend is not believed

    server {
        listen              127.0.0.1:8140;
        protocol            pop3;
        pop3_proxy_ssl      on;
        pop3_proxy_ssl_name elsewhere;
        pop3_proxy_pass     127.0.0.1:8212;
    }

    server {
        listen                 127.0.0.1:8150 ssl;
        protocol               pop3;
        pop3_auth              plain external;
        pop3_auth_user_file    users;
        ssl_verify_client      optional;
        ssl_client_certificate %%TESTDIR%%/$login.crt;
    }

    server {
        listen   127.0.0.1:8160 ssl;
        listen   127.0.0.1:8161;
        protocol pop3;
        timeout  700ms;
    }
}

EOC

create_certificate($t, $_) for 'localhost', $login;
write_users($t, 'users', "$login:{PLAIN}secret\n");
use_session_log($t);
start_backends($t, 8211 => {}, 8212 => { tls => { ssl => 1 } },
	8213 => { tls => { SSL_version => 'TLSv1_2' } });

$t->run();

###############################################################################

my @user = ("USER $login", 'PASS secret');
my %in = (status => 'ok', login => $login, method => 'user', login_attempts => 1,
	upstream_addr => '127.0.0.1:' . port(8211), end => 'client');
my $s;

sub quit {
	$s->send('QUIT');
	1 while $s->more();
}

# What the client knows of its TLS.

sub tls {
	my $socket = $s->socket();

	return (
		ssl_protocol => $socket->get_sslversion() =~ s/_/./r,
		ssl_cipher   => $socket->get_cipher(),
	);
}

# the port of pop3s, and STLS, with each version

for my $version ('TLSv1_2', 'TLSv1_3') {
	my %args = (SSL_version => $version);
	my $name = $version =~ s/_/./r;

	$s = client(8995, SSL => 1, %args);
	command($s, $_) for @user, 'RETR 1';

	my %tls = tls();

	is($tls{ssl_protocol}, $name, "$version - is what is spoken");
	quit();
	is_logged($s, "$version, TLS port", %in, %tls);

	$s = client(8110);
	command($s, 'STLS');
	ok(starttls($s, %args), "$version, STLS - handshake");
	%tls = tls();
	command($s, $_) for @user;
	quit();
	is_logged($s, "$version, STLS", %in, %tls);
}

# what the first session has said before STLS is gone, but for its bytes

$s = client(8110);
command($s, $_) for 'USER other', 'STLS';
starttls($s);
my %tls = tls();
quit();
is_logged($s, 'STLS behind USER', %tls, end => 'client');

# those that end in a handshake, which begins behind the greeting or before

for my $how (\&abandon, \&reset_by_client) {
	$s = client(8110);
	command($s, 'STLS');
	$s->socket()->syswrite("\x16\x03\x01\x02\x00\x01");
	$how->($s);
	is_logged($s, 'STLS - client goes in the handshake', end => qr/^(?:client|error)$/);

	$s = client(8995, SSL => 1);
	%tls = tls();
	command($s, $user[0]);
	$how->($s);
	is_logged($s, 'TLS port - client goes', %tls, login => $login, end => 'client');
}

$s = client(8110);
command($s, 'STLS');
$s->print("no handshake\x0d\x0a");
1 while $s->more();
is_logged($s, 'STLS - no handshake', end => qr/^(?:client|error)$/, bytes_received => 6);

$s = client(8160, SSL => 1);
%tls = tls();
1 while $s->more();
is_logged($s, 'TLS port - timeout', %tls, end => 'timeout');

$s = client(8161);
command($s, 'STLS');
$s->socket()->syswrite("\x16\x03\x01\x02\x00\x01");
1 while $s->more();
is_logged($s, 'STLS - timeout in the handshake', end => 'timeout', bytes_received => 6);

# on a port that has TLS from the start there is no session yet in its handshake

for my $bytes ('', "USER x\x0d\x0a", "\x16\x03\x01\x02\x00\x01") {
	my $raw = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8995));
	$raw->print($bytes);
	reset_by_client($raw);
}

is(scalar next_lines('sessions.log', 0), 0, 'TLS port - no session without handshake');

# TLS to the backend

$s = client(8120);
command($s, $_) for @user;
quit();
is_logged($s, 'pop3_proxy_ssl on', %in, upstream_addr => '127.0.0.1:' . port(8212),
	upstream_ssl_protocol => 'TLSv1.3');

$s = client(8130, SSL => 1);
command($s, $_) for @user;
%tls = tls();
quit();
is_logged($s, 'pop3_proxy_ssl starttls, and TLS to the client', %in, %tls,
	upstream_addr => '127.0.0.1:' . port(8213), upstream_ssl_protocol => 'TLSv1.2');

$s = client(8140);
command($s, $_) for @user;
quit();
is_logged($s, 'a certificate that is not trusted', %in, status => 'failed',
	upstream_addr => '127.0.0.1:' . port(8212), upstream_ssl_protocol => 'TLSv1.3');

# a client that a certificate names

$s = client(8150, SSL => 1, SSL_cert_file => "$dir/$login.crt",
	SSL_key_file => "$dir/$login.key");
command($s, 'AUTH EXTERNAL =');
%tls = tls();
quit();
is_logged($s, 'external', %in, %tls, method => 'external');

$s = client(8150, SSL => 1);
command($s, 'AUTH EXTERNAL =');
%tls = tls();
quit();
is_logged($s, 'external, no certificate', %tls, method => 'external', status => 'failed',
	login_attempts => 1, end => 'client');

undef $s;

###############################################################################
