#!/usr/bin/perl

# Logging in by each method: what the client is told, what auth_http is asked
# and what the backend gets.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(233);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http   127.0.0.1:8080;
    server_name pop3.example.com;
    max_errors  100;

    proxy_pass_error_message on;

    server {
        listen    127.0.0.1:8110;
        protocol  pop3;
        pop3_auth plain apop cram-md5 external;
    }

    server {
        listen   127.0.0.1:8120;
        protocol pop3;
    }
}

EOC

start_daemons($t);

$t->run();

###############################################################################

my $login = 'test@example.com';
my ($s, $challenge);

sub session {
	my ($number) = @_;

	$s = POP3Session->new(
		PeerAddr => '127.0.0.1:' . port($number || 8110));
	$challenge = challenge($s->read());
}

sub sends {
	my ($line, $regex, $name) = @_;

	like(command($s, $line), $regex, $name);
}

# A fresh session, lines with the reply to each; the last one logs in.

sub logs_in {
	my ($name, %args) = @_;
	my @lines = @{$args{lines}};

	session() unless $args{same_session};

	while (my ($line, $reply) = splice @lines, 0, 2) {
		sends($line, $reply, "$name - reply");
	}

	sends('STAT', qr/^\+OK \d+ \d+$/, "$name - at the backend");

	my ($user, $pass) = @{$args{as}};
	my ($r, @more) = auth_take();

	is_deeply([$r->{'Auth-Method'}, $r->{user}, $r->{pass}, scalar @more],
		[@{$args{asked}}, 0], "$name - auth_http");
	is_deeply([backend_take()], ["USER $user", "PASS $pass", 'STAT'],
		"$name - backend");
}

# On the same session throughout: lines, then one that is refused.

sub is_refused {
	my ($name, @lines) = @_;
	my $last = pop @lines;

	sends($_, qr/^\+/, "$name - prompt") for @lines;

	sends($last, qr/^-ERR/, $name);
	sends('NOOP', qr/^\+OK/, "$name - session goes on");
	is(scalar auth_take(), 0, "$name - auth_http is not asked");
}

my $ok = qr/^\+OK/;
my $user_prompt = qr/^\+ VXNlcm5hbWU6$/;
my $pass_prompt = qr/^\+ UGFzc3dvcmQ6$/;

my %plain = (asked => ['plain', $login, 'secret'], as => [$login, 'secret']);

# USER and PASS

logs_in('USER', %plain,
	lines => ["USER $login" => $ok, 'PASS secret' => $ok]);

logs_in('user in lower case', %plain,
	lines => ["user $login" => $ok, 'pass secret' => $ok]);

logs_in('login with a space', asked => ['plain', 'two words', 'secret'],
	as => ['two words', 'secret'],
	lines => ['USER two words' => $ok, 'PASS secret' => $ok]);

for my $account (['percent%40@example.com', '100%25 %'],
	["j\xc3\xbcrgen\@example.com", "gr\xc3\xbc\xc3\x9fe"])
{
	logs_in("login $account->[1]", asked => ['plain', @$account],
		as => $account, lines => ["USER $account->[0]" => $ok,
		"PASS $account->[1]" => $ok]);
}

session();

is_refused('PASS without USER', 'PASS secret');
is_refused('USER without a name', 'USER');

# how it is asked

logs_in('headers', %plain,
	lines => ["USER $login" => $ok, 'PASS secret' => $ok]);

my $r = (auth_requests())[-1];

is($r->{'Auth-Protocol'}, 'pop3', 'Auth-Protocol');
is($r->{'Auth-Login-Attempt'}, '1', 'Auth-Login-Attempt');
is($r->{'Client-IP'}, '127.0.0.1', 'Client-IP');
is($r->{'Auth-Salt'}, undef, 'no Auth-Salt for plain');

# wrong password: closed, or kept when the auth server says Auth-Wait

session();

sends("USER $login", $ok, 'wrong password - USER');
sends('PASS wrong', qr/^-ERR \[AUTH\] Invalid login or password$/,
	'wrong password - PASS');
ok(closed($s), 'wrong password - closed');

is((auth_take())[0]{pass}, 'wrong', 'wrong password - auth_http');

session();

sends('USER wait@example.com', $ok, 'second attempt - USER');
sends('PASS wrong', qr/^-ERR \[AUTH\] Invalid login or password$/,
	'second attempt - wrong PASS');

auth_take();

logs_in('second attempt', same_session => 1,
	asked => ['plain', 'wait@example.com', 'secret'],
	as => ['wait@example.com', 'secret'],
	lines => ['USER wait@example.com' => $ok, 'PASS secret' => $ok]);

is((auth_requests())[-1]{'Auth-Login-Attempt'}, '2',
	'second attempt - counted');

# APOP

session();

logs_in('APOP', same_session => 1,
	asked => ['apop', $login, apop($challenge, 'secret')],
	as => [$login, 'secret'],
	lines => ["APOP $login " . apop($challenge, 'secret') => $ok]);

is((auth_requests())[-1]{'Auth-Salt'}, $challenge, 'APOP - Auth-Salt');

session();

sends("APOP $login " . apop($challenge, 'wrong'), qr/^-ERR/,
	'APOP - wrong digest');
auth_take();

session();

is_refused('APOP without a digest', "APOP $login");

# AUTH PLAIN

my $plain = sasl_plain('', $login, 'secret');

logs_in('PLAIN', %plain,
	lines => ['AUTH PLAIN' => qr/^\+ $/, $plain => $ok]);
logs_in('PLAIN with initial response', %plain,
	lines => ["AUTH PLAIN $plain" => $ok]);
logs_in('plain in lower case', %plain,
	lines => ["auth plain $plain" => $ok]);

# padding of one byte and of two, and none where there ought to be

my $one = sasl_plain('', 'two words', 'secret');
my $two = sasl_plain($login, $login, 'secret');

like($one, qr/[^=]=$/, 'one pad byte');
like($two, qr/[^=]==$/, 'two pad bytes');

logs_in('PLAIN without its pad byte', asked => ['plain', 'two words', 'secret'],
	as => ['two words', 'secret'],
	lines => ['AUTH PLAIN' => qr/^\+ $/, $one =~ s/=//r => $ok]);
logs_in('PLAIN without its two pad bytes', %plain,
	lines => ['AUTH PLAIN ' . $two =~ s/=+//r => $ok]);

session();

is_refused('PLAIN cancelled', 'AUTH PLAIN', '*');
is_refused('PLAIN not base64', 'AUTH PLAIN', '$$$$');
is_refused('PLAIN not base64 in initial response', 'AUTH PLAIN $$$$');
is_refused('PLAIN with =', 'AUTH PLAIN =');
is_refused('PLAIN with an empty response', 'AUTH PLAIN', '');
is_refused('PLAIN without a password', 'AUTH PLAIN ' . b64("\0$login"));
is_refused('PLAIN with two arguments', "AUTH PLAIN $plain $plain");

# AUTH LOGIN

logs_in('LOGIN', %plain, lines => ['AUTH LOGIN' => $user_prompt,
	b64($login) => $pass_prompt, b64('secret') => $ok]);
logs_in('LOGIN with initial response', %plain,
	lines => ['AUTH LOGIN ' . b64($login) => $pass_prompt,
		b64('secret') => $ok]);
logs_in('LOGIN without padding', %plain,
	lines => ['AUTH LOGIN' => $user_prompt,
		b64($login) =~ s/=+$//r => $pass_prompt,
		b64('secret') =~ s/=+$//r => $ok]);

session();

is_refused('LOGIN cancelled at the name', 'AUTH LOGIN', '*');
is_refused('LOGIN cancelled at the password', 'AUTH LOGIN', b64($login), '*');
is_refused('LOGIN cancelled after initial response',
	'AUTH LOGIN ' . b64($login), '*');
is_refused('LOGIN name not base64', 'AUTH LOGIN', 'dGVz!A==');
is_refused('LOGIN initial response not base64', 'AUTH LOGIN dGVz!A==');
is_refused('LOGIN password not base64', 'AUTH LOGIN ' . b64($login), 'a');

# AUTH CRAM-MD5

session();

my $line = command($s, 'AUTH CRAM-MD5');

my $cram = challenge($line);

like($cram, qr/^<\d+\.\d+\@pop3\.example\.com>$/, 'CRAM-MD5 - challenge');
isnt($cram, $challenge, 'CRAM-MD5 - another one than that of the greeting');

logs_in('CRAM-MD5', same_session => 1,
	asked => ['cram-md5', split / (?=\S+$)/,
		unb64(cram_md5($cram, $login, 'secret'))],
	as => [$login, 'secret'],
	lines => [cram_md5($cram, $login, 'secret') => $ok]);

is((auth_requests())[-1]{'Auth-Salt'}, $cram, 'CRAM-MD5 - Auth-Salt');

session();

$cram = challenge(command($s, 'AUTH CRAM-MD5'));
sends(cram_md5($cram, $login, 'wrong'), qr/^-ERR/,
	'CRAM-MD5 - wrong digest');
auth_take();

# each exchange has its challenge, and APOP that of the greeting

session();

$cram = challenge(command($s, 'AUTH CRAM-MD5'));
sends('*', qr/^-ERR/, 'CRAM-MD5 - cancelled');
isnt(challenge(command($s, 'AUTH CRAM-MD5')), $cram,
	'CRAM-MD5 - the next exchange has a challenge of its own');
sends('*', qr/^-ERR/, 'CRAM-MD5 - cancelled again');

sends('AUTH CRAM-MD5', qr/^\+ /, 'CRAM-MD5 - a failed login');
sends(b64("wait\@example.com " . 'f' x 32), qr/^-ERR/,
	'CRAM-MD5 - a failed login, session kept');
auth_take();

logs_in('APOP after CRAM-MD5', same_session => 1,
	asked => ['apop', $login, apop($challenge, 'secret')],
	as => [$login, 'secret'],
	lines => ["APOP $login " . apop($challenge, 'secret') => $ok]);
is((auth_requests())[-1]{'Auth-Salt'}, $challenge,
	'APOP after CRAM-MD5 - Auth-Salt');

session();

is_refused('CRAM-MD5 cancelled', 'AUTH CRAM-MD5', '*');
is_refused('CRAM-MD5 not base64', 'AUTH CRAM-MD5', '$$$$');
is_refused('CRAM-MD5 without a digest', 'AUTH CRAM-MD5', b64($login));
is_refused('CRAM-MD5 with initial response',
	'AUTH CRAM-MD5 ' . cram_md5($challenge, $login, 'secret'));

# AUTH EXTERNAL: the password comes from the auth server alone

my %external = (asked => ['external', $login, ''], as => [$login, 'secret']);
my %unnamed = (asked => ['external', '', ''], as => [$login, 'secret']);

logs_in('EXTERNAL', %external,
	lines => ['AUTH EXTERNAL' => $user_prompt, b64($login) => $ok]);
logs_in('EXTERNAL with initial response', %external,
	lines => ['AUTH EXTERNAL ' . b64($login) => $ok]);
logs_in('EXTERNAL without padding', %external,
	lines => ['AUTH EXTERNAL ' . b64($login) =~ s/=+$//r => $ok]);
logs_in('EXTERNAL with =', %unnamed, lines => ['AUTH EXTERNAL =' => $ok]);
logs_in('EXTERNAL with an empty response', %unnamed,
	lines => ['AUTH EXTERNAL' => $user_prompt, '' => $ok]);
logs_in('EXTERNAL with = as the response', %unnamed,
	lines => ['AUTH EXTERNAL' => $user_prompt, '=' => $ok]);

session();

is_refused('EXTERNAL cancelled', 'AUTH EXTERNAL', '*');
is_refused('EXTERNAL not base64', 'AUTH EXTERNAL', '$$$$');

# what is not configured, and what there is not

session(8120);

is_refused('APOP is off', "APOP $login " . apop('', 'secret'));
is_refused('CRAM-MD5 is off', 'AUTH CRAM-MD5');
is_refused('EXTERNAL is off', 'AUTH EXTERNAL');
is_refused('unknown mechanism', 'AUTH NTLM');

# a password that the backend refuses

session();

sends('USER refuse@backend', $ok, 'refused by the backend - USER');
sends('PASS secret', qr/^-ERR \[AUTH\] refused by backend$/,
	'refused by the backend - PASS');
sends('NOOP', $ok, 'refused by the backend - session goes on');

undef $s;

###############################################################################
