#!/bin/sh
# Installs the Debian packages that `make test` compares with and builds with, if any is missing.
set -eu

packages="libzmq5 libzmq3-dev python3-zmq python3-pytest python3-websockets libczmq-dev cppzmq-dev
    cmake pkg-config g++ strace iproute2 valgrind krb5-kdc krb5-admin-server"

missing=
for package in $packages; do
    # pkg-config is provided by pkgconf on newer systems.
    if [ "$package" = pkg-config ] && command -v pkg-config >/dev/null; then
        continue
    fi
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

fail() {
    echo "setup-test-packages: $1" >&2
    echo "setup-test-packages: please install:$missing" >&2
    exit 1
}

command -v apt-get >/dev/null || fail "this is not a Debian system"
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    fail "only root can install packages"
fi

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # lists of words
if ! $as_root apt-get install -y --no-install-recommends $missing; then
    $as_root apt-get update || fail "the package lists cannot be fetched (offline?)"
    $as_root apt-get install -y --no-install-recommends $missing || fail "apt-get failed"
fi
