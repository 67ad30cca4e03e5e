#!/usr/bin/perl

# What a reply of auth_http may look like, what it may say, and what becomes of the
# login then.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(340);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http  127.0.0.1:8280;
    max_errors 100;

    server {
        listen    127.0.0.1:8110;
        protocol  pop3;
        pop3_auth plain apop cram-md5 external;
    }

    server {
        listen                  127.0.0.1:8120;
        protocol                pop3;
        pop3_auth_http_keepalive 4;
    }

    server {
        listen     127.0.0.1:8130;
        protocol   pop3;
        max_errors 2;
    }

    server {
        listen          127.0.0.1:8140;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
    }
}

EOC

my $crlf = "\x0d\x0a";
my $ok = '1.0 200 OK';
my $close = ['close'];
my ($server, $port) = ('Auth-Server: 127.0.0.1', 'Auth-Port: ' . port(8211));
my $whole = http_head($ok, 'Server: x', route());

# Replies that let in.

my @lets_in = (
	'HTTP/1.0'        => $whole,
	'HTTP/1.1'        => http_head('1.1 200 OK', route()),
	'status 204'      => http_head('1.1 204 No Content', route()),
	'status 403'      => http_head('1.1 403 Forbidden', route()),
	'status 500'      => http_head('1.0 500 Internal Server Error', route()),
	'no reason'       => http_head('1.1 200', route()),
	'another version' => http_head('9.9 200 OK', route()),
	'any text'        => http_head('whatever', route()),
	'no text'         => http_head('', route()),
	'LF alone'        => $whole =~ s/\x0d//gr,
	'no Auth-Status'  => http_head($ok, $server, $port),
	'lower case'      => http_head($ok, map { lc } route()) =~ s/: ok/: OK/r,
	'upper case'      => http_head($ok, map { s/^[^:]+/\U$&/r } route()),
	'no spaces'       => http_head($ok, map { s/: /:/r } route()),
	'many spaces'     => http_head($ok, map { s/: /:   /r . '  ' } route()),
	'tabs'            => http_head($ok, map { s/: /:\t/r . "\t" } route()),
	'other order'     => http_head($ok, $port, 'X: y', $server, 'Auth-Status: OK'),
	'other headers'   => http_head($ok, 'Date: Thu, 01 Jan 1970 00:00:00 GMT',
		'X-Empty:', 'Auth-Error-Code: 535', 'Auth-Status-X: no', 'Auth-Statu: no',
		'Set-Cookie: a=b; c="d:e"', "X-Bytes: \x80\xff", route()),
	'Auth-Wait'       => http_head($ok, route('Auth-Wait: 60')),
	'a body'          => http_head($ok, route()) . 'Auth-Status: no' . $crlf,
	'a body in full'  => http_head($ok, route('Content-Length: 5')) . 'body!',
	'chunked'         => http_head('1.1 200 OK', route('Transfer-Encoding: chunked'))
		. "5${crlf}body!${crlf}0$crlf$crlf",
	'1xx before'      => http_head('1.1 100 Continue', 'Auth-Status: no') . $whole,
	'many 1xx before' => http_head('1.1 103 Early Hints', 'Auth-User: wrong',
		'Auth-Port: 1', 'Auth-Wait: 9') x 9 . $whole,
	'8 KB of head'    => http_head($ok, 'X: ' . 'x' x (8187 - length $whole), route())
		=~ s/X:/Server: x${crlf}X:/r,
	'many headers'    => http_head($ok, ('X: y') x 1000, route()),
);

# The same whatever comes when.

my %cut = (
	'each byte'   => [['bytes', $whole], $close],
	'no close'    => [$whole],
	'body later'  => [$whole, ['wait', 0.05], 'Auth-Status: no' . $crlf, $close],
	'1xx earlier' => [http_head('1.1 100 Continue'), ['wait', 0.05], $whole, $close],
	map({ ("at byte $_" => [['cut', $whole, $_], $close]) }
		1 .. length($whole) - 1),
);

# Replies that refuse, and what the client gets behind "-ERR ".

my $invalid = '[AUTH] invalid login or password';

my @refuses = (
	'text'            => '[AUTH] not you', 'not you',
	'one letter'      => '[AUTH] x', 'x',
	'empty'           => undef, '',
	'ok'              => '[AUTH] ok', 'ok',
	'OK and more'     => '[AUTH] OK then', 'OK then',
	'WAIT and more'   => '[AUTH] WAIT a bit', 'WAIT a bit',
	'wait'            => '[AUTH] wait', 'wait',
	'UTF-8'           => "[AUTH] gr\xc3\xbc\xc3\x9fe", "gr\xc3\xbc\xc3\x9fe",
	'code'            => '[AUTH] no', '[AUTH] no',
	'another code'    => '[IN-USE] too many', '[IN-USE] too many',
	'code of levels'  => '[SYS/PERM] disabled', '[SYS/PERM] disabled',
	'code of its own' => '[X-OURS] pay first', '[X-OURS] pay first',
	'bracket'         => '[AUTH] [not a code', '[not a code',
	'bracket later'   => '[AUTH] see [1]', 'see [1]',
	'protocol'        => '[AUTH] -ERR no', '-ERR no',
	'long'            => '[AUTH] ' . 'x' x 400, 'x' x 400,
);

my (%logins, @in, @out);

while (my ($name, $reply) = splice @lets_in, 0, 2) {
	$logins{"$name\@in"} = $reply;
	push @in, $name;
}

for my $name (sort keys %cut) {
	$logins{"$name\@in"} = $cut{$name};
	push @in, $name;
}

while (my ($name, $reply, $text) = splice @refuses, 0, 3) {
	$logins{"$name\@out"} = http_head($ok, "Auth-Status: $text");
	$logins{"$name\@stays"} = http_head($ok, 'Auth-Wait: 1', "Auth-Status: $text");
	push @out, [$name, $reply];
}

# What the backend is told.

my @other = ('Auth-User: other user', "Auth-Pass:   p%20\xff: w  ");

start_auth($t, 8280 => { logins => {
	%logins,
	'user@auth'    => http_head($ok, route($other[0])),
	'pass@auth'    => http_head($ok, route($other[1])),
	'both@auth'    => http_head($ok, route(@other)),
	'case@auth'    => http_head($ok, route(map { lc } @other)),
	'twice@auth'   => http_head($ok, route('Auth-User: wrong', $other[0])),
	'refused@auth' => http_head($ok, 'Auth-Status: first', route()),
	'second@auth'  => http_head($ok, route(), 'Auth-Status: second'),
	'error@auth'   => 'nonsense',
	'wait0@auth'   => http_head($ok, 'Auth-Status: no', 'Auth-Wait: 0'),
	'waitx@auth'   => http_head($ok, 'Auth-Status: no', 'Auth-Wait: x'),
	'wait-@auth'   => http_head($ok, 'Auth-Status: no', 'Auth-Wait: -1'),
	'v6@auth'      => http_head($ok, 'Auth-Server: ::1', $port),
	'nopass@auth'  => http_head($ok, route()),
	'haspass@auth' => http_head($ok, route('Auth-Pass: secret')),
} });

start_backends($t,
	8211         => { PASS => '+OK logged in to backend' },
	'[::1]:8211' => { PASS => '+OK logged in to v6' },
);

$t->run();

###############################################################################

my $welcome = '+OK logged in to backend';
my $internal = '-ERR [SYS/TEMP] internal server error';

# a reply that lets in, with a connection for each request and with kept ones

for my $number (8110, 8120) {
	for my $name (@in) {
		my $s = session($number);

		is(login($s, 'secret', "$name\@in"), $welcome, "$number, $name");
	}
}

is_deeply([errors_take($t)], [], 'replies that let in - no error');
is_deeply([grep { @{$_->{lines}} != 2 || $_->{lines}[0] !~ /^USER .*\@in$/
	|| $_->{lines}[1] ne 'PASS secret' } connections_take()], [],
	'replies that let in - to the backend');

# the relay behind it

my $s = session(8110);

segment($s, join $crlf, 'USER each byte@in', 'PASS secret', 'STAT', 'QUIT', '');
is_deeply([replies($s, 4)],
	['+OK', $welcome, '+OK 1 23', '+OK bye from backend'],
	'commands behind a login');
ok(closed($s), 'commands behind a login - closed');

# what takes the place of what the client has sent

connections_take();

for (
	['user', 'USER other user', 'PASS mine'],
	['pass', 'USER pass@auth', "PASS p%20\xff: w"],
	['both', 'USER other user', "PASS p%20\xff: w"],
	['case', 'USER other user', "PASS p%20\xff: w"],
	['twice', 'USER other user', 'PASS mine'])
{
	my ($name, @lines) = @$_;

	is(login(session(8110), 'mine', "$name\@auth"), $welcome, "$name - login");
	is_deeply([map { $_->{lines} } connections_take()], [\@lines],
		"$name - to the backend");
}

is(login(session(8110), 'mine', 'v6@auth'), '+OK logged in to v6',
	'address of version 6');

# no password to present

for my $way ('APOP', 'CRAM-MD5', 'EXTERNAL') {
	for my $login ('nopass@auth', 'haspass@auth') {
		my $s = session(8110);
		my $digest = 'f' x 32;

		connections_take();
		errors_take($t);
		command($s, 'AUTH CRAM-MD5') if $way eq 'CRAM-MD5';

		my $reply = command($s, $way eq 'APOP' ? "APOP $login $digest"
			: $way eq 'EXTERNAL' ? 'AUTH EXTERNAL ' . b64($login)
			: b64("$login $digest"));

		if ($login eq 'haspass@auth') {
			is($reply, $welcome, "$way, Auth-Pass - login");
			is_deeply([map { $_->{lines}[1] } connections_take()],
				['PASS secret'], "$way, Auth-Pass - to the backend");
			next;
		}

		my $address = '127.0.0.1:' . port(8280);
		my ($error, @more) = errors_take($t, 1);

		is($reply, $internal, "$way, no password - reply");
		like($error // '', qr/ auth http server .*did not send password/,
			"$way, no password - error line");
		like($error // '', qr/\Q$address\E/, "$way, no password - its address");
		is_deeply(\@more, [], "$way, no password - one line");
		is(command($s, 'NOOP'), '+OK', "$way, no password - session goes on");
		is(scalar connections_take(), 0, "$way, no password - no backend");
	}
}

# a refusal without Auth-Wait is the end

for (@out) {
	my ($name, $text) = @$_;
	my $s = session(8110);
	my $reply = login($s, 'secret', "$name\@out");

	if (defined $text) {
		is($reply, "-ERR $text", "refused, $name - reply");
	} else {
		like($reply, qr/^-ERR \[AUTH\]/, "refused, $name - reply");
	}

	ok(closed($s), "refused, $name - closed");
}

for my $name (qw/wait0 waitx wait-/) {
	my $s = session(8110);

	is(login($s, 'secret', "$name\@auth"), '-ERR [AUTH] no', "$name - reply");
	ok(closed($s), "$name - closed");
}

for my $name (qw/refused second/) {
	like(login(session(8110), 'secret', "$name\@auth"), qr/^-ERR \[AUTH\] /,
		"two Auth-Status, $name - reply");
}

$s = session(8110);
segment($s, join $crlf, 'USER text@out', 'PASS secret', 'NOOP', 'QUIT', '');
is_deeply([replies($s, 3)], ['+OK', '-ERR [AUTH] not you'],
	'refused - nothing behind it is answered');

# with it the session stays; all of them wait at the same time

my @waiting = map { session(8110) } @out;

for my $i (0 .. $#out) {
	segment($waiting[$i], join $crlf, "USER $out[$i][0]\@stays", 'PASS secret',
		'NOOP', 'USER each byte@in', 'PASS secret', 'STAT', '');
}

for my $i (0 .. $#out) {
	my ($name, $text) = @{$out[$i]};
	my @replies = replies($waiting[$i], 6);

	$replies[1] =~ s/^-ERR \[AUTH\]\K.*// if !defined $text;

	is_deeply(\@replies, ['+OK', '-ERR ' . ($text // '[AUTH]'), '+OK', '+OK',
		$welcome, '+OK 1 23'], "stays, $name - replies");
}

@waiting = ();

# failed logins of each kind count

for my $login ('text@stays', 'error@auth') {
	my $s = session(8130);

	for my $n (1, 2) {
		like(login($s, 'x', $login), qr/^-ERR/, "max_errors, $login - $n");
	}

	ok(closed($s), "max_errors, $login - closed");
}

# announced everywhere

for my $number (8110, 8120, 8140) {
	is(scalar(grep { $_ eq 'AUTH-RESP-CODE' } multiline(session($number), 'CAPA')),
		1, "CAPA of $number");
}

# what the connections are at the end

ok(wait_until(sub { auth_open() <= 4 }), 'no more are kept than may be');

undef $s;
undef $t;

###############################################################################
