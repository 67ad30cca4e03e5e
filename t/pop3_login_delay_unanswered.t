#!/usr/bin/perl

# pop3_login_delay, and clients that do not wait for the word of who was asked, but for as
# long as a right password would take: by a reset, or as their time is over.

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

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(32);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_limit_zone  64k;
    pop3_login_delay 100ms;
    pop3_proxy_pass  127.0.0.1:8211;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen    127.0.0.1:8120;
        protocol  pop3;
        auth_http 127.0.0.1:8280;
    }

    server {
        listen   127.0.0.1:8130;
        protocol pop3;
        timeout  1s;
    }

    server {
        listen    127.0.0.1:8140;
        protocol  pop3;
        timeout   1s;
        auth_http 127.0.0.1:8280;
    }
}

EOC

start_auth($t, 8280 => { logins => {
	'later@auth' => sub { kept($_[0], 'Auth-Status: WAIT', 'Auth-Wait: 20') },
	'slow@auth'  => [],
} });

start_backends($t, 8211 => { logins => {
	'slow@back' => { PASS => [] },
	'user@back' => { USER => [] },
} });

$t->run();

###############################################################################

my $n = 0;

my @slow = (
	['slow@back', 8110, 8130], ['user@back', 8110, 8130],
	['slow@auth', 8120, 8140], ['later@auth', 8120, 8140],
);

for (@slow) {
	my ($login, $port) = @$_;
	my $address = '127.0.5.' . ++$n;

	resets(is_asked($address, $port, $login));
	ok(wait_until(sub { is_reset($address) }), "$login - reset");
	has_failed($address, $login);
}

for (@slow) {
	my ($login, undef, $port) = @$_;
	my $address = '127.0.5.' . ++$n;
	my $s = is_asked($address, $port, $login);

	like((replies($s, 1))[0], qr/^-ERR \[SYS\/TEMP\]/, "$login - time is over");
	has_failed($address, "$login, too");
}

undef $t;

###############################################################################

# The next login waits, and none behind it.

sub has_failed {
	my ($address, $name) = @_;

	for my $which ('waits', 'once') {
		my $s = begins($address, 8110);

		is((replies($s, 1))[0], '+OK logged in to backend', "$name - $which, logs in");
	}

	is(waits_of($t, $address), 1, "$name - has waited once");
}

# A session with a login in it that the auth server or the backend knows of.

sub is_asked {
	my ($address, $port, $login) = @_;

	my $known = known($login);
	my $s = begins($address, $port, 'wrong', $login);

	wait_until(sub { known($login) > $known }) or die "Nobody knows of $login\n";

	return $s;
}

sub known {
	my ($login) = @_;

	return $login =~ /auth/ ? scalar grep { $_->{user} eq $login } asked()
		: scalar grep { "@{$_->{lines}}" =~ /USER \Q$login\E/ } connections();
}

sub is_reset {
	my ($address) = @_;

	return $t->read_file('error.log')
		=~ /client closed connection during login .*client: \Q$address\E,/;
}

###############################################################################
