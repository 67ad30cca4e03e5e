#!/usr/bin/perl

# Logins that a file of users decides (pop3_auth_user_file): each form of password by
# each method, what the backend is told of it, and what is refused.

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

my $t = Test::Nginx->new()->has(qw/mail imap/)->has_daemon('openssl')->plan(613);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_auth           plain apop cram-md5 xoauth2 oauthbearer;
    pop3_auth_user_file users;
    pop3_proxy_pass     127.0.0.1:8211;

    # others have their auth server

    auth_http           127.0.0.1:8080;

    server {
        listen     127.0.0.1:8110;
        protocol   pop3;
        max_errors 1000;
    }

    # what a password is worth is for this backend to say

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8212;
        max_errors      1000;
    }

    server {
        listen                   127.0.0.1:8121;
        protocol                 pop3;
        pop3_proxy_pass          127.0.0.1:8212;
        proxy_pass_error_message on;
    }

    # the same file by its whole path, and another one

    server {
        listen              127.0.0.1:8130;
        protocol            pop3;
        pop3_auth_user_file %%TESTDIR%%/users;
    }

    server {
        listen              127.0.0.1:8131;
        protocol            pop3;
        pop3_auth_user_file others;
    }

    # in the form of another system, and without a user

    server {
        listen              127.0.0.1:8132;
        protocol            pop3;
        pop3_auth_user_file crlf;
        max_errors          100;
    }

    server {
        listen              127.0.0.1:8133;
        protocol            pop3;
        pop3_auth_user_file nobody;
    }

    # neither digests nor tokens

    server {
        listen    127.0.0.1:8140;
        protocol  pop3;
        pop3_auth plain;
    }

    # not by the file

    server {
        listen    127.0.0.1:8141;
        protocol  pop3;
        auth_http 127.0.0.1:8080;
    }

    server {
        listen   127.0.0.1:8143;
        protocol imap;
    }
}

EOC

my $welcome = '+OK logged in to backend';
my $invalid = '-ERR [AUTH] invalid login or password';
my $wrong = 'WRONG-secret-0451';

# Logins, each with a form and the password.

my %users = (
	'plain'         => ['{PLAIN}', 'plain secret'],
	'spaces'        => ['{PLAIN}', ' two  words '],
	'8-bit'         => ['{PLAIN}', "p\xe4\xff\x80\x09\x7fss"],
	'braces'        => ['{PLAIN}', '{SHA}$1$'],
	'long'          => ['{PLAIN}', 'long' x 200],
	'colons'        => ['{PLAIN.b64}', ':a:b c: {PLAIN}'],
	'base64, 8-bit' => ['{PLAIN.b64}', " p\xe4\xff\x80ss "],
	'by doveadm'    => ['{PLAIN.B64}', 'from doveadm'],
	"j\xf6rg"       => ['{PLAIN}', 'eight bits'],
	'two words'     => ['{PLAIN}', 'a login with a space'],
	'sha'           => ['{SHA}', 'sha secret'],
	'ssha'          => ['{SSHA}', 'ssha secret'],
	'apr1'          => ['$apr1$', 'apr1 secret'],
	'md5'           => ['$1$', 'md5 secret'],
	'sha256'        => ['$5$', 'sha256 secret'],
	'sha512'        => ['$6$', "sha512 secret: \xe4\xff"],
);

write_users($t, 'users', join('', map { "$_:" . hashed(@{$users{$_}}) . "\n" }
	sort keys %users) . "delegated:\ndelegated, too::\n");
write_users($t, 'others', "plain:{PLAIN}another secret\n");

write_users($t, 'crlf', join "\x0d\x0a", '# comment', '', '#hidden:{PLAIN}no secret',
	'first:{PLAIN}crlf secret', 'middle:' . hashed('{SHA}', 'crlf secret'), '',
	'last:{PLAIN}last secret');
write_users($t, 'nobody', "# nobody\n");

start_backends($t, 8211 => { PASS => $welcome }, 8212 => {});

$t->run();

###############################################################################

my $s;

sub is_refused {
	my ($method, $number, $login, $password, $name) = @_;

	is(login_by($method, $number, $login, $password), $invalid, "$name - reply");
	is_deeply([told()], [], "$name - no backend is told");
}

# A login of APOP ends at a space.

sub methods_for {
	my ($login) = @_;

	return grep { $_ ne 'APOP' || $login !~ / / } clear_methods(), digest_methods();
}

sub is_done {
	my ($method, $number, $login, $password, $name) = @_;

	is(login_by($method, $number, $login, $password), $welcome, "$name - reply");
	is_deeply([told()], ["USER $login", "PASS $password"],
		"$name - what the backend is told");
}

# each form by each method: text in clear for all, a hash for those that have the
# password, neither for tokens

for my $login (sort keys %users) {
	my ($form, $password) = @{$users{$login}};
	my $shown = $login =~ s/([^ -~])/sprintf '\\x%02x', ord $1/er;

	for my $method (methods_for($login)) {
		my $fits = $form =~ /PLAIN/ || grep { $_ eq $method } clear_methods();

		($fits ? \&is_done : \&is_refused)->($method, 8110, $login, $password,
			"$shown, $form by $method");
		is_refused($method, 8110, $login, "${password}x",
			"$shown, $form by $method, too long");
	}

	is_refused('USER and PASS', 8110, $login, substr($password, 0, -1),
		"$shown, $form, too short");
	is_refused('AUTH PLAIN', 8110, $login, uc $password,
		"$shown, $form, other case") if $password ne uc $password;
	is_refused('AUTH PLAIN', 8110, $login, hashed($form, $password),
		"$shown, $form, what stands in the file");
}

is_refused($_, 8110, 'plain', 'plain-secret', "a text by $_") for token_methods();
is_refused($_, 8110, 'ssha', 'ssha-secret', "a hash by $_") for token_methods();

# what crypt takes is bounded: that fails as any other

is_refused('AUTH PLAIN', 8110, $_, 'x' x 600, "$_, very long") for qw/ sha512 apr1 /;

# logins that are not there

for my $login ('nobody', 'Plain', 'plai', 'plainx', 'plain ', 'plain:{PLAIN}x', '#',
	'{PLAIN}')
{
	is_refused($_, 8110, $login, 'plain secret', "login $login by $_")
		for methods_for($login);
}

is_refused($_, 8110, 'nobody', 'secret', "login nobody by $_") for token_methods();

# an empty field: what the client has sent goes to the backend, which decides

for my $method (clear_methods()) {
	is_done($method, 8120, 'delegated', 'secret', "empty field by $method");
	is(login_by($method, 8120, 'delegated', $wrong), $invalid,
		"empty field by $method, wrong - reply");
	is_deeply([told()], ['USER delegated', "PASS $wrong"],
		"empty field by $method, wrong - what the backend is told");
	is(login_by($method, 8121, 'delegated', $wrong), '-ERR [AUTH] wrong password',
		"empty field by $method, wrong - the backend's text");
	told();
}

is_done('USER and PASS', 8120, 'delegated, too', 'secret', 'empty field and backend');
is_refused($_, 8120, 'delegated', 'secret', "empty field by $_")
	for digest_methods();

for my $method (token_methods()) {
	is(login_by($method, 8120, 'delegated', 'secret'), $welcome,
		"empty field by $method - reply");
	like((told())[0], qr/^$method \S+$/, "empty field by $method - backend");

	is(login_by($method, 8121, 'delegated', $wrong), '-ERR [AUTH] wrong token',
		"empty field by $method, wrong - the backend's text");
	like((told())[-1], qr/^(?:AQ==)?$/,
		"empty field by $method, wrong - answer to the challenge");
}

# a challenge is the client's, whoever refuses a token

for my $case (['delegated', '{"status":"401"}', 'backend'],
	['plain', qr/"status":"invalid_token"/, 'file'])
{
	my ($login, $challenge, $who) = @$case;

	($s) = greeted(8120);
	my $reply = command($s, 'AUTH OAUTHBEARER ' . oauthbearer($login, $wrong));
	like(unb64($reply =~ s/^\+ //r), ref $challenge ? $challenge : qr/^\Q$challenge\E$/,
		"challenge of the $who");
	is(command($s, 'AQ=='), $invalid, "challenge of the $who - refused");
	is(command($s, 'NOOP'), '+OK', "challenge of the $who - session goes on");
}

told();

# wrong, then right, in one session: line by line, and in one segment

for my $method (clear_methods(), digest_methods()) {
	($s, my $greeting) = greeted(8110);

	for my $try (['nobody', 'plain secret'], ['plain', $wrong], ['ssha', $wrong]) {
		is(login_by($method, $s, @$try, $greeting), $invalid,
			"$method, first wrong - $try->[0]");
	}

	is(login_by($method, $s, 'plain', 'plain secret', $greeting), $welcome,
		"$method, then right");
	is_deeply([told()], ['USER plain', 'PASS plain secret'],
		"$method, then right - what the backend is told");
	is(command($s, 'STAT'), '+OK 1 23', "$method, then right - relay");
}

($s) = greeted(8110);
segment($s, join '', map { "$_\x0d\x0a" } 'USER plain', "PASS $wrong", 'USER sha512',
	"PASS $wrong", 'AUTH PLAIN ' . sasl_plain('', 'nobody', 'secret'),
	'AUTH PLAIN ' . sasl_plain('plain', 'plain', $wrong),
	'USER plain', 'PASS plain secret', 'STAT', 'QUIT');
is_deeply([replies($s, 10)], ['+OK', $invalid, '+OK', $invalid, $invalid, $invalid,
	'+OK', $welcome, '+OK 1 23', '+OK bye from backend'], 'in one segment - replies');
ok(closed($s), 'in one segment - end');
is_deeply([told()], ['USER plain', 'PASS plain secret'],
	'in one segment - what the backend is told');

($s, my $greeting) = greeted(8110);
segment($s, join '', map { "$_\x0d\x0a" }
	'APOP plain ' . apop(challenge($greeting), $wrong),
	'APOP colons ' . apop(challenge($greeting), $users{colons}[1]), 'STAT', 'QUIT');
is_deeply([replies($s, 4)], [$invalid, $welcome, '+OK 1 23', '+OK bye from backend'],
	'digests in one segment - replies');
is_deeply([told()], ['USER colons', "PASS $users{colons}[1]"],
	'digests in one segment - what the backend is told');

# a digest is over the challenge of this session

($s) = greeted(8110);
is(login_by('APOP', $s, 'plain', 'plain secret', '+OK <1.1@other>'), $invalid,
	'APOP, another challenge');
my $old = challenge(command($s, 'AUTH CRAM-MD5'));
command($s, '*');
command($s, 'AUTH CRAM-MD5');
is(command($s, cram_md5($old, 'plain', 'plain secret')), $invalid,
	'CRAM-MD5, an old challenge');

# one file for several servers, and what a server says for itself

is_done('USER and PASS', 8130, 'plain', 'plain secret', 'by its whole path');
is_refused('USER and PASS', 8131, 'plain', 'plain secret', 'another file');
is_done('APOP', 8131, 'plain', 'another secret', 'another file, right');
is_refused('USER and PASS', 8131, 'ssha', 'ssha secret', 'only in the first file');
is_done('USER and PASS', 8140, 'plain', 'plain secret', 'plain alone');
like(login_by('USER and PASS', 8141, 'plain', 'plain secret'), qr/^-ERR \[SYS\/TEMP\]/,
	'auth_http of a server');
is_deeply([told()], [], 'auth_http of a server - no backend is told');
like(command((greeted(8140))[0], 'AUTH CRAM-MD5'), qr/^-ERR/, 'plain alone - no digest');

# lines that end with CRLF, a last one without an end, comments, and no line at all

is_done('APOP', 8132, 'first', 'crlf secret', 'CRLF');
is_done('AUTH PLAIN', 8132, 'middle', 'crlf secret', 'CRLF, a hash');
is_done('AUTH CRAM-MD5', 8132, 'last', 'last secret', 'no end of the last line');
is_refused('AUTH PLAIN', 8132, $_, 'no secret', "comment, $_") for 'hidden', '#hidden';
is_refused($_, 8133, 'first', 'crlf secret', "nobody, $_")
	for clear_methods(), digest_methods();

# max_errors: the fifth is the last one, whatever it is

($s, $greeting) = greeted(8130);

for my $try (['USER and PASS', 'nobody'], ['AUTH PLAIN', 'plain'], ['APOP', 'ssha'],
	['AUTH CRAM-MD5', 'plain'], ['AUTH XOAUTH2', 'plain'])
{
	my ($method, $login) = @$try;

	is(login_by($method, $s, $login, $wrong, $greeting), $invalid,
		"max_errors - $method");
}

ok(closed($s), 'max_errors - closed');

# what is logged: who has failed, in words that do not tell why, and no secret

my $log = $t->read_file('error.log');
my @failed = $log =~ /\[notice\] \S+ \S+ (login failed.*)/g;

for my $login (qw/ nobody plain ssha /) {
	ok(scalar(grep { /^login\ failed\ \(method:\ [a-z\d-]+,\ by:\ file\)
		\ while\ in\ auth\ state,\ client:\ 127\.0\.0\.1,
		\ server:\ 127\.0\.0\.1:\d+,\ login:\ "$login"$/x } @failed),
		"log - $login") or diag($failed[-1]);
}

my @secrets = grep { length > 4 } map { @$_[1], hashed(@$_) } values %users;

is_deeply([map { traces($log, $_) } grep { !/^secret$/ } @secrets], [],
	'log - no password of the file');
is_deeply([traces($log, $wrong)], [], 'log - no password of a client');
is_deeply([traces($log, 'another secret')], [], 'log - none of another file');

undef $s;

###############################################################################
