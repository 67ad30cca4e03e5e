package POP3Servers;

# The servers around a POP3 proxy under test: an auth_http server and a backend
# that record all they are sent (POP3Records).  Uses nothing of Test::Nginx but
# its documented interface.

use warnings;
use strict;

use Digest::HMAC_MD5 qw/ hmac_md5_hex /;
use Digest::MD5 qw/ md5_hex /;
use Exporter qw/ import /;

use Test::Nginx;

use POP3Loop;
use POP3Records;

our @EXPORT = (@POP3Records::EXPORT, qw/ start_daemons /);

my $CRLF = "\x0d\x0a";

###############################################################################
# Accounts

# Passwords by login.  A wrong password closes the session, save for logins
# that begin with "wait": there the auth server asks for a second's delay, or for
# as many as the digit behind that says.

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

my %EXTERNAL = map { $_ => 1 } '', 'test@example.com', 'space@example.com';

###############################################################################
# Daemons

# Starts both and waits for them.  Ports, as numbers of the configuration:
# 8080 auth_http, 8111 backend, 8112 backend that closes after its greeting,
# 8119 is kept free of any listener.

sub start_daemons {
	my ($t) = @_;

	my $dir = POP3Records::keep_in($t->testdir());

	# a port that is first asked for in a daemon is not the test's port

	my %port = map { $_ => port($_) } 8080, 8111, 8112, 8119;

	$t->run_daemon(\&auth_daemon, $dir, \%port);
	$t->run_daemon(\&backend_daemon, $dir, \%port);

	for my $number (8080, 8111, 8112) {
		$t->waitforsocket("127.0.0.1:$port{$number}")
			or die "Can't start the daemon on port $number\n";
	}

	return $t;
}

sub auth_daemon {
	my ($dir, $port) = @_;

	my $log = POP3Records::open_log("$dir/auth.log");
	my %again;

	POP3Loop::serve(_listen(8080, $port), data => sub {
		my ($conn) = @_;

		return unless $conn->{in} =~ s/\A(.*?\x0d?\x0a\x0d?\x0a)//s;

		my $request = $1;
		POP3Records::log_line($log, $request);

		my ($delay, @answer) = _auth_answer(
			POP3Records::parse_request($request), $port, \%again);

		return unless @answer;

		push @{$conn->{todo}}, ['wait', $delay], $answer[0], ['close'];
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

	} elsif ($method eq 'external' && _certificate_fits($r)) {
		$answer{'Auth-User'} = 'test@example.com';
		$answer{'Auth-Pass'} = 'secret';

	} elsif (_password_is_right($r)) {
		$answer{'Auth-Pass'} = $PASSWORD{$user} if $method ne 'plain';

	} else {
		%answer = ('Auth-Status' => 'Invalid login or password');
		$answer{'Auth-Wait'} = $1 || 1 if $user =~ /^wait(\d?)/;
	}

	return ($delay, join $CRLF, 'HTTP/1.0 200 OK',
		(map { "$_: $answer{$_}" } sort keys %answer), '', '');
}

# Without ssl_verify_client, and with a certificate that names no login, any of
# the logins does.

sub _certificate_fits {
	my ($r) = @_;

	my $verified = $r->{'Auth-SSL-Verify'} // 'SUCCESS';
	my ($owner) = ($r->{'Auth-SSL-Subject'} // '') =~ /^CN=(.*@.*)$/;

	return $verified eq 'SUCCESS' && $EXTERNAL{$r->{user}}
		&& ($owner // $r->{user}) eq $r->{user};
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

	my $log = POP3Records::open_log("$dir/backend.log");

	POP3Loop::serve(_listen(8111, 8112, $port), open => sub {
		my ($conn) = @_;

		push @{$conn->{todo}}, "+OK backend ready$CRLF";
		push @{$conn->{todo}}, ['close'] if $conn->{at} == 8112;

	}, data => sub {
		my ($conn) = @_;

		while (!_is_ending($conn) && $conn->{in} =~ s/\A([^\x0a]*\x0a)//) {
			my $line = $1;

			POP3Records::log_line($log, "$conn->{number} $line");
			_backend_answer($conn, $line);
		}

	}, ended => sub {
		my ($conn) = @_;

		POP3Records::log_line($log, "$conn->{number} $conn->{in}")
			if $conn->{in} ne '';
	});
}

sub _listen {
	my ($port) = pop @_;

	return { map { ("127.0.0.1:$port->{$_}" => $_) } @_ };
}

sub _is_ending {
	my ($conn) = @_;

	return ref $conn->{todo}[-1] && $conn->{todo}[-1][0] eq 'close';
}

sub _backend_answer {
	my ($conn, $line) = @_;

	$line =~ s/\x0d?\x0a\z//;

	# PROXY protocol: only as the very first line, and never answered

	return if !$conn->{lines}++ && $line =~ /^PROXY /;

	my ($command, $arg) = $line =~ /^(\S*) ?(.*)/s;

	$command = uc $command;

	if ($command eq 'USER') {
		$conn->{login} = $arg;
		push @{$conn->{todo}}, "+OK user$CRLF";

	} elsif ($command eq 'PASS') {
		my $refused = ($conn->{login} // '') eq 'refuse@backend';

		$conn->{logged_in} = !$refused;
		push @{$conn->{todo}}, ($refused ? '-ERR [AUTH] refused by backend'
			: '+OK logged in to backend') . $CRLF;

	} elsif ($command ne 'QUIT' && !$conn->{logged_in}) {
		push @{$conn->{todo}}, "-ERR log in first$CRLF";

	} else {
		push @{$conn->{todo}}, mailbox($command);
		push @{$conn->{todo}}, ['close'] if $command eq 'QUIT';
	}
}

# What a mailbox answers that is logged in to.

sub mailbox {
	my ($command) = @_;

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

	return ($answer{$command} // '-ERR what') . $CRLF;
}

###############################################################################

1;

###############################################################################
