package POP3Limits;

# Sessions of many clients, each of which has its own address of 127.0.0.0/8, and what
# nginx has of these.  Uses nothing of Test::Nginx but its documented interface.

use warnings;
use strict;

use Exporter qw/ import /;
use Socket qw/ SOL_SOCKET SO_LINGER /;

use Test::Nginx;

use POP3Proxy;
use POP3Session;

our @EXPORT = qw/
	from enters room left resets workers retired forget_kills
	begins waits_of failures_of counting_servers turned_away too_late
/;

sub turned_away { return '-ERR [SYS/TEMP] too many connections from your address' }

sub too_late {
	return '-ERR [SYS/TEMP] too many failed logins from your address, try again later';
}

# A session of the address that has not read its greeting.

sub from {
	my ($address, $number, %args) = @_;

	return POP3Session->new(PeerAddr => '127.0.0.1:' . port($number),
		LocalAddr => $address, %args);
}

# One that has read it, or that line that stands in its place; with %args{header} that
# is sent first.

sub enters {
	my ($address, $number, %args) = @_;

	my $header = delete $args{header};
	my $s = from($address, $number, %args);

	$s->print($header) if defined $header;

	return ($s, (replies($s, 1))[0] // '');
}

# How many more sessions the address may have: so many are begun, and ended.

sub room {
	my @sessions;

	while (@sessions < 20) {
		my ($s, $line) = enters(@_);

		last if $line !~ /^\+OK/;
		push @sessions, $s;
	}

	$_->send('QUIT') for @sessions;
	replies($_, 1), closed($_) for @sessions;

	return scalar @sessions;
}

# The same when it has become so many, and has stayed so: more would be told then.

sub left {
	my ($expected, @whose) = @_;

	wait_until(sub { room(@whose) >= $expected });

	return room(@whose);
}

# A session with a login in it that has no reply yet, by default a right one.

sub begins {
	my ($address, $number, $password, $login) = @_;

	my ($s) = enters($address, $number);

	command($s, 'USER ' . ($login // 'any'));
	$s->send('PASS ' . ($password // 'secret'));

	return $s;
}

# How many logins of the address have had to wait, by a log at level info.

sub waits_of {
	my ($t, $address) = @_;

	return scalar(() = $t->read_file('error.log')
		=~ /\[info\] .* client waits to log in, .* client: \Q$address\E, /g);
}

# How many failed logins an address has, up to 6.  The servers for that let those wait
# that have less than $n failed ones, and say that it is too late to others: that takes
# no turn.  What waits does, so that nothing more can be told of the address then.

my @TIME = qw/500ms 1500ms 3s 7s 15s 29s/;

sub counting_servers {
	return join '', map { <<"EOC" } 1 .. @TIME;
    server {
        listen           127.0.0.1:820$_;
        protocol         pop3;
        timeout          $TIME[$_ - 1];
        pop3_login_delay 30s;
    }
EOC
}

sub failures_of {
	my ($address) = @_;

	for my $n (1 .. @TIME) {
		my $s = begins($address, "820$n");
		my $is_told = $n == 1 || $s->can_read(0.3);

		if (!$is_told || (replies($s, 1))[0] ne too_late()) {
			resets($s);
			return $n - 1;
		}
	}

	return scalar @TIME;
}

# Ends the session's connection by a reset.

sub resets {
	my ($s) = @_;

	$s->socket()->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
	$s->socket()->close();
}

# The workers of a master that take connections, when there are so many.

sub workers {
	my ($t, $count) = @_;

	my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
	my @pids;

	wait_until(sub {
		open my $fh, '<', "/proc/$master/task/$master/children" or return 0;
		@pids = grep { _serves($_) } split ' ', <$fh> // '';
		return @pids == $count;
	}) or die "nginx has other workers than $count: @pids\n";

	return @pids;
}

# True when these workers take no connections any more.

sub retired {
	my (@pids) = @_;

	return wait_until(sub { !grep { _serves($_) } @pids });
}

# Takes the alerts out of the log that some of these workers were killed on purpose.

sub forget_kills {
	my ($t, @pids) = @_;

	my $log = $t->stop()->read_file('error.log');
	my $which = join '|', @pids;

	$log =~ s/^.*\[alert\].* worker process (?:$which) exited on signal 9.*\n//gm;
	$t->write_file('error.log', $log);
}

sub _serves {
	my ($pid) = @_;

	open my $fh, '<', "/proc/$pid/cmdline" or return 0;

	return (<$fh> // '') =~ /^nginx: worker process(?! is shutting down)/;
}

###############################################################################

1;

###############################################################################
