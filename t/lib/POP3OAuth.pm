package POP3OAuth;

# A Dovecot that takes tokens, the service that knows them (servers/oauth.py), and
# what it was asked.  Uses nothing of Test::Nginx but its documented interface.

use warnings;
use strict;

use Exporter qw/ import /;
use MIME::Base64 qw/ encode_base64 /;

use Test::Nginx;

use POP3Clients;
use POP3Dovecot;

our @EXPORT = qw/
	start_oauth oauth_login oauth_tokens questions_take leaks
/;

my $LOGIN = 'test@example.com';

# Of the bytes that a token may have; "long" is as long as they get.

my %TOKEN = (
	good  => 'Good-token_of.the~user/+ab1==',
	long  => 'Long' . '0123456789abcdef' x 255 . 'FourKilobyte',
	bad   => 'Bad-token_of.the~user/+ab1==',
);

my ($dir, $taken);

###############################################################################

# The service on port 8081 of the configuration, Dovecot on port 8211.

sub start_oauth {
	my ($t) = @_;

	my ($port, $backend) = (port(8081), port(8211));

	($dir, $taken) = ($t->testdir(), 0);

	set_up($t, $LOGIN, 'secret');

	$t->write_file('tokens', join '', map { "$TOKEN{$_} $LOGIN\n" } qw/ good long /);
	$t->write_file('questions', '');

	$t->run_daemon('python3', 'servers/oauth.py', $port, $backend, "$dir/tokens",
		"$dir/questions");
	$t->waitforsocket("127.0.0.1:$port") or die "Can't start oauth.py\n";

	return start_dovecot($t, $LOGIN, 'secret', plain => 8211,
		oauth => "127.0.0.1:$port");
}

sub oauth_login {
	return $LOGIN;
}

sub oauth_tokens {
	return %TOKEN;
}

# What the service was asked since the last call.

sub questions_take {
	open my $fh, '<', "$dir/questions" or die "Can't open questions: $!\n";
	chomp(my @all = <$fh>);

	my @new = @all[$taken .. $#all];

	$taken = @all;

	return @new;
}

# Tokens that are in a text, as they are or in base64, whatever stands around them.

sub leaks {
	my ($text) = @_;

	return grep { _holds($text, $TOKEN{$_}) } sort keys %TOKEN;
}

sub _holds {
	my ($text, $token) = @_;

	for my $at (0 .. 2) {
		my $base64 = encode_base64(substr($token, $at, 12), '');

		return 1 if index($text, $base64) >= 0;
	}

	return index($text, substr $token, 0, 12) >= 0;
}

###############################################################################

1;

###############################################################################
