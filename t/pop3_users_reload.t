#!/usr/bin/perl

# A file of users that changes (pop3_auth_user_file): it is read anew at a reload and
# not before, sessions keep theirs, a broken one changes nothing; and nothing of a
# file stays in memory behind its configuration.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Proxy;
use POP3Users;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(60);

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

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    # holds on to its worker for no longer than this

    server {
        listen   127.0.0.1:8120;
        protocol pop3;
        timeout  5s;
    }
}

EOC

my $welcome = '+OK logged in to backend';
my $invalid = '-ERR [AUTH] invalid login or password';

# or the dynamic linker leaves on the stack what was in registers at a first call

$ENV{LD_BIND_NOW} = 1;

write_users($t, 'users', "anna:{PLAIN}first-of-anna\nbob:{PLAIN}first-of-bob\n");

start_backends($t, map { $_ => { PASS => $welcome } } 8211, 8212);

$t->run();

###############################################################################

my $master = $t->read_file('nginx.pid') =~ s/\s//gr;

sub log_in_as {
	my ($s, $login, $password, $method) = @_;

	return login_by($method // 'USER and PASS', $s, $login, $password);
}

# A sanitizer holds on to what is freed.

sub is_sanitized {
	open my $maps, '<', "/proc/$master/maps" or die "Can't read maps: $!\n";

	return scalar grep { /libasan/ } <$maps>;
}

# One check: the old worker goes.  Its parent may not have noticed that at once.

sub is_replaced {
	my ($old, $name) = @_;

	ok(gone($old) && wait_until(sub { worker_pid($t) != $old }),
		"$name - the old worker goes");
}

# a file that is changed, or gone, is not looked at

write_users($t, 'users', "anna:{PLAIN}second-of-anna:127.0.0.1:8212\n"
	. "carol:{PLAIN}second-of-carol\n");

is(log_in_as(8110, 'anna', 'first-of-anna'), $welcome, 'changed - the old password');
is(log_in_as(8110, 'anna', 'second-of-anna'), $invalid, 'changed - not the new one');
is(log_in_as(8110, 'carol', 'second-of-carol'), $invalid, 'changed - no new login');

# what is looked for in memory would be found

ok(in_memory($master, 'first-of-bob'), 'held by the master');
ok(in_memory(worker_pid($t), 'first-of-bob'), 'held by the worker');

# sessions that were open at the reload have the old one, for as long as they last

my $old_worker = worker_pid($t);
my %open = map { $_ => [greeted(8110)] } qw/ user apop late relay /;

command($open{user}[0], 'USER anna');
is(log_in_as($open{relay}[0], 'bob', 'first-of-bob'), $welcome, 'before - relay');
connections_take();
reload($t);
ok(wait_until(sub { log_in_as(8110, 'carol', 'second-of-carol') eq $welcome }),
	'reload - the new login');

is(log_in_as(8110, 'anna', 'second-of-anna'), $welcome, 'reload - the new password');
is((connections_take())[-1]{at}, 8212, 'reload - the new backend');
is(log_in_as(8110, 'anna', 'first-of-anna'), $invalid, 'reload - not the old one');
is(log_in_as(8110, 'bob', 'first-of-bob'), $invalid, 'reload - a login that is gone');

is(command($open{user}[0], 'PASS first-of-anna'), $welcome,
	'open session - the old password');
is((connections_take())[-1]{at}, 8211, 'open session - the old backend');
is(log_in_as($open{apop}[0], 'carol', 'second-of-carol'), $invalid,
	'open session - no new login');
is(login_by('APOP', $open{apop}[0], 'bob', 'first-of-bob', $open{apop}[1]), $welcome,
	'open session - an old login');
is(log_in_as($open{late}[0], 'anna', 'second-of-anna'), $invalid,
	'open session - not the new password');
is(command($open{relay}[0], 'STAT'), '+OK 1 23', 'open session - relay');

# the old file is wiped in the master at once, and goes with the old worker

for my $text (qw/ first-of-anna first-of-bob /) {
	ok(wait_until(sub { !in_memory($master, $text) }), "$text - wiped in the master");
}

ok(in_memory($old_worker, 'first-of-bob'), 'the old worker has it');
%open = ();
is_replaced($old_worker, 'without sessions');

for my $text (qw/ first-of-anna first-of-bob /) {
	ok(!in_memory(worker_pid($t), $text), "$text - not in the new worker");
}

ok(in_memory($master, 'second-of-carol'), 'the new file is held by the master');

# broken files: the old configuration goes on, and nothing of them stays

my $worker = worker_pid($t);
my ($s) = greeted(8110);

for my $case (
	['broken line', "bob:{PLAIN}third-of-bob\nbroken\n", qr/users":2: /],
	['login twice', "bob:{PLAIN}third-of-bob\nbob:{PLAIN}third-of-bob\n",
		qr/users":2: .* line 1 already/],
	['bad backend', "bob:{PLAIN}third-of-bob:127.0.0.1:x\n", qr/users":1: /],
) {
	my ($name, $text, $message) = @$case;
	my $before = length $t->read_file('error.log');

	write_users($t, 'users', $text);
	reload($t);

	my $log = substr $t->read_file('error.log'), $before;

	like($log, qr/\[emerg\] .*$message/, "$name - error log");
	unlike($log, qr/third-of-bob/, "$name - no password there");
	is(worker_pid($t), $worker, "$name - the same worker");
	is(log_in_as(8110, 'carol', 'second-of-carol'), $welcome, "$name - goes on");
	is(log_in_as(8110, 'bob', 'third-of-bob'), $invalid, "$name - is not in force");
	ok(!in_memory($master, 'third-of-bob'), "$name - wiped in the master");
}

unlink $t->testdir() . '/users';
reload($t);
is(log_in_as(8110, 'carol', 'second-of-carol'), $welcome, 'missing - goes on');
is(log_in_as($s, 'carol', 'second-of-carol'), $welcome, 'missing - open session');
undef $s;

# the text of a file does not stay in a session or in the worker's other memory

write_users($t, 'users', "anna:{PLAIN}fourth-of-anna\n"
	. "dora:{PLAIN.b64}" . b64('fourth-of-dora') . "\n");
$worker = worker_pid($t);
reload($t);
is_replaced($worker, 'fourth');

for my $method (clear_methods(), digest_methods()) {
	is(log_in_as(8110, 'dora', 'fourth-of-dora', $method), $welcome,
		"$method - login");
	ok(wait_until(sub { !in_memory(worker_pid($t), 'fourth-of-dora') }),
		"$method - the decoded text is wiped");
}

is(log_in_as(8110, 'dora', 'fourth-of-dorx'), $invalid, 'refused - reply');
ok(wait_until(sub { !in_memory(worker_pid($t), 'fourth-of-dor') }),
	'refused - both texts are wiped');

# memory is given back: twenty reloads with 10,000 users, of which each would add a
# file of some 400 KB

sub ten_thousand {
	my ($mark) = @_;

	return join '', map { sprintf "user%05d\@example.com:{PLAIN}$mark-%05d\n", $_, $_ }
		1 .. 10_000;
}

my ($size, $before) = (length ten_thousand('round00'), 0);

for my $round (1 .. 20) {
	my $mark = sprintf 'round%02d', $round;

	write_users($t, 'users', ten_thousand($mark));
	reload($t);
	wait_until(sub {
		log_in_as(8110, 'user10000@example.com', "$mark-10000") eq $welcome
	}) or diag("$mark is not in force");
	$before = rss($master) if $round == 5;
}

SKIP: {
	skip 'a sanitizer', 1 if is_sanitized();

	cmp_ok(rss($master) - $before, '<', 3 * $size, 'twenty reloads - memory');
}

ok(!in_memory($master, 'round19-00001'), 'twenty reloads - the last but one');
ok(in_memory($master, 'round20-00001'), 'twenty reloads - the last one');

# its last checks belong to the plan, and the functions above would keep it

undef $t;

###############################################################################
