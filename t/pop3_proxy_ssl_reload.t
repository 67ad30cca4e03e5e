#!/usr/bin/perl

# Workers that go while TLS to a backend is being set up, in the middle of the
# handshake or ahead of the greeting: behind a new binary (USR2) and a reload (HUP)
# each login goes on as it began, and worker_shutdown_timeout is kept to.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Certificates;
use POP3Gate;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(130);

# nginx takes USR2 only when its parent is not the one that started it

my $conf = <<'EOC';

%%TEST_GLOBALS%%

daemon on;

events {
}

MAIN

mail {
    pop3_capabilities MARK;
    timeout           5m;

    pop3_proxy_ssl                     on;
    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;
    pop3_proxy_ssl_session_reuse       off;

    server {
        listen          127.0.0.1:8110;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
    }

    # between these and their backend bytes are held

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8221;
    }

    server {
        listen          127.0.0.1:8121;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8222;
    }

    server {
        listen                   127.0.0.1:8122;
        protocol                 pop3;
        pop3_proxy_pass          127.0.0.1:8223;
        pop3_proxy_ssl_protocols TLSv1.2;
    }

    server {
        listen          127.0.0.1:8123;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8224;
        pop3_proxy_ssl  starttls;
    }

    # the backends of these hold their greeting

    server {
        listen          127.0.0.1:8130;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8213;
    }

    server {
        listen          127.0.0.1:8131;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8214;
    }

    server {
        listen          127.0.0.1:8132;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8215;
    }
}

EOC

# Where a login stands still: the server, and whether it is TLS that is not done.

my %moment = (
	'ClientHello sent'        => [8120, 1],
	'half of the certificate' => [8121, 1],
	'TLS 1.2, own keys sent'  => [8122, 1],
	'STLS, ClientHello sent'  => [8123, 1],
	'greeting'                => [8130, 0],
	'half of the greeting'    => [8131, 0],
);

# The backend behind a port, the writes of nginx and the bytes behind them that pass.

my %gates = (
	8221 => [8211, 1, 0],
	8222 => [8211, 1, 500],
	8223 => [8211, 2, 0],
	8224 => [8212, 2, 0],
);

my $crlf = "\x0d\x0a";
my $welcome = '+OK logged in to backend';
my $unavailable = '-ERR [SYS/TEMP] mail server is not available';
my $dir = $t->testdir();
my $nginx = $ENV{TEST_NGINX_BINARY} // '../nginx/objs/nginx';
my @masters;

# whatever fails, no master is left behind

END {
	kill 'TERM', grep { $_ && kill 0, $_ } @masters;
}

keep_certificates($dir);
issue('ca', ca => 1);
issue('localhost', by => 'ca', names => 'IP:127.0.0.1');

# All that is held goes on when this file is there.

my $go = "$dir/go";
my @held = ['until', $go];
my %tls = (tls => { ssl => 1 });

start_backends($t,
	8211 => { %tls },
	8212 => { tls => {} },
	8213 => { %tls, greeting => [@held, ['line', '+OK at last']] },
	8214 => { %tls, greeting => ['+OK a', @held, ['line', 't last']] },
	8215 => { %tls, greeting => [@held, ['close']] },
);

start_gates($t, $go, %gates);

conf('FIRST');

is(system($nginx, '-p', "$dir/", '-c', 'nginx.conf', '-e', 'error.log'), 0, 'start');
ok(wait_until(sub { worker() }), 'start - a worker');
push @masters, read_pid($dir, 'nginx.pid');

###############################################################################

my ($pid, $fds, %waiting);

# USR2: both serve, until WINCH and QUIT have the old ones go

stand_still('USR2');
conf('SECOND');
kill 'USR2', $masters[0];

ok(wait_until(sub {
	my $new = read_pid($dir, 'nginx.pid');
	return $new && $new != $masters[0] && worker() != $pid;
}), 'USR2 - a new worker');
push @masters, read_pid($dir, 'nginx.pid');

kill 'WINCH', $masters[0];
ok(wait_until(sub {
	$t->read_file('error.log') =~ /$pid#\d+: gracefully shutting down/
}), 'USR2 - the old worker goes');

new_ones_are_served('USR2', 'SECOND');
kill 'QUIT', $masters[0];

old_ones_go_on('USR2', 'FIRST');
ok(gone($masters[0]), 'USR2 - the old master is gone');

# a reload

stand_still('reload');
reloaded_to('reload', 'THIRD', 'worker_shutdown_timeout 400ms;');
old_ones_go_on('reload', 'SECOND');

# worker_shutdown_timeout: backends do not go on

stand_still('timeout');
reloaded_to('timeout', 'FOURTH', '');

for my $moment (sort keys %waiting) {
	is(receive($waiting{$moment}, 1000), '', "timeout, $moment - no reply");
	ok(closed($waiting{$moment}), "timeout, $moment - closed");
}

old_ones_are_gone('timeout');

is_deeply([map { @{$_->{early}} } connections()], [],
	'nothing is sent ahead of its turn');

# the end of it all comes upon them as well

stand_still('stop');
kill 'TERM', $masters[1];
ok(gone($masters[1]), 'stop - the master is gone');
old_ones_are_gone('stop');

is(join("\n", $t->read_file('error.log') =~ /.+\[(?:crit|emerg)\].+/g), '',
	'no faults of TLS');

undef $t;

###############################################################################

sub conf {
	my ($mark, $main) = @_;

	$main //= '';
	$t->write_file_expand('nginx.conf',
		$conf =~ s/MARK/$mark/r =~ s/MAIN/$main/r);
}

# The worker that was started last.

sub worker {
	my @started = $t->read_file('error.log') =~ /start worker process (\d+)/g;

	return $started[-1] // 0;
}

sub fds {
	my @fds = glob '/proc/' . worker() . '/fd/*';

	return scalar @fds;
}

# The same when it does not change any more.

sub idle_fds {
	my ($before, $same) = (0, 0);

	wait_until(sub {
		my $now = fds();
		$same = $now == $before ? $same + 1 : 0;
		$before = $now;
		return $same == 5;
	});

	return $before;
}

sub marks {
	return join ' ', grep { /FIRST|SECOND|THIRD|FOURTH/ } multiline($_[0], 'CAPA');
}

# How many logins stand still, and have come as far as that.

sub standing {
	my ($is_handshake) = @_;

	return held_at_gates($t) if $is_handshake;
	return scalar grep { $_->{tls} && $_->{at} =~ /^821[3-5]/ } connections();
}

# A session in which a login stands still.

sub at {
	my ($moment) = @_;

	my ($number, $is_handshake) = @{$moment{$moment} // [8132, 0]};
	my $before = standing($is_handshake);
	my $s = session($number);

	$s->print("USER test${crlf}PASS secret$crlf");
	is((replies($s, 1))[0], '+OK', "$moment - USER");
	ok(wait_until(sub { standing($is_handshake) > $before }),
		"$moment - is reached");

	return $s;
}

sub stand_still {
	my ($name) = @_;

	unlink $go;
	$pid = worker();
	%waiting = map { $_ => at($_) } sort(keys %moment), 'a backend that closes';
}

sub reloaded_to {
	my ($name, $mark, $main) = @_;

	conf($mark, $main);
	kill 'HUP', read_pid($dir, 'nginx.pid');
	ok(wait_until(sub {
		$t->read_file('error.log') =~ /$pid#\d+: gracefully shutting down/
	}), "$name - the old worker goes");
	new_ones_are_served($name, $mark);
}

sub new_ones_are_served {
	my ($name, $mark) = @_;

	$fds = idle_fds();

	my $s;

	ok(wait_until(sub { marks($s = session(8110)) eq $mark }),
		"$name - the new worker serves");
	is(login($s), $welcome, "$name - and logs in");
	is(command($s, 'STAT'), '+OK 1 23', "$name - and relays");
}

sub old_ones_go_on {
	my ($name, $mark) = @_;

	ok(kill(0, $pid), "$name - the old worker is there");
	$t->write_file('go', '');

	my $refused = delete $waiting{'a backend that closes'};

	for my $moment (sort keys %waiting) {
		is((replies($waiting{$moment}, 1))[0], $welcome, "$name, $moment - login");
		is(command($waiting{$moment}, 'STAT'), '+OK 1 23',
			"$name, $moment - relay");
	}

	is((replies($refused, 1))[0], $unavailable, "$name, a backend that closes");
	is(marks($refused), $mark, "$name, a backend that closes - session goes on");

	undef $refused;
	old_ones_are_gone($name);
}

sub old_ones_are_gone {
	my ($name) = @_;

	%waiting = ();
	ok(gone($pid), "$name - the old worker is gone");
	ok(wait_until(sub { !grep { !$_->{end} } connections() }),
		"$name - no backend is left open");
	return if $name eq 'stop';

	# a worker's channel to another one of its master goes with that

	my $left = $name eq 'USR2' ? $fds : $fds - 1;

	ok(wait_until(sub { fds() == $left }), "$name - no descriptor is left open")
		or diag(fds() . " of $left");
}

###############################################################################
