package Test::Nginx::POP3;

# A POP3 client and a minimal POP3 server, with the interface of the module
# of that name in nginx-tests, and with its oddities: see t/harness.t.

use warnings;
use strict;

use Errno qw/ EWOULDBLOCK /;
use IO::Select;
use IO::Socket::INET;
use Test::More qw//;

use Test::Nginx;

my $TIMEOUT = 8;
my $CRLF = "\x0d\x0a";

# Dies when there is no connection, but not when only TLS fails.

sub new {
	my ($class, %args) = @_;

	my $self = bless { buffer => '' }, $class;

	eval {
		local $SIG{ALRM} = sub { die "timeout\n" };
		local $SIG{PIPE} = sub { die "sigpipe\n" };

		alarm $TIMEOUT;

		$self->{socket} = IO::Socket::INET->new(
			Proto    => 'tcp',
			PeerAddr => '127.0.0.1:' . port($args{SSL} ? 8995 : 8110),
			%args,
		) or die "Can't connect: $@\n";

		$self->_start_ssl(%args) if $args{SSL};

		alarm 0;
	};

	alarm 0;
	log_in("died: $@") if $@;

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

	$self->{socket}->close();
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

	return $self->{socket}->print($bytes);
}

# One line with its end; undef, or an empty list, when none comes.  select()
# does not see what TLS has taken from the socket and not handed out yet.

sub getline {
	my ($self) = @_;

	my $socket = $self->{socket};
	my $readable = IO::Select->new($socket);

	while (1) {
		return $1 if $self->{buffer} =~ s/\A([^\x0a]*\x0a)//;
		return unless $readable->can_read($TIMEOUT);

		$socket->blocking(0);
		my $n = $socket->sysread(my $bytes, 1024);
		my $again = !defined $n && $!{EWOULDBLOCK};
		$socket->blocking(1);

		next if $again;
		return unless $n;

		$self->{buffer} .= $bytes;
	}
}

# The same, always one value: it is assigned to the global $_, whatever the
# caller has there.

sub read {
	my ($self) = @_;

	$_ = $self->getline();
	log_in($_) if defined;

	return $_;
}

sub check {
	my ($self, $regex, $name) = @_;

	return Test::More->builder()->like($self->read(), $regex, $name);
}

sub ok {
	my ($self, @name) = @_;

	return Test::More->builder()->like($self->read(), qr/^\+OK/, @name);
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
