#!/usr/bin/perl

# What "nginx -t" says of the directives for TLS to the backend: a sentence with
# the directive, the value and the remedy, or nginx's own for what OpenSSL refuses.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Certificates;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl');
my $d = $t->testdir();

keep_certificates($d);
issue('ca', ca => 1);
issue($_, by => 'ca') for qw/ client other /;
revoke('ca');
encrypt_key('client', 'word');

$t->write_file('word', "first\nword\n");
$t->write_file('wrong', "first\nsecond\n");
$t->write_file('garbage', "this is no certificate\n");

my $client = "pop3_proxy_ssl_certificate $d/client.crt;"
	. " pop3_proxy_ssl_certificate_key";

# What goes into server{}, after pop3_proxy_pass and pop3_proxy_ssl on.

my %accepted = (
	'nothing else' => '',
	'starttls' => 'pop3_proxy_ssl starttls;',
	'off' => 'pop3_proxy_ssl off;',
	'all that there is' => "$client $d/client.enc.key;"
		. " pop3_proxy_ssl_password_file $d/word;"
		. ' pop3_proxy_ssl_verify on; pop3_proxy_ssl_verify_depth 2;'
		. " pop3_proxy_ssl_trusted_certificate $d/ca.crt;"
		. " pop3_proxy_ssl_crl $d/ca.crl;"
		. ' pop3_proxy_ssl_name backend.example.com;'
		. ' pop3_proxy_ssl_server_name off; pop3_proxy_ssl_protocols TLSv1.3;'
		. ' pop3_proxy_ssl_ciphers HIGH; pop3_proxy_ssl_session_reuse off;',
	'names relative to the configuration' =>
		'pop3_proxy_ssl_trusted_certificate ca.crt; pop3_proxy_ssl_crl ca.crl;'
		. ' pop3_proxy_ssl_certificate client.crt;'
		. ' pop3_proxy_ssl_certificate_key client.enc.key;'
		. ' pop3_proxy_ssl_password_file word;',
);

my %refused = (
	'unknown mode' => ['pop3_proxy_ssl only;', qr/pop3_proxy_ssl/, qr/only/],

	'no authorities' =>
		["pop3_proxy_ssl_trusted_certificate $d/none.crt;", qr!$d/none\.crt!],
	'authorities that are none' =>
		["pop3_proxy_ssl_trusted_certificate $d/garbage;", qr!$d/garbage!],
	'no CRL' => ["pop3_proxy_ssl_trusted_certificate $d/ca.crt;"
		. " pop3_proxy_ssl_crl $d/none.crl;", qr!$d/none\.crl!],
	'CRL that is none' => ["pop3_proxy_ssl_trusted_certificate $d/ca.crt;"
		. " pop3_proxy_ssl_crl $d/garbage;", qr!$d/garbage!],

	'no certificate file' => ["pop3_proxy_ssl_certificate $d/none.crt;"
		. " pop3_proxy_ssl_certificate_key $d/client.key;", qr!$d/none\.crt!],
	'certificate without key' =>
		["pop3_proxy_ssl_certificate $d/client.crt;",
			qr/pop3_proxy_ssl_certificate_key/],
	'no key file' => ["$client $d/none.key;", qr!$d/none\.key!],
	'key of another' => ["$client $d/other.key;", qr/key values mismatch/],
	'encrypted key, wrong password' => ["$client $d/client.enc.key;"
		. " pop3_proxy_ssl_password_file $d/wrong;", qr!$d/client\.enc\.key!],
	'no password file' => ["$client $d/client.enc.key;"
		. " pop3_proxy_ssl_password_file $d/none;", qr!$d/none!],

	'unknown protocol' => ['pop3_proxy_ssl_protocols TLSv1.4;',
		qr/pop3_proxy_ssl_protocols/, qr/TLSv1\.4/],
	'unknown ciphers' => ['pop3_proxy_ssl_ciphers nonsense;', qr/nonsense/],

	'depth below zero' =>
		['pop3_proxy_ssl_verify_depth -1;', qr/pop3_proxy_ssl_verify_depth|invalid number/],
	'depth that is no number' =>
		['pop3_proxy_ssl_verify_depth deep;', qr/pop3_proxy_ssl_verify_depth|invalid number/],

	map {
		my $directive = $_;

		("$directive maybe" => ["$directive maybe;", qr/\Q$directive\E/, qr/maybe/],
			"$directive twice" => ["$directive on; $directive on;",
				qr/"\Q$directive\E" directive is duplicate/],
			"$directive without a value" => ["$directive;",
				qr/invalid number of arguments in "\Q$directive\E"/]);
	} qw/ pop3_proxy_ssl_verify pop3_proxy_ssl_server_name
		pop3_proxy_ssl_session_reuse /,
);

# The backend may be one that auth_http names.

my @told = ('pop3_proxy_ssl on', 'pop3_proxy_ssl starttls',
	'pop3_proxy_xclient on');

$t->plan(2 * (keys(%accepted) + keys(%refused) + @told));

###############################################################################

sub configuration {
	my ($server) = @_;

	return <<EOF;

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    server {
        listen   127.0.0.1:8110;
        protocol pop3;
        $server
    }
}

EOF
}

sub tested {
	my ($text) = @_;

	my $on = $text =~ /pop3_proxy_ssl / ? '' : 'pop3_proxy_ssl on;';

	return nginx_test($t,
		configuration("pop3_proxy_pass 127.0.0.1:8211; $on $text"));
}

sub is_accepted {
	my ($name, $status, $output) = @_;

	is($status, 0, "$name - is accepted") or diag($output);
	unlike($output, qr/\[(?:warn|emerg)\]/, "$name - nothing to say");
}

sub is_refused {
	my ($name, $status, $output, @patterns) = @_;

	isnt($status, 0, "$name - is refused");

	my @missing = grep { $output !~ $_ } qr/\[emerg\]/, @patterns;

	is("@missing", '', "$name - message") or diag($output);
}

for my $name (sort keys %accepted) {
	is_accepted($name, tested($accepted{$name}));
}

for my $name (sort keys %refused) {
	my ($text, @patterns) = @{$refused{$name}};

	is_refused($name, tested($text), @patterns);
}

for my $directive (@told) {
	is_accepted("$directive with auth_http",
		nginx_test($t, configuration("auth_http 127.0.0.1:8080; $directive;")));
}

# its last checks belong to the plan, and the functions above would keep it

undef $t;

###############################################################################
