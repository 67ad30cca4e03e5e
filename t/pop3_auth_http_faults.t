#!/usr/bin/perl

# Auth servers that are down, slow, close, or talk nonsense: the client is told, its
# session goes on, the log has one line for it, and no secret.

###############################################################################

use warnings;
use strict;

use Test::More;

use Socket qw/ SOL_SOCKET SO_LINGER /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(874);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http  127.0.0.1:8280;
    max_errors 1000;

    server {
        listen    127.0.0.1:8110;
        protocol  pop3;
        pop3_auth plain apop cram-md5 external;
    }

    server {
        listen                   127.0.0.1:8120;
        protocol                 pop3;
        pop3_auth_http_keepalive 4;
    }

    # nobody listens there

    server {
        listen    127.0.0.1:8130;
        protocol  pop3;
        auth_http 127.0.0.1:8289;
    }

    server {
        listen    127.0.0.1:8131;
        protocol  pop3;
        auth_http unix:%%TESTDIR%%/none.sock;
    }

    # these give up soon

    server {
        listen            127.0.0.1:8111;
        protocol          pop3;
        auth_http_timeout 300ms;
    }

    server {
        listen                   127.0.0.1:8121;
        protocol                 pop3;
        auth_http_timeout        300ms;
        pop3_auth_http_keepalive 4;
    }

    # ends before it is asked, or never answers

    server {
        listen    127.0.0.1:8132;
        protocol  pop3;
        auth_http 127.0.0.1:8281;
    }

    server {
        listen    127.0.0.1:8133;
        protocol  pop3;
        auth_http 127.0.0.1:8282;

        auth_http_timeout 300ms;
    }
}

EOC

my $crlf = "\x0d\x0a";
my $ok = '1.0 200 OK';
my ($close, $reset) = (['close'], ['reset']);
my $hidden = 'Not-For-The-Log';
my ($server, $port) = ('Auth-Server: 127.0.0.1', 'Auth-Port: ' . port(8211));

# all but what lets in, and the secrets that it would let in with

my @secret = ('Auth-User: test', "Auth-Pass: $hidden");
my $whole = http_head($ok, route(@secret));

# Replies, and what the log says.

my $not_http = qr/invalid response/;
my $header = qr/invalid header/;
my $control = qr/NUL or CR/;
my $none = qr/server or port/;
my $bad_server = qr/invalid.*server/i;
my $bad_port = qr/invalid.*port/i;
my $bad_user = qr/Auth-User/;
my $bad_pass = qr/Auth-Pass/;
my $closed = qr/closed|prematurely/;
my $timed_out = qr/timed out/;
my $long = qr/too (?:long|big|large)/;

my @faults = (
	'closes'             => $closed, [$close],
	'shuts down'         => $closed, [['fin']],
	'resets'             => qr/closed connection before its reply/, [$reset],
	'resets in the head' => qr/closed connection before its reply/, ['HTTP/1.0 200 ', ['wait', 0.05], $reset],
	'is silent'          => $timed_out, [],
	'stops in the head'  => $timed_out, [substr $whole, 0, -1],
	'stops behind 1xx'   => $timed_out, [http_head('1.1 100 Continue')],
	'closes behind 1xx'  => $closed, [http_head('1.1 100 Continue'), $close],
	'empty line'         => $not_http, [$crlf . $whole],
	'blank'              => $not_http, [' ' . $whole],
	'no HTTP'            => $not_http, ["Auth-Status: OK$crlf$crlf"],
	'http'               => $not_http, [$whole =~ s/HTTP/http/r],
	'HTTP without /'     => $not_http, [$whole =~ s!/!!r],
	'POP3'               => $not_http, ["+OK ready$crlf"],
	'SMTP'               => $not_http, ["220 smtp ready$crlf"],
	'TLS alert'          => $not_http, ["\x15\x03\x01\x00\x02\x02\x0a", $close],
	'binary'             => $not_http, [join '', map { chr } 0 .. 255],
	'endless nonsense'   => $not_http, [['flood', "x\0y" x 1000]],
	'no name'            => $header, [http_head($ok, ': x', route(@secret))],
	'no colon'           => $header, [http_head($ok, 'nonsense', route(@secret))],
	'space in a name'    => $header, [http_head($ok, 'X y: z', route(@secret))],
	'space behind one'   => $header, [http_head($ok, 'Auth-Status : OK', @secret)],
	'folded'             => $header, [http_head($ok, 'X: y', ' z', route(@secret))],
	'folded by a tab'    => $header, [http_head($ok, 'X: y', "\tz", route(@secret))],
	'folded at once'     => $header, [http_head($ok, ' z', route(@secret))],
	'name not ASCII'     => $header, [http_head($ok, "\xc3\xbc: y", route(@secret))],
	'NUL in a name'      => $control, [http_head($ok, "X\0: y", route(@secret))],
	'NUL in a value'     => $control, [http_head($ok, "X: \0", route(@secret))],
	'NUL in the status'  => $control, [http_head("$ok\0", route(@secret))],
	'CR in a value'      => $control, [http_head($ok, "X: a\x0db", route(@secret))],
	'two CR'             => $control, [http_head($ok, "X: a\x0d", route(@secret))],
	'CR in the status'   => $control, [http_head("1.0\x0d200 OK", route(@secret))],
	map({
		("CR in $_" => $control, [http_head($ok, route("$_: a\x0db"))],
		"NUL in $_" => $control, [http_head($ok, route("$_: a\0b"))])
	} qw/Auth-User Auth-Pass Auth-Status Auth-Server/),
	'LF in Auth-User'    => $header, [http_head($ok, route("Auth-User: a\x0ab"))],
	'LF in Auth-Pass'    => $header, [http_head($ok, route("Auth-Pass: a\x0ab"))],
	'tab in Auth-User'   => $bad_user, [http_head($ok, route("Auth-User: a\tb"))],
	'DEL in Auth-User'   => $bad_user, [http_head($ok, route("Auth-User: a\x7f"))],
	'empty Auth-User'    => $bad_user, [http_head($ok, route('Auth-User:'))],
	'escape in Auth-Status' => qr/Auth-Status/,
		[http_head($ok, "Auth-Status: \x1b[31mred")],
	'no server'          => $none, [http_head($ok, 'Auth-Status: OK', $port, @secret)],
	'no port'            => $none, [http_head($ok, 'Auth-Status: OK', $server, @secret)],
	'neither'            => $none, [http_head($ok, 'Auth-Status: OK', @secret)],
	'nothing'            => $none, [http_head($ok)],
	'empty server'       => $none, [http_head($ok, $port, 'Auth-Server:', @secret)],
	'empty port'         => $none, [http_head($ok, $server, 'Auth-Port:', @secret)],
	'an error page'      => $none, [http_head('1.1 502 Bad Gateway',
		'Content-Type: text/html', 'Content-Length: 4') . 'oops'],
	map({ ("server $_" => $bad_server,
		[http_head($ok, "Auth-Server: $_", $port, @secret)]) }
		'127.0.0', '127.0.0.256', '1.2.3.4.5', '127.0.0.1:110', '-', 'a b',
		'::g', ':::1', '[::1', "\x80", "a\tb", 'x' x 300),
	map({ ("port $_" => $bad_port,
		[http_head($ok, $server, "Auth-Port: $_", @secret)]) }
		0, 65536, -1, '+110', '1 1', 'x', '110x', '0x6e', '1.0', '1' x 30,
		18446744073709551726, 4294967406),
	'8 KB and a byte'    => $long,
		[http_head($ok, 'X: ' . 'x' x (8188 - length $whole), route(@secret))],
	'64 KB'              => $long,
		[http_head($ok, 'X: ' . 'x' x 65536, route(@secret))],
	'endless header'     => $long, ["HTTP/$ok${crlf}X: ", ['flood', 'x' x 1000]],
	'endless headers'    => $long, ["HTTP/$ok$crlf", ['flood', "X: y$crlf" x 99]],
	'endless 1xx'        => $long, [['flood', http_head('1.1 100 Continue') x 50]],
	map({ ("closes at byte $_" => $closed, [substr($whole, 0, $_), $close]) }
		1 .. length($whole) - 1),
);

my (%logins, @names);

while (my ($name, $reason, $turn) = splice @faults, 0, 3) {
	$logins{my $login = @names . '@fault'} = $turn;
	push @names, [$login, $name, $reason];
}

start_auth($t,
	8280 => { logins => {
		%logins,
		'full@head' => http_head($ok, 'X: ' . 'x' x (8187 - length $whole),
			route(@secret)),
	} },
	8281 => { open => [$close] },
	8282 => { open => [['wait', 600]] },
);

start_backends($t, 8211 => { PASS => '+OK logged in to backend' });

$t->run();

###############################################################################

my $login = 'test@example.com';
my $welcome = '+OK logged in to backend';
my $internal = '-ERR [SYS/TEMP] internal server error';

# The log has one line for each fault: the auth server's address and the reason.

sub is_logged {
	my ($name, @faults) = @_;

	my @lines = errors_take($t, scalar @faults);

	is(scalar(@lines), @faults, "$name - error lines");

	for (@faults) {
		my ($fault, $reason, $address) = @$_;
		my $line = shift @lines // '';

		$address //= '127.0.0.1:' . port(8280);

		ok($line =~ / \[(?:error|crit)\] .*$reason/i && $line =~ / \Q$address\E\b/,
			"$name, $fault - error line") or diag($line);
	}
}

# what is there before the first fault

is(login(session($_)), $welcome, "before, $_ - login") for 8110, 8120;
wait_until(sub { auth_open() == 1 });

my $pid = worker_pid($t);
my $fds = settled_fds($t);

connections_take();
errors_take($t);

# each fault, with a connection for each request and with kept ones

for my $number (8110, 8120) {
	my %s = map { $_ => session($_) } $number, $number + 1;

	for (@names) {
		my ($fault, $name, $reason) = @$_;
		my $s = $s{$number + ($reason == $timed_out)};

		segment($s, join $crlf, "USER $fault", "PASS $hidden", 'NOOP', '');

		is_deeply([replies($s, 3)], ['+OK', $internal, '+OK'],
			"$number, $name - replies");
	}

	is_logged($number, map { [@$_[1, 2]] } @names);

	my $s = $s{$number};

	is(login($s), $welcome, "$number - then a login");
	is(command($s, 'STAT'), '+OK 1 23', "$number - then a mailbox");
}

is_deeply([map { @{$_->{lines}} } connections_take()],
	[("USER $login", 'PASS secret', 'STAT') x 2], 'no backend is told of them');

# whatever the way to log in

for (['AUTH PLAIN ' . sasl_plain('', '0@fault', $hidden)],
	['AUTH LOGIN', b64('0@fault'), b64($hidden)],
	['APOP 0@fault ' . 'f' x 32],
	['AUTH CRAM-MD5', b64('0@fault ' . 'f' x 32)],
	['AUTH EXTERNAL ' . b64('0@fault')])
{
	my @way = @$_;
	my $s = session(8110);
	my $reply = '';

	$reply = command($s, $_) for @way;
	is($reply, $internal, "$way[0] - reply");
	is(command($s, 'NOOP'), '+OK', "$way[0] - session goes on");
	is_logged($way[0], ['0@fault', $closed]);
}

# a head of 8 KB is none

is(login(session(8110), 'secret', 'full@head'), $welcome, '8 KB - login');
is(scalar errors_take($t), 0, '8 KB - no error');

# nobody is there, or nobody who wants to be asked

my $dir = $t->testdir();

for ([8130, '127.0.0.1:' . port(8289), qr/refused/],
	[8131, "unix:$dir/none.sock", qr/No such file/],
	[8132, '127.0.0.1:' . port(8281), qr/closed|reset|broken/i],
	[8133, '127.0.0.1:' . port(8282), $timed_out])
{
	my ($number, $address, $reason) = @$_;

	my $s = session($number);

	for my $n (1, 2) {
		segment($s, join $crlf, "USER $login", "PASS $hidden", 'NOOP', '');
		is_deeply([replies($s, 3)], ['+OK', $internal, '+OK'],
			"$number, $n - replies");
		is_logged($number, [$n, $reason, $address]);
	}
}

# a client that goes away takes the connection with it

my $s = session(8110);
my ($silent) = grep { $_->[1] eq 'is silent' } @names;

segment($s, join $crlf, "USER $silent->[0]", "PASS $hidden", '');
replies($s, 1);
$s->socket()->setsockopt(SOL_SOCKET, SO_LINGER,
	pack 'ii', 1, 0);
undef $s;

# nothing is left of all this, and there was no secret in the log

ok(wait_until(sub { worker_fds($t) <= $fds }), 'descriptors are level')
	or diag(worker_fds($t) . " of $fds");
is(worker_pid($t), $pid, 'the worker is the same');
ok(wait_until(sub { auth_open() <= 1 }), 'connections end');

my $log = $t->read_file('error.log');

is(scalar(grep { index($log, $_) >= 0 } $hidden, b64($hidden),
	sasl_plain('', '0@fault', $hidden)), 0, 'no password in the log');
unlike(join("\n", grep { !/\[debug\]/ } split /\n/, $log), qr/[^\x0a\x20-\x7e]/,
	'no control character in the log');

is(login(session($_)), $welcome, "after, $_ - login") for 8110, 8120;

undef $t;

###############################################################################
