package POP3Dovecot;

# A real Dovecot as the backend, and what it logs of those who have logged in.
# Uses nothing of Test::Nginx but its documented interface.

use warnings;
use strict;

use Exporter qw/ import /;

use Test::Nginx;

use POP3Proxy;

our @EXPORT = qw/ start_dovecot next_login /;

my ($dir, %seen);

###############################################################################

# Starts a Dovecot with two messages and waits for it.  %args: the listeners, by
# their kind, each with its port as a number of the configuration
#
#	plain                 with STLS where there is a certificate
#	pop3s                 TLS from the start
#	haproxy               wants a PROXY header
#
# and "certificate", a name in the test's directory; "oauth", the address of a
# service that knows tokens (servers/oauth.py); "folder", where it lives, if there is
# another one beside it.  Whoever comes from this machine is trusted: is offered
# XCLIENT.

sub start_dovecot {
	my ($t, $login, $password, %args) = @_;

	my ($certificate, $oauth, $folder) = delete @args{qw/ certificate oauth folder /};
	my %port = map { $_ => port($args{$_}) } sort keys %args;

	$dir = $t->testdir();

	my $home = defined $folder ? "$dir/$folder" : $dir;

	$seen{$home} = 0;
	mkdir $home;

	$t->write_file(($folder // '.') . '/dovecot-extra.conf',
		_patience() . _listeners(%port) . _tls($certificate) . _oauth($t, $oauth));

	$t->run_daemon('../demo/dovecot', $home, $port{plain}, $login, $password);

	for my $kind (sort keys %port) {
		$t->waitforsocket("127.0.0.1:$port{$kind}")
			or die "Can't start Dovecot on port $args{$kind}\n";
	}

	return $t;
}

# The pace of those who guess passwords does not suit a test.

sub _patience {
	return <<EOF;

auth_failure_delay = 0

service anvil {
    unix_listener anvil-auth-penalty {
        mode = 0
    }
}
EOF
}

# Besides the plain one, which demo/dovecot has.

sub _listeners {
	my (%port) = @_;

	my %option = (haproxy => 'haproxy = yes', pop3s => 'ssl = yes');
	my $text = "\nhaproxy_trusted_networks = 127.0.0.0/8\n";

	for my $kind (grep { $port{$_} } sort keys %option) {
		$text .= <<EOF;

service pop3-login {
    inet_listener test-$kind {
        port = $port{$kind}
        $option{$kind}
    }
}
EOF
	}

	return $text;
}

sub _tls {
	my ($name) = @_;

	return '' unless $name;

	my ($cert, $key) = ("$dir/$name.crt", "$dir/$name.key");

	return `dovecot --version` =~ /^2\.3\./
		? "\nssl = yes\nssl_cert = <$cert\nssl_key = <$key\n"
		: "\nssl = yes\nssl_server_cert_file = $cert\nssl_server_key_file = $key\n";
}

# It believes what that service says of a token.

sub _oauth {
	my ($t, $address) = @_;

	return '' unless $address;

	my %setting = (
		introspection_mode => 'post',
		introspection_url  => "http://$address/introspect",
		username_attribute => 'username',
		active_attribute   => 'active',
		active_value       => 'true',
	);
	my $settings = join '', map { "$_ = $setting{$_}\n" } sort keys %setting;
	my $mechanisms = "\nauth_mechanisms = plain oauthbearer xoauth2\n";

	return "$mechanisms\noauth2 {\n$settings}\n"
		unless `dovecot --version` =~ /^2\.3\./;

	$t->write_file('dovecot-oauth2.conf', $settings);

	return $mechanisms . <<EOF;

passdb {
    driver = oauth2
    mechanisms = oauthbearer xoauth2
    args = $dir/dovecot-oauth2.conf
}
EOF
}

# Who has logged in next, as its log has it: user, method, rip (where the client
# is), lip, session, and tls.  Nothing when nobody does.

sub next_login {
	my ($folder) = @_;

	my $home = defined $folder ? "$dir/$folder" : $dir;
	my @logins;

	wait_until(sub { (@logins = _logins($home)) > $seen{$home} }) or return {};

	return $logins[$seen{$home}++];
}

sub _logins {
	my ($home) = @_;

	open my $fh, '<', "$home/dovecot.log" or return;

	return map { _login($_) } grep { / Log(?:in|ged in): .*\n/ } <$fh>;
}

sub _login {
	my ($line) = @_;

	return {
		tls => $line =~ /, TLS\b/ ? 1 : 0,
		$line =~ /\b(user|session)=<(.*?)>(?=[,\n])/g,
		$line =~ /\b(method|[rl]ip)=([^,]+)/g,
	};
}

###############################################################################

1;

###############################################################################
