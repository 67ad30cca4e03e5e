#!/usr/bin/perl

# The session log at a syslog server, by UDP or a socket of the file system; a server
# that is gone harms no session.

###############################################################################

use warnings;
use strict;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw/ SOCK_DGRAM /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Proxy;
use POP3Session;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(21);
my $dir = $t->testdir();

# a worker that has another user comes to the socket

chmod 0711, $dir or die "Can't change the mode of $dir: $!\n";

my $udp = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1:0')
	or die "Can't listen: $@\n";
my $to = $udp->sockport();

$t->write_file_expand('nginx.conf', <<"EOC");

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_log_format line '\$login \$end';
    pop3_log_format long '@{['x' x 2000]}\$login';

    pop3_proxy_pass 127.0.0.1:8219;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
        pop3_log syslog:server=127.0.0.1:$to line;
    }

    server {
        listen   127.0.0.1:8120;
        protocol pop3;
        pop3_log syslog:server=unix:%%TESTDIR%%/syslog,facility=mail,tag=pop3,severity=notice,nohostname line;
        pop3_log file.log line;
    }

    server {
        listen   127.0.0.1:8130;
        protocol pop3;
        pop3_log syslog:server=127.0.0.1:$to,tag=long long;
    }
}

EOC

my $unix;

sub listen_at_socket {
	unlink "$dir/syslog";
	$unix = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$dir/syslog")
		or die "Can't listen: $!\n";
	chmod 0777, "$dir/syslog";
}

port(8219);
listen_at_socket();
$t->run();

###############################################################################

sub session {
	my ($port, $name) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($port));

	return (grep { /^\+OK/ } $s->read(), map { command($s, $_) } "USER $name", 'QUIT') == 3
		&& closed($s);
}

sub received {
	my ($socket) = @_;

	return '' unless IO::Select->new($socket)->can_read(5);
	$socket->recv(my $message, 65536);

	return $message;
}

my $date = qr/[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d/;

for my $name ('one', 'two "words"') {
	my $escaped = $name =~ s/"/\\x22/gr;

	ok(session(8110, $name), "UDP, $name - session");
	like(received($udp), qr/^<190>$date \S+ nginx: \Q$escaped\E client\z/, "UDP, $name - line");
	ok(session(8120, $name), "socket, $name - session");
	like(received($unix), qr/^<21>$date pop3: \Q$escaped\E client\z/, "socket, $name - line");
}

ok(session(8130, 'y' x 320), 'long line - session');
like(received($udp), qr/^<190>$date \S+ long: x{2000}y{320}\z/, 'long line - is whole');

# the server goes

sub alerts {
	return $t->read_file('error.log') =~ /\[alert\] (.*)/g;
}

my $worker = worker_pid($t);
my $nginx = $ENV{TEST_NGINX_BINARY} // '../nginx/objs/nginx';
my $old = `$nginx -v 2>&1` =~ m!/1\.22\.!;

close $unix;
unlink "$dir/syslog";

ok(session(8120, 'lost'), "gone, $_ - session") for 1 .. 5;

my @lines;

wait_until(sub { (@lines = $t->read_file('file.log') =~ /(.*)\n/g) >= 7 });
is(scalar(grep { $_ eq 'lost client' } @lines), 5, 'gone - the other log has all');

# nginx 1.22 has its own for each line, too

my @alerts = grep { !/connect\(\) failed/ || !$old } alerts();

is(scalar @alerts, 1, 'gone - one alert') or diag("@alerts");
like($alerts[0] // '', qr!send\(\) to syslog server "unix:\Q$dir\E/syslog" failed: lines are lost!,
	'gone - its text');
is(scalar(grep { /syslog/ } $t->read_file('error.log') =~ /\[(?:error|crit|emerg)\] (.*)/g), 0,
	'gone - and nothing else');

# and is back

listen_at_socket();
session(8120, 'back');
like(received($unix), qr/^<21>$date pop3: back client\z/, 'back - line');
is(worker_pid($t), $worker, 'the worker lives');

# what had to be alerted is none of "no alerts"

$t->stop();
$t->write_file('error.log', $t->read_file('error.log') =~ s/^.*\[alert\].*(?:syslog|connect\(\)).*\n//gmr);

undef $t;

###############################################################################
