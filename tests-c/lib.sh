# Shared by the runners. Sourced, not run.

# The directory of PREFIX that holds libzmq.so.5.
libdir_of() {
    local d
    for d in "$1"/lib "$1"/lib64 "$1/lib/$(uname -m)-linux-gnu"; do
        if [ -e "$d/libzmq.so.5" ]; then
            (cd "$d" && pwd)
            return 0
        fi
    done
    echo "no libzmq.so.5 below $1" >&2
    return 1
}

# Where the system's own libraries are, the first of the usual places with a libzmq if there is one.
system_dir() {
    local d multiarch=/usr/lib/$(uname -m)-linux-gnu
    for d in "$multiarch" /usr/lib64 /usr/lib; do
        [ -e "$d/libzmq.so.5" ] && { echo "$d"; return; }
    done
    [ -d "$multiarch" ] && echo "$multiarch" || echo /usr/lib
}

# A system library directory holds much more than libzmq; what goes into LD_LIBRARY_PATH is one with libzmq alone.
only_libzmq() {
    local file dir
    file=$(readlink -f "$1/libzmq.so.5") && [ -e "$file" ] || { echo "no libzmq.so.5 in $1" >&2; return 1; }
    dir="$WORK/system-lib"
    mkdir -p "$dir" && ln -sf "$file" "$dir/libzmq.so.5" && echo "$dir"
}

# WORK: a fresh directory, also for temporary files and ipc endpoints of the tests; removed at the end.
make_work() {
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/zmq-tests-c.XXXXXX") || exit 2
    export TMPDIR=$WORK
    trap 'rm -rf "$WORK"' EXIT
}

# Fails unless the program would load libzmq from that directory.
loads_from() { # PROGRAM LIBDIR
    local got
    got=$(LD_LIBRARY_PATH=$2 ldd "$1" | sed -n 's/.*libzmq\.so\.5 => \([^ ]*\).*/\1/p')
    [ "$(readlink -f "$got")" = "$(readlink -f "$2/libzmq.so.5")" ] || { echo "$1 loads $got, not that of $2" >&2; return 1; }
}
