#!/usr/bin/perl

# Logins by OAuth with more clients that others wrote, JavaMail and mutt, to a real
# Dovecot: by pop3_proxy_pass and by auth_http.  Like defaults.t, this is of
# "make test-clients".

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); push @INC, 'lib'; }

use Test::Nginx;
use POP3Clients;
use POP3OAuth;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my @jars = map { "/usr/share/java/javax.$_.jar" } qw/ mail activation /;

need(
	java => 'default-jdk-headless', mutt => 'mutt', python3 => 'python3',
	$jars[0] => 'libmail-java', $jars[1] => 'libmail-java',
);

my %server = (8110 => 'pop3_proxy_pass', 8120 => 'auth_http, password',
	8130 => 'auth_http, token');

my %client = (
	'JavaMail, XOAUTH2' => \&java,
	'mutt, OAUTHBEARER' => sub { mutt_with('oauthbearer', @_) },
	'mutt, XOAUTH2'     => sub { mutt_with('xoauth2', @_) },
);

my $t = Test::Nginx->new()->has(qw/mail/)->plan(28);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_auth                xoauth2 oauthbearer;
    pop3_client_buffer       8k;
    proxy_pass_error_message on;

    server {
        listen          127.0.0.1:8110;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
    }

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        auth_http       127.0.0.1:8081/password;
    }

    server {
        listen          127.0.0.1:8130;
        protocol        pop3;
        auth_http       127.0.0.1:8081/token;
        pop3_auth_http_keepalive 4;
    }
}

EOC

start_oauth($t);

my $d = $t->testdir();

$t->run();

###############################################################################

my $expected = expected();
my %token = oauth_tokens();

for my $number (sort keys %server) {
	for my $name (sort keys %client) {
		try($number, $name, $_) for qw/ good long bad /;
	}
}

is(join(' ', leaks($t->read_file('error.log'))), '', 'no token in the log');

undef $t;

###############################################################################

sub try {
	my ($number, $name, $token) = @_;

	my $r = $client{$name}->($number, $token{$token});
	my $asked = join ' ', questions_take();
	my $what = "$server{$number}, $name, $token token";

	if ($token eq 'bad') {
		ok(!defined $r->{message} && $asked =~ / bad$/, "$what: refused")
			or diag($r->{dialogue});

	} else {
		ok(($r->{message} // '') eq $expected && $asked =~ / good$/,
			"$what: logged in") or diag($r->{dialogue});
	}
}

sub java {
	my ($number, $token) = @_;

	return client('java', '-cp', join(':', @jars), 'clients/JavaMail.java', 'xoauth2',
		port($number), $token, "$d/localhost.crt", "$d/message");
}

sub mutt_with {
	my ($mechanism, $number, $token) = @_;

	return mutt('plain', $number, qq{set pop_authenticators="$mechanism"\n}
		. qq{set pop_oauth_refresh_command="echo $token"});
}

###############################################################################
