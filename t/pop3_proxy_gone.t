#!/usr/bin/perl

# Clients of pop3_proxy_pass that go, by RST or FIN, at each moment of a login, while
# the backend takes its time: nothing is left of them.

###############################################################################

use warnings;
use strict;

use Test::More;

use Socket qw/ SOL_SOCKET SO_LINGER /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;
use POP3Backend;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(177);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    max_errors      100;
    starttls        on;
    pop3_proxy_pass 127.0.0.1:8211;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8212;
    }

    server {
        listen   127.0.0.1:8130;
        protocol pop3;
        timeout  700ms;
    }

    server {
        listen          127.0.0.1:8140;
        protocol        pop3;
        timeout         700ms;
        pop3_proxy_pass 127.0.0.1:8212;
    }
}

EOC

create_certificate($t, 'localhost');

my $crlf = "\x0d\x0a";
my $welcome = '+OK logged in to backend';
my $unavailable = '-ERR [SYS/TEMP] mail server is not available';
my $invalid = '-ERR [AUTH] invalid login or password';

# A backend goes on when this file is there.

my $go = $t->testdir() . '/go';
my @held = ['until', $go];

start_backends($t,
	8211 => { logins => {
		'hold@user'   => { USER => [@held, ['line', '+OK']] },
		'half@user'   => { USER => ['+OK h', @held, ['line', 'alf']] },
		'hold@pass'   => { PASS => [@held, ['line', $welcome]] },
		'half@pass'   => { PASS => ['+O', @held, ['line', 'K in halves']] },
		'refuse@user' => { USER => [@held, ['line', '-ERR no']] },
		'refuse@pass' => { PASS => [@held, ['line', '-ERR no']] },
		'close@user'  => { USER => [@held, ['close']] },
		'close@pass'  => { PASS => [@held, ['close']] },
	} },
	8212 => { greeting => [@held, ['line', '+OK at last']] },
);

$t->run();

###############################################################################

# Moments: a login, and how many lines the backend is sent until it stands still;
# "greeting" is a login at the other one.

my %moment = (
	'greeting'  => 0,
	'hold@user' => 1,
	'half@user' => 1,
	'hold@pass' => 2,
	'half@pass' => 2,
);

sub session {
	my ($number) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
	$s->read();

	return $s;
}

sub lines {
	return join '', map { "$_$crlf" } @_;
}

# A session in which a login stands still, with this behind it.

sub at {
	my ($moment, %args) = @_;

	my $number = ($args{number} || 8110) + ($moment eq 'greeting' ? 10 : 0);
	my $s = session($number);

	if ($args{tls}) {
		command($s, 'STLS');
		starttls($s);
	}

	my $before = connections();
	my $behind = $args{behind} // '';

	if ($args{fin}) {
		segment($s, lines("USER $moment", 'PASS secret') . $behind, fin => 1);
	} else {
		$s->print(lines("USER $moment", 'PASS secret') . $behind);
	}

	is((replies($s, 1))[0], '+OK', "$moment - USER") unless $args{quiet};

	wait_until(sub {
		my @new = connections();
		return @new > $before && @{$new[-1]{lines}} >= ($moment{$moment} // 0);
	});

	return $s;
}

sub reset_by {
	my ($s) = @_;

	$s->socket()->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
	CORE::close($s->socket());
}

sub hold {
	unlink $go;
}

sub go_on {
	$t->write_file('go', '');
}

sub number_open {
	return scalar grep { !$_->{end} } connections();
}

sub all_ended {
	my ($name) = @_;

	ok(wait_until(sub { !number_open() }), "$name - backends are left")
		or diag(number_open() . ' are not');
}

my $s = session(8110);

command($s, 'USER test');
is(command($s, 'PASS secret'), $welcome, 'before');
undef $s;

my $pid = worker_pid($t);
my $fds = settled_fds($t);

sub is_level {
	my ($name) = @_;

	ok(wait_until(sub { worker_fds($t) == $fds }), "$name - nothing is left")
		or diag(worker_fds($t) . " of $fds");
}

# RST: the backend stands still, and is left at once

for my $moment (sort keys %moment) {
	for (['nothing'], ['a command', behind => "STAT$crlf"],
		['100 KB', behind => "NOOP$crlf" x 17000], ['TLS', tls => 1])
	{
		my ($name, @args) = @$_;

		$s = at($moment, @args);
		reset_by($s);
		all_ended("RST, $moment, $name");
	}

	# with what the client has half-closed before

	$s = at($moment, fin => 1);
	reset_by($s);
	all_ended("FIN and RST, $moment");
}

is_level('RST');

# many of them

my @many = map { at($_, quiet => 1) } map { (sort keys %moment) x 5 } 1 .. 2;

reset_by($_) for @many;
undef @many;
all_ended('RST of many');
is_level('RST of many');

is(scalar errors_take($t), 0, 'RST - is no error');

# FIN: the answer is waited for

for (map({ [$_, $welcome] } 'greeting', 'hold@user', 'hold@pass'),
	['half@user', $welcome], ['half@pass', '+OK in halves'],
	['refuse@user', $invalid], ['refuse@pass', $invalid],
	['close@user', $unavailable], ['close@pass', $unavailable])
{
	my ($moment, $answer) = @$_;

	for my $behind ('', "STAT$crlf") {
		my $name = "FIN, $moment" . ($behind && ', a command before it');

		hold();
		$s = at($moment, behind => $behind, fin => 1);

		my $open = number_open();

		select undef, undef, undef, 0.05;
		is(number_open(), $open, "$name - the backend is not left");

		go_on();
		is((replies($s, 1))[0], $answer, "$name - answer");
		like(join('', replies($s, 1)), qr/^-ERR/, "$name - and to the command")
			if $behind && $answer =~ /^-ERR/;

		# what the mailbox still says may or may not come

		receive($s, 1000) if $behind;
		ok(closed($s), "$name - closed");
		undef $s;
		all_ended($name);
	}
}

is_level('FIN');
errors_take($t);

# gone by FIN, with nobody who reads the answer

hold();

for my $moment (sort keys %moment) {
	$s = at($moment, behind => "STAT$crlf");
	undef $s;
}

go_on();
all_ended('closed');
is_level('closed');

# when it is logged in

for my $how ('RST', 'FIN') {
	$s = session(8110);
	command($s, 'USER test');
	is(command($s, 'PASS secret'), $welcome, "$how, logged in");
	reset_by($s) if $how eq 'RST';
	undef $s;
	all_ended("$how, logged in");
}

is_level('logged in');

# timeout: all of them at the same time

hold();
errors_take($t);

my %waiting = map { $_ => at($_, number => 8130, quiet => 1) } sort keys %moment;

for my $moment (sort keys %moment) {
	is((replies($waiting{$moment}, 2))[1] // '', $unavailable,
		"timeout, $moment - reply");
	ok(closed($waiting{$moment}), "timeout, $moment - closed");
}

all_ended('timeout');
%waiting = ();
is_level('timeout');
is(scalar errors_take($t, scalar keys %moment), keys %moment,
	'timeout - error lines');

is(worker_pid($t), $pid, 'the worker is the same');
is_deeply([map { @{$_->{early}} } connections()], [],
	'nothing is sent ahead of its turn');

undef $t;

###############################################################################
