package POP3Users;

# Lines of a file of users (pop3_auth_user_file), and logins by each method.  Uses
# nothing of Test::Nginx but its documented interface.
#
#	write_users($t, 'users', "any:{PLAIN}secret:127.0.0.1:8211\n");
#
# The file is not for everybody, which nginx would warn of.

use warnings;
use strict;

use Digest::SHA qw/ sha1 /;
use Exporter qw/ import /;

use Test::Nginx;

use POP3Backend;
use POP3Proxy;
use POP3Session;

our @EXPORT = qw/
	write_users hashed clear_methods digest_methods token_methods
	greeted login_by told
/;

my @CLEAR = ('USER and PASS', 'AUTH PLAIN', 'AUTH LOGIN');
my @DIGEST = ('APOP', 'AUTH CRAM-MD5');
my @TOKEN = ('AUTH XOAUTH2', 'AUTH OAUTHBEARER');

# By whatever makes a reply of session, greeting, login and password.

my %BY = (
	'USER and PASS'    => \&_by_user,
	'AUTH PLAIN'       => sub {
		return command($_[0], 'AUTH PLAIN ' . sasl_plain('', @_[2, 3]));
	},
	'AUTH LOGIN'       => \&_by_login,
	'APOP'             => sub {
		return command($_[0], "APOP $_[2] " . apop(challenge($_[1]), $_[3]));
	},
	'AUTH CRAM-MD5'    => sub {
		my $challenge = challenge(command($_[0], 'AUTH CRAM-MD5'));
		return command($_[0], cram_md5($challenge, @_[2, 3]));
	},
	'AUTH XOAUTH2'     => sub {
		return _by_token($_[0], 'AUTH XOAUTH2 ' . xoauth2(@_[2, 3]));
	},
	'AUTH OAUTHBEARER' => sub {
		return _by_token($_[0], 'AUTH OAUTHBEARER ' . oauthbearer(@_[2, 3]));
	},
);

###############################################################################

sub write_users {
	my ($t, $name, $text) = @_;

	my $umask = umask 077;

	unlink $t->testdir() . "/$name";
	$t->write_file_expand($name, $text);
	umask $umask;
}

# What of a password stands in the file, by its form.  Those of crypt are made by
# OpenSSL, which is not what nginx checks them with.

sub hashed {
	my ($form, $password) = @_;

	my %option = ('$apr1$' => 'apr1', '$1$' => '1', '$5$' => '5', '$6$' => '6');
	my $salt = 'sa./ltSA';

	return "$form$password" if $form eq '{PLAIN}';
	return $form . b64($password) if $form =~ /^\{PLAIN\.b64\}$/i;
	return $form . b64(sha1($password)) if $form eq '{SHA}';
	return $form . b64(sha1("$password$salt") . $salt) if $form eq '{SSHA}';
	return $form if $form eq '';

	my ($option) = $option{$form} // die "Unknown form: $form\n";
	my $hash = `printf '%s' '$password' | openssl passwd -$option -salt $salt -stdin`;

	chomp $hash;

	return $hash;
}

sub clear_methods { return @CLEAR }
sub digest_methods { return @DIGEST }
sub token_methods { return @TOKEN }

###############################################################################

# A session, and its greeting.

sub greeted {
	my ($number, %args) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number), %args);

	return ($s, $s->read());
}

# The last reply to a login by this method: $s is a session that has been greeted
# so, or the number of a port for one.

sub login_by {
	my ($method, $s, $login, $password, $greeting) = @_;

	($s, $greeting) = greeted($s) unless ref $s;

	return $BY{$method}->($s, $greeting, $login, $password);
}

sub _by_user {
	my ($s, $greeting, $login, $password) = @_;

	command($s, "USER $login");

	return command($s, "PASS $password");
}

sub _by_login {
	my ($s, $greeting, $login, $password) = @_;

	command($s, 'AUTH LOGIN');
	command($s, b64($login));

	return command($s, b64($password));
}

# A refusal comes behind a challenge.

sub _by_token {
	my ($s, $line) = @_;

	my $reply = command($s, $line);

	return $reply =~ /^\+ / ? command($s, '') : $reply;
}

# What backends have been told since the last call, but for what is said behind
# the login.

sub told {
	return map { grep { !/^(?:STAT|QUIT)$/ } @{$_->{lines}} } connections_take();
}

###############################################################################

1;

###############################################################################
