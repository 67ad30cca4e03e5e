#!/usr/bin/perl

# XOAUTH2 and OAUTHBEARER with auth_http: what the auth server and the backend are
# told, and how a token is refused.

###############################################################################

use warnings;
use strict;

use JSON::PP qw/ decode_json /;
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

my $t = Test::Nginx->new()->has(qw/mail --with-debug/)->plan(347);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http  127.0.0.1:8280;
    max_errors 100;
    pop3_auth  plain oauthbearer xoauth2;

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
        listen     127.0.0.1:8130;
        protocol   pop3;
        max_errors 5;
        timeout    3s;
    }
}

EOC

my $token = 'ya29.a-Token_for~the+tests/of.OAuth==';
my $marker = 'a-Token_for~the';
my $error = b64('{"status":"invalid_token","scope":"mail"}');
my $long = b64('{"status":"' . 'x' x 5000 . '"}');
my ($refused, $wait) = ('Auth-Status: not you', 'Auth-Wait: 1');
my $ok = '1.0 200 OK';

# Errors that are none.

my %unfit = (
	'none'       => '',
	'text'       => 'no base64!',
	'cut'        => substr($error, 0, -1),
	'padded'     => "$error=",
	'json'       => '{"status":"400"}',
	'characters' => 'Zm-_',
	'two'        => "Zm9v Zm9v",
	'token'      => $token,
);

start_auth($t, 8280 => { logins => {
	'token'    => sub { kept($_[0], route()) },
	'other'    => sub { kept($_[0], route('Auth-User: another@backend')) },
	'odd'      => sub { kept($_[0], route('Auth-User: a,b=c')) },
	'password' => sub { kept($_[0], route('Auth-Pass: secret')) },
	'both'     => sub {
		kept($_[0], route('Auth-User: another@backend', 'Auth-Pass: secret'));
	},
	'repeats'  => http_head($ok, "Auth-Status: wrong token $token"),
	'ends'     => http_head($ok, $refused),
	'ends@own' => http_head($ok, $refused, "Auth-Error-SASL: $error"),
	'ends@long' => http_head($ok, $refused, "Auth-Error-SASL: $long"),
	'stays'    => sub { kept($_[0], $refused, $wait) },
	'own'      => sub { kept($_[0], $refused, $wait, "auth-error-sasl:  $error ") },
	'late'     => http_head($ok, $refused, 'Auth-Wait: 600'),
	'codes'    => http_head($ok, 'Auth-Status: [AUTH] not you', $wait),
	'in-use'   => http_head($ok, 'Auth-Status: [IN-USE] locked', $wait),
	'temp'     => http_head($ok, 'Auth-Status: [SYS/TEMP] later'),
	'temp@own' => http_head($ok, 'Auth-Status: [SYS/TEMP] later', $wait,
		"Auth-Error-SASL: $error"),
	'empty'    => http_head($ok, 'Auth-Status:', $wait),
	'garbage'  => 'nonsense',
	'nowhere'  => http_head($ok, 'Auth-Server: 127.0.0.1', 'Auth-Port: ' . port(8219)),
	map({ ("unfit $_" => http_head($ok, $refused, "Auth-Error-SASL: $unfit{$_}")) }
		keys %unfit),
} });

start_backends($t, 8211 => {
	TOKEN  => sub { $_[1] =~ /^bad/ ? undef : '+OK logged in to backend' },
	logins => { 'bad@backend' => {} },
});

$t->run();

###############################################################################

my %mechanisms = (XOAUTH2 => \&xoauth2, OAUTHBEARER => \&oauthbearer);
my %default = (
	XOAUTH2     => { status => '401', schemes => 'bearer', scope => '' },
	OAUTHBEARER => { status => 'invalid_token' },
);
my $welcome = '+OK logged in to backend';
my $internal = '-ERR [SYS/TEMP] internal server error';
my @messages;

# The message of a mechanism, which is not to be in a log.

sub message {
	my ($mechanism, $login, $bearer) = @_;

	push @messages, $mechanisms{$mechanism}->($login, $bearer // $token);

	return $messages[-1];
}

sub auth {
	my ($s, $mechanism, $login) = @_;

	return command($s, "AUTH $mechanism " . message($mechanism, $login));
}

# The error of a line that is to be a challenge.

sub error_in {
	my ($line) = @_;

	return $line =~ m!^\+ ([A-Za-z0-9+/]+=*)$!
		? eval { decode_json(unb64($1)) } // $line : $line;
}

# what the auth server and the backend are told

for my $mechanism (sort keys %mechanisms) {
	my $message = $mechanisms{$mechanism};

	asked_take();
	connections_take();

	for my $number (8110, 8120) {
		my $name = "$mechanism, $number";

		for (
			['token', "AUTH $mechanism " . $message->('token', $token)],
			['other', "AUTH $mechanism " . $message->('another@backend', $token)],
			['odd', "AUTH $mechanism " . $message->($mechanism eq 'XOAUTH2'
				? 'a,b=c' : 'a=2Cb=3Dc', $token)],
			['password', 'USER password', 'PASS secret'],
			['both', 'USER another@backend', 'PASS secret'])
		{
			my ($login, @lines) = @$_;

			is(auth(session($number), $mechanism, $login), $welcome,
				"$name, $login - login");

			my ($r, @more) = asked_take();

			is_deeply([@$r{qw/ Auth-Method user pass /}, scalar @more],
				[lc $mechanism, $login, $token, 0], "$name, $login - asked");
			is_deeply([map { $_->{lines} } connections_take()], [\@lines],
				"$name, $login - to the backend");
		}
	}

	# without initial response, in one go

	my $s = session(8110);

	is(command($s, 'auth ' . lc $mechanism), '+ ', "$mechanism - empty challenge");
	is(command($s, message($mechanism, 'token')), $welcome,
		"$mechanism - without initial response");

	$s = session(8110);
	segment($s, join "\x0d\x0a", "AUTH $mechanism", message($mechanism, 'token'),
		'STAT', '');
	is_deeply([replies($s, 3)], ['+ ', $welcome, '+OK 1 23'],
		"$mechanism - in one go");

	# the longest line to the backend with an initial response

	for my $more (0, 1) {
		my $size = 255 - length "AUTH $mechanism \x0d\x0a";
		my $length = int($size / 4) * 3 + $more
			- length unb64($message->('token', ''));

		connections_take();
		is(command(session(8110), "AUTH $mechanism "
			. message($mechanism, 'token', 'a' x $length)), $welcome,
			"$mechanism, line of 255 bytes and $more - login");

		my ($c) = connections_take();
		my $text = $message->('token', 'a' x $length);

		is_deeply($c->{lines}, $more ? ["AUTH $mechanism", $text]
			: ["AUTH $mechanism $text"],
			"$mechanism, line of 255 bytes and $more - to the backend");
		is_deeply($c->{early}, [], "$mechanism, $more - in its turn");
	}
}

###############################################################################
# Refusals

errors_take($t);

my @stay;

for my $mechanism (sort keys %mechanisms) {

	# without Auth-Wait: the end is behind the reply

	for (['ends', $default{$mechanism}], ['ends@own', decode_json(unb64($error))],
		['ends@long', decode_json(unb64($long))],
		map { ["unfit $_", $default{$mechanism}] } sort keys %unfit)
	{
		my ($login, $expected) = @$_;
		my $s = session(8110);
		my $name = "$mechanism, $login";

		is_deeply(error_in(auth($s, $mechanism, $login)), $expected,
			"$name - challenge");
		is(command($s, $mechanism eq 'XOAUTH2' ? '' : 'AQ=='),
			'-ERR [AUTH] not you', "$name - reply");
		ok(closed($s), "$name - closed");

		my $is_logged = $login =~ /unfit/;
		my @errors = errors_take($t, $is_logged);
		my $address = '127.0.0.1:' . port(8280);

		ok($is_logged ? @errors == 1 && $errors[0] =~
			/ auth http server $address sent invalid Auth-Error-SASL/
			: !@errors, "$name - error line") or diag(join "\n", @errors);
	}

	my $s = session(8110);

	is_deeply(error_in(auth($s, $mechanism, 'repeats')), $default{$mechanism},
		"$mechanism, text with the token - challenge");
	is(command($s, '*'), "-ERR [AUTH] wrong token $token",
		"$mechanism, text with the token - reply");

	# no challenge, where the token is not at fault

	$s = session(8110);
	is(auth($s, $mechanism, 'temp'), '-ERR [SYS/TEMP] later',
		"$mechanism, a code - no challenge");
	ok(closed($s), "$mechanism, a code - closed");

	$s = session(8110);
	is(auth($s, $mechanism, 'garbage'), $internal, "$mechanism, garbage - reply");
	is(auth($s, $mechanism, 'nowhere'),
		'-ERR [SYS/TEMP] mail server is not available',
		"$mechanism, no backend - reply");
	is(auth($s, $mechanism, 'password'), $welcome, "$mechanism, then - a login");
	is(scalar errors_take($t, 2), 2, "$mechanism, ours - error lines");

	# with it the session stays; all of them wait at the same time

	for my $number (8110, 8120) {
		push @stay, map { [$number, $mechanism, @$_] }
			(map { ['stays', $default{$mechanism}, $_] } 'AQ==', '', '*', 'QUIT',
				'AQ== ', "\0\xff", 'AUTH PLAIN', 'x' x 5000),
			['own', decode_json(unb64($error)), 'AQ=='],
			['codes', $default{$mechanism}, '*'],
			['empty', $default{$mechanism}, '', '[AUTH] invalid login or password'],
			['temp@own', decode_json(unb64($error)), '', '[SYS/TEMP] later'],
			['in-use', undef, undef, '[IN-USE] locked'];
	}
}

for my $case (@stay) {
	$case->[6] = session($case->[0]);
	$case->[6]->send("AUTH $case->[1] " . message(@$case[1, 2]));
}

# sent ahead: it is the answer, whatever it is

my $ahead = session(8110);

segment($ahead, join "\x0d\x0a", 'AUTH XOAUTH2 ' . message('XOAUTH2', 'stays'),
	'NOOP', 'AUTH OAUTHBEARER', message('OAUTHBEARER', 'token'), 'STAT', '');

ok(!$ahead->can_read(0.2), 'the challenge comes after Auth-Wait');

# what "timeout" ends

my $late = session(8130);
my $unanswered = session(8130);

$late->send('AUTH XOAUTH2 ' . message('XOAUTH2', 'late'));
like(auth($unanswered, 'XOAUTH2', 'ends'), qr/^\+ /, 'timeout - challenge');

for (@stay) {
	my ($number, $mechanism, $login, $expected, $answer, $text, $s) = @$_;
	my $shown = substr($answer // 'no challenge', 0, 8) =~ s/[^ -~]/?/gr;
	my $name = "$mechanism, $number, $login, '$shown'";
	my $second = $mechanism eq 'XOAUTH2' ? 'OAUTHBEARER' : 'XOAUTH2';

	my ($reply) = replies($s, 1);

	if ($expected) {
		is_deeply(error_in($reply // ''), $expected, "$name - challenge");
		$reply = command($s, $answer);
	}

	is($reply, '-ERR ' . ($text // '[AUTH] not you'), "$name - reply");
	is(auth($s, $second, 'token'), $welcome, "$name - then another mechanism");
}

my ($challenge, @replies) = replies($ahead, 5);

is_deeply(error_in($challenge), $default{XOAUTH2}, 'sent ahead - challenge');
is_deeply(\@replies, ['-ERR [AUTH] not you', '+ ', $welcome, '+OK 1 23'],
	'sent ahead - replies');

# each counts once

my $s = session(8130);

for my $n (1 .. 4) {
	auth($s, 'XOAUTH2', 'garbage');
}

segment($s, join "\x0d\x0a", 'AUTH XOAUTH2 ' . message('XOAUTH2', 'stays'), '*',
	'NOOP', '');
is((replies($s, 2))[1], '-ERR [AUTH] not you', 'max_errors - reply');
ok(closed($s), 'max_errors - closed');

ok(closed($unanswered), 'timeout - no answer to a challenge');
is((replies($late, 1))[0], '-ERR [AUTH] not you', 'timeout - Auth-Wait is longer');
ok(closed($late), 'timeout - closed');

# a challenge that is not answered

$s = session(8110);
like(auth($s, 'XOAUTH2', 'ends'), qr/^\+ /, 'client goes - challenge');
shutdown $s->socket(), 1;
ok(closed($s), 'client goes - closed');

# nothing of a token is in the log

my $log = $t->read_file('error.log');

like($log, qr/\[debug\]/, 'the log is that of debug');
is_deeply([map { traces($log, $_) } $token, $marker, @messages], [],
	'no token in the log');

undef $s;
undef $_ for $ahead, $late, $unanswered;
@stay = ();
undef $t;

###############################################################################
