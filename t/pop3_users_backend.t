#!/usr/bin/perl

# Where users of a file log in: the backend that stands there, in each form, or that of
# pop3_proxy_pass; TLS by its own name, XCLIENT, the next address, and one that fails.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Socket::IP;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Certificates;
use POP3Login;
use POP3Proxy;
use POP3Users;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(135);

my $has_ipv6 = IO::Socket::IP->new(LocalAddr => '::1', Listen => 1);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_auth           plain apop cram-md5;
    pop3_auth_user_file users;
    pop3_proxy_pass     127.0.0.1:8211;
    max_errors          100;

    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    # another fallback, and none

    server {
        listen          127.0.0.1:8111;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8212;
    }

    server {
        listen             127.0.0.1:8112;
        protocol           pop3;
        pop3_proxy_xclient on;
    }

    # TLS to all of them

    server {
        listen              127.0.0.1:8120;
        protocol            pop3;
        pop3_proxy_ssl      on;
        pop3_auth_user_file tls;
        pop3_proxy_pass     one.example.com:%%PORT_8221%%;
    }

    server {
        listen              127.0.0.1:8121;
        protocol            pop3;
        pop3_proxy_ssl      starttls;
        pop3_auth_user_file starttls;
        pop3_proxy_pass     one.example.com:%%PORT_8222%%;
    }

    server {
        listen              127.0.0.1:8122;
        protocol            pop3;
        pop3_proxy_ssl      on;
        pop3_proxy_ssl_name one.example.com;
        pop3_auth_user_file named;
        pop3_proxy_pass     one.example.com:%%PORT_8221%%;
    }

    # the port where none stands

    server {
        listen              127.0.0.1:8130;
        protocol            pop3;
        pop3_auth_user_file default;
    }

    server {
        listen              127.0.0.1:8140;
        protocol            pop3;
        pop3_auth_user_file many;
    }

    server {
        listen              127.0.0.1:8131;
        protocol            pop3;
        pop3_proxy_ssl      on;
        pop3_auth_user_file default;
    }
}

EOC

my $dir = $t->testdir();
my $welcome = '+OK logged in to backend';

write_users($t, 'users', <<'EOF');
first:{PLAIN}secret
closed:{PLAIN}secret:
v4:{PLAIN}secret:127.0.0.1:8213
v6:{PLAIN}secret:[::1]:%%PORT_8214%%
unix:{PLAIN}secret:unix:%%TESTDIR%%/backend.sock
name:{PLAIN}secret:one.example.com:%%PORT_8213%%
delegated::127.0.0.1:8213
hash:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=:127.0.0.1:8213
same:{PLAIN.b64}c2VjcmV0:127.0.0.1:8213
next:{PLAIN}secret:three.example.com:%%PORT_8215%%
turns:{PLAIN}secret:three.example.com:%%PORT_8217%%
gone:{PLAIN}secret:127.0.0.1:8219
xclient:{PLAIN}secret:127.0.0.1:8216
EOF

write_users($t, 'tls', <<'EOF');
fallback:{PLAIN}secret
own:{PLAIN}secret:two.example.com:%%PORT_8223%%
address:{PLAIN}secret:127.0.0.1:8224
other:{PLAIN}secret:two.example.com:%%PORT_8221%%
other address:{PLAIN}secret:127.0.0.1:8221
EOF

write_users($t, 'starttls', "own:{PLAIN}secret:two.example.com:%%PORT_8225%%\n"
	. "other:{PLAIN}secret:two.example.com:%%PORT_8222%%\n");
write_users($t, 'named', "named:{PLAIN}secret:127.0.0.1:8221\n"
	. "other:{PLAIN}secret:two.example.com:%%PORT_8223%%\n");
write_users($t, 'default', "v4:{PLAIN}secret:127.86.7.5\n"
	. "name:{PLAIN}secret:nobody.example.com\n");

write_users($t, 'many', join '', map { "many$_:{PLAIN}secret:127.86.7.5:$_\n" } 1 .. 1000);

keep_certificates($dir);
issue('ca', ca => 1);
issue('one', by => 'ca', names => 'DNS:one.example.com');
issue('two', by => 'ca', names => 'DNS:two.example.com');
issue('address', by => 'ca', names => 'IP:127.0.0.1');

sub tls {
	my ($name, @more) = @_;

	return (tls => { @more, SSL_cert_file => "$dir/$name.crt",
		SSL_key_file => "$dir/$name.key" });
}

start_backends($t,
	(map { $_ => {} } 8211, 8212, 8213, 'unix:backend.sock'),
	$has_ipv6 ? ('[::1]:8214' => {}) : (),
	(map { $_ => {} } '127.0.0.3:8215', '127.0.0.2:8217', '127.0.0.3:8217'),
	8216 => { greeting => '+OK [XCLIENT] ready' },
	8221 => { tls('one', ssl => 1) },
	8222 => { tls('one') },
	8223 => { tls('two', ssl => 1) },
	8224 => { tls('address', ssl => 1) },
	8225 => { tls('two') },
);

run_with_hosts($t, <<'EOF');
127.0.0.1 one.example.com
127.0.0.1 two.example.com
127.0.0.2 three.example.com
127.0.0.3 three.example.com
127.86.7.5 nobody.example.com
EOF

###############################################################################

my $s;

# The login is done there, in one connection, which is returned.

sub logs_in_at {
	my ($name, $number, $login, $at, @before) = @_;

	connections_take();
	is(login_by('USER and PASS', $number, $login, 'secret'), $welcome,
		"$name - login");

	my @new = grep { $_->{lines} && @{$_->{lines}} } connections_take();
	my $c = $new[0] // { lines => [] };

	is($c->{at}, $at, "$name - backend");
	is_deeply([map { @{$_->{lines}} } @new], [@before, "USER $login", 'PASS secret'],
		"$name - what it is told");

	return $c;
}

# The login is right, but something is wrong with the backend: it is told nothing.

sub fails_at {
	my ($name, $number, $login, $reason, $upstream) = @_;

	errors_take($t);
	connections_take();
	($s) = greeted($number);
	is(login_by('USER and PASS', $s, $login, 'secret'),
		'-ERR [SYS/TEMP] mail server is not available', "$name - reply");
	is(command($s, 'NOOP'), '+OK', "$name - session goes on");

	my @errors = errors_take($t, 1);

	like($errors[-1] // '', qr/$reason.*, upstream: \Q$upstream\E$/i,
		"$name - error log");
	is_deeply([grep { /USER|PASS|secret/ } told()], [], "$name - told nothing");
}

# the third field, else pop3_proxy_pass

logs_in_at('no third field', 8110, 'first', 8211);
logs_in_at('an empty one', 8110, 'closed', 8211);
logs_in_at('no third field, another fallback', 8111, 'first', 8212);
logs_in_at('IPv4', 8110, 'v4', 8213);
logs_in_at('IPv4, another fallback', 8111, 'v4', 8213);
logs_in_at('unix socket', 8110, 'unix', 'unix:backend.sock');
logs_in_at('name', 8110, 'name', 8213);
logs_in_at('empty password', 8110, 'delegated', 8213);
logs_in_at('hash', 8110, 'hash', 8213);
logs_in_at('a place that others have', 8110, 'same', 8213);

SKIP: {
	skip 'no IPv6', 3 unless $has_ipv6;

	logs_in_at('IPv6', 8110, 'v6', '[::1]:8214');
}

# by a digest, and one after another in one session

for my $method (digest_methods()) {
	connections_take();
	is(login_by($method, 8110, 'v4', 'secret'), $welcome, "$method - login");
	is((connections_take())[-1]{at}, 8213, "$method - backend");
}

($s) = greeted(8110);
login_by('USER and PASS', $s, 'first', 'wrong');
login_by('USER and PASS', $s, 'delegated', 'wrong');
is((connections_take())[-1]{at}, 8213, 'the first backend refuses');
is(login_by('USER and PASS', $s, 'first', 'secret'), $welcome, 'then another - login');
is((connections_take())[-1]{at}, 8211, 'then another - backend');

# the addresses of a name in turn: those that nobody listens on are passed over

logs_in_at("next address, $_", 8110, 'next', '127.0.0.3:8215') for 1 .. 3;

my %turns;

for my $i (1 .. 4) {
	connections_take();
	is(login_by('USER and PASS', 8110, 'turns', 'secret'), $welcome,
		"addresses in turn, $i - login");
	$turns{(connections_take())[-1]{at}}++;
}

is_deeply(\%turns, { '127.0.0.2:8217' => 2, '127.0.0.3:8217' => 2 },
	'addresses in turn - backends');

# each of many has its own: one that nobody listens on tells which it is

fails_at("one of many, $_", 8140, "many$_", qr/connect\(\) failed/, "127.86.7.5:$_")
	for 1, 2, 500, 999, 1000;

# nobody there

fails_at('gone', 8110, 'gone', qr/connect\(\) failed/, '127.0.0.1:' . port(8219));
is(login_by('USER and PASS', $s, 'v4', 'secret'), $welcome, 'gone - then another');

# the port where none stands

fails_at('port', 8130, 'v4', qr/connect\(\) failed/, '127.86.7.5:110');
fails_at('port of a name', 8130, 'name', qr/connect\(\) failed/, '127.86.7.5:110');
fails_at('port, TLS', 8131, 'v4', qr/connect\(\) failed/, '127.86.7.5:995');

# XCLIENT

connections_take();
is(login_by('USER and PASS', 8112, 'xclient', 'secret'), $welcome, 'XCLIENT - login');
my ($xclient, @lines) = told();
like($xclient // '', qr/^XCLIENT ADDR=127\.0\.0\.1 PORT=\d+ /, 'XCLIENT - line');
is_deeply(\@lines, ['USER xclient', 'PASS secret'], 'XCLIENT - order');
logs_in_at('XCLIENT, not offered', 8112, 'v4', 8213);

# TLS: each place has its own name, and its own SNI

is(logs_in_at('TLS, fallback', 8120, 'fallback', 8221)->{tls}{sni},
	'one.example.com', 'TLS, fallback - SNI');
is(logs_in_at('TLS, own', 8120, 'own', 8223)->{tls}{sni}, 'two.example.com',
	'TLS, own - SNI');
is(logs_in_at('TLS, address', 8120, 'address', 8224)->{tls}{sni} // '', '',
	'TLS, address - no SNI');
fails_at('TLS, another name', 8120, 'other', qr/certificate/,
	'127.0.0.1:' . port(8221));
fails_at('TLS, another address', 8120, 'other address', qr/certificate/,
	'127.0.0.1:' . port(8221));
logs_in_at('TLS, own again', 8120, 'own', 8223);
logs_in_at('STLS, own', 8121, 'own', 8225, 'STLS');
fails_at('STLS, another name', 8121, 'other', qr/certificate/,
	'127.0.0.1:' . port(8222));
logs_in_at('TLS, pop3_proxy_ssl_name', 8122, 'named', 8221);
fails_at('TLS, pop3_proxy_ssl_name for all', 8122, 'other', qr/certificate/,
	'127.0.0.1:' . port(8223));

# the login that is shown to nginx is in its lines

like($t->read_file('error.log'), qr/client logged in.*, login: "v4".*upstream/,
	'log - login and backend');

undef $s;

# its last checks belong to the plan, and the functions above would keep it

undef $t;

###############################################################################
