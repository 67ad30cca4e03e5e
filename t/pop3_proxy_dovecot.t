#!/usr/bin/perl

# Logins at a real Dovecot without an auth service (pop3_proxy_pass): in plain, by
# pop3s and by STLS, verified; what Dovecot learns of the client by the PROXY
# protocol and by XCLIENT; other people's clients; a wrong password.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Certificates;
use POP3Clients;
use POP3Dovecot;
use POP3Proxy;
use POP3Session;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

need(
	curl => 'curl', mpop => 'mpop', fetchmail => 'fetchmail',
	's-nail' => 's-nail', fdm => 'fdm',
);

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->plan(102);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    proxy_pass_error_message on;

    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;

    # three lines are enough

    server {
        listen          127.0.0.1:8110;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
    }

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8212;
        pop3_proxy_ssl  on;
    }

    server {
        listen          127.0.0.1:8130;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
        pop3_proxy_ssl  starttls;
    }

    # what Dovecot learns of the client

    server {
        listen          127.0.0.1:8140;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8213;
        proxy_protocol  on;
    }

    server {
        listen             127.0.0.1:8150;
        protocol           pop3;
        pop3_proxy_pass    127.0.0.1:8211;
        pop3_proxy_xclient on;
    }

    server {
        listen             127.0.0.1:8151;
        protocol           pop3;
        pop3_proxy_pass    127.0.0.1:8212;
        pop3_proxy_ssl     on;
        pop3_proxy_xclient on;
    }

    server {
        listen             127.0.0.1:8152;
        protocol           pop3;
        pop3_proxy_pass    127.0.0.1:8211;
        pop3_proxy_ssl     starttls;
        pop3_proxy_xclient on;
    }

    server {
        listen             127.0.0.1:8153;
        protocol           pop3;
        pop3_proxy_pass    127.0.0.1:8213;
        proxy_protocol     on;
        pop3_proxy_xclient on;
    }

    # in one segment

    server {
        listen                127.0.0.1:8154;
        protocol              pop3;
        pop3_proxy_pass       127.0.0.1:8211;
        pop3_proxy_pipelining on;
    }

    # TLS on both sides

    server {
        listen          127.0.0.1:8160;
        listen          127.0.0.1:8995 ssl;
        protocol        pop3;
        starttls        on;
        pop3_proxy_pass 127.0.0.1:8212;
        pop3_proxy_ssl  on;

        ssl_certificate     %%TESTDIR%%/localhost.crt;
        ssl_certificate_key %%TESTDIR%%/localhost.key;
    }

    server {
        listen          127.0.0.1:8170;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
        proxy_pass_error_message off;
    }

    # a wrong authority, and a wrong name

    server {
        listen          127.0.0.1:8180;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8212;
        pop3_proxy_ssl  on;
        pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/stranger.crt;
    }

    server {
        listen          127.0.0.1:8181;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
        pop3_proxy_ssl  starttls;
        pop3_proxy_ssl_name elsewhere.example.com;
    }
}

EOC

my ($login, $password) = ('test@example.com', 'secret');

keep_certificates($t->testdir());
issue($_, ca => 1) for qw/ ca stranger /;
issue('dovecot', by => 'ca', names => 'DNS:dovecot.example.com,IP:127.0.0.1');

set_up($t, $login, $password);
start_dovecot($t, $login, $password, certificate => 'dovecot',
	plain => 8211, pop3s => 8212, haproxy => 8213);

$t->run();

###############################################################################

my $unavailable = '-ERR [SYS/TEMP] mail server is not available';
my $expected = expected();
my @elsewhere = ('--interface', '127.0.0.5');

# What Dovecot logs is what the client of this name got.

sub logs_in {
	my ($name, $session, %logged) = @_;

	is($session->{message}, $expected, "$name - message")
		or diag($session->{dialogue});

	my $logged = next_login();

	is($logged->{$_}, $logged{$_}, "$name - Dovecot logs $_")
		for sort keys %logged;

	return $logged->{session} // '';
}

sub from_elsewhere {
	my ($number) = @_;

	return curl($number, '--user', "$login:$password", @elsewhere);
}

# plain, pop3s and STLS: the client seems to be nginx

my %proxy = (user => $login, method => 'PLAIN', rip => '127.0.0.1',
	lip => '127.0.0.1');

logs_in('plain', from_elsewhere(8110), %proxy, tls => 0);
logs_in('pop3s', from_elsewhere(8120), %proxy, tls => 1);
logs_in('STLS', from_elsewhere(8130), %proxy, tls => 1);
logs_in('pipelining', from_elsewhere(8154), %proxy, tls => 0);

# the client's address

logs_in('PROXY protocol', from_elsewhere(8140), rip => '127.0.0.5',
	lip => '127.0.0.1', tls => 0);

my @sessions = (
	logs_in('XCLIENT', from_elsewhere(8150), rip => '127.0.0.5', tls => 0),
	logs_in('XCLIENT, pop3s', from_elsewhere(8151), rip => '127.0.0.5', tls => 1),
	logs_in('XCLIENT, STLS', from_elsewhere(8152), rip => '127.0.0.5', tls => 1),
	logs_in('XCLIENT, PROXY protocol', from_elsewhere(8153), rip => '127.0.0.5',
		tls => 0),
);

# Dovecot's log and nginx's speak of the same session

my $log = $t->read_file('error.log');
my %seen;

for my $session (@sessions) {
	my ($pid, $number) = $session =~ /^(\d+)-(\d+)$/;

	ok(defined $number && !$seen{$session}++, 'XCLIENT - name of the session');

	my ($line) = grep { / $pid#\d+: \*$number client logged in/ } split /\n/, $log;

	like($line // '', qr/ login: "\Q$login\E"/, 'XCLIENT - the same in error.log');
}

# Other people's clients, with TLS to them and to Dovecot

logs_in('curl, STLS', curl(8160, '--user', "$login:$password", '--ssl-reqd'),
	%proxy, tls => 1);
logs_in('mpop, TLS', mpop(8995, 'plain', $password, '--tls=on',
	'--tls-starttls=off'), tls => 1);
logs_in('mpop, USER and PASS', mpop(8160, 'user'), tls => 1);
logs_in('fetchmail, STLS', fetchmail(8160, 'pop3', 'auth password', $password,
	"sslproto 'auto'"), tls => 1);
logs_in('s-nail, TLS', s_nail('TLS', 8995), tls => 1);
logs_in('s-nail', s_nail('plain', 8110), tls => 0);
logs_in('fdm, STLS', fdm('STLS', 8160), tls => 1);

for my $refused (
	['curl', curl(8110, '--user', "$login:wrong"), qr/^< -ERR \[AUTH\]/m],
	['mpop', mpop(8110, 'plain', 'wrong'), qr/^<-- -ERR \[AUTH\]/m],
	['fetchmail', fetchmail(8110, 'pop3', 'auth password', 'wrong'),
		qr/POP3< -ERR \[AUTH\]/],
	['s-nail', s_nail('plain', 8110, 'wrong'), qr/SERVER: -ERR \[AUTH\]/],
) {
	my ($name, $session, $dialogue) = @$refused;

	is($session->{message}, undef, "$name, wrong password - no message");
	like($session->{dialogue}, $dialogue, "$name, wrong password - told so");
}

# A wrong and then the right password in one session, and in one segment

sub session {
	my ($number) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));

	$s->read();

	return $s;
}

for my $way ([8110, 'plain'], [8120, 'pop3s'], [8130, 'STLS'], [8154, 'pipelining']) {
	my ($number, $name) = @$way;
	my $s = session($number);

	segment($s, join '', map { "$_\x0d\x0a" } "USER $login", 'PASS wrong',
		"USER $login", "PASS $password", 'STAT', 'QUIT');

	my @replies = replies($s, 6);

	is($replies[1], '-ERR [AUTH] Authentication failed.',
		"$name, wrong password - reply");
	like($replies[3], qr/^\+OK Logged in/, "$name, then the right one - login");
	like($replies[4], qr/^\+OK 2 /, "$name, then the right one - mailbox");
	ok(closed($s), "$name, then the right one - end");
	is(next_login()->{user}, $login, "$name, then the right one - Dovecot");
}

my $s = session(8170);

is(command($s, 'AUTH PLAIN ' . sasl_plain('', $login, 'wrong')),
	'-ERR [AUTH] invalid login or password', 'text of ours');
like(command($s, 'AUTH PLAIN ' . sasl_plain('', $login, $password)),
	qr/^\+OK Logged in/, 'text of ours, then the right password');

next_login();

# not the Dovecot that is meant: it sees no login, the next one is in plain

for my $way ([8180, 'unknown authority'], [8181, 'wrong name']) {
	my ($number, $name) = @$way;

	$s = session($number);
	command($s, "USER $login");
	is(command($s, "PASS $password"), $unavailable, "$name - reply");
	is(command($s, 'NOOP'), '+OK', "$name - session goes on");
}

undef $s;

logs_in('after them', from_elsewhere(8110), tls => 0);

# its last checks belong to the plan, and the functions above would keep it

undef $t;

###############################################################################
