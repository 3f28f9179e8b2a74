#!/bin/bash
# Programs that use libzmq through the libraries of others, built against PREFIX, run with PREFIX's library and with the
# system's: the tests that CZMQ brings along, and C++ programs on cppzmq.   usage: foreign.sh PREFIX [SYSTEM_LIBDIR]
# A test of CZMQ's that fails with the system's library too is skipped, with the reason. Last line: `N passed, N failed`.
PREFIX=$(cd "${1:?usage: foreign.sh PREFIX [SYSTEM_LIBDIR]}" && pwd) || exit 2
SYSTEM=${2:-/usr/lib/$(uname -m)-linux-gnu}
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/lib.sh"
make_work
ours=$(libdir_of "$PREFIX") || exit 2
system=$(only_libzmq "$SYSTEM") || exit 2
export HERE WORK ours system
mkdir -p "$WORK/bin" "$WORK/results"
passed=0
failed=0
ok() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    echo "FAIL $1"
}

# ---- build --------------------------------------------------------------------------------------------------------
# What is not there, tools/setup-test-packages.sh installs.
export PKG_CONFIG_PATH=$PREFIX/lib/pkgconfig
CFLAGS=$(pkg-config --cflags libzmq) && LIBS=$(pkg-config --libs libzmq) || exit 2
CZMQ=$(pkg-config --cflags --libs libczmq) || { echo "no libczmq: please install libczmq-dev"; exit 2; }
echo '#include <zmq_addon.hpp>' | c++ -fsyntax-only -x c++ - || { echo "please install g++ and cppzmq-dev"; exit 2; }
export CFLAGS LIBS CZMQ
build() { # PROGRAM COMPILER...
    local program=$1
    shift
    # shellcheck disable=SC2086
    "$@" -Wall -Wextra -Wno-format-truncation -O1 -g $CFLAGS -o "$WORK/bin/$program" "$HERE/foreign/$program".c* $LIBS $CZMQ -lpthread &&
        loads_from "$WORK/bin/$program" "$ours" && loads_from "$WORK/bin/$program" "$system" ||
        echo "cannot build $program"
}
export -f build loads_from
problems=$(xargs -P2 -L1 bash -c 'build "$@"' build <<'PROGRAMS' 2>&1
cpp_sockets c++ -std=c++17
cpp_messages c++ -std=c++17
cpp_classic c++ -std=gnu++98 -Wno-deprecated-declarations
cpp_draft c++ -std=c++17
czmq_selftest cc -std=gnu11
PROGRAMS
)
[ -z "$problems" ] || { echo "$problems"; exit 2; }

# ---- run -----------------------------------------------------------------------------------------------------------
# CZMQ's tests want ports of their choice, and zbeacon's broadcasts.
for way in "unshare -rn" "unshare -n"; do
    $way "$HERE/foreign/own-net.sh" true 2>/dev/null && OWN_NET="$way $HERE/foreign/own-net.sh" && break
done
export OWN_NET
run() { # PROGRAM GROUP SIDE
    local out="$WORK/results/$1.$2.$3"
    local tries=1
    # CZMQ's test of zgossip wants two peers' messages in one order, in which they need not come: with the system's
    # library it fails once in some 80 times.
    [ "$2" = zgossip ] && tries=5
    while [ $((tries--)) -gt 0 ]; do
        # shellcheck disable=SC2086
        LD_LIBRARY_PATH=${!3} timeout -k 2 120 $OWN_NET "$WORK/bin/$1" "$2" >"$out" 2>"$out.err" </dev/null && return
    done
    return 1
}
export -f run
verdict() { # PROGRAM GROUP SIDE: the first word of the result's line
    sed -nE "s/^(ok|FAIL) $1:$2( .*|$)/\1/p" "$WORK/results/$1.$2.$3"
}
why() { # PROGRAM GROUP SIDE
    { grep -ahE '^FAIL' "$WORK/results/$1.$2.$3"; head -6 "$WORK/results/$1.$2.$3.err"; } | sed 's/^ */    /'
}

# PROGRAM GROUP; nearly all time is spent waiting in these four tests of CZMQ's, which are first.
mapfile -t all < <({
    printf 'czmq_selftest %s\n' zauth zdir zfile zproxy
    for program in czmq_selftest cpp_messages cpp_sockets cpp_classic cpp_draft; do
        "$WORK/bin/$program" -l | sed "s/^/$program /"
    done
} | awk '!seen[$0]++')
if [ -z "$OWN_NET" ]; then
    echo "skipped: czmq_selftest:zbeacon (needs a network namespace, so that its broadcasts stay on this machine)"
    mapfile -t all < <(printf '%s\n' "${all[@]}" | grep -vx 'czmq_selftest zbeacon')
fi
# The system's library has no draft interface.
one_sided() { [ "$1" = czmq_selftest ] || [ "$1" = cpp_draft ]; }
for test in "${all[@]}"; do
    printf '%s\n' "$test ours"
    [ "${test%% *}" = cpp_draft ] || echo "$test system"
done | xargs -P6 -L1 bash -c 'run "$@"' run

for test in "${all[@]}"; do
    read -r program group <<<"$test"
    with_ours=$(verdict "$program" "$group" ours)
    with_system=$([ "$program" = cpp_draft ] || verdict "$program" "$group" system)
    if [ "$with_ours" = ok ] && { [ "$with_system" = ok ] || one_sided "$program"; }; then
        ok
        grep -ahE 'SKIP|skip' "$WORK/results/$program.$group.ours" | sed 's/^ *\** */skipped in part, says CZMQ: /'
    elif [ "$program:$with_system" = czmq_selftest:FAIL ]; then
        echo "skipped: $program:$group fails with the system's library, too:"
        why "$program" "$group" system
    else
        bad "$program:$group ${with_ours:-not run} with ours, ${with_system:-not run} with the system's"
        why "$program" "$group" ours
    fi
done

echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
