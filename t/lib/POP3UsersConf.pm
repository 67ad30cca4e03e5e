package POP3UsersConf;

# Files of users (pop3_auth_user_file) that nginx -t refuses or takes, beside what
# POP3Conf has.
#
#	use_users($t);
#
#	line_is_refused('no colon', 2, "a:{PLAIN}x\nb\n", 'says this');
#	file_is_taken('empty', '');
#
# The directives of the server are others where they are named: as the last argument,
# or with the text in a list.  $SECRET is not to be in a message.

use warnings;
use strict;

use Exporter qw/ import /;
use Test::More;

use POP3Conf;
use POP3Users;

our @EXPORT = qw/
	use_users line_is_refused file_is_taken file_test
	$USERS $PASS $SECRET $TEMPLATE
/;

our $USERS = 'pop3_auth_user_file users;';
our $PASS = 'pop3_proxy_pass 127.0.0.1:8211;';
our $SECRET = 'TOPSECRET0451';

our $TEMPLATE = <<'EOC';
%%TEST_GLOBALS%%
daemon off;
MAIN
events {
    EVENTS
}
mail {
    MAIL
    server {
        listen   127.0.0.1:8110;
        protocol pop3;
        SERVER
    }
    server {
        listen    127.0.0.1:8143;
        protocol  imap;
        auth_http 127.0.0.1:8280;
    }
    OTHER
}
EOC

my ($t, $dir);

###############################################################################

# With nothing at the end: the object is held until then.

sub use_users {
	($t) = @_;
	$dir = $t->testdir() if $t;

	use_template($t ? ($t, $TEMPLATE) : ());
}

# What is said of a file of this text with the directives of a server.

sub file_test {
	my ($text, $server) = @_;

	write_users($t, 'users', $text);

	return conf('SERVER', $server // "$USERS\n $PASS");
}

sub line_is_refused {
	my ($name, $line, $text, @say) = @_;

	my ($status, $output) = file_test(ref $text ? @$text : $text);
	my @messages = messages('emerg', $output);

	is($status, 1, "$name - is refused");
	is(scalar(@messages), 1, "$name - one message") or diag($output);
	like($messages[0] // '', qr/\[emerg\] "\Q$dir\E\/users":$line: .* in \S+:\d+$/,
		"$name - file and line");
	like($messages[0] // '', qr/\Q$_\E/, "$name - says $_") for @say;
	unlike($output, qr/$SECRET/, "$name - no password");
	unlike($output, qr/[^\x0a\x20-\x7e]/, "$name - is printable");
}

sub file_is_taken {
	my ($name, $text, $server) = @_;

	my ($status, $output) = file_test($text, $server);

	is($status, 0, "$name - is taken");
	is(scalar messages('(?:warn|emerg|error|alert|crit)', $output), 0,
		"$name - without a word") or diag($output);
}

###############################################################################

1;

###############################################################################
