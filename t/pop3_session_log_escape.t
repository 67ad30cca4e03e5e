#!/usr/bin/perl

# Logins that are made to look like something else in a line of the session log: whichever
# way they are escaped, each is one value of one line.

###############################################################################

use warnings;
use strict;

use Encode qw/ decode encode /;
use JSON::PP;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Proxy;
use POP3Session;
use POP3SessionLog;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my %logins = (
	'quotes'         => '" failed - - 0 0 0.000 client "',
	'backslashes'    => 'a\\"b\\\\c\\x22\\u0022\\',
	'json'           => '","end":"shutdown","login":"x',
	'variables'      => '$remote_addr ${login} $',
	'brackets'       => '] [2026-01-01T00:00:00+00:00] {}',
	'spaces'         => 'two  words and  more',
	'UTF-8'          => encode('UTF-8', "j\x{fc}rgen\@b\x{fc}cher.example \x{1f4ec}"),
	'8 bits'         => join('', map { chr } 0xa0 .. 0xff),
	'UTF-8 cut'      => "\xf0\x9f\x93\xc3\xbc\xc3",
	'overlong UTF-8' => "\xc0\xaf\xe0\x80\xaf\xed\xa0\x80\xf4\x90\x80\x80",
	'percent'        => '%s%n%V%22%0a',
	'markup'         => '<script>alert(1)</script>&amp;',
	'long'           => join('', map { chr 97 + $_ % 26 } 1 .. 320),
	'too long'       => '"' x 500,
);

my $t = Test::Nginx->new()->has(qw/mail/)->plan(5 * keys %logins);

$t->write_file_expand('nginx.conf', <<'EOC');

%%TEST_GLOBALS%%

daemon off;

events {
}

mail {
    pop3_log_format json escape=json '{"login":"$login","end":"$end"}';
    pop3_log_format none escape=none '<$login> $end';

    pop3_client_buffer 1k;
    pop3_proxy_pass    127.0.0.1:8219;

    server {
        listen   127.0.0.1:8110;
        protocol pop3;
        pop3_log main.log;
        pop3_log json.log json;
        pop3_log none.log none;
    }
}

EOC

use_session_log($t);
port(8219);
$t->run();

###############################################################################

for my $name (sort keys %logins) {
	my $login = $logins{$name};
	my $s = POP3Session->new(PeerAddr => '127.0.0.1:' . port(8110));

	$s->read();
	like(command($s, "USER $login"), qr/^\+OK/, "$name - is a login");
	command($s, 'QUIT');

	my ($main, $json, $none, @more) = map { next_lines("$_.log") } qw/ main json none /;
	my $logged = substr $login, 0, 320;

	is(scalar @more, 0, "$name - one line in each log");

	my ($escaped) = $main =~ /^127\.0\.0\.1 \[[^\]]+\] "([\x20-\x7e]*?)" - none - \d+ \d+ \S+ client$/;

	is(($escaped // '') =~ s/\\x([0-9A-F]{2})/chr hex $1/ger, $logged, "$name - default");

	# what is no UTF-8 is taken for Latin-1, byte by byte

	my $characters = '';

	for (my $rest = $logged; length $rest;) {
		$characters .= decode('UTF-8', $rest, Encode::FB_QUIET);
		$characters .= substr $rest, 0, 1, '' if length $rest;
	}

	is_deeply(eval { decode_json($json) } // $json,
		{ login => $characters, end => 'client' }, "$name - json");
	is($none, "<$logged> client", "$name - none");
}

###############################################################################
