#!/usr/bin/perl

# Auth services that others wrote, as most people have them: nginx's own http and
# Python's http.server.  More of them: servers/more.t.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3AuthServers;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my @services = (
	{ name => 'nginx, 204', at => '127.0.0.1:8401/204', kept => 1 },
	{ name => 'nginx, a body', at => '127.0.0.1:8401/length', kept => 1 },
	{ name => 'nginx, 403', at => '127.0.0.1:8401/403', kept => 1 },
	{ name => 'nginx without keep-alive', at => '127.0.0.1:8402/204' },
	{ name => 'http.server, 1.0', at => '127.0.0.1:8404' },
	{ name => 'http.server, 1.0, alone', at => '127.0.0.1:8405', alone => 1 },
	{ name => 'http.server, 1.1', at => '127.0.0.1:8406/length', kept => 1 },
	{ name => 'http.server, 1.1, no length', at => '127.0.0.1:8406' },
);

# one that ends what nobody uses for a second

my $hasty = { name => 'nginx in a hurry', at => '127.0.0.1:8403/204', kept => 1 };

my $t = Test::Nginx->new()->has(qw/mail http rewrite/)
	->plan(checks(@services) + 3);

start_accounts($t);

my $mail = servers_of_mail(@services, $hasty);
my $accounts = accounts_of_nginx();

$t->write_file_expand('nginx.conf', <<"EOC");

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    $mail
}

http {
    %%TEST_GLOBALS_HTTP%%

    $accounts

    access_log %%TESTDIR%%/record record;

    server {
        listen 127.0.0.1:8401;

        location = /204    { return 204; }
        location = /length { return 200 ok; }
        location = /403    { return 403; }
    }

    server {
        listen 127.0.0.1:8402;
        keepalive_timeout 0;

        location = /204    { return 204; }
    }

    server {
        listen 127.0.0.1:8403;
        keepalive_timeout 1s;

        location = /204    { return 204; }
    }
}

EOC

$t->run();

my $script = 'servers/http_server.py';

run_python($t, 8404, $script, '%port', '1.0');
run_python($t, 8405, $script, '%port', '1.0', 'one');
run_python($t, 8406, $script, '%port', '1.1');

###############################################################################

try_services(@services);

requests_take();

my $number = $hasty->{servers}{4};

is(logged_in($number, 'one'), 'one@backend:8211', 'before it ends');
sleep 2;
is(logged_in($number, 'two'), 'two@backend:8212', 'after it has ended');

my @ports = ports_of(2);
is(@ports, 2, 'ended and replaced - connections');

###############################################################################
