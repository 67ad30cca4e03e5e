package POP3Proxy;

# What the tests of a POP3 proxy need beyond POP3Session, together with the
# servers of POP3Servers.  Uses nothing of Test::Nginx but its documented
# interface.

use warnings;
use strict;

use Digest::HMAC_MD5 qw/ hmac_md5_hex /;
use Digest::MD5 qw/ md5_hex /;
use Exporter qw/ import /;
use MIME::Base64 qw/ encode_base64 decode_base64 /;
use POSIX qw//;
use Socket qw/ IPPROTO_TCP TCP_CORK /;
use Time::HiRes qw/ time sleep /;

use Test::Nginx;

use POP3Servers;
use POP3Session;

our @EXPORT = (@POP3Servers::EXPORT, qw/
	command replies multiline closed starttls receive segment
	b64 unb64 sasl_plain xoauth2 oauthbearer challenge cram_md5 apop traces
	nginx_test reload create_certificate
	wait_until read_pid gone worker_pid worker_fds worker_rss rss in_memory
/);

my $TIMEOUT = 8;

# a session that the server has closed is a failed check, not a dead test

$SIG{PIPE} = 'IGNORE';

###############################################################################
# Sessions.  $s is a POP3Session throughout.

# A line, and the reply to it without its CRLF; '' when none comes.

sub command {
	my ($s, $line) = @_;

	$s->send($line);

	return (replies($s, 1))[0] // '';
}

# The next $n replies without CRLF, fewer when one does not come.  A session
# that fell silent is shut down: the checks that follow fail without waiting.

sub replies {
	my ($s, $n) = @_;

	my @lines;

	while (@lines < $n) {
		my $line = $s->read();

		if (!$line) {
			shutdown($s->socket(), 2);
			last;
		}

		push @lines, $line =~ s/\x0d\x0a\z//r;
	}

	return @lines;
}

# A multi-line reply as a list, its final dot included; with $line, that is
# sent first.  Ends at a -ERR, or when no more comes.

sub multiline {
	my ($s, $line) = @_;

	$s->send($line) if defined $line;

	my @lines;

	while (my ($next) = replies($s, 1)) {
		push @lines, $next;
		last if $next eq '.' || @lines == 1 && $next !~ /^\+OK/;
	}

	return @lines;
}

# True when the server closes the session and sends nothing more before.

sub closed {
	my ($s, $seconds) = @_;

	return 0 if $s->unread();

	my $n = $s->more($seconds);

	return defined $n && $n == 0 ? 1 : 0;
}

# The TLS handshake on the session, after STLS was accepted.

sub starttls {
	my ($s, %args) = @_;

	require IO::Socket::SSL;

	return defined IO::Socket::SSL->start_SSL($s->socket(),
		SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_NONE(),
		Timeout => $TIMEOUT, %args);
}

# Bytes in as few segments as can be, and with the FIN if nothing follows:
# print() writes 8 KB at a time.

sub segment {
	my ($s, $bytes, %args) = @_;

	my $socket = $s->socket();

	$socket->setsockopt(IPPROTO_TCP, TCP_CORK, 1);

	while (length $bytes) {
		my $n = $socket->syswrite($bytes) or last;
		substr($bytes, 0, $n) = '';
	}

	shutdown($socket, 1) if $args{fin};
	$socket->setsockopt(IPPROTO_TCP, TCP_CORK, 0);
}

# The next $n bytes, fewer when no more come.

sub receive {
	my ($s, $n) = @_;

	return $s->take($n);
}

###############################################################################
# SASL

sub b64 {
	my ($text) = @_;

	return encode_base64($text, '');
}

sub unb64 {
	my ($text) = @_;

	return decode_base64($text);
}

sub sasl_plain {
	my ($authzid, $login, $password) = @_;

	return b64("$authzid\0$login\0$password");
}

# With a bearer token.

sub xoauth2 {
	my ($login, $token) = @_;

	return b64("user=$login\1auth=Bearer $token\1\1");
}

sub oauthbearer {
	my ($login, $token) = @_;

	return b64("n,a=$login,\1auth=Bearer $token\1\1");
}

# What is left of a secret in a text that it must not be in: itself, and its base64
# wherever in the message it stood.

sub traces {
	my ($text, $secret) = @_;

	my @forms = ($secret, map {
		my $cut = substr $secret, $_;
		b64(substr $cut, 0, length($cut) - length($cut) % 3);
	} 0 .. 2);

	return grep { index($text, $_) >= 0 } @forms;
}

# The challenge in a greeting, or in a "+ " line in base64.

sub challenge {
	my ($line) = @_;

	$line = unb64($1) if ($line //= '') =~ /^\+ (.*)/;

	return $line =~ /(<[^<>]+>)\s*\z/ ? $1 : '';
}

# The answer to AUTH CRAM-MD5.

sub cram_md5 {
	my ($challenge, $login, $password) = @_;

	return b64("$login " . hmac_md5_hex($challenge, $password));
}

# The APOP digest.

sub apop {
	my ($challenge, $password) = @_;

	return md5_hex($challenge . $password);
}

###############################################################################
# nginx

# nginx -t on a configuration: (exit status, output).

sub nginx_test {
	my ($t, $conf) = @_;

	my $nginx = $ENV{TEST_NGINX_BINARY} // '../nginx/objs/nginx';
	my $dir = $t->testdir();
	my $running = -e "$dir/nginx.pid";

	$t->write_file_expand('test.conf', $conf);

	my $output = `$nginx -t -p $dir/ -c test.conf -e error.log 2>&1`;
	my $status = $? >> 8;

	# -t leaves an empty one, and run() takes it for a sign of life

	unlink "$dir/nginx.pid" unless $running;

	return ($status, $output);
}

# Reloads, and waits until the old workers do not accept any more, or the
# configuration is found to be wrong.

sub reload {
	my ($t) = @_;

	my $over = sub {
		my @found = $t->read_file('error.log')
			=~ /gracefully shutting down|\[emerg\]/g;
		return scalar @found;
	};

	my $before = $over->();

	$t->reload();

	return wait_until(sub { $over->() > $before });
}

# NAME.crt and NAME.key in the test's directory, self-signed.

sub create_certificate {
	my ($t, $name) = @_;

	my $base = $t->testdir() . "/$name";
	my $kind = $name =~ /\@/ ? 'email' : 'DNS';

	system('openssl req -x509 -newkey rsa:2048 -nodes -days 30'
		. " -subj '/CN=$name' -addext 'subjectAltName=$kind:$name'"
		. " -out $base.crt -keyout $base.key"
		. " >$base.openssl 2>&1") == 0
		or die "Can't create certificate $name\n";

	return $t;
}

sub wait_until {
	my ($condition, $seconds) = @_;

	my $deadline = time() + ($seconds || $TIMEOUT);

	until ($condition->()) {
		return 0 if time() > $deadline;
		sleep 0.02;
	}

	return 1;
}

# The pid in a file of the test's directory, 0 if there is none.

sub read_pid {
	my ($dir, $name) = @_;

	open my $fh, '<', "$dir/$name" or return 0;

	return (<$fh> // '') =~ /^(\d+)/ ? $1 : 0;
}

# True when the process ends.  It need not be a child of the test: whoever is its
# parent may leave it a zombie.

sub gone {
	my ($pid) = @_;

	return wait_until(sub {
		open my $fh, '<', "/proc/$pid/stat" or return 1;
		return (<$fh> // '') !~ /\) [^ZX] /;
	});
}

# The worker of a configuration with one worker, which comes behind the pid file.

sub worker_pid {
	my ($t) = @_;

	my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/
		or die "nginx does not run\n";
	my $pid;

	wait_until(sub { $pid = _child_of($master) }) or die "nginx has no worker\n";

	return $pid;
}

sub _child_of {
	my ($master) = @_;

	for my $stat (glob '/proc/[0-9]*/stat') {
		open my $fh, '<', $stat or next;    # gone meanwhile

		my ($pid, $parent) = (<$fh> // '') =~ /^(\d+) \(.*\) \S (\d+)/s;

		return $pid if defined $parent && $parent == $master;
	}

	return undef;
}

# How many descriptors the worker has open.

sub worker_fds {
	my ($t) = @_;

	my @fds = glob '/proc/' . worker_pid($t) . '/fd/*';

	return scalar @fds;
}

# Its resident memory in bytes.

sub worker_rss {
	my ($t) = @_;

	return rss(worker_pid($t));
}

# That of any process.

sub rss {
	my ($pid) = @_;

	open my $fh, '<', "/proc/$pid/statm"
		or die "Can't read the memory's size: $!\n";

	return (split ' ', <$fh>)[1] * POSIX::sysconf(POSIX::_SC_PAGESIZE());
}

# Whether the text stands anywhere in a process's writable memory, but for the
# tables of a sanitizer, which are larger than all else.

sub in_memory {
	my ($pid, $text) = @_;

	no warnings 'portable';

	open my $maps, '<', "/proc/$pid/maps" or die "Can't read maps: $!\n";
	open my $mem, '<:raw', "/proc/$pid/mem" or die "Can't read memory: $!\n";

	while (<$maps>) {
		my ($from, $to) = /^([0-9a-f]+)-([0-9a-f]+) rw/ or next;

		($from, $to) = (hex $from, hex $to);
		next if $to - $from > 1 << 30;

		sysseek($mem, $from, 0) or next;
		sysread($mem, my $bytes, $to - $from) or next;

		return 1 if index($bytes, $text) >= 0;
	}

	return 0;
}

###############################################################################

1;
