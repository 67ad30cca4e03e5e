#!/usr/bin/perl

# Logs in by Perl's Net::POP3, and writes message 1 to a file.
#
# usage: perl_net_pop3.pl METHOD PORT PASSWORD CA MESSAGE
#
# METHOD is user, apop, stls, pop3s, or a mechanism of SASL.  The dialogue goes
# to the standard error; a refused login is an exit status of 1.

use warnings;
use strict;

use Authen::SASL qw/ Perl /;
use Net::POP3;

my ($method, $port, $password, $ca, $file) = @ARGV;
my $login = 'test@example.com';

my $pop3 = Net::POP3->new($method eq 'pop3s' ? 'localhost' : '127.0.0.1',
	Port => $port, Timeout => 20, Debug => 1,
	SSL => $method eq 'pop3s', SSL_ca_file => $ca,
	SSL_verifycn_name => 'localhost',
) or die "Can't connect: $@\n";

if ($method eq 'stls') {
	$pop3->starttls() or die 'STLS: ' . $pop3->message();
}

my $done;

if ($method eq 'apop') {
	$done = defined $pop3->apop($login, $password);

} elsif ($method =~ /^(?:user|stls|pop3s)$/) {
	$done = defined $pop3->login($login, $password);

} else {
	$done = $pop3->auth(Authen::SASL->new(
		mechanism => $method,
		callback => { user => $login, pass => $password },
	));
}

die 'Login: ' . $pop3->message() unless $done;

my $message = $pop3->get(1) or die 'RETR: ' . $pop3->message();

$pop3->quit();

open my $fh, '>', $file or die "Can't create $file: $!\n";
print $fh @$message;
close $fh or die "Can't write $file: $!\n";
