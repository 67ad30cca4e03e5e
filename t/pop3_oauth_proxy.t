#!/usr/bin/perl

# XOAUTH2 and OAUTHBEARER with pop3_proxy_pass: backends that take a token, that refuse
# it with a challenge or without, and that answer something else.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail --with-debug/)->plan(271);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_auth       plain xoauth2 oauthbearer;
    pop3_proxy_pass 127.0.0.1:8211;
    max_errors      1000;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen                   127.0.0.1:8120;
        protocol                 pop3;
        proxy_pass_error_message on;
    }

    server {
        listen     127.0.0.1:8140;
        protocol   pop3;
        max_errors 2;
    }

    server {
        listen             127.0.0.1:8150;
        protocol           pop3;
        pop3_proxy_pass    127.0.0.1:8216;
        pop3_proxy_xclient on;
    }
}

EOC

my $crlf = "\x0d\x0a";
my $dir = $t->testdir();
my $json = b64('{"status":"invalid_token"}');
my $google = b64('{"status":"401","schemes":"bearer","scope":""}');
my $error = b64('{"status":"400","scope":"mail"}');
my $unavailable = '-ERR [SYS/TEMP] mail server is not available';
my $invalid = '[AUTH] invalid login or password';
my %challenged = (TOKEN => "+ $error");

# What backends say that refuse; then the challenge for the client, if it is not that
# of the mechanism, and the reply, which may be another one with
# proxy_pass_error_message.

my %refuses = (
	'challenge'     => [\%challenged, $error, $invalid, '[AUTH] wrong token'],
	'in use'        => [{ %challenged, ANSWER => '-ERR [IN-USE] locked' }, $error,
		'[IN-USE] mailbox is in use', '[IN-USE] locked'],
	'no text'       => [{ %challenged, ANSWER => '-ERR' }, $error, $invalid],
	'4 KB'          => [{ TOKEN => '+ ' . 'Zm9v' x 1023 }, 'Zm9v' x 1023,
		$invalid, '[AUTH] wrong token'],
	'empty'         => [{ TOKEN => '+ ' }, undef, $invalid, '[AUTH] wrong token'],
	'plus'          => [{ TOKEN => '+' }, undef, $invalid, '[AUTH] wrong token'],
	'text'          => [{ TOKEN => '+ go on' }, undef, $invalid,
		'[AUTH] wrong token'],
	'half'          => [{ TOKEN => '+ Zm9' }, undef, $invalid,
		'[AUTH] wrong token'],
	'none'          => [{ TOKEN => '-ERR [AUTH] no' }, undef, $invalid,
		'[AUTH] no'],
	'no code'       => [{ TOKEN => '-ERR no' }, undef, $invalid, '[AUTH] no'],
	'none-in-use'   => [{ TOKEN => '-ERR [IN-USE] no' }, 'no',
		'[IN-USE] mailbox is in use', '[IN-USE] no'],
	'none-temp'     => [{ TOKEN => '-ERR [SYS/TEMP] no' }, 'no',
		'[SYS/TEMP] login is not possible at the moment', '[SYS/TEMP] no'],
);

# What is wrong at each step, and why; the answer's is behind a challenge.

my $long = 'sent too long response line';
my $other = 'sent invalid response';
my $closed = 'closed connection';
my $gone = qr/(?:closed connection|.*reset by peer|.*broken pipe)/i;
my %wrong = (
	'text'          => ['hello', $other],
	'nothing'       => ['', $other],
	'star'          => ['* OK', $other],
	'plus'          => ['+no', $other],
	'ok'            => ['+OKAY', $other],
	'dash'          => ['-NO', $other],
	'control'       => ["-ERR a\x01b", 'sent control character in response'],
	'NUL'           => ["-ERR a\0b", 'sent control character in response'],
	'long'          => ['-ERR ' . 'x' x 5000, $long],
	'two'           => ["-ERR no${crlf}-ERR no", 'sent data ahead of its turn'],
	'close'         => [[['close']], $closed],
	'half'          => [['-ERR no', ['close']], $closed],
);
my %wrong_token = (
	'4 KB and more' => ['+ ' . 'Zm9v' x 1024, $long],
	'two lines'     => ["+ $error${crlf}-ERR no", 'sent data ahead of its turn'],
	'challenge end' => [["+ $error$crlf", ['close']], $gone],
	'tab'           => ["+ Zm9v\tZm9v", 'sent control character in response'],
	'two replies'   => ["+OK${crlf}+OK", 'sent data ahead of its turn'],
);
my %wrong_answer = (
	'ok after all'  => ['+OK', $other],
	'again'         => ["+ $error", $other],
);
my %wrong_auth = (
	'ok at once'    => ['+OK', $other],
	'two lines'     => ["+ ${crlf}-ERR no", 'sent data ahead of its turn'],
	'challenge end' => [["+ $crlf", ['close']], $gone],
);

# Nobody has said who logs in when AUTH is answered: what that is is in a file.

$t->write_file('turn', '+ ');

my %backend = (
	AUTH => sub {
		open my $fh, '<', "$dir/turn" or die "Can't open turn: $!\n";
		local $/;
		my $turn = <$fh>;

		return $turn =~ s/<close>\z// ? [$turn, ['close']] : $turn;
	},
	logins => {
		map({ ($_ => $refuses{$_}[0]) } keys %refuses),
		map({ ("$_\@token" => { TOKEN => $wrong{$_}[0] }) } keys %wrong),
		map({ ("$_\@token" => { TOKEN => $wrong_token{$_}[0] }) }
			keys %wrong_token),
		map({ ("$_\@answer" => { %challenged, ANSWER => $wrong{$_}[0] }) }
			keys %wrong),
		map({ ("$_\@answer" => { %challenged, ANSWER => $wrong_answer{$_}[0] }) }
			keys %wrong_answer),
		'repeats message' => { TOKEN => sub { "-ERR what is AUTH $_[0]" } },
		'repeats token' => { TOKEN => sub {
			return '-ERR bad token ' . unb64($_[0]) =~ s/.*Bearer |\x01//gr;
		} },
		'right' => { TOKEN => '+OK logged in to backend' },
	});

start_backends($t,
	8211 => \%backend,
	8216 => { %backend, greeting => '+OK [XCLIENT] ready' },
);

$t->run();

###############################################################################

my %mechanisms = (XOAUTH2 => \&xoauth2, OAUTHBEARER => \&oauthbearer);
my %default = (XOAUTH2 => $google, OAUTHBEARER => $json);
my %answer = (XOAUTH2 => '', OAUTHBEARER => 'AQ==');
my $welcome = '+OK logged in to backend';
my $token = 'ya29.TokenThatIsNotForTheLog';
my @messages;

sub message {
	my ($mechanism, $login, $bearer) = @_;

	push @messages, $mechanisms{$mechanism}->($login, $bearer // $token);

	return $messages[-1];
}

sub auth {
	my ($s, @message) = @_;

	return command($s, "AUTH $message[0] " . message(@message));
}

# what is told

for my $mechanism (sort keys %mechanisms) {
	my $text = $mechanisms{$mechanism}->('right', $token);

	is(auth(session(8110), $mechanism, 'right'), $welcome, "$mechanism - login");
	is_deeply([map { $_->{lines} } connections_take()],
		[["AUTH $mechanism $text"]], "$mechanism - to the backend");

	my $s = session(8110);

	is(command($s, "AUTH $mechanism"), '+ ', "$mechanism - empty challenge");
	segment($s, message($mechanism, 'right') . "${crlf}STAT$crlf");
	is_deeply([replies($s, 2)], [$welcome, '+OK 1 23'],
		"$mechanism - without initial response");

	is(auth(session(8150), $mechanism, 'right'), $welcome,
		"$mechanism, XCLIENT - login");

	my @connections = connections_take();

	like($connections[-1]{lines}[0], qr/^XCLIENT /, "$mechanism, XCLIENT - first");
	is($connections[-1]{lines}[1], "AUTH $mechanism $text",
		"$mechanism, XCLIENT - to the backend");
}

# refused

for my $mechanism (sort keys %mechanisms) {
	for my $number (8110, 8120) {
		my $s = session($number);

		for my $login (sort keys %refuses) {
			my ($turns, $challenge, @text) = @{$refuses{$login}};
			my $text = $number == 8120 ? $text[1] // $text[0] : $text[0];
			my $name = "$mechanism, $number, $login";
			my $reply = auth($s, $mechanism, $login);

			$challenge //= $default{$mechanism};

			if ($challenge ne 'no') {
				is($reply, "+ $challenge", "$name - challenge");
				$reply = command($s, '*');
			}

			is($reply, "-ERR $text", "$name - reply");

			my ($c) = reverse ended_take();

			is_deeply([@{$c->{lines}}[1 .. $#{$c->{lines}}]],
				$turns->{TOKEN} =~ /^-/ ? [] : [$answer{$mechanism}],
				"$name - to the backend");
		}

		for my $login ('repeats message', 'repeats token') {
			my $text = $mechanisms{$mechanism}->($login, $token);

			auth($s, $mechanism, $login);
			is(command($s, ''), '-ERR ' . ($number == 8110 ? $invalid
				: '[AUTH] ' . ($login eq 'repeats token' ? "bad token $token"
					: "what is AUTH $text")), "$mechanism, $number, $login - reply");
		}

		my ($second) = grep { $_ ne $mechanism } keys %mechanisms;

		is(auth($s, $second, 'right'), $welcome,
			"$mechanism, $number - then another mechanism");
	}
}

# each counts once

my $s = session(8140);

is(auth($s, 'XOAUTH2', 'challenge'), "+ $error", 'max_errors - challenge');
is(command($s, ''), "-ERR $invalid", 'max_errors - reply');
is(auth($s, 'XOAUTH2', 'challenge'), "+ $error", 'max_errors - second challenge');
is(command($s, ''), "-ERR $invalid", 'max_errors - second reply');
ok(closed($s), 'max_errors - closed');

is(scalar errors_take($t), 0, 'a refusal is no error');

###############################################################################
# Something else at each step

sub fails {
	my ($s, $name, $login, $reason, $bearer) = @_;

	my $address = '127.0.0.1:' . port(8211);
	my $mechanism = (sort keys %mechanisms)[length($name) % 2];

	is(auth($s, $mechanism, $login, $bearer), $unavailable, "$name - reply");

	my @errors = errors_take($t, 1);

	ok(@errors == 1 && $errors[0] =~ / $reason.*, upstream: \Q$address\E$/,
		"$name - error line") or diag(join "\n", @errors);
}

$s = session(8110);

for (['token', %wrong, %wrong_token], ['answer', %wrong, %wrong_answer]) {
	my ($step, %cases) = @$_;

	for my $name (sort keys %cases) {
		fails($s, "$step, $name", "$name\@$step", $cases{$name}[1]);
	}
}

my %auth = (%wrong, %wrong_auth);

for my $name (sort keys %auth) {
	my ($turn, $reason) = @{$auth{$name}};

	$t->write_file('turn', ref $turn ? join '', map { ref $_ ? '<close>' : $_ }
		@$turn : $turn);
	fails($s, "AUTH, $name", 'right', $reason, 'a' x 300);
}

for my $mechanism (sort keys %mechanisms) {
	$t->write_file('turn', '-ERR what');
	is(auth($s, $mechanism, 'right', 'b' x 300), "+ $default{$mechanism}",
		"AUTH refused, $mechanism - challenge");
	is(command($s, ''), "-ERR $invalid", "AUTH refused, $mechanism - reply");

	$t->write_file('turn', '-ERR [SYS/PERM] no');
	is(auth($s, $mechanism, 'right', 'b' x 300),
		'-ERR [SYS/PERM] login is not possible, ask your administrator',
		"AUTH refused by a code, $mechanism - no challenge");
}

$t->write_file('turn', '+ ');
is(auth($s, 'XOAUTH2', 'right', 'a' x 300), $welcome, 'and then a login');

is_deeply([map { @{$_->{early}} } connections()], [], 'all in its turn');

# nothing of a token is in the log

my $log = $t->read_file('error.log');

like($log, qr/\[debug\]/, 'the log is that of debug');
is_deeply([map { traces($log, $_) } $token, @messages], [], 'no token in the log');
unlike($log, qr/([ab])\1{100}/, 'no long token in the log');

undef $s;
undef $t;

###############################################################################
