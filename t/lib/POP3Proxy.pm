package POP3Proxy;

# What the tests of a POP3 proxy need around it: an auth_http server and a
# backend that record all they are sent, and readers of what they recorded.
# Uses nothing of Test::Nginx but its documented interface.

use warnings;
use strict;

use Digest::HMAC_MD5 qw/ hmac_md5_hex /;
use Digest::MD5 qw/ md5_hex /;
use Exporter qw/ import /;
use Fcntl qw/ O_APPEND O_CREAT O_WRONLY /;
use IO::Select;
use IO::Socket::INET;
use MIME::Base64 qw/ encode_base64 decode_base64 /;
use POSIX qw//;
use Socket qw/ IPPROTO_TCP TCP_CORK /;
use Time::HiRes qw/ time sleep /;

use Test::Nginx;

our @EXPORT = qw/
	start_daemons
	auth_requests auth_take backend_lines backend_take
	command replies multiline closed starttls receive segment
	b64 unb64 sasl_plain challenge cram_md5 apop
	nginx_test create_certificate
	wait_until worker_pid worker_fds worker_rss
/;

my $CRLF = "\x0d\x0a";
my $TIMEOUT = 8;

# a session that the server has closed is a failed check, not a dead test

$SIG{PIPE} = 'IGNORE';

###############################################################################
# Accounts

# Passwords by login.  A wrong password closes the session, save for logins
# that begin with "wait": there the auth server asks for a second's delay.

my %PASSWORD = (
	'test@example.com'             => 'secret',
	'wait@example.com'             => 'secret',
	'two words'                    => 'secret',
	'space@example.com'            => ' leading',
	'percent%40@example.com'       => '100%25 %',
	"j\xc3\xbcrgen\@example.com"   => "gr\xc3\xbc\xc3\x9fe",
	'long@example.com'             => 'p' x 300,
	'refuse@backend'               => 'secret',  # PASS gets -ERR
	'drop@backend'                 => 'secret',  # closes after its greeting
	'nobody@backend'               => 'secret',  # nobody listens there
);

# Logins that the auth server answers out of order, whatever the password:
# slowN@fault (right, after N seconds), stall@fault (never), close@fault (no
# answer), half@fault (half an answer), garbage@fault (no HTTP), huge@fault
# (64 KB of header), nohost@fault and noport@fault (nowhere to go),
# badhost@fault (not an address), again@fault (Auth-Status: WAIT every other
# time, then right).

my %FAULT = (
	stall   => [],
	close   => [''],
	half    => ["HTTP/1.0 200 OK${CRLF}Auth-Status: O"],
	garbage => ["\x16\x03\x01 (rubbish) $CRLF\x00\xff$CRLF$CRLF"],
	huge    => ["HTTP/1.0 200 OK${CRLF}X-Huge: " . 'x' x 65536
		. "${CRLF}Auth-Status: OK$CRLF$CRLF"],
);

# For EXTERNAL the certificate speaks: no password is compared.

my %EXTERNAL = ('' => 1, 'test@example.com' => 1);

###############################################################################
# Daemons

# Starts both and waits for them.  Ports, as numbers of the configuration:
# 8080 auth_http, 8111 backend, 8112 backend that closes after its greeting,
# 8119 is kept free of any listener.

my $testdir;

sub start_daemons {
	my ($t) = @_;

	$testdir = $t->testdir();

	# a port that is first asked for in a daemon is not the test's port

	my %port = map { $_ => port($_) } 8080, 8111, 8112, 8119;

	$t->run_daemon(\&auth_daemon, $testdir, \%port);
	$t->run_daemon(\&backend_daemon, $testdir, \%port);

	for my $number (8080, 8111, 8112) {
		$t->waitforsocket("127.0.0.1:$port{$number}")
			or die "Can't start the daemon on port $number\n";
	}

	return $t;
}

sub auth_daemon {
	my ($dir, $port) = @_;

	my $log = _open_log("$dir/auth.log");
	my %again;

	_serve([$port->{8080}], data => sub {
		my ($conn) = @_;

		return unless $conn->{in} =~ s/\A(.*?\x0d?\x0a\x0d?\x0a)//s;

		my $request = $1;
		_log_line($log, $request);

		my ($delay, @answer) = _auth_answer(_parse_request($request),
			$port, \%again);

		return unless @answer;

		$conn->{out} .= $answer[0];
		$conn->{close} = 1;
		$conn->{hold} = time() + $delay;
	});
}

sub _auth_answer {
	my ($r, $port, $again) = @_;

	my ($user, $pass, $method) = ($r->{user}, $r->{pass},
		$r->{'Auth-Method'} // '');

	my $delay = 0;
	my %answer = (
		'Auth-Status' => 'OK',
		'Auth-Server' => '127.0.0.1',
		'Auth-Port'   => $port->{
			$user eq 'drop@backend' ? 8112
			: $user eq 'nobody@backend' ? 8119
			: 8111
		},
	);

	if ($user =~ /^(.*)\@fault$/) {
		my $fault = $1;

		return (0, @{$FAULT{$fault}}) if $FAULT{$fault};

		$answer{'Auth-Pass'} = 'secret';

		if ($fault =~ /^slow([\d.]+)$/) {
			$delay = $1;
		} elsif ($fault eq 'nohost') {
			delete $answer{'Auth-Server'};
		} elsif ($fault eq 'noport') {
			delete $answer{'Auth-Port'};
		} elsif ($fault eq 'badhost') {
			$answer{'Auth-Server'} = 'no.address.here';
		} elsif ($fault eq 'again') {
			if ($again->{$user}++ % 2 == 0) {
				%answer = ('Auth-Status' => 'WAIT', 'Auth-Wait' => 1);
			}
		} else {
			%answer = ('Auth-Status' => "Unknown fault $fault");
		}

	} elsif ($method eq 'external' && $EXTERNAL{$user}) {
		$answer{'Auth-User'} = 'test@example.com';
		$answer{'Auth-Pass'} = 'secret';

	} elsif (_password_is_right($r)) {
		$answer{'Auth-Pass'} = $PASSWORD{$user} if $method ne 'plain';

	} else {
		%answer = ('Auth-Status' => 'Invalid login or password');
		$answer{'Auth-Wait'} = 1 if $user =~ /^wait/;
	}

	return ($delay, join $CRLF, 'HTTP/1.0 200 OK',
		(map { "$_: $answer{$_}" } sort keys %answer), '', '');
}

sub _password_is_right {
	my ($r) = @_;

	my $password = $PASSWORD{$r->{user}} // return 0;
	my $method = $r->{'Auth-Method'};
	my $salt = $r->{'Auth-Salt'} // '';

	return $r->{pass} eq $password if $method eq 'plain';

	# a digest without a challenge proves nothing

	return 0 unless $salt =~ /^<.+>$/;

	return lc $r->{pass} eq md5_hex($salt . $password)
		if $method eq 'apop';
	return lc $r->{pass} eq hmac_md5_hex($salt, $password)
		if $method eq 'cram-md5';

	return 0;
}

sub backend_daemon {
	my ($dir, $port) = @_;

	my $log = _open_log("$dir/backend.log");

	_serve([$port->{8111}, $port->{8112}], open => sub {
		my ($conn) = @_;

		$conn->{out} = "+OK backend ready$CRLF";
		$conn->{close} = $conn->{port} == $port->{8112};

	}, data => sub {
		my ($conn) = @_;

		while (!$conn->{close} && $conn->{in} =~ s/\A([^\x0a]*\x0a)//) {
			my $line = $1;

			_log_line($log, "$conn->{number} $line");
			_backend_answer($conn, $line);
		}

	}, gone => sub {
		my ($conn) = @_;

		_log_line($log, "$conn->{number} $conn->{in}") if $conn->{in} ne '';
	});
}

sub _backend_answer {
	my ($conn, $line) = @_;

	$line =~ s/\x0d?\x0a\z//;

	# PROXY protocol: only as the very first line, and never answered

	return if !$conn->{lines}++ && $line =~ /^PROXY /;

	my ($command, $arg) = $line =~ /^(\S*) ?(.*)/s;
	my $mail = "Subject: one${CRLF}${CRLF}first$CRLF";

	my %answer = (
		STAT => '+OK 1 ' . length $mail,
		NOOP => '+OK noop',
		RSET => '+OK reset',
		DELE => '+OK deleted',
		LIST => "+OK list${CRLF}1 " . length($mail) . "${CRLF}.",
		UIDL => "+OK uidl${CRLF}1 first${CRLF}.",
		RETR => "+OK message${CRLF}$mail.",
		QUIT => '+OK bye from backend',
	);

	$command = uc $command;

	if ($command eq 'USER') {
		$conn->{login} = $arg;
		$conn->{out} .= "+OK user$CRLF";

	} elsif ($command eq 'PASS') {
		my $refused = ($conn->{login} // '') eq 'refuse@backend';

		$conn->{logged_in} = !$refused;
		$conn->{out} .= ($refused ? '-ERR [AUTH] refused by backend'
			: '+OK logged in to backend') . $CRLF;

	} elsif ($command ne 'QUIT' && !$conn->{logged_in}) {
		$conn->{out} .= "-ERR log in first$CRLF";

	} else {
		$conn->{out} .= ($answer{$command} // '-ERR what') . $CRLF;
		$conn->{close} = 1 if $command eq 'QUIT';
	}
}

# One process for all connections: nothing is left to end when it is killed.
# A connection: in, out (buffers), close (when out is written), hold (until
# when out waits), port, number.

sub _serve {
	my ($ports, %on) = @_;

	my ($last, $parent, %conn) = (0, getppid());
	my %listener = map {
		my $s = IO::Socket::INET->new(
			Proto     => 'tcp',
			LocalAddr => "127.0.0.1:$_",
			Listen    => 128,
			ReuseAddr => 1,
			Blocking  => 0,
		) or die "Can't listen on port $_: $@\n";
		fileno($s) => { sock => $s, port => $_ };
	} @$ports;

	local $SIG{PIPE} = 'IGNORE';

	while (getppid() == $parent) {
		my $now = time();
		my $timeout = 1;
		my ($read, $write) = (IO::Select->new(), IO::Select->new());

		$read->add($_->{sock}) for values %listener;

		for my $c (values %conn) {
			my $hold = ($c->{hold} || 0) - $now;

			$read->add($c->{sock}) unless $c->{eof};

			if ($hold > 0) {
				$timeout = $hold if $hold < $timeout;
			} elsif ($c->{out} ne '' || $c->{close}) {
				$write->add($c->{sock});
			}
		}

		my ($readable, $writable) = IO::Select->select($read, $write, undef,
			$timeout);

		for my $sock (@{$readable || []}) {
			my $c = $conn{fileno $sock};

			if (!$c) {
				my $l = $listener{fileno $sock};
				my $new = $sock->accept() or next;

				$new->blocking(0);
				$c = $conn{fileno $new} = { sock => $new, in => '', out => '',
					port => $l->{port}, number => ++$last };
				$on{open}->($c) if $on{open};
				next;
			}

			my $n = sysread($sock, $c->{in}, 65536, length $c->{in});

			if ($n) {
				$on{data}->($c);
			} elsif (defined $n || !$!{EAGAIN}) {
				$c->{eof} = 1;
				$c->{close} = 1 unless ($c->{hold} || 0) > $now;
			}
		}

		for my $sock (@{$writable || []}) {
			my $c = $conn{fileno $sock} or next;
			my $n = $c->{out} eq '' ? 0 : syswrite($sock, $c->{out});

			next if !defined $n && $!{EAGAIN};

			substr($c->{out}, 0, $n) = '' if defined $n;

			if (!defined $n || $c->{close} && $c->{out} eq '') {
				$on{gone}->($c) if $on{gone};
				delete $conn{fileno $sock};
				$sock->close();
			}
		}
	}
}

###############################################################################
# Records

# One line for each thing recorded, written before the answer is sent.  All
# bytes but printable ASCII, and the backslash, stand as \xNN.

sub _open_log {
	my ($name) = @_;

	sysopen(my $fh, $name, O_WRONLY | O_CREAT | O_APPEND)
		or die "Can't create $name: $!\n";

	return $fh;
}

sub _log_line {
	my ($fh, $text) = @_;

	$text =~ s/([^\x20-\x5b\x5d-\x7e])/sprintf '\\x%02x', ord $1/ge;
	syswrite($fh, "$text\n");
}

# $t is needed only where start_daemons() was not used.  A named sub of a test
# must not hold it: the object would outlive the test's end, and its last two
# checks would come too late.

sub _log_read {
	my ($t, $name) = @_;

	my $dir = $t ? $t->testdir() : $testdir;

	open my $fh, '<', "$dir/$name" or die "Can't open $name: $!\n";
	chomp(my @lines = <$fh>);

	return map { s/\\x(..)/chr hex $1/ger } @lines;
}

# Requests in order, each a hash: headers as they came ("Auth-User"), and
# "user", "pass" without the percent-encoding, and "request", all of it.

sub auth_requests {
	my ($t) = @_;

	my @requests = map { _parse_request($_) } _log_read($t, 'auth.log');

	return @requests;
}

sub _parse_request {
	my ($request) = @_;

	my %r = (request => $request);

	$r{$1} = $2 while $request =~ /^([\w-]+): ?(.*?)\x0d?$/gm;

	for (['user', 'Auth-User'], ['pass', 'Auth-Pass']) {
		my ($key, $header) = @$_;

		$r{$key} = $r{$header} // '';
		$r{$key} =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
	}

	return \%r;
}

# Lines of all connections in order, without their CRLF; a line that ended
# otherwise keeps its end.

sub backend_lines {
	my ($t) = @_;

	my @lines = _log_read($t, 'backend.log');

	return map { s/^\d+ //r =~ s/\x0d\x0a\z//r } @lines;
}

# The same, but only what came since the last call; the number of them in
# scalar context.

my %taken;

sub auth_take {
	return _take('auth', auth_requests(@_));
}

sub backend_take {
	return _take('backend', backend_lines(@_));
}

sub _take {
	my ($what, @all) = @_;

	my $before = $taken{$what} || 0;
	$taken{$what} = @all;

	my @new = @all[$before .. $#all];

	return @new;
}

###############################################################################
# Sessions.  $s is a Test::Nginx::POP3 throughout.

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

	my $socket = $s->socket();
	my $deadline = time() + ($seconds || $TIMEOUT);

	$socket->blocking(0);

	while ((my $left = $deadline - time()) > 0) {
		my $n = $socket->sysread(my $bytes, 1024);

		return !$n if defined $n;
		return 1 unless $!{EAGAIN};

		$s->can_read($left);
	}

	return 0;
}

# The TLS handshake on the session, after STLS was accepted.

sub starttls {
	my ($s, %args) = @_;

	require IO::Socket::SSL;

	my $socket = $s->socket();

	$socket->blocking(1);

	return defined IO::Socket::SSL->start_SSL($socket,
		SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_NONE(),
		Timeout => $TIMEOUT, %args);
}

# Bytes in as few segments as can be, and with the FIN if nothing follows:
# print() writes 8 KB at a time.

sub segment {
	my ($s, $bytes, %args) = @_;

	my $socket = $s->socket();

	$socket->blocking(1);
	$socket->setsockopt(IPPROTO_TCP, TCP_CORK, 1);

	while (length $bytes) {
		my $n = $socket->syswrite($bytes) or last;
		substr($bytes, 0, $n) = '';
	}

	shutdown($socket, 1) if $args{fin};
	$socket->setsockopt(IPPROTO_TCP, TCP_CORK, 0);
}

# The next $n bytes, fewer when no more come.  Lines that were read before must
# have been the last ones that were there.

sub receive {
	my ($s, $n) = @_;

	my ($socket, $bytes) = ($s->socket(), '');

	$socket->blocking(0);

	while (length $bytes < $n) {
		my $got = $socket->sysread($bytes, $n - length $bytes, length $bytes);

		next if $got;
		last if defined $got || !$!{EAGAIN} || !$s->can_read($TIMEOUT);
	}

	return $bytes;
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

# NAME.crt and NAME.key in the test's directory, self-signed.

sub create_certificate {
	my ($t, $name) = @_;

	my $base = $t->testdir() . "/$name";

	system('openssl req -x509 -newkey rsa:2048 -nodes -days 30'
		. " -subj '/CN=$name' -out $base.crt -keyout $base.key"
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

# The worker of a configuration with one worker.

sub worker_pid {
	my ($t) = @_;

	my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/
		or die "nginx does not run\n";

	for my $stat (glob '/proc/[0-9]*/stat') {
		open my $fh, '<', $stat or next;    # gone meanwhile

		my ($pid, $parent) = (<$fh> // '') =~ /^(\d+) \(.*\) \S (\d+)/s;

		return $pid if defined $parent && $parent == $master;
	}

	die "nginx has no worker\n";
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

	open my $fh, '<', '/proc/' . worker_pid($t) . '/statm'
		or die "Can't read the worker's memory: $!\n";

	return (split ' ', <$fh>)[1] * POSIX::sysconf(POSIX::_SC_PAGESIZE());
}

###############################################################################

1;
