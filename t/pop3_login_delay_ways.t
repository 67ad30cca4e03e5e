#!/usr/bin/perl

# pop3_login_delay: which logins have failed, by each method, and by auth server, backend
# and file of users.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Limits;
use POP3Proxy;
use POP3Session;
use POP3Users;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/);

$t->write_file_expand('nginx.conf', <<'EOC' . counting_servers() . '}');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_limit_zone     64k;
    pop3_login_delay    100ms;
    pop3_proxy_pass     127.0.0.1:8211;
    max_errors          100;

    server {
        listen              127.0.0.1:8110;
        protocol            pop3;
        pop3_auth           plain apop cram-md5;
        pop3_auth_user_file users;
    }

    server {
        listen    127.0.0.1:8120;
        protocol  pop3;
        pop3_auth plain xoauth2 oauthbearer;
    }

    server {
        listen    127.0.0.1:8130;
        protocol  pop3;
        pop3_auth plain apop cram-md5 external xoauth2 oauthbearer;
        auth_http 127.0.0.1:8280;
    }

EOC

write_users($t, 'users', "any:{PLAIN}secret\nback:\n");

start_auth($t, 8280 => { logins => {
	'wait@auth'  => sub {
		kept($_[0], 'Auth-Status: no', 'Auth-Wait: 1') },
	'last@auth'  => sub { kept($_[0], 'Auth-Status: no') },
	'temp@auth'  => sub {
		kept($_[0], 'Auth-Status: not now', 'Auth-Error-Code: 451', 'Auth-Wait: 1') },
	'code@auth'  => sub {
		kept($_[0], 'Auth-Status: [IN-USE] not now', 'Auth-Wait: 1') },
	'again@auth' => sub {
		my ($r, $asked) = @_;
		return kept($r, $asked == 1 ? 'Auth-Status: WAIT' : 'Auth-Status: no');
	},
	'fault@auth' => 'nonsense',
	'back@auth'  => sub { kept($_[0], route('Auth-Pass: other')) },
	'use@auth'   => sub { kept($_[0], route('Auth-User: in@use')) },
	map({ ("right$_\@auth" => sub { kept($_[0], route('Auth-Pass: secret')) }) } 1 .. 3),
} });

start_backends($t, 8211 => { logins => {
	'in@use'     => { PASS => '-ERR [IN-USE] locked' },
	'temp@back'  => { PASS => '-ERR [SYS/TEMP] not now' },
	'perm@back'  => { PASS => '-ERR [SYS/PERM] never' },
	'delay@back' => { PASS => '-ERR [LOGIN-DELAY] not yet' },
	'none@back'  => { PASS => '-ERR no' },
	'gone@back'  => { PASS => [['close']] },
	'user@back'  => { USER => '-ERR [AUTH] nobody' },
} });

# Server, login, and how many failed logins come of it

my @refusals = (
	[8110, 'any' => 1], [8110, 'nobody' => 1], [8110, 'back' => 1],
	[8120, 'any' => 1], [8120, 'none@back' => 1], [8120, 'user@back' => 1],
	[8120, 'in@use' => 0], [8120, 'temp@back' => 0], [8120, 'perm@back' => 0],
	[8120, 'delay@back' => 0], [8120, 'gone@back' => 0],
	[8130, 'wait@auth' => 1], [8130, 'last@auth' => 1], [8130, 'again@auth' => 1],
	[8130, 'code@auth' => 0], [8130, 'fault@auth' => 0],
	[8130, 'back@auth' => 1], [8130, 'use@auth' => 0],
);

my @methods = (
	map({ [$_, 8110] } clear_methods(), digest_methods()),
	map({ [$_, 8120] } clear_methods(), token_methods()),
	map({ [$_, 8130] } clear_methods(), digest_methods(), token_methods()),
);

$t->plan(2 * @refusals + 6 * @methods + 8);
$t->run();

###############################################################################

my $n = 0;

sub address {
	return '127.0.5.' . ++$n;
}

# The reply to a login from an address.

sub logs_in {
	my ($address, $method, $port, $login, $password) = @_;

	my ($s, $greeting) = enters($address, $port);
	my $reply = login_by($method, $s, $login, $password, $greeting);

	return ($reply, $s);
}

# Who refuses

for (@refusals) {
	my ($port, $login, $expected) = @$_;
	my $address = address();
	my ($reply) = logs_in($address, 'USER and PASS', $port, $login, 'wrong');

	like($reply, $expected ? qr/^-ERR \[AUTH\]/ : qr/^-ERR (?!\[AUTH\])/,
		"$port, $login - reply");
	is(failures_of($address), $expected, "$port, $login - failed logins");
}

# How: each method is counted, waits, and clears; a token's challenge waits, too.

for (@methods) {
	my ($method, $port) = @$_;
	my $address = address();
	my $login = $port == 8130 ? 'right1@auth' : 'any';
	my $name = "$method, $port";

	# that login is right whatever the password is

	my $wrong = $port == 8130 ? 'last@auth' : 'any';

	my ($reply) = logs_in($address, $method, $port, $wrong, 'wrong');
	like($reply, qr/^-ERR \[AUTH\]/, "$name - refused");
	is(waits_of($t, $address), 0, "$name - the first one does not wait");

	my ($s, $greeting) = enters($address, $port);
	$reply = login_by($method, $s, $login, 'secret', $greeting);
	is($reply, '+OK logged in to backend', "$name - logged in");
	is(waits_of($t, $address), 1, "$name - but waits");

	(undef, $s) = logs_in($address, $method, $port, $login, 'secret');
	like(command($s, 'STAT'), qr/^\+OK 1/, "$name - the next one, too");
	is(waits_of($t, $address), 1, "$name - and does not wait");
}

# A token's challenge comes behind the delay.

my $address = address();

logs_in($address, 'AUTH XOAUTH2', 8120, 'any', 'wrong');
my ($s) = enters($address, 8201);
command($s, 'USER any');
is(command($s, 'PASS secret'), too_late(), 'a token - has failed');
($s) = enters($address, 8120);
$s->send('AUTH XOAUTH2 ' . xoauth2('any', 'other'));
ok(!$s->can_read(0.05), 'a token - no challenge at once');
like((replies($s, 1))[0], qr/^\+ /, 'a token - challenge');
like(command($s, ''), qr/^-ERR \[AUTH\]/, 'a token - reply');
is(waits_of($t, $address), 1, 'a token - has waited');

# Auth-Wait comes behind the delay, and the attempt counts when the auth server has
# answered, not when the client is told.

$address = address();
logs_in($address, 'USER and PASS', 8110, 'any', 'wrong');
asked_take();
$s = begins($address, 8130, 'wrong', 'wait@auth');
ok(!$s->can_read(0.05) && !asked_take(), 'Auth-Wait - is not asked at once');
ok(wait_until(sub { scalar asked() && asked_take() }), 'Auth-Wait - is asked');
like((replies($s, 1))[0], qr/^-ERR \[AUTH\] no/, 'Auth-Wait - reply');

undef $s;
undef $t;

###############################################################################
