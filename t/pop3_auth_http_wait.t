#!/usr/bin/perl

# Auth-Wait and Auth-Status: WAIT: how long the client waits, what is asked
# again, and that "timeout" ends it.

###############################################################################

use warnings;
use strict;

use Test::More;

use Socket qw/ SOL_SOCKET SO_LINGER /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Login;
use POP3Proxy;
use POP3Session;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(52);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

worker_shutdown_timeout 1s;

events {
}

mail {
    auth_http  127.0.0.1:8280;
    max_errors 100;
    pop3_auth  plain apop cram-md5 external;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen                   127.0.0.1:8120;
        protocol                 pop3;
        pop3_auth_http_keepalive 2;
    }

    server {
        listen   127.0.0.1:8130;
        protocol pop3;
        timeout  3s;
    }
}

EOC

# Asked for the $n-th time, and each time before: WAIT.

sub again {
	my ($n, @headers) = @_;

	return sub {
		my ($r, $asked) = @_;

		return $asked % $n
			? kept($r, 'Auth-Status: WAIT', @headers)
			: kept($r, route('Auth-Pass: secret'));
	};
}

sub waits {
	my ($wait) = @_;

	return sub {
		return kept($_[0], 'Auth-Status: not yet', "Auth-Wait: $wait");
	};
}

start_auth($t, 8280 => { logins => {
	map({ ("wait$_\@auth" => waits($_)) } 1, 2, 600, 4294967296,
		99999999999),
	map({ ("plain$_" => again(2), "apop$_" => again(2), "cram$_" => again(3),
		"external$_" => again(2)) } 8110, 8120),
	'time@again'  => again(2, 'Auth-Wait: 2'),
	'zero@again'  => again(2, 'Auth-Wait: 0'),
	'word@again'  => again(2, 'Auth-Wait: x'),
	'minus@again' => again(2, 'Auth-Wait: -1'),
	'route@again' => again(2, 'Auth-Server: 127.0.0.1', 'Auth-Port: 1',
		'Auth-User: wrong', 'Auth-Pass: wrong'),
	'ever@again'  => again(1000),
	'late@again'  => again(1000, 'Auth-Wait: 600'),
	'gone@again'  => again(1000),
	'silent@auth' => [],
	'no@again'    => sub {
		my ($r, $asked) = @_;

		return kept($r, 'Auth-Status: ' . ($asked == 1 ? 'WAIT' : 'no'));
	},
	'fault@again' => sub {
		my ($r, $asked) = @_;

		return $asked == 1 ? kept($r, 'Auth-Status: WAIT') : 'nonsense';
	},
} });

start_backends($t, 8211 => {});

$t->run();

###############################################################################

my $login = 'test@example.com';
my $welcome = '+OK logged in to backend';
my $internal = '-ERR [SYS/TEMP] internal server error';

my %s;

# A session with a login in it that has no reply yet, and a command behind that.

sub begins {
	my ($name, $number, @lines) = @_;

	$s{$name} = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
	my $challenge = challenge($s{$name}->read());

	@lines = map { s/APOP \S+\K/ ' ' . apop($challenge, 'secret')/re } @lines;

	my $last = pop @lines;
	my $reply;

	$reply = command($s{$name}, $_) for @lines;
	$last = cram_md5(challenge($reply), $last, 'secret')
		if ($lines[-1] // '') eq 'AUTH CRAM-MD5';

	segment($s{$name}, "$last\x0d\x0aSTAT\x0d\x0a");
}

sub user {
	my ($login) = @_;

	return ("USER $login", 'PASS secret');
}

# All of them at once: each waits for a second or more.

begins('wait1', 8110, user('wait1@auth'));
begins('wait2', 8110, user('wait2@auth'));
begins($_, 8130, user("$_\@auth"))
	for qw/wait600 wait4294967296 wait99999999999/;

for my $number (8110, 8120) {
	begins("USER, $number", $number, user("plain$number"));
	begins("APOP, $number", $number, "APOP apop$number");
	begins("CRAM-MD5, $number", $number, 'AUTH CRAM-MD5', "cram$number");
	begins("EXTERNAL, $number", $number,
		'AUTH EXTERNAL ' . b64("external$number"));
}

begins("$_", 8110, user("$_\@again")) for qw/time zero word minus route no fault/;
begins("$_", 8130, user("$_\@again")) for qw/ever late/;
begins('silent', 8130, user('silent@auth'));
begins('gone', 8110, user('gone@again'));

ok(wait_until(sub { asked() >= 24 }), 'all are asked');

# a client resets meanwhile

$s{gone}->socket()->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
undef $s{gone};

# not before it is time

ok(!$s{wait2}->can_read(0.3), 'Auth-Wait - no reply at once');
ok(!$s{"USER, $_"}->can_read(0.01), "WAIT, $_ - no reply at once") for 8110, 8120;

is((replies($s{wait1}, 1))[0], '-ERR [AUTH] not yet', 'Auth-Wait: 1 - reply');
like((replies($s{wait1}, 1))[0], qr/^-ERR /, 'Auth-Wait: 1 - what is behind it');
is((replies($s{wait2}, 1))[0], '-ERR [AUTH] not yet', 'Auth-Wait: 2 - reply');

for my $way ('USER', 'APOP', 'CRAM-MD5', 'EXTERNAL') {
	for my $number (8110, 8120) {
		is_deeply([replies($s{"$way, $number"}, 2)], [$welcome, '+OK 1 23'],
			"WAIT, $way, $number - replies");

		my $user = { USER => 'plain', APOP => 'apop', 'CRAM-MD5' => 'cram',
			EXTERNAL => 'external' }->{$way} . $number;
		my @asked = grep { $_->{user} eq $user } asked();

		is_deeply([map { $_->{request} } @asked],
			[($asked[0]{request}) x ($way eq 'CRAM-MD5' ? 3 : 2)],
			"WAIT, $way, $number - the same is asked again");
	}
}

for my $name (qw/time zero word minus route/) {
	is_deeply([replies($s{$name}, 2)], [$welcome, '+OK 1 23'],
		"WAIT, $name - replies");
}

is_deeply([grep { /wrong/ } map { @{$_->{lines}} } connections()], [],
	'what else stands beside WAIT is nothing');

like((replies($s{no}, 1))[0], qr/^-ERR \[AUTH\] no$/,
	'WAIT, then refused - reply');
ok(closed($s{no}), 'WAIT, then refused - closed');
is((replies($s{fault}, 1))[0], $internal, 'WAIT, then a fault - reply');
like((errors_take($t, 1))[0], qr/ auth http server /,
	'WAIT, then a fault - error line');

# until the end of "timeout"

for my $name (qw/wait600 wait4294967296 wait99999999999 ever late silent/) {
	is((replies($s{$name}, 1))[0], $name =~ /wait/ ? '-ERR [AUTH] not yet'
		: $internal, "$name - reply at the end of timeout");
	ok(closed($s{$name}), "$name - closed at the end of timeout");
}

my @ever = grep { $_->{user} eq 'ever@again' } asked();

cmp_ok(scalar(@ever), '>', 1, 'WAIT without end - is asked again');
cmp_ok(scalar(@ever), '<', 5, 'WAIT without end - once a second');
is(scalar(grep { $_->{user} eq 'late@again' } asked()), 1,
	'WAIT beyond timeout - asked once');

is(scalar(grep { $_->{user} eq 'gone@again' } asked()), 1,
	'client gone - is not asked for any more');

# a worker that shuts down does not wait for it, nor for an auth server

begins('shutdown', 8110, user('ever@again'));
begins("stalled, $_", $_, user('silent@auth')) for 8110, 8120;
wait_until(sub { grep({ $_->{user} eq 'ever@again' } asked()) > @ever });
reload($t);
replies($s{shutdown}, 1);
ok(closed($s{shutdown}), 'shutdown - closed');

for my $number (8110, 8120) {
	replies($s{"stalled, $number"}, 1);
	ok(closed($s{"stalled, $number"}), "shutdown, stalled, $number - closed");
}

%s = ();
undef $t;

###############################################################################
