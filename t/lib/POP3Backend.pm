package POP3Backend;

# Backends that do as they are told, and record all that they are sent.
#
#	start_backends($t,
#		8211              => {},
#		'127.0.0.2:8212'  => { greeting => '-ERR [SYS/TEMP] not now' },
#		'[::1]:8213'      => { tls => { ssl => 1 } },
#		'unix:socket'     => { PASS => [['close']] },
#		8214              => { logins => {
#			'flood' => { USER => [['flood', 'x' x 4096]] },
#		} });
#
# An address is 127.0.0.1 with a port, as a number of the configuration, an
# address with such a number, or the name of a socket in the test's directory.
#
# What a backend does is a hash.  "greeting", and each command by its name in
# capitals, has a turn, and so have those of each of the "logins", from their USER
# on.  A turn is a reply, which gets a CRLF; or a list of what POP3Loop knows, with
# strings sent as they are, and
#
#	['line', reply]       a reply, with its CRLF
#	['bytes', bytes]      each of the bytes by itself
#	['tls']               the handshake, by "tls"
#
# or a code reference that has the argument of the command, and the login, and gives
# a turn, or none.  [] is silence.  Without a turn a backend takes any login with the password
# "secret", and refuses others with [AUTH]; behind a login it is a mailbox.
#
# AUTH is for XOAUTH2 and OAUTHBEARER: the turn "AUTH" is that of one without initial
# response, "TOKEN" that of the message, whose login it has already, and "ANSWER" that
# of what is said to a challenge.  The token "secret" logs in, others are challenged.
#
#	proxy => 1            all of it behind a PROXY header of version 1
#	tls   => {...}        STLS works, with these options of IO::Socket::SSL; with
#	                      ssl => 1 TLS comes first, with cork => 1 its last part
#	                      goes together with the greeting; the certificate is
#	                      localhost.crt with localhost.key unless others are named
#
# connections() gives what has been recorded of them, in the order in which they
# came, each a hash:
#
#	at                    the address, as it was given to start_backends()
#	lines                 all lines, without CRLF; other ends are kept
#	early                 those of them that came before it was their turn
#	tls                   nothing, or version, cipher, sni, reused, client (the
#	                      subject)
#	failed                why the handshake has failed
#	end                   how the peer has ended it, eof, notify (TLS's own end),
#	                      reset; or ours; nothing while it is open

use warnings;
use strict;

use Exporter qw/ import /;
use MIME::Base64 qw/ decode_base64 encode_base64 /;

use Test::Nginx;

use POP3Loop;
use POP3Proxy;
use POP3Records;

our @EXPORT = qw/
	start_backends run_with_hosts
	connections connections_take ended_take errors_take settled_fds
/;

my $CRLF = "\x0d\x0a";
my $LOG = 'connections.log';

###############################################################################

sub start_backends {
	my ($t, %backends) = @_;

	my $dir = POP3Records::keep_in($t->testdir());
	my %listen = map { (_address($dir, $_) => { %{$backends{$_}}, at => $_ }) }
		keys %backends;

	# a worker that has another user comes to the sockets in it

	chmod 0711, $dir or die "Can't change the mode of $dir: $!\n";

	$t->run_daemon(\&backends_daemon, $dir, \%listen);

	$t->waitforfile("$dir/backends.ready")
		or die "Can't start the backends\n";

	return $t;
}

# Runs nginx with names of its own, lines as in /etc/hosts.  AddressSanitizer takes
# a library before its own, and none that hides its functions.

sub run_with_hosts {
	my ($t, $hosts) = @_;

	$t->write_file('hosts', $hosts);

	local $ENV{LD_PRELOAD} = 'libnss_wrapper.so';
	local $ENV{NSS_WRAPPER_HOSTS} = $t->testdir() . '/hosts';
	local $ENV{NSS_WRAPPER_DISABLE_DEEPBIND} = 1;
	local $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} // (),
		'verify_asan_link_order=0';

	return $t->run();
}

sub _address {
	my ($dir, $name) = @_;

	return "unix:$dir/$1" if $name =~ /^unix:(.*)/;

	my ($host, $number) = $name =~ /^(?:(.*):)?(\d+)$/
		or die "Wrong address of a backend: $name\n";

	return ($host // '127.0.0.1') . ':' . port($number);
}

sub backends_daemon {
	my ($dir, $listen) = @_;

	my $log = POP3Records::open_log("$dir/$LOG");

	for my $backend (values %$listen) {
		$backend->{context} = POP3Loop::tls_context($dir, %{$backend->{tls}})
			if $backend->{tls};
	}

	my $record = sub {
		my ($c, $text) = @_;

		POP3Records::log_line($log, "$c->{number} $text");
	};

	POP3Loop::serve($listen, ready => sub {
		POP3Records::open_log("$dir/backends.ready");

	}, open => sub {
		my ($c) = @_;

		$record->($c, "<at $c->{at}{at}>");
		$c->{peek} = 1 if $c->{at}{proxy};
		_begin($c) unless $c->{at}{proxy};

	}, data => sub {
		my ($c) = @_;

		while ($c->{in} =~ s/\A([^\x0a]*\x0a)//) {
			my $line = $1;

			$record->($c, '<early>') if @{$c->{todo}} && !$c->{passed};
			$record->($c, $line);
			_answer($c, $line =~ s/\x0d?\x0a\z//r);
		}

	}, tls => sub {
		my ($c) = @_;

		$record->($c, '<tls ' . join(' ', POP3Loop::tls_facts($c->{sock})) . '>');
		_turn($c, 'greeting', '+OK backend ready') unless $c->{greeted}++;
		push @{$c->{todo}}, ['cork', 0] if $c->{at}{tls}{cork};

	}, failed => sub {
		my ($c, $why) = @_;

		$record->($c, "<failed $why>");

	}, ended => sub {
		my ($c, $how) = @_;

		$record->($c, $c->{in}) if $c->{in} ne '';
		$record->($c, "<end $how>");
	});
}

sub _begin {
	my ($c) = @_;

	if ($c->{at}{tls} && $c->{at}{tls}{ssl}) {
		push @{$c->{todo}}, ['cork', 1] if $c->{at}{tls}{cork};
		push @{$c->{todo}}, ['tls', $c->{at}{context}];
		return;
	}

	$c->{greeted} = 1;
	_turn($c, 'greeting', '+OK backend ready');
}

sub _answer {
	my ($c, $line) = @_;

	if ($c->{peek}) {
		$c->{peek} = 0;
		return _begin($c);
	}

	my ($command, $arg) = $line =~ /^(\S*) ?(.*)/s;
	my $due = delete $c->{due};

	return _sasl($c, $due // 'AUTH', $due ? $line : $arg)
		if $due || $line =~ /^AUTH /i;

	$command = uc $command;
	$c->{login} = $arg if $command eq 'USER';

	if ($command eq 'USER') {
		_turn($c, $command, '+OK user', $arg);

	} elsif ($command eq 'PASS') {
		_turn($c, $command, $arg eq 'secret' ? '+OK logged in to backend'
			: '-ERR [AUTH] wrong password', $arg);
		$c->{passed} = 1;

	} elsif ($command eq 'STLS' && $c->{at}{context}) {
		_turn($c, $command, [['line', '+OK begin TLS'], ['tls']], $arg);

	} elsif ($command eq 'XCLIENT') {
		_turn($c, $command, '+OK updated', $arg);

	} elsif ($c->{passed}) {
		_turn($c, $command, [POP3Servers::mailbox($command)], $arg);
		push @{$c->{todo}}, ['close'] if $command eq 'QUIT';

	} else {
		_turn($c, $command, '-ERR what', $arg);
	}
}

sub _sasl {
	my ($c, $due, $text) = @_;

	my $turn;

	($due, $text) = ('TOKEN', $1) if $due eq 'AUTH' && $text =~ / (.*)/;

	if ($due eq 'AUTH') {
		$turn = _turn($c, $due, '+ ', $text);

	} elsif ($due eq 'TOKEN') {
		my $message = decode_base64($text);

		($c->{login}) = $message =~ /^(?:user=|n,a=)(.*?),?\x01/;
		$turn = _turn($c, $due, $message =~ /Bearer secret\x01/
			? '+OK logged in to backend'
			: '+ ' . encode_base64('{"status":"401"}', ''), $text);

	} else {
		$turn = _turn($c, $due, '-ERR [AUTH] wrong token', $text);
	}

	my ($reply) = map { !ref $_ ? $_ : $_->[0] =~ /^(?:line|bytes)$/ ? $_->[1] : () }
		@$turn;

	$c->{passed} = 1 if ($reply // '') =~ /^\+OK/;
	$c->{due} = $due eq 'AUTH' ? 'TOKEN' : 'ANSWER' if ($reply // '') =~ /^\+(?: |\z)/;
}

# What is done when it is the turn of a command.

sub _turn {
	my ($c, $name, $turn, $arg) = @_;

	my $login = ($c->{at}{logins} // {})->{$c->{login} // ''} // {};

	my $own = $login->{$name} // $c->{at}{$name};

	$own = $own->($arg, $c->{login}) if ref $own eq 'CODE';
	$turn = $own if defined $own;
	$turn = [['line', $turn]] unless ref $turn;

	for my $item (map { ref $_ ? [@$_] : $_ } @$turn) {
		my ($what, $bytes) = ref $item ? @$item : '';

		push @{$c->{todo}}, $what eq 'line' ? $bytes . $CRLF
			: $what eq 'bytes' ? _one_by_one($bytes)
			: $what eq 'tls' ? ['tls', $c->{at}{context}]
			: $item;
	}

	return $turn;
}

# A moment between two bytes, or the kernel would join them.

sub _one_by_one {
	my ($bytes) = @_;

	my ($first, @rest) = split //, $bytes;

	return ($first, map { (['wait', 0.001], $_) } @rest);
}

###############################################################################
# What has been recorded

sub connections {
	my %by_number;
	my @all;

	for my $text (POP3Records::_read(undef, $LOG)) {
		my ($number, $line) = $text =~ /^(\d+) (.*)/s or next;

		if (!$by_number{$number}) {
			$by_number{$number} = { lines => [], early => [] };
			push @all, $by_number{$number};
		}

		_add($by_number{$number}, $line);
	}

	return @all;
}

sub _add {
	my ($c, $line) = @_;

	if ($line =~ /^<early>\z/) {
		$c->{is_early} = 1;

	} elsif ($line =~ /^<tls (.*)>\z/) {
		$c->{tls} = { map { split /=/, $_, 2 } split / (?=\w+=)/, $1 };

	} elsif ($line =~ /^<(at|failed|end) (.*)>\z/s) {
		$c->{$1} = $2;

	} else {
		$line =~ s/\x0d\x0a\z//;
		push @{$c->{lines}}, $line;
		push @{$c->{early}}, $line if delete $c->{is_early};
	}
}

# Those that came since the last call.

my $taken = 0;

sub connections_take {
	my @all = connections();
	my @new = @all[$taken .. $#all];

	$taken = @all;

	return @new;
}

# The same, when all of them have ended.

sub ended_take {
	wait_until(sub { !grep { !$_->{end} } connections() });

	return connections_take();
}

# What nginx has logged at level error and above since the last call, and waits
# until that are $n lines.

my $seen = 0;

sub errors_take {
	my ($t, $n) = @_;

	my @lines;

	wait_until(sub {
		@lines = grep { /\[(?:error|crit|alert|emerg)\]/ }
			substr($t->read_file('error.log'), $seen) =~ /(.*)\n/g;
		return @lines >= ($n || 0);
	}, 3);

	$seen = length($t->read_file('error.log') =~ s/[^\n]*\z//r);

	return @lines;
}

# How many descriptors the worker has open, when that does not change any more.

sub settled_fds {
	my ($t) = @_;

	my ($fds, $settled) = (0, 0);

	wait_until(sub {
		my $now = worker_fds($t);
		$settled = $now == $fds ? $settled + 1 : 0;
		$fds = $now;
		return $settled == 5;
	});

	return $fds;
}

###############################################################################

1;

###############################################################################
