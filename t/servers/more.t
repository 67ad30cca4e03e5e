#!/usr/bin/perl

# Auth services on more servers: CGI behind nginx, gunicorn and uvicorn.  They need
# packages that nothing else here does: "make test-auth" installs them and runs
# this file.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); push @INC, 'lib'; }

use Test::Nginx;
use POP3AuthServers;
use POP3Clients;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

need(
	'/usr/sbin/fcgiwrap' => 'fcgiwrap',
	'/usr/lib/python3/dist-packages/gunicorn' => 'gunicorn',
	'/usr/lib/python3/dist-packages/uvicorn' => 'python3-uvicorn',
);

# Each as it answers by the path.  A chunked body is not read: the head decides, and
# the connection is closed.  gunicorn closes what a worker without threads has served.

my %server = (
	'CGI behind nginx'  => { number => 8401, kept => 1 },
	'gunicorn'          => { number => 8403 },
	'gunicorn, threads' => { number => 8404, kept => 1 },
	'uvicorn'           => { number => 8405, kept => 1 },
);

my @services;

for my $name (sort keys %server) {
	for my $path (qw/ 204 length chunked /) {
		push @services, {
			name => "$name, $path",
			at => "127.0.0.1:$server{$name}{number}/$path",
			kept => $server{$name}{kept} && $path ne 'chunked',
		};
	}
}

my $t = Test::Nginx->new()->has(qw/mail http/)->plan(checks(@services));

my $d = $t->testdir();
my $mail = servers_of_mail(@services);
my $cgi = "$FindBin::Bin/auth.cgi";

start_accounts($t);

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

    server {
        listen 127.0.0.1:8401;

        location / {
            fastcgi_pass  127.0.0.1:8402;
            fastcgi_param SCRIPT_FILENAME $cgi;
            fastcgi_param DOCUMENT_URI    \$uri;
            fastcgi_param REQUEST_METHOD  \$request_method;
            fastcgi_param REMOTE_PORT     \$remote_port;
        }
    }
}

EOC

$t->run();

my $port = port(8402);

$t->run_daemon('/usr/sbin/fcgiwrap', '-s', "tcp:127.0.0.1:$port");
$t->waitforsocket("127.0.0.1:$port") or die "Can't start fcgiwrap\n";

my @gunicorn = ('-m', 'gunicorn', '--bind', '127.0.0.1:%port',
	'--worker-tmp-dir', $d, '--log-file', "$d/gunicorn.log", 'wsgi:application');

run_python($t, 8403, @gunicorn, '--workers', 2);
run_python($t, 8404, @gunicorn, '--threads', 8);
run_python($t, 8405, '-m', 'uvicorn', '--port', '%port', '--log-level', 'warning',
	'asgi:application');

###############################################################################

try_services(@services);

###############################################################################
