#!/usr/bin/perl

# What a backend that offers [XCLIENT] is told of the client (pop3_proxy_xclient),
# and those that do not offer it, or refuse it.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket qw/ SOL_SOCKET SO_RCVTIMEO /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Certificates;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(89);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_proxy_xclient on;
    pop3_proxy_pass    127.0.0.1:8211;

    starttls            on;
    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;

    server {
        listen   127.0.0.1:8110;
        listen   127.0.0.1:8995 ssl;
        listen   [::1]:%%PORT_8111%%;
        listen   %%PORT_8114%%;
        listen   unix:%%TESTDIR%%/client;
        listen   127.0.0.1:8112 proxy_protocol;
        protocol pop3;

        set_real_ip_from 127.0.0.1;
    }

    # off

    server {
        listen             127.0.0.1:8113;
        protocol           pop3;
        pop3_proxy_xclient off;
    }

    # in TLS, and behind a PROXY header

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8212;
        pop3_proxy_ssl  on;
    }

    server {
        listen          127.0.0.1:8121;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8213;
        pop3_proxy_ssl  starttls;
    }

    server {
        listen          127.0.0.1:8122;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8214;
        proxy_protocol  on;
    }

    # offered elsewhere than in the greeting's code, or not at all

    server {
        listen          127.0.0.1:8130;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8221;
    }

    server {
        listen          127.0.0.1:8131;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8222;
    }

    server {
        listen          127.0.0.1:8132;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8223;
    }

    # offered, and then not granted

    server {
        listen          127.0.0.1:8140;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8231;
    }

    server {
        listen          127.0.0.1:8141;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8232;
    }

    server {
        listen          127.0.0.1:8142;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8233;
    }

    server {
        listen          127.0.0.1:8143;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8234;
    }

    server {
        listen          127.0.0.1:8144;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8235;
        pop3_proxy_ssl  starttls;
    }
}

EOC

my $dir = $t->testdir();
my $crlf = "\x0d\x0a";

keep_certificates($dir);
issue('ca', ca => 1);
issue('localhost', by => 'ca', names => 'IP:127.0.0.1');

my $ready = '+OK [XCLIENT] ready';

start_backends($t,
	8211 => { greeting => $ready },
	8212 => { greeting => $ready, tls => { ssl => 1 } },
	8213 => { greeting => $ready, tls => {} },
	8214 => { greeting => $ready, proxy => 1 },
	8221 => { greeting => '+OK ready, [XCLIENT]' },
	8222 => { greeting => '+OK ready' },
	8223 => { greeting => '+OK XCLIENT is what I do not know' },
	8231 => { greeting => $ready, XCLIENT => '-ERR Invalid parameters' },
	8232 => { greeting => $ready, XCLIENT => '220 ready' },
	8233 => { greeting => $ready, XCLIENT => [['close']] },
	8234 => { greeting => $ready, XCLIENT => "+OK updated$crlf$ready" },
	8235 => { greeting => $ready, tls => {}, XCLIENT => '-ERR no' },
);

$t->run();

###############################################################################

my $s;

# A login on the session, or its reply, with what else the backend is told before
# XCLIENT.  Returns the line of that.

sub told {
	my ($name, %args) = @_;

	connections_take() unless $args{reply};
	is($args{reply} // login($s), '+OK logged in to backend', "$name - login");

	my ($c) = connections_take();
	my @lines = @{$c->{lines} // []};
	my ($line) = grep { /^XCLIENT\b/ } @lines;

	is_deeply([map { s/^(XCLIENT) .*/$1/r } @lines],
		[$args{before} // (), 'XCLIENT', 'USER test@example.com', 'PASS secret'],
		"$name - order");
	is_deeply($c->{early}, [], "$name - nothing ahead of its turn");

	return $line // '';
}

# The reply to the PASS of a login on another socket than POP3Session can have.

sub login_on {
	my ($socket) = @_;

	my $line = '';

	connections_take();

	$socket->setsockopt(SOL_SOCKET, SO_RCVTIMEO, pack 'l!l!', 8, 0);
	$socket->autoflush(1);
	$socket->print("USER test\@example.com${crlf}PASS secret$crlf");

	$line = $socket->getline() // '' for 1 .. 3;

	return $line =~ s/$crlf\z//r;
}

# The line, but for the name of the session.

sub line {
	my ($transport, @address) = @_;

	my ($host, $port, $dest_host, $dest_port) = @address;

	return qr/^XCLIENT
		\ ADDR=\Q$host\E\ PORT=\Q$port\E
		\ DESTADDR=\Q$dest_host\E\ DESTPORT=\Q$dest_port\E
		\ SESSION=([A-Za-z0-9._+\/-]{1,64})
		\ CLIENT-TRANSPORT=$transport$/x;
}

sub own_address {
	return ($s->socket()->sockhost(), $s->socket()->sockport());
}

# plain, STLS and TLS to us

my %names;

for my $i (1 .. 2) {
	$s = session(8110);

	my $line = told("plain, $i");

	like($line, line('insecure', own_address(), '127.0.0.1', port(8110)),
		"plain, $i - line");
	$names{$1} = 1 if $line =~ /SESSION=(\S+)/;
}

is(scalar keys %names, 2, 'plain - each session has its own name');

$s = session(8110, LocalAddr => '127.0.0.5');
like(told('another address'), line('insecure', own_address(), '127.0.0.1',
	port(8110)), 'another address - line');

# which address of all that it listens on

$s = session(8114);
like(told('any address'), line('insecure', own_address(), '127.0.0.1',
	port(8114)), 'any address - line');

$s = session(8110);
command($s, 'STLS');
starttls($s);
like(told('STLS'), line('TLS', own_address(), '127.0.0.1', port(8110)),
	'STLS - line');

$s = session(8995, SSL => 1);
like(told('TLS'), line('TLS', own_address(), '127.0.0.1', port(8995)),
	'TLS - line');

# IPv6 stands without brackets, and without Postfix's IPV6:

my $v6 = IO::Socket::IP->new(PeerAddr => '::1', PeerPort => port(8111))
	or die "Can't connect to [::1]: $@\n";

like(told('IPv6', reply => login_on($v6)),
	line('insecure', '::1', $v6->sockport(), '::1', port(8111)), 'IPv6 - line');

# a client that has no address

my $unix = IO::Socket::UNIX->new(Peer => "$dir/client")
	or die "Can't connect to the socket: $!\n";

like(told('unix socket', reply => login_on($unix)),
	qr/^XCLIENT SESSION=\S+ CLIENT-TRANSPORT=insecure$/, 'unix socket - line');

# the client that a balancer speaks for

for my $family ('4 192.0.2.9 192.0.2.1', '6 2001:db8::9 2001:db8::1') {
	$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8112));
	$s->print("PROXY TCP$family 1234 110$crlf");
	$s->read();

	my ($host) = $family =~ / (\S+)/;

	like(told("balancer, $host"), qr/^XCLIENT ADDR=\Q$host\E PORT=1234 /,
		"balancer, $host - line");
}

# a second try has a connection of its own, with the same line

$s = session(8110);
connections_take();
login($s, 'wrong');
is(login($s), '+OK logged in to backend', 'second try - login');

my @lines = map { grep { /^XCLIENT/ } @{$_->{lines}} } connections_take();

is(scalar @lines, 2, 'second try - each is told');
is($lines[0], $lines[1], 'second try - the same');

# in TLS, which comes first, and behind a PROXY header

$s = session(8120);
like(told('TLS to the backend'), qr/CLIENT-TRANSPORT=insecure$/,
	'TLS to the backend - line');

$s = session(8121);
like(told('STLS at the backend', before => 'STLS'),
	qr/CLIENT-TRANSPORT=insecure$/, 'STLS at the backend - line');

$s = session(8122);
my ($host, $port) = own_address();
like(told('PROXY protocol',
	before => "PROXY TCP4 $host 127.0.0.1 $port " . port(8122)),
	qr/ADDR=\Q$host\E PORT=$port /, 'PROXY protocol - line');

# wherever it stands in the greeting

$s = session(8130);
like(told('end of the greeting'), qr/^XCLIENT ADDR=/,
	'end of the greeting - line');

# not offered: goes on without, and says so at level info

for my $case ([8131, 'not offered', 1], [8132, 'not as a code', 1],
	[8113, 'off', 0])
{
	my ($number, $name, $told) = @$case;

	connections_take();
	$s = session($number);

	my $before = length $t->read_file('error.log');

	is(login($s), '+OK logged in to backend', "$name - login");
	is_deeply((connections_take())[-1]{lines},
		['USER test@example.com', 'PASS secret'], "$name - order");

	my $log = substr $t->read_file('error.log'), $before;

	is(scalar(() = $log =~ /\[info\] .*XCLIENT.*, upstream: 127\.0\.0\.1:\d+$/mg),
		$told, "$name - error log");
}

# offered, but not granted

for my $case (
	[8140, 8231, 'refused', qr/XCLIENT.*Invalid parameters|XCLIENT/],
	[8141, 8232, 'no reply', qr/invalid/],
	[8142, 8233, 'closed', qr/closed/],
	[8143, 8234, 'second greeting', qr/ahead of its turn/],
	[8144, 8235, 'refused in TLS', qr/XCLIENT/],
) {
	my ($number, $backend, $name, $reason) = @$case;

	is_unavailable($t, session($number), $name, $reason, $backend);
}

undef $s;

###############################################################################
