#!/usr/bin/perl

# The example of the crate ngx-mail, beside POP3: what a second module on that
# crate has of nginx, with nothing of POP3 in it.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Select;
use Socket qw/ SOL_SOCKET SO_RCVBUF /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, '../lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $echo = $ENV{TEST_NGINX_ECHO_MODULE}
	// die "TEST_NGINX_ECHO_MODULE is not set: tools/suite does that\n";

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->has_daemon('nm')->plan(61);

my $conf = <<"EOC";

%%TEST_GLOBALS%%

load_module $echo;

daemon off;

events {
}

mail {
    auth_http     127.0.0.1:8080;
    echo_greeting "hello from mail";

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen   127.0.0.1:8120;
        protocol echo;
    }

    server {
        listen        127.0.0.1:8121 sndbuf=64k rcvbuf=64k;
        protocol      echo;
        echo_greeting "hello from server";
    }

    server {
        listen   127.0.0.1:8122;
        protocol echo;
        timeout  2s;
    }

    server {
        listen   127.0.0.1:8123 proxy_protocol;
        protocol echo;
    }

    server {
        listen   127.0.0.1:8124 sndbuf=16k;
        protocol echo;
    }

    server {
        listen   127.0.0.1:8995 ssl;
        protocol echo;
    }
}

EOC

$t->write_file_expand('nginx.conf', $conf);

create_certificate($t, 'localhost');
start_daemons($t);

$t->run();

###############################################################################

my $crlf = "\x0d\x0a";
my $s;

# Reads the greeting, and with a name looks at it.

sub session {
	my ($number, $greeting, $name) = @_;

	$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));

	return if $number == 8123 || $number == 8995;

	my ($line) = replies($s, 1);
	is($line, $greeting, "greeting $name") if $name;
}

sub tls {
	my (%args) = @_;

	session(8995);

	return starttls($s, %args);
}

sub bytewise {
	my ($text) = @_;

	for my $byte (split //, $text) {
		$s->print($byte);
		select undef, undef, undef, 0.002;
	}
}

sub answers {
	my ($expected, $name) = @_;

	ok(receive($s, length $expected) eq $expected, "$name - echoed");
}

sub ends {
	my ($name) = @_;

	ok(closed($s), "$name - closed");
}

# the greeting and the lines

my $lines = "one$crlf$crlf two \nQUITE\n\x00\xff\nthree$crlf";
my $much = join '', map { "line $_ " . 'x' x ($_ % 200) . "\n" } 1 .. 1000;

session(8120, 'hello from mail', 'of mail');
segment($s, $lines);
answers($lines, 'one segment');
bytewise($lines);
answers($lines, 'byte by byte');

segment($s, 'be');
ok(!$s->can_read(0.1), 'a part of a line - not echoed');
segment($s, "gin\nand");
answers("begin\n", 'the rest of a line');
segment($s, "\n");
answers("and\n", 'the rest of another line');

segment($s, $much);
answers($much, 'more than is read at once');

# QUIT, and nothing behind it

segment($s, "QUIT$crlf");
answers("QUIT$crlf", 'QUIT');
ends('QUIT');

session(8120);
segment($s, "one\nquit\ntwo\n");
answers("one\nquit\n", 'QUIT between lines');
ends('QUIT between lines');

session(8120);
bytewise("Quit\n");
answers("Quit\n", 'QUIT byte by byte');
ends('QUIT byte by byte');

session(8120);
segment($s, "one\ntwo", fin => 1);
answers("one\n", 'FIN');
ends('FIN');

# what is kept has a bound

session(8120);
segment($s, 'x' x 1024);
ok(!$s->can_read(0.1), 'longest line - not echoed before its end');
segment($s, "\n");
answers('x' x 1024 . "\n", 'longest line');
segment($s, 'x' x 1025);
ends('too long line');

# a client that does not read is not read from, and nothing is lost

session(8121, 'hello from server', 'of the server');

my ($sent, $most) = ('', 64 * 1024 * 1024);
my $writable = IO::Select->new($s->socket());

$s->socket()->setsockopt(SOL_SOCKET, SO_RCVBUF, 65536);
$s->socket()->blocking(0);

while (length $sent < $most && $writable->can_write(1)) {
	my $n = $s->socket()->syswrite($much) // next;
	$sent .= substr $much, 0, $n;
}

cmp_ok(length $sent, '<', $most, 'client that does not read - is not read from');

my ($whole, $part) = $sent =~ /\A(.*\n)(.*)\z/s;

ok(receive($s, length $whole) eq $whole, 'client that reads late - echoed');
segment($s, "\n");
answers("$part\n", 'client that has read late');

# QUIT in a send that is not complete: which one that is follows from how much
# the two sockets hold

my $block = "line\n" x 1200;
my $ended = 0;

for my $blocks (0 .. 20) {
	session(8124);
	$s->socket()->setsockopt(SOL_SOCKET, SO_RCVBUF, 16384);

	for (1 .. $blocks) {
		segment($s, $block);
		select undef, undef, undef, 0.005;
	}

	segment($s, "${block}QUIT\n");
	select undef, undef, undef, 0.02;
	$s->socket()->setsockopt(SOL_SOCKET, SO_RCVBUF, 1024 * 1024);

	my $all = $block x ($blocks + 1) . "QUIT\n";
	$ended++ if receive($s, length $all) eq $all && closed($s, 1);
}

is($ended, 21, 'client that reads late - QUIT');

# the time runs from the connection on

session(8122, 'hello from mail', 'timeout');
select undef, undef, undef, 1.2;
segment($s, "late\n");
answers("late\n", 'before the timeout');
ok(closed($s, 2), 'timeout - closed');

# what comes along with a PROXY protocol header

session(8123);
segment($s, "PROXY TCP4 192.0.2.1 192.0.2.2 1025 7${crlf}early\n");
is((replies($s, 1))[0], 'hello from mail', 'PROXY protocol - greeting');
answers("early\n", 'PROXY protocol');

# TLS

ok(tls(SSL_alpn_protocols => ['pop3', 'echo']), 'TLS - handshake');
is($s->socket()->alpn_selected(), 'echo', 'TLS - ALPN');
is((replies($s, 1))[0], 'hello from mail', 'TLS - greeting');
$s->print($lines);
answers($lines, 'TLS');
bytewise($lines);
answers($lines, 'TLS, byte by byte');
$s->print($much);
answers($much, 'TLS, more than is read at once');
$s->print("QUIT$crlf");
answers("QUIT$crlf", 'TLS, QUIT');
ends('TLS, QUIT');

ok(!tls(SSL_alpn_protocols => ['pop3']), 'TLS - another protocol is refused');

# POP3 beside it

$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8110));
$s->ok('POP3 - greeting');
is_deeply([multiline($s, 'CAPA')], ['+OK Capability list follows', 'TOP',
	'USER', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'SASL PLAIN LOGIN', '.'],
	'POP3 - CAPA');
like(command($s, 'USER test@example.com'), qr/^\+OK/, 'POP3 - USER');
like(command($s, 'PASS secret'), qr/^\+OK logged in to backend/, 'POP3 - PASS');
like(command($s, 'STAT'), qr/^\+OK 1 /, 'POP3 - backend');
undef $s;

# without the directive, behind a reload

$t->write_file_expand('nginx.conf', $conf =~ s/^ *echo_greeting.*\n//mgr);
ok(reload($t), 'reload');
session(8120, 'echo', 'by default');
segment($s, $lines);
answers($lines, 'after a reload');
undef $s;

# what is logged

my $log = $t->read_file('error.log');

like($log, qr/client timed out.* while echoing lines, client: 127/,
	'log - timeout');
like($log, qr/client sent too long line while echoing lines, client: 127/,
	'log - long line');

# what the configuration may not say

sub refused {
	my ($from, $to, $message, $name) = @_;

	my ($status, $output) = nginx_test($t, $conf =~ s/$from/$to/r);

	is($status, 1, "$name - is refused");
	like($output, qr/\[emerg\].*$message/, "$name - is told");
}

refused('"hello from server"', '"one\ntwo"', 'invalid greeting "one" in the'
	. ' "echo_greeting" directive: a control character follows .*conf:',
	'line break');
refused('(echo_greeting "hello from server";)', 'echo_greeting a; echo_greeting b;',
	'"echo_greeting" directive is duplicate in .*conf:', 'two greetings');
refused('"hello from server"', 'one two',
	'invalid number of arguments in "echo_greeting"', 'two values');
refused('auth_http .*', '', 'no "auth_http" is defined', 'no auth_http');
refused('load_module.*ngx_mail_echo.so;', '',
	'unknown directive "echo_greeting"', 'without the module');

# a port is enough, if there is the right to listen on it

sub by_port {
	my ($number) = @_;

	my (undef, $output) = nginx_test($t, $conf =~ s/127\.0\.0\.1:8120;
		\s+protocol\s+echo;/127.0.0.1:$number;/xr);

	return $output =~ /unknown mail protocol/ ? 0 : 1;
}

is(by_port(7), 1, 'the port of echo');
is(by_port(9), 0, 'another port');

# nothing in it can panic

my $symbols = `nm -C $echo`;

like($symbols, qr/ t ngx_mail::/, 'the file has symbols');
unlike($symbols, qr/panic/i, 'no code can panic');

# named subs hold it: its last checks have to come before the end

undef $t;

###############################################################################
