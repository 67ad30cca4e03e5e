#!/usr/bin/perl

# XOAUTH2 and OAUTHBEARER: long tokens, through TLS and without it, and dialogues that
# are cut at each of their bytes.

###############################################################################

use warnings;
use strict;

use Socket qw/ IPPROTO_TCP SOL_SOCKET SO_LINGER TCP_NODELAY /;
use Test::More;
use Time::HiRes qw/ sleep /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl --with-debug/)
	->has_daemon('openssl')->plan(115);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_auth       plain xoauth2 oauthbearer;
    pop3_proxy_pass 127.0.0.1:8211;
    max_errors      1000;

    ssl_certificate                    localhost.crt;
    ssl_certificate_key                localhost.key;
    pop3_proxy_ssl_trusted_certificate localhost.crt;
    pop3_proxy_ssl_name                localhost;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen             127.0.0.1:8120;
        protocol           pop3;
        pop3_client_buffer 8k;
    }

    server {
        listen             127.0.0.1:8130 ssl;
        protocol           pop3;
        pop3_client_buffer 8k;
        pop3_proxy_pass    127.0.0.1:8213;
        pop3_proxy_ssl     on;
    }

    server {
        listen             127.0.0.1:8131;
        protocol           pop3;
        starttls           only;
        pop3_client_buffer 8k;
        pop3_proxy_pass    127.0.0.1:8214;
        pop3_proxy_ssl     starttls;
    }
}

EOC

create_certificate($t, 'localhost');

my $crlf = "\x0d\x0a";
my $error = b64('{"status":"400","scope":"mail"}');
my ($challenge, $no, $yes) = ("+ $error$crlf", "-ERR [IN-USE] no$crlf",
	"+OK logged in to backend$crlf");

# Each byte of a backend by itself, and each place where it can go.

my %bytes = (
	'right'     => { TOKEN => [['bytes', $yes]] },
	'challenge' => { TOKEN => [['bytes', $challenge]], ANSWER => [['bytes', $no]] },
	map({ ("yes$_" => { TOKEN => [substr($yes, 0, $_), ['close']] }) }
		0 .. length $yes),
	map({ ("challenge$_" => { TOKEN => [substr($challenge, 0, $_), ['close']] }) }
		0 .. length $challenge),
	map({ ("no$_" => { TOKEN => "+ $error",
		ANSWER => [substr($no, 0, $_), ['close']] }) } 0 .. length $no),
);
my %backend = (AUTH => [['bytes', "+ $crlf"]], logins => \%bytes);

start_backends($t,
	8211 => \%backend,
	8213 => { %backend, tls => { ssl => 1 } },
	8214 => { %backend, tls => {} },
);

$t->run();

###############################################################################

my %mechanisms = (XOAUTH2 => \&xoauth2, OAUTHBEARER => \&oauthbearer);
my %answer = (XOAUTH2 => '', OAUTHBEARER => 'AQ==');
my $welcome = '+OK logged in to backend';
my $in_use = '-ERR [IN-USE] mailbox is in use';
my $unavailable = '-ERR [SYS/TEMP] mail server is not available';
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

###############################################################################
# Long tokens, and TLS

for (['plain', 8120, sub { session(8120) }],
	['TLS', 8130, sub { session(8130, SSL => 1) }],
	['STLS', 8131, sub {
		my $s = session(8131);

		command($s, 'STLS');
		starttls($s);
		return $s;
	}])
{
	my ($name, $number, $open) = @$_;

	for my $mechanism (sort keys %mechanisms) {
		my $bearer = 'c' x 4096;
		my $text = message($mechanism, 'right', $bearer);

		for my $at_once (1, 0) {
			my $s = $open->();

			connections_take();
			command($s, "AUTH $mechanism") unless $at_once;
			is(command($s, $at_once ? "AUTH $mechanism $text" : $text), $welcome,
				"$name, $mechanism, $at_once - 4 KB");

			my ($c) = connections_take();

			is_deeply([grep { !/^STLS/ } @{$c->{lines}}],
				["AUTH $mechanism", $text],
				"$name, $mechanism, $at_once - 4 KB to the backend");
			is_deeply($c->{early}, [], "$name, $mechanism, $at_once - in its turn");

			$s = $open->();
			command($s, "AUTH $mechanism") unless $at_once;
			is(command($s, ($at_once ? "AUTH $mechanism " : '')
				. message($mechanism, 'right', 'd' x 6200)), '-ERR line too long',
				"$name, $mechanism, $at_once - too long");
			is(auth($s, $mechanism, 'challenge'), "+ $error",
				"$name, $mechanism, $at_once - then a challenge");
			is(command($s, $answer{$mechanism}), $in_use,
				"$name, $mechanism, $at_once - then refused");
			is(auth($s, $mechanism, 'right'), $welcome,
				"$name, $mechanism, $at_once - then a login");
		}
	}
}

is(auth(session(8110), 'XOAUTH2', 'right', 'e' x 3000), $welcome,
	'3000 bytes with the default');
my $s = session(8110);
is(auth($s, 'XOAUTH2', 'right', 'f' x 4096), '-ERR line too long',
	'4 KB with the default');
is(auth($s, 'XOAUTH2', 'right'), $welcome, '4 KB with the default - then a login');

###############################################################################
# The backend's bytes

for my $mechanism (sort keys %mechanisms) {
	my $s = session(8110);

	for my $bearer ($token, 'b' x 300) {
		is(auth($s, $mechanism, 'challenge', $bearer), "+ $error",
			"$mechanism, byte by byte - challenge");
		is(command($s, ''), $in_use, "$mechanism, byte by byte - reply");
	}

	is(auth($s, $mechanism, 'right', 'b' x 300), $welcome,
		"$mechanism, byte by byte - login");
}

errors_take($t);

$s = session(8110);
my %got;

for (['challenge', $challenge], ['no', $no], ['yes', $yes]) {
	my ($step, $bytes) = @$_;

	for my $at (0 .. length $bytes) {
		my $reply = auth($s, $at % 2 ? 'XOAUTH2' : 'OAUTHBEARER', "$step$at");

		$reply = command($s, '*') if $reply =~ /^\+ /;
		push @{$got{$step}}, $reply;
		$s = session(8110) if $reply =~ /^\+OK/;
	}
}

is_deeply($got{challenge}, [($unavailable) x (1 + length $challenge)],
	'the backend goes at each byte of the challenge');
is_deeply($got{no}, [($unavailable) x length $no, $in_use],
	'the backend goes at each byte of its refusal');
is_deeply($got{yes}, [($unavailable) x length $yes, $welcome],
	'the backend goes at each byte of its consent');
is(scalar errors_take($t, 1 + length "$challenge$no$yes"),
	1 + length "$challenge$no$yes", 'one error line for each');

###############################################################################
# The client's bytes

my $probe = session(8110);
my $fds = settled_fds($t);

sub cut_session {
	my ($bytes) = @_;

	my $s = session(8110);

	$s->socket()->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
	$s->print($bytes);

	return $s;
}

for my $mechanism (sort keys %mechanisms) {
	my $lines = join $crlf, "AUTH $mechanism",
		message($mechanism, 'no' . length $no),
		$answer{$mechanism}, 'NOOP', "AUTH $mechanism "
			. message($mechanism, 'login', 'secret'), 'STAT', 'QUIT', '';
	my $expected = join $crlf, '+ ', "+ $error", $in_use, '+OK', $welcome,
		'+OK 1 23', '+OK bye from backend', '';

	my @cut = map { cut_session(substr $lines, 0, $_) } 0 .. length $lines;

	sleep 0.01;
	$cut[$_]->print(substr $lines, $_) for 0 .. $#cut;

	is_deeply([grep {
		receive($cut[$_], 10 ** 6) ne $expected || !closed($cut[$_])
	} 0 .. $#cut], [], "$mechanism - the client's bytes cut");

	for my $how ('FIN', 'RST', 'close') {
		@cut = map { cut_session(substr $lines, 0, $_) } 0 .. length $lines;

		if ($how eq 'FIN') {
			shutdown $_->socket(), 1 for @cut;

			is(scalar(grep { receive($_, 10 ** 6); !closed($_) } @cut), 0,
				"$mechanism - the client goes by $how, closed");

		} elsif ($how eq 'RST') {
			$_->socket()->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0)
				for @cut;
		}

		@cut = ();
		ok(wait_until(sub { worker_fds($t) == $fds }),
			"$mechanism - the client goes by $how, nothing is left");
	}
}

is_deeply([map { @{$_->{early}} } connections()], [], 'all in its turn');

my $log = $t->read_file('error.log');

like($log, qr/\[debug\]/, 'the log is that of debug');
is_deeply([map { traces($log, $_) } $token, @messages], [], 'no token in the log');
unlike($log, qr/([b-f])\1{100}/, 'no long token in the log');

undef $probe;
undef $s;
undef $t;

###############################################################################
