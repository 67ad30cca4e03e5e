#!/usr/bin/perl

# The last reply to a client that has sent more than nginx has read: with nginx-patches/
# the rest is read before the connection is closed, so that no RST overtakes the reply.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Proxy;
use POP3Session;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl imap smtp/)->has_daemon('openssl')
	->plan(48);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http  127.0.0.1:8280;
    max_errors 2;
    starttls   on;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen          127.0.0.1:8110;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
    }

    server {
        listen   127.0.0.1:8143;
        listen   127.0.0.1:8993 ssl;
        protocol imap;
    }

    server {
        listen    127.0.0.1:8125;
        protocol  smtp;
        smtp_auth plain;
    }
}

EOC

create_certificate($t, 'localhost');

# more than one segment, and less than a socket takes

my $crlf = "\x0d\x0a";
my $rest = ('x' x 70 . $crlf) x 1000;

start_auth($t, 8280 => {});
start_backends($t, 8211 => { RETR => [['line', '+OK last words'], ['fin']], NOOP => [] });

$t->run();

###############################################################################

my $s;

sub session {
	my ($number, %args) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number), %args);

	replies($s, 1);

	return $s;
}

# All that comes, and how it ends: "eof", "reset", or "open".

sub rest_of {
	my ($s) = @_;

	my ($socket, $text) = ($s->socket(), $s->take($s->unread()));

	while ($s->can_read()) {
		my $n = $socket->sysread($text, 65536, length $text);

		return ($text, defined $n ? 'eof' : $!{ECONNRESET} ? 'reset' : "$!")
			unless $n;
	}

	return ($text, 'open');
}

# nginx closes what nobody has sent more to at once, whatever the client does

my $fds = settled_fds($t);

for my $case ([8110, 'QUIT', qr/^\+OK/], [8143, '1 LOGOUT', qr/^\* BYE/],
	[8125, 'QUIT', qr/^221/])
{
	my ($number, $command, $re) = @$case;

	$s = session($number);
	$s->send($command);

	my ($text, $end) = rest_of($s);

	like($text, $re, "$command, $number - reply");
	is($end, 'eof', "$command, $number - end");
	is(settled_fds($t), $fds, "$command, $number - closed");
}

$s = session(8110);
segment($s, "NOOP${crlf}QUIT$crlf", fin => 1);
is(join(' ', rest_of($s)), "+OK$crlf+OK$crlf eof", 'end of its side - replies');
is(settled_fds($t), $fds, 'end of its side - closed');

SKIP: {
	skip 'nginx-patches/04-mail-lingering-close.patch', 37
		unless $ENV{TEST_NGINX_PATCHED};

	# more behind the last command, or a line that is too long

	for my $case ([8110, "QUIT$crlf$rest", qr/^\+OK/],
		[8110, "$rest$crlf", qr/^-ERR/], [8143, "1 LOGOUT$crlf$rest", qr/^\* BYE/],
		[8143, 'y' x 70000, qr/BAD/], [8143, "1 LOGIN user wrong$crlf$rest", qr/^1 NO/],
		[8125, "QUIT$crlf$rest", qr/^221/])
	{
		my ($number, $bytes, $re) = @$case;
		my $name = "$number, " . substr($bytes, 0, 4);

		$s = session($number);
		segment($s, $bytes);

		my ($text, $end) = rest_of($s);

		like($text, $re, "$name - last reply");
		is($end, 'eof', "$name - end");
		isnt(settled_fds($t), $fds, "$name - the client is waited for");
		shutdown($s->socket(), 1);
		is(settled_fds($t), $fds, "$name - closed when it has closed");
	}

	# and more after that; this client does not go, and is left

	$s = session(8143);
	segment($s, "1 LOGOUT$crlf$rest");
	receive($s, length "* BYE${crlf}1 OK completed$crlf");
	segment($s, $rest) for 1 .. 3;
	is((rest_of($s))[1], 'eof', 'more behind the end - end');
	isnt(worker_fds($t), $fds, 'more behind the end - the client is waited for');
	ok(wait_until(sub { worker_fds($t) == $fds }, 30),
		'a client that stays - is left');

	# or it sends without end

	$s = session(8143);
	segment($s, "1 LOGOUT$crlf$rest");
	segment($s, $rest) for 1 .. 30;
	isnt((rest_of($s))[1], 'open', 'a client that sends without end - end');
	is(settled_fds($t), $fds, 'a client that sends without end - is left');

	# in TLS

	$s = session(8993, SSL => 1);
	$s->socket()->syswrite("1 LOGOUT$crlf");
	$s->socket()->syswrite($rest);
	like(receive($s, 100), qr/^1 OK/m, 'TLS - last reply');
	isnt(settled_fds($t), $fds, 'TLS - the client is waited for');
	undef $s;
	is(settled_fds($t), $fds, 'TLS - closed');

	# a backend that ends a session, in which the client goes on

	$s = session(8110);
	command($s, 'USER test@example.com');
	like(command($s, 'PASS secret'), qr/^\+OK/, 'backend - login');
	segment($s, "RETR 1$crlf" . "NOOP$crlf" x 3000);

	my ($text, $end) = rest_of($s);

	like($text, qr/^\+OK last words$crlf/, 'backend - its reply');
	is($end, 'eof', 'backend - end');
	undef $s;
	is(settled_fds($t), $fds, 'backend - closed');

	# a worker that ends waits for no client longer than that

	$s = session(8143);
	segment($s, "1 LOGOUT$crlf$rest");
	rest_of($s);

	my $pid = worker_pid($t);

	reload($t);
	ok(gone($pid), 'reload - the old worker ends');
}

###############################################################################
