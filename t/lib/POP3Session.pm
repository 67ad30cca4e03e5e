package POP3Session;

# A Test::Nginx::POP3 that any test can read from anywhere.  What that leaves
# to its user: read() assigns to the global $_, so that a loop around it loses
# its element or dies; a line is waited for in select(), which sees nothing of
# what TLS has taken from the socket; and new() is content without TLS.

use warnings;
use strict;

use base qw/ Test::Nginx::POP3 /;

use Errno qw/ EAGAIN EINTR /;
use Time::HiRes qw/ time /;

my $TIMEOUT = 8;

sub new {
	my ($class, %args) = @_;

	my $self = $class->SUPER::new(%args);

	die "POP3 client: no TLS\n"
		if $args{SSL} && !$self->socket()->isa('IO::Socket::SSL');

	$self->{unread} = '';

	return $self;
}

sub read {
	my ($self) = @_;

	local $_;

	return $self->SUPER::read();
}

sub getline {
	my ($self) = @_;

	while (1) {
		return $1 if $self->{unread} =~ s/\A([^\x0a]*\x0a)//;
		return undef unless $self->more();
	}
}

# The next $n bytes, fewer when no more come.

sub take {
	my ($self, $n) = @_;

	while (length $self->{unread} < $n) {
		$self->more() or last;
	}

	return substr $self->{unread}, 0, $n, '';
}

# How many bytes are there already.

sub unread {
	my ($self) = @_;

	return length $self->{unread};
}

# Waits for bytes: how many have come, 0 at the end, undef when none come.

sub more {
	my ($self, $seconds) = @_;

	my $socket = $self->socket();
	my $deadline = time() + ($seconds || $TIMEOUT);
	my $n;

	$socket->blocking(0);

	until (defined($n = $socket->sysread($self->{unread}, 16384,
		length $self->{unread})))
	{
		# a reset ends the session, too

		if (!$!{EAGAIN} && !$!{EINTR}) {
			$n = 0;
			last;
		}

		my $left = $deadline - time();
		last if $left <= 0 || !$self->can_read($left);
	}

	# half a write would go unnoticed

	$socket->blocking(1);

	return $n;
}

###############################################################################

1;

###############################################################################
