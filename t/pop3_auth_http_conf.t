#!/usr/bin/perl

# What the configuration may say of auth_http and of kept connections, and what it may
# not.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Conf;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl imap smtp/)->plan(359);

use_template($t, <<'EOC');
%%TEST_GLOBALS%%
daemon off;
MAIN
events {
    EVENTS
}
mail {
    MAIL
    server {
        listen    127.0.0.1:8110;
        protocol  pop3;
        auth_http 127.0.0.1:8280;
        SERVER
    }
    server {
        listen    127.0.0.1:8143;
        protocol  imap;
        auth_http 127.0.0.1:8280;
        IMAP
    }
    server {
        listen    127.0.0.1:8025;
        protocol  smtp;
        auth_http 127.0.0.1:8280;
        SMTP
    }
    OTHER
}
EOC

# A server without any: the line that is named is nginx's choice.

sub other {
	my ($text) = @_;

	my ($status, $output) = conf('OTHER', "server {\n listen 127.0.0.1:8120;\n"
		. " protocol pop3;\n $text\n}");

	return ($status, join "\n", messages('emerg', $output));
}

###############################################################################

my $keepalive = 'pop3_auth_http_keepalive';

# the new one

is_taken("$keepalive $_;") for 0, 1, 1024;

for my $value (qw/-1 x 1x 1.5 0x10 on off 1025/, '""', '" 1"', '1' x 30) {
	is_refused("$keepalive $value;", $keepalive);
	is_refused(['MAIL', "$keepalive $value;"], $keepalive);
}

is_refused("$keepalive;", $keepalive, 'number of arguments');
is_refused("$keepalive 1 2;", $keepalive, 'number of arguments');
is_refused("$keepalive 1;\n $keepalive 2;", $keepalive, 'duplicate');
is_refused([$_, "$keepalive 1;"], $keepalive, 'not allowed here')
	for 'MAIN', 'EVENTS';

# nginx's own are taken where they were

is_taken($_) for 'auth_http_timeout 1s;', 'auth_http_timeout 500ms;',
	'auth_http_header X-Key value;', 'auth_http_header X-Key "two words";',
	"auth_http_header X 1;\n auth_http_header Y 2;",
	'auth_http_pass_client_cert on;', 'auth_http_pass_client_cert off;';

for my $where ('IMAP', 'SMTP') {
	for my $text ('auth_http_timeout 1s;', 'auth_http_header X-Key value;',
		'auth_http_pass_client_cert on;', "$keepalive 1;")
	{
		my ($status, $output) = conf($where, $text);

		is($status, 0, "$where: $text - is taken") or diag($output);
	}
}

for my $place (qw/MAIL SERVER IMAP SMTP/) {
	is_refused([$place, "auth_http_timeout $_;"], 'auth_http_timeout')
		for qw/x -1 1x/;
	is_refused([$place, 'auth_http_pass_client_cert x;'],
		'auth_http_pass_client_cert', '"x"');
	is_refused([$place, 'auth_http_header x;'], 'auth_http_header',
		'number of arguments');
	is_refused([$place, "auth_http_timeout 1s;\n auth_http_timeout 2s;"],
		'auth_http_timeout', 'duplicate');
}

# the address

for my $address (qw/127.0.0.1 127.0.0.1:80 127.0.0.1:80\/ 127.0.0.1\/path?query
	localhost localhost:80\/path http:\/\/127.0.0.1 http:\/\/localhost:80\/x
	[::1] [::1]:80\/path http:\/\/[::1]\/ unix:\/run\/auth unix:\/run\/auth:\/path
	http:\/\/unix:\/run\/auth:\/path/)
{
	my ($status, $output) = other("auth_http $address;");

	is($status, 0, "$address - is taken") or diag($output);
}

for my $address ('127.0.0.1:0', '127.0.0.1:65536', '127.0.0.1:x', ':80', '""',
	'[::1', '[nonsense]:80', 'unix:', 'http://')
{
	my ($status, $output) = other("auth_http $address;");

	is($status, 1, "$address - is refused");
	like($output, qr/auth_http.* in \S*test\.conf:\d+/, "$address - message");
}

# one is needed, and beside a backend there is no use for it

my ($status, $output) = other('');

is($status, 1, 'none - is refused');
like($output, qr/no "auth_http" /, 'none - message');

($status, $output) = other('pop3_proxy_pass 127.0.0.1:8211;');
is($status, 0, 'a backend alone - is taken') or diag($output);

($status, $output) = other("auth_http 127.0.0.1:8280;\n"
	. ' pop3_proxy_pass 127.0.0.1:8211;');
is($status, 1, 'both - is refused');
like($output, qr/auth_http/, 'both - says auth_http');
like($output, qr/pop3_proxy_pass/, 'both - says pop3_proxy_pass');

($status, $output) = other("auth_http 127.0.0.1:8280;\n pop3_proxy_ssl starttls;\n"
	. ' pop3_proxy_xclient on;');
is($status, 0, 'TLS and XCLIENT to a backend of auth_http - is taken')
	or diag($output);

use_template();
undef $t;

###############################################################################
