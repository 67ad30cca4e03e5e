#!/usr/bin/perl

# The backend that auth_http names: TLS, XCLIENT and the PROXY protocol, what is told
# of one that fails or refuses, and the next try in the same session.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Certificates;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(60);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http  127.0.0.1:8280;
    max_errors 100;

    pop3_auth                          plain apop;
    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen                   127.0.0.1:8120;
        protocol                 pop3;
        pop3_proxy_ssl           on;
        pop3_auth_http_keepalive 2;
    }

    server {
        listen         127.0.0.1:8121;
        protocol       pop3;
        pop3_proxy_ssl starttls;
    }

    server {
        listen             127.0.0.1:8130;
        protocol           pop3;
        pop3_proxy_xclient on;
        proxy_protocol     on;
    }

    server {
        listen                   127.0.0.1:8140;
        protocol                 pop3;
        proxy_pass_error_message on;
    }

    server {
        listen     127.0.0.1:8150;
        protocol   pop3;
        max_errors 3;
    }
}

EOC

my $dir = $t->testdir();

keep_certificates($dir);

issue('ca', ca => 1);
issue('localhost', by => 'ca', names => 'IP:127.0.0.1');
issue('other', by => 'ca', names => 'DNS:other.test');

# A login goes to the backend of its name.

my %backend = (
	8211 => 'test@example.com',
	8212 => 'tls',
	8213 => 'other',
	8214 => 'starttls',
	8215 => 'plain',
	8216 => 'xclient',
	8217 => 'closes',
	8219 => 'down',
);

my %port = map { $backend{$_} => port($_) } keys %backend;

start_auth($t, 8280 => { reply => sub {
	my ($r) = @_;

	my $port = $port{$r->{user}} // $port{'test@example.com'};

	return kept($r, 'Auth-Server: 127.0.0.1', "Auth-Port: $port",
		$r->{'Auth-Method'} eq 'apop' ? 'Auth-Pass: Not-For-The-Log' : ());
} });

my %other = (SSL_cert_file => "$dir/other.crt", SSL_key_file => "$dir/other.key");

start_backends($t,
	8211 => { logins => {
		'in use' => { PASS => '-ERR [IN-USE] try later' },
		'leaves' => { USER => [['close']] },
	} },
	8212 => { tls => { ssl => 1 } },
	8213 => { tls => { ssl => 1, %other } },
	8214 => { tls => {} },
	8215 => {},
	8216 => { proxy => 1, greeting => '+OK [XCLIENT] ready' },
	8217 => { greeting => [['close']] },
);

$t->run();

###############################################################################

my $welcome = '+OK logged in to backend';
my $unavailable = '-ERR [SYS/TEMP] mail server is not available';
my $invalid = '-ERR [AUTH] invalid login or password';

# Four checks: the login is told so, and the next one in the session succeeds.

sub fails {
	my ($s, $name, $reply, %args) = @_;

	ended_take();

	my $before = () = connections();
	my $login = $args{login} // $name;

	is(login($s, $args{password} // 'secret', $login), $reply, "$name - reply");
	is(command($s, 'NOOP'), '+OK', "$name - session goes on");

	my @errors = errors_take($t, $args{logged} ? 1 : 0);

	if ($args{logged}) {
		my $address = "127.0.0.1:$args{port}";

		ok(@errors == 1 && $errors[0] =~ /$args{logged}.*\Q$address\E/i,
			"$name - error line") or diag(join "\n", @errors);
	} else {
		is_deeply(\@errors, [], "$name - no error line");
	}

	is(scalar(grep { $_ eq 'PASS secret' } map { @{$_->{lines}} }
		(connections())[$before .. connections() - 1]),
		$args{told} // 0, "$name - who is told the password");
}

# TLS and XCLIENT

for ([8120, 'tls'], [8121, 'starttls'], [8130, 'xclient']) {
	my ($number, $login) = @$_;

	my $s = session($number);

	is(login($s, 'secret', $login), $welcome, "$login - login");
	is(command($s, 'STAT'), '+OK 1 23', "$login - relay");
}

my %by = map { $_->{at} => $_ } connections_take();

ok($by{8212}{tls}, 'tls - in TLS');
is_deeply([grep { !/^STAT/ } @{$by{8212}{lines}}], ['USER tls', 'PASS secret'],
	'tls - to the backend');
ok($by{8214}{tls}, 'starttls - in TLS');
is($by{8214}{lines}[0], 'STLS', 'starttls - STLS');
like($by{8216}{lines}[0], qr/^PROXY TCP4 127\.0\.0\.1 /, 'PROXY protocol');
like($by{8216}{lines}[1], qr/^XCLIENT ADDR=127\.0\.0\.1 /, 'xclient - XCLIENT');
is_deeply([map { @{$_->{early}} } values %by], [],
	'nothing is sent ahead of its turn');

# one that is not what it should be gets no password

my $s = session(8120);

fails($s, 'wrong name', $unavailable, login => 'other', port => $port{other},
	logged => qr/certificate|name/);
is(login($s, 'secret', 'tls'), $welcome, 'wrong name - then a login');

$s = session(8121);
fails($s, 'no STLS', $unavailable, login => 'plain', port => $port{plain},
	logged => qr/STLS/);
is(login($s, 'secret', 'starttls'), $welcome, 'no STLS - then a login');

# one that is not there, closes, or refuses

$s = session(8110);
fails($s, 'down', $unavailable, port => $port{down}, logged => qr/refused/);
fails($s, 'closes', $unavailable, port => $port{closes}, logged => qr/close/);
fails($s, 'leaves', $unavailable, port => $port{'test@example.com'},
	logged => qr/close/);
fails($s, 'wrong', $invalid, password => 'wrong');
fails($s, 'in use', '-ERR [IN-USE] mailbox is in use', told => 1);
is(login($s), $welcome, 'then a login');
is((asked())[-1]{'Auth-Login-Attempt'}, 6, 'all of them are counted');

$s = session(8140);
fails($s, 'told', '-ERR [IN-USE] try later', login => 'in use', told => 1);
fails($s, 'told, wrong', '-ERR [AUTH] wrong password', password => 'wrong');
is(login($s), $welcome, 'told - then a login');

# they are errors

$s = session(8150);
is(login($s, 'secret', 'down'), $unavailable, "max_errors - $_") for 1 .. 3;
ok(closed($s), 'max_errors - closed');
errors_take($t, 3);

# the password that auth_http gave is not that of the next login

$s = session(8110);
command($s, 'APOP wrong ' . 'f' x 32);
connections_take();
command($s, 'USER next');
command($s, 'PASS mine');
is_deeply([map { $_->{lines} } connections_take()],
	[['USER next', 'PASS mine']], 'no password of another login');

my $log = $t->read_file('error.log');

is(scalar(grep { index($log, $_) >= 0 } 'secret', 'Not-For-The-Log'), 0,
	'no password in the log');

undef $s;
undef $t;

###############################################################################
