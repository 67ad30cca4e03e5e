#!/usr/bin/perl

# The addresses of pop3_proxy_pass: all of a name are used in turn, and the next one
# where one does not get as far as a greeting.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;
use POP3Backend;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(83);

# Names with their addresses, and what backends do there; nobody is at the others.
# The numbers are those of the backends, and those of the servers 100 below.

my %good;
my $ok = { logins => \%good };

my @names = (
	['all',     8211, 2 => $ok, 3 => $ok, 4 => $ok],
	['refused', 8212, 2 => undef, 3 => $ok],
	['err',     8213, 2 => { greeting => '-ERR [SYS/TEMP] not now' }, 3 => $ok],
	['closes',  8214, 2 => { greeting => [['close']] }, 3 => $ok],
	['resets',  8215, 2 => { greeting => [['reset']] }, 3 => $ok],
	['rubbish', 8216, 2 => { greeting => "HTTP/1.0 400 what" }, 3 => $ok],
	['many',    8217, 2 => undef, 3 => { greeting => '-ERR' }, 4 => $ok],
	['silent',  8218, 2 => { greeting => [] }, 3 => $ok],
	['half',    8219, 2 => { greeting => ['+OK hal'] }, 3 => $ok],
	['down',    8220, 2 => undef, 3 => undef, 4 => undef],
	['wrong',   8221, 2 => { greeting => [['close']] },
		3 => { greeting => '-ERR no' }, 4 => undef],
	['dumb',    8222, map { $_ => { greeting => [] } } 2 .. 4],
	['user',    8223, 2 => { USER => [['close']] }, 3 => $ok],
	['pass',    8224, 2 => { PASS => [['close']] }, 3 => $ok],
	['refuses', 8225, 2 => { PASS => '-ERR [AUTH] no' }, 3 => $ok],
	['header',  8226, 2 => { proxy => 1, greeting => [['close']] },
		3 => { proxy => 1 }],
	['dual',    8227, 2 => $ok],
	['at-once', 8228, 2 => $ok],
);

# What a name stands for beside these: nobody is there, and connecting to a broadcast
# address fails before anything is sent.

my %other = ('dual' => '::1', 'at-once' => '255.255.255.255');

my (%number, %backends, $hosts, $servers);

for (@names) {
	my ($name, $number, %at) = @$_;

	$number{$name} = $number - 100;
	$hosts .= "127.0.0.$_ $name.test\n" for sort keys %at;
	$hosts .= "$other{$name} $name.test\n" if $other{$name};

	for my $n (grep { $at{$_} } keys %at) {
		$backends{"127.0.0.$n:$number"} = $at{$n};
	}

	$servers .= "server {
		listen          127.0.0.1:$number{$name};
		protocol        pop3;
		pop3_proxy_pass $name.test:%%PORT_$number%%;
		"
		. ($name eq 'header' ? 'proxy_protocol on;' : '')
		. ($name =~ /silent|half|dumb/ ? 'timeout 1s;' : '')
		. "}\n";
}

$t->write_file_expand('nginx.conf', <<"EOC");

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    max_errors 100;

$servers
}

EOC

start_backends($t, %backends);

run_with_hosts($t, $hosts);

###############################################################################

my $login = 'test@example.com';
my $welcome = '+OK logged in to backend';
my $unavailable = '-ERR [SYS/TEMP] mail server is not available';

sub session {
	my ($name) = @_;

	my $s = POP3Session->new(
		PeerAddr => '127.0.0.1:' . port($number{$name}));
	$s->read();

	return $s;
}

sub login {
	my ($s) = @_;

	command($s, "USER $login");

	return command($s, 'PASS secret');
}

# The last number of the addresses that have been connected to.

sub connected {
	return map { $_->{at} =~ /127\.0\.0\.(\d)/ } @_;
}

sub failed {
	return map { /, upstream: 127\.0\.0\.(\d):\d+$/ } @_;
}

# in turn

my @logins = map { session('all') } 1 .. 6;

is_deeply([map { login($_) } @logins], [($welcome) x 6], 'in turn - logins');
is_deeply([map { command($_, 'STAT') } @logins], [('+OK 1 23') x 6],
	'in turn - relay');

my @at = connected(connections_take());

is_deeply([sort @at], [2, 2, 3, 3, 4, 4], 'in turn - all of them');
is(scalar(grep { $at[$_] == $at[$_ - 1] } 1 .. 5), 0,
	'in turn - each time another one');

@logins = ();

# in one session, too

my $s = session('all');

for (1 .. 3) {
	command($s, "USER $login");
	command($s, 'PASS wrong');
}

is_deeply([sort { $a <=> $b } connected(connections_take())], [2, 3, 4],
	'in turn - within a session');

is(scalar errors_take($t), 0, 'in turn - no errors');

# the next one; each of the addresses is the first one for some

for my $name (qw/refused err closes resets rubbish/) {
	my @logins = map { session($name) } 1 .. 4;

	is_deeply([map { login($_) } @logins], [($welcome) x 4],
		"$name - logins");
	is_deeply([map { command($_, 'STAT') } @logins], [('+OK 1 23') x 4],
		"$name - relay");

	my @lines = errors_take($t, 1);
	my @failed = failed(@lines);
	my @connections = connections_take();

	cmp_ok(scalar(@lines), '>=', 1, "$name - error lines");
	is_deeply([@failed], [(2) x @lines], "$name - error lines name the address")
		or diag(join "\n", @lines);
	is_deeply([sort { $a <=> $b } connected(@connections)],
		[$name eq 'refused' ? () : @failed, 3, 3, 3, 3],
		"$name - connections");
	is_deeply([map { @{$_->{lines}} } grep { $_->{at} =~ /\.2:/ } @connections],
		[], "$name - nothing is sent to the failed one");
}

@logins = map { session('many') } 1 .. 3;

is_deeply([map { login($_) } @logins], [($welcome) x 3], 'many - logins');
is_deeply([do { my %seen; grep { !$seen{$_}++ } sort(failed(errors_take($t, 2))) }],
	[2, 3], 'many - one after the other');

# all at the same time: these wait for a part of "timeout"

my %waiting = map { ("$_ 1" => session($_), "$_ 2" => session($_)) }
	qw/silent half/;

$waiting{dumb} = session('dumb');
connections_take();
errors_take($t);

for my $name (sort keys %waiting) {
	$waiting{$name}->print("USER $login\x0d\x0aPASS secret\x0d\x0a");
}

for my $name (grep { $_ ne 'dumb' } sort keys %waiting) {
	is_deeply([replies($waiting{$name}, 2)], ['+OK', $welcome],
		"$name - login");
}

is_deeply([replies($waiting{dumb}, 2)], ['+OK', $unavailable],
	'all are silent - reply');
ok(closed($waiting{dumb}), 'all are silent - closed');

my @lines = errors_take($t, 5);

is(scalar(grep { !/timed out/ } @lines), 0, 'silent - error lines are of that')
	or diag(join "\n", @lines);

for (['all are silent', 8222, 2, 3, 4], ['silent', 8218, 2], ['half', 8219, 2]) {
	my ($name, $number, @addresses) = @$_;
	my $port = port($number);
	my @failed = sort { $a <=> $b } failed(grep { /:$port$/ } @lines);

	if (@addresses == 1) {
		cmp_ok(scalar(@failed), '>=', 1, "$name - error lines");
		is(scalar(grep { $_ != 2 } @failed), 0, "$name - of the address");
	} else {
		is_deeply(\@failed, \@addresses, "$name - a line for each");
	}
}

is_deeply([map { @{$_->{lines}} } grep { $_->{at} !~ /\.3:82(?:18|19)/ }
	connections_take()], [], 'silent - nothing is sent to one');

%waiting = ();

# none is left

for (['down', 0], ['wrong', 2]) {
	my ($name, $reached) = @$_;

	$s = session($name);

	for my $n (1, 2) {
		is(login($s), $unavailable, "$name - reply, $n");

		my @lines = errors_take($t, 3);

		is_deeply([sort { $a <=> $b } failed(@lines)], [2, 3, 4],
			"$name - a line for each, $n") or diag(join "\n", @lines);
		is(scalar connections_take(), $reached, "$name - each once, $n");
	}

	is(command($s, 'NOOP'), '+OK', "$name - the session goes on");
}

# not behind USER

for my $name (qw/user pass/) {
	$s = session($name);

	my @replies = sort map { login(session($name)) } 1, 2;

	is_deeply(\@replies, [$welcome, $unavailable], "$name - replies");
	is_deeply([failed(errors_take($t, 1))], [2], "$name - error line");
	is_deeply([sort { $a <=> $b } connected(connections_take())], [2, 3],
		"$name - no second address for a login");
}

$s = session('refuses');

is_deeply([sort map { login(session('refuses')) } 1, 2],
	[$welcome, '-ERR [AUTH] invalid login or password'], 'refuses - replies');
is(scalar errors_take($t), 0, 'refuses - no error');
is_deeply([sort { $a <=> $b } connected(connections_take())], [2, 3],
	'refuses - no second address for a login');

# each gets the PROXY header

@logins = map { session('header') } 1, 2;

is_deeply([map { login($_) } @logins], [$welcome, $welcome], 'header - logins');

my @connections = connections_take();

cmp_ok(scalar(@connections), '>', 2, 'header - the next one');
is(scalar(grep { ($_->{lines}[0] // '') !~ /^PROXY TCP4 127\.0\.0\.1 / }
	@connections), 0, 'header - each has it');
is(scalar(grep { @{$_->{lines}} != ($_->{at} =~ /\.2:/ ? 1 : 3) } @connections),
	0, 'header - and what follows');

# of both families

@logins = map { session('dual') } 1, 2;

is_deeply([map { login($_) } @logins], [$welcome, $welcome], 'dual - logins');
errors_take($t);

# one that fails within connect()

@logins = map { session('at-once') } 1, 2;

is_deeply([map { login($_) } @logins], [$welcome, $welcome], 'at once - logins');
is_deeply([map { command($_, 'STAT') } @logins], [('+OK 1 23') x 2],
	'at once - relay');
is(scalar(grep { /upstream: 255\.255\.255\.255:\d+$/ } errors_take($t, 1)), 1,
	'at once - error line');

is_deeply([map { @{$_->{early}} } connections()], [],
	'nothing is sent ahead of its turn');

undef $s;
@logins = ();
undef $t;

###############################################################################
