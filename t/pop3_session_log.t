#!/usr/bin/perl

# The session log: one line for a session, whatever its logins were, with whom, by which
# method, where, and how many bytes.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Proxy;
use POP3SessionLog;
use POP3Users;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(73);

my $methods = 'plain apop cram-md5';

$t->write_file_expand('nginx.conf', <<"EOC");

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_log_format all escape=json '$FORMAT';
    pop3_log        sessions.log all;

    auth_http  127.0.0.1:8280;
    max_errors 100;
    pop3_auth  $methods xoauth2 oauthbearer;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        pop3_auth       plain xoauth2 oauthbearer;
        pop3_proxy_pass 127.0.0.1:8211;
    }

    server {
        listen              127.0.0.1:8130;
        protocol            pop3;
        pop3_auth           $methods;
        pop3_auth_user_file users;
        pop3_proxy_pass     127.0.0.1:8211;
    }

    # the log of the server alone, in the default format

    server {
        listen   127.0.0.1:8140;
        protocol pop3;
        pop3_log main.log;
    }

    server {
        listen   127.0.0.1:8150;
        protocol pop3;
        pop3_log off;
    }

    # two at once

    server {
        listen   127.0.0.1:8160;
        protocol pop3;
        pop3_log main.log main;
        pop3_log sessions.log all;
    }
}

EOC

my $login = 'test@example.com';

use_session_log($t);
write_users($t, 'users', "$login:{PLAIN}secret\nwrong\@backend:{PLAIN}other\n");
start_backends($t, 8211 => {});
start_auth($t, 8280 => { logins => {
	'renamed' => sub { return kept($_[0], route("Auth-User: $login", 'Auth-Pass: secret')) },
	'waits'   => sub { return kept($_[0], 'Auth-Status: wrong', 'Auth-Wait: 1') },
} });

$t->run();

###############################################################################

my $backend = '127.0.0.1:' . port(8211);
my %in = (status => 'ok', login => $login, login_attempts => 1,
	upstream_addr => $backend, end => 'client');
my $s;

# each method, with each of those who check it

sub good {
	my ($name, $port, $method, @lines) = @_;

	$s = client($port);

	for my $line (@lines) {
		my $challenge = challenge($s->{last} // $s->{greeting});
		$line = $line->($challenge) if ref $line;
		$s->{last} = command($s, $line);
	}

	my @replies = map { command($s, $_) } 'STAT', 'QUIT';

	closed($s);
	is("@replies", '+OK 1 23 +OK bye from backend', "$name - logged in");
	is_logged($s, "$name - line", %in, method => $method);
}

my @user = ("USER $login", 'PASS secret');
my @plain = ('AUTH PLAIN', sasl_plain('', $login, 'secret'));
my @login = ('AUTH LOGIN', b64($login), b64('secret'));
my @apop = (sub { "APOP $login " . apop($_[0], 'secret') });
my @cram = ('AUTH CRAM-MD5', sub { cram_md5($_[0], $login, 'secret') });

for ([8110, 'auth_http'], [8120, 'backend'], [8130, 'file']) {
	my ($port, $by) = @$_;

	good("user, $by", $port, 'user', @user);
	good("plain, $by", $port, 'plain', @plain);
	good("plain at once, $by", $port, 'plain', "@plain");
	good("login, $by", $port, 'login', @login);

	if ($port != 8120) {
		good("apop, $by", $port, 'apop', @apop);
		good("cram-md5, $by", $port, 'cram-md5', @cram);
	}

	if ($port != 8130) {
		good("xoauth2, $by", $port, 'xoauth2', 'AUTH XOAUTH2 ' . xoauth2($login, 'secret'));
		good("oauthbearer, $by", $port, 'oauthbearer',
			'AUTH OAUTHBEARER ' . oauthbearer($login, 'secret'));
	}
}

# logins that fail, and what comes after

sub bye {
	my ($name, %expected) = @_;

	$s->send('QUIT');
	1 while $s->more();
	is_logged($s, $name, end => 'client', %expected);
}

for ([8110, 'auth_http', 'waits'], [8120, 'backend', $login], [8130, 'file', $login]) {
	my ($port, $by, $tried) = @$_;
	my %at = $port == 8120 ? (upstream_addr => $backend) : ();

	$s = client($port);
	command($s, $_) for "USER $tried", 'PASS wrong';
	bye("wrong password, $by", status => 'failed', login => $tried,
		login_attempts => 1, method => 'user', %at);

	$s = client($port);
	command($s, $_) for "USER $tried", 'PASS wrong', "@plain";
	bye("wrong password, then right, $by", %in, method => 'plain', login_attempts => 2);

	$s = client($port);
	command($s, 'QUIT');
	closed($s);
	is_logged($s, "QUIT at once, $by", end => 'client');

	$s = client($port);
	command($s, $_) for 'USER somebody', 'CAPA', 'NOOP';
	bye("QUIT behind USER, $by", login => 'somebody');
}

# behind Auth-Status without Auth-Wait the session ends

$s = client(8110);
command($s, $_) for 'USER nobody', 'PASS wrong';
ok(closed($s), 'refused for good - closed');
is_logged($s, 'refused for good', login => 'nobody', method => 'user',
	status => 'failed', login_attempts => 1, end => 'limit');

$s = client(8110);
command($s, $_) for 'USER renamed', 'PASS any';
bye('another login by the auth server', %in, method => 'user');

$s = client(8130);
command($s, $_) for 'USER wrong@backend', 'PASS other';
bye('refused by the backend, file', login => 'wrong@backend', method => 'user',
	status => 'failed', login_attempts => 1, upstream_addr => $backend);

$s = client(8120);
command($s, 'AUTH XOAUTH2 ' . xoauth2($login, 'wrong'));
command($s, 'AQ==');
bye('refused token, backend', login => $login, method => 'xoauth2', status => 'failed',
	login_attempts => 1, upstream_addr => $backend);

# what never was a login counts for nothing

$s = client(8120);
command($s, $_) for 'PASS x', "USER \x01", 'AUTH NOTHING', 'AUTH PLAIN', '*';
bye('no login at all');

# much, both ways: what the client sends, and what nginx reads or relays of it

$s = client(8120);
$s->print(join '', map { "$_\x0d\x0a" } @user, ('RETR 1') x 900, 'QUIT');
1 while $s->more();
is_logged($s, 'sent ahead', %in, method => 'user');

# QUIT in any pieces

for my $at (0 .. 5) {
	$s = client(8120);
	command($s, $_) for @user;

	my $quit = "QUIT\x0d\x0a";

	$s->print($_), select undef, undef, undef, 0.02
		for substr($quit, 0, $at), substr $quit, $at;
	1 while $s->more();
	is_logged($s, "QUIT, $at bytes by themselves", %in, method => 'user');
}

$s = client(8120);
command($s, $_) for @user, ('RETR 1') x 20;
1 while $s->more(0.2);
bye('relayed', %in, method => 'user');

# the default format; several logs, and none

for my $port (8140, 8160) {
	$s = client($port);
	command($s, $_) for @user;
	command($s, 'QUIT');
	closed($s);

	my @lines = next_lines('main.log');

	is(scalar @lines, 1, "default format, $port - one line");
	like($lines[0], qr/^127\.0\.0\.1\ \[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d\]
		\ "\Q$login\E"\ user\ ok\ \Q$backend\E
		\ $s->{sent_bytes}\ $s->{read_bytes}\ \d+\.\d{3}\ client$/x,
		"default format, $port - line");
}

is_logged($s, 'two logs', %in, method => 'user');

$s = client(8140);
abandon($s);
like((next_lines('main.log'))[0],
	qr/^127\.0\.0\.1 \[\S+\] "-" - none - 0 $s->{read_bytes} \S+ client$/,
	'default format - what is empty');

$s = client(8150);
command($s, $_) for @user;
abandon($s);
$s = client(8120);
bye('no log');

undef $s;

###############################################################################
