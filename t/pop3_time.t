#!/usr/bin/perl

# The time before the login: `timeout` bounds it in all, Auth-Wait is waited for,
# worker_shutdown_timeout ends it, and no reply waits for an acknowledgement.

###############################################################################

use warnings;
use strict;

use IO::Socket::INET;
use Socket qw/ :DEFAULT IPPROTO_TCP TCP_NODELAY /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;
use POP3Servers;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl imap --with-debug/)->plan(21);

my $conf = <<'EOC';

%%TEST_GLOBALS%%

daemon off;

worker_shutdown_timeout 1s;

events {
}

mail {
    auth_http  127.0.0.1:8080;
    max_errors 1000;
    timeout    3s;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
        starttls on;
    }

    server {
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
    }

    server {
        listen            127.0.0.1:8120 sndbuf=4k;
        protocol          pop3;
        timeout           60s;
        pop3_capabilities %%LONG%%;
    }

    server {
        listen   127.0.0.1:8121 ssl;
        protocol pop3;
        timeout  60s;
    }

    server {
        listen   127.0.0.1:8143;
        protocol imap;
    }
}

EOC

$conf =~ s/%%LONG%%/join ' ', map { "X$_-" . 'x' x 60 } 100 .. 199/e;

$t->write_file_expand('nginx.conf', $conf);

create_certificate($t, 'localhost');
start_daemons($t);

$t->run();

###############################################################################

sub session {
	my ($number) = @_;

	return POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
}

sub pause {
	select undef, undef, undef, $_[0];
}

# failed logins do not give the client more time

my $s = session(8110);
my $failed = 0;

$s->ok('greeting');

while ($failed < 6 && command($s, 'USER wait@example.com') =~ /^\+OK/) {
	last if command($s, 'PASS wrong') !~ /^-ERR/;
	$failed++;
}

cmp_ok($failed, '>', 0, 'failed logins - the session is kept');
cmp_ok($failed, '<', 5, 'failed logins - until the time is over');
ok(closed($s), 'failed logins - closed');

# nor does silence behind one

$s = session(8110);
$s->read();
pause(1);
command($s, 'USER wait@example.com');
like(command($s, 'PASS wrong'), qr/^-ERR/, 'silence behind a failed login');
ok(closed($s, 2), 'silence behind a failed login - closed');

# nor TLS, from the start or later

$s = session(8995);
pause(2);
ok(starttls($s), 'late TLS - handshake');
like((replies($s, 1))[0], qr/^\+OK/, 'late TLS - greeting');
ok(closed($s, 2), 'late TLS - closed');

$s = session(8110);
$s->read();
command($s, 'STLS');
pause(2);
starttls($s);
like(command($s, 'NOOP'), qr/^\+OK/, 'late STLS - NOOP');
ok(closed($s, 2), 'late STLS - closed');

# a client that has once read late cannot cut Auth-Wait short

$s = session(8120);
$s->read();
$s->print("CAPA\x0d\x0a" x 100);
pause(0.5);
multiline($s) for 1 .. 100;

command($s, 'USER wait4@example.com');
$s->send('PASS wrong');
pause(0.5);
$s->print('N');
ok(!$s->can_read(1), 'Auth-Wait - not over with the next byte');
like((replies($s, 1))[0], qr/^-ERR/, 'Auth-Wait - refused when it is over');
undef $s;

# nothing waits for the acknowledgement of what has gone before: what an accepted
# connection has from the socket that listens is not set again, and other protocols
# have their own way

my $log = $t->read_file('error.log');

like($log, qr/sends without delay: "127.0.0.1:$_"/, "sent at once - $_")
	for map { port($_) } 8110, 8995;
unlike($log, qr/sends without delay: "127.0.0.1:${\port(8143)}"/, 'sent at once - not IMAP');
unlike($log, qr/tcp_nodelay/, 'sent at once - nothing for each connection');

socket(my $socket, PF_INET, SOCK_STREAM, 0);
setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
bind($socket, pack_sockaddr_in(0, INADDR_LOOPBACK));
listen($socket, 1);
my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	PeerPort => (unpack_sockaddr_in(getsockname($socket)))[0]);
accept(my $accepted, $socket);
ok(unpack('i', getsockopt($accepted, IPPROTO_TCP, TCP_NODELAY)),
	'sent at once - connections inherit it');

# sessions that nginx itself is at work with when the shutdown's time is over

my $idle = session(8120);
my $wait = session(8120);
my $handshake = session(8121);

$idle->read();
$wait->read();
command($wait, 'USER wait4@example.com');
$wait->send('PASS wrong');

reload($t);

ok(closed($idle), 'shutdown - an idle session');
starttls($handshake);
ok(closed($handshake, 2), 'shutdown - no greeting behind a TLS handshake');
replies($wait, 1);
ok(closed($wait, 4), 'shutdown - a session behind Auth-Wait');

###############################################################################
