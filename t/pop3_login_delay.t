#!/usr/bin/perl

# pop3_login_delay: how long an attempt waits behind failed ones, in which order, and what
# becomes of it when its session ends.  No test says that something is soon: who does not
# wait is told by the log.

###############################################################################

use warnings;
use strict;

use Test::More;

use Time::HiRes qw/ time sleep /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Limits;
use POP3Proxy;
use POP3Session;
use POP3Users;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(56);

$t->write_file_expand('nginx.conf', <<'EOC' . counting_servers() . '}');

%%TEST_GLOBALS%%

daemon off;

worker_shutdown_timeout 10s;

events {
}

mail {
    pop3_limit_zone     64k;
    pop3_login_delay    30s;
    pop3_auth_user_file users;
    pop3_proxy_pass     127.0.0.1:8211;
    max_errors          100;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen           127.0.0.1:8120;
        protocol         pop3;
        pop3_login_delay 300ms;
    }

    server {
        listen           127.0.0.1:8130;
        protocol         pop3;
        pop3_login_delay off;
    }

    server {
        listen   127.0.0.1:8140;
        protocol pop3;
        timeout  2500ms;
    }

    server {
        listen           127.0.0.1:8150;
        protocol         pop3;
        pop3_login_delay 10ms;
    }

    server {
        listen           127.0.0.1:8160;
        protocol         pop3;
        timeout          500ms;
        max_errors       2;
    }

EOC

write_users($t, 'users', "any:{PLAIN}secret\n");
start_backends($t, 8211 => {});
$t->run();

###############################################################################

my $invalid = '-ERR [AUTH] invalid login or password';
my $welcome = '+OK logged in to backend';
my $n = 0;

# A new address, which nothing is known of.

sub address {
	return '127.0.4.' . ++$n;
}

# How long the reply to a login takes, in seconds; the reply, and the session.

sub takes {
	my ($address, $number, $password, $login) = @_;

	my ($s) = enters($address, $number);

	command($s, 'USER ' . ($login // 'any'));

	my $begin = time();
	my ($reply) = command($s, "PASS $password");

	return (time() - $begin, $reply, $s);
}

# The curve: each of them a password of its own

my $address = address();
my ($took, $reply, $s) = takes($address, 8110, 'wrong1');

is($reply, $invalid, 'first - refused');

($took, $reply) = takes($address, 8110, 'wrong2');
is($reply, $invalid, 'second - refused');
cmp_ok($took, '>=', 0.99, 'second - waits for a second');

($took, $reply) = takes($address, 8110, 'wrong3');
is($reply, $invalid, 'third - refused');
cmp_ok($took, '>=', 1.99, 'third - waits for two');

my $begin = time();
my $right = begins($address, 8110, 'secret');

ok(!$right->can_read(1), 'right one - waits');

# meanwhile: an address without failed logins, and others that have a lower limit

my $other = address();

is((takes($other, 8110, 'secret'))[1], $welcome, 'another address - logged in');
is((takes($other, 8120, 'wrong1'))[1], $invalid, '300ms - first');

for my $wrong (2 .. 5) {
	($took, $reply) = takes($other, 8120, "wrong$wrong");
	is($reply, $invalid, "300ms, $wrong - refused");
	cmp_ok($took, '>=', 0.29, "300ms, $wrong - waits as long as that");
}

is((replies($right, 1))[0], $welcome, 'right one - logged in');
cmp_ok(time() - $begin, '>=', 3.99, 'right one - waits for four');
like(command($right, 'STAT'), qr/^\+OK 1/, 'right one - relayed');

# That clears it.

my $before = waits_of($t, $address);

is((takes($address, 8110, 'secret'))[1], $welcome, 'success - the next one');
is(waits_of($t, $address), $before, 'success - does not wait');

# "off": neither waits nor counts; but what others have counted stays.

is((takes($address, 8130, "wrong$_"))[1], $invalid, "off - $_") for 1 .. 2;
is((takes($address, 8110, 'secret'))[1], $welcome, 'off - is not counted');
is(waits_of($t, $address), $before, 'off - and nobody waits');

# The same pair again does not add, but waits as long as the others do.

my $phone = address();

takes($phone, 8120, 'old') for 1 .. 4;
is(waits_of($t, $phone), 3, 'the same - waits');
is(failures_of($phone), 1, 'the same - does not add');

# Four are remembered, and which of them goes first is told by their last use.

my $few = address();

takes($few, 8150, "wrong$_") for 1, 2, 3, 4, 1, 2, 3, 4;
is(failures_of($few), 4, 'four - do not add');

$few = address();
takes($few, 8150, "wrong$_") for 1, 2, 3, 1;
takes($few, 8150, $_, 'another') for 'wrong1';
is(failures_of($few), 4, 'another login - adds');

# of 1, 2 and 3, with 1 used again, two more leave 3 and 1 there, and 2 is forgotten

for my $again (1, 2, 3) {
	$few = address();
	takes($few, 8150, "wrong$_") for 1, 2, 3, 1, 4, 5, $again;
	is(failures_of($few), $again == 2 ? 6 : 5, "four - $again again");
}

# Parallel guesses of a worker queue up, whatever server they are at.

my $many = address();

takes($many, 8120, 'wrong1');
$begin = time();

my @guesses = map { begins($many, 8120, "guess$_") } 1 .. 5;
my @ends;

for my $s (@guesses) {
	is((replies($s, 1))[0], $invalid, 'parallel - refused');
	push @ends, time() - $begin;
}

cmp_ok($ends[$_], '>=', 0.29 * ($_ + 1), "parallel - $_ behind the one before")
	for 0 .. $#ends;

# Commands behind a login that waits are answered after it.

my $ahead = address();

takes($ahead, 8120, 'wrong');
($s) = enters($ahead, 8120);
segment($s, "USER any\x0d\x0aPASS other\x0d\x0aNOOP\x0d\x0aUSER any\x0d\x0a"
	. "PASS secret\x0d\x0aSTAT\x0d\x0a");
is_deeply([map { s/^(\+OK) 1 .*/$1/r } replies($s, 6)],
	['+OK', $invalid, '+OK', '+OK', $welcome, '+OK'],
	'pipelining - in their order');

# An attempt that cannot wait is told at once, and takes nobody's turn.

my $late = address();

takes($late, 8110, 'wrong');
$before = waits_of($t, $late);
($took, $reply, $s) = takes($late, 8160, 'secret');
is($reply, too_late(), 'too late - told');
is(command($s, 'NOOP'), '+OK', 'too late - the session goes on');
command($s, 'USER any');
is(command($s, 'PASS secret'), too_late(), 'too late - once more');
ok(closed($s), 'too late - max_errors');
is(waits_of($t, $late), $before, 'too late - did not wait');
takes($late, 8160, 'secret') for 1 .. 20;
is((takes($late, 8140, 'secret'))[1], $welcome, 'too late - nobody waits for them');

# The client goes while it waits.

my $gone = address();

takes($gone, 8120, 'wrong');
connections_take();
$s = begins($gone, 8110, 'secret');
wait_until(sub { waits_of($t, $gone) == 1 });
resets($s);
ok(wait_until(sub { $t->read_file('error.log')
	=~ /client closed connection during login.* client: \Q$gone\E, / }), 'gone - noticed');
is((takes($gone, 8120, 'secret'))[1], $welcome, 'gone - the next one');
is(scalar(my @all = connections_take()), 1, 'gone - nobody is asked');

# Time ends while it waits, as the worker had no time itself.

my $stopped = address();
my ($worker) = workers($t, 1);

takes($stopped, 8120, 'wrong');
$s = begins($stopped, 8140, 'secret');
kill 'STOP', $worker;
sleep 2.6;
kill 'CONT', $worker;
is((replies($s, 1))[0], too_late(), 'time ends - told');
ok(closed($s), 'time ends - closed');

# Two processes: a session of an old worker waits for one of the new one's.

my $both = address();

takes($both, 8120, 'wrong1');
my ($old) = enters($both, 8120);
command($old, 'USER any');
reload($t);
retired($worker);
my $new = begins($both, 8110, 'wrong2');
wait_until(sub { waits_of($t, $both) == 1 });
$begin = time();
is(command($old, 'PASS secret'), $welcome, 'an old worker - logged in');
cmp_ok(time() - $begin, '>=', 1, 'an old worker - waits for those of the new one');
undef $_ for $old, $new, $s, $right, @guesses;

undef $t;

###############################################################################
