#!/usr/bin/perl

# Bounds on what a session holds of a client that sends ahead far more than is
# answered: while logins fail one after the other, and while the client hardly
# reads.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;
use POP3Servers;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(6);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http         127.0.0.1:8080;
    pop3_max_commands 1000000;

    # a debug log of that many commands is only slow
    error_log         %%TESTDIR%%/many.log info;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen            127.0.0.1:8120 sndbuf=8k;
        protocol          pop3;
        pop3_capabilities %%CAPABILITIES%%;
    }
}

EOC

my $long = join ' ', map { "X-CAPABILITY-$_" } 1 .. 200;
$t->write_file('nginx.conf',
	$t->read_file('nginx.conf') =~ s/%%CAPABILITIES%%/$long/r);

start_daemons($t);
$t->run();

my $held = 128 * 1024;

###############################################################################

# each login that fails leaves what was sent behind it

my $line = 'AUTH PLAIN ' . sasl_plain('', 'wait@example.com', 'wrong');
my @s = map { ahead(8110, $line, 20000) } 1 .. 10;

is(refused(1), 10, 'logins sent ahead - refused');
my $before = worker_rss($t);
is(refused(4), 40, 'logins sent ahead - refused again');
cmp_ok(worker_rss($t) - $before, '<', $held, 'logins sent ahead - bounded');
undef @s;

# a reply is far longer than its command; an allocator may keep some memory of
# each size that what is held comes to in time

my $s = ahead(8120, 'CAPA', 100000);

cmp_ok(sip($s, 200), '>', 0, 'slow reader - is served');
$before = worker_rss($t);
sip($s, 300);
cmp_ok(worker_rss($t) - $before, '<', $held, 'slow reader - bounded');
like(sip($s, 1), qr/[^0]/, 'slow reader - is still served');
undef $s;

###############################################################################

# A session whose client has sent the line as often as it could at once, up to
# so many times.

sub ahead {
	my ($number, $line, $count) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
	$s->read();

	my $socket = $s->socket();
	my $bytes = "$line\x0d\x0a" x $count;

	$socket->blocking(0);
	while (length $bytes) {
		my $sent = $socket->syswrite($bytes, 65536) or last;
		substr $bytes, 0, $sent, '';
	}
	$socket->blocking(1);

	return $s;
}

# Reads so many replies of each session; gives how many logins were refused.

sub refused {
	my ($count) = @_;

	return scalar grep { /^-ERR/ } map { replies($_, $count) } @s;
}

# Reads a bit, so many times; gives how much.

sub sip {
	my ($s, $count) = @_;
	my $length = 0;

	for (1 .. $count) {
		$length += $s->socket()->sysread(my $bytes, 4096);
		select undef, undef, undef, 0.005;
	}

	return $length;
}

###############################################################################
