#!/usr/bin/perl

# Backends that auth_http names by a host name: how that is looked up, what becomes of
# a login whose name cannot be, and whom TLS expects there.

###############################################################################

use warnings;
use strict;

use Socket qw/ SOL_SOCKET SO_LINGER /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Certificates;
use POP3DNS;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl --with-debug/)
	->has_daemon('openssl')->plan(206);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http  127.0.0.1:8280;
    max_errors 100;
    pop3_auth  plain xoauth2;

    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;

    server {
        listen           127.0.0.1:8110;
        protocol         pop3;
        resolver         127.0.0.2:%%PORT_8253%% ipv6=off;
        resolver_timeout 1s;
    }

    server {
        listen           127.0.0.1:8120;
        protocol         pop3;
        timeout          2s;
        resolver         127.0.0.2:%%PORT_8253%% ipv6=off;
        resolver_timeout 60s;
    }

    server {
        listen           127.0.0.1:8121;
        protocol         pop3;
        timeout          2s;
        resolver         127.0.0.2:%%PORT_8253%% ipv6=off;
        resolver_timeout 0;
    }

    server {
        listen   127.0.0.1:8130;
        protocol pop3;
    }

    server {
        listen   127.0.0.1:8131;
        protocol pop3;
        resolver off;
    }

    server {
        listen         127.0.0.1:8140;
        protocol       pop3;
        resolver       127.0.0.2:%%PORT_8253%% ipv6=off;
        pop3_proxy_ssl on;
    }

    server {
        listen                   127.0.0.1:8141;
        protocol                 pop3;
        resolver                 127.0.0.2:%%PORT_8253%% ipv6=off;
        pop3_proxy_ssl           starttls;
        pop3_auth_http_keepalive 2;
    }

    server {
        listen           127.0.0.1:8150;
        protocol         pop3;
        resolver         127.0.0.2:%%PORT_8253%%;
        resolver_timeout 60s;
    }
}

EOC

keep_certificates($t->testdir());

issue('ca', ca => 1);
issue('localhost', by => 'ca', names => 'DNS:good.test');
issue('address', by => 'ca', names => 'IP:127.0.0.1');

# A login is where it goes.

my %port = map { $_ => port($_) } 8211, 8212, 8213, 8214, 8215;

start_auth($t, 8280 => { reply => sub {
	my ($r) = @_;

	my ($name, $number) = $r->{user} =~ /^(.*)-(\d+)$/;

	return kept($r, "Auth-Server: $name", "Auth-Port: $port{$number}");
} });

start_dns($t, '127.0.0.2:8253',
	'one.test'    => ['127.0.0.1'],
	'two.test'    => ['127.0.0.3', '127.0.0.1'],
	'second.test' => ['127.0.0.2', '127.0.0.1'],
	'down.test'   => ['127.0.0.3', '127.0.0.4'],
	'many.test'   => [map { "127.0.1.$_" } 1 .. 30],
	'alias.test'  => ['target.test', '127.0.0.1'],
	'far.test'    => ['one.test'],
	'loop.test'   => ['loop.test'],
	'empty.test'  => [],
	'fails.test'  => 'SERVFAIL',
	'silent.test' => 'silence',
	'late.test'   => [['until', 'now'], '127.0.0.1'],
	'gone.test'   => [['until', 'then'], '127.0.0.1'],
	'stays.test'  => [['until', 'reloaded'], '127.0.0.1'],
	'six.test'    => ['::1'],
	'good.test'   => ['127.0.0.1'],
	'other.test'  => ['127.0.0.1'],
);

my $address = { SSL_cert_file => $t->testdir() . '/address.crt',
	SSL_key_file => $t->testdir() . '/address.key' };

start_backends($t,
	8211             => {},
	8212             => { tls => { ssl => 1 } },
	8213             => { tls => {} },
	8214             => { tls => { ssl => 1, %$address } },
	8215             => {},
	'127.0.0.2:8215' => { greeting => '-ERR not now' },
	'[::1]:8215'     => { PASS => '+OK logged in to v6' },
);

$t->run();

###############################################################################

my $welcome = '+OK logged in to backend';
my $internal = '-ERR [SYS/TEMP] internal server error';
my $unavailable = '-ERR [SYS/TEMP] mail server is not available';

# Two checks: the login succeeds, after these queries.

sub goes {
	my ($number, $name, $where, @asked) = @_;

	is(login(session($number), 'secret', $where), $welcome, "$name - login");
	is_deeply([dns_take()], \@asked, "$name - asked");
}

# Three: the login fails, with one line, and the next one in the session succeeds.

sub fails {
	my ($number, $name, $where, $line, $reply, $then) = @_;

	my $s = session($number);

	errors_take($t);
	is(login($s, 'secret', $where), $reply // $unavailable, "$name - reply");

	my @errors = errors_take($t, 1);

	ok(@errors == 1 && $errors[0] =~ $line, "$name - error line")
		or diag(join "\n", @errors);
	is(login($s, 'secret', $then // 'one.test-8211'), $welcome, "$name - next login");
}

goes(8110, 'one address', 'one.test-8211', 'A one.test');
goes(8110, 'from the cache', 'one.test-8211');
goes(8110, 'in capitals', 'ONE.Test-8211');
goes(8110, 'with a dot', 'one.test.-8211');
goes(8120, 'another server, its own cache', 'One.Test.-8211', 'A one.test');
goes(8110, 'an address', '127.0.0.1-8211');
goes(8110, 'CNAME with its address', 'alias.test-8211', 'A alias.test');
goes(8110, 'CNAME from the cache', 'alias.test-8211');
goes(8110, 'CNAME alone', 'far.test-8211', 'A far.test');
goes(8110, 'localhost is no address', 'ONE.TEST-8215');

is_deeply([map { @{$_->{lines}}[1, 2] } connections_take()],
	[('PASS secret', undef) x 10], 'to the backend');

is(scalar errors_take($t), 0, 'no error lines');

# two addresses: nginx begins with any of them

for (1 .. 20) {
	is(login(session(8110), 'secret', 'two.test-8211'), $welcome,
		"the first refuses connections, $_");
}

my @errors = errors_take($t, 1);

cmp_ok(scalar(@errors), '<', 20, 'the second is not always taken');
is(scalar(grep { !/connect\(\) failed .*upstream: 127\.0\.0\.3:/ } @errors), 0,
	'one line for each that refuses');

for (1 .. 20) {
	is(login(session(8110), 'secret', 'second.test-8215'), $welcome,
		"the first greets with -ERR, $_");
}

@errors = errors_take($t, 1);
is(scalar(grep { !/refused session.*upstream: 127\.0\.0\.2:/ } @errors), 0,
	'one line for each that greets so');
is_deeply([dns_take()], ['A two.test', 'A second.test'], 'two addresses - asked');

my $s = session(8110);

is(login($s, 'secret', 'down.test-8211'), $unavailable, 'none is there - reply');
is(scalar errors_take($t, 2), 2, 'none is there - error lines');
is(login($s, 'secret', 'one.test-8211'), $welcome, 'none is there - next login');

is(login(session(8110), 'secret', 'many.test-8211'), $unavailable,
	'many are down - reply');
is(scalar errors_take($t, 8), 8, 'many are down - not all are tried');

# names that cannot be looked up

fails(8110, 'NXDOMAIN', 'nobody.test-8211',
	qr/upstream "nobody\.test" could not be resolved \(3: /);
fails(8110, 'NXDOMAIN again', 'nobody.test-8211', qr/could not be resolved \(3: /);
fails(8110, 'SERVFAIL', 'fails.test-8211', qr/could not be resolved \(2: /);
fails(8110, 'no address', 'empty.test-8211', qr/could not be resolved \(3: /);
fails(8110, 'IPv6 alone', 'six.test-8215', qr/could not be resolved \(3: /);
fails(8110, 'no answer', 'silent.test-8211', qr/could not be resolved \(110: /);
fails(8110, 'CNAME of itself', 'loop.test-8211', qr/could not be resolved/);

my $none = qr/auth http server \S+ sent a name, and there is no "resolver"/;

for my $number (8130, 8131) {
	fails($number, "$number, no resolver", 'one.test-8211', $none, $internal,
		'127.0.0.1-8211');
}

for my $name ('one..test', '-one.test', 'one.test-', '.', 'one test', 'one.test:1',
	'[::1]', '1.2.3.4.5', '127.1', 'a' x 64 . '.test', "\xc3\xbc.test", 'one.test..',
	'*.test', 'unix:/tmp/x')
{
	fails(8110, "no name: '$name'", "$name-8211",
		qr/auth http server \S+ sent invalid (?:server address|Auth-Server)/, $internal);
}

is_deeply([grep { !/^A (?:down|many|nobody|fails|empty|six|silent|loop)\.test$/ }
	dns_take()], [], 'none of those is asked for');

is(login(session(8150), 'secret', 'six.test-8215'), '+OK logged in to v6', 'IPv6');
is_deeply([sort(dns_take())], ['A six.test', 'AAAA six.test'], 'IPv6 - asked');

# the end of "timeout" meanwhile; the client goes; both at the same time

# of "resolver_timeout 0" nginx makes no time at all

for my $number (8120, 8121) {
	$s = session($number);
	is(login($s, 'secret', 'silent.test-8211'), $unavailable,
		"$number, timeout - reply");
	ok(closed($s), "$number, timeout - closed");
	like((errors_take($t, 1))[0], qr/could not be resolved/,
		"$number, timeout - error line");
}

dns_take();

my $fds = settled_fds($t);

sub asks {
	my $s = session(8150);

	command($s, 'USER gone.test-8211');
	$s->send('PASS secret');
	wait_until(sub { dns_take() });

	return $s;
}

sub resets {
	my ($s) = @_;

	$s->socket()->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
	CORE::close $s->socket();
}

resets(asks());
ok(wait_until(sub { worker_fds($t) == $fds }), 'reset meanwhile - nothing is left');

$s = asks();
shutdown $s->socket(), 1;

my @many = map { session(8150) } 1 .. 20;

segment($_, "USER gone.test-8211\x0d\x0aPASS secret\x0d\x0aSTAT\x0d\x0a") for @many;

for my $gone (splice @many, 0, 10) {
	replies($gone, 1);
	resets($gone);
}

$t->write_file('then', '');

is((replies($s, 1))[0], $welcome, 'FIN meanwhile - still gets its answer');

for (@many) {
	is_deeply([replies($_, 3)], ['+OK', $welcome, '+OK 1 23'],
		'others of the same name go meanwhile');
}

undef $s;
@many = ();
ok(wait_until(sub { worker_fds($t) == $fds }), 'nothing is left of any');

###############################################################################
# TLS: the name is checked, and asked for

connections_take();

for ([8140, 8212], [8141, 8213]) {
	my ($number, $backend) = @$_;

	for my $name ('good.test', 'GOOD.Test', 'good.test.', 'Good.test.') {
		is(login(session($number), 'secret', "$name-$backend"), $welcome,
			"$number, $name - login");

		my ($c) = connections_take();

		is($c->{tls}{sni}, 'good.test', "$number, $name - SNI");
	}

	for my $name ('other.test', '127.0.0.1') {
		fails($number, "$number, $name", "$name-$backend", qr/mismatch/, undef,
			"good.test-$backend");

		my ($c) = connections_take();

		is($c->{tls}{sni}, $name eq '127.0.0.1' ? '' : $name,
			"$number, $name - SNI");
		is_deeply([grep { /USER|PASS/ } @{$c->{lines} // []}], [],
			"$number, $name - the backend is not told");
	}
}

fails(8140, 'certificate for the address', 'good.test-8214', qr/mismatch/, undef,
	'good.test-8212');
is(login(session(8140), 'secret', '127.0.0.1-8214'), $welcome,
	'certificate for the address - login there');

# with a token

is(command(session(8110), 'AUTH XOAUTH2 ' . xoauth2('one.test-8211', 'secret')),
	$welcome, 'token - login');

# a reload meanwhile

$s = session(8150);
$s->send('USER stays.test-8211');
replies($s, 1);
$s->send('PASS secret');
dns_take();
wait_until(sub { dns_take() });
reload($t);
is(login(session(8150), 'secret', 'one.test-8211'), $welcome,
	'reload meanwhile - others');
$t->write_file('reloaded', '');
is((replies($s, 1))[0], $welcome, 'reload meanwhile - login');

unlike($t->read_file('error.log'), qr/\[(?:alert|emerg)\]/, 'no alerts');

undef $s;
undef $t;

###############################################################################
