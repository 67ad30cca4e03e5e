#!/usr/bin/perl

# A host name in Auth-Server, where "resolver" is set: its addresses are used in
# turn, TLS checks the name, and what becomes of one that cannot be looked up.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Socket::IP;
use Socket qw/ AF_INET AF_INET6 SOL_SOCKET SO_LINGER inet_pton /;

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

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(73);

# The name server has a port of UDP: at another address than that of the test's ports.

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

worker_shutdown_timeout 1s;

events {
}

mail {
    auth_http        127.0.0.1:8280;
    max_errors       100;
    resolver         127.0.0.2:%%PORT_8253%%;
    resolver_timeout 500ms;

    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen         127.0.0.1:8120;
        protocol       pop3;
        pop3_proxy_ssl on;
    }

    server {
        listen         127.0.0.1:8121;
        protocol       pop3;
        pop3_proxy_ssl starttls;
    }

    server {
        listen              127.0.0.1:8122;
        protocol            pop3;
        pop3_proxy_ssl      on;
        pop3_proxy_ssl_name one.test;
    }

    # longer to wait than the session has

    server {
        listen           127.0.0.1:8130;
        protocol         pop3;
        timeout          1s;
        resolver         127.0.0.2:%%PORT_8253%%;
        resolver_timeout 60s;
    }

    server {
        listen           127.0.0.1:8131;
        protocol         pop3;
        resolver         127.0.0.2:%%PORT_8253%%;
        resolver_timeout 60s;
    }

    server {
        listen   127.0.0.1:8140;
        protocol pop3;
        resolver off;
    }
}

EOC

my %addresses = (
	'one.test'   => ['127.0.0.1'],
	'other.test' => ['127.0.0.1'],
	'v6.test'    => ['::1'],
	'two.test'   => ['127.0.0.1', '127.0.0.5'],
	'down.test'  => ['127.0.0.5', '127.0.0.6'],
	'many.test'  => [map { "127.0.0.$_" } 101 .. 130],
	'empty.test' => [],
);

my %faults = ('refused.test' => 5, 'fails.test' => 2);

my $dir = $t->testdir();

keep_certificates($dir);
issue('ca', ca => 1);
issue('localhost', by => 'ca', names => 'DNS:one.test');

start_names('127.0.0.2', port(8253));

# A login goes to the host of its name, and the port behind that, if there is one.

port($_) for 8211 .. 8213;

start_auth($t, 8280 => { reply => sub {
	my ($r) = @_;
	my ($host, $number) = split /:/, $r->{user};

	return kept($r, "Auth-Server: $host", 'Auth-Port: ' . port($number // 8211));
} });

start_backends($t,
	8211         => {},
	'[::1]:8211' => {},
	8212         => { tls => { ssl => 1 } },
	8213         => { tls => {} },
);

$t->run();

###############################################################################

my $welcome = '+OK logged in to backend';
my $unavailable = '-ERR [SYS/TEMP] mail server is not available';
my $internal = '-ERR [SYS/TEMP] internal server error';

sub fails {
	my ($number, $login, $reply, $line) = @_;

	my $s = session($number);

	errors_take($t);
	is(login($s, 'secret', $login), $reply, "$login - reply");
	is(command($s, 'NOOP'), '+OK', "$login - session goes on");

	my @errors = errors_take($t, 1);

	ok(@errors == 1 && $errors[0] =~ $line, "$login - error line")
		or diag(join "\n", @errors);
}

# looked up

for my $login (qw/one.test ONE.Test v6.test/) {
	is(login(session(8110), 'secret', $login), $welcome, "$login - login");

	my ($c) = connections_take();

	is($c->{at}, $login =~ /v6/ ? '[::1]:8211' : 8211, "$login - backend");
	is_deeply($c->{lines}, ["USER $login", 'PASS secret'],
		"$login - what it is told");
}

# and no more than once, as long as the answer holds

my $asked = names_asked('one.test');

is(login(session(8110), 'secret', 'one.test'), $welcome, 'again - login');
is(names_asked('one.test'), $asked, 'again - from memory');

# the next address, and no more of them than there are

is(login(session(8110), 'secret', 'two.test'), $welcome, "next address - $_")
	for 1 .. 3;

errors_take($t);
is(login(session(8110), 'secret', 'down.test'), $unavailable, 'down - reply');

my @errors = errors_take($t, 2);

is_deeply([sort map { /, upstream: (\S+?):\d+$/ } @errors],
	['127.0.0.5', '127.0.0.6'], 'down - each address is tried')
	or diag(join "\n", @errors);

is(login(session(8110), 'secret', 'many.test'), $unavailable,
	'many addresses - reply');
@errors = errors_take($t, 1);
cmp_ok(scalar(@errors), '<', 30, 'many addresses - not all of them are tried');

# TLS is for the name

for my $case ([8120, 'one.test:8212'], [8121, 'one.test:8213'],
	[8122, 'other.test:8212'])
{
	my ($number, $login) = @$case;

	connections_take();
	is(login(session($number), 'secret', $login), $welcome,
		"TLS, $number, $login - login");
	is(((connections_take())[-1] // {})->{tls}{sni}, 'one.test',
		"TLS, $number, $login - name");
}

fails(8120, 'other.test:8212', $unavailable,
	qr/mismatch.*"other\.test".*, upstream: 127\.0\.0\.1:/);
is_deeply([grep { /USER/ } map { @{$_->{lines}} } ended_take()], [],
	'another name - is told nothing');

# not found

fails(8110, 'none.test', $unavailable, qr/"none\.test".*not be resolved.*not found/);
fails(8110, $_, $unavailable, qr/"\Q$_\E".*not be resolved/)
	for qw/empty.test refused.test fails.test silent.test/;

# what can be no name is not looked up

for my $login ('127.0.0.256', '127.0.0', '-', 'a_b..test', 'a' x 64 . '.test') {
	fails(8110, $login, $internal, qr/ auth http server .*"\Q$login\E"/);
	is(names_asked($login), 0, "$login - is not looked up");
}

fails(8140, 'one.test', $internal, qr/ auth http server .*"resolver".*"one\.test"/);

# while it is looked up: "timeout", a client that goes, a worker that ends

my $pid = worker_pid($t);

my $s = session(8130);
is(login($s, 'secret', 'silent.test'), $unavailable, 'timeout - reply');
ok(closed($s), 'timeout - closed');

# that one has a socket of its own for this

is(login(session(8131), 'secret', 'one.test'), $welcome, 'before - login');

my $fds = settled_fds($t);

$s = session(8131);
$asked = names_asked('gone.silent.test');
segment($s, "USER gone.silent.test\x0d\x0aPASS secret\x0d\x0a");
ok(wait_until(sub { names_asked('gone.silent.test') > $asked }),
	'client gone - it was looked up');
$s->socket()->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
undef $s;
ok(wait_until(sub { worker_fds($t) <= $fds }), 'client gone - nothing is left');
is(worker_pid($t), $pid, 'the worker is the same');

$s = session(8131);
segment($s, "USER late.silent.test\x0d\x0aPASS secret\x0d\x0a");
wait_until(sub { names_asked('late.silent.test') });
reload($t);
replies($s, 2);
ok(closed($s), 'a worker that ends - closed');

undef $s;
undef $t;

###############################################################################

# A name server that knows %addresses, has %faults, is silent at names that end in
# silent.test, and writes down what it is asked for.

sub start_names {
	my ($host, $port) = @_;

	$t->run_daemon(\&names_daemon, $host, $port);
	$t->waitforfile("$dir/names.log") or die "Can't start the name server\n";
}

sub names_daemon {
	my ($host, $port) = @_;

	my $socket = IO::Socket::IP->new(Proto => 'udp', LocalAddr => $host,
		LocalPort => $port) or die "Can't bind to $host: $@\n";

	open my $log, '>', "$dir/names.log" or die "Can't open names.log: $!\n";
	$log->autoflush(1);

	while ($socket->recv(my $query, 512)) {
		my ($id, $question) = unpack 'n x10 a*', $query;
		my ($labels, $type) = $question =~ /^([^\0]*)\0(..)/s;
		my $name = join '.', unpack '(C/a)*', $labels;

		print $log "$name\n";
		next if $name =~ /silent\.test$/;

		my @found = grep { length == (unpack('n', $type) == 28 ? 16 : 4) }
			map { inet_pton(/:/ ? AF_INET6 : AF_INET, $_) }
			@{$addresses{$name} // []};
		my $code = $faults{$name} // ($addresses{$name} ? 0 : 3);

		$socket->send(pack('n6', $id, 0x8180 | $code, 1, scalar @found, 0, 0)
			. substr($question, 0, length($labels) + 5)
			. join '', map { pack 'n a2 n N n/a*', 0xc00c, $type, 1, 3600, $_ }
				@found);
	}
}

# How often a name was asked for.

sub names_asked {
	my ($name) = @_;

	return scalar grep { $_ eq $name } split /\n/, $t->read_file('names.log');
}

###############################################################################
