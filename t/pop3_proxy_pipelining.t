#!/usr/bin/perl

# pop3_proxy_pipelining: USER and PASS go to the backend together, wherever the login
# comes from, and both replies are waited for, in whatever pieces they come.

###############################################################################

use warnings;
use strict;

use Socket qw/ SOL_SOCKET SO_LINGER /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Certificates;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->plan(52);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_proxy_pass          127.0.0.1:8211;
    pop3_proxy_pipelining    on;
    proxy_pass_error_message on;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen                             127.0.0.1:8120;
        protocol                           pop3;
        pop3_proxy_pass                    127.0.0.1:8212;
        pop3_proxy_ssl                     starttls;
        pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;
        pop3_proxy_xclient                 on;
    }

    server {
        listen                127.0.0.1:8130;
        protocol              pop3;
        auth_http             127.0.0.1:8280;
        pop3_auth             plain apop xoauth2;
    }

    server {
        listen                127.0.0.1:8140;
        protocol              pop3;
        pop3_proxy_pipelining off;
    }
}

EOC

keep_certificates($t->testdir());
issue('ca', ca => 1);
issue('localhost', by => 'ca', names => 'IP:127.0.0.1');

my $crlf = "\x0d\x0a";
my @still = (['wait', 60]);

# A turn of USER and one of PASS, which is there already.

my %replies = (
	'cut'    => { USER => [['bytes', "+OK a$crlf"]], PASS => [['bytes', "+OK b$crlf"]] },
	'long'   => { USER => '+OK ' . 'x' x 2000, PASS => '+OK ' . 'y' x 2000 },
	'over'   => { USER => '+OK ' . 'x' x 2000, PASS => '+OK ' . 'y' x 2100 },
	'nobody' => { USER => '-ERR [IN-USE] who', PASS => '-ERR [AUTH] what' },
	'locked' => { PASS => '-ERR [IN-USE] locked' },
	'junk'   => { PASS => 'junk' },
	'more'   => { PASS => ["+OK$crlf+OK$crlf"] },
	'half'   => { PASS => [['close']] },
	'silent' => { PASS => \@still },
);

start_auth($t, 8280 => { logins => { any => sub { kept($_[0], route('Auth-Pass: secret')) } } });
start_backends($t, 8211 => { logins => \%replies },
	8212 => { greeting => '+OK [XCLIENT] ready', tls => {}, logins => \%replies });

$t->run();

###############################################################################

my $s;

# What the backend was told in the session, and what of it early.

sub told {
	my ($name, @early) = @_;

	undef $s;

	my @connections = ended_take();
	my ($c) = @connections;

	is(scalar @connections, 1, "$name - one connection");
	is_deeply($c->{early}, \@early, "$name - ahead of its turn");

	return $c->{lines};
}

sub logs_in_by {
	my ($name, $number, $reply, $login, @before) = @_;

	$s = session($number);
	is(login($s, 'secret', $login), $reply, "$name - reply");
	is(command($s, 'NOOP'), '+OK noop', "$name - goes on");
	is_deeply(told($name, 'PASS secret'), [@before, "USER $login", 'PASS secret', 'NOOP'],
		"$name - what the backend is told");
}

my $in = '+OK logged in to backend';

logs_in_by('together', 8110, $in, 'test');
logs_in_by('in pieces', 8110, '+OK b', 'cut');
logs_in_by('long replies', 8110, $replies{long}{PASS}, 'long');

$s = session(8120);
is(login($s), $in, 'behind STLS and XCLIENT - reply');
is_deeply([map { s/^(XCLIENT) .*/$1/r } @{told('behind STLS and XCLIENT', 'PASS secret')}],
	['STLS', 'XCLIENT', 'USER test@example.com', 'PASS secret'],
	'behind STLS and XCLIENT - what the backend is told');

$s = session(8130);
is(command($s, 'APOP any ' . 'f' x 32), $in, 'a password of the auth server - reply');
is_deeply(told('a password of the auth server', 'PASS secret'), ['USER any', 'PASS secret'],
	'a password of the auth server - what the backend is told');

# off: one by one

$s = session(8140);
is(login($s), $in, 'off - reply');
told('off');

# refused, whichever reply it is

for (['nobody', '-ERR [IN-USE] who'], ['locked', '-ERR [IN-USE] locked']) {
	my ($login, $reply) = @$_;

	$s = session(8110);
	is(login($s, 'secret', $login), $reply, "$login - reply");
	is(login($s), $in, "$login - the session goes on");
	is(scalar connections_take(), 2, "$login - a connection for each try");
}

$s = session(8110);
is(login($s, 'wrong'), '-ERR [AUTH] wrong password', 'wrong password - reply');
is(login($s), $in, 'wrong password, then the right one');
connections_take();

# no replies, or too much of them: the one backend has had the last word

for (['over', 'sent too long response line'], ['junk', 'sent invalid response'],
	['more', 'sent data ahead of its turn'], ['half', 'closed connection'])
{
	my ($login, $reason) = @$_;

	errors_take($t);
	$s = session(8110);
	is(login($s, 'secret', $login), '-ERR [SYS/TEMP] mail server is not available',
		"$login - reply");
	is(login($s), $in, "$login - the session goes on");
	is(scalar connections_take(), 2, "$login - tried once");
	like(join("\n", errors_take($t)), qr/upstream \Q$reason\E/, "$login - logged");
}

# a client that goes while both are waited for

connections_take();
$s = session(8110);
segment($s, "USER silent${crlf}PASS secret$crlf");
ok(wait_until(sub { grep { "@{$_->{lines}}" eq 'USER silent PASS secret' } connections() }),
	'silent - both are sent');
$s->socket()->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
undef $s;
is((ended_take())[-1]{end}, 'eof', 'silent - the backend is left with the client');

###############################################################################
