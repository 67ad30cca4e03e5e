#!/usr/bin/perl

# What the configuration may not say, and what it is warned of: the message
# names the directive, the value and the line.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Conf;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(520);

my $conf = <<'EOC';
%%TEST_GLOBALS%%
daemon off;
MAIN
events {
    EVENTS
}
mail {
    auth_http 127.0.0.1:8080;
    MAIL
    server {
        listen   127.0.0.1:8110;
        protocol pop3;
        SERVER
    }
}
EOC

use_template($t, $conf);

###############################################################################

is_taken('');

# pop3_auth

is_taken("pop3_auth $_;") for qw/plain apop cram-md5 external/,
	'plain apop cram-md5 external', 'external plain',
	# as nginx has its values: in any case
	'PLAIN APOP', 'Cram-MD5 EXTERNAL';

is_refused("pop3_auth $_;", 'pop3_auth', "\"$_\"", 'cram-md5')
	for qw/login none cram_md5 scram-sha-256 plainer/;
is_refused('pop3_auth plain gssapi;', 'pop3_auth', '"gssapi"');
is_refused('pop3_auth "";', 'pop3_auth', '""');
is_refused('pop3_auth;', 'pop3_auth', 'number of arguments');
is_warned('pop3_auth plain plain;', 'pop3_auth', '"plain"', 'duplicate');

# pop3_capabilities

is_taken("pop3_capabilities $_;") for 'TOP', 'TOP USER UIDL',
	'"EXPIRE 60" "LOGIN-DELAY 900"', 'X-SASL STLSX', '"IMPLEMENTATION a.b"';

is_refused('pop3_capabilities TOP .;', 'pop3_capabilities', '"."', 'dot');
is_refused('pop3_capabilities .TOP;', 'pop3_capabilities', '".TOP"', 'dot');
is_refused("pop3_capabilities TOP \"UI$_->[1]DL\";", 'pop3_capabilities',
	'"UI"', 'control character')
	for ['CR', '\r'], ['LF', '\n'], ['tab', '\t'], ['raw', "\x01"],
		['raw CR', "\x0d"], ['raw LF', "\x0a"], ['NUL', "\x00"],
		['DEL', "\x7f"];
is_refused('pop3_capabilities;', 'pop3_capabilities', 'number of arguments');

is_warned("pop3_capabilities TOP $_->[0];", 'pop3_capabilities', $_->[1],
	$_->[2]) for ['SASL', '"SASL"', 'pop3_auth'],
		['"sasl PLAIN LOGIN"', '"sasl PLAIN LOGIN"', 'pop3_auth'],
		['STLS', '"STLS"', 'starttls'], ['stls', '"stls"', 'starttls'],
		['UTF8', '"UTF8"', 'before the login'], ['""', '""', 'nothing'];

# pop3_client_buffer

is_taken("pop3_client_buffer $_;") for qw/255 256 4k 1m 16K/;

is_refused("pop3_client_buffer $_;", 'pop3_client_buffer', "\"$_\"")
	for qw/0 0k 1 5 x 4kb -1 1.5k 2m 1048577 4g 99999999999999999999 k/;
is_refused('pop3_client_buffer "";', 'pop3_client_buffer', '""');
is_refused('pop3_client_buffer;', 'pop3_client_buffer',
	'number of arguments');
is_refused('pop3_client_buffer 4k 4k;', 'pop3_client_buffer',
	'number of arguments');
is_refused("pop3_client_buffer 4k;\npop3_client_buffer 8k;",
	'pop3_client_buffer', 'duplicate');

is_warned("pop3_client_buffer $_;", 'pop3_client_buffer', "\"$_\"", '255')
	for qw/6 128 254/;

# pop3_max_commands

is_taken("pop3_max_commands $_;") for qw/1 1000 1000000000/;

is_refused("pop3_max_commands $_;", 'pop3_max_commands', "\"$_\"")
	for qw/0 x -1 1k 1.5 99999999999999999999/;
is_refused('pop3_max_commands "";', 'pop3_max_commands', '""');
is_refused("pop3_max_commands 1;\npop3_max_commands 2;",
	'pop3_max_commands', 'duplicate');

# the wrong place

for my $directive ('pop3_auth plain', 'pop3_capabilities TOP',
	'pop3_client_buffer 4k', 'pop3_max_commands 10')
{
	my ($name) = split ' ', $directive;

	for my $where ('MAIN', 'EVENTS') {
		is_refused([$where, "$directive;"], "\"$name\"",
			'not allowed here');
	}
}

# no auth server; no mail at all

my $none = $conf =~ s/^\s*[A-Z]+$//mgr =~ s/^\s*auth_http .*\n//mr;
my ($status, $output) = nginx_test($t, $none);

is($status, 1, 'without auth_http - is refused');
like($output, qr/no "auth_http" is defined/, 'without auth_http - is told');

($status, $output) = nginx_test($t, $none =~ s/mail \{.*//sr);

is($status, 0, 'without mail - is taken') or diag($output);
unlike($output, qr/POP3/, 'without mail - no word of POP3');

# replies longer than there is room for; one directive takes so many lines

my $long = "pop3_capabilities\n" . join "\n", map { "X-$_" . 'x' x 1000 }
	1 .. 9;

($status, $output) = conf('SERVER', "$long;");

is($status, 1, 'long replies - are refused');
like($output, qr/\[emerg\].*"pop3_capabilities".*"server_name".*8k.* in /,
	'long replies - what to do is told');

($status, $output) = conf('SERVER', ($long =~ s/\n.*//r) . ' TOP;');

is($status, 0, 'replies that fit - are taken') or diag($output);

# a name that the greeting or the challenge cannot hold

for my $c ('\r', '\n', "\x0a", "\x00") {
	my $name = sprintf 'name with %s', $c =~ s/(\W)/sprintf '%02x', ord $1/ger;

	($status, $output) = conf('SERVER', "server_name \"mail$c+OK\";");

	is($status, 1, "$name - is refused");
	like($output, qr/\[emerg\] .*"mail" .*"server_name" .*control char.* in /,
		"$name - is told");
}

for my $method (qw/apop cram-md5/) {
	for my $name ('a<b', 'a>b', 'a b') {
		($status, $output) = conf('SERVER',
			"server_name \"$name\"; pop3_auth plain $method;");

		is($status, 1, "name $name with $method - is refused");
		like($output, qr/\[emerg\] .*"$name" .*"server_name" .*host name in /,
			"name $name with $method - is told");
	}
}

is_taken('server_name "a b";');
is_taken('server_name ' . 'x' x 4060 . ';');

($status, $output) = conf('SERVER',
	'server_name ' . 'x' x 4060 . '; pop3_auth apop;');
is($status, 1, 'a name too long for a challenge - is refused');

# another protocol is none of the module's business

for my $text ("$long;", 'server_name ' . 'x' x 4060 . ';',
	"server_name \"a\x01<\";\npop3_auth apop;")
{
	my ($name) = $text =~ /^(\S+)/;

	($status, $output) = nginx_test($t,
		$conf =~ s/protocol(\s+)pop3/protocol$1imap/r =~ s/^\s*SERVER$/$text/mr
			=~ s/^\s*[A-Z]+$//mgr);
	is($status, 0, "imap - $name is none of ours") or diag($output);
}

# what it comes to

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http 127.0.0.1:8080;

    pop3_capabilities TOP SASL "sasl PLAIN" STLS X-LAST;
    pop3_max_commands 3;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen            127.0.0.1:8120;
        protocol          pop3;
        pop3_max_commands 5;
    }
}

EOC

$t->run();

for ([8110, 3], [8120, 5]) {
	my ($number, $commands) = @$_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
	$s->read();

	is_deeply([multiline($s, 'CAPA')], ['+OK Capability list follows', 'TOP',
		'X-LAST', 'RESP-CODES', 'AUTH-RESP-CODE', 'SASL PLAIN LOGIN', '.'],
		"what is ignored is announced by the module alone - $commands");

	is(scalar(grep { command($s, 'NOOP') =~ /^\+OK/ } 2 .. $commands),
		$commands - 1, "pop3_max_commands $commands - so many");
	like(command($s, 'NOOP'), qr/^-ERR/,
		"pop3_max_commands $commands - not one more");
}

# the template holds it: its last checks have to come before the end

use_template();

undef $t;

###############################################################################
