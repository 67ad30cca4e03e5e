# shellcheck shell=bash
#
# The part of the demo that starts and stops: which programs it needs, free
# ports, the certificate, Dovecot, nginx; and its way of speaking.
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

start() {
    dir=$(mktemp -d)

    pick_port POP3_PORT
    pick_port USER_PORT
    pick_port AUTH_PORT
    pick_port DOVECOT_PORT

    heading "Starting Dovecot and nginx in $dir"

    local dovecot_pid nginx_pid

    "$here/dovecot" "$dir" "$DOVECOT_PORT" "$LOGIN" "$PASSWORD" \
        2> "$dir/dovecot.stderr" &
    dovecot_pid=$!

    make_certificate

    "$here/fill" "$here/nginx.conf.in" \
        MAIL_MODULE="$MAIL_MODULE" MODULE="$MODULE" DIR="$dir" \
        POP3_PORT="$POP3_PORT" USER_PORT="$USER_PORT" \
        AUTH_PORT="$AUTH_PORT" DOVECOT_PORT="$DOVECOT_PORT" \
        LOGIN="$LOGIN" PASSWORD="$PASSWORD" > "$dir/nginx.conf"

    nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf" \
        2> "$dir/nginx.stderr" &
    nginx_pid=$!

    wait_for Dovecot "$dovecot_pid" "$DOVECOT_PORT"
    wait_for nginx "$nginx_pid" "$POP3_PORT"

    say "nginx     $(nginx -v 2>&1 | sed 's/.*: //'), pid $nginx_pid"
    say "module    $MODULE"
    say "Dovecot   $(dovecot --version), pid $dovecot_pid, two messages"
    say "POP3      127.0.0.1:$POP3_PORT (nginx, with STLS)"
    say "          127.0.0.1:$USER_PORT (the same, lists no password mechanism)"
    say "auth_http 127.0.0.1:$AUTH_PORT (the same nginx)"
    say "backend   127.0.0.1:$DOVECOT_PORT (Dovecot)"
    say

    say "The module says in nginx's error.log that it serves POP3:"
    grep -m 1 '\[notice\].*pop3_rs' "$dir/error.log" | indent \
        || fail "error.log does not mention the module"
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

make_certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 1 \
        -subj /CN=demo.example.org -addext subjectAltName=IP:127.0.0.1 \
        -keyout "$dir/key.pem" -out "$dir/cert.pem" 2> "$dir/openssl.stderr" \
        || fail "openssl made no certificate: $(< "$dir/openssl.stderr")"
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
    sed 's/^/    /'
}

fail() {
    local log

    echo "demo: $*" >&2

    # The folder goes away: show what it knows of the reason.
    for log in nginx.stderr error.log dovecot.stderr dovecot.log; do
        if [ -n "$dir" ] && [ -s "$dir/$log" ]; then
            echo "demo: end of $log:" >&2
            tail -n 10 "$dir/$log" | indent >&2
        fi
    done
    exit 1
}
