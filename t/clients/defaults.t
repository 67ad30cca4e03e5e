#!/usr/bin/perl

# Logins by more clients that others wrote, each in its default settings, without
# TLS, with STLS and with TLS from the start: through nginx to a real Dovecot,
# whatever pop3_auth offers besides passwords.  They need too many packages for
# each run of the suite: "make test-clients" installs them and runs this file.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir("$FindBin::Bin/.."); push @INC, 'lib'; }

use Test::Nginx;
use POP3Records;
use POP3Clients;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $node = '../build/clients/node_modules';
my @jars = map { "/usr/share/java/javax.$_.jar" } qw/ mail activation /;

need(
	alpine => 'alpine', fdm => 'fdm', getmail => 'getmail6', mutt => 'mutt',
	's-nail' => 's-nail', python3 => 'python3', ruby => 'ruby',
	java => 'default-jdk-headless', node => 'nodejs',
	$jars[0] => 'libmail-java', $jars[1] => 'libmail-java',
	'/usr/lib/python3/dist-packages/twisted/mail' => 'python3-twisted',
);

-e "$node/node-pop3" or die "Missing: node-pop3 (make test-clients)\n";

# What pop3_auth says, by the last digit of the server's port, and the ways to a
# server, by the first three.

my @auth = ('plain', 'plain cram-md5', 'plain apop cram-md5',
	'plain xoauth2 oauthbearer');
my %way = (plain => 812, STLS => 813, TLS => 814);

# Each client, and by the way: what of it is not its default, and what it lacks.

my %client = (
	'alpine'    => { run => \&alpine },
	'fdm'       => { run => \&fdm, set => { STLS => 'starttls' } },
	'getmail6'  => { run => \&getmail, lacks => { STLS => 1 } },
	'JavaMail'  => { run => library('JavaMail.java', 'java', '-cp',
		join ':', @jars), set => { STLS => 'mail.pop3.starttls.enable' } },
	'mutt'      => { run => \&mutt, set => { plain => 'ssl_force_tls=no' } },
	'node-pop3' => { run => library('node_pop3.js', 'node'),
		lacks => { STLS => 1 } },
	'Ruby'      => { run => library('ruby_net_pop.rb', 'ruby'),
		lacks => { STLS => 1 } },
	's-nail'    => { run => \&s_nail, set => { STLS => 'pop3-use-starttls' } },

	# not the python3 of the PATH, which need not be Debian's

	'Twisted'   => { run => library('python_twisted.py', '/usr/bin/python3'),
		set => { plain => 'allowInsecureLogin', STLS => 'startTLS()' } },
);

my @sessions;

for my $name (sort { lc $a cmp lc $b } keys %client) {
	for my $way (qw/ plain STLS TLS /) {
		push @sessions, map { [$name, $way, $_] } 0 .. $#auth;
	}
}

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)
	->plan(scalar grep { !lacks(@$_) } @sessions);

$t->write_file_expand('nginx.conf', <<'EOC' . servers() . "}\n");

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    auth_http                127.0.0.1:8080;
    proxy_pass_error_message on;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

EOC

my $d = $t->testdir();

my ($login, $password) = ('test@example.com', 'secret');

start_servers($t, $login, $password);

# for those that trust what OpenSSL does, and for node

@ENV{qw/ SSL_CERT_FILE NODE_PATH /} = ("$d/localhost.crt", $node);

$t->run();

###############################################################################

my $expected = expected();

for my $session (@sessions) {
	my ($name, $way, $auth) = @$session;

	if (lacks(@$session)) {
		note("$name, $way, pop3_auth $auth[$auth]: it has no $way");

	} else {
		try($name, $way, $auth);
	}
}

###############################################################################

sub servers {
	my %listen = (plain => '', STLS => '', TLS => ' ssl');
	my %more = (plain => '', STLS => 'starttls on;', TLS => '');
	my $text = '';

	for my $auth (0 .. $#auth) {
		$text .= "server { listen 127.0.0.1:$way{$_}$auth$listen{$_}; "
			. "protocol pop3; pop3_auth $auth[$auth]; $more{$_} }\n"
			for keys %way;
	}

	return $text;
}

sub lacks {
	my ($name, $way) = @_;

	return $client{$name}{lacks}{$way};
}

# One check for each: the message arrives as it is in the mailbox, by a single
# login, which is in TLS where it should be.

sub try {
	my ($name, $way, $auth) = @_;

	my $r = $client{$name}{run}->($way, "$way{$way}$auth");
	my @requests = auth_take();
	my @methods = map { $_->{'Auth-Method'} } @requests;
	my @tls = map { $_->{'Auth-SSL'} // 'off' } @requests;
	my $set = $client{$name}{set}{$way};

	my @wrong = (
		("@tls" eq ($way eq 'plain' ? 'off' : 'on') ? () : "TLS: @tls"),
		($r->{status} ? "exit status: $r->{status}" : ()),
		(($r->{message} // '') eq $expected ? () : 'message'),
	);

	ok(!@wrong, "$name, $way, pop3_auth $auth[$auth]: logged in by @methods"
		. ($set ? " (with $set)" : ''))
		or diag("wrong: @wrong\n$r->{dialogue}");
}

###############################################################################
# The clients

# A program of ours that uses a library.

sub library {
	my ($script, @interpreter) = @_;

	my %method = (plain => 'user', STLS => 'stls', TLS => 'pop3s');

	return sub {
		my ($way, $number) = @_;

		return client(@interpreter, "clients/$script", $method{$way},
			port($number), $password, "$d/localhost.crt", "$d/message");
	};
}

# It takes STLS by itself where that is announced.

sub alpine {
	my ($way, $number) = @_;

	my $folder = '{localhost:' . port($number) . '/pop3'
		. ($way eq 'TLS' ? '/ssl' : '') . "/user=$login}INBOX";

	# with a version that is not older than itself, it does not greet its user

	write_file("$d/pinerc", <<'EOF');
user-domain=example.com
last-version-used=9.99
feature-list=enable-unix-pipe-cmd,quit-without-confirm
EOF

	# ^W pipes the message as it came, ^Y has the terminal out of it

	return client('python3', 'clients/in_terminal.py',
		'ENTER PASSWORD' => "$password\r",
		'Preserve password' => 'n',
		'opened with' => "|\x17\x19cat >$d/message\r",
		'command completed' => 'q',
		'--', 'alpine', '-p', "$d/pinerc", '-i', '-n', 1, '-f', $folder);
}

# As root it delivers to commands alone; it adds a header field.

sub getmail {
	my ($way, $number) = @_;

	my ($type, $ca) = $way eq 'TLS'
		? ('SimplePOP3SSLRetriever', "ca_certs = $d/localhost.crt")
		: ('SimplePOP3Retriever', '');
	my $port = port($number);

	write_file("$d/getmailrc", <<"EOF");
[retriever]
type = $type
server = localhost
port = $port
username = $login
password = $password
$ca

[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat >$d/one; ! grep -q '^Subject: Welcome' $d/one || mv $d/one $d/message")
allow_root_commands = true

[options]
delivered_to = false
received = false
EOF

	my $r = client('getmail', '-vvv', '--getmaildir', $d,
		'--rcfile', 'getmailrc');

	$r->{message} =~ s/\AReturn-Path: <unknown>\n// if $r->{message};

	return $r;
}

###############################################################################
