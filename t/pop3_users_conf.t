#!/usr/bin/perl

# What nginx -t says of pop3_auth_user_file: a file that cannot be read, or that
# everybody can, what stands beside it, and an nginx without ngx_crypt().

###############################################################################

use warnings;
use strict;

use POSIX ();
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Conf;
use POP3Proxy;
use POP3Users;
use POP3UsersConf;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl imap/)->has_daemon('setpriv')
	->has_daemon('prlimit')->plan(181);

my $dir = $t->testdir();
my $nginx = $ENV{TEST_NGINX_BINARY} // '../nginx/objs/nginx';

create_certificate($t, 'localhost');
use_users($t);

###############################################################################

my $good = "anna:{PLAIN}$SECRET\n";
my $sha512 = 'sa./ltSA$' . 'x' x 86;

# files that cannot be read

sub file_is_refused {
	my ($name, $path, @say) = @_;

	my ($status, $output) = conf('SERVER', "pop3_auth_user_file $path;\n $PASS");
	my @messages = messages('emerg', $output);

	is($status, 1, "$name - is refused");
	is(scalar(@messages), 1, "$name - one message") or diag($output);
	like($messages[0] // '', qr/\Q$_\E/, "$name - says $_")
		for 'pop3_auth_user_file', @say;
}

file_is_refused('missing', 'none', qq!"$dir/none"!, '(2: No such file');
file_is_refused('missing, whole path', '/none/none', '"/none/none"', '(2: ');
file_is_refused('directory', '.', qq!no regular file "$dir/."!);

POSIX::mkfifo("$dir/fifo", 0600) or die "Can't make a FIFO: $!\n";
file_is_refused('FIFO', 'fifo', qq!no regular file "$dir/fifo"!);

file_is_refused('control character', "'a\x01b'", '(2: ');
unlike((conf('SERVER', "pop3_auth_user_file 'a\x01b';\n $PASS"))[1],
	qr/[^\x0a\x20-\x7e]/, 'control character - is printable');

sub unreadable {
	my $mode = sprintf '%04o', (stat "$dir/users")[2] & 07777;

	# root can read it, unless nothing is allowed to it

	local $ENV{TEST_NGINX_BINARY} = "setpriv --bounding-set=-all --inh-caps=-all $nginx"
		if $> == 0;

	file_is_refused("mode $mode", 'users', qq!"$dir/users"!,
		'(13: Permission denied)', 'user "' . getpwuid($>) . '"', "mode $mode");
}

write_users($t, 'users', $good);

for my $mode (0000, 0200, 0040) {
	chmod $mode, "$dir/users" or die "Can't change the mode: $!\n";
	unreadable();
}

# one that is too large, or has too large a part of memory

sub sized {
	my ($size) = @_;

	write_users($t, 'users', '');
	truncate("$dir/users", $size) or die "Can't make it so large: $!\n";
}

sized(6 << 30);
file_is_refused('6 GB', 'users', qq!more than 1 GB in "$dir/users"!);
sized((1 << 30) + 1);
file_is_refused('1 GB and a byte', 'users', qq!more than 1 GB in "$dir/users"!);

SKIP: {
	skip 'a sanitizer', 3 if `ldd $nginx` =~ /libasan/;

	local $ENV{TEST_NGINX_BINARY} = "prlimit --as=1000000000 $nginx";

	sized(1 << 30);
	my ($status, $output) = conf('SERVER', "$USERS\n $PASS");

	is($status, 1, '1 GB, no memory - is refused');
	is(scalar(messages('emerg', $output)), 1, '1 GB, no memory - one message')
		or diag($output);
	like($output, qr/malloc\(1073741825\) failed/, '1 GB, no memory - says so');
}

# files of the kernel's that have more bytes than they say, and fewer

SKIP: {
	my $shorter = '/sys/devices/system/cpu/online';

	skip 'no such files', 10 unless -f '/proc/version' && -f $shorter;

	file_is_refused($_, $_, qq!length changed while it was read!, qq!"$_"!)
		for '/proc/version', $shorter;
}

# one that everybody can read: said once, however many servers have it

$t->write_file('users', $good);

for my $mode (0644, 0604, 0666) {
	chmod $mode, "$dir/users";

	my ($status, $output) = conf('SERVER', "$USERS\n $PASS\n}\n"
		. "server {\n listen 127.0.0.1:8120;\n protocol pop3;\n $USERS\n $PASS");

	my @messages = messages('warn', $output);

	is($status, 0, sprintf '%04o - is taken', $mode);
	is(scalar(@messages), 1, sprintf '%04o - one warning', $mode) or diag($output);
	like($messages[0] // '', qr/everybody can read "\Q$dir\E\/users"/,
		sprintf '%04o - says so', $mode);
}

for my $mode (0640, 0600, 0400, 0660) {
	chmod $mode, "$dir/users";

	my ($status, $output) = conf('SERVER', "$USERS\n $PASS");

	is($status, 0, sprintf '%04o - is taken', $mode);
	is(scalar messages('warn', $output), 0, sprintf '%04o - no warning', $mode);
}

# the directive

write_users($t, 'users', $good);

for my $where ('MAIL', 'SERVER') {
	my ($status, $output) = conf($where, "$USERS\n $PASS");

	is($status, 0, "$where - is taken") or diag($output);
}

is_refused([$_, $USERS], 'pop3_auth_user_file', 'not allowed here')
	for 'MAIN', 'EVENTS';
is_refused('pop3_auth_user_file;', 'pop3_auth_user_file', 'number of arguments');
is_refused('pop3_auth_user_file a b;', 'pop3_auth_user_file', 'number of arguments');
is_refused("$USERS\n pop3_auth_user_file users;", 'pop3_auth_user_file', 'duplicate');
is_refused('pop3_auth_user_file "";', 'empty value');

# beside auth_http: in one server they are at odds, what stands around is not

my ($status, $output) = conf('SERVER', "$USERS\n auth_http 127.0.0.1:8280;");

is($status, 1, 'with auth_http - is refused');
like($output, qr/"pop3_auth_user_file" .*auth_http.* remove/,
	'with auth_http - message');

for my $case (
	['auth_http around it', 'auth_http 127.0.0.1:8280;', "$USERS\n $PASS"],
	['it around auth_http', "$USERS", 'auth_http 127.0.0.1:8280;'],
	['backend around it', $PASS, $USERS],
	['it around a backend', $USERS, $PASS],
) {
	my ($name, $mail, $server) = @$case;
	my $file = $TEMPLATE =~ s/^\s*MAIL$/$mail/mr =~ s/^\s*SERVER$/$server/mr
		=~ s/^\s*[A-Z]+$//mgr;

	($status, $output) = nginx_test($t, $file);
	is($status, 0, "$name - is taken") or diag($output);
	is(scalar messages('(?:warn|emerg)', $output), 0, "$name - without a word");
}

# methods

my $ssl = "ssl_certificate $dir/localhost.crt;\n ssl_certificate_key"
	. " $dir/localhost.key;\n ssl_client_certificate $dir/localhost.crt;\n starttls on;";

for my $methods ('plain', 'apop', 'cram-md5', 'plain apop cram-md5 xoauth2 oauthbearer') {
	file_is_taken("methods $methods", $good, "$USERS\n $PASS\n pop3_auth $methods;");
}

for my $verify ('on', 'optional') {
	file_is_taken("external, ssl_verify_client $verify", $good,
		"$USERS\n $PASS\n pop3_auth external;\n $ssl ssl_verify_client $verify;");
}

for my $case (['nothing', ''], ['off', 'ssl_verify_client off;'],
	['optional_no_ca', 'ssl_verify_client optional_no_ca;'])
{
	my ($name, $verify) = @$case;

	($status, $output) = conf('SERVER',
		"$USERS\n $PASS\n pop3_auth plain external;\n $ssl\n $verify");
	my @messages = messages('emerg', $output);

	is($status, 1, "external, ssl_verify_client $name - is refused");
	is(scalar(@messages), 1, "external, $name - one message");
	like($messages[0], qr/\Q$_\E/, "external, $name - says $_")
		for 'external', 'pop3_auth_user_file', 'ssl_verify_client';
}

# an nginx that has no ngx_crypt() by name: only where a hash stands in the file

sub without_crypt {
	open my $from, '<:raw', $nginx or die "Can't open $nginx: $!\n";
	local $/;

	my $binary = <$from>;

	$binary =~ s/\0ngx_crypt\0/\0ngx_crypx\0/g or die "No ngx_crypt in $nginx\n";
	$t->write_file('nginx', $binary);
	chmod 0700, "$dir/nginx";

	return "$dir/nginx";
}

SKIP: {
	skip 'a script in the place of nginx', 23 if -T $nginx;

	local $ENV{TEST_NGINX_BINARY} = without_crypt();

	line_is_refused("without crypt, $_->[0]", 2, "${good}b:$_->[1]\n",
		'http_auth_basic_module', '{PLAIN}')
		for ['SHA', '{SHA}' . b64('x' x 20)], ['SSHA', '{SSHA}' . b64('x' x 24)],
			['SHA-512', "\$6\$$sha512"];
	file_is_taken('without crypt, text', "${good}b:\nc:{PLAIN.b64}c2VjcmV0\n");
}

file_is_taken('with crypt', "b:\$6\$$sha512\n");

# its last checks have to come before the end

use_users();
undef $t;

###############################################################################
