package POP3Clients;

# What the tests with other people's POP3 clients share: an auth_http server, with
# a real Dovecot (POP3Dovecot), the way to run a client, and some clients.
# Uses nothing of Test::Nginx but its documented interface.

use warnings;
use strict;

use Exporter qw/ import /;

use Test::Nginx;

use POP3Dovecot;
use POP3Servers;

our @EXPORT = qw/
	need set_up start_servers expected client slurp write_file
	curl mpop fetchmail s_nail fdm mutt
/;

# The account, and where the clients leave their files.

my ($dir, $login, $password);

###############################################################################

# Without its clients a file would prove nothing: fails, and is not skipped.
# Takes a Debian package for each program, file (/...) or Perl module (A::B).

sub need {
	my (%package) = @_;

	# Debian keeps servers where only root's PATH looks

	$ENV{PATH} .= ':/usr/sbin';

	%package = (%package, openssl => 'openssl', dovecot => 'dovecot-pop3d',
		timeout => 'coreutils');

	my @missing = grep { !_is_there($_) } sort keys %package;

	die "Missing: @missing (apt-get install @package{@missing})\n" if @missing;
}

sub _is_there {
	my ($name) = @_;

	return -e $name if $name =~ m!^/!;
	return eval "require $name" if $name =~ /^[A-Z]/;
	return system("command -v $name >/dev/null") == 0;
}

# The account, and the certificate localhost.crt, which the clients trust.

sub set_up {
	my $t = shift;

	($login, $password) = @_;
	$dir = $t->testdir();

	# nothing that this user has set up for a client counts

	@ENV{qw/ HOME FETCHMAILHOME LC_ALL /} = ($dir, $dir, 'C');

	system('openssl req -x509 -newkey rsa:2048 -nodes -days 30'
		. ' -subj /CN=localhost'
		. ' -addext subjectAltName=DNS:localhost,IP:127.0.0.1'
		. " -out $dir/localhost.crt -keyout $dir/localhost.key"
		. " >$dir/localhost.openssl 2>&1") == 0
		or die "Can't create certificate localhost\n";

	return $t;
}

# The same, with an auth_http server on port 8080 of the configuration, and a
# Dovecot on port 8111; %listeners are further ones of Dovecot.

sub start_servers {
	my ($t, $login, $password, %listeners) = @_;

	set_up($t, $login, $password);

	POP3Records::keep_in($dir);

	# a port that is first asked for in a daemon is not the test's port

	my %port = map { $_ => port($_) } 8080, 8111, 8112, 8119;

	$t->run_daemon(\&POP3Servers::auth_daemon, $dir, \%port);
	$t->waitforsocket("127.0.0.1:$port{8080}")
		or die "Can't start the daemon on port 8080\n";

	return start_dovecot($t, $login, $password, plain => 8111, %listeners);
}

# The message that clients fetch, as it is in the mailbox.

sub expected {
	return slurp('../demo/mailbox/1.eml') // die "No message: $!\n";
}

###############################################################################

# Runs a client.  Returns what it wrote of the dialogue, its exit status and
# the message that it left in the file "message", undef if there is none.

sub client {
	my (@command) = @_;

	unlink "$dir/message";

	log_out("@command\n");

	# a client that waits for ever fails, and does not hang the suite

	open my $out, '-|', 'sh', '-c', 'exec timeout 30 "$@" 2>&1 </dev/null',
		'sh', @command or die "Can't run $command[0]: $!\n";

	my $dialogue = do { local $/; <$out> } // '';

	close $out;

	my $status = $?;

	# curl counts the bytes of TLS in between

	$dialogue =~ s/\x0d//g;
	$dialogue =~ s/^[{}] \[\d+ bytes data\]\n//gm;

	log_in($dialogue);

	return { dialogue => $dialogue, status => $status,
		message => slurp("$dir/message") };
}

# A file with the ends of lines as they are in the mailbox.

sub slurp {
	my ($name) = @_;

	open my $fh, '<', $name or return undef;
	local $/;

	return (<$fh> // '') =~ s/\x0d\x0a/\x0a/gr;
}

sub write_file {
	my ($name, $text) = @_;

	open my $fh, '>', $name or die "Can't create $name: $!\n";
	print $fh $text;
	close $fh or die "Can't write $name: $!\n";
}

###############################################################################
# Clients.  $number is the server's port in the configuration, $secret another
# password than the right one.

sub curl {
	my ($number, @args) = @_;

	my $scheme = $number == 8995 ? 'pop3s' : 'pop3';

	return client('curl', '-q', '-v', '-sS', '--noproxy', '*',
		'--cacert', "$dir/localhost.crt", '-o', "$dir/message", @args,
		"$scheme://127.0.0.1:" . port($number) . '/1');
}

sub mpop {
	my ($number, $auth, $secret, @args) = @_;

	$secret //= $password;

	mkdir "$dir/maildir";
	mkdir "$dir/maildir/$_" for qw/ cur new tmp /;
	unlink glob "$dir/maildir/new/*";
	unlink "$dir/mpop.uidls";

	push @args, "--tls-trust-file=$dir/localhost.crt" if @args;

	# mpop knows no limit and fetches both messages

	my $r = client('mpop', '--host=127.0.0.1', '--port=' . port($number),
		"--auth=$auth", "--user=$login", "--passwordeval=echo $secret",
		'--debug', '--keep=on', '--received-header=off',
		"--uidls-file=$dir/mpop.uidls", "--delivery=maildir,$dir/maildir",
		@args);

	($r->{message}) = grep { /^Subject: Welcome$/m }
		map { slurp($_) } glob "$dir/maildir/new/*";

	return $r;
}

sub fetchmail {
	my ($number, $protocol, $auth, $secret, $tls) = @_;

	$secret //= $password;
	$tls = $tls ? "$tls sslcertck sslcertfile '$dir/localhost.crt'"
		. " sslcommonname localhost" : "sslproto ''";

	write_file("$dir/fetchmailrc", "set no bouncemail\n"
		. "poll 127.0.0.1 protocol $protocol service " . port($number)
		. " $auth user '$login' password '$secret' $tls\n"
		. "    keep fetchall fetchlimit 1 no rewrite mda 'cat >$dir/message'\n");

	# it refuses one that others may read

	chmod 0600, "$dir/fetchmailrc";

	return client('fetchmail', '-v', '-v', '--nodetach', '--nosyslog',
		'--invisible', '--fetchmailrc', "$dir/fetchmailrc",
		'--idfile', "$dir/fetchids", '--pidfile', "$dir/fetchmail.pid");
}

# $way is plain, STLS or TLS.  Both exit with 0 after a refused login, too, and so
# return no status.

sub s_nail {
	my ($way, $number, $secret, @args) = @_;

	$secret = ($secret // $password) =~ s/([^\w.~-])/sprintf '%%%02X', ord $1/ger;

	my $url = ($way eq 'TLS' ? 'pop3s' : 'pop3') . '://'
		. ($login =~ s/@/%40/r) . ":$secret\@localhost:" . port($number);

	unlink "$dir/mbox";

	my $r = client('s-nail', '-:/', '-#', '-v', '-v', '-S', 'v15-compat',
		'-S', "tls-ca-file=$dir/localhost.crt",
		$way eq 'STLS' ? ('-S', 'pop3-use-starttls') : (), @args,
		'-Y', "copy 1 $dir/mbox", '-Y', 'xit', '-R', '-f', $url);

	delete $r->{status};

	# what an mbox puts around a message

	($r->{message}) = (slurp("$dir/mbox") // '') =~ /\AFrom [^\n]+\n(.*)\n\z/s;

	return $r;
}

sub fdm {
	my ($way, $number, $secret) = @_;

	my $account = ($way eq 'TLS' ? 'pop3s' : 'pop3')
		. ' server "127.0.0.1" port ' . port($number)
		. " user \"$login\" pass \"" . ($secret // $password) . '"'
		. ($way eq 'STLS' ? ' starttls' : '');
	my $user = getpwuid $>;

	write_file("$dir/fdm.conf", <<"EOF");
set lock-file "$dir/fdm.lock"
set default-user "$user"
set no-received
set unmatched-mail keep

account "test" $account
action "save" pipe "cat >$dir/message"
match "^Subject: Welcome" in headers action "save"
EOF

	my $r = client('fdm', '-vvvv', '-k', '-f', "$dir/fdm.conf", 'fetch');

	delete $r->{status};

	return $r;
}

# $more is further lines of its configuration.

sub mutt {
	my ($way, $number, $more) = @_;

	my $url = ($way eq 'TLS' ? 'pops' : 'pop') . '://'
		. ($login =~ s/@/%40/r) . ":$password\@localhost:" . port($number);
	my $tls = $way eq 'plain' ? 'set ssl_force_tls=no' : '';

	$more //= '';

	write_file("$dir/muttrc", <<"EOF");
$tls
$more
set certificate_file="$dir/localhost.crt"
set pipe_decode=no wait_key=no
push "1<enter><pipe-message>cat >$dir/message<enter><exit><exit>"
EOF

	return client('python3', 'clients/in_terminal.py', '--',
		'mutt', '-n', '-F', "$dir/muttrc", '-f', $url);
}

###############################################################################

1;

###############################################################################
