package Test::Nginx;

# The part of the interface of nginx's own test harness (nginx-tests) that
# this suite uses, written anew.  A test may rely only on what is here, and
# what is here behaves as it does there, oddities included (t/harness.t): with
# "prove -I <nginx-tests>/lib" the original takes this module's place.

use warnings;
use strict;

use Exporter qw/ import /;
use File::Path qw/ rmtree /;
use File::Temp qw/ tempdir /;
use IO::Socket::INET;
use POSIX qw/ WNOHANG /;
use Test::More qw//;

our @EXPORT = qw/ log_in log_out port /;

our $NGINX = $ENV{TEST_NGINX_BINARY} // '../nginx/objs/nginx';

# What "nginx -V" must show for a feature.  A feature that is not listed is
# looked for as it is: "mail_ssl" matches "--with-mail_ssl_module".

my %FEATURE = (
	mail    => qr/--with-mail(?:=dynamic)?(?!\S)/,
	stream  => qr/--with-stream(?:=dynamic)?(?!\S)/,
	http    => qr/\A(?!.*--without-http(?!\S))/s,
	rewrite => qr/\A(?!.*--without-http_rewrite_module)/s,
	access  => qr/\A(?!.*--without-http_access_module)/s,
	imap    => qr/\A(?!.*--without-mail_imap_module)/s,
	pop3    => qr/\A(?!.*--without-mail_pop3_module)/s,
	smtp    => qr/\A(?!.*--without-mail_smtp_module)/s,
);

my $WAIT = 30;          # for a file or a socket to appear, seconds
my $STOP = 90;          # for a graceful exit, seconds
my $STEP = 0.05;        # between two looks

###############################################################################

sub new {
	Test::More::BAIL_OUT("no executable nginx at $NGINX") unless -x $NGINX;

	return bless {
		dir     => tempdir('nginx-test-XXXXXXXXXX', TMPDIR => 1),
		owner   => $$,
		daemons => [],
	}, __PACKAGE__;
}

sub DESTROY {
	my ($self) = @_;

	# a forked daemon holds a copy of the object

	return if $self->{owner} != $$;

	# waitpid() must not change the exit status of the test

	local $?;

	$self->stop();
	$self->stop_daemons();

	# a test that has no log lacks two checks

	if (Test::More->builder()->expected_tests()) {
		my $log = $self->read_file('error.log');

		Test::More::is(join("\n", $log =~ /.+\[alert\].+/g), '',
			'no alerts');
		Test::More::is(join("\n", $log =~ /.+Sanitizer.+/g), '',
			'no sanitizer errors');

		print $log if $ENV{TEST_NGINX_CATLOG};
	}

	rmtree($self->{dir}) unless $ENV{TEST_NGINX_LEAVE};
}

# The two checks of DESTROY are part of every plan.

sub plan {
	my ($self, $tests) = @_;

	Test::More::plan(tests => $tests + 2);

	return $self;
}

sub has {
	my ($self, @features) = @_;

	for my $feature (@features) {
		$self->has_module($feature)
			or Test::More::plan(skip_all => "no $feature in $NGINX");
	}

	return $self;
}

sub has_module {
	my ($self, $feature) = @_;

	$self->{version} //= `$NGINX -V 2>&1`;

	my $re = $FEATURE{$feature} // qr/$feature/;

	return $self->{version} =~ $re ? 1 : 0;
}

sub has_daemon {
	my ($self, $program) = @_;

	system("command -v $program >/dev/null 2>&1") == 0
		or Test::More::plan(skip_all => "no $program");

	return $self;
}

###############################################################################

sub run {
	my ($self) = @_;

	my $dir = $self->{dir};
	my $pid = fork() // die "Can't fork: $!";

	if ($pid == 0) {
		exec($NGINX, '-p', "$dir/", '-c', 'nginx.conf', '-e', 'error.log',
			$self->{globals} ? () : ('-g', $self->_own_files()))
			or POSIX::_exit(127);
	}

	$self->waitforfile("$dir/nginx.pid", $pid)
		&& _wait($WAIT, sub { return -s "$dir/nginx.pid" })
		or die "Can't start nginx";

	$self->{started} = 1;

	return $self;
}

# QUIT, not TERM: only a graceful exit reports the connections left open.  The
# master is whoever the file names: a test may have replaced it.

sub stop {
	my ($self) = @_;

	return $self unless $self->{started};

	my $pid = $self->read_file('nginx.pid');

	kill 'QUIT', $pid;

	if (!_reap($pid, $STOP)) {
		Test::More::diag('nginx does not exit on QUIT');

		kill 'TERM', $pid;
		waitpid($pid, 0);
	}

	$self->{started} = 0;

	return $self;
}

sub stop_daemons {
	my ($self) = @_;

	while (defined(my $pid = shift @{$self->{daemons}})) {
		kill 'TERM', $pid;
		next if _reap($pid, $WAIT);

		# the original would wait for ever

		kill 'KILL', $pid;
		waitpid($pid, 0);
		Test::More::BAIL_OUT('a daemon does not exit on TERM');
	}

	return $self;
}

# Does not wait for the new configuration to be in force.

sub reload {
	my ($self) = @_;

	kill 'HUP', $self->read_file('nginx.pid') if $self->{started};

	return $self;
}

sub run_daemon {
	my ($self, $code, @args) = @_;

	my $pid = fork() // die "Can't fork a daemon: $!";

	if ($pid == 0) {
		if (ref $code eq 'CODE') {
			$code->(@args);
			exit 0;
		}

		exec($code, @args) or POSIX::_exit(127);
	}

	push @{$self->{daemons}}, $pid;

	return $self;
}

# With a pid, gives up as soon as that process is gone.

sub waitforfile {
	my ($self, $file, $pid) = @_;

	my $gone;

	for (1 .. $WAIT / $STEP) {
		return 1 if -e $file;
		return 0 if $gone;

		$gone = $pid && waitpid($pid, WNOHANG) != 0;

		select undef, undef, undef, $STEP;
	}

	return undef;
}

sub waitforsocket {
	my ($self, $peer) = @_;

	return _wait($WAIT, sub {
		return IO::Socket::INET->new(Proto => 'tcp', PeerAddr => $peer);
	});
}

sub _reap {
	my ($pid, $seconds) = @_;

	return _wait($seconds, sub { waitpid($pid, WNOHANG) != 0 });
}

# Until the condition is true.

sub _wait {
	my ($seconds, $condition) = @_;

	for (1 .. $seconds / $STEP) {
		return 1 if $condition->();
		select undef, undef, undef, $STEP;
	}

	return undef;
}

###############################################################################

sub testdir {
	my ($self) = @_;

	return $self->{dir};
}

sub read_file {
	my ($self, $name) = @_;

	open my $fh, '<', "$self->{dir}/$name"
		or die "Can't open $name: $!";

	local $/;

	return scalar <$fh>;
}

sub write_file {
	my ($self, $name, $content) = @_;

	open my $fh, '>', "$self->{dir}/$name"
		or die "Can't create $name: $!";

	binmode $fh;
	print $fh $content;
	close $fh or die "Can't write $name: $!";

	return $self;
}

sub write_file_expand {
	my ($self, $name, $content) = @_;

	$content =~ s/%%TEST_GLOBALS%%/$self->test_globals()/ge;
	$content =~ s/%%TEST_GLOBALS_HTTP%%/$self->test_globals_http()/ge;
	$content =~ s/%%TESTDIR%%/$self->{dir}/g;
	$content =~ s/127\.0\.0\.1:(8\d{3})/'127.0.0.1:' . port($1)/ge;
	$content =~ s/%%PORT_(\d+)%%/port($1)/ge;

	return $self->write_file($name, $content);
}

# For a configuration that does not have these they are options of nginx.

sub test_globals {
	my ($self) = @_;

	return $self->{globals} //= $self->_own_files() . "\n"
		. ($ENV{TEST_NGINX_GLOBALS} // '');
}

sub _own_files {
	my ($self) = @_;

	return "pid $self->{dir}/nginx.pid; error_log $self->{dir}/error.log debug;";
}

sub test_globals_http {
	my ($self) = @_;

	my $dir = $self->{dir};
	my $text = "root $dir;\naccess_log $dir/access.log;\n";

	for my $name (qw/ client_body proxy fastcgi uwsgi scgi /) {
		next if $self->has_module("--without-http_${name}_module");
		$text .= "${name}_temp_path $dir/${name}_temp;\n";
	}

	return $text . ($ENV{TEST_NGINX_GLOBALS_HTTP} // '');
}

###############################################################################

# A free port for a number of the configuration, the same one at each call.
# The number itself is taken if it can be.  A UDP socket on the port marks it
# as taken for the test files that run at the same time.

my %ports;

sub port {
	my ($number) = @_;

	return $ports{$number}{port} if $ports{$number};

	my $base = $number - $number % 500;

	for my $port ($number, map { $base + int rand 500 } 1 .. 100) {
		my $lock = IO::Socket::INET->new(
			Proto     => 'udp',
			LocalAddr => "127.0.0.1:$port",
		) or next;

		my $free = IO::Socket::INET->new(
			Proto     => 'tcp',
			LocalAddr => "127.0.0.1:$port",
			Listen    => 1,
			ReuseAddr => 1,
		) or next;

		$ports{$number} = { port => $port, lock => $lock };

		return $port;
	}

	die "No free port for $number";
}

###############################################################################

sub log_out { _log('>>', @_) }
sub log_in  { _log('<<', @_) }

sub _log {
	my ($mark, $text) = @_;

	return unless $ENV{TEST_NGINX_VERBOSE};

	for my $line (split /(?<=\n)/, $text) {
		$line =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
		print "# $mark $line\n";
	}
}

###############################################################################

1;
