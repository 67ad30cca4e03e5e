#!/usr/bin/perl

# The configurations under examples/ work, and what the documentation shows of
# them is in them.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Auth;
use POP3Session;
use POP3Proxy;
use POP3Servers;
use POP3Backend;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $login = 'test@example.com';
my $alice = 'alice@example.com';
my $long = 'x' x 6000;

my ($t, $dir);

my %check = (
	'auth-service' => sub {
		return logs_in(tls_session(), $alice) && by_apop()
			&& oauth('token-of-bob') eq '-ERR [AUTH] Invalid login or password'
			&& oauth('token-of-alice') eq 'mail';
	},
	'auth-tls' => sub {
		return logs_in(session(8110))
			&& (connections_take())[-1]{tls}{sni} eq 'localhost';
	},
	'balancer' => sub {
		my $s = session(8110, "PROXY TCP4 192.0.2.9 192.0.2.1 1234 110\x0d\x0a");
		return logs_in($s) && (auth_requests($t))[-1]{'Client-IP'} eq '192.0.2.9';
	},
	'client-certificate' => sub {
		return logs_in(tls_session())
			&& external($login, certificate($login)) =~ /^\+OK .* SUCCESS$/
			&& external('space@example.com', certificate($login)) =~ /^-ERR .* SUCCESS$/
			&& external($login) =~ /^-ERR .* NONE$/
			&& external($login, certificate('localhost')) eq 'closed';
	},
	'limits' => sub {
		my $s = session(8110);
		return (grep { command($s, 'STAT') =~ /^-ERR/ } 1 .. 3) == 3
			&& closed($s) && logs_in(session(8110));
	},
	'oauth' => sub {
		return oauth($long) eq 'mail'
			&& logs_in(tls_session());
	},
	'proxy-protocol' => sub {
		return logs_in(session(8110))
			&& grep { /^PROXY TCP4 / } backend_lines($t);
	},
	'proxy-tls' => sub {
		return 0 unless logs_in(session(8110));

		my $c = (connections_take())[-1];
		my ($xclient, $user) = @{$c->{lines}};

		return $c->{tls}{sni} eq 'localhost' && $user eq "USER $login"
			&& $xclient =~ /^XCLIENT ADDR=127\.0\.0\.1 .* CLIENT-TRANSPORT=insecure$/;
	},
	'session-log' => sub {
		my $failed = 0;

		for my $name ($login, 'refuse@backend', 'refuse@backend') {
			my $s = session(8110);
			$failed++ unless logs_in($s, $name);
			command($s, 'QUIT');
		}

		return $failed == 2 && wait_until(sub { contents("$dir/pop3.json") =~ /(?:.*\n){3}/ })
			&& contents("$dir/pop3.log") =~ /^127\.0\.0\.1 \[\S+\] "\Q$login\E" user ok /
			&& read_by_jq() eq '2 127.0.0.1';
	},
	'three-lines' => sub {
		my $s = session(8110);

		auth_take();
		command($s, 'USER refuse@backend');

		return command($s, 'PASS secret') =~ /^-ERR \[AUTH\] /
			&& logs_in($s) && !auth_take();
	},
	'tls' => sub {
		my $s = session(8110);
		my $refused = command($s, "USER $login") =~ /^-ERR/;

		return $refused && command($s, 'STLS') =~ /^\+OK/
			&& starttls($s) && logs_in($s);
	},
	'users' => sub {
		my ($certified, $unknown) = (tls_session(certificate($alice)), tls_session());
		my $refused = '-ERR [AUTH] invalid login or password';

		connections_take();
		command($unknown, 'USER nobody@example.com');

		return (grep { logs_in(tls_session(), "$_\@example.com") }
				qw/ alice bob carol dave erin /) == 5
			&& join(' ', map { $_->{lines}[0] } connections_take())
				eq 'USER carol@example.com USER erin@example.com'
			&& by_apop() && by_cram_md5()
			&& has_mail($certified, 'AUTH EXTERNAL =')
			&& command(tls_session(), 'AUTH EXTERNAL =') eq $refused
			&& command($unknown, 'PASS secret') eq $refused;
	},
);

my @examples = sort map { m{([^/]+)\.conf$} } glob '../examples/*.conf';
my @documents = ('../README.md', glob '../docs/*.md');

plan(skip_all => 'no examples') unless @examples;

$t = Test::Nginx->new()->has(qw/mail mail_ssl/)
	->has_daemon('openssl')->has_daemon('jq')->plan(2 * @examples + @documents + 1);

$dir = $t->testdir();

create_certificate($t, $_) for 'localhost', $login, $alice;
$t->write_file('users-ca.crt', join '', map { contents("$dir/$_.crt") } $login, $alice);
$t->write_file('users', contents('../examples/users')
	=~ s/backend2\.example\.com(?::110)?/'127.0.0.1:' . port(8996)/ger);
chmod 0600, "$dir/users";
start_daemons($t);
$t->run_daemon('../examples/auth-service.py', port(8081), port(8111));
start_backends($t, 8996 => {}, 8997 => {
	greeting => '+OK [XCLIENT] ready',
	tls      => { ssl => 1 },
	TOKEN    => sub {
		return $_[0] eq bearer($long) ? '+OK with a token' : ();
	},
});
start_auth($t, 8280 => { reply => http_head('1.0 200 OK', 'Auth-Status: OK',
	'Auth-Server: 127.0.0.1', 'Auth-Port: ' . port(8997)) });

###############################################################################

is_deeply([sort keys %check], \@examples, 'each example is tried');

my $examples = '';

for my $name (@examples) {
	my $example = contents("../examples/$name.conf");
	$examples .= $example;

	my ($status, $output) = nginx_test($t, wrapped($example));
	is($status, 0, "$name - is accepted") or diag($output);

	$t->write_file_expand('nginx.conf', wrapped($example));
	$t->run();
	ok($check{$name}->(), "$name - works");
	$t->stop();
}

# those that t/pop3_migration.t tries

my $moved = join '', map { contents($_) } glob '../examples/from-*/nginx.conf';

for my $document (@documents) {
	my @lost = grep { index(bare($examples . $moved), bare($_)) < 0 }
		contents($document) =~ /^```nginx\n(.*?)^```$/msg;

	is("@lost", '', "$document - shows what was tried");
}

###############################################################################

# An example with ports, files and addresses of the test.

sub wrapped {
	my ($example) = @_;
	my $tls = $example =~ /pop3_proxy_ssl /;
	my $backend = $tls ? 'localhost:%%PORT_8997%%' : '127.0.0.1:8111';

	for ($example) {
		s/(pop3_proxy_pass\s+)backend\.example\.com(?=;)/$1$backend/;
		s/(listen\s+)110\b/${1}127.0.0.1:8110/;
		s/(listen\s+)995\b/${1}127.0.0.1:8995/;
		s/127\.0\.0\.1:8080/127.0.0.1:8280/ if $tls;
		s/127\.0\.0\.1:9000/127.0.0.1:8081/;
		s/backend\.example\.com/localhost/g;
		s{/etc/nginx/pop3-users}{%%TESTDIR%%/users};
		s{/etc/ssl/\S+/users-ca\.pem}{%%TESTDIR%%/users-ca.crt};
		s{/etc/ssl/\S+/\S+\.key}{%%TESTDIR%%/localhost.key}g;
		s{/etc/ssl/\S+/\S+(?=;)}{%%TESTDIR%%/localhost.crt}g;
		s{/var/log/nginx/}{%%TESTDIR%%/}g;
		s{192\.0\.2\.0/24}{127.0.0.1};
	}

	return "%%TEST_GLOBALS%%\ndaemon off;\nevents {\n}\n$example";
}

# Without what is at the start of lines.

sub bare {
	return $_[0] =~ s/^[ \t]+//mgr;
}

sub contents {
	my ($name) = @_;

	open my $fh, '<', $name or die "Can't read $name: $!\n";
	local $/;

	return scalar <$fh>;
}

sub session {
	my ($number, $header) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));
	$s->print($header) if $header;
	$s->read();

	return $s;
}

sub tls_session {
	my (%args) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8995));
	starttls($s, %args);
	$s->{greeting} = $s->read();

	return $s;
}

sub certificate {
	my ($name) = @_;

	return (SSL_cert_file => "$dir/$name.crt", SSL_key_file => "$dir/$name.key");
}

# The reply to AUTH EXTERNAL, and what the auth server was told of the
# certificate before.

sub external {
	my ($user, %args) = @_;

	auth_take();

	my $reply = command(tls_session(%args), 'AUTH EXTERNAL ' . b64($user));
	my $r = (auth_take())[0] or return 'closed';

	return "$reply $r->{'Auth-SSL-Verify'}";
}

sub logs_in {
	my ($s, $user) = @_;

	command($s, 'USER ' . ($user // $login));

	return has_mail($s, 'PASS secret');
}

sub has_mail {
	my ($s, $line) = @_;

	return command($s, $line) =~ /^\+OK/ && command($s, 'STAT') =~ /^\+OK 1 /;
}

sub by_apop {
	my $s = tls_session();

	return has_mail($s, "APOP $alice " . apop(challenge($s->{greeting}), 'secret'));
}

sub by_cram_md5 {
	my $s = tls_session();
	my $challenge = challenge(command($s, 'AUTH CRAM-MD5'));

	return has_mail($s, cram_md5($challenge, $alice, 'secret'));
}

# What becomes of alice with this token: her mail, or the last reply.

sub oauth {
	my ($token) = @_;

	my $s = tls_session();
	my $reply = command($s, 'AUTH OAUTHBEARER ' . bearer($token));

	return command($s, 'AQ==') if $reply =~ /^\+ /;

	return has_mail($s, 'NOOP') ? 'mail' : $reply;
}

# What the command of the documentation makes of the JSON log.

sub read_by_jq {
	my ($command) = contents('../docs/operation.md') =~ /^ {4}(jq .*)$/m or return '';

	$command =~ s{/var/log/nginx/}{$dir/};

	return `$command` =~ s/^\s+|\s+$//gr;
}

sub bearer {
	my ($token) = @_;

	return b64("n,a=$alice,\x01auth=Bearer $token\x01\x01");
}

###############################################################################
