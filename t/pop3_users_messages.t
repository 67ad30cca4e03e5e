#!/usr/bin/perl

# The table of what nginx -t says of a file of users, in docs/operation.md, has each
# message of the source, and no other.

###############################################################################

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

###############################################################################

select STDERR; $| = 1;
select STDOUT; $| = 1;

# Which source has messages of the file alone, and which has others as well.

my @own = qw{ user-file/src/unfit.rs src/conf/users.rs ngx-mail/src/secret_file.rs };
my @others = qw{ src/conf/backend.rs };

# What nginx or the system say, and a message that is put together from its parts.

my @foreign = ('malloc() failed', 'method "external"');

# A part of a message, where the next one is shown.

my $rest = qr/^\),\ where|^in\ the\ "pop3_auth_user_file"/x;

sub content {
	my ($name) = @_;

	open my $fh, '<', "../$name" or die "Can't open $name: $!\n";
	local $/;

	return scalar <$fh>;
}

# The texts in a source that are more than a word, in the form that they are logged in.

sub messages_of {
	my ($name) = @_;

	my @texts = content($name) =~ /\bc"((?:[^"\\]|\\.)*)"/gs;

	s/\\\n\s*//g, s/\\(.)/$1/g for @texts;

	return grep { / / && $_ !~ $rest } @texts;
}

# The parts of a text between what differs from one time to the next.

sub parts {
	my ($text) = @_;

	return grep { length > 5 } map { s/^[\s"]+|[\s"]+$//gr }
		split /\.\.\.|%\*?s| 3 |"root"|\(\d+: [^)]*\)|\)$/, $text;
}

sub has {
	my ($text, @parts) = @_;

	return scalar grep { index($text, $_) >= 0 } @parts;
}

###############################################################################

my ($section) = content('docs/operation.md')
	=~ /^### What `nginx -t` says of the file\n(.*?)^##/ms
	or die "No such section\n";
my @shown = map { /`([^`]+)`/g } $section =~ /^\| (.*?) \| /mg;
my @own_messages = map { messages_of($_) } @own;
my @all_messages = (@own_messages, @foreign, map { messages_of($_) } @others);

shift @shown;

plan(tests => @own_messages + @shown + 2);

cmp_ok(scalar(@own_messages), '>', 30, 'messages are found');
cmp_ok(scalar(@shown), '>', 30, 'so are those that are shown');

for my $message (@own_messages) {
	ok(scalar(grep { has($message, parts($_)) || has($_, parts($message)) } @shown),
		"documented: $message");
}

for my $shown (@shown) {
	my @parts = parts($shown);
	my @missing = grep { my $part = $_; !grep { has($_, $part) } @all_messages } @parts;

	is_deeply(\@missing, [], "said: $shown");
}

###############################################################################
