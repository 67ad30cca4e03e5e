#!/usr/bin/perl

# Which servers are the module's: all of POP3, whether the protocol is named
# or follows from the port, and none of IMAP and SMTP.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Socket::INET;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

# The protocol follows from ports 110, 143 and 995 alone, so these very ports
# have to be free.  If they are not, the test goes into a network of its own:
# that needs root, as the ports themselves do.

my @ports;

BEGIN {
	@ports = (110, 143, 995);

	my @taken = grep { !IO::Socket::INET->new(Proto => 'tcp',
		LocalAddr => "127.0.0.1:$_", Listen => 1, ReuseAddr => 1) } @ports;

	if (@taken && !$ENV{TEST_POP3_OWN_NETWORK}) {
		$ENV{TEST_POP3_OWN_NETWORK} = 1;
		exec 'unshare', '--net', 'sh', '-c',
			'ip link set lo up && exec "$@"', 'sh', $^X,
			map({ "-I$_" } @INC), "./$FindBin::Script";
	}

	die "Can't listen on ports @taken: $!\n" if @taken;
}

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl imap smtp/)
	->has_daemon('openssl')->plan(65);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http         127.0.0.1:8080;
    server_name       mail.example.com;
    imap_capabilities IMAP4rev1 X-IMAP;
    smtp_capabilities X-SMTP;
    imap_auth         plain cram-md5;
    smtp_auth         login;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen   127.0.0.1:8143;
        protocol imap;
    }

    server {
        listen            127.0.0.1:8110;
        protocol          pop3;
        pop3_capabilities X-NAMED;
    }

    # the protocol is that of the port

    server {
        listen            127.0.0.1:110;
        pop3_capabilities X-110;
        pop3_auth         apop cram-md5;
    }

    server {
        listen 127.0.0.1:143;
    }

    server {
        listen            127.0.0.1:995 ssl;
        pop3_capabilities X-995;
    }

    server {
        listen   127.0.0.1:8025;
        protocol smtp;
    }

    # one of two

    server {
        listen            127.0.0.1:8120;
        listen            127.0.0.1:8121;
        protocol          pop3;
        pop3_capabilities X-TWO;
    }

    # a word of POP3 in a server of another protocol

    server {
        listen             127.0.0.1:8144;
        protocol           imap;
        pop3_auth          apop;
        pop3_client_buffer 1k;
    }
}

EOC

create_certificate($t, 'localhost');
start_daemons($t);

$t->run();

###############################################################################

my $login = 'test@example.com';
my $s;

sub session {
	my ($port) = @_;

	$s = POP3Session->new(PeerAddr => "127.0.0.1:$port",
		SSL => $port == 995);

	return $s->read() // '';
}

# What only this module does: the capabilities tell whose configuration it
# has, EXTERNAL is refused where it is off (A1), a digest is looked at (A12),
# and any number of commands is answered (A14).

sub is_ours {
	my ($port, $name, $mark, $sasl) = @_;

	my $greeting = session($port);

	like($greeting, qr/^\+OK POP3 ready/, "$name - greeting");
	is(challenge($greeting) ne '', $sasl eq 'CRAM-MD5', "$name - challenge");
	is_deeply([multiline($s, 'CAPA')], ['+OK Capability list follows', $mark,
		'RESP-CODES', 'AUTH-RESP-CODE', "SASL $sasl", '.'], "$name - configuration");

	$s->print("NOOP\x0d\x0a" x 200);
	is(scalar(grep { /^\+OK/ } replies($s, 200)), 200,
		"$name - many commands at once");

	auth_take();
	like(command($s, 'AUTH EXTERNAL ' . b64($login)), qr/^-ERR/,
		"$name - EXTERNAL is refused");
	is(scalar auth_take(), 0, "$name - auth_http is not asked");

	like(command($s, "USER $login"), qr/^\+OK/, "$name - USER");
	like(command($s, 'PASS secret'), qr/^\+OK/, "$name - PASS");
	is(((auth_take())[0] // {})->{'Auth-Protocol'}, 'pop3', "$name - auth_http");
}

is_ours(port(8110), 'protocol pop3', 'X-NAMED', 'PLAIN LOGIN');
is_ours(110, 'port 110', 'X-110', 'CRAM-MD5');
is_ours(995, 'port 995', 'X-995', 'PLAIN LOGIN');
is_ours(port($_), "one of two, $_", 'X-TWO', 'PLAIN LOGIN') for 8120, 8121;

# IMAP, named and by its port

for ([port(8143), 'protocol imap'], [143, 'port 143'],
	[port(8144), 'imap with a word of POP3'])
{
	my ($port, $name) = @$_;

	like(session($port), qr/^\* OK IMAP4 ready/, "$name - greeting");
	like(command($s, 'a CAPABILITY'), qr/IMAP4rev1 X-IMAP.*AUTH=CRAM-MD5/,
		"$name - capabilities");
	like((replies($s, 1))[0], qr/^a OK/, "$name - end of capabilities");
	like(command($s, 'b LOGIN test@example.com wrong'), qr/^b NO Invalid login/,
		"$name - LOGIN");
	is(((auth_take())[0] // {})->{'Auth-Protocol'}, 'imap', "$name - auth_http");
}

# SMTP

like(session(port(8025)), qr/^220 mail\.example\.com ESMTP/,
	'smtp - greeting');
$s->send('EHLO client.example.com');
like(join("\n", replies($s, 3)), qr/\A250-mail.*\n250-X-SMTP\n250 AUTH LOGIN\z/,
	'smtp - EHLO');
like(command($s, 'AUTH LOGIN ' . b64($login)), qr/^334 UGFzc3dvcmQ6/,
	'smtp - AUTH LOGIN');
like(command($s, b64('wrong')), qr/^535 5\.7\.0 Invalid login/,
	'smtp - wrong password');
is(((auth_take())[0] // {})->{'Auth-Protocol'}, 'smtp', 'smtp - auth_http');

undef $s;

###############################################################################
