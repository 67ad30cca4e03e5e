package POP3Certificates;

# Certificates of a test's own authorities, made by openssl.  Uses nothing of
# Test::Nginx.
#
#	keep_certificates($t->testdir());
#
#	issue('ca', ca => 1);                        signed by itself
#	issue('localhost', by => 'ca', names => 'DNS:localhost,IP:127.0.0.1');
#	issue('expired', by => 'ca', expired => 1);
#
#	revoke('ca', 'localhost');                   ca.crl, with those named
#	encrypt_key('localhost', 'word');            localhost.enc.key
#	bundle('chain', 'localhost', 'ca');          chain.crt
#
# Each is NAME.crt and NAME.key there, with the common name NAME unless "cn" says
# otherwise, which is UTF-8 if "string_mask" says by which types of string OpenSSL may
# write it.

use warnings;
use strict;

use Exporter qw/ import /;

our @EXPORT = qw/ keep_certificates issue revoke encrypt_key bundle /;

my ($dir, $last_serial, %serial);

###############################################################################

sub keep_certificates {
	($dir) = @_;
}

sub issue {
	my ($name, %args) = @_;

	my $cn = $args{cn} // $name;
	my $serial = $serial{$name} = ++$last_serial;

	_write("$name.ext", 'basicConstraints=critical,CA:'
		. ($args{ca} ? "TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n" : "FALSE\n")
		. ($args{names} ? "subjectAltName=$args{names}\n" : ''));

	_write("$name.cnf", "[req]\ndistinguished_name=dn\nstring_mask=$args{string_mask}\n"
		. "[dn]\n") if $args{string_mask};

	_openssl(qw/ req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes /,
		'-subj', "/CN=$cn", $args{string_mask} ? ('-utf8', '-config', "$name.cnf") : (),
		'-keyout', "$name.key", '-out', "$name.csr");

	return _expired($name, $args{by}) if $args{expired};

	_openssl(qw/ x509 -req /, '-in', "$name.csr", '-out', "$name.crt",
		'-extfile', "$name.ext", '-set_serial', $serial,
		'-days', 30, $args{by}
			? ('-CA', "$args{by}.crt", '-CAkey', "$args{by}.key")
			: ('-signkey', "$name.key"));
}

sub revoke {
	my ($by, @names) = @_;

	_write("$by.index", join '', map {
		join("\t", 'R', '491231235959Z', '200101000000Z',
			sprintf('%04X', $serial{$_}), 'unknown', "/CN=$_") . "\n"
	} @names);

	_write("$by.cnf", "[ca]\ndefault_ca=this\n[this]\n"
		. "database=$dir/$by.index\ndefault_md=sha256\n");

	_openssl(qw/ ca -gencrl -crldays 30 /, '-config', "$by.cnf",
		'-keyfile', "$by.key", '-cert', "$by.crt", '-out', "$by.crl");
}

sub encrypt_key {
	my ($name, $word) = @_;

	_openssl(qw/ pkey -aes128 /, '-in', "$name.key", '-out', "$name.enc.key",
		'-passout', "pass:$word");
}

sub bundle {
	my ($bundle, @names) = @_;

	_write("$bundle.crt", join '', map { _read("$_.crt") } @names);
}

###############################################################################

# OpenSSL 3.4 knows no negative number of days, and older ones no dates but here.

sub _expired {
	my ($name, $by) = @_;

	_write("$name.index", '');
	_write("$name.cnf", "[ca]\ndefault_ca=this\n[this]\n"
		. "database=$dir/$name.index\nnew_certs_dir=$dir\ndefault_md=sha256\n"
		. "serial=$dir/$name.serial\npolicy=any\n[any]\ncommonName=supplied\n");
	_write("$name.serial", sprintf "%04X\n", $serial{$name});

	_openssl(qw/ ca -batch -notext /, '-config', "$name.cnf",
		'-keyfile', "$by.key", '-cert', "$by.crt", '-in', "$name.csr",
		'-out', "$name.crt", '-extfile', "$name.ext",
		'-startdate', '20200101000000Z', '-enddate', '20200201000000Z');
}

sub _openssl {
	my (@args) = @_;

	system('sh', '-c', 'cd "$0" && exec openssl "$@" >openssl.log 2>&1',
		$dir, @args) == 0
		or die "openssl @args: " . _read('openssl.log') . "\n";
}

sub _write {
	my ($name, $text) = @_;

	open my $fh, '>', "$dir/$name" or die "Can't create $name: $!\n";
	print $fh $text;
	close $fh or die "Can't write $name: $!\n";
}

sub _read {
	my ($name) = @_;

	open my $fh, '<', "$dir/$name" or die "Can't open $name: $!\n";
	local $/;

	return scalar <$fh>;
}

###############################################################################

1;

###############################################################################
