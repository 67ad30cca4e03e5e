#!/usr/bin/perl

# What a backend sends behind the login passes through memory that all sessions of a
# worker share: clients that read late, each something else, in turns, and in plain
# and TLS on both sides. proxy_buffer has no part in it, however small it is.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Certificates;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->plan(38);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_proxy_pass     127.0.0.1:8211;
    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen       127.0.0.1:8110 sndbuf=4k;
        listen       127.0.0.1:8995 ssl sndbuf=4k;
        protocol     pop3;
        proxy_buffer 3;
    }

    server {
        listen                             127.0.0.1:8120 sndbuf=4k;
        listen                             127.0.0.1:8996 ssl sndbuf=4k;
        protocol                           pop3;
        pop3_proxy_pass                    127.0.0.1:8212;
        pop3_proxy_ssl                     on;
        pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;
    }
}

EOC

keep_certificates($t->testdir());
issue('ca', ca => 1);
issue('localhost', by => 'ca', names => 'IP:127.0.0.1');

my $crlf = "\x0d\x0a";
my @ways = ([8110, 'plain'], [8995, 'TLS'], [8120, 'TLS at the backend'],
	[8996, 'TLS on both sides']);

# each session's is another one's, and none is as long as another

my %mailbox = map { ("user$_" => mailbox($_)) } 0 .. 2 * @ways - 1;
my %logins = map { ($_ => { PASS => '+OK ' . 'x' x 4090, UIDL => ["+OK$crlf", $mailbox{$_}],
	LIST => ["+OK$crlf", $mailbox{$_}, ['close']] }) } keys %mailbox;

start_backends($t, 8211 => { logins => \%logins },
	8212 => { tls => { ssl => 1 }, logins => \%logins });

$t->run();

###############################################################################

my $worker = worker_pid($t);
my @sessions;

for my $number (0 .. 2 * @ways - 1) {
	my ($port, $name) = @{$ways[$number % @ways]};

	my $s = session($port, $port =~ /^899/ ? (SSL => 1) : ());
	command($s, "USER user$number");
	is(command($s, 'PASS secret'), $logins{"user$number"}{PASS}, "$name, user$number - reply");

	push @sessions, { s => $s, name => "$name, user$number", text => $mailbox{"user$number"},
		ends => $number >= @ways, read => '' };
}

# nobody reads until no more comes

$_->{s}->send($_->{ends} ? 'LIST' : 'UIDL') for @sessions;
select undef, undef, undef, 0.3;

for (@sessions) {
	is(receive($_->{s}, 5), "+OK$crlf", "$_->{name} - begins");
}

for my $round (1 .. 200) {
	for (@sessions) {
		my $left = length($_->{text}) - length $_->{read};
		$_->{read} .= receive($_->{s}, $left < 7000 ? $left : 7000) if $left;
	}
}

for (@sessions) {
	ok($_->{read} eq $_->{text}, "$_->{name} - all of its own arrives");

	if ($_->{ends}) {
		ok(closed($_->{s}), "$_->{name} - the end arrives");

	} else {
		is(command($_->{s}, 'NOOP'), '+OK noop', "$_->{name} - goes on");
		is(command($_->{s}, 'QUIT'), '+OK bye from backend', "$_->{name} - QUIT");
	}
}

is(join("\n", errors_take($t)), '', 'nothing at level error');
is(worker_pid($t), $worker, 'the worker lives');

###############################################################################

# A million bytes, about.

sub mailbox {
	my ($number) = @_;

	return join '', map { "$number $_ " . chr(97 + $number) x 60 . $crlf }
		1 .. 15000 + $number;
}

###############################################################################
