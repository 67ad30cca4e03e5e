#!/usr/bin/perl

# A login that fails with more behind it, while the client reads late. What is
# behind it has to be answered all the same, and behind it, whether the refusal has
# to wait for Auth-Wait or the auth server cannot even be asked, while the replies
# before are still to leave. Where a client has to stop for that depends on the
# kernel, so many do, each somewhere else.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;
use POP3Servers;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->has_daemon('python3')->plan(2);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http 127.0.0.1:8080;

    server {
        listen            127.0.0.1:8110 sndbuf=4k rcvbuf=4k;
        protocol          pop3;
        pop3_capabilities %%LONG%%;
    }

    server {
        listen            127.0.0.1:8120 sndbuf=4k;
        protocol          pop3;
        auth_http         unix:%%TESTDIR%%/nobody.sock:/auth;
        pop3_max_commands 10000;
    }
}

EOC

$t->write_file('nginx.conf', $t->read_file('nginx.conf')
	=~ s/%%LONG%%/join ' ', map { "X$_-" . 'x' x 60 } 100 .. 199/er);

start_daemons($t);

$t->run();

###############################################################################

is(late(8110, 'refused'), "\n", 'what is behind a refused login is answered');
is(late(8120, 'failed'), "\n", 'what is behind an error is answered behind it');

###############################################################################

sub late {
	my ($number, $case) = @_;
	my $port = port($number);
	return `python3 -B clients/read_late.py $port $case`;
}

###############################################################################
