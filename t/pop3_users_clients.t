#!/usr/bin/perl

# A file of users with other people's programs: clients log in by it at a real Dovecot,
# and htpasswd and doveadm write its passwords.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Certificates;
use POP3Clients;
use POP3Dovecot;
use POP3Proxy;
use POP3Session;
use POP3Users;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

need(
	curl => 'curl', mpop => 'mpop', fetchmail => 'fetchmail',
	's-nail' => 's-nail', fdm => 'fdm', htpasswd => 'apache2-utils',
	doveadm => 'dovecot-core',
);

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->plan(150);

$t->write_file_expand('nginx.conf', my $conf = <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_auth                plain apop cram-md5;
    pop3_auth_user_file      users;
    proxy_pass_error_message on;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;

    server {
        listen   127.0.0.1:8110;
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
        starttls on;
    }

    # what prefers APOP takes USER and PASS here

    server {
        listen    127.0.0.1:8120;
        protocol  pop3;
        pop3_auth plain cram-md5;
    }

    # the certificate is the proof

    server {
        listen    127.0.0.1:8140;
        protocol  pop3;
        pop3_auth external;
        starttls  only;

        ssl_verify_client      on;
        ssl_client_certificate %%TESTDIR%%/ca.crt;
    }

    # Dovecot in TLS, and told of the client

    server {
        listen              127.0.0.1:8150;
        protocol            pop3;
        pop3_auth_user_file tls;
        pop3_proxy_ssl      on;
        pop3_proxy_xclient  on;
    }

    # Dovecot knows the password

    server {
        listen              127.0.0.1:8160;
        protocol            pop3;
        pop3_auth           plain;
        pop3_auth_user_file delegated;
    }

    server {
        listen              127.0.0.1:8170;
        protocol            pop3;
        pop3_auth_user_file written;
        pop3_proxy_pass     127.0.0.1:8211;
        max_errors          100;
    }
}

EOC

my $dir = $t->testdir();
my ($login, $password) = ('test@example.com', 'secret');

write_users($t, 'users', "# the account\n$login:{PLAIN}$password:127.0.0.1:8211\n");
write_users($t, 'tls', "$login:{PLAIN}$password:127.0.0.1:8212\n");
write_users($t, 'delegated', "$login\::127.0.0.1:8211\n");

set_up($t, $login, $password);
keep_certificates($dir);
issue('ca', ca => 1);
issue('dovecot', by => 'ca', names => 'IP:127.0.0.1');
issue('client', by => 'ca', names => "email:$login");

start_dovecot($t, $login, $password, certificate => 'dovecot', plain => 8211,
	pop3s => 8212);

# What a program writes for the account, as a line with another login.

sub by_htpasswd {
	my ($option, @more) = @_;

	my $line = `htpasswd -nb$option @more '$login' '$password' 2>/dev/null`;

	return $line =~ /^\Q$login\E:(\S+)/m ? $1 : die "htpasswd -$option: $line\n";
}

sub by_doveadm {
	my ($scheme) = @_;

	my $line = `doveadm -c $dir/dovecot.conf pw -s $scheme -p '$password' 2>/dev/null`;

	return $line =~ /^(\{\S+)$/m ? $1 : die "doveadm pw -s $scheme: $line\n";
}

my %written = (
	'htpasswd -m'           => by_htpasswd('m'),
	'htpasswd -s'           => by_htpasswd('s'),
	'htpasswd -5'           => by_htpasswd('5'),
	'htpasswd -2, rounds'   => by_htpasswd('2', '-r 10000'),
	'doveadm SSHA'          => by_doveadm('SSHA'),
	'doveadm PLAIN'         => by_doveadm('PLAIN'),
	'doveadm PLAIN.b64'     => by_doveadm('PLAIN.b64'),
	'doveadm SHA'           => by_doveadm('SHA'),
	'doveadm SHA512-CRYPT'  => by_doveadm('SHA512-CRYPT') =~ s/^\{.*?\}//r,
	'doveadm SHA256-CRYPT'  => by_doveadm('SHA256-CRYPT') =~ s/^\{.*?\}//r,
	'doveadm MD5-CRYPT'     => by_doveadm('MD5-CRYPT') =~ s/^\{.*?\}//r,
);

write_users($t, 'written', join '', map { "$_:$written{$_}\n" } sort keys %written);

$t->run();

###############################################################################

my $expected = expected();
my @any = ('--user', "$login:$password");
my @wrong = ('--user', "$login:wrong");
my @external = ('--user', "$login:", '--login-options', 'AUTH=EXTERNAL',
	'--cert', "$dir/client.crt", '--key', "$dir/client.key", '--ssl-reqd');

sub auth { return ('--login-options', "AUTH=$_[0]") }

# What Dovecot logs is what the client of this name got.

sub logs_in {
	my ($name, $session, $dialogue, %logged) = @_;

	is($session->{message}, $expected, "$name - message")
		or diag($session->{dialogue});
	like($session->{dialogue}, $dialogue, "$name - dialogue");

	my $logged = next_login();

	%logged = (user => $login, %logged);
	is($logged->{$_}, $logged{$_}, "$name - Dovecot logs $_")
		for sort keys %logged;
}

# Refused by the file: Dovecot sees no login, the next one is another's.

sub is_refused {
	my ($name, $session, $dialogue) = @_;

	is($session->{message}, undef, "$name, wrong - no message");
	like($session->{dialogue}, $dialogue, "$name, wrong - told so");
}

logs_in('curl, USER and PASS', curl(8110, @any, auth('PLAIN')),
	qr/^> AUTH PLAIN\n/m);
logs_in('curl, AUTH LOGIN', curl(8110, @any, auth('LOGIN')), qr/^> AUTH LOGIN\n/m);
logs_in('curl, APOP', curl(8110, @any, auth('+APOP')), qr/^> APOP \Q$login\E /m);
logs_in('curl, CRAM-MD5', curl(8110, @any, auth('CRAM-MD5')),
	qr/^> AUTH CRAM-MD5\n/m);
logs_in('curl, STLS', curl(8110, @any, '--ssl-reqd'), qr/^> STLS\n/m);
logs_in('curl, TLS', curl(8995, @any), qr/^\* SSL connection/m);
logs_in('curl, EXTERNAL', curl(8140, @external), qr/^> AUTH EXTERNAL\n/m);
logs_in('curl, Dovecot in TLS', curl(8150, @any, '--interface', '127.0.0.5'),
	qr/^> /m, tls => 1, rip => '127.0.0.5');
logs_in('curl, Dovecot decides', curl(8160, @any), qr/^> /m);

logs_in('mpop, USER and PASS', mpop(8110, 'user'), qr/^--> USER /m);
logs_in('mpop, AUTH PLAIN', mpop(8110, 'plain'), qr/^--> AUTH PLAIN/m);
logs_in('mpop, APOP', mpop(8110, 'apop'), qr/^--> APOP /m);
logs_in('mpop, CRAM-MD5', mpop(8110, 'cram-md5'), qr/^--> AUTH CRAM-MD5\n/m);
logs_in('mpop, EXTERNAL', mpop(8140, 'external', $password, '--tls=on',
	"--tls-cert-file=$dir/client.crt", "--tls-key-file=$dir/client.key"),
	qr/^--> AUTH EXTERNAL/m);

logs_in('fetchmail, USER and PASS', fetchmail(8110, 'pop3', 'auth password'),
	qr/POP3> USER /);
logs_in('fetchmail, APOP', fetchmail(8110, 'apop', ''), qr/POP3> APOP /);
logs_in('fetchmail, CRAM-MD5', fetchmail(8110, 'pop3', 'auth cram-md5'),
	qr/POP3> AUTH CRAM-MD5\n/);

logs_in('s-nail, APOP', s_nail('plain', 8110), qr/>>> APOP /);
logs_in('s-nail, USER and PASS', s_nail('plain', 8120), qr/>>> USER /);
logs_in('fdm, APOP', fdm('plain', 8110), qr/^> APOP /m);
logs_in('fdm, TLS', fdm('TLS', 8995), qr/^> APOP /m);

my $told = '-ERR \[AUTH\] invalid login or password';

is_refused('curl, AUTH PLAIN', curl(8110, @wrong, auth('PLAIN')), qr/^< $told$/m);
is_refused('curl, APOP', curl(8110, @wrong, auth('+APOP')), qr/^< $told$/m);
is_refused('curl, CRAM-MD5', curl(8110, @wrong, auth('CRAM-MD5')), qr/^< $told$/m);
is_refused('curl, EXTERNAL', curl(8140, '--user', 'other@example.com:',
	@external[2 .. $#external]), qr/^< $told$/m);
is_refused('mpop, APOP', mpop(8110, 'apop', 'wrong'), qr/^<-- -ERR \[AUTH\]/m);
is_refused('mpop, CRAM-MD5', mpop(8110, 'cram-md5', 'wrong'),
	qr/^<-- -ERR \[AUTH\]/m);
is_refused('fetchmail, APOP', fetchmail(8110, 'apop', '', 'wrong'),
	qr/POP3< -ERR \[AUTH\]/);
is_refused('s-nail, APOP', s_nail('plain', 8110, 'wrong'), qr/SERVER: -ERR \[AUTH\]/);
is_refused('curl, Dovecot decides', curl(8160, @wrong),
	qr/^< -ERR \[AUTH\] Authentication failed\.$/m);

logs_in('after them', curl(8120, @any), qr/^> /m);

# Passwords by htpasswd and doveadm.  Dovecot has none of these logins: it refuses
# whom the file does not.

for my $name (sort keys %written) {
	my ($s) = greeted(8170);

	is(login_by('AUTH PLAIN', $s, $name, "${password}x"),
		"$told" =~ s/\\//gr, "$name - wrong password");
	like(login_by('AUTH PLAIN', $s, $name, $password), qr/Authentication failed/,
		"$name - Dovecot is asked");
}

# Those that take too long, those that are not known, and what stands before
# Dovecot's, are refused with what to do

for my $case (
	['htpasswd -B', by_htpasswd('B'), 'bcrypt', '{SSHA} or $6$'],
	['htpasswd -d', by_htpasswd('d'), 'DES', '{SSHA} or $6$'],
	['htpasswd -p', by_htpasswd('p'), 'put {PLAIN} before a text'],
	['htpasswd -5, rounds', by_htpasswd('5', '-r 30000'), 'more than 20000 rounds'],
	map({ ["doveadm $_", by_doveadm($_), 'unknown scheme',
		'$6$ without a scheme before it'] } qw/ SHA512-CRYPT MD5-CRYPT BLF-CRYPT /),
	map({ ["doveadm $_", by_doveadm($_), 'unknown scheme',
		'{SHA} or {SSHA}'] } qw/ SSHA256 SMD5 CRAM-MD5 PBKDF2 /),
) {
	my ($name, $written, @say) = @$case;

	write_users($t, 'written', "anna:{PLAIN}x\nbob:$written\n");

	my ($status, $output) = nginx_test($t, $conf);

	is($status, 1, "$name - is refused");
	like($output, qr/\[emerg\] "\Q$dir\E\/written":2: .*\Q$_\E/, "$name - says $_")
		for @say;
	is(index($output, substr $written, -5), -1, "$name - not the password");
}

# its last checks belong to the plan, and the functions above would keep it

undef $t;

###############################################################################
