# auto/make reads this when it writes nginx's Makefile.

if [ "$POP3_RS_LINK" = DYNAMIC ]; then
    pop3_rs_target=$NGX_OBJS/ngx_mail_pop3_rs_module.so
else
    pop3_rs_target=$NGX_OBJS/nginx
fi

# make runs in nginx's sources, cargo in the module's, where it looks for its
# configuration. Only cargo knows what the library depends on: it is run each
# time, and what comes after it only if the library is a new one.

cat << END                                                    >> "$NGX_MAKEFILE"

$pop3_rs_target:	$POP3_RS_LIB

$POP3_RS_LIB:	pop3_rs_always
	src=\$\$(pwd) \\
	&& mkdir -p $POP3_RS_OBJS && objs=\$\$(cd $NGX_OBJS && pwd) \\
	&& target=\$\$(cd $POP3_RS_OBJS && pwd) \\
	&& cd $POP3_RS_DIR \\
	&& NGINX_SOURCE_DIR="\$\$src" NGINX_BUILD_DIR="\$\$objs" \\
		${RUSTC:+RUSTC=$RUSTC} $CARGO rustc --lib --crate-type staticlib \\
		--features nginx-make --release ${POP3_RS_CARGO_FLAGS---locked} \\
		--target-dir "\$\$target"

pop3_rs_always:

.PHONY:	pop3_rs_always

END
