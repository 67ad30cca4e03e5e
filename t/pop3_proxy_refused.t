#!/usr/bin/perl

# Logins that a backend of pop3_proxy_pass refuses: the client is told, and its
# session goes on, up to max_errors.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;
use POP3Backend;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(61);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_proxy_pass   127.0.0.1:8211;
    pop3_max_commands 10000;

    server {
        listen     127.0.0.1:8110;
        protocol   pop3;
        max_errors 100;
    }

    server {
        listen                   127.0.0.1:8120;
        protocol                 pop3;
        max_errors               100;
        proxy_pass_error_message on;
    }

    server {
        listen   127.0.0.1:8170;
        protocol pop3;
    }
}

EOC

sub refuses {
	my ($command, $reply) = @_;

	return { $command => $reply };
}

my %logins = (
	'auth'        => refuses(PASS => '-ERR [AUTH] no such pair'),
	'in-use'      => refuses(PASS => '-ERR [IN-USE] locked by 4711'),
	'login-delay' => refuses(PASS => '-ERR [LOGIN-DELAY] wait a minute'),
	'sys-temp'    => refuses(PASS => '-ERR [SYS/TEMP] disk is full'),
	'sys-perm'    => refuses(PASS => '-ERR [SYS/PERM] disk is gone'),
	'lower'       => refuses(PASS => '-ERR [in-use] locked by 4711'),
	'mixed'       => refuses(PASS => '-ERR [Sys/Temp] disk is full'),
	'unknown'     => refuses(PASS => '-ERR [X-ODD] odd'),
	'none'        => refuses(PASS => '-ERR just so'),
	'bare'        => refuses(PASS => '-ERR'),
	'empty'       => refuses(PASS => '-ERR '),
	'code'        => refuses(PASS => '-ERR [IN-USE]'),
	'at-user'     => refuses(USER => '-ERR [SYS/PERM] not you'),
	'behind'      => refuses(PASS => '-ERR mailbox [IN-USE] locked'),
	'open'        => refuses(PASS => '-ERR [IN-USE locked'),
	'utf-8'       => refuses(PASS => "-ERR [AUTH] gr\xc3\xbc\xc3\x9fe"),
	'any'         => { PASS => '+OK whatever it was' },
);

start_backends($t, 8211 => { logins => \%logins });

$t->run();

###############################################################################

my $crlf = "\x0d\x0a";
my $login = 'test@example.com';
my $welcome = '+OK logged in to backend';
my $invalid = '-ERR [AUTH] invalid login or password';

sub session {
	my ($number) = @_;

	my $s = POP3Session->new(
		PeerAddr => '127.0.0.1:' . port($number || 8110));
	$s->read();

	return $s;
}

sub lines {
	return join '', map { "$_$crlf" } @_;
}

# What has been sent to a backend: a list for each connection.

sub sent {
	return [map { $_->{lines} } connections_take()];
}

my $s;

# whatever the way to log in

for (['USER/PASS', "USER $login", 'PASS wrong'],
	['PLAIN', 'AUTH PLAIN', sasl_plain('', $login, 'wrong')],
	['PLAIN at once', 'AUTH PLAIN ' . sasl_plain('', $login, 'wrong')],
	['LOGIN', 'AUTH LOGIN', b64($login), b64('wrong')],
	['LOGIN at once', 'AUTH LOGIN ' . b64($login), b64('wrong')])
{
	my ($name, @way) = @$_;

	$s = session();
	my $reply = '';

	$reply = command($s, $_) for @way;
	is($reply, $invalid, "$name - wrong password");
	is(command($s, 'AUTH PLAIN ' . sasl_plain('', $login, 'secret')), $welcome,
		"$name - then the right one");
}

connections_take();

# in one go

my $not_now = command(session(), 'STAT');

$s = session();
segment($s, lines("USER $login", 'PASS wrong', 'STAT', 'NOOP'));
is_deeply([replies($s, 4)], ['+OK', $invalid, $not_now, '+OK'],
	'one go, refused - what is behind is ours');
segment($s, lines("USER $login", 'PASS wrong', ('NOOP') x 3000, 'PASS secret',
	"USER $login", 'PASS wrong', "USER $login", 'PASS secret', 'STAT'));
is_deeply([map { s/ .*//r } replies($s, 3008)],
	['+OK', '-ERR', ('+OK') x 3000, '-ERR', '+OK', '-ERR', '+OK', '+OK', '+OK'],
	'one go, refused - then the right password');
is_deeply(sent(), [(["USER $login", 'PASS wrong']) x 3,
	["USER $login", 'PASS secret', 'STAT']],
	'one go, refused - to the backend');

# what the client is told

my @told = (
	['auth', $invalid, '-ERR [AUTH] no such pair'],
	['in-use', '-ERR [IN-USE] mailbox is in use',
		'-ERR [IN-USE] locked by 4711'],
	['login-delay', '-ERR [LOGIN-DELAY] logged in too recently',
		'-ERR [LOGIN-DELAY] wait a minute'],
	['sys-temp', '-ERR [SYS/TEMP] login is not possible at the moment',
		'-ERR [SYS/TEMP] disk is full'],
	['sys-perm',
		'-ERR [SYS/PERM] login is not possible, ask your administrator',
		'-ERR [SYS/PERM] disk is gone'],
	['lower', '-ERR [IN-USE] mailbox is in use',
		'-ERR [IN-USE] locked by 4711'],
	['mixed', '-ERR [SYS/TEMP] login is not possible at the moment',
		'-ERR [SYS/TEMP] disk is full'],
	['unknown', $invalid, '-ERR [AUTH] odd'],
	['none', $invalid, '-ERR [AUTH] just so'],
	['bare', $invalid, $invalid],
	['empty', $invalid, $invalid],
	['code', ('-ERR [IN-USE] mailbox is in use') x 2],
	['at-user',
		'-ERR [SYS/PERM] login is not possible, ask your administrator',
		'-ERR [SYS/PERM] not you'],
	['behind', $invalid, '-ERR [AUTH] mailbox [IN-USE] locked'],
	['open', $invalid, '-ERR [AUTH] [IN-USE locked'],
	['utf-8', $invalid, "-ERR [AUTH] gr\xc3\xbc\xc3\x9fe"],
);

for my $number (8110, 8120) {
	my $name = $number == 8110 ? 'told by us' : 'told by the backend';

	$s = session($number);

	for (@told) {
		my ($user, @reply) = @$_;

		command($s, "USER $user");
		is(command($s, 'PASS x'), $reply[$number == 8120], "$name - $user");
	}

	command($s, 'USER any');
	is(command($s, 'PASS x'), '+OK whatever it was', "$name - then a login");
}

is(scalar(grep { "@{$_->{lines}}" =~ /at-user PASS/ } connections_take()), 0,
	'no password behind a USER that is refused');
is(scalar errors_take($t), 0, 'a refusal is no error');

my $log = $t->read_file('error.log');

like($log, qr/ login failed \(method: user, by: backend\): "\[AUTH\] no such pair" /,
	'the code of wrong credentials is logged');
like($log, qr/ login refused \(method: user, by: backend\): "\[IN-USE\] locked by 4711" /,
	'the code of another reason is logged');

# max_errors: the fifth error is the last one

$s = session(8170);

for my $n (1 .. 5) {
	command($s, 'USER auth');
	is(command($s, 'PASS x'), $invalid, "max_errors - $n");
}

ok(closed($s), 'max_errors - closed');

$s = session(8170);
segment($s, lines(('XYZZY') x 3, ('USER auth', 'PASS x') x 2, 'USER any',
	'PASS x'));
is(scalar(grep { /^-ERR/ } replies($s, 7)), 5, 'max_errors - of any kind');
ok(closed($s), 'max_errors - nothing behind is answered');

# nothing of it is ahead of its turn

is_deeply([map { @{$_->{early}} } connections()], [],
	'nothing is sent ahead of its turn');
is(scalar errors_take($t), 0, 'no errors');

undef $s;
undef $t;

###############################################################################
