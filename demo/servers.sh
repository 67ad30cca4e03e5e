# shellcheck shell=bash
#
# The part of the demo that starts and stops: which programs it needs, free
# ports, the certificates, Dovecot, nginx; and its way of speaking.
#
# Expects $here, this folder, and $LOGIN and $PASSWORD, the account to make.

: "${here:?}" "${LOGIN:?}" "${PASSWORD:?}"

MAIL_MODULE=/usr/lib/nginx/modules/ngx_mail_module.so

# Set as things are started.
dir='' ports=''

check_requirements() {
    local program

    [ -n "${MODULE-}" ] \
        || fail 'MODULE, the path of the module, is not set; use "make demo"'
    [ -r "$MODULE" ] \
        || fail "there is no module $MODULE; build it with \"make build\""
    MODULE=$(realpath "$MODULE")

    for program in nginx dovecot curl openssl; do
        command -v $program > /dev/null \
            || fail "$program is missing; \"make deps\" installs it"
    done
    [ -x /usr/lib/dovecot/pop3 ] \
        || fail 'Dovecot has no POP3; "make deps" installs dovecot-pop3d'
    [ -r $MAIL_MODULE ] \
        || fail "$MAIL_MODULE is missing; \"make deps\" installs it"
}

# One Dovecot, and an nginx for each configuration that is shown.
start() {
    local name pids=''

    dir=$(mktemp -d)

    for name in PLAIN VERIFIED REFUSED DIGEST STLS USER AUTH DOVECOT DOVECOT_TLS
    do
        pick_port "${name}_PORT"
    done

    heading "Starting Dovecot and nginx in $dir"

    make_certificates
    (umask 077; echo "$LOGIN:{PLAIN}$PASSWORD" > "$dir/users")

    "$here/dovecot" "$dir" "$DOVECOT_PORT" "$LOGIN" "$PASSWORD" \
        "$DOVECOT_TLS_PORT" 2> "$dir/dovecot.stderr" &
    wait_for Dovecot $! "$DOVECOT_TLS_PORT"
    say "Dovecot   $(dovecot --version), pid $!, two messages"

    for name in three-lines:$PLAIN_PORT backend-tls:$VERIFIED_PORT \
        users:$DIGEST_PORT auth-http:$STLS_PORT
    do
        start_nginx "${name%:*}"
        wait_for nginx $! "${name#*:}"
        pids="$pids $!"
    done
    say "nginx     $(nginx -v 2>&1 | sed 's/.*: //'), pids$pids"
    say "module    $MODULE"
    say

    say "The module says in nginx's error log that it serves POP3:"
    grep -m 1 '\[notice\].*pop3_rs' "$dir/three-lines.log" | indent \
        || fail "three-lines.log does not mention the module"
}

start_nginx() {
    local name=$1

    "$here/fill" "$here/$name.conf.in" \
        MAIL_MODULE="$MAIL_MODULE" MODULE="$MODULE" DIR="$dir" \
        PLAIN_PORT="$PLAIN_PORT" \
        VERIFIED_PORT="$VERIFIED_PORT" REFUSED_PORT="$REFUSED_PORT" \
        DIGEST_PORT="$DIGEST_PORT" \
        STLS_PORT="$STLS_PORT" USER_PORT="$USER_PORT" \
        AUTH_PORT="$AUTH_PORT" LOGIN="$LOGIN" PASSWORD="$PASSWORD" \
        DOVECOT_PORT="$DOVECOT_PORT" DOVECOT_TLS_PORT="$DOVECOT_TLS_PORT" \
        > "$dir/$name.conf"

    nginx -p "$dir" -e "$dir/$name.log" -c "$dir/$name.conf" \
        -g "daemon off; pid $dir/$name.pid; error_log $dir/$name.log notice;" \
        2> "$dir/$name.stderr" &
}

# Below the range that the kernel takes ports of outgoing connections from.
pick_port() {
    local port try

    for try in {1..100}; do
        port=$((20000 + RANDOM % 10000))
        case " $ports " in
            *" $port "*) continue ;;
        esac
        if ! grep -qs ":$(printf %04X $port) " /proc/net/tcp /proc/net/tcp6
        then
            printf -v "$1" %s $port
            ports="$ports $port"
            return
        fi
    done
    fail "no free port after $try tries"
}

# That of nginx itself, a CA of the demo's own, and what it has certified for
# Dovecot: who it is, and somebody else.
make_certificates() {
    make_certificate cert subjectAltName=IP:127.0.0.1
    make_certificate ca basicConstraints=critical,CA:TRUE
    make_certificate backend subjectAltName=IP:127.0.0.1 ca
    make_certificate other subjectAltName=DNS:other.example.org ca
}

# NAME.pem and NAME.key, self-signed, or signed by another certificate here.
make_certificate() {
    local name=$1 extension=$2 ca=${3-}

    openssl req -x509 -newkey rsa:2048 -nodes -days 1 \
        -subj "/CN=$name.demo.example.org" -addext "$extension" \
        ${ca:+-CA "$dir/$ca.pem" -CAkey "$dir/$ca.key"} \
        -keyout "$dir/$name.key" -out "$dir/$name.pem" \
        2> "$dir/openssl.out" \
        || fail "openssl made no certificate: $(< "$dir/openssl.out")"
}

wait_for() {
    local name=$1 pid=$2 port=$3 i

    for ((i = 0; i < 100; i++)); do
        if ! kill -0 "$pid" 2> /dev/null; then
            break
        fi
        if (: <> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
            return
        fi
        sleep 0.1
    done
    fail "$name did not start"
}

# Ends what this shell started, and nothing else.
cleanup() {
    local pid i

    trap '' HUP INT TERM

    for pid in $(jobs -p); do
        kill "$pid" 2> /dev/null || true
    done
    for pid in $(jobs -p); do
        for ((i = 0; i < 100; i++)); do
            kill -0 "$pid" 2> /dev/null || break
            sleep 0.1
        done
        kill -KILL "$pid" 2> /dev/null || true
    done
    if [ -n "$dir" ]; then
        rm -rf "$dir"
    fi
}


# Speaking

heading() {
    if [ -t 1 ]; then
        printf '\n\033[1m== %s\033[0m\n\n' "$*"
    else
        printf '\n== %s\n\n' "$*"
    fi
}

say() {
    printf '%s\n' "$*"
}

indent() {
    sed 's/^./    &/'
}

fail() {
    local log

    echo "demo: $*" >&2

    # The folder goes away: show what it knows of the reason.
    for log in "${dir:-/nowhere}"/*.stderr "${dir:-/nowhere}"/*.log; do
        if [ -s "$log" ]; then
            echo "demo: end of ${log##*/}:" >&2
            tail -n 10 "$log" | indent >&2
        fi
    done
    exit 1
}
