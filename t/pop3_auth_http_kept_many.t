#!/usr/bin/perl

# pop3_auth_http_keepalive: how many connections are kept, for which server, and when
# they end.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Login;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(40);

my $conf = <<'EOC';

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http                127.0.0.1:8280;
    max_errors               1000;
    pop3_auth_http_keepalive 1;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen                   127.0.0.1:8120;
        protocol                 pop3;
        auth_http                127.0.0.1:8281;
        pop3_auth_http_keepalive 3;
    }

    server {
        listen                   127.0.0.1:8130;
        protocol                 pop3;
        pop3_auth_http_keepalive 0;
    }

    server {
        listen    127.0.0.1:8140;
        protocol  pop3;
        auth_http unix:%%TESTDIR%%/auth;
    }

    server {
        listen    127.0.0.1:8150;
        protocol  pop3;
        auth_http two.test:%%PORT_8283%%;
    }
}

EOC

$t->write_file_expand('nginx.conf', $conf);

# They answer when there is a file of the login's name.

my $dir = $t->testdir();
my $crlf = "\x0d\x0a";
my $reply = http_head('1.1 200 OK', route('Content-Length: 0'));

my %two = (logins => {
	nonsense => ["nonsense$crlf"],
	closes   => ['HTTP/1.1 2', ['close']],
});

start_auth($t,
	'127.0.0.2:8283' => \%two,
	'127.0.0.3:8283' => \%two,
	8280 => {},
	8281 => { logins => {
		'many'  => [['until', "$dir/many"], $reply],
		'again' => [['until', "$dir/again"], $reply],
		'dead'  => [['until', "$dir/dead"], $reply, ['then', [['close']]]],
	} },
	'unix:auth' => {},
);

start_backends($t, 8211 => {});

run_with_hosts($t, "127.0.0.2 two.test\n127.0.0.3 two.test\n");

###############################################################################

my $welcome = '+OK logged in to backend';

my $pid = worker_pid($t);
my $fds = settled_fds($t);

# The connections of what was asked since the last call.

sub numbers {
	return map { $_->{connection} } asked_take();
}

# So many logins that are asked for at the same time; the replies to their PASS.

sub together {
	my ($login, $n) = @_;

	my @sessions = map { session(8120) } 1 .. $n;

	segment($_, "USER $login${crlf}PASS secret$crlf") for @sessions;
	wait_until(sub { grep({ $_->{user} eq $login } asked()) == $n });

	open my $fh, '>', "$dir/$login" or die "Can't create $login: $!\n";

	return map { (replies($_, 2))[1] // '' } @sessions;
}

# not more than so many, and for each server its own

is_deeply([map { login(session(8110)) } 1 .. 3], [($welcome) x 3],
	'one after the other - logins');
is(auth_open(), 1, 'one is kept');
numbers();

is_deeply([together('many', 12)], [($welcome) x 12],
	'at the same time - logins');
is(scalar(grep { $_->{at} ne '8281' } asked_take()), 0,
	'at the same time - none by the connection of another server');
ok(wait_until(sub { auth_open() == 4 }), 'three of them are kept')
	or diag(auth_open() . ' are open');

is_deeply([together('again', 3)], [($welcome) x 3], 'again - logins');

my %used = map { $_ => 1 } numbers();

is(scalar(keys %used), 3, 'again - by three connections');
is(auth_open(), 4, 'again - none of them is a new one');

# all of them are dead when they are used: a new one is, and no other old one

is_deeply([together('dead', 3)], [($welcome) x 3], 'dead - logins');
numbers();
is(login(session(8120)), $welcome, 'dead - next login');

my @numbers = numbers();

is(scalar(@numbers), 2, 'dead - replaced once');
ok($used{$numbers[0]} && !$used{$numbers[1]}, 'dead - by a new one');

# none with 0; those of a unix socket

login(session(8130)) for 1 .. 2;
is_deeply([map { $_->{lines}[0] } asked_take()], [('GET / HTTP/1.0') x 2],
	'keepalive 0 - HTTP/1.0');

is(login(session(8140)), $welcome, "unix socket, $_ - login") for 1, 2;
@numbers = numbers();
is($numbers[0], $numbers[1], 'unix socket - used again');

# those of a name with two addresses: errors are of the one that is asked

my %seen;

errors_take($t);

for my $n (1 .. 4) {
	is(login(session(8150)), $welcome, "two addresses, $n - login");
	login(session(8150), 'secret', 'nonsense');

	my ($first, $second) = asked_take();

	is($second->{connection}, $first->{connection},
		"two addresses, $n - used again");

	my $address = $second->{at} =~ s/8283/port(8283)/er;

	like((errors_take($t, 1))[0] // '',
		qr/ auth http server \Q$address\E sent invalid response/,
		"two addresses, $n - error line");
	$seen{$second->{at}} = 1;

	# an odd number of new connections, and the next one is to the other

	login(session(8150), 'secret', 'closes');
	errors_take($t, 1);
	asked_take();
}

is(scalar(keys %seen), 2, 'two addresses - both of them');

# nothing is left but what is kept, and that goes with the configuration

ok(wait_until(sub { worker_fds($t) <= $fds + auth_open() }),
	'descriptors are those that are kept');
is(worker_pid($t), $pid, 'the worker is the same');

my $old = session(8110);

cmp_ok(auth_open(), '>', 2, 'before a reload');
$t->write_file_expand('nginx.conf', $conf =~ s/keepalive 1/keepalive 2/r);
reload($t);
ok(auth_ended(), 'a reload closes them');

# a session that goes on in the old worker leaves none there

is(login($old), $welcome, 'a worker that ends - login');
ok(auth_ended(), 'a worker that ends - closed at once');
is(command($old, 'QUIT'), '+OK bye from backend', 'a worker that ends - relay');
ok(gone($pid), 'a worker that ends - has ended');

is(login(session(8110)), $welcome, 'behind a reload - login');
is(auth_open(), 1, 'behind a reload - kept');

$t->stop();
ok(auth_ended(), 'the end closes them');

undef $t;

###############################################################################
