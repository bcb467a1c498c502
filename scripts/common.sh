# Sourced by the other scripts.
# shellcheck shell=bash
set -euo pipefail

# rustup installs cargo in the first, and Debian HAProxy and PgBouncer in the second.
PATH=$PATH:$HOME/.cargo/bin:/usr/sbin

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

require_cargo() {
    command -v cargo >/dev/null || die "cargo is not installed; see https://rustup.rs"
}

# Prints a port below those that the kernel assigns by itself (32768 and up), so that it hardly gets taken before it is used.
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)) && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

random_hex() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
