#!/usr/bin/perl

# Tests on an nginx whose mail core has a directive max_commands.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/../t"); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

my $t = Test::Nginx->new()->has(qw/mail/)->plan(5);

my $conf = <<'EOF';

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http  http://127.0.0.1:8080/;
    DIRECTIVE;

    server {
        listen    127.0.0.1:8110;
        protocol  pop3;
    }
}

EOF

my ($status, $output)
	= nginx_test($t, $conf =~ s/DIRECTIVE/pop3_max_commands 3/r);

isnt($status, 0, 'pop3_max_commands refused');
like($output, qr/"pop3_max_commands" directive .* use "max_commands"/,
	'the other directive named');

$t->write_file_expand('nginx.conf', $conf =~ s/DIRECTIVE/max_commands 2/r);
$t->run();

my $s = POP3Session->new();
$s->ok('greeting');

$s->print("NOOP\x0d\x0a" x 3);
is_deeply([replies($s, 3)], ['+OK', '+OK', '-ERR too many commands'],
	'the third command refused');
ok(closed($s), 'session closed');

###############################################################################
