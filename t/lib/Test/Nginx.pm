package Test::Nginx;

# The part of the interface of nginx's own test harness (nginx-tests) that
# this suite uses, written anew.  A test may rely only on what is here, and
# what is here behaves as it does there: with "prove -I <nginx-tests>/lib"
# the original takes this module's place.

use warnings;
use strict;

use Exporter qw/ import /;
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

my $WAIT = 5;           # for a file or a socket to appear, seconds
my $STOP = 15;          # for a graceful exit, seconds
my $STEP = 0.05;        # between two looks

###############################################################################

sub new {
	my ($class) = @_;

	Test::More::BAIL_OUT("no executable nginx at $NGINX") unless -x $NGINX;

	my $dir = tempdir('nginx-test-XXXXXXXXXX', TMPDIR => 1,
		CLEANUP => !$ENV{TEST_NGINX_LEAVE});

	mkdir "$dir/logs" or die "Can't create $dir/logs: $!\n";

	return bless {
		dir     => $dir,
		owner   => $$,
		daemons => [],
	}, $class;
}

sub DESTROY {
	my ($self) = @_;

	# a forked daemon holds a copy of the object

	return if $self->{owner} != $$;

	# waitpid() must not change the exit status of the test

	local ($?, $@, $!);

	$self->stop();
	$self->stop_daemons();

	if (Test::More->builder()->expected_tests()) {
		my $log = -e "$self->{dir}/error.log"
			? $self->read_file('error.log') : '';

		Test::More::is(join("\n", $log =~ /^.*\[alert\].*$/gm), '',
			'no alerts');
		Test::More::is(join("\n", $log =~ /^.*Sanitizer.*$/gm), '',
			'no sanitizer errors');

		print $log if $ENV{TEST_NGINX_CATLOG};
	}

	Test::More::diag("$self->{dir} is left") if $ENV{TEST_NGINX_LEAVE};
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

	my $re = $FEATURE{$feature} // qr/\Q$feature\E/;

	return $self->{version} =~ $re;
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
	my $pid = fork() // die "Can't fork: $!\n";

	if ($pid == 0) {
		exec($NGINX, '-p', "$dir/", '-c', 'nginx.conf', '-e', 'error.log')
			or POSIX::_exit(127);
	}

	$self->waitforfile("$dir/nginx.pid", $pid)
		or die "Can't start nginx\n";

	$self->{nginx} = $pid;

	return $self;
}

# QUIT, not TERM: only a graceful exit reports the connections left open.

sub stop {
	my ($self) = @_;

	my $pid = delete $self->{nginx} or return $self;

	kill 'QUIT', $pid;
	return $self if _reap($pid, $STOP);

	# workers do not outlive a master that is told to terminate

	Test::More::diag('nginx does not exit on QUIT');

	kill 'TERM', $pid;
	return $self if _reap($pid, $WAIT);

	kill 'KILL', $pid;
	waitpid($pid, 0);

	return $self;
}

sub stop_daemons {
	my ($self) = @_;

	while (defined(my $pid = shift @{$self->{daemons}})) {
		kill 'TERM', $pid;
		next if _reap($pid, $WAIT);

		kill 'KILL', $pid;
		waitpid($pid, 0);
	}

	return $self;
}

# A reload is over when the old workers stop listening, or when the new
# configuration is found to be wrong.

sub reload {
	my ($self) = @_;

	my $pid = $self->{nginx} or return $self;
	my $over = sub {
		my @found = $self->read_file('error.log')
			=~ /gracefully shutting down|\[emerg\]/g;
		return scalar @found;
	};

	my $before = $over->();

	kill 'HUP', $pid;

	_wait($WAIT, sub { $over->() > $before });

	return $self;
}

sub run_daemon {
	my ($self, $code, @args) = @_;

	my $pid = fork() // die "Can't fork a daemon: $!\n";

	if ($pid == 0) {
		if (ref $code eq 'CODE') {
			$code->(@args);
			exit 0;
		}

		exec($code, @args) or POSIX::_exit(127);
	}

	push @{$self->{daemons}}, $pid;

	return $pid;
}

# With a pid, gives up as soon as that process is gone.

sub waitforfile {
	my ($self, $file, $pid) = @_;

	my $gone;

	return _wait($WAIT, sub {
		return 1 if -e $file;
		return 0 unless $pid;
		return $gone ? undef : do { $gone = waitpid($pid, WNOHANG); 0 };
	});
}

sub waitforsocket {
	my ($self, $peer) = @_;

	return _wait($WAIT, sub {
		return defined IO::Socket::INET->new(
			Proto    => 'tcp',
			PeerAddr => $peer,
		) || 0;
	});
}

# Until the condition is true; undef from it means that it never will be.

sub _wait {
	my ($seconds, $condition) = @_;

	for (1 .. $seconds / $STEP) {
		my $rc = $condition->();

		return 1 if $rc;
		return undef unless defined $rc;

		select undef, undef, undef, $STEP;
	}

	return undef;
}

sub _reap {
	my ($pid, $seconds) = @_;

	return _wait($seconds, sub { waitpid($pid, WNOHANG) != 0 });
}

###############################################################################

sub testdir {
	my ($self) = @_;

	return $self->{dir};
}

sub read_file {
	my ($self, $name) = @_;

	open my $fh, '<', "$self->{dir}/$name"
		or die "Can't open $name: $!\n";

	local $/;
	my $content = <$fh>;

	return $content // '';
}

sub write_file {
	my ($self, $name, $content) = @_;

	open my $fh, '>', "$self->{dir}/$name"
		or die "Can't create $name: $!\n";

	binmode $fh;
	print $fh $content;
	close $fh or die "Can't write $name: $!\n";

	return $self;
}

sub write_file_expand {
	my ($self, $name, $content) = @_;

	$content =~ s/%%TEST_GLOBALS%%/$self->test_globals()/ge;
	$content =~ s/%%TEST_GLOBALS_HTTP%%/$self->test_globals_http()/ge;
	$content =~ s/%%TESTDIR%%/$self->{dir}/g;
	$content =~ s/127\.0\.0\.1:(8\d{3})(?!\d)/'127.0.0.1:' . port($1)/ge;
	$content =~ s/%%PORT_(\d+)%%/port($1)/ge;

	return $self->write_file($name, $content);
}

sub test_globals {
	my ($self) = @_;

	my $extra = $ENV{TEST_NGINX_GLOBALS} // '';
	my $text = "pid $self->{dir}/nginx.pid;\n"
		. "error_log $self->{dir}/error.log debug;\n";

	# the directory belongs to root alone then

	$text .= "user root;\n" if $> == 0 && $extra !~ /\buser\s/;

	return "$text$extra\n";
}

sub test_globals_http {
	my ($self) = @_;

	my $dir = $self->{dir};
	my $text = "root $dir;\naccess_log $dir/access.log;\n";

	for my $name (qw/ client_body proxy fastcgi uwsgi scgi /) {
		next if $self->has_module("--without-http_${name}_module");
		$text .= "${name}_temp_path $dir/${name}_temp;\n";
	}

	return $text . ($ENV{TEST_NGINX_GLOBALS_HTTP} // '') . "\n";
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

	die "No free port for $number\n";
}

###############################################################################

sub log_out { _log('>>', @_) }
sub log_in  { _log('<<', @_) }

sub _log {
	my ($mark, $text) = @_;

	return unless $ENV{TEST_NGINX_VERBOSE} && defined $text;

	for my $line (split /(?<=\n)/, $text) {
		$line =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
		print "# $mark $line\n";
	}
}

###############################################################################

1;
