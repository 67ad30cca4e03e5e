#!/usr/bin/perl

# proxy_buffer of a server with pop3_proxy_pass, down to sizes in which not even a
# bare reply to the login has room.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(22);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_proxy_pass 127.0.0.1:8211;

    server {
        listen       127.0.0.1:8110;
        protocol     pop3;
        proxy_buffer 3;
    }

    server {
        listen       127.0.0.1:8120;
        protocol     pop3;
        proxy_buffer 32;
    }
}

EOC

my $short = '+OK ' . 'x' x 26;      # 32 bytes with its CRLF
my $long = '+OK ' . 'x' x 94;       # 100 bytes

start_backends($t, 8211 => { logins => {
	short  => { PASS => $short },
	over   => { PASS => "${short}x" },
	long   => { PASS => $long },
} });

$t->run();

###############################################################################

my $failed = '-ERR [SYS/TEMP] internal server error';
my $worker = worker_pid($t);
my $fds = settled_fds($t);
my $s;

# 3: no room for "+OK" and CRLF

for my $login ('test', 'short', 'long') {
	$s = session(8110);
	command($s, "USER $login");
	is(command($s, 'PASS secret'), $failed, "proxy_buffer 3, $login - reply");
	ok(closed($s), "proxy_buffer 3, $login - closed");
	ok(wait_until(sub { !grep { !$_->{end} } connections() }),
		"proxy_buffer 3, $login - the backend's connection ends");
}

undef $s;
ok(wait_until(sub { worker_fds($t) == $fds }),
	'proxy_buffer 3 - no descriptor is left open') or diag(worker_fds($t) . " of $fds");
is(worker_pid($t), $worker, 'proxy_buffer 3 - the worker lives');

# 32: what has no room becomes "+OK", and the relay has that buffer

for (['short', $short], ['over', '+OK'], ['long', '+OK']) {
	my ($login, $reply) = @$_;

	$s = session(8120);
	command($s, "USER $login");
	is(command($s, 'PASS secret'), $reply, "proxy_buffer 32, $login - reply");
	is((multiline($s, 'RETR 1'))[-1], '.', "proxy_buffer 32, $login - relay");
	is(command($s, 'QUIT'), '+OK bye from backend', "proxy_buffer 32, $login - QUIT");
}

undef $s;
ok(wait_until(sub { worker_fds($t) == $fds }),
	'proxy_buffer 32 - no descriptor is left open');
is(worker_pid($t), $worker, 'proxy_buffer 32 - the worker lives');

###############################################################################
