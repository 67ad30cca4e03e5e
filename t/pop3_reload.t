#!/usr/bin/perl

# Reload: sessions that are open, in whatever state, go on as they began, new
# ones get the new configuration, and worker_shutdown_timeout is kept to.

###############################################################################

use warnings;
use strict;

use Test::More;

use Time::HiRes qw/ time /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(43);

my $conf = <<'EOC';

%%TEST_GLOBALS%%

daemon off;

MAIN

events {
}

mail {
    auth_http         127.0.0.1:8080;
    pop3_capabilities MARK;
    pop3_auth         METHODS;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
        starttls STARTTLS;
    }
}

EOC

sub conf {
	my ($mark, $main, $methods, $starttls) = @_;

	return $conf =~ s/MARK/$mark/r =~ s/MAIN/$main/r =~ s/METHODS/$methods/r
		=~ s/STARTTLS/$starttls/r;
}

$t->write_file_expand('nginx.conf', conf('FIRST', '', 'plain cram-md5', 'on'));

create_certificate($t, 'localhost');
start_daemons($t);

$t->run();

###############################################################################

my $crlf = "\x0d\x0a";
my $login = 'test@example.com';

my ($s, $challenge);

sub session {
	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8110));
	$challenge = challenge($s->read());

	return $s;
}

sub marks {
	return join ' ', grep { /FIRST|SECOND|THIRD|FOURTH/ }
		multiline($_[0], 'CAPA');
}

# the old worker may be the one that accepts for a while

sub reloaded_to {
	my ($mark) = @_;

	ok(wait_until(sub { marks(session()) eq $mark }), "$mark is in force");
}

sub announced {
	my ($log) = @_;

	return scalar(() = $log =~ /
		\[notice\] [^\n]* POP3\ is\ served\ by\ ngx_mail_pop3_rs_module/gx);
}

is(announced($t->read_file('error.log')), 1, 'start - announced');

# sessions in several states

my %open = map { $_ => session() }
	qw/greeting user line long plain login tls backend relay/;

command($open{user}, "USER $login");

$open{line}->print("NOOP${crlf}USER te");
replies($open{line}, 1);

$open{long}->print('NOOP ' . 'x' x 8000);

command($open{plain}, 'AUTH PLAIN');
command($open{login}, 'AUTH LOGIN ' . b64($login));

command($open{tls}, 'STLS');
starttls($open{tls});
command($open{tls}, "USER $login");

for my $name (qw/backend relay/) {
	command($open{$name}, "USER $login");
	command($open{$name}, 'PASS secret');
}

$open{relay}->print('ST');

# the challenge is that of the last session

$open{cram} = session();
my $cram = challenge(command($open{cram}, 'AUTH CRAM-MD5'));

# a login under way while the workers change

$open{slow} = session();
$open{slow}->print("USER slow1\@fault${crlf}PASS secret${crlf}STAT$crlf");
replies($open{slow}, 1);

my $pid = worker_pid($t);

$t->write_file_expand('nginx.conf', conf('SECOND', '', 'external', 'off'));
reload($t);

reloaded_to('SECOND');

is(announced($t->read_file('error.log')), 2, 'reload - announced');
ok(kill(0, $pid), 'reload - the old worker is there');

# each goes on where it was, as it began

is(marks($open{greeting}), 'FIRST', 'greeting - old list');
like(command($open{greeting}, "USER $login"), qr/^\+OK/, 'greeting - USER');
like(command($open{greeting}, 'PASS secret'), qr/^\+OK/, 'greeting - PASS');
like(command($open{greeting}, 'STAT'), qr/^\+OK \d/, 'greeting - backend');

is(marks($open{user}), 'FIRST', 'USER - old list');
like(command($open{user}, 'PASS secret'), qr/^\+OK/, 'USER - PASS');
like(command($open{user}, 'STAT'), qr/^\+OK \d/, 'USER - backend');

like(command($open{line}, 'st@example.com'), qr/^\+OK/, 'half a line - rest');
like(command($open{line}, 'PASS secret'), qr/^\+OK/, 'half a line - PASS');

like(command($open{long}, 'x'), qr/^-ERR/, 'long line - refused');
like(command($open{long}, 'STLS'), qr/^\+OK/, 'long line - STLS as before');
ok(starttls($open{long}), 'long line - handshake with the old worker');
is(marks($open{long}), 'FIRST', 'long line - old list');

like(command($open{plain}, sasl_plain('', $login, 'secret')), qr/^\+OK/,
	'exchange of PLAIN - login');
like(command($open{plain}, 'STAT'), qr/^\+OK \d/,
	'exchange of PLAIN - backend');

like(command($open{login}, b64('secret')), qr/^\+OK/,
	'password of LOGIN - login');
like(command($open{cram}, cram_md5($cram, $login, 'secret')), qr/^\+OK/,
	'exchange of CRAM-MD5 - login');

like(command($open{tls}, 'PASS secret'), qr/^\+OK/, 'TLS - login');
like(command($open{tls}, 'STAT'), qr/^\+OK \d/, 'TLS - backend');

like(command($open{backend}, 'STAT'), qr/^\+OK \d/, 'logged in - STAT');
like(command($open{relay}, 'AT'), qr/^\+OK \d/,
	'logged in, half a line - rest');

is(scalar(grep { /^\+OK/ } replies($open{slow}, 2)), 2,
	'login under way - goes on');

# new ones as they are told now

$s = session();

is($challenge, '', 'new - no challenge');
like(command($s, 'STLS'), qr/^-ERR/, 'new - no STLS');
like(command($s, 'AUTH CRAM-MD5'), qr/^-ERR/, 'new - no CRAM-MD5');
like(command($s, "USER $login"), qr/^\+OK/, 'new - USER');
like(command($s, 'PASS secret'), qr/^\+OK/, 'new - PASS');

# the old worker goes when its last session does

undef %open;
undef $s;

ok(wait_until(sub { !kill 0, $pid }), 'the old worker exits');

# worker_shutdown_timeout is that of the configuration a worker began with

$t->write_file_expand('nginx.conf',
	conf('THIRD', 'worker_shutdown_timeout 1s;', 'plain', 'off'));
reload($t);

reloaded_to('THIRD');

%open = map { $_ => session() } qw/greeting user line plain/;

command($open{user}, "USER $login");
$open{line}->print("NOOP${crlf}USER te");
replies($open{line}, 1);
command($open{plain}, 'AUTH PLAIN');

my $start = time();

$t->write_file_expand('nginx.conf', conf('FOURTH', '', 'plain', 'off'));
reload($t);

reloaded_to('FOURTH');

ok(closed($open{$_}, 5), "worker_shutdown_timeout - $_")
	for qw/greeting user line plain/;
cmp_ok(time() - $start, '>', 0.9, 'worker_shutdown_timeout - not before');
like($t->read_file('error.log'), qr/\[info\].*shutdown timeout/,
	'worker_shutdown_timeout - logged');

# a configuration that is wrong changes nothing

$t->write_file_expand('nginx.conf', conf('FIFTH', '', 'wrong', 'off'));
reload($t);

ok(wait_until(sub { $t->read_file('error.log') =~ /\[emerg\].*"wrong"/ }),
	'wrong configuration - told');
is(marks(session()), 'FOURTH', 'wrong configuration - the old one holds');

# the module's file is the same as ever

unlike($t->read_file('error.log'), qr/\[warn\].*ngx_mail_pop3_rs_module/,
	'no warning');

undef %open;

###############################################################################
