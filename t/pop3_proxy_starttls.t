#!/usr/bin/perl

# STLS at the backend (pop3_proxy_ssl starttls; RFC 2595, section 4): what is sent
# before TLS and in it, and backends that refuse it or get it wrong.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Certificates;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl');
my $dir = $t->testdir();
my $crlf = "\x0d\x0a";

# What the backend answers to STLS, and why it fails then.

my %faults = (
	'refused' => ['-ERR [SYS/TEMP] not now', qr/STLS/],
	'absent' => ['-ERR unknown command', qr/STLS/],
	'no reply' => ['* OK begin', qr/invalid/],
	'control character' => ["+OK begin\x07", qr/control character/],
	'too long' => ['+OK ' . 'x' x 5000, qr/too long/],
	'closed' => [[['close']], qr/closed/],
	'reset' => [[['reset']], qr/closed|reset/],
	'closed after the reply' => [[['line', '+OK begin'], ['close']],
		qr/closed|SSL|reset/],

	# what was sent in plain must not count in TLS

	'reply injected' => [["+OK begin$crlf+OK user$crlf", ['tls']],
		qr/ahead of its turn/],
	'greeting injected' => [["+OK begin$crlf+OK ready$crlf", ['tls']],
		qr/ahead of its turn/],
	'half a reply injected' => [["+OK begin$crlf+O", ['tls']],
		qr/ahead of its turn/],
	'a byte injected' => [["+OK begin$crlf\x0a", ['tls']], qr/ahead of its turn/],
	'TLS ahead' => [["+OK begin$crlf\x16\x03\x03"], qr/ahead of its turn/],
	'injected later' => [[['line', '+OK begin'], ['wait', 0.1], "+OK user$crlf",
		['tls']], qr/SSL/],
	'goes on in plain' => [[['line', '+OK begin'], ['wait', 0.1],
		['line', '+OK backend ready'], ['line', '+OK user']], qr/SSL/],
	'garbage' => [[['line', '+OK begin'], ['wait', 0.1],
		"\x16\x03\x03\xff\xff" . 'garbage' x 100], qr/SSL/],
);

my @faults = sort keys %faults;
my $servers = '';
my %backends;

for my $i (0 .. $#faults) {
	my $number = 8300 + $i;

	$backends{$number} = { tls => {}, STLS => $faults{$faults[$i]}[0] };
	$servers .= "server { listen 127.0.0.1:" . (8120 + $i) . "; protocol pop3;"
		. " pop3_proxy_pass 127.0.0.1:$number; }\n";
}

$t->write_file_expand('nginx.conf', <<"EOC");

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_proxy_ssl                     starttls;
    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;

    server {
        listen          127.0.0.1:8110;
        protocol        pop3;
        pop3_proxy_pass backend.example.com:%%PORT_8211%%;
    }

    server {
        listen          127.0.0.1:8111;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8212;
        proxy_protocol  on;
    }

    server {
        listen          127.0.0.1:8112;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8213;
    }

    # without STLS, and without the right certificate

    server {
        listen          127.0.0.1:8113;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8214;
    }

    server {
        listen          127.0.0.1:8114;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
        pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/stranger.crt;
    }

    server {
        listen          127.0.0.1:8115;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
        pop3_proxy_ssl_name www.example.com;
    }

    # TLS from the start is another thing

    server {
        listen          127.0.0.1:8116;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8215;
        timeout         1s;
    }

    server {
        listen          127.0.0.1:8117;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8216;
        timeout         1s;
    }

    $servers
}

EOC

$t->plan(26 + 3 * 4 + 2 * 3 + 4 * @faults);

keep_certificates($dir);
issue($_, ca => 1) for qw/ ca stranger /;
issue('localhost', by => 'ca', 
	names => 'DNS:backend.example.com,IP:127.0.0.1');

start_backends($t,
	8211 => { tls => {} },
	8212 => { tls => {}, proxy => 1 },
	8213 => { tls => {}, greeting => [['bytes', "+OK ready$crlf"]],
		STLS => [['bytes', "+OK begin$crlf"], ['tls']] },
	8214 => {},
	8215 => { tls => { ssl => 1 } },
	8216 => { STLS => [['line', '+OK begin'], ['wait', 60]] },
	%backends);

run_with_hosts($t, "127.0.0.1 backend.example.com\n");

###############################################################################

my $s;

my $tls = logs_in($s = session(8110), 'STLS', 'STLS')->{tls};

is($tls->{version}, 'TLSv1_3', 'STLS - version');
is($tls->{sni}, 'backend.example.com', 'STLS - name');
is($tls->{reused}, 0, 'STLS - session is new');
is(command($s, 'STAT'), '+OK 1 23', 'STLS - mailbox');

is(logs_in($s = session(8110), 'STLS again', 'STLS')->{tls}{reused}, 1,
	'STLS again - session is used again');

# the client's end, and the backend's

undef $s;
ok(wait_until(sub { ((connections())[-1]{end} // '') eq 'notify' }),
	'client leaves - close_notify');

logs_in($s = session(8110), 'QUIT', 'STLS');
is(command($s, 'QUIT'), '+OK bye from backend', 'QUIT - reply');
ok(closed($s), 'QUIT - closed');

# each password has a connection of its own

connections_take();
$s = session(8110);

segment($s, join '', map { $_ . $crlf } 'USER a', 'PASS wrong', 'USER b',
	'PASS secret', 'STAT');

is_deeply([replies($s, 5)], ['+OK', '-ERR [AUTH] invalid login or password',
	'+OK', '+OK logged in to backend', '+OK 1 23'], 'second try - replies');
is_deeply([map { [grep { !/STAT/ } @{$_->{lines}}] } connections_take()],
	[['STLS', 'USER a', 'PASS wrong'], ['STLS', 'USER b', 'PASS secret']],
	'second try - what the backend is told');

# behind a PROXY header, and byte by byte

$s = session(8111);

my ($address, $port) = ($s->socket()->sockhost(), $s->socket()->sockport());
my $c = logs_in($s, 'PROXY protocol',
	"PROXY TCP4 $address 127.0.0.1 $port " . port(8111), 'STLS');

is($c->{tls}{version}, 'TLSv1_3', 'PROXY protocol - TLS');

logs_in(session(8112), 'byte by byte', 'STLS');

# what fails, and that nothing is told then

is_unavailable($t, session(8113), 'backend without TLS', qr/STLS/, 8214);
is_unavailable($t, session(8114), 'unknown authority',
	qr/unable to get local issuer certificate/, 8211);
is_unavailable($t, session(8115), 'wrong name', qr/certificate does not match|mismatch/,
	8211);

for my $i (0 .. $#faults) {
	my $name = $faults[$i];

	is_unavailable($t, session(8120 + $i), $name, $faults{$name}[1], 8300 + $i);
}

# and what never comes

is_timed_out($t, session(8116), 'TLS from the start', 8215);
is_timed_out($t, session(8117), 'no handshake', 8216);

undef $s;

###############################################################################
