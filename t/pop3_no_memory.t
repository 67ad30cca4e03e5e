#!/usr/bin/perl

# Tests for allocations that fail: each one of a session in its turn, until the
# session has no more of them.  The client gets a reply or a closed session,
# the worker lives, and the next session is served.  With TLS of the client it
# begins after the handshake: what fails in there is OpenSSL's and ends in alerts.
# The handshake with a backend is a part of the login, and fails like that.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Auth;
use POP3Backend;
use POP3Proxy;
use POP3Users;

###############################################################################

my $CRLF = "\x0d\x0a";

# Name, port, bytes sent after the greeting (each piece of its own), and the
# last reply of a session that had all the memory it wanted.  Where the handshake with
# a backend is part of it, nearly all allocations are OpenSSL's, and the same ones: the
# first that fails there, and the step to the next, so that each has others.

my $list = qr/^\+OK methods.*^\.\x0d\x0a/ms;

# A login that fails leaves the session: QUIT ends it in any case.

my $bye = qr/^\+OK 1 \d+\x0d\x0a\+OK bye/m;

sub at_backend {
	my ($login) = @_;

	return ($bye, lines("USER $login", 'PASS secret', 'STAT', 'QUIT'));
}

sub lines {
	return join '', map { $_ . $CRLF } @_;
}

my %steps = (8150 => [1, 3], 8160 => [2, 3], 8170 => [3, 3], 8180 => [2, 3]);

my @dialogues = (
	['USER and PASS', 8110, $bye, map { lines($_) }
		'USER test@example.com', 'PASS secret', 'STAT', 'QUIT'],
	['AUTH PLAIN', 8110, $bye, map { lines($_) } 'AUTH PLAIN',
		sasl_plain('', 'test@example.com', 'secret'), 'STAT', 'QUIT'],
	['AUTH LOGIN', 8110, $bye, map { lines($_) } 'AUTH LOGIN',
		b64('test@example.com'), b64('secret'), 'STAT', 'QUIT'],
	['pipelining across the login', 8110, $bye,
		lines('CAPA', 'USER test@example.com', 'PASS secret', 'STAT', 'QUIT')],
	['a line in pieces', 8110, $list,
		'NO', 'OP ' . 'x' x 300, 'x' x 600, $CRLF, "AUTH$CRLF"],
	['a challenge', 8114, $list, "AUTH CRAM-MD5$CRLF", "*$CRLF", "AUTH$CRLF"],
	['implicit TLS', 8995, $list, "CAPA$CRLF", "NO", "OP${CRLF}AUTH$CRLF"],
	['a backend', 8120, at_backend('test')],
	['a backend, line by line', 8120, $bye, map { lines($_) }
		'USER test', 'PASS secret', 'STAT', 'QUIT'],
	['a backend, AUTH PLAIN', 8120, $bye,
		lines('AUTH PLAIN ' . sasl_plain('', 'test', 'secret'), 'STAT', 'QUIT')],
	['a backend, refused and right', 8120, $bye, lines('USER test', 'PASS wrong',
		'USER test', 'PASS secret', 'STAT', 'QUIT')],
	['a backend, much sent ahead', 8120, $bye, lines('USER test', 'PASS secret',
		('NOOP') x 200, 'STAT', 'QUIT')],
	['a backend, long replies', 8120, at_backend('long')],
	['a backend, more than the client takes', 8120, $bye,
		lines('USER much', 'PASS secret', 'UIDL', 'STAT', 'QUIT')],
	['a backend that closes', 8120, qr/available$CRLF.*^\+OK$CRLF\z/ms,
		lines('USER closes', 'PASS secret', 'QUIT')],
	['a backend, PROXY protocol', 8130, at_backend('test')],
	['the next backend', 8140, at_backend('test')],
	['TLS to a backend', 8150, at_backend('test')],
	['TLS to a backend, once more', 8160, at_backend('test')],
	['STLS at a backend', 8170, at_backend('test')],
	['auth_http, kept', 8190, at_backend('test')],
	['auth_http, a long reply', 8190, at_backend('long reply')],
	['auth_http, a password of its own', 8190, $bye,
		lines('APOP any ' . 'f' x 32, 'STAT', 'QUIT')],
	['auth_http, refused', 8190, qr/^-ERR \[AUTH\] Invalid.*$CRLF\z/m,
		lines('USER test', 'PASS wrong')],
	['auth_http, no reply', 8190, qr/internal server error$CRLF.*^\+OK$CRLF\z/ms,
		lines('USER closes', 'PASS secret', 'QUIT')],
	['a file, text', 8200, at_backend('text')],
	['a file, base64', 8200, at_backend('base64')],
	['a file, hash', 8200, at_backend('hash')],
	['a file, refused and right', 8200, $bye, lines('USER hash', 'PASS wrong',
		'USER text', 'PASS secret', 'STAT', 'QUIT')],
	['a file, nobody', 8200, qr/^-ERR \[AUTH\] invalid.*^\+OK$CRLF\z/ms,
		lines('USER nobody', 'PASS secret', 'QUIT')],
	['TLS that is not trusted', 8180, qr/available$CRLF.*^\+OK$CRLF\z/ms,
		lines('USER never', 'PASS secret', 'QUIT')],
);

# One of the addresses of this name has a backend, and which is the first one of
# a login changes.

my @addresses = map { "127.0.0.$_" } 2 .. 4;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)
	->plan(3 * @dialogues + 10);

my $d = $t->testdir();

$t->write_file_expand('nginx.conf', <<'EOF');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http            http://127.0.0.1:8080/;
    pop3_log             sessions.log;

    ssl_certificate      localhost.crt;
    ssl_certificate_key  localhost.key;

    timeout  10m;

    pop3_limit_zone  32k;
    pop3_limit_conn  1000;

    pop3_proxy_ssl_trusted_certificate  localhost.crt;
    pop3_proxy_ssl_name                 localhost;

    server {
        listen     127.0.0.1:8110;
        protocol   pop3;
    }

    server {
        listen     127.0.0.1:8114;
        protocol   pop3;
        pop3_auth  plain cram-md5;
    }

    server {
        listen     127.0.0.1:8995 ssl;
        protocol   pop3;
    }

    server {
        listen           127.0.0.1:8120 sndbuf=4k;
        protocol         pop3;
        pop3_proxy_pass  127.0.0.1:8211;
    }

    server {
        listen           127.0.0.1:8130;
        protocol         pop3;
        proxy_protocol   on;
        pop3_proxy_pass  127.0.0.1:8212;
    }

    server {
        listen           127.0.0.1:8140;
        protocol         pop3;
        pop3_proxy_pass  next.test:%%PORT_8211%%;
    }

    server {
        listen                        127.0.0.1:8150;
        protocol                      pop3;
        error_log                     %%TESTDIR%%/tls.log info;
        pop3_proxy_pass               127.0.0.1:8213;
        pop3_proxy_ssl                on;
        pop3_proxy_ssl_session_reuse  off;
    }

    server {
        listen           127.0.0.1:8160;
        protocol         pop3;
        error_log        %%TESTDIR%%/tls.log info;
        pop3_proxy_pass  127.0.0.1:8213;
        pop3_proxy_ssl   on;
    }

    server {
        listen           127.0.0.1:8170;
        protocol         pop3;
        error_log        %%TESTDIR%%/tls.log info;
        pop3_proxy_pass  127.0.0.1:8214;
        pop3_proxy_ssl   starttls;
    }

    server {
        listen                    127.0.0.1:8190;
        protocol                  pop3;
        auth_http                 127.0.0.1:8280;
        pop3_auth                 plain apop;
        pop3_auth_http_keepalive  2;
    }

    server {
        listen               127.0.0.1:8200;
        protocol             pop3;
        pop3_auth_user_file  users;
        pop3_proxy_pass      127.0.0.1:8211;
    }

    server {
        listen               127.0.0.1:8180;
        protocol             pop3;
        error_log            %%TESTDIR%%/tls.log info;
        pop3_proxy_pass      127.0.0.1:8213;
        pop3_proxy_ssl       on;
        pop3_proxy_ssl_name  other.test;
    }
}

EOF

create_certificate($t, 'localhost');
write_users($t, 'users', join '', map { "$_->[0]:" . hashed($_->[1], 'secret') . "\n" }
	['text', '{PLAIN}'], ['base64', '{PLAIN.b64}'], ['hash', '$6$']);
fail_at(0);
$t->write_file('hosts', join '', map { "$_ next.test\n" } @addresses);

system("cc -shared -fPIC -fno-builtin -o $d/fail_malloc.so lib/fail_malloc.c -ldl") == 0
	or die "Can't build fail_malloc.so: install gcc\n";

{
	local $ENV{LD_PRELOAD} = "$d/fail_malloc.so libnss_wrapper.so";
	local $ENV{NSS_WRAPPER_HOSTS} = "$d/hosts";
	local $ENV{FAIL_MALLOC} = "$d/countdown";
	$t->run();
}

start_daemons($t);

start_auth($t, 8280 => { logins => {
	'long reply' => sub { kept($_[0], 'X: ' . 'x' x 4000, route()) },
	'any'        => sub { kept($_[0], route('Auth-Pass: secret')) },
	'closes'     => [['close']],
} });

my $backend = { logins => {
	long   => { USER => '+OK ' . 'x' x 900, PASS => '+OK ' . 'x' x 3000 },
	much   => { UIDL => ["+OK$CRLF", map { "$_ " . 'x' x 70 . $CRLF } 1 .. 4000] },
	closes => { USER => [['close']] },
} };

start_backends($t,
	8211 => $backend,
	"$addresses[1]:8211" => $backend,
	8212 => { proxy => 1 },
	8213 => { tls => { ssl => 1 } },
	8214 => { tls => {} },
);

# What OpenSSL makes once is made, and so is what nginx makes at a first session.

play($_->[1], 0, @$_[2 .. $#$_]) for @dialogues;

# Sessions that nothing of what follows concerns.

my %others = (
	'relayed'           => session(8120, 'USER test', 'PASS secret'),
	'relayed, with TLS' => session(8160, 'USER test', 'PASS secret'),
	'begun'             => session(8170, 'USER test'),
);

my $errors = join '|', '\[SYS/TEMP\] (?:internal|mail server is not available)',
	'\[AUTH\] [Ii]nvalid login or password', 'authentication cancelled',
	'command not valid in this state';

my $worker = worker_pid($t);
my $fds = settled_fds($t);

for my $dialogue (@dialogues) {
	my ($name, $port, $last, @pieces) = @$dialogue;
	my ($first, $step) = @{$steps{$port} // [1, 1]};
	my ($n, $bad, $broken, $left) = ($first - $step, '', 0, 0);

	# those of one session may be fewer than those of the next

	while ($left < @addresses) {
		my ($end, $in) = play($port, $n += $step, $last, @pieces);

		$bad .= "[$n: $end, $in]" if $end eq 'stuck' || $in =~ m{^-ERR (?!$errors)}m;
		$left = left() ? $left + 1 : 0;
		$broken++ if $end eq 'closed' && !$left;
	}

	is($bad, '', "$name - a reply or a closed session");
	cmp_ok($broken, '>', 1, "$name - allocations did fail");
	is((play($port, 0, $last, @pieces))[0], 'done', "$name - next session served");
}

is(worker_pid($t), $worker, 'the worker lives');

like(command($others{$_}, 'STAT'), qr/^\+OK 1/, "$_ - goes on")
	for grep { /relayed/ } sort keys %others;
is(command($others{begun}, 'PASS secret'), '+OK logged in to backend',
	'begun - login');
undef %others;
ok(wait_until(sub { worker_fds($t) <= $fds - 5 }), 'no descriptor is left open');

ok(wait_until(sub { !grep { !$_->{end} } connections() }),
	'no backend is left open');

is_deeply([grep { "@{$_->{lines}}" =~ /never/ } connections()], [],
	'TLS that is not trusted - no login there');

# Each session was counted once, if it was: one may have a session now.

$t->write_file('nginx.conf', $t->read_file('nginx.conf')
	=~ s/(pop3_limit_conn +)1000/${1}1/r);
reload($t);
wait_until(sub { worker_pid($t) != $worker });
ok(wait_until(sub {
	return POP3Session->new(PeerAddr => '127.0.0.1:' . port(8110))->read() =~ /^\+OK/;
}), 'none is counted');

like($t->read_file('sessions.log'), qr/ error$/m, 'an error of ours - end of a session');

# What OpenSSL could not do is nginx's to log, at such a level.

# OpenSSL 3.5 says less of what fails: it ends the handshake, or goes on and leaves that

my $openssl = qr/SSL_\w+\(\)\ failed\ \(
	|ignoring\ stale\ global\ SSL\ error\ .*:malloc\ failure
	|peer\ closed\ connection\ in\ SSL\ handshake\ \(12:\ /x;

is(join('', $t->read_file('tls.log') =~ /^.*\[alert\](?!.*$openssl).*\n/gm), '',
	'TLS - no alerts of ours');

undef $t;

###############################################################################

sub session {
	my ($port, @lines) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($port));

	$s->read();
	command($s, $_) for @lines;

	return $s;
}

# Has the $n-th allocation from now on fail; none if it is 0.

sub fail_at {
	my ($n) = @_;

	# in place: nginx has the file mapped

	open my $fh, -e "$d/countdown" ? '+<' : '>', "$d/countdown"
		or die "Can't write the countdown: $!\n";
	syswrite $fh, pack('L', $n);
}

# Whether fewer allocations than that were made.

sub left {
	return unpack('L', $t->read_file('countdown'));
}

# Has the $n-th allocation fail and sends the pieces, each after a reply or some
# time; gives how the session ended, and all that the server has sent.

sub play {
	my ($port, $n, $last, @pieces) = @_;
	my ($tls, $in) = ($port == 8995, '');

	fail_at($tls ? 0 : $n);

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($port),
		SSL => $tls);
	my $socket = $s->socket();

	fail_at($n) if $tls && $s->read();

	$socket->blocking(0);

	while (1) {
		my $read = $socket->sysread($in, 4096, length $in);

		next if $read;
		return ('done', $in) if !@pieces && $in =~ $last;
		return ($in =~ $last ? 'done' : 'closed', $in)
			if defined $read || !$!{EAGAIN};
		next if $s->can_read(@pieces ? 0.01 : 5);
		return ('stuck', $in) unless @pieces;

		$socket->syswrite(shift @pieces);
	}
}

###############################################################################
