package POP3Auth;

# Auth servers that answer as they are told, and record all that they are asked.
#
#	start_auth($t,
#		8280          => {},
#		'unix:auth'   => { reply => http_head('1.0 200 OK', 'Auth-Status: no') },
#		8281          => { open => [['close']] },
#		8282          => { logins => {
#			'half@auth' => ['HTTP/1.0 200 O', ['close']],
#		} });
#
# An address is as for POP3Backend.  What an auth server does is a hash: each of its
# "logins" has a turn, "reply" is that of the others, and "open" that of a connection
# which is new.  A turn is a reply, behind which the end comes if the request is
# HTTP/1.0; or a list of what POP3Loop knows, with strings sent as they are, and
#
#	['bytes', bytes]       each of the bytes by itself
#	['cut', bytes, n ...]  the first n of them by themselves, and so on
#	['then', turn]         the turn of the next request on this connection, whatever
#	                       its login is
#
# or a code reference that has the request and the number of requests for its login,
# and gives a turn, or none.  [] is silence.  Without a turn an auth server takes
# any login with the password "secret", and sends it to the backend 8211.
#
# asked() gives the requests in their order, each a hash of POP3Records, and
#
#	connection            the number of the connection
#	at                    the address, as it was given to start_auth()
#	lines                 all lines without CRLF, but the empty one
#	early                 true when the one before was not answered yet
#
# auth_connections() gives the connections, each a hash: number, at, requests (how
# many), rest (what is no whole request), end (how the peer has ended it, eof or
# reset; or ours; nothing while it is open).

use warnings;
use strict;

use Digest::HMAC_MD5 qw/ hmac_md5_hex /;
use Digest::MD5 qw/ md5_hex /;
use Exporter qw/ import /;

use Test::Nginx;

use POP3Loop;
use POP3Proxy;
use POP3Records;

our @EXPORT = qw/
	start_auth asked asked_take auth_connections auth_open auth_ended
	http_head route kept is_login
/;

my $CRLF = "\x0d\x0a";
my $LOG = 'auth_http.log';

###############################################################################

sub start_auth {
	my ($t, %servers) = @_;

	my $dir = POP3Records::keep_in($t->testdir());
	my %listen = map { (_address($dir, $_) => { %{$servers{$_}}, at => $_ }) }
		keys %servers;

	# a port that is first asked for in a daemon is not the test's port

	port(8211);

	chmod 0711, $dir or die "Can't change the mode of $dir: $!\n";

	$t->run_daemon(\&auth_http_daemon, $dir, \%listen);

	$t->waitforfile("$dir/auth_http.ready")
		or die "Can't start the auth servers\n";

	return $t;
}

sub _address {
	my ($dir, $name) = @_;

	return "unix:$dir/$1" if $name =~ /^unix:(.*)/;

	my ($host, $number) = $name =~ /^(?:(.*):)?(\d+)$/
		or die "Wrong address of an auth server: $name\n";

	return ($host // '127.0.0.1') . ':' . port($number);
}

sub auth_http_daemon {
	my ($dir, $listen) = @_;

	my $log = POP3Records::open_log("$dir/$LOG");
	my %asked;

	my $record = sub {
		my ($c, $text) = @_;

		POP3Records::log_line($log, "$c->{number} $text");
	};

	POP3Loop::serve($listen, ready => sub {
		POP3Records::open_log("$dir/auth_http.ready");

	}, open => sub {
		my ($c) = @_;

		$record->($c, "<at $c->{at}{at}>");
		_do($c, $c->{at}{open}) if $c->{at}{open};

	}, data => sub {
		my ($c) = @_;

		while ($c->{in} =~ s/\A(.*?\x0d\x0a)\x0d\x0a//s) {
			my $r = POP3Records::parse_request($1);

			$record->($c, '<early>') if @{$c->{todo}};
			$record->($c, $r->{request});
			_do($c, _turn($c, $r, ++$asked{$r->{user}}), $r);
		}

	}, ended => sub {
		my ($c, $how) = @_;

		$record->($c, "<rest $c->{in}>") if $c->{in} ne '';
		$record->($c, "<end $how>");
	});
}

sub _turn {
	my ($c, $r, $n) = @_;

	my $turn = delete $c->{then} // ($c->{at}{logins} // {})->{$r->{user}}
		// $c->{at}{reply};

	$turn = $turn->($r, $n) if ref $turn eq 'CODE';

	return $turn // _usual($r);
}

sub _usual {
	my ($r) = @_;

	return kept($r, 'Auth-Status: Invalid login or password')
		if !is_login($r);

	return kept($r, route($r->{'Auth-Method'} eq 'plain' ? () : 'Auth-Pass: secret',
		$r->{user} eq '' ? 'Auth-User: test@example.com' : ()));
}

sub _do {
	my ($c, $turn, $r) = @_;

	$turn = [$turn, $r->{request} =~ m!^\S+ \S+ HTTP/1\.0\x0d!
		? ['close'] : ()] unless ref $turn;

	for my $item (map { ref $_ ? [@$_] : $_ } @$turn) {
		my ($what, $arg, @more) = ref $item ? @$item : '';

		if ($what eq 'then') {
			$c->{then} = $arg;
			next;
		}

		push @{$c->{todo}}, $what eq 'bytes' ? _cut($arg, 1 .. length $arg)
			: $what eq 'cut' ? _cut($arg, @more) : $item;
	}
}

# A moment between two parts, or the kernel would join them.

sub _cut {
	my ($bytes, @at) = @_;

	my ($done, @parts) = 0;

	for my $at (grep { $_ < length $bytes } @at) {
		push @parts, substr($bytes, $done, $at - $done), ['wait', 0.001];
		$done = $at;
	}

	return (@parts, substr $bytes, $done);
}

###############################################################################
# Replies

# A head: what is behind "HTTP/", and headers.

sub http_head {
	my ($status, @headers) = @_;

	return join $CRLF, "HTTP/$status", @headers, '', '';
}

# The headers of one that lets in.

sub route {
	my (@more) = @_;

	return ('Auth-Status: OK', 'Auth-Server: 127.0.0.1',
		'Auth-Port: ' . port(8211), @more);
}

# A reply behind which the connection can be used again, if the request is
# HTTP/1.1.

sub kept {
	my ($r, @headers) = @_;

	return http_head('1.1 200 OK', @headers, 'Content-Length: 0')
		if $r->{request} =~ m! HTTP/1\.1\x0d!;

	return http_head('1.0 200 OK', @headers);
}

# True when the password is "secret", or what proves it.

sub is_login {
	my ($r) = @_;

	my $method = $r->{'Auth-Method'} // '';
	my $salt = $r->{'Auth-Salt'} // '';

	return $method eq 'external'
		|| $r->{pass} eq ($method eq 'apop' ? md5_hex($salt . 'secret')
			: $method eq 'cram-md5' ? hmac_md5_hex($salt, 'secret')
			: 'secret');
}

###############################################################################
# What has been recorded

sub _recorded {
	my (%by_number, @connections, @asked, $is_early);

	for my $text (POP3Records::_read(undef, $LOG)) {
		my ($number, $what) = $text =~ /^(\d+) (.*)/s or next;
		my $c = $by_number{$number};

		if (!$c) {
			$c = $by_number{$number} = { number => $number, requests => 0 };
			push @connections, $c;
		}

		if ($what =~ /^<early>\z/) {
			$is_early = 1;

		} elsif ($what =~ /^<(at|rest|end) (.*)>\z/s) {
			$c->{$1} = $2;

		} else {
			my $r = POP3Records::parse_request($what);

			$c->{requests}++;
			@$r{qw/connection at early/} = ($number, $c->{at}, $is_early);
			$r->{lines} = [split /\x0d\x0a/, $what];
			$is_early = undef;
			push @asked, $r;
		}
	}

	return (\@asked, \@connections);
}

sub asked {
	my ($asked) = _recorded();

	return @$asked;
}

# Those that came since the last call; how many, in scalar context.

my $taken = 0;

sub asked_take {
	my @all = asked();
	my @new = @all[$taken .. $#all];

	$taken = @all;

	return @new;
}

sub auth_connections {
	my ($asked, $connections) = _recorded();

	return @$connections;
}

# How many are open.

sub auth_open {
	my @open = grep { !$_->{end} } auth_connections();

	return scalar @open;
}

# True when all of them have ended.

sub auth_ended {
	return wait_until(sub { !auth_open() });
}

###############################################################################

1;

###############################################################################
