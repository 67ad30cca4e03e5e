#!/usr/bin/perl

# pop3_limit_zone: more addresses than it has room for, addresses of IPv6, and the messages
# of a configuration.

###############################################################################

use warnings;
use strict;

use Test::More;

use IO::Select;
use IO::Socket::INET;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Conf;
use POP3Limits;
use POP3Proxy;
use POP3Session;
use POP3Users;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/);

my @refused = (
	[[MAIL => 'pop3_limit_zone;'], 'invalid number of arguments'],
	[[MAIL => 'pop3_limit_zone 1m 2m;'], 'invalid number of arguments'],
	[[MAIL => 'pop3_limit_zone 31k;'], 'invalid size "31k"', '32k or more'],
	[[MAIL => 'pop3_limit_zone 0;'], 'invalid size "0"'],
	[[MAIL => 'pop3_limit_zone big;'], 'invalid size "big"'],
	[[MAIL => 'pop3_limit_zone -1m;'], 'invalid size "-1m"'],
	[[MAIL => "pop3_limit_zone 1m;\npop3_limit_zone 2m;"],
		'"pop3_limit_zone" directive is duplicate'],
	['pop3_limit_zone 1m;', '"pop3_limit_zone" directive is not allowed here'],
	['pop3_limit_conn;', 'invalid number of arguments'],
	['pop3_limit_conn 0;', 'invalid number "0"', 'from 1 to 4294967295'],
	['pop3_limit_conn -1;', 'invalid number "-1"'],
	['pop3_limit_conn many;', 'invalid number "many"'],
	['pop3_limit_conn 4294967296;', 'invalid number "4294967296"'],
	["pop3_limit_conn 1;\npop3_limit_conn 2;",
		'"pop3_limit_conn" directive is duplicate'],
	['pop3_login_delay 0;', 'invalid time "0"', '"off"'],
	['pop3_login_delay never;', 'invalid time "never"'],
	["pop3_login_delay 1s;\npop3_login_delay off;",
		'"pop3_login_delay" directive is duplicate'],
);

my @taken = ('pop3_limit_conn 1;', 'pop3_limit_conn 4294967295;', 'pop3_login_delay 30s;',
	'pop3_login_delay 1ms;', 'pop3_login_delay off;');

my $said = 0;

$said += @$_ - 1 for @refused;
$t->plan(4 * @refused + $said + 4 * @taken + 45);

###############################################################################
# Messages

use_template($t, <<'EOC');

%%TEST_GLOBALS%%

events {
}

mail {
    pop3_proxy_pass 127.0.0.1:8211;
    ZONE
    MAIL

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
        SERVER
    }
}

EOC

is_refused(@$_) for @refused;

for my $name ('conn 1', 'delay 1s') {
	my $directive = $name =~ /conn/ ? "pop3_limit_$name" : "pop3_login_$name";

	for my $where ('MAIL', 'SERVER') {
		my ($status, $output) = conf($where, "$directive;");
		my ($word) = $directive =~ /(\S+)/;

		is($status, 1, "$where: $directive, no zone - is refused");
		like($output, qr/directive "$word" needs memory for .*"pop3_limit_zone 1m;"/,
			"$where: $directive, no zone - says what to add");
	}
}

is((conf('SERVER', 'pop3_login_delay off;'))[0], 0, 'off needs no zone');

# a delay that no session would see the end of

for my $case (['1m', 1], ['9s', 1, 'timeout 9s;'], ['8999ms', 0, 'timeout 9s;']) {
	my ($delay, $warned, $timeout) = @$case;
	my ($status, $output) = conf('MAIL', "pop3_limit_zone 32k;\n"
		. "pop3_login_delay $delay; " . ($timeout // ''));

	is($status, 0, "$delay - is taken");
	is(scalar(() = $output =~ /\[warn\] directive "pop3_login_delay" has a time that/g),
		$warned, "$delay - " . ($warned ? 'and warned of' : 'without a word'));
}

is((conf('MAIL', 'pop3_limit_zone 32k;'))[0], 0, 'a zone alone');

use_template($t, <<'EOC');

%%TEST_GLOBALS%%

events {
}

mail {
    pop3_proxy_pass 127.0.0.1:8211;
    MAIL

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
        SERVER
    }

    pop3_limit_zone 32k;
}

EOC

is_taken($_) for @taken;

###############################################################################
# Many addresses

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
    worker_connections 2000;
}

mail {
    error_log           %%TESTDIR%%/error.log info;
    pop3_limit_zone     32k;
    pop3_limit_conn     2;
    pop3_login_delay    30s;
    pop3_auth_user_file users;
    pop3_proxy_pass     127.0.0.1:8211;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
    }

    server {
        listen           127.0.0.1:8120 proxy_protocol;
        protocol         pop3;
        proxy_protocol   on;
        set_real_ip_from 127.0.0.1;
    }

    server {
        listen           127.0.0.1:8130;
        protocol         pop3;
        timeout          500ms;
    }
}

EOC

write_users($t, 'users', "any:{PLAIN}secret\n");
$t->run();

my $invalid = '-ERR [AUTH] invalid login or password';
my $unavailable = '-ERR [SYS/TEMP] mail server is not available';
my $port = port(8110);

# The address of a number.

sub address {
	my ($n) = @_;

	return join '.', 127, 8 + ($n >> 16), $n >> 8 & 255, $n & 255;
}

# From each of so many addresses a login with a wrong password, of many at a time; gives
# how many of them got which replies.

sub fail_from {
	my ($first, $count) = @_;

	my ($next, %got, %replies) = ($first);
	my $select = IO::Select->new();

	while ($next < $first + $count || $select->count()) {
		while ($next < $first + $count && $select->count() < 100) {
			my $socket = IO::Socket::INET->new(Proto => 'tcp',
				LocalAddr => address($next++), PeerAddr => "127.0.0.1:$port")
				or die "Can't connect: $@\n";

			$socket->syswrite("USER any\x0d\x0aPASS wrong\x0d\x0aQUIT\x0d\x0a");
			$select->add($socket);
			$got{$socket} = '';
		}

		for my $socket ($select->can_read(8)) {
			next if $socket->sysread($got{$socket}, 1000, length $got{$socket});
			$select->remove($socket);
			$replies{delete $got{$socket}}++;
			$socket->close();
		}
	}

	return \%replies;
}

# Whether it is too late for a login of the address: it has failed logins.

sub is_known {
	my ($address) = @_;

	my $s = begins($address, 8130);

	return (replies($s, 1))[0] eq too_late() ? 1 : 0;
}

my $each = "+OK POP3 ready\x0d\x0a+OK\x0d\x0a$invalid\x0d\x0a+OK\x0d\x0a";

is_deeply(fail_from(0, 100), { $each => 100 }, '100 - all are told');
is(scalar(grep { is_known(address($_)) } 0 .. 99), 100, '100 - all are known');

# Who has a session keeps the place; who was at work last goes last.

my ($held) = enters(address(10), 8110);
is(is_known(address(20)), 1, 'one that is at work');

for my $n (1 .. 8) {
	fail_from(50 + 50 * $n, 50);
	is_known(address(20));
}

my %known = map { $_ => is_known(address($_)) } 0 .. 499;
my $count = grep { $_ } values %known;

cmp_ok($count, '>', 200, '32k - room for 200 addresses');
cmp_ok($count, '<', 250, '32k - and not for many more');
is($known{10}, 1, 'full - one that has a session is known');
is($known{20}, 1, 'full - and one that was at work');
is_deeply([grep { $known{$_} } 0 .. 500 - $count], [10, 20],
	'full - none of the other first ones');
is(scalar(grep { $known{$_} } 502 - $count .. 499), $count - 2,
	'full - all of the last ones');

is_deeply(fail_from(1000, 10000), { $each => 10000 }, '10000 - all are told');
is(scalar(grep { is_known(address($_)) } 10900 .. 10999), 100,
	'10000 - the last ones are known');
is(is_known(address(20)), 0, '10000 - others are not');
is(is_known(address(10)), 1, '10000 - but one that has a session');
is(room(address(10), 8110), 1, '10000 - it is counted');
is(scalar(() = $t->read_file('error.log') =~ /\[(?:warn|crit|alert)\].* client: /g), 0,
	'10000 - nothing is logged');

# Sessions of more addresses than there is room for: they are let in.

my @held = map { [enters(address(20000 + $_), 8110)] } 1 .. 400;

is(scalar(grep { $_->[1] =~ /^\+OK/ } @held), 400, 'sessions of 400 - all are let in');

my @warnings = grep { /\[warn\].* client: / } split /\n/, $t->read_file('error.log');

is(scalar @warnings, 1, 'sessions of 400 - one warning');
like($warnings[0] // '',
	qr/ "pop3_limit_zone" is too small: clients are not counted.*, client: /,
	'sessions of 400 - what is wrong');
is(room(address(20001), 8110), 1, 'sessions of 400 - the first is counted');
cmp_ok(room(address(20400), 8110), '>', 2, 'sessions of 400 - the last is not');
is_deeply(fail_from(30000, 1), { $each => 1 }, 'sessions of 400 - a login is told');
@held = ();
is(left(2, address(20001), 8110), 2, 'none is counted');
is(left(2, address(20400), 8110), 2, 'none is counted, and so are new ones');

###############################################################################
# IPv6, by the header of the PROXY protocol

sub room_of {
	my ($kind, $address, $n) = @_;

	my $to = $kind eq 'TCP4' ? '127.0.0.1' : '::1';

	return left($n, '127.0.0.1', 8120,
		header => "PROXY $kind $address $to 1234 110\x0d\x0a");
}

sub enters_of {
	my ($kind, $address) = @_;

	my $to = $kind eq 'TCP4' ? '127.0.0.1' : '::1';

	return (enters('127.0.0.1', 8120,
		header => "PROXY $kind $address $to 1234 110\x0d\x0a"))[0];
}

$held = enters_of('TCP6', '2001:db8:0:1::1');
is(room_of('TCP6', '2001:db8:0:1:ffff:ffff:ffff:ffff', 1), 1, 'v6 - a /64 is one client');
is(room_of('TCP6', '2001:db8:0:2::1', 2), 2, 'v6 - the next one is another');
$held = enters_of('TCP4', '192.0.2.1');
is(room_of('TCP6', '::ffff:192.0.2.1', 1), 1, 'v4 in v6 - the same client');
is(room_of('TCP6', '::ffff:192.0.2.2', 2), 2, 'v4 in v6 - another one');
is(room_of('TCP4', '192.0.2.2', 2), 2, 'v4 - another one');
is(room('127.0.0.1', 8110), 2, 'the address of the proxy is not counted');
undef $held;

use_template();
undef $t;

###############################################################################
