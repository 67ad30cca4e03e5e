#!/usr/bin/perl

# XOAUTH2 and OAUTHBEARER: when they are announced and can be used, and the forms of
# what a client says in them.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl --with-debug/)
	->has_daemon('openssl')->plan(505);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http  127.0.0.1:8280;
    max_errors 1000;
    pop3_auth  plain oauthbearer xoauth2;

    ssl_certificate     localhost.crt;
    ssl_certificate_key localhost.key;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen    127.0.0.1:8141;
        protocol  pop3;
        pop3_auth oauthbearer external xoauth2 cram-md5 plain;
    }

    server {
        listen    127.0.0.1:8142;
        protocol  pop3;
        pop3_auth XOAuth2;
    }

    server {
        listen    127.0.0.1:8143;
        protocol  pop3;
        pop3_auth plain;
    }

    server {
        listen   127.0.0.1:8150;
        protocol pop3;
        starttls only;
    }

    server {
        listen          127.0.0.1:8160;
        protocol        pop3;
        pop3_auth       oauthbearer;
        pop3_proxy_pass 127.0.0.1:8211;
    }
}

EOC

create_certificate($t, 'localhost');

start_auth($t, 8280 => {});
start_backends($t, 8211 => {});

$t->run();

###############################################################################

my %mechanisms = (XOAUTH2 => \&xoauth2, OAUTHBEARER => \&oauthbearer);
my $welcome = '+OK logged in to backend';

sub auth {
	my ($s, $mechanism, $text) = @_;

	return command($s, "AUTH $mechanism "
		. ($text // $mechanisms{$mechanism}->('token', 'secret')));
}

# what is announced

for ([8110, 'PLAIN LOGIN XOAUTH2 OAUTHBEARER'],
	[8141, 'PLAIN LOGIN CRAM-MD5 EXTERNAL XOAUTH2 OAUTHBEARER'],
	[8142, 'XOAUTH2'],
	[8143, 'PLAIN LOGIN'],
	[8160, 'OAUTHBEARER'])
{
	my ($number, $names) = @$_;

	is_deeply([grep { /^SASL/ } multiline(session($number), 'CAPA')],
		["SASL $names"], "$number - CAPA");
	my ($first, @listed) = multiline(session($number), 'AUTH');

	is_deeply(\@listed, [split(' ', $names), '.'], "$number - AUTH");
}

for ([8143, 'XOAUTH2'], [8143, 'OAUTHBEARER'], [8142, 'OAUTHBEARER']) {
	my ($number, $mechanism) = @$_;

	like(auth(session($number), $mechanism), qr/^-ERR unsupported/,
		"$number - $mechanism is switched off");
}

for my $mechanism (sort keys %mechanisms) {
	my $s = session(8150);

	like(auth($s, $mechanism), qr/^-ERR STLS/, "$mechanism - before STLS");
	is_deeply([grep { /^SASL/ } multiline($s, 'CAPA')], [],
		"$mechanism - CAPA before STLS");
	command($s, 'STLS');
	starttls($s);
	is_deeply([grep { /^SASL/ } multiline($s, 'CAPA')],
		['SASL PLAIN LOGIN XOAUTH2 OAUTHBEARER'], "$mechanism - CAPA in TLS");
	is(auth($s, $mechanism), $welcome, "$mechanism - in TLS");
}

is(scalar asked_take(), 2, 'nobody is asked of what is refused');

# Forms, with what is at the place of the login and of the token: \1 between them.

my ($form, $login, $token, $base64) = (
	'-ERR invalid authentication message',
	'-ERR [AUTH] invalid login',
	'-ERR [AUTH] invalid token',
	'-ERR invalid base64 encoding',
);

my $auth = "auth=Bearer secret";

my %wrong = (
	XOAUTH2 => [
		'no login'       => "user=\1$auth\1\1" => $login,
		'no user'        => "$auth\1\1" => $form,
		'other order'    => "$auth\1user=bob\1\1" => $form,
		'User='          => "User=bob\1$auth\1\1" => $form,
		'second user'    => "user=bob\1user=ann\1$auth\1\1" => $form,
		'another field'  => "user=bob\1host=x\1$auth\1\1" => $form,
		'field behind'   => "user=bob\1$auth\1host=x\1\1" => $form,
		'GS2'            => "n,a=bob,\1$auth\1\1" => $form,
	],
	OAUTHBEARER => [
		'no login'       => "n,a=,\1$auth\1\1" => $login,
		'no identity'    => "n,,\1$auth\1\1" => $login,
		'no header'      => "\1$auth\1\1" => $form,
		'channel'        => "p=tls-unique,a=bob,\1$auth\1\1" => $form,
		'no comma'       => "n,a=bob\1$auth\1\1" => $form,
		'comma in login' => "n,a=bob,ann,\1$auth\1\1" => $form,
		'equals'         => "n,a=bob=ann,\1$auth\1\1" => $form,
		'half an escape' => "n,a=bob=2\1$auth\1\1" => $form,
		'NUL, escaped'   => "n,a=bob=00,\1$auth\1\1" => $form,
		'no key'         => "n,a=bob,\1host\1$auth\1\1" => $form,
		'AUTH='          => "n,a=bob,\1AUTH=Bearer secret\1\1" => $form,
		'XOAUTH2'        => "user=bob\1$auth\1\1" => $form,
	],
);

my %right = (
	XOAUTH2 => [
		'comma and equals' => "user=a=2C,b\1$auth\1\1" => 'a=2C,b',
		'spaces'           => "user= a b \1$auth\1\1" => ' a b ',
		'UTF-8'            => "user=j\xc3\xbcrgen\1$auth\1\1" => "j\xc3\xbcrgen",
		'a letter'         => "user=x\1$auth\1\1" => 'x',
	],
	OAUTHBEARER => [
		'comma and equals' => "n,a=a=2Cb=3dc,\1$auth\1\1" => 'a,b=c',
		'y'                => "y,a=bob,\1$auth\1\1" => 'bob',
		'host and port'    => "n,a=bob,\1host=x\1port=110\1$auth\1\1" => 'bob',
		'fields behind'    => "n,a=bob,\1$auth\1host=x\1port=110\1\1" => 'bob',
		'empty fields'     => "n,a=bob,\1host=\1port=\1$auth\1\1" => 'bob',
		'UTF-8'            => "n,a=j\xc3\xbc,\1$auth\1\1" => "j\xc3\xbc",
	],
);

# What is the same in both: what stands before and behind the login.

for (['XOAUTH2', 'user=', ''], ['OAUTHBEARER', 'n,a=', ',']) {
	my ($mechanism, $before, $behind) = @$_;
	my $name = "${before}bob$behind";

	push @{$wrong{$mechanism}},
		'empty'           => '' => $form,
		'login alone'     => $name => $form,
		'no token'        => "$name\1\1" => $form,
		'empty auth'      => "$name\1auth=\1\1" => $form,
		'no bearer'       => "$name\1auth=secret\1\1" => $form,
		'empty token'     => "$name\1auth=Bearer \1\1" => $token,
		'no space'        => "$name\1auth=Bearersecret\1\1" => $form,
		'tab'             => "$name\1auth=Bearer\tsecret\1\1" => $form,
		'space before'    => "$name\1auth= Bearer secret\1\1" => $form,
		'Basic'           => "$name\1auth=Basic c2VjcmV0\1\1" => $form,
		'Bearers'         => "$name\1auth=Bearers secret\1\1" => $form,
		'MAC'             => "$name\1auth=MAC secret\1\1" => $form,
		'no separator'    => "$name$auth\1\1" => $form,
		'no end'          => "$name\1$auth" => $form,
		'half an end'     => "$name\1$auth\1" => $form,
		'more behind'     => "$name\1$auth\1\1x" => $form,
		'separator more'  => "$name\1$auth\1\1\1" => $form,
		'line end behind' => "$name\1$auth\1\1\r\n" => $form,
		'second auth'     => "$name\1$auth\1$auth\1\1" => $form,
		map({ ("login, $_" => sprintf("%sb%cob%s\1%s\1\1", $before, $_, $behind,
			$auth) => $_ == 1 ? $form : $login) } 0 .. 31, 127),
		map({ ("token, $_" => sprintf("%s\1auth=Bearer se%ccret\1\1", $name, $_)
			=> $_ == 1 ? $form : $token) } 0 .. 32, 34, 44, 58, 127, 128, 255),
		'equals in token' => "$name\1auth=Bearer sec=ret\1\1" => $token;

	push @{$right{$mechanism}},
		map({ ("scheme $_" => "$name\1auth=$_ secret\1\1" => 'bob') }
			'bearer', 'BEARER', 'bEaReR', 'Bearer  '),
}

my %raw = (
	'no base64'    => ['%%%%', $base64],
	'cut'          => ['dXNlcj1', $base64],
	'padding'      => ['dXNlcj1=', $base64],
	'two words'    => ['dXNl cj0=', $base64],
	'equals alone' => ['=', $form],
	'three'        => ['===', $base64],
	'base64url'    => ['dXNl-_8=', $base64],
);

asked_take();

my $s = session(8110);

for my $mechanism (sort keys %mechanisms) {
	my @cases = @{$wrong{$mechanism}};

	while (my ($name, $message, $reply) = splice @cases, 0, 3) {
		is(auth($s, $mechanism, $message eq '' ? '=' : b64($message)), $reply,
			"$mechanism, $name");
		command($s, "AUTH $mechanism");
		is(command($s, b64($message)), $reply,
			"$mechanism, $name - without initial response");
	}

	for my $name (sort keys %raw) {
		my ($text, $reply) = @{$raw{$name}};

		is(auth($s, $mechanism, $text), $reply, "$mechanism, $name");
		command($s, "AUTH $mechanism");
		is(command($s, $text), $reply,
			"$mechanism, $name - without initial response");
	}

	is(auth($s, $mechanism, '*'), $base64, "$mechanism - * as initial response");
	command($s, "AUTH $mechanism");
	is(command($s, '*'), '-ERR authentication cancelled', "$mechanism - cancelled");
	command($s, "AUTH $mechanism");
	like(command($s, 'x' x 5000), qr/^-ERR line too long/, "$mechanism - long line");
	is(command($s, 'NOOP'), '+OK', "$mechanism - the session goes on");
}

is(scalar asked_take(), 0, 'nobody is asked of wrong forms');

for my $mechanism (sort keys %mechanisms) {
	my @cases = @{$right{$mechanism}};

	while (my ($name, $message, $login) = splice @cases, 0, 3) {
		is(auth(session(8110), $mechanism, b64($message)), $welcome,
			"$mechanism, $name - login");

		my ($r) = asked_take();

		is_deeply([@$r{qw/ user pass /}], [$login, 'secret'],
			"$mechanism, $name - asked");
	}
}

# wrong forms are errors of the client and no more

is(scalar errors_take($t), 0, 'no error lines');

# and none of them is in the log

my $log = $t->read_file('error.log');
my @messages = grep { length > 12 } map { b64($_) } map { @$_ } values %wrong,
	values %right;

is_deeply([grep { index($log, $_) >= 0 } @messages, 'Bearer s', 'bearer s'], [],
	'no message in the log');

undef $s;
undef $t;

###############################################################################
