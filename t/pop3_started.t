#!/usr/bin/perl

# What the log says of each POP3 server when nginx starts and is reloaded.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Certificates;
use POP3Proxy;
use POP3Users;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl imap/)->plan(8);

my $conf = <<'EOC';

%%TEST_GLOBALS%%

daemon off;

error_log %%TESTDIR%%/level.log info;

events {
}

mail {
    auth_http           http://127.0.0.1:8080/auth?key=value;
    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;
    pop3_limit_zone     32k;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen           127.0.0.1:8120;
        listen           127.0.0.1:8995 ssl;
        protocol         pop3;
        starttls         only;
        pop3_auth        plain apop cram-md5 xoauth2 oauthbearer;
        pop3_limit_conn  10;
        pop3_login_delay 5s;
        pop3_proxy_ssl   on;
        pop3_log         %%TESTDIR%%/sessions.log buffer=4k;
        pop3_log         syslog:server=127.0.0.1:8514;
    }

    server {
        listen                127.0.0.1:8130;
        protocol              pop3;
        pop3_proxy_pass       127.0.0.1:8211;
        pop3_proxy_ssl        starttls;
        pop3_proxy_ssl_verify off;
    }

    server {
        listen              127.0.0.1:8140;
        protocol            pop3;
        pop3_auth           apop;
        pop3_auth_user_file users;
    }

    server {
        listen              127.0.0.1:8150;
        protocol            pop3;
        pop3_auth_user_file users;
        pop3_proxy_pass     127.0.0.1:8211;
        pop3_login_delay    off;
    }

    server {
        listen   127.0.0.1:8143;
        protocol imap;
    }
}

EOC

$t->write_file_expand('nginx.conf', $conf);

keep_certificates($t->testdir());
issue('localhost', ca => 1);
write_users($t, 'users', "test:{PLAIN}secret:127.0.0.1\n");

$t->run();

###############################################################################

my $dir = $t->testdir();
my ($plain, $tls, $pass, $file, $both, $backend, $auth, $syslog) = map { port($_) }
	8120, 8995, 8130, 8140, 8150, 8211, 8080, 8514;

my $servers = <<"EOF" =~ s/\\\n *//gr;
POP3 at 127.0.0.1:${\port(8110)}: pop3_auth plain, starttls off, \\
    auth_http http://127.0.0.1:$auth/auth, pop3_proxy_ssl off, pop3_log off
POP3 at 127.0.0.1:$plain: pop3_auth plain apop cram-md5 xoauth2 oauthbearer, starttls only, \\
    auth_http http://127.0.0.1:$auth/auth, pop3_proxy_ssl on, pop3_limit_conn 10, \\
    pop3_login_delay 5s, pop3_log $dir/sessions.log, pop3_log syslog:server=127.0.0.1:$syslog
POP3 at 127.0.0.1:$tls in TLS: pop3_auth plain apop cram-md5 xoauth2 oauthbearer, starttls only, \\
    auth_http http://127.0.0.1:$auth/auth, pop3_proxy_ssl on, pop3_limit_conn 10, \\
    pop3_login_delay 5s, pop3_log $dir/sessions.log, pop3_log syslog:server=127.0.0.1:$syslog
POP3 at 127.0.0.1:$pass: pop3_auth plain, starttls off, pop3_proxy_pass 127.0.0.1:$backend, \\
    pop3_proxy_ssl starttls, pop3_proxy_ssl_verify off, pop3_log off
POP3 at 127.0.0.1:$file: pop3_auth apop, starttls off, pop3_auth_user_file $dir/users, \\
    pop3_proxy_ssl off, pop3_log off
POP3 at 127.0.0.1:$both: pop3_auth plain, starttls off, pop3_auth_user_file $dir/users, \\
    pop3_proxy_pass 127.0.0.1:$backend, pop3_proxy_ssl off, pop3_log off
EOF

is(log_of_servers(), $servers, 'at the start');

reload($t);
wait_until(sub { log_of_servers() =~ /\A\Q$servers\E.*\Q$servers\E\z/s });
is(log_of_servers(), $servers x 2, 'at a reload');

# not at level notice, nor at a test

$t->write_file_expand('nginx.conf', $conf =~ s/level.log info/level.log notice/r);
reload($t);
ok(wait_until(sub { 3 <= (() = $t->read_file('level.log') =~ /POP3 is served/g) }),
	'level notice - reloaded');
is(log_of_servers(), $servers x 2, 'at level notice');
unlike((nginx_test($t, $conf))[1], qr/POP3 at/, 'at a test');

# what a directive holds cannot make a line

$t->write_file_expand('nginx.conf', $conf
	=~ s{%%TESTDIR%%/sessions.log}{"%%TESTDIR%%/a\x0a[info] 1#1: POP3 at b"}r);
reload($t);
ok(wait_until(sub { 4 <= (() = $t->read_file('level.log') =~ /POP3 is served/g) }),
	'no line of its own - reloaded');
unlike(log_of_servers(), qr/^POP3 at b/m, 'no line of its own');

# an nginx up to 1.24 has another directive for TLS

SKIP: {
	my $on = $conf =~ s/protocol pop3;/protocol pop3; ssl on;/r;

	skip 'nginx has no "ssl on"', 1 if (nginx_test($t, $on))[0];

	$t->write_file_expand('nginx.conf', $on);
	reload($t);

	my $first = 'POP3 at 127.0.0.1:' . port(8110);
	ok(wait_until(sub { log_of_servers() =~ /^\Q$first\E in TLS: /m }), 'ssl on');
}

# its last checks belong to the plan, and the functions above would keep it

undef $t;

###############################################################################

sub log_of_servers {
	return join '', map { "$_\n" } $t->read_file('level.log') =~ /\[info\] \d+#\d+: (POP3 at .*)/g;
}

###############################################################################
