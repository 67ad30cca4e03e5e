#!/usr/bin/perl

# Logins at a backend of pop3_proxy_pass, in plain and in TLS: the bytes of the client
# and those of the backend are cut at every place, and client and backend go at every
# byte; inside a record of TLS, where one place is like the next, at every fifth.
# The replies are the same, or the login has failed, and nothing is left.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Select;
use IO::Socket::INET;
use Socket qw/ IPPROTO_TCP SOL_SOCKET SO_LINGER TCP_NODELAY /;
use Time::HiRes qw/ time /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;
use POP3Backend;
use POP3Certificates;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $CRLF = "\x0d\x0a";
my $AT_ONCE = 40;
my $STEP = 5;
my $BEHIND_ALL = 10 ** 6;

# Ways to a backend: the server, the port that it is given, where bytes are cut, the
# port of the backend, and how that goes.

my %ways = (
	'plain'    => [8110, 8221, 8211, 'close', 'reset'],
	'TLS'      => [8120, 8222, 8212, 'close'],
	'STARTTLS' => [8130, 8223, 8213, 'reset'],
);

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(45);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    error_log %%TESTDIR%%/mail.log info;
    timeout   5m;

    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/localhost.crt;
    pop3_proxy_ssl_name                localhost;

    server {
        listen          127.0.0.1:8110;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8221;
    }

    # each handshake is a full one here, and a short one below

    server {
        listen                       127.0.0.1:8120;
        protocol                     pop3;
        pop3_proxy_pass              127.0.0.1:8222;
        pop3_proxy_ssl               on;
        pop3_proxy_ssl_session_reuse off;
    }

    server {
        listen          127.0.0.1:8130;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8223;
        pop3_proxy_ssl  starttls;
    }
}

EOC

keep_certificates($t->testdir());
issue('localhost', names => 'DNS:localhost');
$t->write_file('cut', 'measure');

start_backends($t,
	8211 => {},
	8212 => { tls => { ssl => 1 } },
	8213 => { tls => {} },
);

$t->run_daemon(\&cutter_daemon, $t->testdir(),
	map { (port($_->[1]) => port($_->[2])) } values %ways);

$t->waitforsocket('127.0.0.1:' . port($_->[1])) or die "Can't start the cutter\n"
	for values %ways;

$t->run();

###############################################################################

my $lines = join $CRLF, 'USER test', 'PASS secret', 'STAT', 'QUIT', '';
my $user = "+OK$CRLF";
my $failed = join $CRLF, '-ERR [SYS/TEMP] mail server is not available',
	'-ERR command not valid in this state', '+OK', '';

# When this session has its reply, the worker has read what another one has sent
# before.

my $probe = session('plain');
my %whole = map { $_ => whole($_) } sort keys %ways;

# The places are those of a login like the ones that follow, with TLS's session reused.
whole($_) for sort keys %ways;
$t->write_file('cut', 'not');

for my $way (sort keys %ways) {
	like($whole{$way}, qr/\A(?:\+OK .*\x0d\x0a){3}\z/, "$way - login");
}

my $worker = worker_pid($t);
my $fds = settled_fds($t);

for my $way (sort keys %ways) {

	# the client's bytes are cut

	my ($at, $got) = (1, '');

	for (; $at < length $lines; $at++) {
		my $s = session($way);

		$s->print(substr $lines, 0, $at);
		command($probe, 'NOOP');
		$s->print(substr $lines, $at);
		$got = receive($s, 10 ** 6);
		last if $got ne $user . $whole{$way};
	}

	is($at, length $lines, "$way - the client's bytes cut") or diag($got);

	# the client goes

	for my $how ('FIN', 'RST', 'close') {
		my $stuck = 0;

		for my $at (0 .. length $lines) {
			my $s = session($way);

			$s->print(substr $lines, 0, $at);
			go($s->socket(), $how);

			if ($how eq 'FIN') {
				receive($s, 10 ** 6);
				$stuck++ unless closed($s);
			}
		}

		is($stuck, 0, "$way - the client goes by $how");
		is_level("$way - the client goes by $how");
	}

	# the backend's bytes are cut, and it goes

	for my $how ('cut', @{$ways{$way}}[3 .. $#{$ways{$way}}]) {
		my ($relayed, $refused, $wrong) = at_every_byte($way, $how);

		is($wrong, '', "$way - the backend's bytes, $how");
		cmp_ok($refused, '>=', length $whole{plain} =~ s/\n.*//sr,
			"$way - the backend's bytes, $how, logins fail") if $how ne 'cut';
		is_level("$way - the backend's bytes, $how");
	}
}

is_deeply([map { @{$_->{early}} } connections()], [],
	'nothing is sent ahead of its turn');
is(worker_pid($t), $worker, 'the worker is the same');
is(join("\n", $t->read_file('mail.log') =~ /^.*\[(?:alert|emerg)\].*$/gm), '',
	'no alerts in sessions');

undef $probe;
undef $t;

###############################################################################

sub session {
	my ($way) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($ways{$way}[0]));

	$s->socket()->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
	$s->read();

	return $s;
}

# The replies behind that to USER.

sub whole {
	my ($way) = @_;

	my $s = session($way);

	$s->print($lines);

	return receive($s, 10 ** 6) =~ s/\A\Q$user\E//r;
}

sub go {
	my ($socket, $how) = @_;

	return shutdown $socket, 1 if $how eq 'FIN';

	$socket->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0) if $how ne 'close';
	CORE::close $socket;
}

sub is_level {
	my ($name) = @_;

	ok(wait_until(sub { worker_fds($t) == $fds }), "$name, nothing is left")
		or diag(worker_fds($t) . " of $fds");
}

# Many sessions at a time, each with another place where the backend's bytes are cut,
# up to one whose bytes were all there.  Gives how many were relayed, how many have
# failed, and those of which neither can be said.

sub at_every_byte {
	my ($way, $how) = @_;

	my ($relayed, $refused, $wrong) = (0, 0, '');

	$t->write_file('cut', "$way $how");

	until ($wrong || $t->read_file('cutter.log') =~ /^$way $how .* whole$/m) {
		my @sessions = map { session($way) } 1 .. $AT_ONCE;

		$_->print($lines) for @sessions;

		for my $s (@sessions) {
			my $got = receive($s, 10 ** 6);

			if (closed($s) && $got eq $user . $failed && $how ne 'cut') {
				$refused++;
			} elsif ($how eq 'cut' ? $got eq $user . $whole{$way}
				: index($user . $whole{$way}, $got) == 0
					&& $got =~ /^\+OK logged in/m)
			{
				$relayed++;
			} else {
				$wrong .= "[$got]";
			}
		}
	}

	$t->write_file('cut', 'not');

	return ($relayed, $refused, $wrong);
}

###############################################################################
# Between nginx and its backends

# Forwards bytes.  In the file "cut" stands what is done: connection after connection
# the backend's bytes are cut at the next of their places.  What has become of each is
# written to a log.

sub cutter_daemon {
	my ($dir, %to) = @_;

	my ($parent, $what, $count, @pairs) = (getppid(), '', 0);
	my %places;
	my %listener = map {
		my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$_", Listen => 128,
			ReuseAddr => 1) or die "Can't listen on port $_: $@\n";
		fileno($s) => [$s, $to{$_}];
	} keys %to;

	local $SIG{PIPE} = 'IGNORE';

	open my $log, '>', "$dir/cutter.log" or die "Can't write the log: $!\n";
	$log->autoflush(1);

	while (getppid() == $parent) {
		my $select = IO::Select->new(map { $_->[0] } values %listener);

		$select->add(@$_{qw/ near far /}) for @pairs;

		my %ready = map { fileno($_) => 1 }
			$select->can_read((grep { $_->{rest} } @pairs) ? 0.002 : 1);

		for my $pair (@pairs) {
			forward($pair, \%ready) or next;
			print $log "$pair->{what} $pair->{at} "
				. ($pair->{was_cut} ? 'cut' : 'whole') . "\n";
			$places{$pair->{port}} = [places($pair->{all})] if $pair->{what} eq 'measure';
			$pair->{over} = 1;
		}

		@pairs = grep { !$_->{over} } @pairs;

		for my $listener (map { $listener{$_} // () } keys %ready) {
			my ($socket, $port) = @$listener;
			my $near = $socket->accept() or next;

			$near->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);

			open my $fh, '<', "$dir/cut" or next;
			my $now = <$fh> // '';
			($what, $count) = ($now, 0) if $now ne $what;

			push @pairs, { near => $near, what => $what, port => $port,
				at => ($places{$port} // [])->[$count++] // $BEHIND_ALL,
				far => IO::Socket::INET->new("127.0.0.1:$port"),
				sent => 0, rest => '', all => '' };
		}
	}
}

# Where these bytes are cut: at each of plain text and of a record's ends.

sub places {
	my ($bytes) = @_;

	my ($start, @places) = 0;

	while ($start < length $bytes) {
		my ($type, undef, $n) = unpack 'Cnn', substr $bytes, $start, 5;
		my $size = $type >= 20 && $type <= 23 ? 5 + $n : 1;

		push @places, map { $start + $_ } grep {
			$_ < 8 || $_ > $size - 3 || $_ % $STEP == 0
		} 0 .. $size - 1;
		$start += $size;
	}

	return @places;
}

# Whether both ends of the pair are closed now.

sub forward {
	my ($pair, $ready) = @_;

	my ($near, $far) = @$pair{qw/ near far /};

	if (length $pair->{rest} && time() > $pair->{until}) {
		$near->syswrite($pair->{rest});
		$pair->{rest} = '';
	}

	if ($ready->{fileno $far}) {
		$far->sysread(my $bytes, 65536) or $pair->{ended} = 1;

		$pair->{all} .= $bytes if $pair->{what} eq 'measure';

		my $first = $pair->{at} - $pair->{sent};
		my $is_cut = $pair->{what} =~ /cut|close|reset/ && $first >= 0
			&& $first < length $bytes;

		$pair->{sent} += length $bytes;
		$pair->{was_cut} = 1 if $is_cut;
		$near->syswrite(substr $bytes, 0, $first) if $is_cut && $first;

		if ($is_cut && $pair->{what} =~ /close|reset/) {
			go($near, $pair->{what} =~ /reset/ ? 'RST' : 'close');
			return CORE::close $far;
		}

		($pair->{rest}, $pair->{until}) = (substr($bytes, $first), time() + 0.003)
			if $is_cut;
		$pair->{rest} .= $bytes if !$is_cut && $pair->{rest};
		$near->syswrite($bytes) if !$is_cut && !$pair->{rest};
	}

	if ($ready->{fileno $near}) {
		$near->sysread(my $bytes, 65536) or $pair->{ended} = 1;
		$far->syswrite($bytes);
	}

	return 0 if !$pair->{ended} || length $pair->{rest};

	CORE::close $near;

	return CORE::close $far;
}

###############################################################################
