#!/usr/bin/perl

# Tests for secrets in the worker's memory: this module leaves nothing there of
# what it has held. What nginx has been handed for a login by auth_http is not looked
# for: of the request to the auth server, and of PASS to the backend, it wipes nothing.

###############################################################################

use warnings;
use strict;

use MIME::Base64;
use Socket qw/ SOL_SOCKET SO_LINGER /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;
use POP3Servers;

###############################################################################

my $t = Test::Nginx->new()->has(qw/mail/)->plan(16);

$t->write_file_expand('nginx.conf', <<'EOF');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http  http://127.0.0.1:8080/;

    server {
        listen    127.0.0.1:8110;
        protocol  pop3;
    }

    server {
        listen           127.0.0.1:8113;
        protocol         pop3;
        pop3_proxy_pass  127.0.0.1:8111;
    }
}

EOF

# or the dynamic linker leaves on the stack what was in registers at a first call

$ENV{LD_BIND_NOW} = 1;

start_daemons($t);

$t->run();

sub is_held {
	my ($text) = @_;

	return in_memory(worker_pid($t), $text);
}

# what is looked for would be found: an incomplete line is held

my $s = POP3Session->new();

$s->ok('greeting');
$s->print('PASS wipe-held');
ok(wait_until(sub { is_held('wipe-held') }), 'an incomplete line is held');
undef $s;
ok(wait_until(sub { !is_held('wipe-held') }), 'and wiped with its session');

# the memory is held on to for the next incomplete line

$s = POP3Session->new();
$s->ok('greeting');
$s->print('PASS wipe-before');
wait_until(sub { is_held('wipe-before') });
$s->print("\x0d\x0aNO");
$s->read();
ok(wait_until(sub { !is_held('wipe-before') }), 'and wiped for the next one');

# the connection is reset, so that what is held is not read any further

$s = POP3Session->new();
$s->ok('greeting');
$s->print('PASS wipe-reset');
wait_until(sub { is_held('wipe-reset') });
setsockopt($s->socket(), SOL_SOCKET, SO_LINGER, pack('ii', 1, 0))
	or die "Can't set SO_LINGER: $!\n";
undef $s;
ok(wait_until(sub { !is_held('wipe-reset') }), 'a held line is wiped on reset');

for (
	['in the wrong state', 'PASS wipe-state', 'wipe-state'],
	['of another identity',
		'AUTH PLAIN ' . sasl_plain('root', 'test', 'wipe-identity'),
		'wipe-identity'],
	['with a wrong digest',
		'APOP test wipe-digest', 'wipe-digest'],
) {
	my ($name, $line, $secret) = @$_;

	$s = POP3Session->new();
	$s->read();
	command($s, $line);
	ok(wait_until(sub { !is_held($secret) }), "a secret $name is wiped");
}

# what a password was decoded in, which is on the stack: little of it outlives
# the calls that follow

$s = POP3Session->new();
$s->read();
command($s, 'AUTH LOGIN ' . encode_base64('test', ''));
command($s, encode_base64("wipe-b64\0", ''));
ok(wait_until(sub { !is_held('wipe-b64') }), 'a decoded secret is wiped');

# a login that fails, and what was sent behind it

$s = POP3Session->new();
$s->read();
segment($s, join '', map { "$_\x0d\x0a" } 'USER wait@example.com',
	'PASS wipe-password', 'PASS wipe-ahead');
replies($s, 3);
ok(wait_until(sub { !is_held('wipe-ahead') }),
	'what is behind a login that fails is wiped');

undef $s;

# of a login at a backend that this module makes, nothing is left when it is over

for (
	['refused', 'refuse@backend', qr/^-ERR/],
	['done', 'test@example.com', qr/^\+OK logged in/],
) {
	my ($name, $login, $reply) = @$_;

	$s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8113));
	$s->read();
	command($s, "USER $login");
	like(command($s, "PASS wipe-$name"), $reply, "a login is $name");
	ok(wait_until(sub { !is_held("wipe-$name") }), 'and its password wiped');
}

undef $s;

undef $t;

###############################################################################
