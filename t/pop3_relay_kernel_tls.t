#!/usr/bin/perl

# With TLS in the kernel (kTLS), OpenSSL takes what it has begun to send from where it
# was, wherever it has been moved to: a client that reads late must not get what another
# session has there by then.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use IO::Select;
use IO::Socket::INET;
use Net::SSLeay;

use Test::Nginx;
use POP3Backend;
use POP3Certificates;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->plan(7);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_proxy_pass 127.0.0.1:8211;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen              127.0.0.1:8995 ssl sndbuf=4k;
        protocol            pop3;
        ssl_certificate     %%TESTDIR%%/localhost.crt;
        ssl_certificate_key %%TESTDIR%%/localhost.key;
        ssl_protocols       TLSv1.3;
        ssl_conf_command    Options KTLS;
    }
}

EOC

my $d = $t->testdir();
my $crlf = "\x0d\x0a";
my %mailbox = map { ($_ => join '', ($_ x 70 . $crlf) x 10000) } qw/a b/;

keep_certificates($d);
issue('localhost', ca => 1);

start_backends($t, 8211 => { logins => { map {
	($_ => { PASS => '+OK ' . 'x' x 4090, UIDL => ["+OK$crlf", $mailbox{$_}],
		LIST => ["+OK$crlf", $mailbox{$_}, ['close']] })
} keys %mailbox } });

system("cc -shared -fPIC -o $d/kernel_tls.so lib/kernel_tls.c -ldl") == 0
	or die "Can't build kernel_tls.so: install gcc\n";

{
	local $ENV{LD_PRELOAD} = "$d/kernel_tls.so";
	local $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} // (), 'verify_asan_link_order=0';
	$t->run();
}

###############################################################################

# Both ways to end: by the client, and by the backend

for my $command (qw/UIDL LIST/) {
	my $client = client();

	says($client, $_) for 'USER a', 'PASS secret';
	says($client, $command);
	select undef, undef, undef, 0.3;

	my $s = session(8110);
	login($s, 'secret', 'b');
	command($s, 'UIDL');
	ok(receive($s, length $mailbox{b}) eq $mailbox{b}, "$command - another session");

	my $got = take($client, length($mailbox{a}) + 10000);
	$got =~ s/.*?\+OK$crlf(?=a)//s;
	$got =~ s/\x01\x00\z//; # close_notify

	is(length $got, length $mailbox{a}, "$command - all of it");
	is(join('', sort keys %{{ map { $_ => 1 } split //, $got =~ s/$crlf//gr }}), 'a',
		"$command - its own");
}

is(join("\n", errors_take($t)), '', 'nothing at level error');

###############################################################################

# A client that has made a handshake, and has OpenSSL encrypt what it sends: what comes is
# plain text then, as the kernel does not encrypt.

sub client {
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => port(8995))
		or die "Can't connect: $!\n";

	my $ssl = Net::SSLeay::new(Net::SSLeay::CTX_new_with_method(
		Net::SSLeay::TLS_client_method()));
	my ($in, $out) = map { Net::SSLeay::BIO_new(Net::SSLeay::BIO_s_mem()) } 1 .. 2;
	my $client = { socket => $socket, ssl => $ssl, out => $out };

	Net::SSLeay::set_bio($ssl, $in, $out);
	Net::SSLeay::set_connect_state($ssl);

	while (Net::SSLeay::do_handshake($ssl) != 1) {
		transmit($client);
		$socket->sysread(my $record, 16384) or die "No handshake\n";
		Net::SSLeay::BIO_write($in, $record);
	}

	transmit($client);
	take($client, 0, qr/\+OK [^\x0a]*\x0a/);

	return $client;
}

sub transmit {
	my ($client) = @_;

	$client->{socket}->syswrite(Net::SSLeay::BIO_read($client->{out}))
		if Net::SSLeay::BIO_pending($client->{out});
}

# Sends a line, and takes the reply unless it is a long one.

sub says {
	my ($client, $line) = @_;

	Net::SSLeay::write($client->{ssl}, $line . $crlf);
	transmit($client);

	take($client, 0, qr/\+OK[^\x0a]*\x0a/) if $line =~ /^(?:USER|PASS)/;
}

# What comes, up to so many bytes or to what fits, or until nothing more does.

sub take {
	my ($client, $length, $end) = @_;
	my $got = '';

	while ($end ? $got !~ $end : length $got < $length) {
		last unless IO::Select->new($client->{socket})->can_read(1);
		$client->{socket}->sysread($got, 4096, length $got) or last;
	}

	return $got;
}

###############################################################################
