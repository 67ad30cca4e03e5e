#!/usr/bin/perl

# Tests for allocations that fail: each one of a session in its turn, until the
# session has no more of them.  The client gets a reply or a closed session,
# the worker lives, and the next session is served.  With TLS it begins after
# the handshake: what fails in there is OpenSSL's and ends in alerts.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

my $CRLF = "\x0d\x0a";

# Name, port, bytes sent after the greeting (each piece of its own), and the
# last reply of a session that had all the memory it wanted.

my $list = qr/^\+OK methods.*^\.\x0d\x0a/ms;
my $stat = qr/^\+OK 1 \d+\x0d\x0a/m;

my @dialogues = (
	['USER and PASS', 8110, $stat,
		"USER test\@example.com$CRLF", "PASS secret$CRLF", "STAT$CRLF"],
	['AUTH PLAIN', 8110, $stat, "AUTH PLAIN$CRLF",
		sasl_plain('', 'test@example.com', 'secret') . $CRLF, "STAT$CRLF"],
	['AUTH LOGIN', 8110, $stat, "AUTH LOGIN$CRLF",
		b64('test@example.com') . $CRLF, b64('secret') . $CRLF,
		"STAT$CRLF"],
	['pipelining across the login', 8110, $stat,
		join($CRLF, 'CAPA', 'USER test@example.com', 'PASS secret', 'STAT',
			'')],
	['a line in pieces', 8110, $list,
		'NO', 'OP ' . 'x' x 300, 'x' x 600, $CRLF, "AUTH$CRLF"],
	['a challenge', 8114, $list, "AUTH CRAM-MD5$CRLF", "*$CRLF", "AUTH$CRLF"],
	['implicit TLS', 8995, $list, "CAPA$CRLF", "NO", "OP${CRLF}AUTH$CRLF"],
);

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)
	->plan(3 * @dialogues + 2);

my $d = $t->testdir();

$t->write_file_expand('nginx.conf', <<'EOF');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http            http://127.0.0.1:8080/;

    ssl_certificate      localhost.crt;
    ssl_certificate_key  localhost.key;

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
}

EOF

create_certificate($t, 'localhost');
fail_at(0);

system("cc -shared -fPIC -fno-builtin -o $d/fail_malloc.so lib/fail_malloc.c -ldl") == 0
	or die "Can't build fail_malloc.so: install gcc\n";

{
	local $ENV{LD_PRELOAD} = "$d/fail_malloc.so";
	local $ENV{FAIL_MALLOC} = "$d/countdown";
	$t->run();
}

start_daemons($t);

my $worker = worker_pid($t);
my $fds = worker_fds($t);

for my $dialogue (@dialogues) {
	my ($name, $port, $last, @pieces) = @$dialogue;
	my ($n, $bad, $broken) = (0, '', 0);

	while (1) {
		my ($end, $in) = play($port, ++$n, $last, @pieces);

		$bad .= "[$n: $end, $in]" if $end eq 'stuck'
			|| $in =~ /^-ERR (?!\[SYS\/TEMP\] internal|authentication cancelled)/m;
		last if left();

		$broken++ if $end eq 'closed';
	}

	is($bad, '', "$name - a reply or a closed session");
	cmp_ok($broken, '>', 1, "$name - allocations did fail");
	is((play($port, 0, $last, @pieces))[0], 'done', "$name - next session served");
}

is(worker_pid($t), $worker, 'the worker lives');
ok(wait_until(sub { worker_fds($t) <= $fds }), 'no descriptor is left open');

undef $t;

###############################################################################

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
		return ('closed', $in)
			if defined $read || !$!{EAGAIN};
		next if $s->can_read(@pieces ? 0.01 : 5);
		return ('stuck', $in) unless @pieces;

		$socket->syswrite(shift @pieces);
	}
}

###############################################################################
