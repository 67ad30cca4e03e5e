package POP3Gate;

# Between nginx and a backend: forwards bytes of both, and holds those of the backend
# from a place on until a file is there.  Uses nothing of Test::Nginx but its
# documented interface.
#
#	start_gates($t, $file,
#		8221 => [8211, 1, 500],    at 8221, with its backend at 8211: all until
#		                           the first write of nginx, and 500 bytes more
#	);
#
# Either end takes the other with it at once.

use warnings;
use strict;

use Exporter qw/ import /;
use IO::Select;
use IO::Socket::INET;
use Socket qw/ IPPROTO_TCP TCP_NODELAY /;

use Test::Nginx;

our @EXPORT = qw/ start_gates held_at_gates /;

###############################################################################

sub start_gates {
	my ($t, $file, %gates) = @_;

	$t->write_file('gates.log', '');
	$t->run_daemon(\&_daemon, $t->testdir() . '/gates.log', $file,
		map { (port($_) => [port($gates{$_}[0]), @{$gates{$_}}[1, 2]]) } keys %gates);

	$t->waitforsocket('127.0.0.1:' . port($_)) or die "Can't start the gates\n"
		for keys %gates;
}

# In how many connections bytes have been held.

sub held_at_gates {
	my ($t) = @_;

	return scalar(() = $t->read_file('gates.log') =~ /\n/g);
}

sub _daemon {
	my ($log, $file, %gates) = @_;

	my ($parent, @pairs) = getppid();
	my %listener = map {
		my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$_", Listen => 128,
			ReuseAddr => 1) or die "Can't listen on port $_: $@\n";
		fileno($s) => [$s, @{$gates{$_}}];
	} keys %gates;

	local $SIG{PIPE} = 'IGNORE';

	open my $fh, '>>', $log or die "Can't write the log: $!\n";
	$fh->autoflush(1);

	while (getppid() == $parent) {
		my $select = IO::Select->new(map { $_->[0] } values %listener);

		$select->add(@$_{qw/ near far /}) for @pairs;

		my %ready = map { fileno($_) => 1 } $select->can_read(0.02);
		my $is_open = -e $file;

		@pairs = grep { _receive($_, \%ready) } @pairs;

		for my $pair (grep { $_->{held} ne '' } @pairs) {
			_pass($pair, $is_open);
			print $fh "held\n" if $pair->{held} ne '' && !$pair->{logged}++;
		}

		for my $l (map { $listener{$_} // () } keys %ready) {
			my ($socket, $port, $writes, $bytes) = @$l;
			my $near = $socket->accept() or next;
			my $far = IO::Socket::INET->new("127.0.0.1:$port") or next;

			$_->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1) for $near, $far;
			push @pairs, { near => $near, far => $far, writes => $writes,
				bytes => $bytes, held => '' };
		}
	}
}

# Whether both ends are still open.

sub _receive {
	my ($pair, $ready) = @_;

	my ($near, $far) = @$pair{qw/ near far /};

	if ($ready->{fileno $near}) {
		$near->sysread(my $bytes, 65536) or return 0;
		$far->syswrite($bytes);
		$pair->{writes}--;
	}

	return 1 if !$ready->{fileno $far};
	return $far->sysread($pair->{held}, 65536, length $pair->{held});
}

sub _pass {
	my ($pair, $is_open) = @_;

	my $n = $pair->{writes} > 0 || $is_open ? length $pair->{held} : $pair->{bytes};

	$pair->{near}->syswrite(substr $pair->{held}, 0, $n, '');
	$pair->{bytes} = 0 if $pair->{writes} <= 0;
}

###############################################################################

1;

###############################################################################
