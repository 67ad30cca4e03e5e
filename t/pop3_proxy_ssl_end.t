#!/usr/bin/perl

# How TLS to the backend ends: with close_notify whenever the client or the backend
# ends the session, at each step of a login and behind it, whatever is still under
# way.

###############################################################################

use warnings;
use strict;

use Test::More;

use Socket qw/ SOL_SOCKET SO_LINGER /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Certificates;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(80);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_proxy_ssl                     on;
    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;

    server {
        listen          127.0.0.1:8110;
        listen          127.0.0.1:8995 ssl;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;

        ssl_certificate     %%TESTDIR%%/localhost.crt;
        ssl_certificate_key %%TESTDIR%%/localhost.key;
    }

    # these stand still: at the handshake, and at the greeting

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8212;
    }

    server {
        listen          127.0.0.1:8130;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8213;
    }
}

EOC

my $dir = $t->testdir();
my $crlf = "\x0d\x0a";
my $huge = join '', map { "$_ " . 'x' x 70 . $crlf } 1 .. 50000;

keep_certificates($dir);
issue('ca', ca => 1);
issue('localhost', by => 'ca', names => 'IP:127.0.0.1');

my @still = (['wait', 60]);

start_backends($t,
	8211 => { tls => { ssl => 1 }, STAT => [['close']],
		LIST => [['line', '+OK last words'], ['drop']],
		TOP => [$huge, ['close']], DELE => [$huge, ['drop']],
		UIDL => [$huge x 3, ['notify'], @still], RETR => [['flood', $huge]], RSET => [['reset']],
		logins => { still => { USER => \@still }, quiet => { PASS => \@still },
			junk => { USER => [['cork', 1], ['line', '+OK'],
				['raw', "\x17\x03\x03\x00\x05junk!"], ['cork', 0], @still] } } },
	8212 => { greeting => \@still },
	8213 => { tls => { ssl => 1 }, greeting => \@still },
);

$t->run();

###############################################################################

my $s;

# The client's end, and how the backend sees it.

sub leaves {
	undef $s;
	ended_take();

	return (connections())[-1]{end};
}

# The end: by the client without QUIT, by QUIT, by the backend with and without
# TLS's own end

logs_in($s = session(8110), 'client leaves');
is(leaves(), 'notify', 'client leaves - close_notify');

logs_in($s = session(8110), 'client ends its side');
shutdown($s->socket(), 1);
ok(closed($s), 'client ends its side - closed');
is(leaves(), 'notify', 'client ends its side - close_notify');

logs_in($s = session(8110), 'QUIT');
is(command($s, 'QUIT'), '+OK bye from backend', 'QUIT - reply');
ok(closed($s), 'QUIT - closed');

logs_in($s = session(8110), 'backend ends');
$s->send('STAT');
ok(closed($s), 'backend ends - closed');

logs_in($s = session(8110), 'backend drops');
is(command($s, 'LIST'), '+OK last words', 'backend drops - reply before');
ok(closed($s), 'backend drops - closed');

for my $end ([TOP => 'ends'], [DELE => 'drops']) {
	my ($command, $name) = @$end;

	logs_in($s = session(8110), "backend $name behind a long reply");
	$s->send($command);
	select undef, undef, undef, 0.2;

	ok(receive($s, length $huge) eq $huge,
		"backend $name behind a long reply - arrives");
	ok(closed($s), "backend $name behind a long reply - closed");
}

# Nothing can be sent behind TLS's end, so that this waits for what is still to be
# sent to the client

logs_in($s = session(8110), 'client goes on behind the end');
$s->send('UIDL');
select undef, undef, undef, 0.3;
$s->send('NOOP');
ok(receive($s, 3 * length $huge) eq $huge x 3,
	'client goes on behind the end - all arrives');
ok(closed($s), 'client goes on behind the end - closed');

# "backend ends" and "backend drops" are no error

is(join("\n", errors_take($t)), '', 'ends - nothing at level error');

# Behind a reply, what is no TLS: that is said once

$s = session(8110);
command($s, 'USER junk');
is(command($s, 'PASS secret'), '-ERR [SYS/TEMP] mail server is not available',
	'junk behind a reply - reply');
is(scalar(() = $t->read_file('error.log') =~ /\[(?:error|crit)\].*"junk"/g), 1,
	'junk behind a reply - one line');

# A client that resets its connection while its login is under way

sub resets {
	$s->socket()->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);

	return leaves();
}

# Where a login has come to: what is true then of the backend's connection.

my @stages = (
	[8120, 'any', 'the handshake', sub { 1 }, 'eof'],
	[8130, 'any', 'the greeting', sub { $_[0]{tls} }, 'notify'],
	[8110, 'still', 'USER', sub { grep { /^USER/ } @{$_[0]{lines}} }, 'notify'],
	[8110, 'quiet', 'PASS', sub { grep { /^PASS/ } @{$_[0]{lines}} }, 'notify'],
);

for my $stage (@stages) {
	my ($number, $login, $name, $reached, $end) = @$stage;
	my $before = () = connections();

	$s = session($number);
	segment($s, "USER $login${crlf}PASS secret$crlf");

	ok(wait_until(sub {
		my @all = connections();
		return @all > $before && $reached->($all[-1]);
	}), "reset in $name - is reached");
	is(resets(), $end, "reset in $name - the backend's connection ends");
}

# one that has ended only its side gets its answer

$s = session(8110);
segment($s, "USER test\@example.com${crlf}PASS secret$crlf", fin => 1);

is_deeply([replies($s, 2)], ['+OK', '+OK logged in to backend'],
	'end of its side in the login - replies');
ok(closed($s), 'end of its side in the login - closed');
is(leaves(), 'notify', 'end of its side in the login - close_notify');

# Whoever resets, and whenever, leaves nothing that would be taken for a fault of
# the next one's TLS, on whichever side ("no alerts" below)

for my $n (1 .. 5) {
	login($s = session(8995, SSL => 1));
	$s->send('RETR 1');
	receive($s, 100000);
	resets();

	login($s = session(8995, SSL => 1));
	$s->send('RSET');
	closed($s);

	logs_in($s = session(8995, SSL => 1), "after resets, $n");
	is(command($s, 'NOOP'), '+OK noop', "after resets, $n - mailbox");
}

# A reload: the old worker goes on with its sessions, in TLS

logs_in($s = session(8110), 'before a reload');
reload($t);
is(command($s, 'NOOP'), '+OK noop', 'before a reload - goes on');
logs_in(session(8110), 'after a reload');
is(leaves(), 'notify', 'before a reload - close_notify');

###############################################################################
