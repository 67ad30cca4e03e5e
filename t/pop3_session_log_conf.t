#!/usr/bin/perl

# What nginx -t says of pop3_log and pop3_log_format.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); push @INC, 'lib'; }

use Test::Nginx;
use POP3Conf;
use POP3Proxy;
use POP3SessionLog;

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/mail http imap/)->plan(401);

use_template($t, <<'EOC');
%%TEST_GLOBALS%%
daemon off;
MAIN
events {
    EVENTS
}
mail {
    MAIL
    server {
        listen          127.0.0.1:8110;
        protocol        pop3;
        pop3_proxy_pass 127.0.0.1:8211;
        SERVER
    }
    server {
        listen    127.0.0.1:8143;
        protocol  imap;
        auth_http 127.0.0.1:8280;
    }
}
http {
    %%TEST_GLOBALS_HTTP%%
    HTTP
}
EOC

###############################################################################

# what is right

is_taken("pop3_log $_;") for 'off', 'a.log', "'a b.log'", 'a.log main',
	'a.log main buffer=1k', 'a.log buffer=64k', 'a.log buffer=64k flush=1m',
	'a.log flush=5s buffer=1m', 'a.log buffer=1 main' =~ s/ main//r,
	'syslog:server=127.0.0.1', 'syslog:server=unix:/dev/log main',
	'syslog:server=[::1]:514,facility=mail,tag=pop3,severity=info,nohostname';

is_taken("pop3_log a.log;\n pop3_log b.log;");
is_taken("pop3_log a.log;\n pop3_log a.log;");
is_taken("pop3_log a.log buffer=1k;\n pop3_log a.log main buffer=1k;");
is_taken("pop3_log a.log buffer=1k;\n pop3_log a.log;");
is_taken("pop3_log a.log;\n pop3_log a.log buffer=1k;");

sub mail_is_taken {
	my ($name, $text) = @_;

	my ($status, $output) = conf('MAIL', $text);

	is($status, 0, "$name - is taken");
	is(scalar messages('(?:warn|emerg)', $output), 0, "$name - without a word")
		or diag($output);
}

mail_is_taken($_, "pop3_log_format f $_;\n pop3_log a.log f;") for
	'a', '"a b" c', "'\$login'", "'\${login}s'", "escape=default '\$login'",
	'escape=json \'{"login":"$login"}\'', "escape=none '\$login'",
	'$login " " $end', "'" . join(' ', map { "\$$_" } @VARIABLES) . "'",
	"'$FORMAT'", "escape=json '$FORMAT'";
mail_is_taken('a format that stands behind', "pop3_log a.log f;\n pop3_log_format f '\$end';");
mail_is_taken('a main of its own', "pop3_log_format main '\$end';\n pop3_log a.log;");

# what is not

my $directive = '"pop3_log" directive';
my $format = '"pop3_log_format" directive';

is_refused([$_, 'pop3_log a.log;'], $directive, 'not allowed here')
	for 'MAIN', 'EVENTS', 'HTTP';
is_refused([$_, 'pop3_log_format f a;'], $format, 'not allowed here')
	for 'MAIN', 'EVENTS', 'HTTP', 'SERVER';
is_refused('pop3_log;', 'number of arguments', $directive);
is_refused(['MAIL', 'pop3_log_format;'], 'number of arguments', $format);
is_refused(['MAIL', 'pop3_log_format f;'], 'number of arguments', $format);

is_refused('pop3_log "";', 'empty value', $directive);
is_refused($_, '"off" has to stand alone', $directive) for 'pop3_log off main;',
	"pop3_log off;\n pop3_log a.log;", "pop3_log a.log;\n pop3_log off;",
	"pop3_log off;\n pop3_log off;";
is_refused("pop3_log a.log $_->[0];", @$_[1 .. $#$_], $directive) for
	['buffer=', 'invalid buffer size "buffer="'],
	['buffer=0', 'invalid buffer size "buffer=0"'],
	['buffer=x', 'invalid buffer size "buffer=x"'],
	['buffer=1k flush=', 'invalid flush time "flush="'],
	['buffer=1k flush=0', 'invalid flush time "flush=0"'],
	['buffer=1k flush=x', 'invalid flush time "flush=x"'],
	['flush=1s', '"flush="', 'add "buffer=size"'],
	['main more', 'invalid parameter "more"'],
	['main gzip', 'invalid parameter "gzip"'],
	['buffer=1k main', 'invalid parameter "main"'];
is_refused("pop3_log syslog:server=127.0.0.1 main buffer=1k;", 'cannot buffer', $directive);
is_refused("pop3_log syslog:$_->[0];", $_->[1]) for
	['', 'unknown syslog parameter'],
	['tag=x', 'no syslog server specified'],
	['server=127.0.0.1,facility=none', 'unknown syslog facility "none"'],
	['server=127.0.0.1,severity=none', 'unknown syslog severity "none"'],
	['server=127.0.0.1,tag=a-b', 'syslog "tag" only allows'],
	['server=unix:', 'no path in the unix domain socket'];

is_refused("pop3_log a.log buffer=1k;\n pop3_log a.log main $_;", 'file "a.log"',
	'has another buffer already', $directive) for 'buffer=2k', 'buffer=1k flush=1s';

# a format may stand behind, so that it is missed at the end of mail{}

{
	my ($status, $output) = conf('SERVER', 'pop3_log a.log none;');

	is($status, 1, 'unknown format - is refused');
	like($output, qr/\[emerg\] unknown log format "none" in the $directive: define it/,
		'unknown format - message');
}

is_refused(['MAIL', "pop3_log_format f $_->[0];"], @$_[1 .. $#$_], $format) for
	["'\$nobody'", 'unknown variable "nobody"'],
	["'\$Login'", 'unknown variable "Login"'],
	["'\$login_'", 'unknown variable "login_"'],
	["'\$remote_user'", 'unknown variable "remote_user"'],
	["'a \${login'", 'no variable\'s name at "${login"'],
	["'a \$ b'", 'no variable\'s name at "$ b"'],
	["'\$'", 'no variable\'s name at "$"'],
	["''", 'format "f"', 'has no text'],
	['escape=json', 'format "f"', 'has no text'],
	['escape=html a', 'unknown escaping "html"'],
	['escape= a', 'unknown escaping ""'];
is_refused(['MAIL', "pop3_log_format f a;\n pop3_log_format f b;"], 'format "f"',
	'is there already');
is_refused(['MAIL', 'pop3_log_format long ' . join(' ', map { 'x' x 1000 . $_ } 1 .. 5) . ';'],
	'format "long"', 'more than 4096 bytes');
is_refused(['MAIL', "pop3_log_format long escape=json '\$login \$login \$login';"],
	'format "long"', 'more than 4096 bytes');

# beside http{}, which is read before or after

sub beside {
	my ($name, $first, $second, $say) = @_;

	my %text = (%$first, %$second);
	my $http = "server {\n listen 127.0.0.1:8180;\n access_log $text{http};\n}";
	my $mail = "mail {\n pop3_log $text{mail};\n server {\n listen 127.0.0.1:8110;\n"
		. " protocol pop3;\n pop3_proxy_pass 127.0.0.1:8211;\n }\n}\n";
	my @parts = ($mail, "http {\n %%TEST_GLOBALS_HTTP%%\n $http\n}\n");

	@parts = reverse @parts if $first->{http};

	my ($status, $output) = nginx_test($t,
		"%%TEST_GLOBALS%%\ndaemon off;\nevents {\n}\n@parts");

	is($status, $say ? 1 : 0, $name . ($say ? ' - is refused' : ' - is taken'))
		or diag($output);
	like($output, $say // qr/\A(?!.*\[emerg\])/s, "$name - message");
}

my $ours = qr/\[emerg\] file "a\.log" in the "pop3_log" directive has another buffer already/;
my $theirs = qr/\[emerg\] access_log "\S*a\.log" already defined with conflicting parameters/;

beside('http first, no buffers', { http => 'a.log' }, { mail => 'a.log' });
beside('mail first, no buffers', { mail => 'a.log' }, { http => 'a.log' });
beside('mail first, the same', { mail => 'a.log buffer=4k' },
	{ http => 'a.log combined buffer=4k' });
beside('mail first, http none', { mail => 'a.log buffer=4k' }, { http => 'a.log' });
beside('http first, mail none', { http => 'a.log combined buffer=4k' }, { mail => 'a.log' });
beside('mail first, mail none', { mail => 'a.log' }, { http => 'a.log combined buffer=4k' });
beside('http first, the same', { http => 'a.log combined buffer=4k' },
	{ mail => 'a.log buffer=4k' }, $ours);
beside('http first, another', { http => 'a.log combined buffer=4k' },
	{ mail => 'a.log buffer=8k' }, $ours);
beside('mail first, another', { mail => 'a.log buffer=4k' },
	{ http => 'a.log combined buffer=8k' }, $theirs);

# its last checks have to come before the end

use_template();
undef $t;

###############################################################################
