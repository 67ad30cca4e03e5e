#!/usr/bin/perl

# Pipelining across the login: what is sent behind it is the backend's, or is
# answered here when the login fails.

###############################################################################

use warnings;
use strict;

use Test::More;

use Socket qw/ SOL_SOCKET SO_RCVBUF /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(54);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http 127.0.0.1:8080;

    # a debug log of so many commands is only slow
    error_log %%TESTDIR%%/mail.log info;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    pop3_auth         plain cram-md5;
    pop3_max_commands 1000000;
    max_errors        1000000;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
    }

    # half a page of reply, and not much room for it

    server {
        listen            127.0.0.1:8120 sndbuf=4k;
        listen            127.0.0.1:8125 ssl sndbuf=4k;
        protocol          pop3;
        pop3_capabilities %%LONG%%;
    }
}

EOC

$t->write_file('nginx.conf', $t->read_file('nginx.conf')
	=~ s/%%LONG%%/join ' ', map { "X-$_-" . 'x' x 99 } 1 .. 20/er);

create_certificate($t, 'localhost');
start_daemons($t);

$t->run();

###############################################################################

my $crlf = "\x0d\x0a";
my $login = 'test@example.com';
my @user = ("USER $login", 'PASS secret');
my $s;

sub session {
	my ($number) = @_;

	my $s = POP3Session->new(
		PeerAddr => '127.0.0.1:' . port($number),
		SSL => $number % 10 == 5);
	$s->read();

	return $s;
}

sub lines {
	return join '', map { "$_$crlf" } @_;
}

for my $tls (0, 1) {
	my $in = $tls ? 'TLS' : 'plain';
	my $plain = $tls ? 8995 : 8110;

	$s = session($plain);

	my $capa = lines(multiline($s, 'CAPA'));

	# across the login: all of it goes to the backend, in order

	for my $size (0, 12, 100) {
		my @behind = ('STAT', map({ "NOOP $_ " . 'x' x 200 }
			1 .. $size * 1024 / 212), 'RETR 1', 'QUIT');

		backend_take();
		$s = session($plain);
		segment($s, lines('CAPA', @user, @behind));

		is(receive($s, length $capa), $capa,
			"$in - before the login, $size KB behind");

		my @replies = replies($s, 2 + @behind - 2 + 5 + 1);

		is(scalar(grep { /^\+OK/ } @replies), 2 + @behind,
			"$in - replies across the login, $size KB behind");
		is($replies[-1], '+OK bye from backend',
			"$in - the last of them, $size KB behind");
		is_deeply([backend_take()], [@user, @behind],
			"$in - backend, $size KB behind");
	}

	# FIN behind the login

	if (!$tls) {
		$s = session($plain);
		segment($s, lines(@user, 'STAT', 'DELE 1', 'QUIT'), fin => 1);
		replies($s, 5);

		ok(wait_until(sub {
			return ((backend_lines())[-1] // '') eq 'QUIT';
		}), "$in - FIN behind the login");
		is_deeply([backend_take()], [@user, 'STAT', 'DELE 1', 'QUIT'],
			"$in - backend, FIN behind the login");
	}

	# a login that fails: the session is kept for some, closed for others

	auth_take();
	$s = session($plain);
	segment($s, lines('USER wait@example.com', 'PASS wrong', 'NOOP', 'CAPA',
		('NOOP') x 3000, 'PASS secret', 'USER wait@example.com',
		'PASS secret', 'STAT', 'QUIT'));

	is((replies($s, 1))[0], '+OK', "$in - USER");
	is((replies($s, 1))[0], '-ERR [AUTH] Invalid login or password',
		"$in - wrong PASS");
	is((replies($s, 1))[0], '+OK', "$in - NOOP behind it");
	is_deeply(lines(multiline($s)), $capa, "$in - CAPA behind it");
	is(scalar(grep { $_ eq '+OK' } replies($s, 3000)), 3000,
		"$in - many more behind it");
	is_deeply([map { /^(\S+)/ } replies($s, 5)], [qw/-ERR +OK +OK +OK +OK/],
		"$in - second login behind it");
	is_deeply([map { $_->{pass} } auth_take()], [qw/wrong secret/],
		"$in - auth_http is asked twice");

	backend_take();
	$s = session($plain);
	segment($s, lines("USER $login", 'PASS wrong', 'NOOP', @user, 'DELE 1'));

	is_deeply([replies($s, 2)], ['+OK', '-ERR [AUTH] Invalid login or password'],
		"$in - wrong PASS of another");
	ok(closed($s), "$in - nothing behind it is answered");
	is(scalar backend_take(), 0, "$in - nothing behind it gets on");

	# a login behind replies that there is no room for: the client reads late

	backend_take();
	$s = session($tls ? 8125 : 8120);
	$capa = lines(multiline($s, 'CAPA'));
	$s->socket()->setsockopt(SOL_SOCKET, SO_RCVBUF, 8192);
	segment($s, lines(('CAPA') x 200, @user, 'STAT'));
	select undef, undef, undef, 0.1;

	is(scalar backend_take(), 0, "$in - read late, no login before");
	$s->socket()->setsockopt(SOL_SOCKET, SO_RCVBUF, 1048576);

	ok(receive($s, 200 * length $capa) eq $capa x 200,
		"$in - read late, login");
	is(scalar(grep { /^\+OK/ } replies($s, 3)), 3,
		"$in - read late, logged in");
	is_deeply([backend_take()], [@user, 'STAT'],
		"$in - read late, backend");
}

undef $s;

###############################################################################
