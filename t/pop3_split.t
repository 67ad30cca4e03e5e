#!/usr/bin/perl

# However the bytes of a client are cut into pieces, the replies are the same:
# each dialogue is cut at every byte, and sent byte by byte, in plain and in
# TLS, with CRLF and with a bare LF.

###############################################################################

use warnings;
use strict;

use Test::More;

use Socket qw/ IPPROTO_TCP TCP_NODELAY /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(176);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http 127.0.0.1:8080;

    # a debug log of so many sessions is only slow
    error_log %%TESTDIR%%/mail.log info;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    pop3_auth          plain apop cram-md5 external;
    pop3_client_buffer 128;
    timeout            300s;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
    }

    server {
        listen            127.0.0.1:8120;
        protocol          pop3;
        pop3_max_commands 1000000;
    }

    server {
        listen   127.0.0.1:8130;
        protocol pop3;
        starttls on;
    }
}

EOC

create_certificate($t, 'localhost');
start_daemons($t);

$t->run();

###############################################################################

my $crlf = "\x0d\x0a";
my $login = 'test@example.com';
my $plain = sasl_plain('', $login, 'secret');

# Name, lines, how often the reply is -ERR.  A line that is a sub gets the
# challenge.  After a login the backend has the last word.

my @dialogue = (
	'NOOP' => ['NOOP', 'noop x', 'QUIT'], 0,
	'CAPA' => ['CAPA', 'capa x', 'QUIT'], 0,
	'AUTH' => ['AUTH', 'auth ', 'QUIT'], 0,
	'QUIT' => ['QUIT x'], 0,
	'STLS that is refused' => ['AUTH PLAIN', 'STLS', 'QUIT'], 1,
	'unknown' => ['XYZZY', '', 'RETR 1', 'UTF8', 'QUIT'], 4,
	'too long' => ['NOOP ' . 'x' x 140, 'NOOP', 'QUIT'], 1,
	'almost too long' => ['NOOP ' . 'x' x 121, 'QUIT'], 0,
	'too long in an exchange' => ['AUTH PLAIN', 'A' x 132, 'NOOP', 'QUIT'], 1,
	'USER' => ["USER $login", 'PASS secret', 'QUIT'], 0,
	'USER with spaces' => ['USER two words', 'PASS secret', 'QUIT'], 0,
	'USER alone' => ["USER $login", 'CAPA', 'NOOP', 'USER', 'QUIT'], 1,
	'PASS with a space' => ['user space@example.com', 'pass  leading', 'QUIT'], 0,
	'PASS alone' => ['PASS secret', 'QUIT'], 1,
	'APOP' => [sub { "APOP $login " . apop($_[0], 'secret') }, 'QUIT'], 0,
	'APOP with half a digest' => ["APOP $login 0123456789abcdef", 'QUIT'], 1,
	'PLAIN' => ['AUTH PLAIN', $plain, 'QUIT'], 0,
	'PLAIN with initial response' => ["auth plain $plain", 'QUIT'], 0,
	'PLAIN cancelled' => ['AUTH PLAIN', '*', 'QUIT'], 1,
	'PLAIN not base64' => ['AUTH PLAIN', '$$$$', 'AUTH PLAIN =', 'QUIT'], 2,
	'LOGIN' => ['AUTH LOGIN', b64($login), b64('secret'), 'QUIT'], 0,
	'LOGIN with initial response' => ['AUTH LOGIN ' . b64($login),
		b64('secret'), 'QUIT'], 0,
	'LOGIN cancelled' => ['AUTH LOGIN', b64($login), '*', 'QUIT'], 1,
	'CRAM-MD5' => ['AUTH CRAM-MD5',
		[sub { cram_md5($_[0], $login, 'secret') }], 'QUIT'], 0,
	'CRAM-MD5 cancelled' => ['AUTH CRAM-MD5', '*', 'QUIT'], 1,
	'EXTERNAL' => ['AUTH EXTERNAL', b64($login), 'QUIT'], 0,
	'EXTERNAL with initial response' => ['AUTH EXTERNAL =', 'QUIT'], 0,
);

# The worker serves events in order: when this session has its reply, what
# another one has sent before has been read.

my $probe = session(8120);

sub session {
	my ($number) = @_;

	my $s = POP3Session->new(
		PeerAddr => '127.0.0.1:' . port($number),
		SSL => $number == 8995);
	$s->socket()->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);

	return $s;
}

# A session, from its greeting on, to the server's end of it.  What is random
# in the replies is taken out.

sub dialogue {
	my ($number, $lines, $eol, $cut) = @_;

	my $s = session($number);
	my $challenge = challenge($s->read());
	my ($bytes, $answer, $at, $got) = ('', undef, 0, '');

	for my $line (@$lines) {
		$answer = [length $bytes, $line->[0]] if ref $line eq 'ARRAY';
		$bytes .= text($line, $challenge) . $eol;
	}

	# what answers a challenge can be sent only when that is there: a piece
	# ends in front of it

	my %ends;

	$ends{$at += length} = 1 for $cut->($bytes);
	$ends{$answer->[0]} = 1 if $answer;
	$at = 0;

	for my $end (sort { $a <=> $b } keys %ends) {
		if ($answer && $at == $answer->[0]) {
			$got = $s->read();
			my $text = $answer->[1]->(challenge($got));
			substr($bytes, $at, length $text) = $text;
		}

		$s->print(substr($bytes, $at, $end - $at));
		command($probe, 'NOOP');
		$at = $end;
	}

	return ($got . receive($s, 10 ** 6)) =~ s/^\+ P\S+/+ CHALLENGE/gmr;
}

# A line is a text, what makes one of the greeting's challenge, or, in brackets,
# what makes one of the challenge in the reply before.  As long as it will be.

sub text {
	my ($line, $challenge) = @_;

	return ref $line eq 'ARRAY' ? $line->[0]->('') :
		ref $line ? $line->($challenge) : $line;
}

sub whole { return $_[0] }
sub bytewise { return split //, $_[0] }

$probe->read();

while (my ($name, $lines, $errors) = splice @dialogue, 0, 3) {
	my $whole = dialogue(8110, $lines, $crlf, \&whole);

	like($whole, qr/^\+OK(?: bye from backend)?\x0d\x0a\z/m, "$name - whole");
	is(() = $whole =~ /^-ERR/mg, $errors, "$name - errors");

	my $length = length join $crlf,
		map({ text($_, '<1.1@x>') } @$lines), '';
	my ($at, $got) = (1);

	# how the backend's commands are cut is not for long the module's matter

	$length -= 4 if $whole =~ /backend/;

	for (; $at < $length; $at++) {
		$got = dialogue(8110, $lines, $crlf, sub {
			return substr($_[0], 0, $at), substr($_[0], $at);
		});
		last if $got ne $whole;
	}

	is($got, $whole, "$name - cut" . ($got ne $whole && " at byte $at"));
	is(dialogue(8110, $lines, $crlf, \&bytewise), $whole,
		"$name - byte by byte");
	is(dialogue(8995, $lines, $crlf, \&bytewise), $whole,
		"$name - byte by byte in TLS") if $name =~ /^(?:\S+|too long)$/;
	is(dialogue(8110, $lines, "\x0a", \&whole), $whole, "$name - bare LF");
	is(dialogue(8110, $lines, "\x0a", \&bytewise), $whole,
		"$name - bare LF, byte by byte");
}

# STLS

for my $eol ($crlf, "\x0a") {
	my $bytes = "NOOP${eol}stls$eol";
	my $wrong = 0;

	for my $at (1 .. length($bytes) - 1) {
		my $s = session(8130);

		$s->read();
		$s->print(substr $bytes, 0, $at);
		command($probe, 'NOOP');
		$s->print(substr $bytes, $at);

		$wrong++ unless replies($s, 2) == 2 && starttls($s)
			&& command($s, 'NOOP') eq '+OK';
	}

	is($wrong, 0, 'STLS - cut, line end of ' . length $eol);
}

undef $probe;

###############################################################################
