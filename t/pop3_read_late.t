#!/usr/bin/perl

# A login that fails with more behind it, while the client reads late: the
# refusal may leave before Auth-Wait is over, and what is behind it has to be
# answered all the same. Where a client has to stop for that depends on the
# kernel, so many do, each somewhere else.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use Test::Nginx::POP3;
use POP3Proxy;
use POP3Servers;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->has_daemon('python3')->plan(1);

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
}

EOC

$t->write_file('nginx.conf', $t->read_file('nginx.conf')
	=~ s/%%LONG%%/join ' ', map { "X$_-" . 'x' x 60 } 100 .. 199/er);

start_daemons($t);

$t->run();

###############################################################################

my $port = port(8110);

is(`python3 -B clients/read_late.py $port`, "\n",
	'what is behind a refused login is answered');

###############################################################################
