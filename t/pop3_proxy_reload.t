#!/usr/bin/perl

# Workers that go while logins at backends of pop3_proxy_pass are under way: after a
# reload each goes on as it began, and worker_shutdown_timeout is kept to.

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

my $t = Test::Nginx->new()->has(qw/mail/)->plan(45);

my $conf = <<'EOC';

%%TEST_GLOBALS%%

daemon off;

MAIN

events {
}

mail {
    pop3_capabilities MARK;

    server {
        listen          127.0.0.1:8110;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
    }

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8212;
    }
}

EOC

sub conf {
	my ($mark, $main) = @_;

	$t->write_file_expand('nginx.conf',
		$conf =~ s/MARK/$mark/r =~ s/MAIN/$main/r);
}

conf('FIRST', '');

my $crlf = "\x0d\x0a";
my $welcome = '+OK logged in to backend';
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
		'refuse@pass' => { PASS => [@held, ['line', '-ERR no']] },
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

# A session in which a login stands still.

sub at {
	my ($moment) = @_;

	my $s = session($moment eq 'greeting' ? 8120 : 8110);
	my $before = connections();

	$s->print("USER $moment${crlf}PASS secret$crlf");
	is((replies($s, 1))[0], '+OK', "$moment - USER");

	wait_until(sub {
		my @new = connections();
		return @new > $before && @{$new[-1]{lines}} >= ($moment{$moment} // 2);
	});

	return $s;
}

sub all_ended {
	my ($name) = @_;

	ok(wait_until(sub { !grep { !$_->{end} } connections() }),
		"$name - backends are left");
}

my $pid = worker_pid($t);
my %waiting;

# reload: a login that is under way goes on

sub marks {
	return join ' ', grep { /FIRST|SECOND|THIRD/ } multiline($_[0], 'CAPA');
}

sub reloaded_to {
	my ($mark, $main) = @_;

	conf($mark, $main);
	reload($t);
	ok(wait_until(sub { marks(session(8110)) eq $mark }), "$mark is in force");
}

%waiting = map { $_ => at($_) } sort keys %moment;
$waiting{'refuse@pass'} = at('refuse@pass');

reloaded_to('SECOND', 'worker_shutdown_timeout 400ms;');
ok(kill(0, $pid), 'reload - the old worker is there');

$t->write_file('go', '');

for my $moment (sort keys %moment) {
	like((replies($waiting{$moment}, 1))[0] // '', qr/^\+OK/,
		"reload, $moment - login");
	is(command($waiting{$moment}, 'STAT'), '+OK 1 23',
		"reload, $moment - relay");
}

is((replies($waiting{'refuse@pass'}, 1))[0], $invalid,
	'reload, a refusal - reply');
is(marks($waiting{'refuse@pass'}), 'FIRST', 'reload, a refusal - goes on');
command($waiting{'refuse@pass'}, 'USER test');
is(command($waiting{'refuse@pass'}, 'PASS secret'), $welcome,
	'reload, a refusal - login');

%waiting = ();
ok(gone($pid), 'reload - the old worker goes');
all_ended('reload');

# worker_shutdown_timeout

unlink $go;
$pid = worker_pid($t);
%waiting = map { $_ => at($_) } sort keys %moment;

my $s = session(8110);
command($s, 'USER test');
is(command($s, 'PASS secret'), $welcome, 'worker_shutdown_timeout - logged in');

reloaded_to('THIRD', 'worker_shutdown_timeout 400ms;');

for my $moment (sort keys %moment) {
	receive($waiting{$moment}, 1000);
	ok(closed($waiting{$moment}), "worker_shutdown_timeout, $moment - closed");
}

ok(closed($s), 'worker_shutdown_timeout, logged in - closed');
ok(gone($pid), 'worker_shutdown_timeout - the worker goes');
all_ended('worker_shutdown_timeout');
%waiting = ();
undef $s;

is_deeply([map { @{$_->{early}} } connections()], [],
	'nothing is sent ahead of its turn');

# the end of it all comes upon them as well

%waiting = map { $_ => at($_) } sort keys %moment;

$t->stop();
all_ended('stop');

%waiting = ();
undef $t;

###############################################################################
