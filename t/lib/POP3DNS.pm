package POP3DNS;

# A DNS server that answers as it is told, and records what it is asked.
#
#	start_dns($t, '127.0.0.2:8253',
#		'one.test'   => ['127.0.0.1'],
#		'alias.test' => ['one.test', '127.0.0.1'],
#		'none.test'  => 'NXDOMAIN',
#		'late.test'  => [['until', 'file'], '127.0.0.1']);
#
# The address is not 127.0.0.1: there the harness has a socket of its own on each
# port.  A name has a list of records, addresses or the name that it is an alias
# of, behind one that says until what file in the test's directory the answer
# waits; or it has the name of an error, or "silence".  Other names do not exist.
#
# dns_take() gives what was asked since its last call, "TYPE name" each.

use warnings;
use strict;

use Exporter qw/ import /;
use IO::Select;
use IO::Socket::INET;
use Socket qw/ AF_INET6 inet_aton inet_pton /;

use Test::Nginx;

use POP3Proxy;
use POP3Records;

our @EXPORT = qw/ start_dns dns_take /;

my $LOG = 'dns.log';
my %ERROR = (SERVFAIL => 2, NXDOMAIN => 3, REFUSED => 5);
my %TYPE = (1 => 'A', 28 => 'AAAA', 5 => 'CNAME');
my $TTL = 600;

# The name of the question, where it stands (RFC 1035, section 4.1.4).

my $NAME = pack 'n', 0xc00c;

###############################################################################

sub start_dns {
	my ($t, $address, %names) = @_;

	my $dir = POP3Records::keep_in($t->testdir());

	$address =~ s/:(\d+)$/':' . port($1)/e;

	$t->run_daemon(\&dns_daemon, $dir, $address, \%names);

	$t->waitforfile("$dir/dns.ready") or die "Can't start the DNS server\n";

	return $t;
}

sub dns_daemon {
	my ($dir, $address, $names) = @_;

	my $parent = getppid();
	my $log = POP3Records::open_log("$dir/$LOG");
	my $socket = IO::Socket::INET->new(Proto => 'udp', LocalAddr => $address)
		or die "Can't bind to $address: $@\n";
	my @late;

	POP3Records::open_log("$dir/dns.ready");

	while (getppid() == $parent) {
		my ($is_asked) = IO::Select->new($socket)->can_read(@late ? 0.02 : 1);

		if ($is_asked && defined(my $peer = $socket->recv(my $query, 512))) {
			my ($name, $type, $question) = _question($query);

			POP3Records::log_line($log, ($TYPE{$type} // $type) . " $name");

			my $what = $names->{lc $name} // 'NXDOMAIN';
			my ($file) = map { $_->[1] } grep { ref } ref $what ? @$what : ();
			my $answer = _answer($query, $question, $type, $what);

			push @late, [$file, $peer, $answer] if $what ne 'silence';
		}

		my @ready = grep { !defined $_->[0] || -e "$dir/$_->[0]" } @late;

		@late = grep { defined $_->[0] && !-e "$dir/$_->[0]" } @late;
		$socket->send($_->[2], 0, $_->[1]) for @ready;
	}
}

sub _question {
	my ($query) = @_;

	my (@labels, $length);
	my $at = 12;

	while ($length = unpack 'C', substr $query, $at, 1) {
		push @labels, substr $query, $at + 1, $length;
		$at += 1 + $length;
	}

	return (join('.', @labels), unpack('n', substr $query, $at + 1, 2),
		substr $query, 12, $at + 5 - 12);
}

sub _answer {
	my ($query, $question, $type, $what) = @_;

	my $error = ref $what ? 0 : $ERROR{$what} // 0;
	my $owner = $NAME;
	my ($count, $records) = (0, '');

	for my $record (ref $what ? @$what : ()) {
		next if ref $record;

		my ($kind, $data) = $record =~ /^[\d.]+$/ ? (1, inet_aton($record))
			: $record =~ /:/ ? (28, inet_pton(AF_INET6, $record))
			: (5, _name($record));

		next if $kind != $type && $kind != 5;

		$records .= $owner . pack 'nnNn/a', $kind, 1, $TTL, $data;
		$owner = $data if $kind == 5;
		$count++;
	}

	return substr($query, 0, 2)
		. pack('n5', 0x8180 | $error, 1, $count, 0, 0) . $question . $records;
}

sub _name {
	my ($name) = @_;

	return join('', map { pack 'C/a', $_ } split /\./, $name) . "\0";
}

###############################################################################

my $taken = 0;

sub dns_take {
	my @all = POP3Records::_read(undef, $LOG);
	my @new = @all[$taken .. $#all];

	$taken = @all;

	return @new;
}

###############################################################################

1;

###############################################################################
