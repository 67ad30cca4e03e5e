#!/usr/bin/perl

# Logins by clients that others wrote (curl, mpop, fetchmail, s-nail, fdm,
# Python's poplib, Perl's Net::POP3) through nginx to a real Dovecot: each method
# by at least one of them, and a message that arrives as it is in the mailbox.
# More clients, in their default settings: clients/defaults.t.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Proxy;
use POP3Clients;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

need(
	curl => 'curl', mpop => 'mpop', fetchmail => 'fetchmail',
	python3 => 'python3', 's-nail' => 's-nail', fdm => 'fdm',
	'IO::Socket::SSL' => 'libio-socket-ssl-perl',
	'Authen::SASL' => 'libauthen-sasl-perl',
	'Digest::HMAC_MD5' => 'libdigest-hmac-perl',
);

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->plan(209);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http                127.0.0.1:8080;
    proxy_pass_error_message on;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen    127.0.0.1:8110;
        protocol  pop3;
        pop3_auth plain;
    }

    # clients that prefer SASL take USER and PASS here

    server {
        listen    127.0.0.1:8120;
        protocol  pop3;
        pop3_auth external;
    }

    server {
        listen    127.0.0.1:8121;
        protocol  pop3;
        pop3_auth plain apop cram-md5;
    }

    server {
        listen    127.0.0.1:8122;
        protocol  pop3;
        pop3_auth plain cram-md5;
    }

    server {
        listen    127.0.0.1:8123;
        protocol  pop3;
        pop3_auth plain xoauth2 oauthbearer;
        starttls  on;
    }

    # TLS

    server {
        listen   127.0.0.1:8130;
        protocol pop3;
        starttls on;
    }

    server {
        listen   127.0.0.1:8131;
        protocol pop3;
        starttls only;
    }

    server {
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
    }

    # the certificate is the proof

    server {
        listen    127.0.0.1:8140;
        protocol  pop3;
        pop3_auth external;
        starttls  only;

        ssl_verify_client      on;
        ssl_client_certificate %%TESTDIR%%/client.crt;
    }

    # tells the backend where the client is

    server {
        listen         127.0.0.1:8150;
        protocol       pop3;
        auth_http      127.0.0.1:8081;
        proxy_protocol on;
    }
}

EOC

my $d = $t->testdir();

my ($login, $password) = ('test@example.com', 'secret');

create_certificate($t, 'client');
start_servers($t, $login, $password, haproxy => 8112);

# A second auth_http server, alike but for the backend that it names, with one
# record for both.

my %port = map { $_ => port($_) } 8081, 8112, 8119;

$t->run_daemon(\&POP3Servers::auth_daemon, $d,
	{ %port, 8080 => $port{8081}, 8111 => $port{8112} });

$t->waitforsocket("127.0.0.1:$port{8081}")
	or die "Can't start the daemon on port 8081\n";

$t->run();

###############################################################################

my $expected = expected();

# curl.  It shows what it sends, base64 included.

my @any = ('--user', "$login:$password");
my @wrong = ('--user', "$login:wrong");
my @external = ('--user', "$login:", '--login-options', 'AUTH=EXTERNAL',
	'--cert', "$d/client.crt", '--key', "$d/client.key");

sub auth { return ('--login-options', "AUTH=$_[0]") }

login('curl, USER and PASS', curl(8120, @any),
	qr/^> USER \Q$login\E\n.*^> PASS $password\n/ms, 'plain');
login('curl, AUTH PLAIN', curl(8110, @any, auth('PLAIN')),
	qr/^> AUTH PLAIN\n< \+ *\n> \S+\n/m, 'plain');
login('curl, AUTH PLAIN, initial response',
	curl(8110, @any, auth('PLAIN'), '--sasl-ir'),
	qr/^> AUTH PLAIN \S+\n< \+OK/m, 'plain');
login('curl, AUTH LOGIN', curl(8110, @any, auth('LOGIN')),
	qr/^> AUTH LOGIN\n< \+ VX\S+\n> \S+\n< \+ UG\S+\n> \S+\n/m, 'plain');
login('curl, AUTH LOGIN, initial response',
	curl(8110, @any, auth('LOGIN'), '--sasl-ir'),
	qr/^> AUTH LOGIN \S+\n< \+ UG\S+\n> \S+\n/m, 'plain');
login('curl, APOP', curl(8121, @any, auth('+APOP')),
	qr/^> APOP \Q$login\E [0-9a-f]{32}\n/m, 'apop');
login('curl, CRAM-MD5', curl(8121, @any, auth('CRAM-MD5')),
	qr/^> AUTH CRAM-MD5\n< \+ \S+\n> \S+\n/m, 'cram-md5');
login('curl, STLS', curl(8130, @any, '--ssl-reqd'),
	qr/^> STLS\n< \+OK.*^> CAPA\n.*^> AUTH PLAIN\n/ms, 'plain');
login('curl, STLS required', curl(8131, @any, '--ssl-reqd'),
	qr/^> STLS\n< \+OK.*^> AUTH PLAIN\n/ms, 'plain');
login('curl, TLS', curl(8995, @any), qr/^\* SSL connection.*^> AUTH PLAIN\n/ms,
	'plain');

my $request = login('curl, EXTERNAL', curl(8140, @external, '--ssl-reqd'),
	qr/^> AUTH EXTERNAL\n< \+ \S+\n> \S+\n/m, 'external');
is($request->{'Auth-SSL-Verify'}, 'SUCCESS', 'curl, EXTERNAL - certificate');
is($request->{pass}, '', 'curl, EXTERNAL - no password');

$request = login('curl, EXTERNAL, initial response',
	curl(8140, @external, '--ssl-reqd', '--sasl-ir'),
	qr/^> AUTH EXTERNAL \S+\n< \+OK/m, 'external');
is($request->{'Auth-SSL-Verify'}, 'SUCCESS',
	'curl, EXTERNAL, initial response - certificate');

refused('curl, USER and PASS', curl(8120, @wrong), qr/^< -ERR/m, 'plain');
refused('curl, AUTH PLAIN', curl(8110, @wrong, auth('PLAIN')), qr/^< -ERR/m,
	'plain');
refused('curl, AUTH LOGIN', curl(8110, @wrong, auth('LOGIN')), qr/^< -ERR/m,
	'plain');
refused('curl, APOP', curl(8121, @wrong, auth('+APOP')), qr/^< -ERR/m, 'apop');
refused('curl, CRAM-MD5', curl(8121, @wrong, auth('CRAM-MD5')), qr/^< -ERR/m,
	'cram-md5');
refused('curl, EXTERNAL, no certificate', curl(8140, '--user', "$login:",
	auth('EXTERNAL'), '--ssl-reqd'), qr/^< -ERR .*certificate/m);
refused('curl, STLS required but not used', curl(8131, @any), qr/curl: \(67\)/);

# mpop

login('mpop, USER and PASS', mpop(8110, 'user'),
	qr/^--> USER \Q$login\E\n/m, 'plain');
login('mpop, AUTH PLAIN', mpop(8110, 'plain'), qr/^--> AUTH PLAIN/m, 'plain');
login('mpop, AUTH LOGIN', mpop(8110, 'login'), qr/^--> AUTH LOGIN/m, 'plain');
login('mpop, APOP', mpop(8121, 'apop'), qr/^--> APOP /m, 'apop');
login('mpop, CRAM-MD5', mpop(8121, 'cram-md5'), qr/^--> AUTH CRAM-MD5\n/m,
	'cram-md5');
login('mpop, STLS', mpop(8130, 'plain', $password, '--tls=on'),
	qr/^--> STLS\n/m, 'plain');
login('mpop, TLS',
	mpop(8995, 'plain', $password, '--tls=on', '--tls-starttls=off'),
	qr/^--> AUTH PLAIN/m, 'plain');
login('mpop, EXTERNAL', mpop(8140, 'external', $password, '--tls=on',
	"--tls-cert-file=$d/client.crt", "--tls-key-file=$d/client.key"),
	qr/^--> AUTH EXTERNAL/m, 'external');

refused('mpop, AUTH PLAIN', mpop(8110, 'plain', 'wrong'), qr/^<-- -ERR/m,
	'plain');
refused('mpop, CRAM-MD5', mpop(8121, 'cram-md5', 'wrong'), qr/^<-- -ERR/m,
	'cram-md5');

# fetchmail

login('fetchmail, USER and PASS', fetchmail(8110, 'pop3', 'auth password'),
	qr/POP3> USER /, 'plain');
login('fetchmail, APOP', fetchmail(8121, 'apop', ''), qr/POP3> APOP /, 'apop');
login('fetchmail, CRAM-MD5', fetchmail(8121, 'pop3', 'auth cram-md5'),
	qr/POP3> AUTH CRAM-MD5\n/, 'cram-md5');
login('fetchmail, STLS', fetchmail(8130, 'pop3', 'auth password', $password,
	"sslproto 'auto'"), qr/POP3> STLS\n/, 'plain');

refused('fetchmail', fetchmail(8110, 'pop3', 'auth password', 'wrong'),
	qr/POP3< -ERR/, 'plain');

# with a password, where tokens are taken as well

login('curl, password', curl(8123, @any), qr/^> AUTH PLAIN\n/m, 'plain');
login('mpop, password', mpop(8123, 'on', $password, '--tls=on'),
	qr/^--> AUTH PLAIN/m, 'plain');
login('fetchmail, password', fetchmail(8123, 'pop3', ''), qr/POP3> USER /, 'plain');
login('s-nail, password', s_nail('plain', 8123), qr/>>> USER /, 'plain');
login('fdm, password', fdm('plain', 8123), qr/^> USER /m, 'plain');

# s-nail and fdm, which log in by APOP wherever the greeting holds a challenge

login('s-nail, USER and PASS', s_nail('plain', 8122), qr/>>> USER /, 'plain');
login('s-nail, APOP', s_nail('plain', 8121), qr/>>> APOP /, 'apop');
login('s-nail, STLS', s_nail('STLS', 8130), qr/>>> STLS\n.*>>> USER /s, 'plain');
login('s-nail, TLS', s_nail('TLS', 8995), qr/TLS connection.*>>> USER /s,
	'plain');

refused('s-nail', s_nail('plain', 8110, 'wrong'), qr/SERVER: -ERR/, 'plain');

login('fdm, USER and PASS', fdm('plain', 8122), qr/^> USER /m, 'plain');
login('fdm, APOP', fdm('plain', 8121), qr/^> APOP /m, 'apop');
login('fdm, STLS', fdm('STLS', 8130), qr/^> STLS\n.*^> USER /ms, 'plain');
login('fdm, TLS', fdm('TLS', 8995), qr/^> USER /m, 'plain');

refused('fdm', fdm('plain', 8110, 'wrong'), qr/^< -ERR/m, 'plain');

# Python's poplib

login('poplib, USER and PASS', poplib(8110, 'user'), qr/\*cmd\* 'USER /,
	'plain');
login('poplib, APOP', poplib(8121, 'apop'), qr/\*cmd\* 'APOP /, 'apop');
login('poplib, STLS', poplib(8131, 'stls'), qr/\*cmd\* 'STLS'/, 'plain');
login('poplib, TLS', poplib(8995, 'pop3s'), qr/\*cmd\* 'USER /, 'plain');

refused('poplib', poplib(8110, 'user', 'wrong'), qr/error_proto: b'-ERR/,
	'plain');

# Perl's Net::POP3

login('Net::POP3, USER and PASS', net_pop3(8110, 'user'), qr/>>> USER /,
	'plain');
login('Net::POP3, APOP', net_pop3(8121, 'apop'), qr/>>> APOP /, 'apop');
login('Net::POP3, AUTH PLAIN', net_pop3(8110, 'PLAIN'), qr/>>> AUTH PLAIN \S+\n/,
	'plain');
login('Net::POP3, AUTH LOGIN', net_pop3(8110, 'LOGIN'), qr/>>> AUTH LOGIN\n/,
	'plain');
login('Net::POP3, CRAM-MD5', net_pop3(8121, 'CRAM-MD5'),
	qr/>>> AUTH CRAM-MD5\n/, 'cram-md5');
login('Net::POP3, STLS', net_pop3(8131, 'stls'), qr/>>> STLS\n/, 'plain');
login('Net::POP3, TLS', net_pop3(8995, 'pop3s'), qr/>>> USER /, 'plain');

refused('Net::POP3', net_pop3(8110, 'user', 'wrong'), qr/<<< -ERR/, 'plain');

# PROXY protocol: the address that Dovecot logs is the client's, and nginx's
# own without.  A line of its log may come when the client has gone.

login('no PROXY protocol', curl(8110, @any, '--interface', '127.0.0.2'),
	qr/^> RETR/m, 'plain');
login('PROXY protocol', curl(8150, @any, '--interface', '127.0.0.3'),
	qr/^> RETR/m, 'plain');

ok(wait_until(sub { logged_rip('127.0.0.3') }), 'PROXY protocol - address');
ok(!logged_rip('127.0.0.2'), 'no PROXY protocol - address');

# its last checks belong to the plan, and the functions below would keep it

undef $t;

###############################################################################

# A session that fetches the message; returns the last auth_http request.

sub login {
	my ($name, $session, $dialogue, $method) = @_;

	is($session->{message}, $expected, "$name - message")
		or diag($session->{dialogue});
	like($session->{dialogue}, $dialogue, "$name - dialogue");

	return asked($name, $method);
}

# A session that must fail; without a method, before the auth service is asked.

sub refused {
	my ($name, $session, $dialogue, @method) = @_;

	is($session->{message}, undef, "$name, refused - no message");
	isnt($session->{status}, 0, "$name, refused - exit status")
		if exists $session->{status};
	like($session->{dialogue}, $dialogue, "$name, refused - dialogue");
	asked("$name, refused", @method);
}

sub asked {
	my ($name, @method) = @_;

	my @requests = auth_take();

	is_deeply([map { $_->{'Auth-Method'} } @requests], \@method,
		"$name - auth_http");

	return $requests[-1];
}

sub logged_rip {
	my ($address) = @_;

	return $t->read_file('dovecot.log')
		=~ / Log(?:in|ged in): .* rip=\Q$address\E,/;
}

###############################################################################
# More clients than those of POP3Clients

sub poplib {
	my ($number, $method, $secret) = @_;

	return client('python3', 'clients/python_poplib.py', $method,
		port($number), $secret // $password, "$d/localhost.crt",
		"$d/message");
}

sub net_pop3 {
	my ($number, $method, $secret) = @_;

	return client($^X, 'clients/perl_net_pop3.pl', $method,
		port($number), $secret // $password, "$d/localhost.crt",
		"$d/message");
}

###############################################################################
