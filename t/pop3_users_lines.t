#!/usr/bin/perl

# What nginx -t says of the lines of a file of users (pop3_auth_user_file).

###############################################################################

use warnings;
use strict;

use Test::More;

use Time::HiRes qw/ time /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Conf;
use POP3Proxy;
use POP3UsersConf;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail imap/)->plan(391);

my $dir = $t->testdir();

use_users($t);

###############################################################################

my $good = "anna:{PLAIN}$SECRET\n";
my $sha512 = 'sa./ltSA$' . 'x' x 86;

# lines that are wrong, each behind good ones, with its number

for my $case (
	['no colon', 'anna.test', 'no ":"', 'login:password'],
	['a password alone', $SECRET, 'no ":"'],
	['no login', ":{PLAIN}$SECRET", 'no login', '"#"'],
	['control character in a login', "a\tb:{PLAIN}$SECRET", 'control character'],
	['NUL in a login', "a\0b:{PLAIN}$SECRET", 'control character'],
	['CR in a login', "a\rb:{PLAIN}$SECRET", 'control character'],
	['control character in a backend', "b:{PLAIN}$SECRET:127.0.0.1\t",
		'control character'],
	['long login', 'b' x 4097 . ":{PLAIN}$SECRET", '4096'],
	['long password', "b:{PLAIN}$SECRET" . 'x' x 4096, '4096'],
	['long backend', "b:{PLAIN}$SECRET:" . 'x' x 4097, '4096'],
	['no text', 'b:{PLAIN}', 'no text', 'no password'],
	['no text, base64', 'b:{PLAIN.b64}', 'no text'],
	['CR in a text', "b:{PLAIN}$SECRET\rx", 'CR, LF or NUL'],
	['NUL in a text', "b:{PLAIN}$SECRET\0x", 'CR, LF or NUL'],
	['LF in base64', 'b:{PLAIN.b64}' . b64("$SECRET\n"), 'CR, LF or NUL'],
	['no base64', "b:{PLAIN.b64}$SECRET!", 'base64'],
	['base64 without padding', 'b:{PLAIN.b64}c2VjcmV', 'base64', 'padding'],
	['no SHA-1', "b:{SHA}$SECRET", '{SHA}', 'anew'],
	['SHA-1 that is short', 'b:{SHA}' . b64($SECRET), '{SHA}'],
	['no SSHA', "b:{SSHA}$SECRET", '{SSHA}', 'anew'],
	['SHA-512 that is short', "b:\$6\$salt\$$SECRET", '$6$', 'anew'],
	['apr1 without a salt', "b:\$apr1\$$SECRET", '$apr1$', 'anew'],
	['rounds', "b:\$6\$rounds=20001\$$sha512", '20000 rounds', 'wait'],
	['very many rounds', "b:\$5\$rounds=99999999999\$$sha512", '20000 rounds'],
	['rounds that are none', "b:\$6\$rounds=x\$$sha512", '$6$'],
	['DES crypt', 'b:ab' . substr($SECRET, 0, 11), 'DES', '{PLAIN}', '{SSHA}'],
	['bare text', "b:$SECRET", '{PLAIN}'],
	['bcrypt', "b:\$2y\$05\$$SECRET", 'bcrypt', 'wait', '{SSHA}', '$6$'],
	['yescrypt', "b:\$y\$j9T\$$SECRET", 'yescrypt', 'wait', '$6$'],
	['gost-yescrypt', "b:\$gy\$j9T\$$SECRET", 'yescrypt'],
	['scrypt', "b:\$7\$DU\$$SECRET", 'scrypt', 'wait'],
	['unknown hash', "b:\$argon2i\$$SECRET", 'unknown hash', '$6$'],
	['unknown scheme', "b:{SMD5}$SECRET", 'unknown scheme', '{SSHA}'],
	['scheme before a hash', "b:{SHA512-CRYPT}\$6\$$sha512", 'unknown scheme',
		'without a scheme'],
	['scheme in lower case', "b:{plain}$SECRET", 'unknown scheme', '{PLAIN}'],
	['space before a scheme', "b: {PLAIN}$SECRET", 'without a prefix'],
	['a comment that is indented', '  # comment', 'no ":"'],
) {
	my ($name, $line, @say) = @$case;

	line_is_refused($name, 4, "# comment\n${good}\n$line\nlast:{PLAIN}x\n", @say);
}

line_is_refused('first line', 1, 'nothing', 'no ":"');
line_is_refused('last line, without an end', 3, "${good}b:{SSHA}" . b64('x' x 24)
	. "\nc:{DES}", 'unknown scheme');
line_is_refused('line with CRLF', 2, "a:{PLAIN}x\x0d\x0ab:x\x0d\x0a", 'DES');
line_is_refused('login twice', 5, "# comment\n${good}b:\nc:\nanna:{PLAIN}x\n",
	'login that stands in line 2 already; remove one of both');
line_is_refused('line 100,000', 100_000,
	join('', map { "user$_:{PLAIN}x\n" } 1 .. 99_999) . 'x', 'no ":"');

# hashes that are too many kinds, or cost too much together, though each of them is right

sub rounds { return map { "r$_:\$6\$rounds=$_\$$sha512\n" } @_ }

file_is_taken('eight kinds of hashes', join '', $good, rounds(1000 .. 1007),
	map { s/^r/s/r } rounds(1000 .. 1007));
line_is_refused('ninth kind of hash', 11, join('', $good, rounds(1000 .. 1007),
	"b:\n", rounds(1008)), 'ninth kind', 'same number of rounds');
file_is_taken('30000 rounds', join '', $good, rounds(20_000, 10_000),
	map { s/^r/s/r } rounds(20_000, 10_000));
line_is_refused('30001 rounds', 3, join('', $good, rounds(20_000, 10_001)),
	'30000 rounds', 'same number of rounds');

# backends; no resolver is asked for a name that long

my $no_host = 'x' x 64;

for my $case (
	['comment', 'Anna of the office' . $no_host, '(host not found)'],
	['port of none', '127.0.0.1:x', '(invalid port)'],
	['port 0', '127.0.0.1:0', '(invalid port)'],
	['large port', '127.0.0.1:65536', '(invalid port)'],
	['no host', ':110', '(no host)'],
	['bracket', '[::1', '(invalid host)'],
	['no path', 'unix:', '(no path in the unix domain socket)'],
) {
	my ($name, $backend, @say) = @$case;

	my ($status, $output) = file_test("${good}b::127.0.0.1\nc:{PLAIN}x:$backend\n");

	# what nginx says of the address, and where that stands

	is($status, 1, "backend, $name - is refused");
	like($output, qr/\[emerg\] .*\Q$_\E/, "backend, $name - says $_")
		for @say, 'host[:port]', '{PLAIN.b64}';
	like($output, qr/\[emerg\] "\Q$dir\E\/users":3: .*second ":"/,
		"backend, $name - file and line");
}

# what may be the rest of a password with a colon in it is not shown

line_is_refused('rest of a password', 2, "${good}b:{PLAIN}any:$SECRET$no_host\n",
	'{PLAIN.b64}');

line_is_refused('no backend', 2, ["b:{PLAIN}x:127.0.0.1\n$good", $USERS],
	'no backend', 'pop3_proxy_pass');
file_is_taken('backend for each', "b:{PLAIN}x:127.0.0.1\nc::[::1]:110\n", $USERS);

sub backends { return map { "u$_:{PLAIN}x:unix:/run/$_\n" } 1 .. $_[0] }

file_is_taken('1000 backends', join('', backends(1000), map { "v${_}::unix:/run/$_\n" }
	1 .. 1000));
line_is_refused('1001 backends', 1002, join('', $good, backends(1001)), '1000',
	'auth_http');

# TLS with a backend that has no name

line_is_refused('unix socket, TLS', 2,
	["${good}b:{PLAIN}x:unix:/run/b\n", "$USERS\n $PASS\n pop3_proxy_ssl on;"],
	'pop3_proxy_ssl_name');
file_is_taken("unix socket, TLS, $_", "b:{PLAIN}x:unix:/run/b\n",
	"$USERS\n pop3_proxy_ssl on;\n $_")
	for 'pop3_proxy_ssl_name backend.example.com;', 'pop3_proxy_ssl_verify off;';

# what is right

file_is_taken('a line', $good);
file_is_taken('no end of the last line', "${good}b:{PLAIN}x");
file_is_taken('CRLF', "# comment\x0d\x0a\x0d\x0aanna:{PLAIN}x\x0d\x0ab:\x0d\x0a");
file_is_taken('comments', "#\n\n# $SECRET:\n#anna:{DES}x\n$good");
file_is_taken('longest fields', 'a' x 4096 . ':{PLAIN}' . 'x' x 4089 . "\n");
file_is_taken('rounds', "b:\$6\$rounds=20000\$$sha512\n");
file_is_taken('a user of the same name but for case', "Anna:{PLAIN}x\n$good");
file_is_taken('8-bit', "j\xf6rg:{PLAIN}p\xe4ss\n\xc3\xb6:{PLAIN}\xff\n");

# nobody can log in

for my $case (['empty', ''], ['comments alone', "# nobody\n"]) {
	my ($name, $text) = @$case;
	my ($status, $output) = file_test($text);

	is($status, 0, "$name - is taken");
	is(scalar messages('warn', $output), 1, "$name - one warning");
	like($output, qr/\[warn\] no user is in the file "\Q$dir\E\/users" in the/,
		"$name - says so");
}

# an editor's byte order mark is no part of a login

line_is_refused('byte order mark', 1, "\xef\xbb\xbf$good", 'byte order mark');

# 100,000: a bound that is far from what it takes, but not from a search for each

my $many = join '', map { "user$_\@example.com:{PLAIN}$SECRET$_:127.0.0.1\n" }
	1 .. 100_000;
my $begin = time();

file_is_taken('100,000', $many);
cmp_ok(time() - $begin, '<', 20, '100,000 - takes no time');

# its last checks have to come before the end

use_users();
undef $t;

###############################################################################
