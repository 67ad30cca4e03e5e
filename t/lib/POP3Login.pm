package POP3Login;

# Logins at a backend of POP3Backend, and those that fail because something is
# wrong with it: what the client, the error log and the backend are told.  Uses
# nothing of Test::Nginx but its documented interface.

use warnings;
use strict;

use Exporter qw/ import /;
use Test::More;

use Test::Nginx;

use POP3Backend;
use POP3Proxy;
use POP3Session;

our @EXPORT = qw/ session login logs_in is_unavailable is_timed_out /;

my $UNAVAILABLE = '-ERR [SYS/TEMP] mail server is not available';

###############################################################################

# A session that has been greeted.

sub session {
	my ($number, %args) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($number), %args);

	$s->read();

	return $s;
}

# The reply to the PASS of a login.

sub login {
	my ($s, $password, $login) = @_;

	command($s, 'USER ' . ($login // 'test@example.com'));

	return command($s, 'PASS ' . ($password // 'secret'));
}

# Three checks: the login succeeds, and the backend is told of it in one connection,
# with @before before USER and PASS, line by line.  Returns that connection.

sub logs_in {
	my ($s, $name, @before) = @_;

	connections_take();

	is(login($s), '+OK logged in to backend', "$name - login");

	my @new = connections_take();
	my $c = pop @new // { lines => [], early => [], tls => {} };

	is_deeply([map({ @{$_->{lines}} } @new), @{$c->{lines}}],
		[@before, 'USER test@example.com', 'PASS secret'],
		"$name - what the backend is told");
	is_deeply($c->{early}, [], "$name - nothing ahead of its turn");

	return $c;
}

# Four checks: the login is answered so that the client tries again later; its
# session goes on; there is one line at level error (nginx has crit for alerts of
# TLS that it does not know), with the reason and the backend's address; and the
# backend has not been told who logs in.  The address may be a port at 127.0.0.1,
# as a number of the configuration.

sub is_unavailable {
	my ($t, $s, $name, $reason, $address) = @_;

	errors_take($t);

	my $before = () = connections();

	is(login($s), $UNAVAILABLE, "$name - reply");
	is(command($s, 'NOOP'), '+OK', "$name - session goes on");

	_is_logged($t, $name, $reason, $address);

	# it can learn nothing more when the connection has ended

	my @new;

	wait_until(sub {
		my @all = connections();

		@new = @all[$before .. $#all];
		return @new && !grep { !$_->{end} } @new;
	});

	my @told = grep { /^(?:USER|PASS|AUTH)\b|secret/ }
		map { $_->{end} ? @{$_->{lines}} : 'PASS may still come' } @new;

	is("@told", '', "$name - the backend is told nothing");
}

# The same where the reason is the end of "timeout", and so the session's.

sub is_timed_out {
	my ($t, $s, $name, $address) = @_;

	errors_take($t);

	is(login($s), $UNAVAILABLE, "$name - reply");
	ok(closed($s), "$name - closed at the end of timeout");

	_is_logged($t, $name, qr/timed out/, $address);
}

sub _is_logged {
	my ($t, $name, $reason, $address) = @_;

	$address = "127.0.0.1:" . port($address) if $address =~ /^\d+$/;

	my @errors = errors_take($t, 1);

	ok(@errors == 1
		&& $errors[0] =~ / \[(?:error|crit)\] .*$reason.*, upstream: \Q$address\E$/i,
		"$name - error log") or diag(join "\n", @errors);
}

###############################################################################

1;

###############################################################################
