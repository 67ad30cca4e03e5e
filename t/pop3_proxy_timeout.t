#!/usr/bin/perl

# The time before the login (timeout) with pop3_proxy_pass: it is one for the client
# and all backends, and holds whatever a backend does.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;
use POP3Backend;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(27);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_proxy_pass 127.0.0.1:8211;
    timeout         1200ms;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

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

my $crlf = "\x0d\x0a";
my $welcome = '+OK logged in to backend';
my $unavailable = '-ERR [SYS/TEMP] mail server is not available';
my $invalid = '-ERR [AUTH] invalid login or password';

my @drip = ('+OK ', map { ('x', ['wait', 0.05]) } 1 .. 200);
my @late = (['wait', 0.3], ['line', '+OK late']);

start_backends($t,
	8211 => { logins => {
		'silent@user' => { USER => [] },
		'silent@pass' => { PASS => [] },
		'half@user'   => { USER => ['+OK half'] },
		'half@pass'   => { PASS => ['+OK half'] },
		'drip@user'   => { USER => \@drip },
		'drip@pass'   => { PASS => \@drip },
		'late'        => { USER => \@late, PASS => \@late },
	} },
	8212 => { greeting => [] },
	8213 => { greeting => \@drip },
);

$t->run();

###############################################################################

sub session {
	my ($number) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
	$s->read();

	return $s;
}

sub lines {
	return join '', map { "$_$crlf" } @_;
}

my $s = session(8110);

command($s, 'USER test');
is(command($s, 'PASS secret'), $welcome, 'before');
undef $s;

my $fds = settled_fds($t);

# all of them at the same time

my %in_time = map { $_ => session(8110) } qw/logged_in refused late/;

my %s = map { $_ => session(8110) } map { ("$_\@user", "$_\@pass") }
	qw/silent half drip/;

$s{'silent greeting'} = session(8120);
$s{'drip of a greeting'} = session(8130);

for my $user (sort keys %s) {
	segment($s{$user}, lines("USER $user", 'PASS secret', 'NOOP'));
}

segment($in_time{late}, lines('USER late', 'PASS secret'));
segment($in_time{logged_in}, lines('USER test', 'PASS secret'));
segment($in_time{refused}, lines('USER test', 'PASS wrong'));

is_deeply([replies($in_time{logged_in}, 2)], ['+OK', $welcome],
	'logged in - in time');
is_deeply([replies($in_time{refused}, 2)], ['+OK', $invalid],
	'refused - in time');
is_deeply([replies($in_time{late}, 2)], ['+OK', '+OK late'],
	'a backend that is late - in time');

for my $user (sort keys %s) {
	is_deeply([replies($s{$user}, 2)], ['+OK', $unavailable], "$user - reply");
	ok(closed($s{$user}), "$user - closed");
}

my @lines = errors_take($t, scalar keys %s);

is(scalar(@lines), keys %s, 'an error line for each');
is(scalar(grep { /\[error\].*timed out.*, upstream: 127\.0\.0\.1:\d+$/ } @lines),
	@lines, 'error lines are of that') or diag(join "\n", @lines);

# it does not begin anew with a login that fails, and ends with one that does not

ok(closed($in_time{refused}), 'refused - closed');
is(command($in_time{logged_in}, 'STAT'), '+OK 1 23', 'logged in - goes on');
is(command($in_time{late}, 'STAT'), '+OK 1 23',
	'a backend that is late - goes on');

%s = ();
%in_time = ();

ok(wait_until(sub { worker_fds($t) == $fds }), 'descriptors are level')
	or diag(worker_fds($t) . " of $fds");
is_deeply([map { @{$_->{early}} } connections()], [],
	'nothing is sent ahead of its turn');

undef $t;

###############################################################################
