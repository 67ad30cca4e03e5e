#!/usr/bin/perl

# What the harness of nginx-tests does that a test may trip over, and ours does
# as well: a test that works with one of them works with the other.

###############################################################################

use warnings;
use strict;

use Test::More;

use POSIX qw//;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use Test::Nginx::POP3;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(47);

my $d = $t->testdir();

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http 127.0.0.1:8080;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen            127.0.0.1:8995 ssl;
        protocol          pop3;
        pop3_capabilities %%LONG%%;
    }
}

EOC

$t->write_file('nginx.conf', $t->read_file('nginx.conf')
	=~ s/%%LONG%%/join ' ', map { "X-$_-" . 'x' x 99 } 1 .. 20/er);

###############################################################################

# what is imported

ok(main->can($_), "$_ is imported") for qw/port log_in log_out/;
ok(!main->can('pop3_test_daemon'), 'pop3_test_daemon is not');
ok(Test::Nginx::POP3->can('pop3_test_daemon'), 'and is there');

is(port(8110), port(8110), 'port - the same at each call');

# files

is($t->write_file('file', "one\ntwo\n"), $t, 'write_file - gives the object');
is_deeply([$t->read_file('file')], ["one\ntwo\n"], 'read_file - all of it');
is_deeply([$t->write_file('empty', '')->read_file('empty')], [''],
	'read_file - an empty one');
ok(!eval { $t->read_file('none') }, 'read_file - dies without it');

$t->write_file_expand('file', "%%TESTDIR%% 127.0.0.1:8110 %%PORT_8110%% %%X%%");
is($t->read_file('file'), "$d 127.0.0.1:" . port(8110) . ' ' . port(8110)
	. ' %%X%%', 'write_file_expand');

# the worker is not root's, and what nginx names by default is not there

unlike($t->test_globals(), qr/\buser\b/, 'test_globals - no user');
ok(!-e "$d/logs", 'no folder of logs');

# daemons and waiting

is($t->run_daemon(sub { sleep 60 }), $t, 'run_daemon - gives the object');

is_deeply([$t->waitforfile("$d/file")], [1], 'waitforfile - it is there');
is_deeply([$t->waitforfile("$d/none", child(sub { }))], [0],
	'waitforfile - the process has gone');

# start, reload, stop

is($t->reload(), $t, 'reload - nothing to do before the start');
is($t->stop(), $t, 'stop - nothing to do before the start');

create_certificate($t, 'localhost');

is($t->run(), $t, 'run - gives the object');

is_deeply([$t->waitforsocket('127.0.0.1:' . port(8110))], [1],
	'waitforsocket - somebody listens');

# a master that is stopped cannot reload, and nobody waits for that

my $master = $t->read_file('nginx.pid') =~ s/\s+//r;

kill 'STOP', $master;
is(in_time(sub { $t->reload() }), $t, 'reload - does not wait');
kill 'CONT', $master;
ok(wait_until(sub { $t->read_file('error.log') =~ /gracefully shutting/ }),
	'reload - is done nevertheless');

# the pid is that of the file

{
	my $told = 0;
	local $SIG{HUP} = sub { $told++ };

	$t->write_file('nginx.pid', "$$\n");
	$t->reload();
	ok(wait_until(sub { $told }), 'reload - of whom the file names');
	$t->write_file('nginx.pid', "$master\n");
}

###############################################################################

# sessions: read() and $_

my $s = Test::Nginx::POP3->new();

like($s->read(), qr/^\+OK [^\x0d]+\x0d\x0a\z/, 'read - a line with its end');
like($_, qr/^\+OK/, 'read - is in $_');

my @list = ('NOOP', 'NOOP');

for (@list) {
	$s->send($_);
	$s->read();
}

is_deeply(\@list, ["+OK\x0d\x0a", "+OK\x0d\x0a"],
	'read - the list of a loop around it is lost');

$s->send('NOOP');
ok(!eval { $s->read() for 'literal'; 1 }, 'read - dies in a loop over literals');
like($@, qr/read-only/, 'read - for that reason');

$s->send('NOOP');
ok(!eval { $s->check(qr/^\+OK/, 'check') for 'literal'; 1 }, 'check - the same');
$s->send('NOOP');
ok(!eval { $s->ok('ok') for 'literal'; 1 }, 'ok - the same');

# waiting, and the end

ok($s->socket()->blocking(), 'read - leaves the socket blocking');
is_deeply([$s->can_read(0.05)], [], 'can_read - nothing');
ok($s->send('QUIT'), 'send');
is_deeply([$s->can_read()], [$s->socket()], 'can_read - something');
like($s->getline(), qr/^\+OK/, 'getline');
is_deeply([$s->getline()], [], 'getline - nothing at the end');
is_deeply([$s->read()], [undef], 'read - undef at the end');

# what TLS has taken from the socket is not waited for

$s = Test::Nginx::POP3->new(SSL => 1);
isa_ok($s->socket(), 'IO::Socket::SSL', 'port 8995 for TLS');
$s->read();
$s->send('CAPA');
$s->read();
cmp_ok($s->socket()->pending(), '>', 0, 'read - takes a part of a record');
is_deeply([$s->can_read(0.05)], [], 'can_read - does not see the rest');

# without TLS, and without a connection

is(ref Test::Nginx::POP3->new(PeerAddr => '127.0.0.1:' . port(8110),
	SSL => 1)->socket(), 'IO::Socket::INET', 'new - is content without TLS');
ok(!quiet(sub { Test::Nginx::POP3->new(PeerAddr => '127.0.0.1:' . port(8119)) }),
	'new - dies without a connection');

undef $s;

###############################################################################

# the end of a test file: two checks of the log, which has to be there

is(script('x [info] y'), 'exit 0', 'end - passes');
ok(!-e $t->read_file('dir'), 'end - nothing is left');
is(script('x [alert] y'), 'exit 1: no alerts', 'end - an alert');
is(script('xSanitizer: y'), 'exit 1: no sanitizer errors',
	'end - a report of a sanitizer');
is(script(), 'exit 255', 'end - no log');

###############################################################################

sub child {
	my ($code) = @_;

	my $pid = fork() // die "Can't fork: $!\n";

	if ($pid == 0) {
		$code->();
		POSIX::_exit(0);
	}

	return $pid;
}

sub in_time {
	my ($code) = @_;

	return eval {
		local $SIG{ALRM} = sub { die "too late\n" };

		alarm 4;
		my $result = $code->();
		alarm 0;

		$result;
	};
}

# The value of what may die and warn of it.

sub quiet {
	my ($code) = @_;

	local $SIG{__WARN__} = sub { };

	return eval { $code->() };
}

# How a test file of one check ends, and the other checks that fail in it.

sub script {
	my ($log) = @_;

	my $code = <<'EOF';
use warnings;
use strict;

BEGIN { open STDERR, '>&', *STDOUT or die }

use Test::More;
use Test::Nginx;

my ($dir, @log) = @ARGV;
my $t = Test::Nginx->new()->plan(1);

$t->write_file('error.log', "@log\n") if @log;
open my $fh, '>', $dir or die;
print $fh $t->testdir();
close $fh;

ok(1, 'one');
EOF

	# without a log it does not tidy up

	local $ENV{TMPDIR} = $d;

	open my $fh, '-|', $^X, map({ "-I$_" } @INC), '-e', $code, "$d/dir",
		$log // ()
		or die "Can't run a test: $!\n";
	my @failed = map { /^not ok \d+ - (.*)/ } <$fh>;
	close $fh;

	return join ': ', 'exit ' . ($? >> 8), @failed;
}

###############################################################################
