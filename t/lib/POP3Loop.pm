package POP3Loop;

# One process for all connections of a server: nothing is left to end when it is
# killed.  Uses nothing of Test::Nginx.
#
# A connection is a hash: sock, at (what its listener was given), number, in
# (bytes that came), todo (what is still to be done), eof.  An element of todo is
# a string, which is sent, or one of
#
#	['wait', seconds]     ['until', file]     until the file is there
#	['fin']               ends the sending side
#	['notify']            close_notify, and no more than that
#	['raw', bytes]        the bytes beside TLS
#	['close']             the end; with TLS, close_notify comes before it
#	['drop']              the same without close_notify
#	['reset']             the end by RST
#	['flood', bytes]      the bytes again and again, until the peer is gone
#	['cork', 1 or 0]      holds what is sent from here on, and lets it go
#	['tls', context]      the handshake
#
# Hooks, each with the connection: open, data, tls (the handshake is done), failed
# (it is not: why), ended (how: eof, notify for TLS's own end, reset, or ours).
# "ready" is called when all listeners are there.

use warnings;
use strict;

use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket qw/ IPPROTO_TCP SOL_SOCKET SO_LINGER TCP_CORK TCP_NODELAY /;
use Time::HiRes qw/ time /;

###############################################################################

sub serve {
	my ($listen, %on) = @_;

	my ($last, $parent, %conn) = (0, getppid());
	my %listener = map {
		my $s = _listen($_);
		fileno($s) => { sock => $s, at => $listen->{$_} };
	} sort keys %$listen;

	local $SIG{PIPE} = 'IGNORE';

	$on{ready}->() if $on{ready};

	while (getppid() == $parent) {
		my ($read, $write, $timeout) = _wanted(values %conn);

		$read->add($_->{sock}) for values %listener;

		my ($readable) = IO::Select->select($read, $write, undef, $timeout);
		my %readable = map { fileno($_) => 1 } @{$readable || []};

		for my $l (map { $listener{$_} // () } keys %readable) {
			my $new = $l->{sock}->accept() or next;

			$new->blocking(0);
			$new->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
				if $new->isa('IO::Socket::IP');

			my $c = $conn{fileno $new} = { sock => $new, in => '', todo => [],
				at => $l->{at}, number => ++$last };
			$on{open}->($c) if $on{open};
		}

		for my $c (values %conn) {
			my $fd = fileno $c->{sock};

			_step($c, \%on, $readable{$fd});
			delete $conn{$fd} if $c->{gone};
		}
	}
}

sub _listen {
	my ($address) = @_;

	my $s = $address =~ /^unix:(.*)/
		? IO::Socket::UNIX->new(Local => $1, Listen => 128)
		: IO::Socket::IP->new(
			Proto     => 'tcp',
			LocalAddr => $address,
			Listen    => 128,
			ReuseAddr => 1,
		) or die "Can't listen on $address: $@\n";

	$s->blocking(0);
	chmod 0666, $1 if $address =~ /^unix:(.*)/;

	return $s;
}

# What select() is to wait for.

sub _wanted {
	my @conn = @_;

	my $timeout = 1;
	my ($read, $write) = (IO::Select->new(), IO::Select->new());

	for my $c (@conn) {
		my $item = $c->{todo}[0];
		my $what = ref $item ? $item->[0] : defined $item ? 'send' : '';

		$read->add($c->{sock}) unless $c->{eof};
		$write->add($c->{sock}) if $what =~ /^(?:send|flood)$/
			|| $c->{wants_write};

		if ($what =~ /^(?:close|drop|reset|fin)$/) {
			$timeout = 0;
		} elsif ($what eq 'until') {
			$timeout = 0.02 if $timeout > 0.02;
		} elsif ($what eq 'wait') {
			my $left = ($item->[2] //= time() + $item->[1]) - time();
			$timeout = $left < 0 ? 0 : $left if $left < $timeout;
		}
	}

	return ($read, $write, $timeout);
}

sub _step {
	my ($c, $on, $readable) = @_;

	if ($c->{handshake}) {
		_handshake($c, $on) or return;
		shift @{$c->{todo}};
		$readable = 1;    # TLS may have taken it from the socket already
	}

	_receive($c, $on) if $readable && !$c->{eof};

	while (!$c->{gone} && @{$c->{todo}}) {
		_do($c, $on, $c->{todo}[0]) or last;
		shift @{$c->{todo}};
	}
}

# All that is there, or as many bytes as "peek" says: TLS may follow.

sub _receive {
	my ($c, $on) = @_;

	my $n;

	while ($n = $c->{sock}->sysread($c->{in}, $c->{peek} || 65536,
		length $c->{in}))
	{
		$on->{data}->($c) if $on->{data};
		return if $c->{peek} || _is_tls_next($c);
	}

	return if !defined $n && $!{EAGAIN};

	$c->{eof} = !defined $n && $!{ECONNRESET} ? 'reset'
		: _is_notified($c) ? 'notify' : 'eof';
	$on->{ended}->($c, $c->{eof}) if $on->{ended};

	# nobody is left to hear the rest

	@{$c->{todo}} = ['close'];
}

sub _is_notified {
	my ($c) = @_;

	return $c->{sock}->isa('IO::Socket::SSL')
		&& Net::SSLeay::get_shutdown($c->{sock}->_get_ssl_object()) & 2;
}

sub _is_tls_next {
	my ($c) = @_;

	return grep { ref $_ && $_->[0] eq 'tls' } @{$c->{todo}};
}

# True when it is done, and the next one's turn has come.

sub _do {
	my ($c, $on, $item) = @_;

	return _send($c, $on) unless ref $item;

	my ($what, $arg) = @$item;

	return time() >= ($item->[2] //= time() + $arg) if $what eq 'wait';
	return -e $arg if $what eq 'until';

	if ($what eq 'fin') {
		shutdown($c->{sock}, 1);
		return 1;
	}

	if ($what eq 'cork') {
		$c->{sock}->setsockopt(IPPROTO_TCP, TCP_CORK, $arg);
		return 1;
	}

	if ($what eq 'raw') {
		open my $raw, '>&', fileno $c->{sock} or die "Can't dup: $!\n";
		syswrite($raw, $arg);
		return 1;
	}

	if ($what eq 'notify') {
		Net::SSLeay::shutdown($c->{sock}->_get_ssl_object());
		return 1;
	}

	if ($what eq 'flood') {
		1 while !$c->{gone} && _write($c, $on, $arg);
		return 0;
	}

	if ($what eq 'tls') {
		require IO::Socket::SSL;

		IO::Socket::SSL->start_SSL($c->{sock}, SSL_server => 1,
			SSL_startHandshake => 0, SSL_reuse_ctx => $arg);
		$c->{handshake} = 1;
		return _handshake($c, $on) ? 1 : 0;
	}

	$c->{sock}->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0)
		if $what eq 'reset';
	_end($c, $on, 'ours', $what eq 'close');

	return 1;
}

sub _send {
	my ($c, $on) = @_;

	$c->{todo}[0] .= splice @{$c->{todo}}, 1, 1
		while @{$c->{todo}} > 1 && !ref $c->{todo}[1];

	while (length $c->{todo}[0]) {
		my $n = _write($c, $on, $c->{todo}[0]) or return 0;
		substr($c->{todo}[0], 0, $n) = '';
	}

	return 1;
}

sub _write {
	my ($c, $on, $bytes) = @_;

	my $n = $c->{sock}->syswrite($bytes);

	_end($c, $on, 'reset', 0) if !defined $n && !$!{EAGAIN};

	return $n;
}

# True when it is done.

sub _handshake {
	my ($c, $on) = @_;

	$c->{wants_write} = 0;

	if ($c->{sock}->accept_SSL()) {
		$c->{handshake} = 0;
		$on->{tls}->($c) if $on->{tls};
		return 1;
	}

	my $error = do { no warnings 'once'; $IO::Socket::SSL::SSL_ERROR };

	if ($error == IO::Socket::SSL::SSL_WANT_READ()
		|| $error == IO::Socket::SSL::SSL_WANT_WRITE())
	{
		$c->{wants_write} = $error == IO::Socket::SSL::SSL_WANT_WRITE();

	} else {
		$on->{failed}->($c, "$error") if $on->{failed};
		_end($c, $on, 'failed', 0);
	}

	return 0;
}

sub _end {
	my ($c, $on, $how, $notify) = @_;

	return if $c->{gone}++;

	$on->{ended}->($c, $how) if $on->{ended} && !$c->{eof};

	# one that failed in its handshake is no SSL socket any more

	$c->{sock}->close($c->{sock}->isa('IO::Socket::SSL') && !$notify
		? (SSL_no_shutdown => 1) : ());
}

###############################################################################
# TLS, for the contexts of a server and what has become of it

sub tls_context {
	my ($dir, %args) = @_;

	require IO::Socket::SSL;

	delete @args{qw/ ssl cork /};

	# without authorities it would read all those of the system; those that it has go
	# with the certificate

	my $context = IO::Socket::SSL::SSL_Context->new(
		SSL_server      => 1,
		SSL_cert_file   => "$dir/localhost.crt",
		SSL_key_file    => "$dir/localhost.key",
		SSL_ca_file     => "$dir/localhost.crt",
		SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_NONE(),
		%args,
	);

	return $context || die 'TLS: ' . IO::Socket::SSL::errstr() . "\n";
}

sub tls_facts {
	my ($sock) = @_;

	my $ssl = $sock->_get_ssl_object();
	my $cert = Net::SSLeay::get_peer_certificate($ssl);
	my $client = $cert ? Net::SSLeay::X509_NAME_oneline(
		Net::SSLeay::X509_get_subject_name($cert)) : '';

	return ('version=' . $sock->get_sslversion(),
		'cipher=' . $sock->get_cipher(), 'sni=' . ($sock->get_servername() // ''),
		'reused=' . Net::SSLeay::session_reused($ssl), "client=$client");
}

###############################################################################

1;

###############################################################################
