#!/usr/bin/perl

# worker_shutdown_timeout and a TLS handshake that nginx itself makes, with a server: it ends
# with its client, and no other server is tried, with nginx-patches/ or without.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Select;
use IO::Socket::INET;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Proxy;
use POP3Session;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail stream stream_ssl/)->plan(4);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

worker_shutdown_timeout 1s;

events {
}

stream {
    upstream silent {
        server 127.0.0.1:8211;
        server 127.0.0.1:8212;
    }

    server {
        listen     127.0.0.1:8081;
        proxy_pass silent;
        proxy_ssl  on;
    }
}

mail {
    server {
        listen          127.0.0.1:8110;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8213;
    }
}

EOC

# the system takes connections to these, and nobody answers

my $servers = IO::Select->new(map {
	IO::Socket::INET->new(LocalAddr => '127.0.0.1:' . port($_), Listen => 10, ReuseAddr => 1)
		or die "Can't listen: $!\n"
} 8211, 8212);

$t->run();

###############################################################################

# nginx goes through its connections in their order, and takes the one that was free last:
# each server gets one that comes before that of its client

my @sessions = map { session() } 1 .. 6;
my $fds = settled_fds($t);

while (@sessions) {
	shift @sessions;
	$fds--;
	wait_until(sub { worker_fds($t) == $fds }) or die "A session stays open\n";
}

my @clients = map {
	IO::Socket::INET->new('127.0.0.1:' . port(8081)) or die "Can't connect: $!\n"
} 1 .. 3;

my @taken;

ok(wait_until(sub { taken() == 3 }), 'handshakes under way');

my $pid = worker_pid($t);

reload($t);

ok(gone($pid), 'the worker ends');
is(scalar(grep { IO::Select->new($_)->can_read(5) } @clients), 3, 'its clients are closed');
is(taken(), 3, 'no other server was tried');

###############################################################################

sub session {
	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8110));

	replies($s, 1);

	return $s;
}

# How many connections the servers have had.

sub taken {
	push @taken, map { scalar $_->accept() } $servers->can_read(0);

	return scalar @taken;
}

###############################################################################
