#!/usr/bin/perl

# pop3_auth_http_keepalive: which connections are used again, and which never are.

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

my $t = Test::Nginx->new()->has(qw/mail/)->plan(355);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http                127.0.0.1:8280/auth;
    auth_http_header         X-One 1;
    max_errors               1000;
    pop3_auth_http_keepalive 1;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen            127.0.0.1:8150;
        protocol          pop3;
        auth_http         127.0.0.1:8282;
        auth_http_timeout 300ms;
    }
}

EOC

my $crlf = "\x0d\x0a";
my $ok = '1.1 200 OK';
my $none = 'Content-Length: 0';
my $chunked = 'Transfer-Encoding: chunked';
my $evil = http_head($ok, route('Auth-User: evil'), $none);

# A reply of so many bytes: a buffer may end with it.

sub full {
	my ($size) = @_;

	my $reply = http_head($ok, route($none, 'X: '));

	return $reply =~ s/X: \K/'x' x ($size - length $reply)/er;
}

# Replies behind which a connection is used again.

my $body = http_head($ok, route('Content-Length: ' . length $evil)) . $evil;
my $head = length($body) - length $evil;

my %again = (
	'204'              => [http_head('1.1 204 No Content', route())],
	'204, length 0'    => [http_head('1.1 204 No Content', route(), $none)],
	'length 0'         => [http_head($ok, route(), $none)],
	'lower case'       => [http_head($ok, route(), lc $none)],
	'length 000'       => [http_head($ok, route('Content-Length: 000'))],
	'keep-alive'       => [http_head($ok, route($none, 'Connection: keep-alive'))],
	'any status'       => [http_head('1.1 500 Error', route($none))],
	'refused'          => [http_head($ok, 'Auth-Status: no', 'Auth-Wait: 1', $none)],
	'1xx before'       => [http_head('1.1 100 Continue') . http_head($ok, route(), $none)],
	'each byte'        => [['bytes', http_head($ok, route(), $none)]],
	'a body'           => [$body],
	map({ ("a body cut at $_" => [['cut', $body, $_]]) } $head - 1 .. $head + 2,
		length($body) - 1),
	'a body, cut'      => [['cut', $body, $head, $head + 1, $head + 20]],
	'no server'        => [http_head($ok, $none)],
);

# Those behind which it is not, whether the auth server closes it or not.

my %never = (
	'no length'        => [http_head($ok, route())],
	'HTTP/1.0'         => [http_head('1.0 200 OK', route($none))],
	'another version'  => [http_head('1.2 200 OK', route($none))],
	'HTTP/2'           => [http_head('2 200', route($none))],
	'no version'       => [http_head('', route($none))],
	'close'            => [http_head($ok, route($none, 'Connection: close'))],
	'Close'            => [http_head($ok, route($none, 'connection: x, Close'))],
	'close beside'     => [http_head($ok, route($none, 'Connection: keep-alive',
		'Connection: close'))],
	'204, close'       => [http_head('1.1 204 No', route('Connection: close'))],
	'204, 1.0'         => [http_head('1.0 204 No', route())],
	'204, a length'    => [http_head('1.1 204 No', route('Content-Length: 5'))],
	'chunked'          => [http_head($ok, route($chunked)) . "0$crlf$crlf"],
	'chunked, length'  => [http_head($ok, route($chunked, $none))],
	'other encoding'   => [http_head($ok, route('Transfer-Encoding: x', $none))],
	'two lengths'      => [http_head($ok, route($none, $none))],
	'other lengths'    => [http_head($ok, route('Content-Length: 3', $none)) . 'abc'],
	'empty length'     => [http_head($ok, route('Content-Length:'))],
	map({ ("length $_" => [http_head($ok, route("Content-Length: $_"))]) }
		'+0', '-1', 'x', '0x0', '0, 0', '1 0', '0;', '9' x 30,
		18446744073709551616),
	'a long body'      => [http_head($ok, route('Content-Length: 9000')) . 'x' x 9000],
	'101'              => [http_head('1.1 101 Switching', route($none))],
	'no HTTP'          => ['nonsense' . $crlf],
	'bad header'       => [http_head($ok, 'a b', route($none))],
	'bad port'         => [http_head($ok, $none, 'Auth-Server: 127.0.0.1',
		'Auth-Port: 0')],
);

my $late = ['wait', 0.1];

# Those of one that sends more than replies: it has none kept any more.

my %surplus = (
	'a byte too many'  => [http_head($ok, route($none)) . 'x'],
	'LF behind it'     => [http_head($ok, route($none)) . "\x0a"],
	'byte behind body' => [http_head($ok, route('Content-Length: 4')) . 'body!'],
	'two replies'      => [http_head($ok, route($none)) . $evil],
	'a half behind it' => [http_head($ok, route($none)) . substr $evil, 0, 20],
	'long behind it'   => [http_head($ok, route($none)) . 'x' x 9000],
	map({ ("behind $_ bytes" => [full($_) . $evil]) } 1024, 4096, 8192),
	'late reply'       => [http_head($ok, route($none)), $late, $evil],
	'late byte'        => [http_head($ok, route($none)), $late, ' '],
);

# Those of one that the auth server ends while nobody uses it.


my %later = (
	'closes'     => [http_head($ok, route($none)), $late, ['close']],
	'resets'     => [http_head($ok, route($none)), $late, ['reset']],
	'shuts down' => [http_head($ok, route($none)), $late, ['fin']],
);

# Those of one that ends when it is used again: no event tells of it before.  What
# there is a file for waits for it.

my $go = $t->testdir() . '/go';

my @dead = (['close'], ['reset'], ['fin']);

start_auth($t,
	8280 => { logins => {
		map({ ("$_\@again" => $again{$_}) } keys %again),
		map({ ("$_\@never" => $never{$_}) } keys %never),
		map({ ("$_\@later" => $later{$_}) } keys %later),
		map({ ("$_\@more" => $surplus{$_}) } keys %surplus),
		map({ ("$dead[$_][0]\@next" => [http_head($ok, route($none)),
			['then', [$dead[$_]]]]) } 0 .. $#dead),
		'half@next' => [http_head($ok, route($none)),
			['then', ['HTTP/1.1 2', ['close']]]],
		map({ ("$_->[0]\@same" => [http_head($ok, route($none)),
			['until', "$go.$_->[0]"], $evil, $_]) } @dead[0, 1]),
	} },
	8282 => { logins => {
		'late@auth' => [['wait', 0.6], $evil],
		'half@auth' => [http_head($ok, route('Content-Length: 5')) . 'body'],
		'none@auth' => [http_head($ok, route('Content-Length: 5'))],
	} },
);

start_backends($t, 8211 => {});

$t->run();

###############################################################################

my $login = 'test@example.com';
my $welcome = '+OK logged in to backend';
my $internal = '-ERR [SYS/TEMP] internal server error';

my $pid = worker_pid($t);
my $fds = settled_fds($t);

# The numbers of the connections of what was asked since the last call.

sub numbers {
	return map { $_->{connection} } asked_take();
}

sub connection {
	my ($number) = @_;

	return (grep { $_->{number} == $number } auth_connections())[0];
}

# what is sent

is(login(session(8110)), $welcome, 'first login');

my ($r) = asked_take();

is_deeply($r->{lines}, ['GET /auth HTTP/1.1', 'Host: 127.0.0.1',
	'Auth-Method: plain', "Auth-User: $login", 'Auth-Pass: secret',
	'Auth-Protocol: pop3', 'Auth-Login-Attempt: 1', 'Client-IP: 127.0.0.1',
	'X-One: 1'], 'request');

# used again

for my $name (sort keys %again) {
	my $before = $r->{connection};

	like(login(session(8110), 'secret', "$name\@again"),
		$name eq 'refused' ? qr/^-ERR \[AUTH\] no$/
		: $name eq 'no server' ? qr/^\Q$internal\E$/ : qr/^\Q$welcome\E$/,
		"$name - login");
	is_deeply([numbers()], [$before], "$name - asked by the same connection")
		or diag('not used again before it');

	# the body may be behind the login

	wait_until(sub { !connection($before)->{end} }) if $name =~ /body/;
	is(login(session(8110)), $welcome, "$name - next login");
	($r) = asked_take();

	if ($name eq 'no server') {
		isnt($r->{connection}, $before, "$name - closed as a fault");
	} else {
		is($r->{connection}, $before, "$name - used again");
	}
}

# never used again

for my $name (sort keys %never) {
	my $before = $r->{connection};

	like(login(session(8110), 'secret', "$name\@never"),
		$name =~ /no HTTP|bad/ ? qr/^\Q$internal\E$/ : qr/^\Q$welcome\E$/,
		"$name - login");
	is_deeply([numbers()], [$before], "$name - asked");
	ok(wait_until(sub { connection($before)->{end} }, 3), "$name - closed");
	is(login(session(8110)), $welcome, "$name - next login");
	($r) = asked_take();
	isnt($r->{connection}, $before, "$name - not used again");
}

errors_take($t);

# what comes while nobody uses it: it is closed then

for my $name (sort keys %later) {
	my $before = $r->{connection};

	is(login(session(8110), 'secret', "$name\@later"), $welcome,
		"$name - login");
	is_deeply([numbers()], [$before], "$name - asked");
	ok(wait_until(sub { connection($before)->{end} }, 3), "$name - closed");
	is(login(session(8110)), $welcome, "$name - next login");
	($r) = asked_take();
	isnt($r->{connection}, $before, "$name - not used again");
}

is_deeply([errors_take($t)], [], 'closed while nobody used it - no error');

# closed when it is used again: a new one takes its place

for my $how (map({ $_->[0] } @dead), 'half') {
	my $before = $r->{connection};

	login(session(8110), 'secret', "$how\@next");
	is_deeply([numbers()], [$before], "$how at the next - asked");

	my $reply = login(session(8110));
	my @asked = asked_take();

	if ($how eq 'half') {
		is($reply, $internal, 'half a reply - refused');
		is(scalar(@asked), 1, 'half a reply - not asked again');
		is(login(session(8110)), $welcome, 'half a reply - next login');
		@asked = ({}, asked_take());
		errors_take($t, 1);
	} else {
		is($reply, $welcome, "$how at the next - login");
		is(scalar(@asked), 2, "$how at the next - asked once more");
		is($asked[0]{connection}, $before, "$how at the next - the old one");
	}

	$r = $asked[1];
	isnt($r->{connection}, $before, "$how at the next - a new one");
}

is_deeply([errors_take($t)], [], 'replaced - no error');

# the next login and the end come at the same time, and the login is seen first

for my $how ('close', 'reset') {
	login(session(8110), 'secret', "$how\@same");

	my ($before) = numbers();
	my $s = session(8110);

	command($s, "USER $login");
	kill 'STOP', $pid;
	$s->send('PASS secret');

	open my $fh, '>', "$go.$how" or die "Can't create $go.$how: $!\n";
	my $ended = wait_until(sub { connection($before)->{end} });
	kill 'CONT', $pid;

	ok($ended, "$how at the same time - ended");
	is((replies($s, 1))[0], $welcome, "$how at the same time - login");
	($r) = asked_take();
	isnt($r->{connection}, $before, "$how at the same time - not used again");
}

is_deeply([grep { /evil/ } map { @{$_->{lines}} } connections()], [],
	'no answer is taken that is not to a question');

# a reply that comes when it is too late, and a body that does not come at all

for (['late', $internal], ['half', $welcome], ['none', $welcome]) {
	my ($name, $reply) = @$_;

	is(login(session(8150), 'secret', "$name\@auth"), $reply,
		"time-out, $name - reply");
	is(login(session(8150)), $welcome, "time-out, $name - next login");

	my ($first, $second) = numbers();

	isnt($first, $second, "time-out, $name - not used again");
	ok(wait_until(sub { connection($first)->{end} }, 3),
		"time-out, $name - closed");
}

# more than replies, in a worker of its own each: nothing is kept any more

errors_take($t);

for my $name (sort keys %surplus) {
	reload($t);
	is(login(session(8110)), $welcome, "$name - first login");
	is(login(session(8110), 'secret', "$name\@more"), $welcome, "$name - login");

	my ($first, $before) = numbers();

	is($before, $first, "$name - asked");
	ok(wait_until(sub { connection($before)->{end} }, 3), "$name - closed");

	my @errors = errors_take($t, 1);

	ok(@errors == 1 && $errors[0] =~ / auth http server \S+ sent more than replies: /,
		"$name - error line") or diag(join "\n", @errors);

	login(session(8110)) for 1 .. 2;
	is(scalar(grep { wait_until(sub { connection($_)->{end} }, 3) } numbers()), 2,
		"$name - none is kept");
}

is_deeply([grep { /evil/ } map { @{$_->{lines}} } connections()], [],
	'nor is an answer taken of one that sends more');

($pid, $fds) = (worker_pid($t), settled_fds($t));
login(session(8110));

# nothing is left but what is kept

ok(wait_until(sub { worker_fds($t) <= $fds + auth_open() }),
	'descriptors are those that are kept');
ok(wait_until(sub { auth_open() <= 2 }), 'one is kept of each auth server');
is(worker_pid($t), $pid, 'the worker is the same');

undef $t;

###############################################################################
