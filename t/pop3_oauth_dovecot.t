#!/usr/bin/perl

# Logins by OAuth with other people's clients (curl, mpop, s-nail) and a real Dovecot:
# by pop3_proxy_pass, where Dovecot asks an introspection service about the token,
# and by auth_http, which is asked itself.  Good tokens, refused ones and long ones;
# none of them gets into the log.  More clients: clients/oauth.t.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use JSON::PP qw/ decode_json /;

use Test::Nginx;
use POP3Clients;
use POP3Dovecot;
use POP3OAuth;
use POP3Proxy;
use POP3Session;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

need(curl => 'curl', mpop => 'mpop', 's-nail' => 's-nail', python3 => 'python3');

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->plan(192);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_auth                plain xoauth2 oauthbearer;
    pop3_client_buffer       8k;
    proxy_pass_error_message on;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    # Dovecot checks the token

    server {
        listen             127.0.0.1:8110;
        listen             127.0.0.1:8995 ssl;
        protocol           pop3;
        pop3_proxy_pass    127.0.0.1:8211;
    }

    server {
        listen             127.0.0.1:8111;
        protocol           pop3;
        pop3_auth          xoauth2;
        pop3_proxy_pass    127.0.0.1:8211;
    }

    # the auth server does, and knows a password for Dovecot

    server {
        listen             127.0.0.1:8120;
        protocol           pop3;
        auth_http          127.0.0.1:8081/password;
    }

    server {
        listen             127.0.0.1:8121;
        protocol           pop3;
        pop3_auth          xoauth2;
        auth_http          127.0.0.1:8081/password;
    }

    # the auth server names the backend, and Dovecot checks the token

    server {
        listen             127.0.0.1:8130;
        protocol           pop3;
        auth_http          127.0.0.1:8081/token;
        pop3_auth_http_keepalive 4;
    }

    server {
        listen             127.0.0.1:8131;
        protocol           pop3;
        pop3_auth          xoauth2;
        auth_http          127.0.0.1:8081/token;
        pop3_auth_http_keepalive 4;
    }

    server {
        listen             127.0.0.1:8140;
        protocol           pop3;
        starttls           only;
        pop3_proxy_pass    127.0.0.1:8211;
    }

    server {
        listen             127.0.0.1:8150;
        protocol           pop3;
        pop3_client_buffer 4k;
        pop3_proxy_pass    127.0.0.1:8211;
    }
}

EOC

start_oauth($t);

$t->run();

###############################################################################

my $expected = expected();
my $login = oauth_login();
my %token = oauth_tokens();

# By server: what the service is asked, and how Dovecot is logged in at.

my %source = (
	811 => ['pop3_proxy_pass', sub { "introspect $_[1]" }],
	812 => ['auth_http, password', sub { "$_[0] $login $_[1]" }, 'PLAIN'],
	813 => ['auth_http, token', sub { ("$_[0] $login $_[1]", "introspect $_[1]") }],
);

# curl prefers OAUTHBEARER, whatever it is told.  With --sasl-ir there is no "+"
# before the token.  Without an answer to a challenge it closes the session.

my $bearing;

for my $source (sort keys %source) {
	for my $try (
		['good', 'XOAUTH2'], ['good', 'XOAUTH2', '--sasl-ir'],
		['long', 'XOAUTH2'], ['bad', 'XOAUTH2'],
		['good', 'OAUTHBEARER'], ['good', 'OAUTHBEARER', '--sasl-ir'],
		['long', 'OAUTHBEARER'], ['bad', 'OAUTHBEARER'],
		['bad', 'OAUTHBEARER', '--sasl-ir'],
	) {
		my ($token, $mechanism, @ir) = @$try;
		my $name = join ' ', "curl, $mechanism", @ir;

		my $r = with_curl($source . ($mechanism eq 'XOAUTH2' ? 1 : 0), $token, @ir);

		said($name, $r, @ir ? qr/^> AUTH $mechanism \S{50,}\n< \+/m
			: qr/^> AUTH $mechanism\n< \+ *\n> \S{50,}\n< \+/m);
		ended($name, $r, $source, $mechanism, $token);

		$bearing .= $r->{dialogue};
	}

	my %said = (
		xoauth2     => qr/^--> AUTH XOAUTH2\n<-- \+ *\n--> \S+\n<-- \+/m,
		oauthbearer => qr/^--> AUTH OAUTHBEARER \S+\n<-- \+/m,
	);

	for my $mechanism (sort keys %said) {
		for my $token (qw/ good bad /) {
			my $r = mpop("${source}0", $mechanism, $token{$token});

			said("mpop, $mechanism", $r, $said{$mechanism});
			ended("mpop, $mechanism", $r, $source, uc $mechanism, $token);
		}
	}
}

# with TLS

ended('curl, STLS', with_curl(8140, 'good', '--ssl-reqd'), 811, 'OAUTHBEARER',
	'good');

# what it calls by that name is the other one

for my $token (qw/ good bad /) {
	my $r = s_nail('TLS', 8995, $token{$token}, '-S', 'pop3-auth=oauthbearer');
	my ($mechanism) = $r->{dialogue} =~ />>> AUTH (X?OAUTH\S+)/;

	ended('s-nail, TLS', $r, 811, $mechanism // 'none', $token);
}

my $r = with_curl(8140, 'good');

is($r->{message}, undef, 'without TLS - no message');
unlike($r->{dialogue}, qr/^> AUTH/m, 'without TLS - no token');
is_deeply([questions_take()], [], 'without TLS - nobody is asked');

# the default buffer is too small for a token of 4 KB

$r = with_curl(8150, 'long');

is($r->{message}, undef, 'small buffer - no message');
like($r->{dialogue}, qr/^< -ERR line too long/m, 'small buffer - told so');
is_deeply([questions_take()], [], 'small buffer - nobody is asked');

# Refused, given up, and logged in in one session.  The challenge is of whoever has
# refused the token.

for my $number (8110, 8120, 8130) {
	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));

	$s->read();

	for my $answer ('AQ==', '*') {
		my $challenge = decode_json(unb64(
			command($s, 'AUTH OAUTHBEARER ' . bearer('bad')) =~ s/^\+ //r));

		$number == 8120
			? is_deeply($challenge, { status => 'expired', scope => 'mail' },
				"$number, answer '$answer' - challenge")
			: ok($challenge->{status}, "$number, answer '$answer' - challenge");
		like(command($s, $answer), qr/^-ERR \[AUTH\] /,
			"$number, answer '$answer' - refused");
	}

	like(command($s, 'AUTH OAUTHBEARER ' . bearer('good')), qr/^\+OK/,
		"$number - then the right one");
	like(command($s, 'STAT'), qr/^\+OK 2 /, "$number - mailbox");
}

my $log = $t->read_file('error.log');

like($log, qr/\[debug\]/, 'the log is at level debug');
is(join(' ', leaks($bearing)), 'bad good long', 'what would be found');
is(join(' ', leaks($log)), '', 'no token in the log');

undef $t;

###############################################################################

sub with_curl {
	my ($number, $token, @args) = @_;

	return curl($number, '--user', "$login:", '--oauth2-bearer', $token{$token},
		@args);
}

sub bearer {
	my ($token) = @_;

	return b64("n,a=$login,\x01auth=Bearer $token{$token}\x01\x01");
}

sub said {
	my ($name, $session, $dialogue) = @_;

	like($session->{dialogue}, $dialogue, "$name - dialogue");
}

# Logged in and with the message, or refused.

sub ended {
	my ($name, $session, $source, $mechanism, $token) = @_;

	my ($where, $asked, $method) = @{$source{$source}};

	$name = "$where, $name, $token";

	is_deeply([questions_take()],
		[$asked->(lc $mechanism, $token eq 'bad' ? 'bad' : 'good')],
		"$name - asked");

	if ($token eq 'bad') {
		is($session->{message}, undef, "$name - no message");
		like($session->{dialogue}, qr/(?:Login denied|-ERR \[AUTH\])/,
			"$name - told so");

	} else {
		is($session->{message}, $expected, "$name - message")
			or diag($session->{dialogue});
		is(next_login()->{method}, $method // $mechanism, "$name - Dovecot");
	}
}

###############################################################################
