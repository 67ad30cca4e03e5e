#!/usr/bin/perl

# A new binary in place of the old (USR2, WINCH, QUIT): sessions of the old
# one go on, new ones are served by the new.

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

my $t = Test::Nginx->new()->has(qw/mail/)->plan(17);

# nginx takes USR2 only when its parent is not the one that started it

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon on;

events {
}

mail {
    auth_http 127.0.0.1:8080;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }
}

EOC

start_daemons($t);

###############################################################################

my $dir = $t->testdir();
my $nginx = $ENV{TEST_NGINX_BINARY} // '../nginx/objs/nginx';
my $login = 'test@example.com';

my @masters;

# whatever fails, no master is left behind

END {
	kill 'TERM', grep { $_ && kill 0, $_ } @masters;
}

sub session {
	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8110));
	$s->read();

	return $s;
}

sub announced {
	my ($log) = @_;

	return scalar(() = $log =~ /
		\[notice\] [^\n]* POP3\ is\ served\ by\ ngx_mail_pop3_rs_module/gx);
}

is(system($nginx, '-p', "$dir/", '-c', 'nginx.conf', '-e', 'error.log'), 0,
	'start');

wait_until(sub { read_pid($dir, 'nginx.pid') });

my $old = read_pid($dir, 'nginx.pid');
push @masters, $old;

ok(wait_until(sub { eval { worker_pid($t) } }), 'start - a worker');

my $worker = worker_pid($t);

my $user = session();
command($user, "USER $login");

my $plain = session();
command($plain, 'AUTH PLAIN');

my $backend = session();
command($backend, "USER $login");
command($backend, 'PASS secret');

# USR2: both serve

kill 'USR2', $old;

ok(wait_until(sub {
	read_pid($dir, 'nginx.pid.oldbin') == $old && read_pid($dir, 'nginx.pid')
}), 'USR2 - a new master');

my $new = read_pid($dir, 'nginx.pid');
push @masters, $new;

isnt($new, $old, 'USR2 - is not the old one');
ok(wait_until(sub { eval { worker_pid($t) } }), 'USR2 - with a worker');
is(announced($t->read_file('error.log')), 2, 'USR2 - announced');

# WINCH: the old one's worker takes no more sessions

kill 'WINCH', $old;

ok(wait_until(sub {
	$t->read_file('error.log') =~ /$worker#\d+: gracefully shutting down/
}), 'WINCH - the old worker goes');

my $s = session();

like(command($s, "USER $login"), qr/^\+OK/, 'new worker - USER');
like(command($s, 'PASS secret'), qr/^\+OK/, 'new worker - PASS');

ok(kill(0, $worker), 'the old worker has sessions');
like(command($user, 'PASS secret'), qr/^\+OK/, 'old worker - PASS');

# QUIT: the old master waits for them

kill 'QUIT', $old;

like(command($plain, sasl_plain('', $login, 'secret')), qr/^\+OK/,
	'old worker - exchange');
like(command($backend, 'STAT'), qr/^\+OK \d/, 'old worker - backend');

undef $_ for $user, $plain, $backend;

ok(gone($old), 'QUIT - the old master goes with its last session');

like(command($s, 'STAT'), qr/^\+OK \d/, 'new worker - goes on');
like(command(session(), 'NOOP'), qr/^\+OK/, 'new worker - another session');

undef $s;

kill 'QUIT', $new;
ok(gone($new), 'QUIT - the new master goes');

###############################################################################
