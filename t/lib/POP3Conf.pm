package POP3Conf;

# Configurations that nginx -t refuses, warns of, or takes.

use warnings;
use strict;

use Exporter qw/ import /;
use Test::More;

use POP3Proxy;

our @EXPORT = qw/ use_template conf messages is_refused is_warned is_taken /;

# A configuration in which the places for text are words in capitals, each on a
# line of its own, as MAIL and SERVER.  It holds the test's object.

my ($t, $template);

sub use_template {
	($t, $template) = @_;
}

# Where a directive is put, and the number of that line.

sub conf {
	my ($where, $text) = @_;

	my $file = $template =~ s/^\s*$where$/$text/mr =~ s/^\s*[A-Z]+$//mgr;

	my ($status, $output) = nginx_test($t, $file);
	my @lines = split /\n/, $t->read_file('test.conf');
	my $last = $text =~ s/^.*\n//sr;
	my ($line) = grep { index($lines[$_ - 1], $last) >= 0 } 1 .. @lines;

	return ($status, $output, $line // 0);
}

# The messages of this level.

sub messages {
	my ($level, $output) = @_;

	return grep { /\[$level\]/ } split /\n/, $output;
}

sub is_refused {
	my ($text, @say) = @_;
	my ($where, $name) = ('SERVER', $text);

	($where, $text) = @$text if ref $text;
	$name = "$where: $text" =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ger;

	my ($status, $output, $line) = conf($where, $text);
	my @messages = messages('emerg', $output);

	is($status, 1, "$name - is refused");
	is(scalar(@messages), 1, "$name - one message") or diag($output);
	like($messages[0] // '', qr/ in \S*test\.conf:$line$/, "$name - line");
	like($messages[0] // '', qr/\Q$_\E/, "$name - says $_") for @say;
	unlike($output, qr/[^\x0a\x20-\x7e]/, "$name - is printable");
}

sub is_warned {
	my ($text, @say) = @_;

	my ($status, $output, $line) = conf('SERVER', $text);
	my @messages = messages('warn', $output);

	is($status, 0, "$text - is taken");
	is(scalar(@messages), 1, "$text - one warning") or diag($output);
	like($messages[0] // '', qr/ in \S*test\.conf:$line$/, "$text - line");
	like($messages[0] // '', qr/\Q$_\E/, "$text - says $_") for @say;
}

sub is_taken {
	my ($text) = @_;

	for my $where ('MAIL', 'SERVER') {
		my ($status, $output) = conf($where, $text);

		is($status, 0, "$where: $text - is taken");
		is(scalar messages('(?:warn|emerg)', $output), 0,
			"$where: $text - without a word") or diag($output);
	}
}

###############################################################################

1;

###############################################################################
