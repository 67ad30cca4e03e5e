#!/usr/bin/perl

# The session log in files: gathered in a buffer or not, of several servers and of http{},
# opened anew by USR1; a disk that is full, and a folder that is gone.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Socket::INET;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Proxy;
use POP3SessionLog;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail http/)->plan(42);
my $dir = $t->testdir();

mkdir "$dir/logs" or die "Can't create a folder: $!\n";

# a worker that has another user opens the files anew

chmod 0711, $dir or die "Can't change the mode of $dir: $!\n";
chmod 0777, "$dir/logs" or die "Can't change the mode of the folder: $!\n";

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_log_format name escape=none "$login";

    pop3_proxy_pass 127.0.0.1:8219;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
        pop3_log logs/plain.log name;
    }

    # the size is that of four names of 63 bytes

    server {
        listen   127.0.0.1:8120;
        protocol pop3;
        pop3_log logs/full.log name buffer=256;
    }

    server {
        listen   127.0.0.1:8130;
        protocol pop3;
        pop3_log %%TESTDIR%%/logs/flush.log name buffer=64k flush=500ms;
    }

    # the same file, by its other name

    server {
        listen   127.0.0.1:8140;
        protocol pop3;
        pop3_log logs/full.log name buffer=256;
    }

    # shared with http{}, which has the same buffer, or none

    server {
        listen   127.0.0.1:8150;
        protocol pop3;
        pop3_log logs/shared.log name buffer=16k flush=400ms;
    }

    server {
        listen   127.0.0.1:8160;
        protocol pop3;
        pop3_log logs/unlike.log name buffer=16k flush=400ms;
    }

    server {
        listen   127.0.0.1:8170;
        protocol pop3;
        pop3_log /dev/full name;
        pop3_log logs/beside.log name;
    }

    server {
        listen   127.0.0.1:8190;
        protocol pop3;
    }

    server {
        listen   127.0.0.1:8175;
        protocol pop3;
        pop3_log /dev/full name;
        pop3_log logs/beside.log name;
    }
}

http {
    %%TEST_GLOBALS_HTTP%%

    log_format uri "$uri";

    server {
        listen     127.0.0.1:8180;
        access_log logs/shared.log uri buffer=16k flush=400ms;
    }

    server {
        listen     127.0.0.1:8185;
        access_log logs/unlike.log uri;
    }
}

EOC

use_session_log($t);
port(8219);
$t->run();

###############################################################################

my $worker = worker_pid($t);

# A session that leaves a name in the log.

sub session {
	my ($port, $name) = @_;

	my $s = client($port);
	my @replies = map { command($s, $_) } "USER $name", 'QUIT';
	my $closed = closed($s);

	# the line comes behind the end of the connection, and before the next greeting

	client(8190);

	return $closed && grep({ /^\+OK/ } @replies) == 2;
}

sub request {
	my ($port, $uri) = @_;

	my $s = IO::Socket::INET->new('127.0.0.1:' . port($port)) or return;

	$s->print("GET $uri HTTP/1.0\x0d\x0a\x0d\x0a");
	1 while $s->getline();
}

sub reopen {
	my $before = () = $t->read_file('error.log') =~ /: reopening logs/g;

	kill 'USR1', read_pid($dir, 'nginx.pid');

	# by master and worker

	return wait_until(sub {
		my $now = () = $t->read_file('error.log') =~ /: reopening logs/g;
		return $now >= $before + 2;
	});
}

sub content {
	return join ' ', log_lines("logs/$_[0]");
}

# without a buffer, each line at once

for my $name ('one', 'two') {
	session(8110, $name);
	is((next_lines('logs/plain.log'))[-1], $name, "no buffer - $name");
}

# a buffer that is written when the next line does not fit, however many have it

my @long = map { $_ x 63 } 'a' .. 'i';

session(8120, $_) for @long[0, 1];
session(8140, $_) for @long[2, 3];
is(content('full.log'), '', 'buffer - holds what fits');

session(8140, $long[4]);
is(content('full.log'), "@long[0 .. 3]", 'buffer - is written when it is full');

session(8120, 'x' x 300);
is(content('full.log'), join(' ', @long[0 .. 4], 'x' x 300),
	'buffer - a line that never fits');

session(8120, 'before');

# a buffer that is written in time

session(8130, $_) for 'one', 'two';
is(join(' ', next_lines('logs/flush.log', 2)), 'one two', 'flush - in time');
session(8130, 'three');
is((next_lines('logs/flush.log', 1))[0], 'three', 'flush - once more');

# shared with http{}

session(8150, 'mail');
request(8180, '/http');
session(8150, 'more');
request(8180, '/last');
is(join(' ', next_lines('logs/shared.log', 4)), 'mail /http more /last',
	'http with the same buffer');

request(8180, '/first');
is((next_lines('logs/shared.log'))[0], '/first', 'http with the same buffer - flush');

session(8160, 'mail');
request(8185, '/http');
is(join(' ', sort(next_lines('logs/unlike.log', 2))), '/http mail',
	'http, which is given the buffer');

# USR1

rename "$dir/logs/$_", "$dir/logs/$_.1" or die "Can't rename $_: $!\n"
	for map { "$_.log" } 'plain', 'full', 'shared';
session(8110, 'between');
session(8150, 'between');
is((next_lines('logs/plain.log.1', 3))[2], 'between', 'USR1 - still the old file');
ok(reopen(), 'USR1 - files are opened');
session(8110, 'after');
is((log_lines('logs/plain.log'))[0], 'after', 'USR1 - the new one');
is((log_lines('logs/full.log.1'))[-1], 'before', 'USR1 - the buffer is in the old one');
session(8120, $_) for 'new', @long[0 .. 3];
is((next_lines('logs/full.log'))[0], 'new', 'USR1 - the buffer goes on');
is((log_lines('logs/shared.log.1'))[-1], 'between', 'USR1 - shared with http');
session(8150, 'after');
is((next_lines('logs/shared.log.1', 6))[-1], 'between', 'USR1 - shared, old file');
wait_until(sub { content('shared.log') eq 'after' });
is(content('shared.log'), 'after', 'USR1 - shared, new file');

# a disk that is full: said once by each worker, for all who write there

ok(session($_, 'full'), "/dev/full, $_ - the session is well") for (8170, 8175) x 3;
is(content('beside.log'), join(' ', ('full') x 6), '/dev/full - the other log is');

sub alerts {
	return $t->read_file('error.log') =~ /\[alert\] (.*)/g;
}

my @alerts = alerts();

is(scalar(grep { /full/ } @alerts), 1, '/dev/full - one alert') or diag("@alerts");
like($alerts[0] // '', qr!"/dev/full" .* -1 of 5 bytes.* \(28: !, '/dev/full - its text');

# a folder that is gone: the file that is open is written

rename "$dir/logs", "$dir/away" or die "Can't rename the folder: $!\n";
ok(session(8110, 'moved'), 'no folder - the session is well');
is((log_lines('away/plain.log'))[-1], 'moved', 'no folder - the open file is written');
ok(reopen(), 'no folder - USR1');
ok(session($_, 'nowhere'), "no folder, $_ - the session is well")
	for 8110, 8120, 8130, 8150;
is((log_lines('away/plain.log'))[-1], 'nowhere', 'no folder - the old file is written');

mkdir "$dir/logs";
chmod 0777, "$dir/logs";
ok(reopen(), 'folder is back - USR1');
session(8110, 'back');
is((log_lines('logs/plain.log'))[0], 'back', 'folder is back - the new file is written');

is(worker_pid($t), $worker, 'the worker lives');

# what is gathered is written when the worker ends

session($_, 'last') for 8120, 8130, 8140, 8150, 8160;
$t->stop();
is((log_lines("logs/$_.log"))[-1], 'last', "QUIT - $_") for qw/ full flush shared unlike /;

# what had to be alerts is none of "no alerts"

$t->write_file('error.log', $t->read_file('error.log')
	=~ s!^.*\[(?:alert|emerg)\].*(?:/dev/full|/logs/).*\n!!gmr);

undef $t;

###############################################################################
