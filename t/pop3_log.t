#!/usr/bin/perl

# The error log at debug level: what went wrong is there, with the client and
# the login; a secret is not, in no form, and no line is the client's.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail/)->plan(58);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http         127.0.0.1:8080;
    max_errors        100;
    pop3_max_commands 100;

    server {
        listen    127.0.0.1:8110;
        protocol  pop3;
        pop3_auth plain apop cram-md5 external;
    }

    server {
        listen     127.0.0.1:8120;
        protocol   pop3;
        max_errors 3;
    }

    server {
        listen            127.0.0.1:8130;
        protocol          pop3;
        pop3_max_commands 3;
    }

    server {
        listen   127.0.0.1:8140;
        protocol pop3;
        timeout  1s;
    }
}

EOC

start_daemons($t);

$t->run();

###############################################################################

my $login = 'test@example.com';
my $digest = '0123456789abcdef' x 2;
my ($s, $seen) = (undef, 0);

sub session {
	my ($number) = @_;

	$s = POP3Session->new(
		PeerAddr => '127.0.0.1:' . port($number || 8110));
	$s->read();
}

# What the log says of info and above since the last look, whole lines.

my $logged = sub {
	my $log = $t->read_file('error.log') =~ s/[^\n]*\z//r;
	my @new = grep { !/\[debug\]/ } split /\n/, substr $log, $seen;

	$seen = length $log;

	return @new;
};

sub has_line {
	my ($regex, $name, %args) = @_;

	my $line;

	wait_until(sub { ($line) = grep { /$regex/ } $logged->(); $line }, 3);

	my $level = $args{level} // 'info';

	like($line // '', qr/\[$level\].*$regex/, $name);
	like($line // '', qr/, client: 127\.0\.0\.1.*, server: 127\.0\.0\.1:\d+/,
		"$name - whose it is");

	return if !exists $args{login};

	like($line // '', defined $args{login}
		? qr/, login: "\Q$args{login}\E"/ : qr/^(?!.*login: )/,
		"$name - login");
}

# what went wrong

session();

$logged->();
command($s, 'XYZZY');
has_line(qr/unknown command/, 'unknown command', login => undef);

command($s, 'PASS x');
has_line(qr/not valid in this state.*PASS/, 'PASS without USER');

command($s, "USER $login");
command($s, 'STAT');
has_line(qr/not valid in this state.*STAT/, 'STAT', login => $login);

command($s, 'AUTH PLAIN $$$$');
has_line(qr/invalid base64.*AUTH PLAIN|AUTH/, 'not base64, initial response');

for my $mechanism (qw/PLAIN LOGIN CRAM-MD5 EXTERNAL/) {
	command($s, "AUTH $mechanism");
	command($s, '$$$$');
	has_line(qr/invalid base64 encoding in AUTH $mechanism/,
		"not base64, $mechanism");
}

command($s, 'x' x 10000);
has_line(qr/too long/, 'too long line');

command($s, "APOP $login $digest" . 'ff');
has_line(qr/invalid digest.*APOP/, 'invalid digest');

command($s, 'AUTH NTLM');
has_line(qr/unsupported.*AUTH/, 'unknown mechanism');

session(8120);
command($s, 'XYZZY') for 1 .. 3;
has_line(qr/too many invalid commands/, 'too many invalid commands');

session(8130);
command($s, 'NOOP') for 1 .. 4;
has_line(qr/too many commands/, 'too many commands');

session(8140);
command($s, "USER $login");
ok(closed($s, 4), 'timeout - closed');
has_line(qr/timed out/, 'timeout', login => $login);

# failed and done

session();
command($s, 'USER wait@example.com');
command($s, 'PASS wrong');
has_line(qr/ login failed \(method: user, by: auth server\): "Invalid login or password"/,
	'login failed', login => 'wait@example.com', level => 'notice');
command($s, 'XYZZY');
has_line(qr/unknown command/, 'after a failed login', login => undef);

session();
command($s, 'AUTH PLAIN ' . sasl_plain('', 'two words', 'secret'));
has_line(qr/client logged in/, 'logged in', login => 'two words');

# Secrets, wherever they may get to by mistake.  Each list is a session.

my $secret = 'TOPSECRET-0451';
my @lines = (
	["USER $login", "PASS $secret"], ["USER $login", "PASS  $secret $secret"],
	["USER $login", "pass $secret\0"],
	["USER $login", "PASS $secret" . 'x' x 10000],
	["USER $login", "PASS $secret" . "\0" x 10000],
	["PASS $secret"], ["PASSWORD $secret"], ["PAS $secret"],
	[$secret], ["\0$secret"],
	["USER $login", $secret],
	["AUTH $secret"], ["AUTH PLAIN", "PASS $secret"],
	["AUTH LOGIN", b64($login), $secret],
	["AUTH PLAIN $secret $secret"], ["NOOP $secret"],
	["APOP $login $digest"], ["APOP $login $secret"],
	map({ ["AUTH CRAM-MD5", b64($_)] }
		"$login $digest", "$login $secret", $secret),
);

# in base64, at each of its three places in a group

for my $pad ('', 'a', 'ab') {
	my $plain = b64("\0$login$pad\0$secret");

	push @lines, ["AUTH PLAIN $plain"], ['AUTH PLAIN', $plain],
		["AUTH PLAIN", "$plain\$"], ["AUTH PLAIN $plain $plain"],
		['AUTH PLAIN', b64("other\0$login\0$pad$secret")],
		['AUTH PLAIN', b64("\0$login\0$pad$secret\x0d\x0aX")],
		['AUTH PLAIN', b64("$pad$secret")],
		['AUTH LOGIN', b64($login), b64("$pad$secret")],
		['AUTH LOGIN', b64($login), b64("$pad$secret") . '$'],
		['AUTH LOGIN ' . b64($login), b64("$pad$secret\x0a")],
		['AUTH LOGIN', b64($login), b64("$pad$secret" . 'x' x 6000)];
}

for my $list (@lines) {
	session();
	command($s, $_) for @$list;
}

# and of a client that has gone before its line was there

session();
command($s, "USER $login");
$s->print("PASS $secret");
undef $s;

# and of a login that is right: where it is plain, the answer has no Auth-Pass

for my $list (['USER long@example.com', 'PASS ' . 'p' x 300],
	['AUTH PLAIN ' . sasl_plain('', 'long@example.com', 'p' x 300)],
	['AUTH LOGIN', b64('long@example.com'), b64('p' x 300)])
{
	session();
	command($s, $_) for @$list;
	like(command($s, 'STAT'), qr/^\+OK \d/, substr($list->[0], 0, 10) . " - logged in");
}

# lines of the client's own

my $forged = "2026/01/01 00:00:00 [alert] 1#1: forged";

for my $break ("\x0d\x0a", "\x0a", "\x0d", "\0") {
	for my $list (['AUTH PLAIN ' . b64("\0$login$break$forged\0x")],
		['AUTH LOGIN', b64("$login$break$forged"), b64('x')],
		['AUTH CRAM-MD5', b64("$login$break$forged $digest")],
		['AUTH EXTERNAL ' . b64("$login$break$forged")],
		["USER $login\x0d$forged"], ["USER $login\0$forged"],
		["$break$forged"])
	{
		session();
		command($s, $_) for @$list;
		command($s, 'XYZZY');
	}
}

# no format

session();
command($s, 'AUTH LOGIN ' . b64('%s%n%V%*s%p'));
command($s, b64('x'));

undef $s;

###############################################################################

my $log = $t->read_file('error.log');

cmp_ok(() = $log =~ /\[debug\]/g, '>', 1000, 'the log is that of debug');
like($log, qr/, login: "\Q%s%n%V%*s%p\E"/, 'a login is no format');

is(() = $log =~ /TOPSECRET/g, 0, 'no secret as it is');
is(() = $log =~ /$digest/g, 0, 'no digest as it is');
is(() = $log =~ /p{50}/g, 0, 'no secret of a login that is right');

# messages of an exchange: all but the login, which may be there

my @base64 = grep { length > 8 && $_ ne b64($login) }
	map { /([\w+\/]{9,}=*)$/ } map { @$_ } grep { $_->[0] =~ /^AUTH / } @lines;

cmp_ok(scalar(@base64), '>=', 30, 'messages were sent');
is(scalar(grep { index($log, substr $_, 0, 200) >= 0 } @base64), 0,
	'no message of an exchange');

# any group of the secret's base64, wherever it began

for my $skip (0 .. 2) {
	my $middle = substr b64(substr $secret, $skip), 0, 12;

	is(index($log, $middle), -1, "no secret in base64, from byte $skip");
}

is(index($log, 'cHBwcHBwcHBwcHBw'), -1,
	'no secret in base64 of a login that is right');

is(scalar(grep { !m{^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\w+\] \d+#\d+: } }
	split /\n/, $log), 0, 'every line is nginx\'s');
is(() = $log =~ /^\S+ \S+ \[alert\].*forged/mg, 0, 'none is forged');
is(() = $log =~ /[\x00-\x08\x0b-\x1f\x7f]/g, 0, 'no control byte');

# named subs hold it: its last checks have to come before the end

undef $t;

###############################################################################
