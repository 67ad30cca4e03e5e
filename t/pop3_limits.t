#!/usr/bin/perl

# Bounds before the login: the length of a line, the number of commands, the
# memory that a session holds.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(34);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http  127.0.0.1:8080;
    max_errors 100;

    pop3_client_buffer 256;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen             127.0.0.1:8120;
        protocol           pop3;
        pop3_client_buffer 16k;
    }

    server {
        listen            127.0.0.1:8130;
        protocol          pop3;
        pop3_max_commands 10;
    }

    server {
        listen            127.0.0.1:8140;
        protocol          pop3;
        pop3_auth         plain apop cram-md5;
        max_errors        1000000;
        pop3_max_commands 1000000;

        # a debug log of that many commands is only slow
        error_log         %%TESTDIR%%/many.log info;
    }
}

EOC

my $conf = <<'EOC';

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http 127.0.0.1:8080;

    OUTER

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
        INNER
    }
}

EOC

start_daemons($t);

# what the configuration may say

sub conf {
	my ($outer, $inner) = @_;

	return $conf =~ s/OUTER/$outer/r =~ s/INNER/$inner/r;
}

for my $good ('pop3_client_buffer 1k;', 'pop3_max_commands 1;') {
	for ([$good, ''], ['', $good]) {
		my ($status, $output) = nginx_test($t, conf(@$_));

		is($status, 0, $good . ($_->[0] ? ' in mail' : ' in server'))
			or diag($output);
	}
}

for my $bad ('pop3_client_buffer 0;', 'pop3_client_buffer x;',
	'pop3_client_buffer 1k 2k;', 'pop3_client_buffer 1k; pop3_client_buffer 1k;',
	'pop3_max_commands 0;', 'pop3_max_commands x;')
{
	my ($status, $output) = nginx_test($t, conf('', $bad));
	my ($directive) = $bad =~ /(\w+)/;

	ok($status == 1 && $output =~ /$directive/
		&& $output !~ /unknown directive/, "$bad is refused")
		or diag($output);
}

$t->run();

###############################################################################

sub session {
	my ($number) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
	$s->read();

	return $s;
}

# A5 - pop3_client_buffer

my $s = session(8110);

like(command($s, 'NOOP ' . 'x' x 200), qr/^\+OK/,
	'A5 - line shorter than the buffer');
like(command($s, 'NOOP ' . 'x' x 300), qr/^-ERR/,
	'A5 - line longer than the buffer');
like(command($s, 'NOOP'), qr/^\+OK/, 'A5 - session goes on');

$s = session(8120);

like(command($s, 'NOOP ' . 'x' x 15000), qr/^\+OK/,
	'A5 - the inner size replaces the outer');
like(command($s, 'NOOP ' . 'x' x 17000), qr/^-ERR/, 'A5 - and is a bound');

# A8 - pop3_max_commands

$s = session(8130);

is(scalar(grep { command($s, 'NOOP') =~ /^\+OK/ } 1 .. 10), 10,
	'A8 - as many commands as allowed');
like(command($s, 'NOOP'), qr/^-ERR/, 'A8 - one more is refused');
ok(closed($s), 'A8 - and closes the session');

# default: 1000, in one go as well

$s = session(8110);
$s->print("NOOP\x0d\x0a" x 1001);
is(scalar(grep { /^\+OK/ } replies($s, 1001)), 1000, 'A8 - 1000 by default');
ok(closed($s), 'A8 - and no more');

# the login counts as any other command

$s = session(8130);

command($s, 'NOOP') for 1 .. 8;
command($s, 'USER test@example.com');
like(command($s, 'PASS secret'), qr/^\+OK/, 'A8 - login as the last command');
is(scalar(grep { command($s, 'NOOP') =~ /^\+OK/ } 1 .. 20), 20,
	'A8 - no bound after the login');

# A9: each of these made the C module allocate once more

my @rounds = (
	['USER' => 'USER ' . 'u' x 100, 'STAT'],
	['AUTH LOGIN' => 'AUTH LOGIN ' . b64('l' x 75), '*'],
	['AUTH PLAIN' => 'AUTH PLAIN ' . b64('l' x 75), 'NOOP'],
	['AUTH CRAM-MD5' => 'AUTH CRAM-MD5', '*'],
);

# an ended session leaves memory for the next one to grow in

my @kept;

for (@rounds) {
	my ($name, @lines) = @$_;
	my $round = sub { command($s, $_) for @lines };

	push @kept, $s = session(8140);

	# what is allocated once is there after some rounds

	$round->() for 1 .. 200;
	like(command($s, 'NOOP'), qr/^\+OK/, "A9 - $name in the beginning");
	my $before = worker_rss($t);

	$round->() for 1 .. 6000;
	my $grown = worker_rss($t) - $before;

	cmp_ok($grown, '<', 128 * 1024, "A9 - $name holds no more memory");
	like(command($s, 'NOOP'), qr/^\+OK/, "A9 - $name in the end");
}

undef $s;
undef @kept;

###############################################################################
