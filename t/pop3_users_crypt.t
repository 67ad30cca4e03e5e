#!/usr/bin/perl

# What crypt is asked for by a file of users (pop3_auth_user_file): a password that is
# refused is held against a hash of each class, whoever logs in, and a file with a form
# that crypt does not know is refused.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Backend;
use POP3Conf;
use POP3Proxy;
use POP3Users;
use POP3UsersConf;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail imap/)->has_daemon('cc')
	->has_daemon('openssl')->plan(138);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_auth       plain apop cram-md5 xoauth2 oauthbearer;
    pop3_proxy_pass 127.0.0.1:8211;
    max_errors      1000;

    server {
        listen              127.0.0.1:8110;
        protocol            pop3;
        pop3_auth_user_file users;
    }
}

EOC

my $dir = $t->testdir();
my $welcome = '+OK logged in to backend';
my $invalid = '-ERR [AUTH] invalid login or password';
my $wrong = 'WRONGSECRET0451';

# The first of each class, a second one, and what has no hash of crypt's.

my $rounds = '$6$rounds=1000$sa./ltSA$' . 'x' x 86;
my %hash = (
	sha512 => hashed('$6$', 'secret'),
	sha256 => hashed('$5$', 'secret'),
	md5    => hashed('$1$', 'secret'),
	second => hashed('$6$', 'another'),
	fewer  => $rounds,
	text   => '{PLAIN}secret',
	ssha   => hashed('{SSHA}', 'secret'),
	empty  => '',
);
my @first = @hash{qw/ sha512 sha256 md5 fewer /};

write_users($t, 'users', join '', map { "$_:$hash{$_}\n" }
	qw/ text sha512 sha256 md5 second empty fewer ssha /);

system("cc -shared -fPIC -o $dir/count_crypt.so lib/count_crypt.c -ldl") == 0
	or die "Can't build count_crypt.so: install gcc\n";

start_backends($t, 8211 => { PASS => $welcome });

local $ENV{CRYPT_LOG} = "$dir/crypt.log";

{
	local $ENV{LD_PRELOAD} = "$dir/count_crypt.so";
	local $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} // (),
		'verify_asan_link_order=0';
	$t->run();
}

###############################################################################

# What crypt was asked for since the last call.

sub asked {
	my @lines = split /\n/, $t->read_file('crypt.log');

	truncate "$dir/crypt.log", 0 or die "Can't empty the log: $!\n";

	return @lines;
}

is_deeply([sort(asked())], [sort @first], 'at start - one of each class');

# whoever is refused: as many hashes, and of the same classes

my %asked = (
	sha512 => [@hash{qw/ sha512 sha256 md5 fewer /}],
	sha256 => [@hash{qw/ sha256 sha512 md5 fewer /}],
	md5    => [@hash{qw/ md5 sha512 sha256 fewer /}],
	second => [@hash{qw/ second sha256 md5 fewer /}],
	fewer  => [@hash{qw/ fewer sha512 sha256 md5 /}],
	text   => [@first],
	ssha   => [@first],
	nobody => [@first],
);

for my $method (clear_methods()) {
	for my $login (sort keys %asked) {
		is(login_by($method, 8110, $login, $wrong), $invalid,
			"$method, $login - reply");

		my ($own, @others) = asked();

		is($own, $asked{$login}[0], "$method, $login - its own first")
			if $asked{$login}[0] ne $first[0];
		is_deeply([sort $own, @others], [sort @{$asked{$login}}],
			"$method, $login - one of each class");
	}
}

# who is not: their own

for my $method (clear_methods()) {
	for my $login (qw/ sha512 sha256 md5 text ssha empty /) {
		is(login_by($method, 8110, $login, 'secret'), $welcome,
			"$method, $login, right - reply");
		is_deeply([asked()], [grep { /^\$/ } $hash{$login}],
			"$method, $login, right - its own");
	}
}

# no password, and one that is too long for a hash

for my $method (digest_methods()) {
	is(login_by($method, 8110, $_, $wrong), $invalid, "$method, $_ - reply")
		for qw/ sha512 text nobody /;
	is_deeply([asked()], [], "$method - none");
}

is(login_by('USER and PASS', 8110, $_, 'x' x 129), $invalid, "long, $_ - reply")
	for qw/ sha512 nobody /;
is_deeply([asked()], [], 'long - none');
is(login_by('USER and PASS', 8110, $_, 'x' x 128), $invalid, "not too long, $_ - reply")
	for qw/ sha512 nobody /;
is(scalar(asked()), 8, 'not too long - all');

# a form that crypt does not know is told at start, with the line that has it first

use_users($t);

for my $case (['$1$', 'md5', 3], ['$5$', 'sha256', 2], ['$6$', 'sha512', 1]) {
	my ($form, $name, $line) = @$case;

	local $ENV{LD_PRELOAD} = "$dir/count_crypt.so";
	local $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} // (),
		'verify_asan_link_order=0';
	local $ENV{CRYPT_UNKNOWN} = $form;

	my $text = join '', map { "$_:$hash{$_}\n" } qw/ sha512 sha256 md5 second /;

	line_is_refused("$form unknown", $line, $text, 'crypt()', '{SSHA}');
	file_is_taken("$form unknown, but not there", "a:{PLAIN}x\nb:$hash{ssha}\n");
}

# its last checks have to come before the end

use_users();
undef $t;

###############################################################################
