#!/usr/bin/perl

# An auth server that is made for harm, and thousands of sessions at the same time:
# each login ends at its own mailbox, or is refused; never at another's.

###############################################################################

use warnings;
use strict;

use Test::More;

use List::Util qw/ shuffle /;
use Socket qw/ SOL_SOCKET SO_LINGER /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Proxy;
use POP3Session;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(26);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    error_log %%TESTDIR%%/error.log info;

    auth_http         127.0.0.1:8280;
    auth_http_timeout 1s;

    server {
        listen                   127.0.0.1:8110;
        protocol                 pop3;
        pop3_auth_http_keepalive 8;
    }

    server {
        listen   127.0.0.1:8120;
        protocol pop3;
    }

    server {
        listen                   127.0.0.1:8130;
        protocol                 pop3;
        pop3_auth_http_keepalive 8;
    }
}

EOC

# What lets a login in, at the mailbox of that number.

my $none = 'Content-Length: 0';
my $chunked = 'Transfer-Encoding: chunked';

sub box {
	my ($n, @more) = @_;

	return route("Auth-User: box-$n", "Auth-Pass: of-$n", @more);
}

sub good {
	my ($n, @more) = @_;

	return http_head('1.1 200 OK', box($n, @more), $none);
}

my $dir = $t->testdir();
my $evil = good('evil');
my $length = 'Content-Length: ' . length $evil;

# What the auth server does with the login of that number.  What comes behind
# "then" is an answer that belongs to nobody: it is sent to whoever asks next.

my $close = ['close'];
my $then = ['then', [$evil]];

my %kinds = (

	# behind these the connection may be used again

	good       => sub { [good(@_)] },
	no_content => sub { [http_head('1.1 204 No Content', box(@_))] },
	in_two     => sub { [['cut', good(@_), 1 + $_[0] % (length($evil) - 2)]] },
	behind_1xx => sub { [http_head('1.1 100 Continue', box('evil')), good(@_)] },
	later_1xx  => sub {
		[http_head('1.1 103 Early Hints', box('evil')), ['wait', 0.003], good(@_)]
	},
	body       => sub { [http_head('1.1 200 OK', box(@_), $length) . $evil] },
	late_body  => sub {
		[http_head('1.1 200 OK', box(@_), $length), ['wait', 0.003], $evil]
	},
	cut_body   => sub {
		my $head = http_head('1.1 200 OK', box(@_), $length);
		[['cut', $head . $evil, length($head) + 1 + $_[0] % 90]];
	},
	dead       => sub { [good(@_), ['then', [$close]]] },
	dead_later => sub { [good(@_), ['wait', 0.003], $close] },
	stops      => sub {
		[good(@_), ['then', [substr($evil, 0, 60), $close]]]
	},

	# behind these never, and of one that has sent them none is kept any more

	two         => sub { [good(@_) . $evil, $then] },
	two_kinds   => sub { [good(@_) . http_head('1.1 200 OK', 'Auth-Status: no'), $then] },
	half_behind => sub {
		[good(@_) . substr($evil, 0, 30), ['then', [substr $evil, 30]]]
	},
	full        => sub {
		my $good = good(@_, 'X: ');
		[$good =~ s/X: \K/'x' x (1024 - length $good)/er . $evil, $then];
	},
	short       => sub { [http_head('1.1 200 OK', box(@_), 'Content-Length: 4') . $evil] },

	# nor behind these

	closing     => sub { [good(@_, 'Connection: close'), $then] },
	old         => sub { [http_head('1.0 200 OK', box(@_), $none), $then] },
	no_length   => sub { [http_head('1.1 200 OK', box(@_)), $then] },
	chunks      => sub {
		[http_head('1.1 200 OK', box(@_, $chunked)) . sprintf('%x', length $evil)
			. "\x0d\x0a$evil\x0d\x0a0\x0d\x0a\x0d\x0a", $then]
	},
	both        => sub { [good(@_, $chunked), $then] },
	two_lengths => sub { [good(@_, $length) . $evil, $then] },
	no_number   => sub { [http_head('1.1 200 OK', box(@_), 'Content-Length: 0x'), $then] },
	body_of_204 => sub { [http_head('1.1 204 No', box(@_), $length) . $evil, $then] },
	slow_body   => sub { [http_head('1.1 200 OK', box(@_), $length), $then] },
	slow_half   => sub {
		[http_head('1.1 200 OK', box(@_), $length) . substr($evil, 0, 9), $then]
	},

	# these let nobody in

	closes      => sub { [$close] },
	resets      => sub { [['reset']] },
	middle      => sub { [substr(good(@_), 0, 1 + $_[0] % 110), $close] },
	nonsense    => sub { ["nonsense\x0d\x0a$evil", $then] },
	folded      => sub { [good(@_) =~ s/\x0d\x0a\K(?=Auth-Pass)/ x/r, $then] },
	slow_no     => sub {
		[http_head('1.1 200 OK', 'Auth-Status: no', 'Auth-Wait: 1', $none)]
	},
	slow        => sub { [['wait', 1.5], good(@_), $then] },

	# and the client of this is gone before it is answered

	gone        => sub { [['until', "$dir/gone-$_[0]"], good(@_), $then] },
);

my @surplus = qw/two two_kinds half_behind full short/;
my @to_nobody = qw/closes resets middle nonsense folded slow_no slow/;

start_auth($t, 8280 => { reply => sub {
	my ($r) = @_;
	my ($kind, $n) = $r->{user} =~ /^(\w+)-(\d+)$/;

	return $kinds{$kind}->($n);
} });

start_backends($t, 8211 => {
	PASS => sub { $_[0] =~ /^of-(\w+)$/ ? "+OK mailbox $1" : '-ERR whose' },
});

$t->run();

###############################################################################

my $crlf = "\x0d\x0a";
my $internal = '-ERR [SYS/TEMP] internal server error';
my $pid = worker_pid($t);
my $fds = settled_fds($t);

my (%to_nobody) = map { $_ => 1 } @to_nobody;
my $last = 0;

# The same order each time.

srand 2718;

# Sessions that all are there at the same time: each one's kind, number, and the
# reply to its PASS.

sub crowd {
	my ($number, @kinds) = @_;

	my @sessions;

	for my $kind (@kinds) {
		my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
		my $n = ++$last;

		segment($s, join $crlf, "USER $kind-$n", 'PASS x', 'NOOP', 'QUIT', '');

		if ($kind eq 'gone') {
			$s->socket()->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
			undef $s;
			$t->write_file("gone-$n", '');
			next;
		}

		push @sessions, [$s, $kind, $n];
	}

	my @done;

	for (@sessions) {
		my ($s, $kind, $n) = @$_;

		my (undef, undef, $reply, @behind) = replies($s, 5);

		push @done, { kind => $kind, number => $n, reply => $reply // '',
			behind => "@behind" };
	}

	return @done;
}

# One check: no login of a crowd is so.

sub are_none {
	my ($name, @logins) = @_;

	is_deeply([map { "$_->{kind}-$_->{number}: $_->{reply}, $_->{behind}" } @logins],
		[], $name);
}

# One wave after another; what needs a second is in one of them alone.

my %surplus = map { $_ => 1 } @surplus;
my @slow = grep { /^slow/ } sort keys %kinds;
my @all = grep { !/^slow/ } sort keys %kinds;
my @trusted = grep { !$surplus{$_} } @all;

for (['kept', 8110, 34, @trusted], ['not kept', 8120, 6, @all],
	['kept at first', 8130, 6, @all])
{
	my ($name, $number, $waves, @quick) = @$_;

	my @usual = grep { !$to_nobody{$_} } @quick;
	my @done = crowd($number, shuffle(@quick, (@slow) x ($waves > 6 ? 5 : 1)));

	push @done, crowd($number, shuffle(@quick, @usual)) for 1 .. $waves;

	my @in = grep { $_->{reply} =~ /^\+OK/ } @done;

	are_none("$name - none is in another's mailbox",
		grep { $_->{reply} ne "+OK mailbox $_->{number}" } @in);
	are_none("$name - none without an answer that lets in",
		grep { $to_nobody{$_->{kind}} } @in);
	are_none("$name - others are refused",
		grep { $_->{reply} !~ /^(?:\+OK\ mailbox\ |\Q$internal\E$
			|-ERR\ \[AUTH\]\ no$)/x } @done);
	are_none("$name - what is behind it",
		grep { $_->{behind} ne ($_->{reply} =~ /^\+/
			? '+OK noop +OK bye from backend' : '+OK +OK') } @done);

	# such a login may be the next one on a connection that stops

	my $should = grep { !$to_nobody{$_->{kind}} } @done;

	cmp_ok(scalar(@in), '>', 0.7 * $should, "$name - most are in");
}

my @told = $t->read_file('error.log') =~ / sent more than replies: /g;

is(@told, 1, 'one error line: nothing is kept any more where that was so');

# what the auth server and the backend have seen

ok(wait_until(sub { !grep { !$_->{end} } connections() }),
	'all backend connections end');

my @lines = map { $_->{lines} ? "@{$_->{lines}}" : () } connections();

is_deeply([grep { $_
	!~ /^(?:USER box-(\d+)(?: PASS of-\1(?: NOOP(?: QUIT)?)?)?)?$/ } @lines], [],
	'a login and its own password');

my (%logins, %asked, %before, @early);

$logins{s/ PASS.*//r}++ for @lines;

for my $r (asked()) {
	my $before = \$before{$r->{connection}};

	push @early, $r->{user} if $r->{early} && $$before !~ /^dead_later/;
	$asked{$r->{user}}++;
	$$before = $r->{user};
}

is_deeply([grep { $logins{$_} > 1 } keys %logins], [], 'each logs in once');
is_deeply([grep { $asked{$_} > 2 } keys %asked], [],
	'each is asked for once, or once more');
is_deeply(\@early, [], 'nothing is asked before the last answer');
cmp_ok($last, '>', 2000, 'thousands of sessions');

my ($again) = sort { $b <=> $a } map { $_->{requests} } auth_connections();

cmp_ok($again, '>', 1, 'connections are used again');

# and nothing is left of all this

ok(wait_until(sub { auth_open() <= 8 }), 'no more are kept than may be')
	or diag(auth_open() . ' are open');
ok(wait_until(sub { worker_fds($t) <= $fds + auth_open() }),
	'descriptors are those that are kept');
is(worker_pid($t), $pid, 'the worker is the same');

undef $t;

###############################################################################
