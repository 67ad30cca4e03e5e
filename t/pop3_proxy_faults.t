#!/usr/bin/perl

# Backends of pop3_proxy_pass that are down, close, or talk nonsense, at each step
# of a login: the client is told, its session goes on, the log has one
# line for it, and no backend gets a password before its turn.

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

my $t = Test::Nginx->new()->has(qw/mail/)->plan(806);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_proxy_pass 127.0.0.1:8211;
    max_errors      100;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen                   127.0.0.1:8120;
        protocol                 pop3;
        proxy_pass_error_message on;
    }

    # nobody listens there

    server {
        listen          127.0.0.1:8130;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8219;
    }

    server {
        listen          127.0.0.1:8140;
        protocol        pop3;
        pop3_proxy_pass unix:%%TESTDIR%%/none.sock;
    }

    server {
        listen     127.0.0.1:8170;
        protocol   pop3;
        max_errors 5;
    }
}

EOC

my $crlf = "\x0d\x0a";
my $login = 'test@example.com';
my ($password, $wrong) = ('secret', 'Not-For-The-Log');
my $welcome = '+OK logged in to backend';
my $unavailable = '-ERR [SYS/TEMP] mail server is not available';
my $invalid = '-ERR [AUTH] invalid login or password';

my $closed = qr/close/;
my $reset = qr/reset/i;
my $no_reply = qr/invalid/;
my $control = qr/control/;
my $long = qr/too long/;
my $ahead = qr/ahead/;

# What a backend does, and what the log says of it.

my @faults = (
	'closes'            => $closed, [['close']],
	'resets'            => $reset, [['reset']],
	'shuts down'        => $closed, [['fin']],
	'closes in a line'  => $closed, ['+OK half a li', ['close']],
	'closes in a word'  => $closed, ['+O', ['close']],
	'empty line'        => $no_reply, [$crlf],
	'blank'             => $no_reply, [" +OK$crlf"],
	'lower case'        => $no_reply, ["+ok$crlf"],
	'OKAY'              => $no_reply, ["+OKAY$crlf"],
	'ERROR'             => $no_reply, ["-ERROR$crlf"],
	'prompt'            => $no_reply, ["+ $crlf"],
	'IMAP'              => $no_reply, ["* OK ready$crlf"],
	'SMTP'              => $no_reply, ["220 smtp ready$crlf"],
	'HTTP'              => $no_reply,
		["HTTP/1.1 400 Bad Request${crlf}Server: x$crlf$crlf", ['close']],
	'TLS alert'         => $no_reply, ["\x15\x03\x01\x00\x02\x02\x0a", ['close']],
	'binary'            => $no_reply, [join '', map { chr } 128 .. 255, 0 .. 127],
	'NUL'               => $control, ["+OK a\0b$crlf"],
	'NUL at the end'    => $control, ["+OK\ \0$crlf"],
	'escape'            => $control, ["+OK \x1b[31mred$crlf"],
	'escape in -ERR'    => $control, ["-ERR [AUTH] \x1b[31mred$crlf"],
	'tab'               => $control, ["+OK a\tb$crlf"],
	'DEL'               => $control, ["-ERR a\x7fb$crlf"],
	'CR'                => $control, ["+OK a\x0db$crlf"],
	'two CR'            => $control, ["+OK a\x0d$crlf"],
	'LF alone'          => $control, ["+OK one\x0a"],
	'one byte too long' => $long, ['+OK ' . 'x' x 4091 . $crlf],
	'-ERR too long'     => $long, ['-ERR ' . 'x' x 4090 . $crlf],
	'endless line'      => $long, ['+OK ', ['flood', 'x' x 1000]],
	'endless lines'     => $ahead, [['flood', "+OK$crlf" x 100]],
	'endless nonsense'  => $no_reply, [['flood', "x\0y" x 1000]],
	'second line'       => $ahead, ["+OK one${crlf}+OK two$crlf"],
	'half a second one' => $ahead, ["+OK one${crlf}+"],
	'multi-line'        => $ahead, ["+OK list${crlf}TOP${crlf}.$crlf"],
	'LF behind it'      => $ahead, ["+OK one$crlf\x0a"],
	map({ ("second line at $_" => $ahead,
		['+OK ' . 'x' x ($_ - 6) . "$crlf+OK two$crlf"]) }
		128, 256, 512, 1024, 2048, 4096),
	'-ERR and another'  => $ahead, ["-ERR [AUTH] no${crlf}-ERR$crlf"],
);

my %turn;

while (my ($name, $reason, $turn) = splice @faults, 0, 3) {
	push @{$turn{names}}, [$name, $reason];
	$turn{$name} = $turn;
}

$turn{refuses} = '-ERR [IN-USE] too many connections from you';

# The fault that is to be, a step and its name, is in a file.

my $dir = $t->testdir();

sub fault {
	my ($step, $name) = @_;

	open my $fh, '>', "$dir/fault" or die "Can't write fault: $!\n";
	print $fh "$step $name";
}

sub fault_at {
	my ($step) = @_;

	return sub {
		open my $fh, '<', "$dir/fault" or die "Can't read fault: $!\n";

		return (<$fh> // '') =~ /^$step (.+)/ ? $turn{$1} : undef;
	};
}

fault('none', '');

start_backends($t,
	8211 => {
		greeting => fault_at('greeting'),
		USER     => fault_at('USER'),
		PASS     => fault_at('PASS'),
		logins   => {
			'close@bye'   => { PASS => ["-ERR [IN-USE] bye$crlf", ['close']] },
			'close@in'    => { PASS => ["+OK in$crlf", ['close']] },
			'close@user'  => { USER => ["+OK$crlf", ['close']] },
			'echo@pass'   => { PASS => sub { "-ERR not $_[0]" } },
			'full@line'   => { PASS => ['+OK ' . 'x' x 4090 . $crlf] },
			'full@user'   => { USER => ['+OK ' . 'x' x 4090 . $crlf] },
			'full@err'    => { PASS => ['-ERR ' . 'x' x 4089 . $crlf] },
		},
	},
);

$t->run();

###############################################################################

sub session {
	my ($number) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
	$s->read();

	return $s;
}

sub lines {
	return join '', map { "$_$crlf" } @_;
}

sub logs_in {
	my ($s, $name) = @_;

	command($s, "USER $login");
	is(command($s, "PASS $password"), $welcome, "$name - then a login");
	is(command($s, 'STAT'), '+OK 1 23', "$name - then a mailbox");
}

# The log has one line for each address, of this reason.

sub is_logged {
	my ($name, $reason, @addresses) = @_;

	@addresses = '127.0.0.1:' . port(8211) unless @addresses;

	my @lines = errors_take($t, scalar @addresses);

	is(scalar(@lines), @addresses, "$name - error lines")
		or diag(join "\n", @lines);

	for my $i (0 .. $#addresses) {
		like($lines[$i] // '',
			qr/\[(?:error|crit)\].*$reason.*, upstream: \Q$addresses[$i]\E$/,
			"$name - error line");
	}
}

# what is there before the first fault

logs_in(session(8110), 'before');

my $pid = worker_pid($t);
my $fds = settled_fds($t);

connections_take();

# Each fault at each step.  What the backend may have been sent by then.

my %sent = (
	greeting => [],
	USER     => ["USER $login"],
	PASS     => ["USER $login", "PASS $wrong"],
);

for my $step (qw/greeting USER PASS/) {
	for (@{$turn{names}}) {
		my ($fault, $reason) = @$_;

		my $name = "$step: $fault";
		my $s = session($step eq 'PASS' || $fault =~ /E/ ? 8120 : 8110);

		connections_take();
		fault($step, $fault);
		segment($s, lines("USER $login", "PASS $wrong", 'NOOP'));

		is_deeply([replies($s, 3)], ['+OK', $unavailable, '+OK'],
			"$name - replies");
		is_logged($name, $reason);
		is_deeply([map { $_->{lines} } ended_take()], [$sent{$step}],
			"$name - to the backend");

		fault('none', '');
		logs_in($s, $name);
	}
}

# whatever the way to log in

for (['AUTH PLAIN ' . sasl_plain('', $login, $wrong)],
	['AUTH PLAIN', sasl_plain('', $login, $wrong)],
	['AUTH LOGIN', b64($login), b64($wrong)])
{
	my @way = @$_;
	my $s = session(8110);
	my $reply = '';

	fault('USER', 'closes');
	$reply = command($s, $_) for @way;
	is($reply, $unavailable, "$way[0] - reply");
	is_logged($way[0], $closed);

	fault('none', '');
	logs_in($s, $way[0]);
}

ended_take();

# a greeting that refuses the session

for my $number (8110, 8120) {
	my $s = session($number);

	ended_take();
	fault('greeting', 'refuses');
	command($s, "USER $login");
	is(command($s, "PASS $wrong"), $unavailable, "-ERR for greeting - reply");
	is_logged('-ERR for greeting', qr/too many connections from you/);
	is_deeply([map { $_->{lines} } ended_take()], [[]],
		'-ERR for greeting - to the backend');

	fault('none', '');
	logs_in($s, '-ERR for greeting');
	undef $s;
}

# not faults: a line may have 4096 bytes, and the end may come behind it

my $s = session(8120);

command($s, 'USER full@err');
is(command($s, "PASS $wrong"), '-ERR [AUTH] ' . 'x' x 4089,
	'full line - refused');
command($s, 'USER close@bye');
is(command($s, "PASS $wrong"), '-ERR [IN-USE] bye', 'close behind -ERR');
command($s, 'USER echo@pass');
is(command($s, "PASS $wrong"), "-ERR [AUTH] not $wrong", 'password in a reply');
command($s, 'USER full@user');
is(command($s, "PASS $password"), $welcome, 'full line - USER');

$s = session(8110);
command($s, 'USER full@line');
is(command($s, "PASS $wrong"), '+OK ' . 'x' x 4090, 'full line - logged in');
is(command($s, 'STAT'), '+OK 1 23', 'full line - relay');

is(scalar errors_take($t), 0, 'full line - no error');

$s = session(8110);
command($s, 'USER close@in');
is(command($s, "PASS $wrong"), '+OK in', 'close behind +OK - logged in');
ok(closed($s), 'close behind +OK - closed');

errors_take($t);

# the end is seen before the next command is, or behind it

$s = session(8110);
command($s, 'USER close@user');
is(command($s, "PASS $wrong"), $unavailable, 'close behind USER - reply');
is_logged('close behind USER', qr/./);
logs_in($s, 'close behind USER');
undef $s;

# nobody is there

for ([8130, '127.0.0.1:' . port(8219), qr/refused/],
	[8140, "unix:$dir/none.sock", qr/No such file/])
{
	my ($number, $address, $reason) = @$_;

	$s = session($number);

	for my $n (1, 2) {
		segment($s, lines("USER $login", "PASS $wrong", 'NOOP'));
		is_deeply([replies($s, 3)], ['+OK', $unavailable, '+OK'],
			"$address, $n - replies");
		is_logged("$address, $n", $reason, $address);
	}
}

# it counts as an error

$s = session(8170);
fault('PASS', 'resets');

for my $n (1 .. 5) {
	command($s, "USER $login");
	is(command($s, "PASS $wrong"), $unavailable, "max_errors - $n");
}

ok(closed($s), 'max_errors - closed');
fault('none', '');
errors_take($t, 5);

# nothing is left of all this, and there was no secret out of place

undef $s;

ok(wait_until(sub { worker_fds($t) == $fds }), 'descriptors are level')
	or diag(worker_fds($t) . " of $fds");
is(worker_pid($t), $pid, 'the worker is the same');
is_deeply([map { @{$_->{early}} } connections()], [],
	'nothing is sent ahead of its turn');

my $log = $t->read_file('error.log');

is(scalar(grep { index($log, $_) >= 0 } $wrong, b64($wrong), $password,
	map({ sasl_plain('', $login, $_), b64($_) } $wrong, $password)), 0,
	'no password in the log');
unlike(join("\n", grep { !/\[debug\]/ } split /\n/, $log), qr/[^\x0a\x20-\x7e]/,
	'no control character in the log');

logs_in(session(8110), 'after');

undef $t;

###############################################################################
