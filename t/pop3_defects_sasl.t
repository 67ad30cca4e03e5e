#!/usr/bin/perl

# Where nginx's C module is wrong: what a login or a password may be, and what
# becomes of it.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(135);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http   127.0.0.1:8080;
    server_name pop3.example.com;
    max_errors  1000;

    server {
        listen    127.0.0.1:8110;
        protocol  pop3;
        pop3_auth plain apop cram-md5 external;
    }

    server {
        listen    127.0.0.1:8120;
        protocol  pop3;
        pop3_auth plain cram-md5;
    }

    server {
        listen    127.0.0.1:8130;
        protocol  pop3;
        pop3_auth apop;
    }
}

EOC

start_daemons($t);

$t->run();

###############################################################################

my $login = 'test@example.com';
my $server = 8110;
my ($s, $challenge);

sub session {
	$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($server));
	$challenge = challenge($s->read());

	auth_take();
	backend_take();
}

# Lines that make up one attempt, in a session of its own.  Each is sent as
# long as the one before got a prompt or a +OK: an attempt may be refused at any
# of them, but it must be refused, and nobody else may hear of it.

sub is_refused {
	my ($name, @lines) = @_;

	session();

	my $reply;

	for my $line (@lines) {
		$reply = command($s, $line);
		last if $reply !~ /^\+/;
	}

	like($reply, qr/^-ERR/, "$name - refused");
	is(scalar auth_take(), 0, "$name - auth_http is not asked");
}

# What auth_http was asked for the login that is now done.

sub logs_in {
	my ($name, @lines) = @_;

	my $last = pop @lines;

	command($s, $_) for @lines;

	like(command($s, $last), qr/^\+OK/, "$name - logged in");

	my ($r) = auth_take();

	return $r;
}

# A1

$server = 8120;

is_refused('A1 - EXTERNAL with initial response while external is off',
	'AUTH EXTERNAL ' . b64($login));
is_refused('A1 - EXTERNAL with = while external is off', 'AUTH EXTERNAL =');

# A2: Auth-Wait keeps the session

$server = 8110;
session();

command($s, 'USER wait@example.com');
like(command($s, 'PASS leaked'), qr/^-ERR/, 'A2 - failed PASS');
my ($r) = auth_take();
is($r->{pass}, 'leaked', 'A2 - auth_http is asked');

$r = logs_in('A2 - EXTERNAL', 'AUTH EXTERNAL ' . b64($login));

is($r->{'Auth-Method'}, 'external', 'A2 - method');
is($r->{user}, $login, 'A2 - login');
is($r->{pass}, '', 'A2 - no password of an earlier PASS');

# A3, A4: the text after a line break must reach neither the backend nor the
# log as a line of its own

my $digest = 'f' x 32;

for my $c ("\x0d\x0a", "\x0d", "\x0a", "\x00", "\x01", "\x09", "\x1b", "\x7f") {
	my $hex = join ' ', map { sprintf '%02x', ord } split //, $c;
	my $forged = "$login${c}FORGED-LOGIN";

	is_refused("A3 - PLAIN, login with $hex",
		'AUTH PLAIN ' . b64("\0$forged\0secret"));
	is_refused("A3 - LOGIN, login with $hex",
		'AUTH LOGIN', b64($forged), b64('secret'));
	is_refused("A3 - CRAM-MD5, login with $hex",
		'AUTH CRAM-MD5', b64("$forged $digest"));
	is_refused("A3 - EXTERNAL, login with $hex",
		'AUTH EXTERNAL ' . b64($forged));
}

for my $c ("\x0d\x0a", "\x0d", "\x0a", "\x00") {
	my $hex = join ' ', map { sprintf '%02x', ord } split //, $c;

	is_refused("A3 - PLAIN, password with $hex",
		'AUTH PLAIN ' . b64("\0$login\0secret${c}DELE 1"));
	is_refused("A3 - LOGIN, password with $hex",
		'AUTH LOGIN', b64($login), b64("secret${c}DELE 1"));
}

is(scalar backend_take(), 0, 'A3 - backend is not asked');

my $log = $t->read_file('error.log');

is(() = $log =~ /^FORGED/mg, 0, 'A4 - no line of the log is the client\'s');
is(() = $log =~ /[\x00-\x09\x0b-\x1f\x7f]/g, 0,
	'A4 - no control byte in the log');

# A6

$server = 8130;
session();

is(scalar(grep { /^SASL/ } multiline($s, 'CAPA')), 0,
	'A6 - no SASL line for apop alone');

# A10

$server = 8110;

is_refused('A10 - PLAIN on behalf of somebody else',
	'AUTH PLAIN ' . sasl_plain('admin@example.com', $login, 'secret'));
is_refused('A10 - PLAIN on behalf of a part of the login',
	'AUTH PLAIN ' . sasl_plain('test', $login, 'secret'));

session();

$r = logs_in('A10 - PLAIN on behalf of the login itself',
	'AUTH PLAIN ' . sasl_plain($login, $login, 'secret'));
is($r->{user}, $login, 'A10 - the login itself');

# A11

session();

$challenge = challenge(command($s, 'AUTH CRAM-MD5'));
$r = logs_in('A11 - CRAM-MD5, login with a space',
	cram_md5($challenge, 'two words', 'secret'));
is($r->{user}, 'two words', 'A11 - the login is all before the last space');

# A12

for my $bad ('f' x 31, 'f' x 33, 'g' x 32, 'f' x 31 . '-', 'f') {
	is_refused("A12 - APOP $bad", "APOP $login $bad");
}

# A13

session();

$r = logs_in('A13 - password with a leading space',
	'USER space@example.com', 'PASS  leading');
is($r->{pass}, ' leading', 'A13 - auth_http gets the space');
is((backend_take())[1], 'PASS  leading', 'A13 - backend gets the space');

# A16

is_refused('A16 - PLAIN, empty login', 'AUTH PLAIN ' . b64("\0\0secret"));
is_refused('A16 - PLAIN, empty password', 'AUTH PLAIN ' . b64("\0$login\0"));
is_refused('A16 - LOGIN, empty login', 'AUTH LOGIN', '', b64('secret'));
is_refused('A16 - LOGIN =', 'AUTH LOGIN =', b64('secret'));
is_refused('A16 - LOGIN, empty password', 'AUTH LOGIN', b64($login), '');
is_refused('A16 - CRAM-MD5, empty login',
	'AUTH CRAM-MD5', b64(" $digest"));

# A17

is_refused('A17 - NUL in USER', "USER test\0\@example.com", 'PASS secret');
is_refused('A17 - NUL after USER', "USER $login\0", 'PASS secret');
is_refused('A17 - NUL in PASS', "USER $login", "PASS sec\0ret");
is_refused('A17 - NUL after PASS', "USER $login", "PASS secret\0");

undef $s;

###############################################################################
