#!/usr/bin/perl

# A worker whose connections are all taken: sessions that are silent before their login
# make room for others, those first that have been so for longest, and no session with
# something under way does.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Select;
use IO::Socket::INET;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;
use POP3Backend;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $CROWD = 600;    # silent sessions of each of two processes
my $GROUPS = 20;    # of logins, before each of which as many silent sessions come
my $EACH = 25;
my $CLOSED = 'closed to make room for another connection';

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')->plan(18);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

worker_rlimit_nofile 2048;

events {
    worker_connections 1000;
}

mail {
    error_log       %%TESTDIR%%/mail.log info;
    timeout         5m;
    starttls        on;
    pop3_proxy_pass 127.0.0.1:8211;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
    }
}

EOC

create_certificate($t, 'localhost');

# The login "held" stands still at the backend until this file is there.

my $dir = $t->testdir();

start_backends($t, 8211 => { logins => {
	held => { PASS => [['until', "$dir/go"], ['line', '+OK logged in at last']] },
} });

$t->run();

###############################################################################

my $port = port(8110);

# these come first: nothing else saves them

my $relayed = session();
ok(login($relayed, 'first'), 'relayed - logged in');

my $secure = session();
command($secure, 'STLS');
starttls($secure);
ok(login($secure, 'second'), 'relayed in TLS - logged in');

my $held = session();
command($held, 'USER held');
$held->send('PASS secret');

my $stls = session();
command($stls, 'STLS');

my $half = session();
command($half, 'STLS');
$half->print("\x16\x03\x01\x02");

# and these have to go

my $user = session();
command($user, 'USER begun@example.com');

my $tls = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8995));
starttls($tls);
$tls->read();

crowd($t, 'one');

my $noop = session();

crowd($t, 'two');

ok(ended($user->socket()), 'between USER and PASS - closed');

# whether TLS is taken leave of is all the same: nginx waits three seconds for that

open my $socket, '+<&=', fileno $tls->socket() or die "Can't use the socket: $!\n";
ok(ended($socket, 1), 'silent in TLS - closed at once');

my (@late, $logins, $noops);

for (1 .. $GROUPS) {
	push @late, map { silent() } 1 .. $EACH;
	$noops += command($noop, 'NOOP') =~ /^\+OK/;
	$logins += logins(map { "user$_" } 1 .. $EACH);
}

is($logins, $GROUPS * $EACH, 'logins of a full worker');
is($noops, $GROUPS, 'speaks from time to time - is left alone');

# what was under way goes on

$t->write_file('go', '');
is((replies($held, 1))[0], '+OK logged in at last', 'in a login - logged in');
like(command($held, 'STAT'), qr/^\+OK 1 /, 'in a login - relayed');

ok(starttls($stls), 'before a TLS handshake - handshake');
ok(login($stls, 'third'), 'before a TLS handshake - logged in');

# nginx-patches/05-mail-reusable.patch

is(ended($half->socket()), $ENV{TEST_NGINX_PATCHED} ? 1 : 0,
	'in a TLS handshake - whether it is closed');
like(command($relayed, 'STAT'), qr/^\+OK 1 /, 'relayed - goes on');
like(command($secure, 'STAT'), qr/^\+OK 1 /, 'relayed in TLS - goes on');

# one line for each of those that were closed, and none of nginx's own for others

$t->write_file('count', '');

my $closed = 2 + grep { ended($_) } @late;
$closed += count($t, $_) for 'one', 'two';

my @lines = grep { /\Q$CLOSED/ } split /\n/, $t->read_file('mail.log');
my ($begun) = grep { /begun/ } @lines;
my %numbers = map { /(\*\d+) / ? ($1 => 1) : () } @lines;

is(@lines, $closed, 'closed sessions - a line each');
is(keys %numbers, @lines, 'closed sessions - one line');
like($begun, qr/\[info\] \S+ \*\d+ \Q$CLOSED\E while in auth state, client: 127\.0\.0\.1,/,
	'closed sessions - what the line says');
like($begun, qr/, server: \S+, login: "begun\@example\.com"$/,
	'closed sessions - whom it names');
ok($t->read_file('error.log') =~ /\[warn\] .* reusing connections$/m,
	'nginx says that it is full');

# nginx ends with the last session

undef $_ for $relayed, $secure, $held, $stls, $half, $noop;
@late = ();

###############################################################################

sub session {
	my $s = POP3Session->new(PeerAddr => "127.0.0.1:$port");
	$s->read();

	return $s;
}

sub login {
	my ($s, $login) = @_;

	return command($s, "USER $login") =~ /^\+OK/
		&& command($s, 'PASS secret') =~ /^\+OK logged in/;
}

# Logs in as all of these at once; how many of them have come to their mailbox.

sub logins {
	my @all = map { { s => session(), login => $_ } } @_;

	for my $line ('USER', 'PASS secret', 'STAT') {
		$_->{s}->send($line eq 'USER' ? "USER $_->{login}" : $line) for @all;
		$_->{last} = (replies($_->{s}, 1))[0] // '' for @all;
	}

	return scalar grep { $_->{last} =~ /^\+OK 1 / } @all;
}

# A session that says nothing. Its greeting has come.

sub silent {
	my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
		or die "Can't connect: $!\n";

	IO::Select->new($socket)->can_read(8) && sysread $socket, my $greeting, 512;

	return $socket;
}

# Whether the server has closed it; what it has sent before is of no interest.

sub ended {
	my ($socket, $seconds) = @_;

	my $select = IO::Select->new($socket);

	while ($select->can_read($seconds // 0)) {
		return 1 unless sysread $socket, my $bytes, 16384;
	}

	return 0;
}

# Silent sessions of another process, which has a limit of descriptors of its own.

sub crowd {
	my ($t, $name) = @_;

	$t->run_daemon(sub {
		my @sockets = map { silent() } 1 .. $CROWD;

		put("$name.ready", '');
		wait_until(sub { -e "$dir/count" }, 300);
		put("$name.closed", scalar grep { ended($_) } @sockets);
	});

	wait_until(sub { -e "$dir/$name.ready" }, 60) or die "No crowd\n";
}

sub put {
	my ($name, $text) = @_;

	open my $fh, '>', "$dir/$name.new" or die "Can't write $name: $!\n";
	print $fh $text;
	close $fh;
	rename "$dir/$name.new", "$dir/$name" or die "Can't write $name: $!\n";
}

sub count {
	my ($t, $name) = @_;

	wait_until(sub { -e "$dir/$name.closed" }, 60) or die "No count\n";

	return $t->read_file("$name.closed");
}

###############################################################################
