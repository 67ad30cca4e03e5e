package POP3Records;

# What the servers of POP3Servers record of all that they are sent, and its
# readers.

use warnings;
use strict;

use Exporter qw/ import /;
use Fcntl qw/ O_APPEND O_CREAT O_WRONLY /;

our @EXPORT = qw/ auth_requests auth_take backend_lines backend_take /;

###############################################################################

# One line for each thing recorded, written before the answer is sent.  All
# bytes but printable ASCII, and the backslash, stand as \xNN.

sub open_log {
	my ($name) = @_;

	sysopen(my $fh, $name, O_WRONLY | O_CREAT | O_APPEND)
		or die "Can't create $name: $!\n";

	return $fh;
}

sub log_line {
	my ($fh, $text) = @_;

	$text =~ s/([^\x20-\x5b\x5d-\x7e])/sprintf '\\x%02x', ord $1/ge;
	syswrite($fh, "$text\n");
}

# Where the records are, for those who read them.

my $dir;

sub keep_in {
	($dir) = @_;

	return $dir;
}

# $t is needed only where start_daemons() was not used.  A named sub of a test
# must not hold it: the object would outlive the test's end, and its last two
# checks would come too late.

sub _read {
	my ($t, $name) = @_;

	my $from = $t ? $t->testdir() : $dir;

	open my $fh, '<', "$from/$name" or die "Can't open $name: $!\n";
	chomp(my @lines = <$fh>);

	return map { s/\\x(..)/chr hex $1/ger } @lines;
}

# Requests in order, each a hash: headers as they came ("Auth-User"), and
# "user", "pass" without the percent-encoding, and "request", all of it.

sub auth_requests {
	my ($t) = @_;

	my @requests = map { parse_request($_) } _read($t, 'auth.log');

	return @requests;
}

sub parse_request {
	my ($request) = @_;

	my %r = (request => $request);

	$r{$1} = $2 while $request =~ /^([\w-]+): ?(.*?)\x0d?$/gm;

	for (['user', 'Auth-User'], ['pass', 'Auth-Pass']) {
		my ($key, $header) = @$_;

		$r{$key} = $r{$header} // '';
		$r{$key} =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
	}

	return \%r;
}

# Lines of all connections in order, without their CRLF; a line that ended
# otherwise keeps its end.

sub backend_lines {
	my ($t) = @_;

	my @lines = _read($t, 'backend.log');

	return map { s/^\d+ //r =~ s/\x0d\x0a\z//r } @lines;
}

# The same, but only what came since the last call; the number of them in
# scalar context.

my %taken;

sub auth_take {
	return _take('auth', auth_requests(@_));
}

sub backend_take {
	return _take('backend', backend_lines(@_));
}

sub _take {
	my ($what, @all) = @_;

	my $before = $taken{$what} || 0;
	$taken{$what} = @all;

	my @new = @all[$before .. $#all];

	return @new;
}

###############################################################################

1;

###############################################################################
