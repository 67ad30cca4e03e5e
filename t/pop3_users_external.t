#!/usr/bin/perl

# Client certificates that name a login of a file of users (AUTH EXTERNAL with
# pop3_auth_user_file): which of their names count, and what the client may claim.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Certificates;
use POP3Proxy;
use POP3Users;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(211);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_auth           plain apop external;
    pop3_auth_user_file users;
    pop3_proxy_pass     127.0.0.1:8211;
    max_errors          100;

    ssl_certificate        %%TESTDIR%%/localhost.crt;
    ssl_certificate_key    %%TESTDIR%%/localhost.key;
    ssl_client_certificate %%TESTDIR%%/ca.crt;
    ssl_verify_client      on;

    server {
        listen   127.0.0.1:8110;
        listen   127.0.0.1:8995 ssl;
        protocol pop3;
        starttls on;
    }

    server {
        listen            127.0.0.1:8120 ssl;
        protocol          pop3;
        ssl_verify_client optional;
    }
}

EOC

my $dir = $t->testdir();
my $welcome = '+OK logged in to backend';
my $invalid = '-ERR [AUTH] invalid login or password';

write_users($t, 'users', <<'EOF' . "j\xc3\xb6rg:{PLAIN}password of joerg\n");
anna@example.com:{PLAIN}password of anna:127.0.0.1:8212
bob:{PLAIN.b64}cGFzc3dvcmQgb2YgYm9i
carol@example.com:{PLAIN}password of carol
two words:{PLAIN}password of both
hash@example.com:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
empty@example.com:
zoe@example.com:{PLAIN}password of zoe
localhost:{PLAIN}password of the server
admin1:{PLAIN}password of the admin
EOF

keep_certificates($dir);
issue($_, ca => 1) for qw/ ca stranger /;
issue('localhost', by => 'ca', names => 'DNS:localhost');

my $anna = 'anna@example.com';

# By name: who signs it, the e-mail names and the subject's names.

my %certificates = (
	mail      => ['ca', "email:$anna", 'somebody'],
	name      => ['ca', undef, 'bob'],
	space     => ['ca', undef, 'two words'],
	subject   => ['ca', undef, "somebody/emailAddress=$anna"],
	both      => ['ca', "email:other\@example.com,email:$anna", 'bob'],
	two       => ['ca', "email:$anna,email:carol\@example.com", 'bob'],
	sorted    => ['ca', "email:carol\@example.com,email:$anna", 'somebody'],
	same      => ['ca', "email:$anna,email:$anna", "bob/emailAddress=$anna"],
	nobodies  => ['ca', 'email:nobody@example.com,email:none@example.com', 'bob'],
	mixed     => ['ca', 'email:empty@example.com,email:hash@example.com,'
		. 'email:zoe@example.com', 'bob'],
	hash_bob  => ['ca', 'email:hash@example.com', 'bob'],
	unknown   => ['ca', 'email:nobody@example.com', 'nobody'],
	case      => ['ca', 'email:Anna@example.com', 'BOB'],
	longer    => ['ca', "email:$anna.test", 'bobb'],
	dns       => ['ca', 'DNS:bob,URI:bob', 'somebody'],
	second    => ['ca', undef, 'somebody/OU=bob'],
	hash      => ['ca', 'email:hash@example.com', 'somebody'],
	empty     => ['ca', 'email:empty@example.com', 'somebody'],
	control   => ['ca', undef, "bob\t"],
	newline   => ['ca', undef, "bob\n"],
	colon     => ['ca', undef, 'bob:{PLAIN}x'],
	stranger2 => ['stranger', "email:$anna", 'bob'],
);

for my $name (sort keys %certificates) {
	my ($by, $names, $subject) = @{$certificates{$name}};

	issue($name, by => $by, cn => $subject, $names ? (names => $names) : ());
}

# OpenSSL's program makes none of these.

sub issue_with_nul {
	my ($name, %subject) = @_;

	require IO::Socket::SSL::Utils;

	my $file = sub { return "$dir/$_[0]" };
	my ($certificate, $key) = IO::Socket::SSL::Utils::CERT_create(
		subject => \%subject, purpose => 'client', issuer => [
			IO::Socket::SSL::Utils::PEM_file2cert($file->('ca.crt')),
			IO::Socket::SSL::Utils::PEM_file2key($file->('ca.key')),
		]);

	IO::Socket::SSL::Utils::PEM_cert2file($certificate, $file->("$name.crt"));
	IO::Socket::SSL::Utils::PEM_key2file($key, $file->("$name.key"));

	return scalar `openssl x509 -noout -subject -in $dir/$name.crt`;
}

my %with_nul = (
	nul_name => issue_with_nul('nul_name', commonName => "bob\0.test"),
	nul_mail => issue_with_nul('nul_mail', commonName => 'somebody',
		emailAddress => "$anna\0.test"),
);

# Common names in other types of string, which the certificate tells.  The BMP one is
# "admin1" byte by byte.

my %typed = (
	bmp   => ['BMPSTRING', '0x800', "\xe6\x85\xa4\xe6\xb5\xa9\xe6\xb8\xb1"],
	wide  => ['BMPSTRING', '0x800', "j\xc3\xb6rg"],
	latin => ['T61STRING', '0x4', "j\xc3\xb6rg"],
	utf8  => ['UTF8STRING', '0x2000', "j\xc3\xb6rg"],
);

issue($_, by => 'ca', cn => $typed{$_}[2], string_mask => "MASK:$typed{$_}[1]")
	for sort keys %typed;

start_backends($t, map { $_ => { PASS => $welcome } } 8211, 8212);

$t->run();

###############################################################################

my $s;

sub certified {
	my ($name) = @_;

	return $name ? (SSL_cert_file => "$dir/$name.crt",
		SSL_key_file => "$dir/$name.key") : ();
}

# The reply to EXTERNAL with an identity, in a new session with this certificate.

sub external {
	my ($number, $certificate, $claimed) = @_;

	($s) = greeted($number,
		$number == 8110 ? () : (SSL => 1, certified($certificate)));

	if ($number == 8110) {
		command($s, 'STLS');
		starttls($s, certified($certificate));
	}

	return command($s, 'AUTH EXTERNAL ' . ($claimed eq '' ? '=' : b64($claimed)));
}

sub is_done {
	my ($name, $number, $certificate, $claimed, $login, $password, $at) = @_;

	connections_take();
	is(external($number, $certificate, $claimed), $welcome, "$name - reply");

	my ($c) = connections_take();

	is($c->{at}, $at, "$name - backend");
	is_deeply($c->{lines}, ["USER $login", "PASS $password"],
		"$name - what it is told");
}

sub is_refused {
	my ($name, $number, $certificate, $claimed) = @_;

	connections_take();
	is(external($number, $certificate, $claimed), $invalid, "$name - reply");
	is_deeply([told()], [], "$name - no backend is told");
	is(command($s, 'NOOP'), '+OK', "$name - session goes on");
}

my @anna = ($anna, 'password of anna', 8212);
my @bob = ('bob', 'password of bob', 8211);
my @carol = ('carol@example.com', 'password of carol', 8211);

for my $number (8110, 8995, 8120) {
	is_done("$number, e-mail name", $number, 'mail', '', @anna);
	is_done("$number, common name", $number, 'name', '', @bob);
	is_done("$number, e-mail name claimed", $number, 'mail', $anna, @anna);
	is_refused("$number, unknown", $number, 'unknown', '');
	is_refused("$number, another claimed", $number, 'mail', 'bob');
}

is_done('name with a space', 8995, 'space', '', 'two words', 'password of both', 8211);
is_done('e-mail in the subject', 8995, 'subject', '', @anna);

# of e-mail names the one that the file has, the common name if there is none; several
# are for the client to choose from

is_done('e-mail and common name', 8995, 'both', '', @anna);
is_done('e-mail and common name, the other', 8995, 'both', 'bob', @bob);
is_done('one e-mail three times', 8995, 'same', '', @anna);
is_done('e-mails of nobody', 8995, 'nobodies', '', @bob);

for my $name (qw/ two sorted /) {
	is_refused("$name, none claimed", 8995, $name, '');
	is_done("$name, the first", 8995, $name, $anna, @anna);
	is_done("$name, the other", 8995, $name, 'carol@example.com', @carol);
}

is_done('two e-mails, the common name', 8995, 'two', 'bob', @bob);

# only those with a text in the file count

is_done('e-mails without a text and one with it', 8995, 'mixed', '',
	'zoe@example.com', 'password of zoe', 8211);
is_done('e-mail without a text, and a common name', 8995, 'hash_bob', '', @bob);
is_refused('e-mail without a text, claimed', 8995, 'hash_bob', 'hash@example.com');

is_refused('two e-mails, another', 8995, 'two', 'two words');
is_refused('two e-mails, unknown', 8995, 'two', 'nobody');

# what is no name

is_refused($_, 8995, $_, '') for qw/ case longer dns second control newline colon /;
is_refused("$_, claimed", 8995, $_, 'bob') for qw/ dns second control newline colon /;
is_refused('case, claimed', 8995, 'case', $anna);
is_refused('part of the name', 8995, 'name', 'bo');
is_refused('case of the claim', 8995, 'name', 'Bob');

for my $name (sort keys %with_nul) {
	like($with_nul{$name}, qr/(?:bob|com)\\00\.test/, "$name - certificate");
	is_refused($name, 8995, $name, '');
	is_refused("$name, claimed", 8995, $name, $name =~ /mail/ ? $anna : 'bob');
}

# a common name is what it says, whatever bytes stand for it

for my $name (sort keys %typed) {
	my $type = $typed{$name}[0];

	like(scalar `openssl x509 -noout -subject -nameopt RFC2253,show_type -in $dir/$name.crt`,
		qr/$type/, "$name - certificate");
	is_done($name, 8995, $name, '', "j\xc3\xb6rg", 'password of joerg', 8211)
		unless $name eq 'bmp';
}

is_refused('bmp', 8995, 'bmp', '');
is_refused('bmp, claimed', 8995, 'bmp', 'admin1');

# the file has to know the password

for my $name (qw/ hash empty /) {
	is_refused($name, 8995, $name, '');
	is_refused("$name, claimed", 8995, $name, "$name\@example.com");
}

# no certificate, or one that is not verified

is_refused('none', 8120, undef, '');
is_refused('none, claimed', 8120, undef, 'bob');
is(login_by('USER and PASS', $s, 'bob', 'password of bob'), $welcome,
	'none - then a password');

# one that is not verified is nginx's to refuse

for my $number (8995, 8120) {
	my ($unverified, $greeting) = greeted($number, SSL => 1, certified('stranger2'));

	is($greeting, "-ERR SSL certificate error\x0d\x0a", "$number, unverified - told");
	ok(closed($unverified), "$number, unverified - closed");
}

# in plain there is none

connections_take();
($s) = greeted(8110);
like(command($s, 'AUTH EXTERNAL ' . b64('bob')), qr/^-ERR/, 'plain - reply');
is_deeply([told()], [], 'plain - no backend is told');

# TLS that is resumed has the certificate as well

require IO::Socket::SSL;

my $context = IO::Socket::SSL::SSL_Context->new(certified('mail'),
	SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_NONE(),
	SSL_session_cache_size => 10, SSL_version => 'TLSv1_2');

for my $i (1, 2) {
	($s) = greeted(8995, SSL => 1, SSL_reuse_ctx => $context);
	is($s->socket()->get_session_reused() ? 2 : 1, $i, "resumed, $i - handshake");
	connections_take();
	is(command($s, 'AUTH EXTERNAL ='), $welcome, "resumed, $i - reply");
	is_deeply([told()], ["USER $anna", 'PASS password of anna'],
		"resumed, $i - what the backend is told");
}

# who it was

my $log = $t->read_file('error.log');

like($log, qr/client logged in.*, login: "\Q$anna\E"/, 'log - login');
is(() = $log =~ /\[info\].* client certificate names several logins, and the client none/g,
	2, 'log - several logins');
is_deeply([map { traces($log, "password of $_") } qw/ anna bob carol /], [],
	'log - no password');

undef $s;

# its last checks belong to the plan, and the functions above would keep it

undef $t;

###############################################################################
