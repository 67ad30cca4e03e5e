#!/usr/bin/perl

# The session log where processes come and go: each session has one whole line, whichever
# worker had it, over a reload, a graceful exit and a fast one, with one process or many.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Proxy;
use POP3Session;
use POP3SessionLog;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(31);
my $dir = $t->testdir();

my $conf = <<'EOC';

%%TEST_GLOBALS%%

daemon off;
MAIN

events {
}

mail {
    pop3_log_format line '$login $status $end .';

    pop3_proxy_pass 127.0.0.1:8211;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
        pop3_log plain.log line;
        pop3_log buffer.log line buffer=64k;
        pop3_log flush.log line buffer=64k flush=1m;
    }

    server {
        listen          127.0.0.1:8120;
        protocol        pop3;
        pop3_log        plain.log line;
        pop3_log        buffer.log line buffer=64k;
        pop3_log        flush.log line buffer=64k flush=1m;
        pop3_proxy_pass 127.0.0.1:8212;
    }
}

EOC

sub conf {
	my ($main) = @_;

	$t->write_file_expand('nginx.conf', $conf =~ s/MAIN/$main/r);
}

my @logs = map { "$_.log" } qw/ plain buffer flush /;

use_session_log($t);
start_backends($t, 8211 => {}, 8212 => { greeting => [] });

###############################################################################

# Sessions in every state, each with its own login, and how their lines end.

sub session {
	my ($port, @lines) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($port));
	$s->read();
	command($s, $_) for @lines;

	return $s;
}

my $n = 0;

sub open_sessions {
	my %open;

	my @names = map { "$_-" . ++$n } qw/ user login in relayed /;

	$open{$names[0]} = ['none', session(8110, "USER $names[0]")];
	$open{$names[1]} = ['none', session(8110, 'AUTH LOGIN', b64($names[1]))];
	$open{$names[2]} = ['failed', session(8120, "USER $names[2]")];
	$open{$names[3]} = ['ok', session(8110, "USER $names[3]", 'PASS secret')];

	my $before = connections();

	$open{$names[2]}[1]->send('PASS secret');
	wait_until(sub { connections() > $before });

	return \%open;
}

# What is in each of the logs behind what was looked at, in any order.

sub are_logged {
	my ($name, @expected) = @_;

	my $expected = join "\n", sort @expected;

	for my $log (@logs) {
		my @lines = next_lines($log, scalar @expected);

		is(join("\n", sort @lines), $expected, "$name - $log");
	}
}

sub lines_of {
	my ($open, $end) = @_;

	return map { "$_ $open->{$_}[0] $end ." } keys %$open;
}

# many workers, and one file: no line is lost, torn or mixed

conf('worker_processes 4;');
$t->run();

my @many;

for my $child (1 .. 4) {
	my @names = map { "$child-$_-" . 'x' x 100 } 1 .. 100;

	push @many, map { "$_ none client ." } @names;
	$t->run_daemon(\&sessions, @names);
}

sub sessions {
	for my $name (@_) {
		my $s = session(8110, "USER $name");
		command($s, 'QUIT');
		closed($s);
	}
}

is(join("\n", sort(next_lines('plain.log', 400))), join("\n", sort @many),
	'many workers - plain.log');
$t->stop();

# what has been gathered comes when they end

is(join("\n", sort(next_lines($_, 400))), join("\n", sort @many),
	"many workers - $_") for @logs[1, 2];

# a worker that ends at once, with sessions open

conf('');
$t->run();

my $open = open_sessions();
my $pid = worker_pid($t);

kill 'TERM', $pid;
ok(gone($pid), 'TERM - the worker goes');
are_logged('TERM', lines_of($open, 'shutdown'));

# one that ends when its sessions have, which have their lines at their own ends

sub reset_all {
	my ($open) = @_;

	reset_by_client($_->[1]) for values %$open;
}

$open = open_sessions();
$pid = worker_pid($t);

kill 'QUIT', $pid;
wait_until(sub { $t->read_file('error.log') =~ / $pid#0: gracefully shutting down/ });
is(scalar log_lines('plain.log'), 404, 'QUIT - sessions are open');
reset_all($open);
ok(gone($pid), 'QUIT - the worker goes');
are_logged('QUIT', lines_of($open, 'client'));

# one that is given a second for that

conf('worker_shutdown_timeout 700ms;');
ok(reload($t), 'reload');
$open = open_sessions();
$pid = worker_pid($t);

kill 'QUIT', $pid;
ok(gone($pid), 'worker_shutdown_timeout - the worker goes');
are_logged('worker_shutdown_timeout', lines_of($open, 'shutdown'));

# reload: old sessions are logged by the old worker, new ones by the new one

$open = open_sessions();
$pid = worker_pid($t);
conf('');
ok(reload($t), 'reload');

my $new = open_sessions();

reset_all($_) for $open, $new;
ok(gone($pid), 'reload - the old worker goes');
is(join("\n", sort(next_lines('plain.log', 8))),
	join("\n", sort(map { lines_of($_, 'client') } $open, $new)), 'reload - plain.log');
is(join("\n", sort(next_lines($_, 4))), join("\n", sort(lines_of($open, 'client'))),
	"reload - $_, the old worker's") for @logs[1, 2];
$t->stop();
is(join("\n", sort(next_lines($_, 4))), join("\n", sort(lines_of($new, 'client'))),
	"reload - $_, the new worker's") for @logs[1, 2];

# no worker: one process, which keeps old sessions over a reload

conf('master_process off;');
$t->run();
$open = open_sessions();
reset_all($open);
is(join("\n", sort(next_lines('plain.log', 4))), join("\n", sort(lines_of($open, 'client'))),
	'one process');

my $old = open_sessions();

$t->reload();
wait_until(sub { $t->read_file('error.log') =~ /reconfiguring[^\0]*POP3 is served/ });
is(join("\n", sort(next_lines($_, 4))), join("\n", sort(lines_of($open, 'client'))),
	"one process, reload - $_ is written") for @logs[1, 2];

# nginx takes no new ones then

my ($last) = grep { /^relayed/ } keys %$old;
my $kept = { $last => delete $old->{$last} };

reset_all($old);
is(join("\n", sort(next_lines('plain.log', 3))), join("\n", sort(lines_of($old, 'client'))),
	'one process, reload - old sessions');

$pid = $t->read_file('nginx.pid');
kill 'TERM', $pid;
is(join("\n", next_lines('plain.log')), join("\n", lines_of($kept, 'shutdown')),
	'one process, TERM - plain.log');
is(join("\n", sort(next_lines($_, 4))),
	join("\n", sort(lines_of($old, 'client'), lines_of($kept, 'shutdown'))),
	"one process, TERM - $_") for @logs[1, 2];

# what stops nginx looks for it

wait_until(sub { !-e "$dir/nginx.pid" });
$t->write_file('nginx.pid', $pid);

undef $t;

###############################################################################
