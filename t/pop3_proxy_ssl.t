#!/usr/bin/perl

# TLS from the start to the backend (pop3_proxy_ssl on): what it is told, how much
# is relayed, and backends that do not speak it.

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

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(65);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_proxy_ssl                     on;
    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;

    server {
        listen          127.0.0.1:8110;
        listen          127.0.0.1:8995 ssl;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;

        ssl_certificate     %%TESTDIR%%/localhost.crt;
        ssl_certificate_key %%TESTDIR%%/localhost.key;
    }

    # the name

    server {
        listen          127.0.0.1:8111;
        protocol        pop3;
        pop3_proxy_pass backend.example.com:%%PORT_8211%%;
    }

    server {
        listen              127.0.0.1:8112;
        protocol            pop3;
        pop3_proxy_pass     127.0.0.1:8211;
        pop3_proxy_ssl_name other.example.com;
    }

    server {
        listen                     127.0.0.1:8113;
        protocol                   pop3;
        pop3_proxy_pass            backend.example.com:%%PORT_8211%%;
        pop3_proxy_ssl_server_name off;
    }

    # an end, and a beginning, of other kinds

    server {
        listen          127.0.0.1:8150;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8215;
        proxy_protocol  on;
    }

    server {
        listen                   127.0.0.1:8151;
        protocol                 pop3;
        pop3_proxy_pass          127.0.0.1:8216;
        pop3_proxy_ssl_protocols TLSv1.2;
    }

    server {
        listen          127.0.0.1:8152;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8216;
    }

    # lines in pieces, and long ones

    server {
        listen          127.0.0.1:8153;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8217;
    }

    server {
        listen          127.0.0.1:8154;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8218;
    }

    server {
        listen          127.0.0.1:8155;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8219;
    }

    # no TLS

    server {
        listen          127.0.0.1:8160;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8221;
    }

    server {
        listen          127.0.0.1:8161;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8222;
    }

    server {
        listen          127.0.0.1:8162;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8223;
    }

    server {
        listen          127.0.0.1:8163;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8224;
    }

    server {
        listen          127.0.0.1:8164;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8225;
        timeout         1s;
    }
}

EOC

my $dir = $t->testdir();
my $crlf = "\x0d\x0a";
my $big = join '', map { "$_ " . 'x' x 70 . $crlf } 1 .. 4000;

keep_certificates($dir);
issue('ca', ca => 1);
issue('localhost', by => 'ca',
	names => 'DNS:backend.example.com,DNS:other.example.com,IP:127.0.0.1');

start_backends($t,
	8211 => { tls => { ssl => 1 }, RETR => [$big, ['line', '.']] },
	8215 => { tls => { ssl => 1 }, proxy => 1 },
	8216 => { tls => { ssl => 1, cork => 1 } },
	8217 => { tls => { ssl => 1 }, greeting => [['bytes', "+OK ready$crlf"]],
		USER => [['bytes', "+OK user$crlf"]],
		PASS => [['bytes', "+OK logged in to backend$crlf"]] },
	8218 => { tls => { ssl => 1 }, greeting => '+OK ' . 'x' x 4090,
		USER => '+OK ' . 'x' x 4090 },
	8219 => { tls => { ssl => 1 }, greeting => '+OK ' . 'x' x 4091 },
	8221 => {},
	8222 => { greeting => ["\x16\x03\x03\xff\xff" . 'garbage' x 100] },
	8223 => { greeting => [['close']] },
	8224 => { greeting => [['wait', 0.1], ['drop']] },
	8225 => { greeting => [['wait', 60]] },
);

run_with_hosts($t, "127.0.0.1 backend.example.com\n");

###############################################################################

my $s;

# a login, and what it is told of the server's name

my $tls = logs_in($s = session(8110), 'address')->{tls};

is($tls->{version}, 'TLSv1_3', 'address - version');
is($tls->{sni}, '', 'address - no name');
is(command($s, 'NOOP'), '+OK noop', 'address - mailbox');

for my $case (
	[8111, 'name', 'backend.example.com'],
	[8112, 'pop3_proxy_ssl_name', 'other.example.com'],
	[8113, 'pop3_proxy_ssl_server_name off', ''],
) {
	my ($number, $name, $sni) = @$case;

	is(logs_in(session($number), $name)->{tls}{sni}, $sni, "$name - told");
}

# a message of more than a record, and more than nginx's buffer

logs_in($s = session(8110), 'long message');

$s->send('RETR 1');

ok(receive($s, length($big) + 3) eq $big . ".$crlf", 'long message - arrives');

$s = session(8995, SSL => 1);
login($s);
$s->send('RETR 1');

ok(receive($s, length($big) + 3) eq $big . ".$crlf",
	'long message, TLS on both sides - arrives');

# and the other way

$s->print("NOOP$crlf" x 5000);

ok(receive($s, 10 * 5000) eq "+OK noop$crlf" x 5000,
	'many commands, TLS on both sides - arrive');

# pipelined behind the login, and a second try in the same session

$s = session(8110);

segment($s, join '', map { $_ . $crlf } 'USER a', 'PASS wrong', 'USER b',
	'PASS secret', 'UIDL', 'QUIT');

is_deeply([replies($s, 8)], ['+OK', '-ERR [AUTH] invalid login or password',
	'+OK', '+OK logged in to backend', '+OK uidl', '1 first', '.',
	'+OK bye from backend'], 'pipelined');
ok(closed($s), 'pipelined - closed');
is((connections())[-2]{end}, 'notify', 'pipelined - end of the failed login');

# behind a PROXY header, and with the greeting right behind the handshake

$s = session(8150);
is(login($s), '+OK logged in to backend', 'PROXY protocol - login');

my $c = (connections_take())[-1];
my ($address, $port) = ($s->socket()->sockhost(), $s->socket()->sockport());

is($c->{lines}[0], "PROXY TCP4 $address 127.0.0.1 $port " . port(8150),
	'PROXY protocol - before TLS');
is($c->{lines}[1], 'USER test@example.com', 'PROXY protocol - in TLS');

logs_in(session(8151), 'greeting with the handshake, TLS 1.2');
logs_in(session(8152), 'greeting with the handshake, TLS 1.3');

# a record for each byte, and lines of more than is read at once

logs_in(session(8153), 'byte by byte');
logs_in(session(8154), 'long lines');
is_unavailable($t, session(8155), 'too long a line', qr/too long/, 8219);

# no TLS

for my $fault (
	[8160, 8221, 'in plain'],
	[8161, 8222, 'garbage'],
	[8162, 8223, 'closes'],
	[8163, 8224, 'closes in the handshake'],
) {
	my ($number, $backend, $name) = @$fault;

	is_unavailable($t, session($number), $name, qr/SSL|closed/, $backend);
}

is_timed_out($t, session(8164), 'stalls in the handshake', 8225);

undef $s;

###############################################################################
