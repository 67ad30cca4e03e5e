#!/usr/bin/perl

# A crowd of sessions that log in through pop3_proxy_pass at once, with and without
# TLS: some are refused, some have a backend that fails, some clients go.  Each gets
# the answers of its own mailbox, and each backend is sent the lines of one session.

###############################################################################

use warnings;
use strict;

use Test::More;

use Socket qw/ SOL_SOCKET SO_LINGER /;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Session;
use POP3Proxy;
use POP3Backend;
use POP3Certificates;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $EACH = 16;      # sessions of a kind, a multiple of 4
my $CRLF = "\x0d\x0a";
my $UNAVAILABLE = '-ERR [SYS/TEMP] mail server is not available';
my $INVALID = '-ERR [AUTH] invalid login or password';

# The ways to a backend: the ports of the server and of the backend, how many lines
# there are before the login, and whether the client hears the backend's own words.

my @ways = (
	[8110, 8211, 0, 0],
	[8120, 8212, 0, 1],
	[8130, 8213, 1, 1],
	[8140, 8214, 1, 0],
);

# A kind: the logins that a session makes, each a word and whether its password is
# right, and how the client leaves when the first one stands still at the backend.

my %kinds = (
	right => { logins => [[right => 1]] },
	again => { logins => [[right => 0], [right => 1]] },
	three => { logins => [[right => 0], [at_user => 1], [right => 1]] },
	broken => { logins => [[closes => 1], [right => 1]] },
	reset => { logins => [[resets => 1], [right => 1]] },
	rubbish => { logins => [[rubbish => 1], [right => 1]] },
	ended => { logins => [[right => 1]], leaves => 'FIN' },
	refused => { logins => [[right => 0]], leaves => 'FIN' },
	gone => { logins => [[right => 1]], leaves => 'RST' },
	closed => { logins => [[right => 0], [right => 1]], leaves => 'close' },
);

my $t = Test::Nginx->new()->has(qw/mail mail_ssl/)->has_daemon('openssl')
	->plan(2 * (keys(%kinds) + 4) + 1);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
    worker_connections 4096;
}

mail {
    error_log  %%TESTDIR%%/mail.log info;
    timeout    5m;
    max_errors 10;
    starttls   on;

    ssl_certificate     %%TESTDIR%%/localhost.crt;
    ssl_certificate_key %%TESTDIR%%/localhost.key;

    pop3_proxy_ssl_trusted_certificate %%TESTDIR%%/localhost.crt;
    pop3_proxy_ssl_name                localhost;

    server {
        listen          127.0.0.1:8110;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
    }

    server {
        listen                   127.0.0.1:8120;
        protocol                 pop3;
        proxy_pass_error_message on;
        pop3_proxy_pass          127.0.0.1:8212;
        pop3_proxy_ssl           on;
    }

    server {
        listen                   127.0.0.1:8130;
        protocol                 pop3;
        proxy_pass_error_message on;
        pop3_proxy_pass          127.0.0.1:8213;
        pop3_proxy_ssl           starttls;
    }

    server {
        listen          127.0.0.1:8140;
        protocol        pop3;
        proxy_protocol  on;
        pop3_proxy_pass 127.0.0.1:8214;
    }
}

EOC

keep_certificates($t->testdir());
issue('localhost', names => 'DNS:localhost');

# All logins stand still at a backend until this file is there.

my $go = $t->testdir() . '/go';

my @held = ['until', $go];

my %mailboxes = (
	USER => sub {
		my ($login) = @_;

		return $login =~ /^at_user/
			? [@held, ['line', "-ERR [IN-USE] $login"]] : undef;
	},
	PASS => sub {
		my ($password, $login) = @_;

		return [@held, ['line', "-ERR [AUTH] not $login"]]
			if $password ne "pw $login";
		return [@held, $login =~ /^closes/ ? ['close']
			: $login =~ /^resets/ ? ['reset']
			: $login =~ /^rubbish/ ? "HTTP/1.0 400 $login$CRLF"
			: ['line', "+OK in $login"]];
	},
	STAT => sub { "+OK 1 $_[1]" },
	RETR => sub { [['line', "+OK $_[1]"], ['line', 'x' x 300], ['line', '.']] },
	QUIT => sub { "+OK bye $_[1]" },
);

start_backends($t,
	8211 => { %mailboxes },
	8212 => { %mailboxes, tls => { ssl => 1 } },
	8213 => { %mailboxes, tls => {} },
	8214 => { %mailboxes, proxy => 1 },
);

$t->run();

###############################################################################

my $number = 0;
my %sessions;    # by login
my $taken = 0;

command(open_session($_)->{s}, 'NOOP') for 0 .. $#ways;

my $fds = settled_fds($t);

for my $round ('a crowd', 'a crowd and a reload') {
	unlink $go;
	$taken = () = connections();

	my $worker = worker_pid($t);
	my @kinds = (sort keys %kinds) x $EACH;
	my @crowd = map { open_session($_ % @ways) } 0 .. $#kinds;

	begin($_, shift @kinds) for @crowd;

	ok(wait_until(sub { standing() == @crowd }, 60),
		"$round - all at a backend at once") or diag(standing());

	leave($_) for grep { $_->{leaves} } @crowd;
	reload($t) if $round =~ /reload/;

	$t->write_file('go', '');

	my %wrong = map { $_ => [] } keys %kinds;

	for my $c (grep { ($_->{leaves} // 'FIN') eq 'FIN' } @crowd) {
		my $got = receive($c->{s}, 10 ** 6);

		push @{$wrong{$c->{kind}}}, "$got instead of $c->{expected}"
			if $got !~ $c->{expected};
	}

	is_deeply($wrong{$_}, [], "$round, $_ - its own answers")
		for sort keys %kinds;

	# none waits for a client that has gone

	my @backends = ended_take();

	is(scalar grep({ !$_->{end} } @backends), 0, "$round - no backend is left open");
	is(join("\n", map { foreign($_) } @backends), '',
		"$round - each backend has the lines of one session");

	if ($round =~ /reload/) {
		ok(gone($worker), "$round - the old worker goes");
	} else {
		ok(wait_until(sub { worker_fds($t) == $fds }), "$round - nothing is left")
			or diag(worker_fds($t) . " of $fds");
	}
}

is(join('', $t->read_file('mail.log') =~ /^.*\[(?:alert|crit|emerg)\].*\n/gm), '',
	'no alerts in sessions');

%sessions = ();
undef $t;

###############################################################################

sub open_session {
	my ($way) = @_;

	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port($ways[$way][0]));

	$s->read();

	return { s => $s, way => $ways[$way], from => $s->socket()->sockport() };
}

# How many backends of this round have all of a login.

sub standing {
	my @backends = connections();

	return scalar grep { join("\n", @{$_->{lines}}) =~ /^(?:PASS|USER at_user)/m }
		splice @backends, $taken;
}

# Sends all of a session in one go.

sub begin {
	my ($c, $kind) = @_;

	my ($lines, $expected, $last) = ('', '');

	$c->{kind} = $kind;
	$c->{leaves} = $kinds{$kind}{leaves};

	if ($number++ % 5 == 0) {
		command($c->{s}, 'STLS');
		starttls($c->{s});
	}

	for (@{$kinds{$kind}{logins}}) {
		my ($word, $right) = @$_;
		my $login = "$word-" . ++$number;
		my $password = 'pw ' . ($right ? $login : 'another');

		$sessions{$login} = $c;
		$lines .= "USER $login${CRLF}PASS $password$CRLF";
		$expected .= "+OK$CRLF" . outcome($c, $login, $right) . $CRLF;
		$last = $right && $login;
	}

	my $rest = $last
		? join $CRLF, "+OK 1 $last", "+OK $last", 'x' x 300, '.', "+OK bye $last", ''
		: "-ERR command not valid in this state$CRLF" x 2 . "+OK$CRLF";

	# nginx's relay ends with its client

	$c->{expected} = $kind eq 'ended' ? qr/\A\Q$expected\E/
		: qr/\A\Q$expected$rest\E\z/;
	$c->{s}->print($lines . join $CRLF, 'STAT', 'RETR 1', 'QUIT', '');
}

sub outcome {
	my ($c, $login, $right) = @_;

	my $own = $c->{way}[3];

	return $UNAVAILABLE if $login =~ /^(?:closes|resets|rubbish)/;
	return $own ? "-ERR [IN-USE] $login" : '-ERR [IN-USE] mailbox is in use'
		if $login =~ /^at_user/;
	return "+OK in $login" if $right;
	return $own ? "-ERR [AUTH] not $login" : $INVALID;
}

sub leave {
	my ($c) = @_;

	my $socket = $c->{s}->socket();

	return shutdown $socket, 1 if $c->{leaves} eq 'FIN';

	$socket->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0)
		if $c->{leaves} eq 'RST';
	CORE::close $socket;
}

# What is wrong with what a backend was sent.

sub foreign {
	my ($backend) = @_;

	my @lines = @{$backend->{lines}};
	my $all = join '|', @lines;
	my ($login) = $all =~ /USER (\S+-\d+)/ or return "no login: $all";
	my $c = $sessions{$login} or return "no session: $all";
	my ($port, $at, $before) = @{$c->{way}};

	return "another way: $all" if $backend->{at} ne $at;
	return "sent ahead: $all" if @{$backend->{early}};
	return "another client: $all" if $lines[0] =~ /^PROXY/
		&& $lines[0] ne "PROXY TCP4 127.0.0.1 127.0.0.1 $c->{from} " . port($port);

	my @rest = splice @lines, $before + 1;

	return "mixed up: $all"
		if grep { !/^(?:PASS pw (?:\Q$login\E|another)|STAT|RETR 1|QUIT)\z/ } @rest
		or (grep { /^PASS/ } @rest) > 1;
	return ();
}

###############################################################################
