#!/usr/bin/perl

# Another file in place of the module's: a reload goes on with the version that
# is loaded, and says so; a new binary (USR2) loads the one that is there.

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

my $t = Test::Nginx->new()->has(qw/mail/)->plan(15);

my $dir = $t->testdir();
my $nginx = $ENV{TEST_NGINX_BINARY} // '../nginx/objs/nginx';
my $login = 'test@example.com';

# the module at a path of the test's own

my $path = "$dir/module.so";

$ENV{TEST_NGINX_GLOBALS} //= '';
$ENV{TEST_NGINX_GLOBALS} =~
	s/(load_module\s+)([^;\s]*ngx_mail_pop3_rs_module\.so)/$1$path/
	or die "TEST_NGINX_GLOBALS does not load the module\n";

my $module = slurp($2);

my ($version) = $module =~ /by ngx_mail_pop3_rs_module (\d[\d.]+)/
	or die "The module has no version\n";

# another version; its text must be as long

my $other = $version =~ tr/0-9/9/r;
my $upgraded = $module
	=~ s/(ngx_mail_pop3_rs_module )\Q$version\E/$1$other/gr;

# nginx takes USR2 only when its parent is not the one that started it

my $conf = <<'EOC';

%%TEST_GLOBALS%%

daemon on;

# for the new binary
env ASAN_OPTIONS;

events {
}

mail {
    auth_http 127.0.0.1:8080;

    server {
        listen   127.0.0.1:8110;
        protocol PROTOCOL;
    }
}

EOC

start_daemons($t);

###############################################################################

my @masters;

# whatever fails, no master is left behind

END {
	kill 'TERM', grep { $_ && kill 0, $_ } @masters;
}

sub slurp {
	my ($name) = @_;

	local $/;
	open my $fh, '<:raw', $name or die "Can't open $name: $!\n";

	return <$fh>;
}

# As package managers do it: who has the old file loaded keeps that.

sub install {
	my ($bytes) = @_;

	open my $fh, '>:raw', "$path.new" or die "Can't write $path: $!\n";
	print $fh $bytes;
	close $fh or die "Can't write $path: $!\n";

	rename "$path.new", $path or die "Can't rename to $path: $!\n";
}

# No sub holds $t: it has to go before global destruction.

sub configure {
	my ($t, $protocol) = @_;

	$t->write_file_expand('nginx.conf', $conf =~ s/PROTOCOL/$protocol/r);
}

# An idle worker goes at once when the new configuration is in force.

sub reload_by_pid {
	my ($t) = @_;

	my $worker = worker_pid($t);

	kill 'HUP', read_pid($dir, 'nginx.pid');

	gone($worker);
	wait_until(sub { eval { worker_pid($t) } });
}

# The levels and versions of the module's lines since the last call.

my $seen = 0;

sub logged {
	my ($t) = @_;

	my $log = substr $t->read_file('error.log'), $seen;
	$seen += length $log;

	return join ', ', map { s/\].*ngx_mail_pop3_rs_module /] /r }
		$log =~ /\[(?:warn|notice)\].*ngx_mail_pop3_rs_module \d[\d.]+/g;
}

sub serves {
	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8110));
	$s->read();

	command($s, "USER $login");
	return command($s, 'PASS secret') =~ /^\+OK/;
}

###############################################################################

install($module);
configure($t, 'pop3');

is(system($nginx, '-p', "$dir/", '-c', 'nginx.conf', '-e', 'error.log'), 0,
	'start');

wait_until(sub { eval { worker_pid($t) } });

my $old = read_pid($dir, 'nginx.pid');
push @masters, $old;

is(logged($t), "[notice] $version", 'start - announced');

reload_by_pid($t);
is(logged($t), "[notice] $version", 'same file - no warning');

# another one

install($upgraded);

is((nginx_test($t, $conf =~ s/PROTOCOL/pop3/r))[1] =~ /\[warn\]/, '',
	'another file - no warning of nginx -t');

reload_by_pid($t);
is(logged($t), "[notice] $version, [warn] $version", 'another file - warning');
like($t->read_file('error.log'), qr/\[warn\].* "\Q$path\E" .*USR2/,
	'another file - which, and what to do');
ok(serves(), 'another file - serves');

configure($t, 'imap');
reload_by_pid($t);
is(logged($t), '', 'another file - no warning without POP3');

configure($t, 'pop3');
reload_by_pid($t);
is(logged($t), "[notice] $version, [warn] $version",
	'another file - warning with POP3 again');

# none at all

unlink $path;
reload_by_pid($t);
is(logged($t), "[notice] $version, [warn] $version", 'no file - warning');

# USR2: the new binary loads it

install($upgraded);
kill 'USR2', $old;

wait_until(sub { read_pid($dir, 'nginx.pid.oldbin') && eval { worker_pid($t) } });

my $new = read_pid($dir, 'nginx.pid');
push @masters, $new;

is(logged($t), "[notice] $other", 'USR2 - the other version');

kill 'QUIT', $old;

ok(gone($old), 'USR2 - the old master goes');
ok(serves(), 'USR2 - serves');

reload_by_pid($t);
is(logged($t), "[notice] $other", 'USR2 - no warning after it');

kill 'QUIT', $new;
ok(gone($new), 'QUIT - the new master goes');

###############################################################################
