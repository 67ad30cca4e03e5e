#!/usr/bin/perl

# Tests with 500 sessions at once, in all the states that there are, while nginx
# is reloaded (HUP) and replaced (USR2): each one goes on to its end.

###############################################################################

use warnings;
use strict;

use Test::More;

use Socket qw/ SOL_SOCKET SO_LINGER /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $EACH = 30;      # sessions of a state, a multiple of 3
my $LATER = 6;      # and more of them after the reload
my $CRLF = "\x0d\x0a";
my $INTERNAL = '-ERR [SYS/TEMP] internal server error';
my $login = 'test@example.com';

# A state: how a session gets there, and whether it goes on to its end.

my @states = (
	'greeting' => [sub { 1 }, sub { done($_[0], login()) }],
	'USER' => [sub { command($_[0]{s}, "USER $login") },
		sub { done($_[0], 'PASS secret') }],
	'half a line' => [sub { $_[0]{s}->print("USER $login${CRLF}PASS se") },
		sub { replies($_[0]{s}, 1) && done($_[0], 'cret') }],
	'a line too long' => [sub { $_[0]{s}->print('x' x 9000) },
		sub { command($_[0]{s}, 'x') =~ /^-ERR/ && done($_[0], login()) }],
	'PLAIN' => [sub { command($_[0]{s}, 'AUTH PLAIN') },
		sub { done($_[0], sasl_plain('', $login, 'secret')) }],
	'LOGIN' => [sub { command($_[0]{s}, 'AUTH LOGIN') },
		sub { done($_[0], b64($login), b64('secret')) }],
	'LOGIN, password' => [sub { command($_[0]{s}, 'AUTH LOGIN ' . b64($login)) },
		sub { done($_[0], b64('secret')) }],
	'CRAM-MD5' => [sub {
			$_[0]{challenge} = challenge(command($_[0]{s}, 'AUTH CRAM-MD5'))
		},
		sub { done($_[0], cram_md5($_[0]{challenge}, $login, 'secret')) }],
	'EXTERNAL' => [sub { command($_[0]{s}, 'AUTH EXTERNAL') },
		sub { done($_[0], b64($login)) }],
	'not reading' => [\&read_nothing, \&read_all],
	'STLS' => [sub { command($_[0]{s}, 'STLS') },
		sub { starttls($_[0]{s}) && done($_[0], login()) }],
	'half a handshake' => [
		sub { command($_[0]{s}, 'STLS'); $_[0]{s}->print("\x16\x03\x01\x02") },
		sub { go($_[0], 'FIN') && closed($_[0]{s}) }],
	'in TLS' => [sub { command($_[0]{s}, 'STLS'); starttls($_[0]{s}) },
		sub { done($_[0], login()) }],
	'logged in' => [sub { done($_[0], login()) }, sub { done($_[0]) }],
	'login sent ahead' => [
		sub { segment($_[0]{s}, join $CRLF, login('slow4@fault'), 'NOOP', '') },
		sub { replies($_[0]{s}, 3) == 3 && done($_[0]) }],
	'slow auth server' => [
		sub { segment($_[0]{s}, join $CRLF, login('slow4@fault'), '') },
		sub { (replies($_[0]{s}, 2))[1] =~ /^\+OK/ && done($_[0]) }],
	'stalled auth server' => [
		sub { segment($_[0]{s}, join $CRLF, login('stall@fault'), '') },
		sub { (replies($_[0]{s}, 2))[1] eq $INTERNAL && done($_[0], login()) }],
	'Auth-Wait' => [
		sub { segment($_[0]{s}, "USER wait\@example.com${CRLF}PASS x$CRLF") },
		sub { (replies($_[0]{s}, 2))[1] =~ /^-ERR/ && done($_[0], login()) }],
);

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(@states / 2 + 14);

# nginx takes USR2 only as a daemon, and gives the new binary what "env" names alone.
# The sessions have a log of their own, with little in it: the harness wants all there is
# to debug.

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon on;
env ASAN_OPTIONS;

events {
    worker_connections 2048;
}

mail {
    error_log         %%TESTDIR%%/mail.log warn;
    auth_http         127.0.0.1:8080;
    auth_http_timeout 6s;
    timeout           5m;
    pop3_max_commands 5000;
    starttls          on;
    pop3_auth         plain apop cram-md5 external;

    ssl_protocols       TLSv1.2 TLSv1.3;
    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen   127.0.0.1:8110 sndbuf=4k;
        protocol pop3;
    }
}

EOC

create_certificate($t, 'localhost');
start_daemons($t);

###############################################################################

my $dir = $t->testdir();
my $nginx = $ENV{TEST_NGINX_BINARY} // '../nginx/objs/nginx';
my @masters;

# whatever fails, no master is left behind

$SIG{INT} = $SIG{TERM} = sub { exit 1 };

END {
	kill 'TERM', grep { $_ && kill 0, $_ } @masters;
}

is(system($nginx, '-p', "$dir/", '-c', 'nginx.conf', '-e', 'error.log'), 0,
	'start');
ok(wait_until(sub { eval { worker_pid($t) } }), 'start - a worker');
push @masters, my $old = read_pid($dir, 'nginx.pid');

my ($first) = workers($old);
my $capa = length join '', map { $_ . $CRLF } multiline(session()->{s}, 'CAPA');

# One third goes while nginx is reloaded, one ends after that, and one after
# the upgrade.

my ($gone, $reloaded, $upgraded) = ([], [], []);
my %ok;

open_all($EACH, $gone, $reloaded, $upgraded);
cmp_ok(worker_fds($t), '>', 500, 'sessions at once');

kill 'HUP', $old;

go($gone->[$_], $_ % 2 ? 'RST' : 'FIN') for 0 .. $#$gone;
undef $gone;

ok(wait_until(sub { shutting_down($first) }), 'HUP - the old worker goes');

end_all($reloaded);

# sessions of the new worker, too

my ($second) = grep { $_ != $first } workers($old);
open_all($LATER, $upgraded);

kill 'USR2', $old;

ok(wait_until(sub { read_pid($dir, 'nginx.pid.oldbin') == $old
	&& eval { worker_pid($t) } }), 'USR2 - a new master with a worker');
push @masters, my $new = read_pid($dir, 'nginx.pid');

my $worker = worker_pid($t);
my ($fds, $settled) = (0, 0);

wait_until(sub {
	my $now = worker_fds($t);
	$settled = $now == $fds ? $settled + 1 : 0;
	$fds = $now;
	return $settled == 5;
});

kill 'WINCH', $old;
ok(wait_until(sub { shutting_down($second) }), 'WINCH - the second worker goes');
kill 'QUIT', $old;

end_all($upgraded);

while (my ($name) = splice @states, 0, 2) {
	is($ok{$name}, $EACH * 2 / 3 + $LATER, "$name - all came to their end");
}

ok(gone($_->[1]), "$_->[0] has exited")
	for ['first worker', $first], ['second worker', $second], ['old master', $old];

ok(wait_until(sub { worker_fds($t) == $fds }), 'no descriptor is left open')
	or diag(worker_fds($t) . " of $fds");

is(worker_pid($t), $worker, 'the new worker is the same');
ok(done(session(), login()), 'a new session');
kill 'QUIT', $new;
ok(gone($new), 'QUIT - the new master goes');
is(join('', $t->read_file('mail.log') =~ /^.*\[(?:alert|crit|emerg)\].*\n/gm),
	'', 'no alerts in sessions');

###############################################################################

sub session {
	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8110));

	return { s => $s, challenge => challenge($s->read()) };
}

sub login { return ('USER ' . ($_[0] // $login), 'PASS secret') }

# Whether all lines are taken, and the session is at the backend then.

sub done {
	my ($c, @lines) = @_;

	for my $line (@lines) {
		return 0 if command($c->{s}, $line) !~ /^\+/;
	}

	return command($c->{s}, 'STAT') =~ /^\+OK \d/;
}

# State by state: some of the states do not last.

sub open_all {
	my ($each, @groups) = @_;

	for (my $i = 0; $i < @states; $i += 2) {
		for my $number (0 .. $each - 1) {
			my $c = session();

			$states[$i + 1][0]->($c);
			push @{$groups[$number % @groups]},
				{ %$c, name => $states[$i], end => $states[$i + 1][1] };
		}
	}
}

sub end_all {
	my ($group) = @_;

	$ok{$_->{name}} += $_->{end}->($_) ? 1 : 0 for splice @$group;
}

# 270 KB of replies: more than sndbuf and what an unread socket takes.

sub read_nothing { segment($_[0]{s}, "CAPA$CRLF" x 3000) }

sub read_all {
	my $bytes = receive($_[0]{s}, 3000 * $capa);
	return length $bytes == 3000 * $capa && done($_[0], login());
}

sub go {
	my ($c, $how) = @_;
	my $socket = $c->{s}->socket();

	return shutdown $socket, 1 if $how eq 'FIN';

	$socket->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
	return CORE::close $socket;
}

# Those of a master that have not exited.

sub workers {
	my ($master) = @_;

	open my $fh, '<', "/proc/$master/task/$master/children" or return;
	return split ' ', <$fh> // '';
}

sub shutting_down {
	my ($worker) = @_;

	open my $fh, '<', "$dir/error.log" or return 0;
	return scalar grep { /$worker#\d+: gracefully shutting down/ } <$fh>;
}

###############################################################################
