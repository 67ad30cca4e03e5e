package POP3SessionLog;

# A session log (pop3_log) that has every variable, and clients that count their bytes.
# Uses nothing of Test::Nginx but its documented interface.
#
#	pop3_log_format all escape=json '$FORMAT';
#	pop3_log        sessions.log all;
#
#	$s = client(8110);
#	...
#	is_logged($s, 'its name', method => 'plain', end => 'client');
#
# A client may have a "header" to send first, and a socket of its "own".
#
# is_logged() waits for the next line of sessions.log, and compares what is named; a
# value may be a regular expression.  What is not named is an empty string, or for
# "status" none, for "login_attempts" 0.  It compares, too, what it knows by itself: the
# ends of the connection, the bytes, and times, which have to be possible.
#
#	all => 0             the client has not read all that was sent
#	ends => [...]        remote_addr, remote_port, server_addr and server_port, where
#	                     they are others than the client's

use warnings;
use strict;

use Exporter qw/ import /;
use IO::Select;
use JSON::PP qw/ decode_json /;
use Scalar::Util qw/ weaken /;
use Socket qw/ SOL_SOCKET SO_LINGER /;
use Test::More;
use Time::HiRes qw/ time /;

use Test::Nginx;

use POP3Proxy;

our @EXPORT = qw/
	use_session_log client abandon reset_by_client is_logged
	log_lines next_lines $FORMAT @VARIABLES
/;

our @VARIABLES = qw/
	remote_addr remote_port server_addr server_port connection time_iso8601 msec
	login method status login_attempts ssl_protocol ssl_cipher
	upstream_addr upstream_ssl_protocol bytes_received bytes_sent
	login_time session_time end
/;

our $FORMAT = '{' . join(',', map { qq!"$_":"\$$_"! } @VARIABLES) . '}';

my ($t, %seen);

###############################################################################

sub use_session_log {
	($t) = @_;

	# its last checks come when the test lets go of it

	weaken($t);
}

# All whole lines of a log, without their ends.

sub log_lines {
	my ($name) = @_;

	return () unless -e $t->testdir() . "/$name";

	my @lines = $t->read_file($name) =~ /(.*)\n/g;

	return @lines;
}

# Those that came since the last call, once there are $n of them, or none any more.

sub next_lines {
	my ($name, $n) = @_;

	my @lines;

	wait_until(sub {
		@lines = log_lines($name);
		return @lines >= ($seen{$name} // 0) + ($n // 1);
	});

	splice @lines, 0, $seen{$name} // 0;
	$seen{$name} += @lines;

	return @lines;
}

###############################################################################
# Clients

sub client {
	my ($number, %args) = @_;

	my $header = delete $args{header};
	my $began = time();
	my $s = POP3SessionLog::Client->new(PeerAddr => '127.0.0.1:' . port($number), %args);

	$s->{began} = $began;
	$s->{ends} = [map { $s->socket()->$_() } qw/ sockhost sockport peerhost peerport /]
		unless $args{own};

	# what is before the session is not of it

	$s->socket()->print($header) if $header;
	$s->{greeting} = $s->read();

	return $s;
}

# Closes the connection, in a way that keeps what is known of the client.

sub abandon {
	my ($s) = @_;

	$s->socket()->close();
}

sub reset_by_client {
	my ($s) = @_;

	setsockopt($s->socket(), SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
	abandon($s);
}

sub is_logged {
	my ($s, $name, %expected) = @_;

	my $all = delete $expected{all} // 1;
	my $ends = delete $expected{ends} // $s->{ends};

	%expected = (
		(map { $_ => '' } @VARIABLES),
		status => 'none',
		login_attempts => 0,
		bytes_received => $s->{sent_bytes},
		bytes_sent     => $all ? $s->{read_bytes} : qr/^\d+$/,
		connection     => qr/^[1-9]\d*$/,
		time_iso8601   => qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$/,
		msec           => qr/^\d{10,}\.\d{3}$/,
		session_time   => qr/^\d+\.\d{3}$/,
		login_time     => ($expected{status} // '') eq 'ok' ? qr/^\d+\.\d{3}$/ : '',
		%expected,
	);
	@expected{qw/ remote_addr remote_port server_addr server_port /} = @$ends;

	my @lines = next_lines('sessions.log');
	my $line = eval { decode_json($lines[0] // '{}') } // { no_json => $lines[0] };

	$line->{times} = _times($line, $s->{began});
	$line->{lines} = @lines;

	# nginx's clock may be that of the event before

	is_deeply($line, { times => '', lines => 1, map { $_ => _fits($line->{$_}, $expected{$_}) }
		keys %expected }, $name);

	return $line;
}

sub _fits {
	my ($is, $expected) = @_;

	return $expected unless ref $expected;

	return defined $is && $is =~ $expected ? $is : "$expected";
}

# What cannot be true of a line's times, within a second: nginx's clock stands still
# between two events.

sub _times {
	my ($line, $began) = @_;

	my ($ended, $login, $whole) = map { $_ || 0 } @$line{qw/ msec login_time session_time /};
	my $most = time() - $began + 1;

	return join ', ',
		$ended < $began - 1 || $ended > time() + 1 ? "msec $ended" : (),
		$whole > $most ? "session_time $whole, at most $most" : (),
		$login > $whole ? "login_time $login, session_time $whole" : ();
}

###############################################################################

package POP3SessionLog::Client;

# A POP3Session that counts; with "own", on a socket that is there already.

use warnings;
use strict;

use base qw/ POP3Session /;

sub new {
	my ($class, %args) = @_;

	my $self = $args{own} ? bless { own => $args{own}, unread => '' }, $class
		: $class->SUPER::new(%args);

	@$self{qw/ sent_bytes read_bytes /} = (0, 0);

	return $self;
}

sub DESTROY {
	my ($self) = @_;

	$self->SUPER::DESTROY() unless $self->{own};
}

sub socket {
	my ($self) = @_;

	return $self->{own} // $self->SUPER::socket();
}

sub can_read {
	my ($self, @args) = @_;

	return IO::Select->new($self->{own})->can_read(@args) if $self->{own};
	return $self->SUPER::can_read(@args);
}

sub print {
	my ($self, $bytes) = @_;

	$self->{sent_bytes} += length $bytes;

	return $self->{own}->print($bytes) if $self->{own};
	return $self->SUPER::print($bytes);
}

sub more {
	my ($self, @args) = @_;

	my $before = length $self->{unread};
	my $n = $self->SUPER::more(@args);

	$self->{read_bytes} += length($self->{unread}) - $before;

	return $n;
}

###############################################################################

1;

###############################################################################
