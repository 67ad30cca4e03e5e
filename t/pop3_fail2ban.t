#!/usr/bin/perl

# packaging/fail2ban/: of the lines that nginx writes, whatever a client calls itself
# and whatever an auth server or a backend says, those of failed logins are found, with
# the address of who has failed; and who does that often is banned.

###############################################################################

use warnings;
use strict;

use Test::More;

use File::Copy qw/ copy /;
use POSIX qw/ strftime /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Backend;
use POP3Proxy;
use POP3Session;
use POP3Users;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->has_daemon('fail2ban-regex')->has_daemon('fail2ban-server')->plan(10);

# what clients do wrong is in the one log, at level notice the other

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    error_log          %%TESTDIR%%/mail.log notice;
    error_log          %%TESTDIR%%/all.log debug;

    pop3_auth          plain apop cram-md5 xoauth2 oauthbearer;
    pop3_client_buffer 8k;
    max_errors         100;
    set_real_ip_from   127.0.0.1;

    server {
        listen              127.0.0.1:8110 proxy_protocol;
        protocol            pop3;
        auth_http           127.0.0.1:8280;
        starttls            on;
        ssl_certificate     %%TESTDIR%%/localhost.crt;
        ssl_certificate_key %%TESTDIR%%/localhost.key;
    }

    server {
        listen          127.0.0.1:8120 proxy_protocol;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
        pop3_auth       plain xoauth2 oauthbearer;
    }

    server {
        listen              127.0.0.1:8130 proxy_protocol;
        protocol            pop3;
        pop3_proxy_pass     127.0.0.1:8211;
        pop3_auth_user_file users;
    }
}

EOC

my ($auth, $backend, $file) = (8110, 8120, 8130);

# Nobody has this address: whoever is said to have failed there has been forged.

my $forged = '192.0.2.9';
my $fields = "client: $forged, server: 127.0.0.1:110";
my $line = "login failed (method: plain, by: file) while in auth state, $fields";
my $whole = strftime('%Y/%m/%d %H:%M:%S', localtime)
	. " [notice] 1#1: *1 $line, login: \"x\"";

my @hostile = (
	$forged,
	qq{x", $fields, login: "y},
	qq{"},
	qq{\\", $fields},
	qq{ while in auth state, $fields},
	qq{x" while in auth state, $fields},
	$line,
	$whole,
	# what ends a line elsewhere
	map({ "x$_$whole" } "\xc2\x85", "\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"),
	# no UTF-8, and not all of it
	"\xff\xfe$whole", "x\xc3", qq{\xe2\x80", $fields},
	"gr\xc3\xbc\xc3\x9fe",
	# longer than a line of the log
	"$whole " . 'x' x 3000, 'x' x 2100 . $whole, 'x' x 1900 . $whole,
	"<HOST> <ADDR> %s %n $forged",
);

# What the auth server and the backend say of these logins; of others, the login.

my %says = (
	quotes  => qq{no", $fields, login: "x},
	inside  => qq{no while in auth state, $fields},
	outside => qq{no" while in auth state, $fields},
	line    => $line,
	whole   => $whole,
	code    => qq{[AUTH] $line},
	ours    => qq{[$forged] $line},
	breaks  => "no\xc2\x85$whole\xe2\x80\xa8$whole",
	bytes   => qq{\xff\x85$whole"},
	split   => "x\xc3\xbc" . "\xc3\xbc" x 150,
	edge    => 'x' x 255 . qq{" while in auth state, $fields},
	long    => 'x' x 300 . qq{", $fields},
	empty   => '',
);

my %no_guess = (
	locked  => "[IN-USE] $line",
	soon    => "[LOGIN-DELAY] $line",
	down    => "[SYS/TEMP] $line",
	ended   => "[SYS/PERM] $line",
);

my $says = sub {
	my ($login) = @_;

	return $says{$login} // $no_guess{$login} // 'no ' . substr $login, 0, 400;
};

create_certificate($t, 'localhost');
write_users($t, 'users', "alice:{PLAIN}secret\n");

start_auth($t, 8280 => { reply => sub {
	my ($r) = @_;
	return $r->{user} eq 'alice' ? undef
		: http_head('1.0 200 OK', 'Auth-Status: ' . $says->($r->{user}));
} });

start_backends($t, 8211 => {
	PASS   => sub { $_[0] eq 'secret' ? undef : '-ERR ' . $says->($_[1]) },
	ANSWER => sub { '-ERR ' . $says->($_[1]) },
});

$t->run();

###############################################################################

my @odd;

sub greeted_from {
	my ($number, $address) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
	my $family = $address =~ /:/ ? 'TCP6' : 'TCP4';

	$s->print("PROXY $family $address $address 1234 110\x0d\x0a");

	return ($s, $s->read());
}

# A login that is refused; where there is another reply, it is odd.

sub fails {
	my ($number, $address, $method, $login) = @_;

	my ($s, $greeting) = greeted_from($number, $address);
	my $reply = login_by($method, $s, $login, 'wrong', $greeting);

	push @odd, "$number, $method, $login: $reply" if $reply !~ /^-ERR/;
}

# From an address that no other has: it has to be found, or not.

my ($last, @wanted) = (0);

sub address {
	return '10.0.' . ($last >> 8) . '.' . (++$last & 255);
}

sub is_found {
	push @wanted, address();
	fails($_[0], $wanted[-1], @_[1, 2]);
}

for my $method (clear_methods(), digest_methods(), token_methods()) {
	is_found($auth, $method, 'alice');
	is_found($backend, $method, 'bob') if !grep { $_ eq $method } digest_methods();
	is_found($file, $method, 'alice');
}

for my $login (@hostile) {
	is_found($_, 'AUTH PLAIN', $login) for $auth, $backend, $file;
}

for my $login (sort keys %says) {
	is_found($_, 'AUTH PLAIN', $login) for $auth, $backend;
}

# other addresses, and TLS

for my $address ('2001:db8::7', '::1', 'fe80::1:2:3:4') {
	push @wanted, $address;
	fails($file, $address, 'AUTH PLAIN', 'bob');
}

push @wanted, '192.0.2.77';
fails($file, '::ffff:192.0.2.77', 'AUTH PLAIN', 'bob');

push @wanted, address();

my ($s) = greeted_from($auth, $wanted[-1]);

command($s, 'STLS');
ok(starttls($s), 'TLS');
push @odd, 'TLS' if login_by('USER and PASS', $s, 'bob', 'wrong') !~ /^-ERR \[AUTH\]/;

# no failed login: refused for another reason, right, wrong in another way

for my $login (sort keys %no_guess) {
	fails($_, address(), 'AUTH PLAIN', $login) for $auth, $backend;
}

for my $login ('alice', @hostile) {
	($s) = greeted_from($backend, address());

	command($s, 'USER ' . $login =~ s/ /_/gr);
	command($s, 'XYZZY');

	my $reply = login_by('AUTH PLAIN', $s, $login, 'secret');

	push @odd, "right, $login: $reply" if $reply !~ /^\+OK/;
	command($s, 'QUIT');
}

is_deeply(\@odd, [], 'refused, and let in');

# each is found once, in the order in which they have failed

my $dir = $t->testdir();
my $filter = '../packaging/fail2ban/filter.d/nginx-mail-pop3-rs.conf';

write_jail();

for my $log ('mail.log', 'all.log') {
	my @found = split /\n/, `fail2ban-regex -c $dir/fail2ban -o ip $dir/$log $filter`;

	is_deeply(\@found, \@wanted, "who has failed, by $log");
}

my $all = $t->read_file('all.log');

cmp_ok(() = $all =~ / \[info\] .* login refused /g, '==', 8, 'other reasons are logged');
cmp_ok(() = $all =~ /$forged/g, '>', 200, 'there were forged lines');

###############################################################################
# The jail

sub write_jail {
	my $base = "$dir/fail2ban";

	mkdir $_ for $base, map { "$base/$_" } qw/ action.d filter.d jail.d /;
	copy("../packaging/fail2ban/$_", "$base/$_") or die "Can't copy $_: $!\n"
		for map { "$_/nginx-mail-pop3-rs.conf" } qw/ filter.d jail.d /;

	$t->write_file_expand('fail2ban/fail2ban.conf', <<'EOC');
[Definition]
loglevel     = INFO
logtarget    = %%TESTDIR%%/fail2ban.log
syslogsocket = auto
socket       = %%TESTDIR%%/fail2ban.sock
pidfile      = %%TESTDIR%%/fail2ban.pid
dbfile       = %%TESTDIR%%/fail2ban.sqlite3
dbpurgeage   = 1d
EOC

	# names are not looked up

	$t->write_file_expand('fail2ban/jail.conf', <<'EOC');
[DEFAULT]
ignoreself = false
maxretry   = 5
findtime   = 10m
bantime    = 10m
filter     = %(__name__)s
action     = record[port="%(port)s"]
EOC

	$t->write_file_expand('fail2ban/jail.local', <<'EOC');
[nginx-mail-pop3-rs]
logpath = %%TESTDIR%%/mail.log
EOC

	$t->write_file_expand('fail2ban/action.d/record.conf', <<'EOC');
[Definition]
actionban = echo '<ip> <port>' >> %%TESTDIR%%/banned
EOC
}

# Those that are banned, as soon as they are so many.

sub banned {
	my ($n) = @_;

	my @lines;

	wait_until(sub {
		@lines = -e "$dir/banned" ? split /\n/, $t->read_file('banned') : ();
		return @lines >= $n;
	}, 30);

	return sort @lines;
}

# four are not enough, nor do more that are no guesses count

fails($auth, '198.51.100.1', 'AUTH PLAIN', 'alice') for 1 .. 4;
fails($backend, '198.51.100.1', 'AUTH PLAIN', 'locked') for 1 .. 4;
fails($_, '198.51.100.2', 'AUTH PLAIN', $whole) for $auth, $backend, $file, $file;

# five are, wherever, and in one session

fails($_, '198.51.100.3', 'AUTH PLAIN', 'alice') for $file, $auth, $backend, $auth, $file;

($s) = greeted_from($file, '2001:db8::1:7');
login_by('AUTH PLAIN', $s, 'alice', "wrong $_") for 1 .. 5;

$t->run_daemon('sh', '-c', "exec fail2ban-server -c $dir/fail2ban -f start"
	. " >$dir/fail2ban.out 2>&1");

my @banned = map { "$_ pop3,pop3s" } '198.51.100.3', '2001:db8::1:7';

is_deeply([banned(2)], \@banned, 'banned by what is in the log')
	or diag($t->read_file('fail2ban.out'));

# and by what is written then

fails($backend, '203.0.113.5', 'AUTH PLAIN', $_) for @hostile[0 .. 4];

push @banned, '203.0.113.5 pop3,pop3s';
is_deeply([banned(3)], \@banned, 'banned by what is written to it');

like(`fail2ban-client -c $dir/fail2ban status nginx-mail-pop3-rs`,
	qr/Currently banned:\s+3\n/, 'no other is banned');
is_deeply(\@odd, [], 'all of those are refused');

undef $s;

# named subs hold it: its last checks have to come before the end

undef $t;

###############################################################################
