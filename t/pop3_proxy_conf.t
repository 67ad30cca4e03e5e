#!/usr/bin/perl

# What the configuration may say of backends, and what it may not: the message
# names the directive, the value and what to do.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Backend;
use POP3Conf;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl imap smtp/)
	->has_daemon('openssl')->plan(838);

my $conf = <<'EOC';
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
    OTHERS
}
EOC

use_template($t, $conf);

create_certificate($t, $_) for qw/one two/;

my $dir = $t->testdir();

$t->write_file('empty.pem', '');
$t->write_file('password', "x\n");

system("openssl rsa -aes128 -passout pass:x -in $dir/one.key -out $dir/enc.key"
	. ' 2>/dev/null') == 0 or die "Can't encrypt the key\n";

# A configuration with text in several places: what is found by looking at all of
# it is told at a line that need not be that of the directive.

sub places {
	my (%text) = @_;

	my $file = $conf;

	$file =~ s/^\s*$_$/$text{$_}/m for keys %text;

	return nginx_test($t, $file =~ s/^\s*[A-Z]+$//mgr);
}

sub name_of {
	my (%text) = @_;

	return join ', ', map { "$_: $text{$_}" } sort keys %text;
}

sub are_refused {
	my ($text, @say) = @_;

	my $name = name_of(%$text);
	my ($status, $output) = places(%$text);
	my @messages = messages('emerg', $output);

	# what nginx says of a file comes before it

	is($status, 1, "$name - is refused");
	like($messages[-1] // '', qr/ in \S*test\.conf:\d+$/, "$name - place");
	like("@messages", qr/\Q$_\E/, "$name - says $_") for @say;
}

sub are_taken {
	my (%text) = @_;

	my $name = name_of(%text);
	my ($status, $output) = places(%text);

	is($status, 0, "$name - is taken");
	is(scalar messages('(?:warn|emerg)', $output), 0, "$name - without a word")
		or diag($output);
}

###############################################################################

my $pass = 'pop3_proxy_pass 127.0.0.1:8211;';

# pop3_proxy_pass

is_taken("pop3_proxy_pass $_;") for qw/127.0.0.1 127.0.0.1:110 localhost
	localhost:65535 [::1] [::1]:1 unix:backend.sock unix:\/run\/x\/backend.sock/,
	'unix:/' . 'x' x 106;

is_refused("pop3_proxy_pass $_;", 'pop3_proxy_pass', "\"$_\"", 'port')
	for qw/127.0.0.1:0 127.0.0.1:65536 127.0.0.1:x 127.0.0.1:-1 127.0.0.1:
		127.0.0.1:110x localhost:pop3 [::1]:0 [::1]:x 127.0.0.1:110-120
		pop3:\/\/127.0.0.1 127.0.0.1:99999999999999999999/;
is_refused("pop3_proxy_pass $_;", 'pop3_proxy_pass', "\"$_\"", 'host')
	for qw/:110/, 'x' x 64 . '.test', 'x' x 64 . '.test:110';
is_refused("pop3_proxy_pass $_;", 'pop3_proxy_pass', "\"$_\"")
	for qw/[::1 [::1]110 [] [nonsense]:110 127.0.0.1:110\/path unix:/;
is_refused('pop3_proxy_pass "";', 'pop3_proxy_pass', '""');
is_refused('pop3_proxy_pass unix:/' . 'x' x 200 . ';', 'pop3_proxy_pass',
	'"unix:/xxx', 'too long');
is_refused("pop3_proxy_pass \"127.0.0.1:1$_\";", 'pop3_proxy_pass', 'port')
	for "\x01", '\r\n', ' ', "\x7f";
is_refused('pop3_proxy_pass;', 'pop3_proxy_pass', 'number of arguments');
is_refused('pop3_proxy_pass 127.0.0.1 127.0.0.2;', 'pop3_proxy_pass',
	'number of arguments');
is_refused("pop3_proxy_pass 127.0.0.1;\npop3_proxy_pass 127.0.0.2;",
	'pop3_proxy_pass', 'duplicate');

# who checks the password

are_taken(MAIL => 'auth_http 127.0.0.1:8080;', SERVER => $pass);
are_taken(MAIL => "auth_http 127.0.0.1:8080; $pass");
are_taken(MAIL => $pass, OTHERS => 'server { listen 127.0.0.1:8143;'
	. ' protocol imap; auth_http 127.0.0.1:8080; }');
are_taken(MAIL => "auth_http 127.0.0.1:8080; $pass",
	OTHERS => "server { listen 127.0.0.1:8143; protocol imap; }"
		. 'server { listen 127.0.0.1:8125; protocol smtp; }');

are_refused({ SERVER => $_ }, '"pop3_proxy_pass"', '"auth_http"')
	for "auth_http 127.0.0.1:8080; $pass", "$pass auth_http 127.0.0.1:8080;";
are_refused({ MAIL => $pass, OTHERS => "server { listen 127.0.0.1:8143;"
	. " protocol $_; }" }, 'no "auth_http" is defined') for qw/imap smtp/;
are_refused({}, 'no "auth_http" is defined');

# a backend of one server is none of another's

are_refused($_, 'no "auth_http" is defined') for
	{ SERVER => $pass, OTHERS => "server { listen 127.0.0.1:8120;"
		. ' protocol pop3; }' },
	{ OTHERS => "server { listen 127.0.0.1:8120; protocol pop3; $pass }" },
	{ SERVER => $pass, OTHERS => 'server { listen 127.0.0.1:8143;'
		. " protocol imap; $pass }" };

for my $method (qw/apop cram-md5 external/) {
	are_refused({ SERVER => "$pass pop3_auth plain $method;" }, 'pop3_auth',
		"\"$method\"", 'pop3_proxy_pass', 'auth_http');
	are_refused({ MAIL => "pop3_auth $method;", SERVER => $pass }, 'pop3_auth',
		"\"$method\"", 'pop3_proxy_pass');
	are_refused({ SERVER => "pop3_auth $method;", MAIL => $pass }, 'pop3_auth',
		"\"$method\"", 'pop3_proxy_pass');
	are_taken(MAIL => "auth_http 127.0.0.1:8080; pop3_auth $method;",
		OTHERS => "server { listen 127.0.0.1:8120; protocol pop3;"
			. " $pass pop3_auth plain; }");
}

# TLS, and the client's address

are_taken(SERVER => "$pass pop3_proxy_ssl $_;") for qw/on off starttls/;
are_taken(MAIL => "pop3_proxy_ssl $_;", SERVER => $pass)
	for qw/on off starttls/;
for my $flag (qw/pop3_proxy_xclient pop3_proxy_pipelining/) {
	are_taken(SERVER => "$pass $flag $_;") for qw/on off/;
	is_refused("$flag $_;", $flag, "\"$_\"", 'on') for qw/yes maybe/;
}

is_refused("pop3_proxy_ssl $_;", 'pop3_proxy_ssl', "\"$_\"", 'starttls')
	for qw/yes stls maybe/;

for my $directive ('pop3_proxy_ssl on', 'pop3_proxy_ssl starttls',
	'pop3_proxy_xclient on', 'pop3_proxy_pipelining on')
{
	my ($name) = split ' ', $directive;
	my $auth = 'auth_http 127.0.0.1:8080;';

	are_taken(MAIL => $auth, SERVER => "$directive;");
	are_taken(MAIL => "$auth $directive;");
	are_taken(MAIL => "$auth $directive;", SERVER => $pass, OTHERS =>
		"server { listen 127.0.0.1:8143; protocol imap; }");
	are_taken(MAIL => "$auth $directive;",
		SERVER => "$name off;");
}

my %ssl = (
	pop3_proxy_ssl_verify              => [qw/on off/],
	pop3_proxy_ssl_verify_depth        => [qw/0 1 9/],
	pop3_proxy_ssl_trusted_certificate => ["$dir/one.crt", 'one.crt'],
	pop3_proxy_ssl_crl                 => [],
	pop3_proxy_ssl_name                => [qw/mail.example.com 192.0.2.1/],
	pop3_proxy_ssl_server_name         => [qw/on off/],
	pop3_proxy_ssl_protocols           => ['TLSv1.2', 'TLSv1.2 TLSv1.3'],
	pop3_proxy_ssl_ciphers             => ['HIGH:!aNULL', 'DEFAULT'],
	pop3_proxy_ssl_session_reuse       => [qw/on off/],
);

# a store of one is read faster than the default one

my $store = 'pop3_proxy_ssl_trusted_certificate one.crt;';

for my $name (sort keys %ssl) {
	for my $value (@{$ssl{$name}}) {
		are_taken(SERVER => "$pass pop3_proxy_ssl on; $name $value; "
			. ($store x ($name !~ /trusted/)));
	}
}

are_taken(MAIL => join(' ', 'pop3_proxy_ssl starttls;',
	map { $ssl{$_}[0] // '' ? "$_ $ssl{$_}[0];" : () } sort keys %ssl),
	SERVER => $pass);

for (['one.crt', 'one.key'], ["$dir/two.crt", "$dir/two.key"],
	['one.crt', 'enc.key', 'pop3_proxy_ssl_password_file password;'])
{
	my ($crt, $key, $more) = @$_;

	are_taken(SERVER => "$pass pop3_proxy_ssl on;"
		. " pop3_proxy_ssl_certificate $crt;"
		. " pop3_proxy_ssl_certificate_key $key; " . ($more // ''));
}

# said when it is read; the value is there, or its file

is_refused(@$_) for (
	['pop3_proxy_ssl_verify maybe;', 'pop3_proxy_ssl_verify', '"maybe"'],
	['pop3_proxy_ssl_verify_depth x;', 'pop3_proxy_ssl_verify_depth'],
	['pop3_proxy_ssl_verify_depth -1;', 'pop3_proxy_ssl_verify_depth'],
	['pop3_proxy_ssl_server_name x;', 'pop3_proxy_ssl_server_name', '"x"'],
	['pop3_proxy_ssl_session_reuse x;', 'pop3_proxy_ssl_session_reuse', '"x"'],
	['pop3_proxy_ssl_protocols SSLv9;', 'pop3_proxy_ssl_protocols', '"SSLv9"'],
	map { ["$_;", $_, 'number of arguments'] } sort keys %ssl);

for my $name (sort keys %ssl) {
	my $value = $ssl{$name}[0] // 'one.crt';

	is_refused("$name $value;\n $name $value;", $name, 'duplicate')
		if $name ne 'pop3_proxy_ssl_protocols';
}

are_refused({ SERVER => "$pass pop3_proxy_ssl on; $_->[0];" }, @$_[1 .. $#$_])
	for (
	['pop3_proxy_ssl_trusted_certificate none.pem', 'none.pem', 'No such file',
		'pop3_proxy_ssl_trusted_certificate'],
	['pop3_proxy_ssl_trusted_certificate empty.pem', 'empty.pem',
		'pop3_proxy_ssl_trusted_certificate'],
	['pop3_proxy_ssl_crl none.pem', 'none.pem', 'No such file',
		'pop3_proxy_ssl_crl'],
	['pop3_proxy_ssl_ciphers NO-SUCH', 'NO-SUCH', 'pop3_proxy_ssl_ciphers'],
	['pop3_proxy_ssl_certificate one.crt', 'one.crt',
		'pop3_proxy_ssl_certificate_key'],
	['pop3_proxy_ssl_certificate none.crt; pop3_proxy_ssl_certificate_key'
		. ' one.key', 'none.crt', 'No such file', 'pop3_proxy_ssl_certificate'],
	['pop3_proxy_ssl_certificate one.crt; pop3_proxy_ssl_certificate_key'
		. ' none.key', 'none.key', 'No such file'],
	['pop3_proxy_ssl_certificate one.crt; pop3_proxy_ssl_certificate_key'
		. ' two.key', 'two.key', 'mismatch'],
	['pop3_proxy_ssl_certificate one.crt; pop3_proxy_ssl_certificate_key'
		. ' enc.key; pop3_proxy_ssl_password_file none', 'none',
		'No such file'],
);

# the wrong place

for my $directive ('pop3_proxy_pass 127.0.0.1;', 'pop3_proxy_ssl on;', 'pop3_proxy_xclient on;',
	'pop3_proxy_pipelining on;', map({ "$_ " . ($ssl{$_}[0] // 'one.crt') . ';' } sort keys %ssl),
	'pop3_proxy_ssl_certificate one.crt;',
	'pop3_proxy_ssl_certificate_key one.key;',
	'pop3_proxy_ssl_password_file password;')
{
	my ($name) = split ' ', $directive;

	is_refused([$_, $directive], "\"$name\"", 'not allowed here')
		for 'MAIN', 'EVENTS';
}

# The port that is meant when none is named.  Nobody listens there.

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    server {
        listen          127.0.0.1:8110;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.97;
    }

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.97;
        pop3_proxy_ssl  starttls;
    }

    server {
        listen          127.0.0.1:8130;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.97;
        pop3_proxy_ssl  on;
    }

    server {
        listen          127.0.0.1:8140;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.97:96;
        pop3_proxy_ssl  on;
    }
}

EOC

$t->run();

for ([8110, 110], [8120, 110], [8130, 995], [8140, 96]) {
	my ($number, $port) = @$_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));

	errors_take($t);
	$s->read();
	command($s, 'USER test');
	like(command($s, 'PASS secret'), qr/^-ERR \[SYS\/TEMP\] /,
		"default port $port - reply");
	like((errors_take($t, 1))[0] // '', qr/, upstream: 127\.0\.0\.97:$port$/,
		"default port $port - is tried");
}

# the template holds it: its last checks have to come before the end

use_template();

undef $t;

###############################################################################
