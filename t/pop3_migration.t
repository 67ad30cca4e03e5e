#!/usr/bin/perl

# Perdition and Dovecot's proxy, and this module in their place: the configurations that
# docs/from-perdition.md and docs/from-dovecot.md show, before and after, let the same
# clients in at the same Dovecots, and nobody else.

###############################################################################

use warnings;
use strict;

use POSIX qw//;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Certificates;
use POP3Clients;
use POP3Dovecot;
use POP3Proxy;
use POP3Session;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

need(curl => 'curl', mpop => 'mpop', 'perdition.pop3' => 'perdition',
	makegdbm => 'perdition');

my ($alice, $carol, $password) = ('alice@example.com', 'carol@example.com', 'secret');

# What becomes of each login, in the order of logins().

my $in = '+OK 2 messages';
my $out = '-ERR [AUTH]';
my @logins = (
	['right password', $in],
	['wrong password', $out],
	['then the right one', $in],
	['unknown user', $out],
	['backend of its own', $in],
	['there with a wrong password', $out],
	['STLS', $in],
	['STLS, backend of its own', $in],
	['TLS port', $in],
	['TLS port, wrong password', $out],
	['TLS port, backend of its own', $in],
	['curl', 'message'],
	['curl, wrong password', 'none'],
	['curl, STLS', 'message'],
	['curl, TLS port', 'message'],
	['mpop', 'message'],
	['mpop, TLS port', 'message'],
);

my %start = (dovecot => \&start_proxy, perdition => \&start_perdition);

# Dovecot tells its like of the client, and so does pop3_proxy_xclient.

my %client = (dovecot => '127.0.0.5', perdition => '127.0.0.1');

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)
	->plan(2 * (2 * (@logins + 1) + 3));
my $dir = $t->testdir();

keep_certificates($dir);
issue('ca', ca => 1);

# no name: Perdition and Dovecot go to the first address alone, which may be ::1

issue('backend', by => 'ca', cn => '127.0.0.1', names => 'IP:127.0.0.1');

set_up($t, $alice, $password);
start_dovecot($t, $alice, $password, certificate => 'backend', plain => 8211,
	pop3s => 8212);
start_dovecot($t, $carol, $password, certificate => 'backend', plain => 8221,
	pop3s => 8222, folder => 'second');

my $started;

END { stop() if $started; }

###############################################################################

for my $way (sort keys %start) {
	my $folder = "../examples/from-$way";

	$start{$way}->($folder);
	outcomes($way, $client{$way});
	stop();

	$t->write_file_expand('users', fitted(contents("$folder/pop3-users")));
	chmod 0600, "$dir/users";
	$t->write_file_expand('nginx.conf', "%%TEST_GLOBALS%%\ndaemon off;\nevents {\n}\n"
		. fitted(contents("$folder/nginx.conf")));

	$t->run();
	outcomes("in place of $way", $client{$way});
	$t->stop();

	my $document = contents("../docs/from-$way.md");

	is(join('', unknown_fragments($document, $folder)), '',
		"$way - the document shows what was tried");
	like(converted($document, $folder), qr/^\Q$carol\E::backend2\.example\.com$/m,
		"$way - who is where becomes a file of users");
	unlike(contents("$dir/error.log"), qr/\[(?:emerg|crit)\]/, "$way - nothing is wrong");
}

# its last checks belong to the plan, and the functions above would keep it

undef $t;

###############################################################################

sub outcomes {
	my ($name, $client) = @_;

	my @got = logins();

	is($got[$_], $logins[$_][1], "$name - $logins[$_][0]") for 0 .. $#logins;

	# those who have come before

	next_login() for grep { $_->[1] !~ /^-ERR|none/ && $_->[0] !~ /its own/ } @logins;

	client('curl', '-q', '-sS', '--interface', '127.0.0.5', '--user',
		"$alice:$password", '-o', "$dir/message", 'pop3://127.0.0.1:' . port(8110));
	is(next_login()->{rip}, $client, "$name - client at the backend");
}

sub logins {
	my $s = session();
	my @got = login($s, $alice, $password);

	$s = session();
	push @got, login($s, $alice, 'wrong'), login($s, $alice, $password);

	push @got, login(session(), 'nobody@example.com', $password);
	push @got, map { login(session(), $carol, $_) } $password, 'wrong';
	push @got, map { login(stls(), $_, $password) } $alice, $carol;
	push @got, login(tls(), $alice, $password), login(tls(), $alice, 'wrong');
	push @got, login(tls(), $carol, $password);

	push @got, map { defined $_->{message} && $_->{message} eq expected()
		? 'message' : 'none' }
		curl(8110, '--user', "$alice:$password"),
		curl(8110, '--user', "$alice:wrong"),
		curl(8110, '--user', "$alice:$password", '--ssl-reqd'),
		curl(8995, '--user', "$alice:$password"),
		mpop(8110, 'user'),
		mpop(8995, 'user', $password, '--tls=on', '--tls-starttls=off');

	return @got;
}

sub login {
	my ($s, $user, $secret) = @_;

	command($s, "USER $user");

	my $reply = command($s, "PASS $secret");

	return $1 if $reply =~ /^(-ERR \[AUTH\]) /;
	return $reply unless $reply =~ /^\+OK/ && command($s, 'STAT') =~ /^\+OK (\d+) /;

	return "+OK $1 messages";
}

sub session {
	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8110));

	$s->read();

	return $s;
}

sub stls {
	my $s = session();

	command($s, 'STLS');
	starttls($s);

	return $s;
}

sub tls {
	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8995));

	starttls($s);
	$s->read();

	return $s;
}

###############################################################################
# Who is there before this module is, on the same ports.

sub start_perdition {
	my ($folder) = @_;

	$t->write_file_expand('popmap', fitted(contents("$folder/popmap")));
	system("makegdbm $dir/popmap.gdbm.db <$dir/popmap >$dir/makegdbm.log 2>&1") == 0
		or die "Can't make a popmap\n";
	$t->write_file_expand('perdition.conf', fitted(contents("$folder/perdition.conf")));
	chmod 0644, "$dir/perdition.conf", "$dir/popmap.gdbm.db";
	chmod 0755, $dir;

	my $defaults = contents("$folder/default");
	my ($user, $group) = (scalar getpwuid $>, scalar getgrgid $));

	for my $way (['pop3', 8110], ['pop3s', 8995]) {
		my ($name, $number) = @$way;
		my ($flags) = $defaults =~ /^\U$name\E_FLAGS="(.*)"$/m;

		start("perdition.$name", split(' ', $flags), '-f', "$dir/perdition.conf",
			'--bind_address', '127.0.0.1', '--listen_port', port($number),
			'--no_daemon', '--log_facility', '-', '--pid_file', '',
			'--username', $user, '--group', $group);
	}

	listens();
}

sub start_proxy {
	my ($folder) = @_;

	my ($internal, $login) = $> ? (scalar getpwuid $>) x 2 : qw/ dovecot dovenull /;
	my $group = getgrgid((getpwnam $internal)[3]);
	my $old = `dovecot --version` =~ /^2\.3\./;
	my ($plain, $tls) = (port(8110), port(8995));

	mkdir "$dir/proxy";
	$t->write_file_expand('proxy/users', fitted(contents("$folder/proxy-users")));
	$t->write_file_expand('proxy/dovecot.conf',
		fitted(contents($old ? "$folder/dovecot.conf" : "$folder/dovecot-2.4.conf"))
		. <<EOF);

listen = 127.0.0.1
base_dir = $dir/proxy/run
state_dir = $dir/proxy/run
log_path = $dir/proxy/dovecot.log
auth_failure_delay = 0
default_internal_user = $internal
default_internal_group = $group
default_login_user = $login
service anvil {
    chroot =
    unix_listener anvil-auth-penalty {
        mode = 0
    }
}
service pop3-login {
    chroot =
    inet_listener pop3 {
        port = $plain
    }
    inet_listener pop3s {
        port = $tls
        ssl = yes
    }
}
EOF
	chmod 0755, $dir;

	start('dovecot', '-F', '-c', "$dir/proxy/dovecot.conf");
	listens();
}

sub start {
	my (@command) = @_;

	my $pid = fork() // die "Can't fork: $!\n";

	if ($pid == 0) {
		open STDOUT, '>>', "$dir/before.log";
		open STDERR, '>&', \*STDOUT;
		exec @command or POSIX::_exit(127);
	}

	push @$started, $pid;
}

sub listens {
	for my $number (8110, 8995) {
		$t->waitforsocket('127.0.0.1:' . port($number))
			or die "Can't start it on port $number:\n" . contents("$dir/before.log");
	}
}

sub stop {
	local $?;

	kill 'TERM', @$started;
	waitpid $_, 0 for @$started;
	undef $started;
}

###############################################################################

# An example with ports, files and addresses of the test.

sub fitted {
	my ($text) = @_;

	my %backend = ('backend' => '%%PORT_8212%%', 'backend2' => '%%PORT_8222%%');

	for ($text) {
		s/\b(backend2?)\.example\.com(\s+port\s*=\s*)995/127.0.0.1$2$backend{$1}/g;
		s/\b(backend2?)\.example\.com/127.0.0.1:$backend{$1}/g;
		s/(listen\s+)110\b/${1}127.0.0.1:8110/;
		s/(listen\s+)995\b/${1}127.0.0.1:8995/;
		s{/etc/nginx/pop3-users}{$dir/users};
		s{/etc/perdition/popmap}{$dir/popmap};
		s{/etc/dovecot/proxy-users}{$dir/proxy/users};
		s{/etc/ssl/certs/backend-ca\.pem}{$dir/ca.crt};
		s{/etc/ssl/certs/mail\.\S+\.pem}{$dir/localhost.crt};
		s{/etc/ssl/private/mail\.\S+\.key}{$dir/localhost.key};
	}

	return $text;
}

# What a document shows of others' configurations, and is not in the examples.

sub unknown_fragments {
	my ($document, $folder) = @_;

	my $examples = join '', map { contents($_) } glob "$folder/*";

	return grep { index(bare($examples), bare($_)) < 0 }
		$document =~ /^```conf\n(.*?)^```$/msg;
}

# What the command of the document makes of who is where.

sub converted {
	my ($document, $folder) = @_;

	my ($command) = $document =~ /^ {4}(sed .*)$/m or return '';

	$command =~ s{/etc/(?:perdition|dovecot)/}{$folder/}g;

	return `$command`;
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

###############################################################################
