#!/usr/bin/perl

# pop3_limit_conn and pop3_login_delay with several workers: one of them is killed with
# many sessions, the zone stays over a reload, and a new binary (USR2) has a new one.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Limits;
use POP3Login;
use POP3Proxy;
use POP3Session;
use POP3Users;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(34);

# So many sessions, of so many addresses.

my ($all, $addresses) = (500, 50);
my $each = $all / $addresses;

# nginx takes USR2 only when its parent is not the one that started it.

sub conf {
	my ($limit, $size) = @_;

	return <<"EOC";

%%TEST_GLOBALS%%

daemon on;
worker_processes 2;

events {
    worker_connections 2000;
}

mail {
    pop3_limit_zone     $size;
    pop3_limit_conn     $limit;
    pop3_login_delay    30s;
    pop3_auth_user_file users;
    pop3_proxy_pass     127.0.0.1:8211;
    max_errors          100;
    timeout             100s;

    server {
        listen    127.0.0.1:8110;
        protocol  pop3;
        error_log error.log info;
    }
}

EOC
}

$t->write_file_expand('nginx.conf', conf($each, '128k'));
write_users($t, 'users', "test\@example.com:{PLAIN}secret\n");

my $dir = $t->testdir();
my $nginx = $ENV{TEST_NGINX_BINARY} // '../nginx/objs/nginx';
my $invalid = '-ERR [AUTH] invalid login or password';

my (%s, @masters, @killed);

# whatever fails, no master is left behind

END {
	kill 'TERM', grep { $_ && kill 0, $_ } @masters;
}

is(system($nginx, '-p', "$dir/", '-c', 'nginx.conf', '-e', 'error.log'), 0, 'start');
wait_until(sub { read_pid($dir, 'nginx.pid') });
push @masters, read_pid($dir, 'nginx.pid');

###############################################################################

sub address {
	my ($n) = @_;

	return "127.0.3.$n";
}

# Begins sessions until each address has so many; gives how many there are.

sub fill {
	my ($most) = @_;

	for my $n (1 .. $addresses) {
		push @{$s{$n}}, map { (enters(address($n), 8110))[0] }
			@{$s{$n} // []} + 1 .. $most;
	}

	return scalar map { @$_ } values %s;
}

# Leaves those alone that are still there; gives how many there are of each address.

sub keep_living {
	for my $n (1 .. $addresses) {
		$s{$n} = [grep { command($_, 'NOOP') eq '+OK' } @{$s{$n}}];
	}

	return map { scalar @{$s{$_}} } 1 .. $addresses;
}

# The workers when these are none any more.

sub new_workers {
	retired(@_);

	return workers($t, 2);
}

# The workers behind a reload.

sub reloaded {
	my @before = workers($t, 2);

	kill 'HUP', read_pid($dir, 'nginx.pid');

	return new_workers(@before);
}

sub kills {
	kill 'KILL', @_;
	push @killed, @_;
	ok(gone($_), 'kill - a worker') for @_;
}

sub rooms {
	return map { room(address($_), 8110) } 1 .. $addresses;
}

# The limit over two workers, and over those of a reload, which have sessions still

my @old = workers($t, 2);

is(fill($each / 2), $all / 2, 'old workers - half of the sessions');
my @workers = reloaded();
is(fill($each), $all, 'new workers - the other half');
is_deeply([rooms()], [(0) x $addresses], 'both - each address has what it may');

# Two of them are killed: their sessions, and no others, are free again.

kills(@old);
is_deeply([keep_living()], [($each / 2) x $addresses], 'kill - half of the sessions');
left($each / 2, address(1), 8110);
is_deeply([rooms()], [($each / 2) x $addresses], 'kill - the others are free');
is(fill($each), $all, 'kill - filled again');
is_deeply([rooms()], [(0) x $addresses], 'kill - and no more');

# And the others, too

kills(@workers);
new_workers(@workers);
%s = ();
left($each, address(1), 8110);
is_deeply([rooms()], [($each) x $addresses], 'kill - none is left');

# A login that fails

my $delayed = address(60);
my @waits;

is(login((enters($delayed, 8110))[0], 'wrong'), $invalid, 'failed - refused');

# A reload keeps the zone: sessions, and failed logins.

fill($each);
reloaded();
is(room(address(1), 8110), 0, 'reload - sessions count');
@waits = (enters($delayed, 8110))[0];
command($waits[0], 'USER test@example.com');
$waits[0]->send('PASS secret');
ok(!$waits[0]->can_read(0.3), 'reload - failed logins count');
@waits = ();
@{$s{1}} = ();
is(left($each, address(1), 8110), $each, 'reload - sessions of old workers end');
is(room(address(2), 8110), 0, 'reload - and others do not');

# One with another limit, too

$t->write_file_expand('nginx.conf', conf($each + 1, '128k'));
reloaded();
is(left(1, address(2), 8110), 1, 'reload with another limit - one more');

# Another size is another zone

$t->write_file_expand('nginx.conf', conf($each, '256k'));
reloaded();
is(left($each, address(2), 8110), $each, 'another size - none is counted');
is(login((enters($delayed, 8110))[0]), '-ERR [SYS/TEMP] mail server is not available',
	'another size - nobody waits');

# Sessions of the old one end: they are none of this one.

my @new = map { (enters(address(2), 8110))[0] } 1 .. $each;

@waits = ();
%s = ();
is(room(address(2), 8110), 0, 'another size - ends of old ones do not count');

# An upgrade: the new binary has a zone of its own.

@workers = workers($t, 2);

my $old = $masters[0];

is(login((enters($delayed, 8110))[0], 'wrong'), $invalid, 'failed once more');
kill 'USR2', $old;
ok(wait_until(sub {
	read_pid($dir, 'nginx.pid.oldbin') == $old && read_pid($dir, 'nginx.pid')
}), 'USR2 - a new master');
push @masters, read_pid($dir, 'nginx.pid');
workers($t, 2);
kill 'WINCH', $old;
ok(retired(@workers), 'WINCH - the old workers go');
is(left($each, address(2), 8110), $each, 'USR2 - none is counted');
is(login((enters($delayed, 8110))[0]), '-ERR [SYS/TEMP] mail server is not available',
	'USR2 - nobody waits');
is(command($new[0], 'NOOP'), '+OK', 'USR2 - old sessions go on');

my @newest = map { (enters(address(2), 8110))[0] } 1 .. $each;

kill 'QUIT', $old;
@new = ();
ok(gone($old), 'QUIT - the old master goes');
is(room(address(2), 8110), 0, 'QUIT - its sessions are none of the new zone');
@newest = ();
is(left($each, address(2), 8110), $each, 'none is counted');

kill 'QUIT', $masters[1];
ok(gone($masters[1]), 'QUIT - the new master goes');

my $log = $t->read_file('error.log');

is(scalar(() = $log =~ /\[alert\].* exited on signal 9/g), scalar @killed,
	'those that were killed');
unlike($log, qr/\[(?:warn|emerg|crit)\]/, 'no word of the zone');
forget_kills($t, @killed);
undef $t;

###############################################################################
