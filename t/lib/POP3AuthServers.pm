package POP3AuthServers;

# Logins by auth services that others wrote, without kept connections and with
# them.  A service is a hash:
#
#	name      what it is
#	at        its address and path, as auth_http has them
#	kept      whether its connections can be used again
#	alone     serves one connection at a time: none is to be kept
#
# Each takes the users one, two, three and four with the password "100% NAME".  It
# names a backend, 8211 or 8212, and the login and password to present there
# (servers/accounts.py), and records the port that each request came from.
# Uses nothing of Test::Nginx but its documented interface.

use warnings;
use strict;

use Exporter qw/ import /;
use Test::More;

use Test::Nginx;

use POP3Backend;
use POP3Proxy;
use POP3Session;

our @EXPORT = qw/
	checks start_accounts servers_of_mail accounts_of_nginx run_python
	try_services logged_in requests_take ports_of
/;

my %BACKEND = (one => 8211, two => 8212, three => 8211, four => 8212);
my @USERS = sort keys %BACKEND;
my @KEEPALIVE = (0, 4);
my $CHECKS = 5;         # for a service and a number of kept connections

my ($dir, $taken);

###############################################################################

# How many checks the services take.

sub checks {
	return $CHECKS * (map { _ways($_) } @_);
}

# The backends, each of which tells who has logged in to it, and the record.

sub start_accounts {
	my ($t) = @_;

	($dir, $taken) = ($t->testdir(), 0);

	my %backend = map {
		my $at = $_;
		$at => { NOOP => sub { "+OK $_[1] at $at" } };
	} 8211, 8212;

	$t->write_file('record', '');
	@ENV{qw/ TEST_RECORD TEST_PORTS PYTHONDONTWRITEBYTECODE /}
		= ("$dir/record", join(' ', map { port($_) } 8211, 8212), 1);

	return start_backends($t, %backend);
}

# A POP3 server for each service and number of kept connections.

sub servers_of_mail {
	my $number = 8110;
	my $text = '';

	for my $service (@_) {
		for my $kept (_ways($service)) {
			$service->{servers}{$kept} = $number;
			$text .= "server { listen 127.0.0.1:$number; protocol pop3; "
				. "auth_http $service->{at}; "
				. "pop3_auth_http_keepalive $kept; }\n";
			$number++;
		}
	}

	return $text;
}

sub _ways {
	my ($service) = @_;

	return $service->{alone} ? (0) : @KEEPALIVE;
}

# What servers/accounts.py says, for the http{} of an nginx: headers of the reply,
# and a log format for the record.

sub accounts_of_nginx {
	my $map = sub {
		my ($name, $default, $value) = @_;

		return "map \$http_auth_user:\$http_auth_pass \$$name { default '$default'; "
			. join('', map { "$_:100%25%20$_ '" . $value->($_) . "'; " } @USERS)
			. "}\n";
	};

	my %header = (Status => 'status', Wait => 'wait', Server => 'server',
		Port => 'port', User => 'user', Pass => 'pass');

	return $map->('auth_status', 'no such account', sub { 'OK' })
		. $map->('auth_wait', '1', sub { '' })
		. $map->('auth_server', '', sub { '127.0.0.1' })
		. $map->('auth_port', '', sub { port($BACKEND{$_[0]}) })
		. $map->('auth_user', '', sub { "$_[0]\@backend" })
		. $map->('auth_pass', '', sub { 'secret' })
		. join('', map { "add_header Auth-$_ \$auth_$header{$_} always;\n" }
			sort keys %header)
		. "log_format record '\$remote_port \$http_auth_user';\n";
}

# Python's own directory is where the script is; not the python3 of the PATH, which
# need not be Debian's.

sub run_python {
	my ($t, $number, @args) = @_;

	my $port = port($number);

	local $ENV{PYTHONPATH} = 'servers';

	$t->run_daemon('/usr/bin/python3', map { s/%port/$port/r } @args);
	$t->waitforsocket("127.0.0.1:$port")
		or die "Can't start @args on port $port\n";

	return $t;
}

###############################################################################

sub try_services {
	my @tries = map { my $s = $_; map { [$s, $_] } _ways($s) } @_;

	_second_try(map { [_named(@$_), $_->[0]{servers}{$_->[1]}] } @tries);

	for my $try (@tries) {
		my ($service, $kept) = @$try;
		my ($name, $number) = (_named(@$try), $service->{servers}{$kept});

		_all_at_once($name, $number);

		requests_take();

		my @users = (@USERS, qw/ one two /);
		my @who = map { logged_in($number, $_) } @users;
		my @ports = ports_of(6);

		is("@who", join(' ', map { _expected($_) } @users),
			"$name - one after another");
		cmp_ok(@ports, $kept && $service->{kept} ? '<=' : '>',
			$kept || 5, "$name - connections for six requests");
	}
}

sub _named {
	my ($service, $kept) = @_;

	return "$service->{name}, keepalive $kept";
}

# Who has logged in in a session of its own, and where.

sub logged_in {
	my ($number, $user) = @_;

	return _log_in(_session($number), $user);
}

# Everybody is who he is, whatever the order.

sub _all_at_once {
	my ($name, $number) = @_;

	my @users = (@USERS) x 3;
	my @sessions = map { _session($number) } @users;
	my @order = reverse 0 .. $#users;

	command($sessions[$_], "USER $users[$_]") for 0 .. $#users;
	$sessions[$_]->send("PASS 100% $users[$_]") for @order;
	replies($sessions[$_], 1) for 0 .. $#users;

	is(join(' ', map { _who($_) } @sessions),
		join(' ', map { _expected($_) } @users), "$name - all at once");
}

# At all of them in the same second: each has the client wait for one.

sub _second_try {
	my @tries = map { [@$_, _session($_->[1])] } @_;

	for my $try (@tries) {
		my $s = $try->[2];

		command($s, 'USER two');
		$s->send('PASS 100% one');
	}

	for my $try (@tries) {
		my ($name, undef, $s) = @$try;

		is((replies($s, 1))[0], '-ERR [AUTH] no such account',
			"$name - wrong password");
		is(_log_in($s, 'two'), _expected('two'), "$name - then the right one");
	}
}

sub _session {
	my ($number) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number));

	$s->read();

	return $s;
}

sub _log_in {
	my ($s, $user) = @_;

	command($s, "USER $user");
	command($s, "PASS 100% $user");

	return _who($s);
}

sub _who {
	my ($s) = @_;

	return command($s, 'NOOP') =~ s/^\+OK (\S+) at /$1:/r;
}

sub _expected {
	my ($user) = @_;

	return "$user\@backend:$BACKEND{$user}";
}

# What came since the last call, and waits until that are $n.

sub requests_take {
	my ($n) = @_;

	my @new;

	wait_until(sub {
		open my $fh, '<', "$dir/record" or die "Can't open record: $!\n";
		my @all = <$fh>;
		@new = @all[$taken .. $#all];
		return @new >= ($n // 0);
	});

	$taken += @new;

	return @new;
}

# The ports that they came from.

sub ports_of {
	my ($n) = @_;

	my %ports = map { (/^(\d+) /)[0] => 1 } requests_take($n);

	return sort keys %ports;
}

###############################################################################

1;

###############################################################################
