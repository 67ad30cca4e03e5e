package Test::Nginx::POP3;

# A POP3 client and a minimal POP3 server, with the interface of the module
# of that name in nginx-tests.

use warnings;
use strict;

use Errno qw/ EAGAIN EINTR /;
use Exporter qw/ import /;
use IO::Select;
use IO::Socket::INET;
use Test::More qw//;

use Test::Nginx;

our @EXPORT = qw/ pop3_test_daemon /;

my $TIMEOUT = 8;
my $CRLF = "\x0d\x0a";

sub new {
	my ($class, %args) = @_;

	my $self = bless { buffer => '' }, $class;

	local $SIG{ALRM} = sub { die "timeout\n" };
	local $SIG{PIPE} = 'IGNORE';

	my $connected = eval {
		alarm $TIMEOUT;

		$self->{socket} = IO::Socket::INET->new(
			Proto    => 'tcp',
			PeerAddr => '127.0.0.1:' . port($args{SSL} ? 8995 : 8110),
			%args,
		) or die "Can't connect: $@\n";

		$self->_start_ssl(%args) if $args{SSL};

		1;
	};

	my $error = $@;
	alarm 0;

	die "POP3 client: $error" unless $connected;

	$self->{socket}->autoflush(1);

	return $self;
}

sub _start_ssl {
	my ($self, %args) = @_;

	require IO::Socket::SSL;

	IO::Socket::SSL->start_SSL(
		$self->{socket},
		SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_NONE(),
		%args,
	) or die IO::Socket::SSL::errstr() . "\n";
}

sub DESTROY {
	my ($self) = @_;

	$self->{socket}->close() if $self->{socket};
}

sub socket {
	my ($self) = @_;

	return $self->{socket};
}

sub eof {
	my ($self) = @_;

	return $self->{socket}->eof();
}

sub can_read {
	my ($self, $seconds) = @_;

	return IO::Select->new($self->{socket})->can_read($seconds || 3);
}

sub send {
	my ($self, $line) = @_;

	return $self->print($line . $CRLF);
}

sub print {
	my ($self, $bytes) = @_;

	log_out($bytes);

	# reading leaves the socket non-blocking; half a write would go unnoticed

	$self->{socket}->blocking(1);

	return $self->{socket}->print($bytes);
}

# One line with its end, or undef when none comes.

sub read {
	my ($self) = @_;

	my $line = $self->_getline();

	log_in($line);

	return $line;
}

sub _getline {
	my ($self) = @_;

	my $socket = $self->{socket};
	my $readable = IO::Select->new($socket);

	$socket->blocking(0);

	while (1) {
		return $1 if $self->{buffer} =~ s/\A([^\x0a]*\x0a)//;

		my $n = $socket->sysread($self->{buffer}, 16384,
			length $self->{buffer});

		# TLS may hold bytes that select() does not see, so it is asked only
		# when there is nothing to read

		if (!defined $n && ($!{EAGAIN} || $!{EINTR})) {
			return undef unless $readable->can_read($TIMEOUT);
			next;
		}

		return undef unless $n;
	}
}

sub check {
	my ($self, $regex, $name) = @_;

	return Test::More->builder()->like($self->read(), $regex, $name);
}

sub ok {
	my ($self, @name) = @_;

	return $self->check(qr/^\+OK/, @name);
}

###############################################################################

# Knows one account, one client at a time.

sub pop3_test_daemon {
	my ($port) = @_;

	my $server = IO::Socket::INET->new(
		Proto     => 'tcp',
		LocalAddr => '127.0.0.1:' . ($port || port(8111)),
		Listen    => 5,
		ReuseAddr => 1,
	) or die "Can't listen: $@\n";

	local $SIG{PIPE} = 'IGNORE';

	while (my $client = $server->accept()) {
		$client->autoflush(1);
		$client->print("+OK fake pop3 server ready$CRLF");

		while (defined(my $line = $client->getline())) {
			my $reply = $line =~ /^quit/i ? '+OK quit ok'
				: $line =~ /^user test\@example\.com/i ? '+OK user ok'
				: $line =~ /^pass secret/i ? '+OK pass ok'
				: '-ERR unknown command';

			$client->print("$reply$CRLF");
		}

		$client->close();
	}
}

###############################################################################

1;
