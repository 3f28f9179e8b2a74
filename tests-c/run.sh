#!/bin/bash
# All C tests against an installed PREFIX.   usage: run.sh PREFIX [SYSTEM_LIBDIR]
#
# Builds every program once, with pkg-config against PREFIX, and runs the same binaries against PREFIX and against the
# system's libzmq, which must agree but for known-differences.txt; then the exchange between processes with different
# libraries (interop), the same through a proxy that cuts the
# connection (meddle), scripts of calls made from a seed (differential), the demo programs, programs on CZMQ and cppzmq
# (foreign), WebSocket peers of another library (zws), and pyzmq's tests. A program that defines ZMQ_BUILD_DRAFT_API runs with ours only, unless the other libzmq was built
# with the draft API, too; one that defines ONLY_OURS is about what no other library has. Last line: `N passed, N failed`; exit code 0 if none failed.
# TESTS_C_ONLY="unit interop meddle differential demo foreign zws pyzmq" selects runners; SEED and COUNT are of `differential`; TESTS_C_PROGRAMS="t_poll t_proxy" selects programs of `unit`.
# TESTS_C_JOBS (3) of them run at the same time.
# TESTS_C_ONLY=ours runs the programs of `unit` with ours only, and TESTS_C_OURS=DIR names another libzmq.so.5 of ours for it.
START=$SECONDS
PREFIX=$(cd "${1:?usage: run.sh PREFIX [SYSTEM_LIBDIR]}" && pwd) || exit 2
SYSTEM_GIVEN=${2:-/usr/lib/$(uname -m)-linux-gnu}
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/lib.sh"
make_work
OURS=${TESTS_C_OURS:-$(libdir_of "$PREFIX")} || exit 2
SYSTEM=$(only_libzmq "$SYSTEM_GIVEN") || exit 2
ONLY=${TESTS_C_ONLY:-unit interop meddle differential demo foreign zws pyzmq}
total_passed=0
total_failed=0
wants() { [[ " $ONLY " == *" $1 "* ]]; }
account() { # NAME PASSED FAILED
    echo "-- $1: $2 passed, $3 failed ($((SECONDS - START)) s)"
    total_passed=$((total_passed + $2))
    total_failed=$((total_failed + $3))
}

# ---- build --------------------------------------------------------------------------------------------------------
CFLAGS=$(PKG_CONFIG_PATH="$PREFIX/lib/pkgconfig" pkg-config --cflags libzmq) || exit 2
LIBS=$(PKG_CONFIG_PATH="$PREFIX/lib/pkgconfig" pkg-config --libs libzmq) || exit 2
export WORK HERE CFLAGS LIBS
mkdir -p "$WORK/bin" "$WORK/results"
programs=${TESTS_C_PROGRAMS:-$(cd "$HERE" && ls t_*.c | sed 's/\.c$//')}
build() {
    # shellcheck disable=SC2086
    cc -std=gnu11 -Wall -Wextra -Wno-format-truncation -O1 -g $CFLAGS "$HERE/$1.c" -o "$WORK/bin/$1" $LIBS -lpthread || echo "cannot build $1"
}
export -f build
problems=$(printf '%s\n' $programs interop interop_security interop_multicast interop_draft interop_gssapi meddle differential | xargs -P2 -I{} bash -c 'build {}')
[ -z "$problems" ] || { echo "$problems"; exit 1; }
for p in $programs interop interop_security interop_multicast interop_draft interop_gssapi meddle differential; do
    loads_from "$WORK/bin/$p" "$OURS" && loads_from "$WORK/bin/$p" "$SYSTEM" || exit 1
done

# The programs that can run with the libzmq of this directory: those of the draft API need one that has it.
has_drafts() { # LIBDIR
    nm -D --defined-only "$1/libzmq.so.5" | grep -q ' zmq_poller_new$'
}
able() { # LIBDIR
    local needs='^#define (ONLY_OURS|ZMQ_BUILD_DRAFT_API)'
    has_drafts "$1" && needs='^#define ONLY_OURS'
    for p in $programs; do
        grep -qE "$needs" "$HERE/$p.c" || echo "$p"
    done
}

# ---- the same binaries with both libraries ------------------------------------------------------------------------
# Those first that take longest.
in_order() {
    local p all long="t_waiters t_live_fuzz t_eight t_faults t_no_memory t_names t_heartbeat_answers t_closed"
    all=$(cat)
    for p in $long; do grep -x "$p" <<<"$all"; done
    # No line at all if there is none: `<<<` makes one of nothing.
    grep -vxF "${long// /$'\n'}" <<<"$all" | grep .
}
run_programs() { # LIBDIR NAME [GROUPS THAT ARE KNOWN TO FAIL]
    export LD_LIBRARY_PATH_OF_TEST=$1 SIDE=$2 TESTS_C_MARK=1 TESTS_C_KNOWN=${3:-}
    { [ "$SIDE" = ours ] && printf '%s\n' $programs || able "$1"; } | in_order >"$WORK/able"
    # Most of them wait most of the time: more than there are processors.
    xargs <"$WORK/able" -P"${TESTS_C_JOBS:-3}" -I{} bash -c \
        'LD_LIBRARY_PATH=$LD_LIBRARY_PATH_OF_TEST timeout -k 2 ${TESTS_C_PATIENCE:-400} "$WORK/bin/{}" >"$WORK/results/{}.$SIDE" 2>"$WORK/results/{}.$SIDE.err" </dev/null || true'
    # There may be none: where all of them are about what no other library has.
    find "$WORK/results" -name "*.$SIDE" -exec cat {} + | sort >"$WORK/$SIDE"
}
known() { # GROUP [MARK]: whether it is in the list; with this mark, if one is given
    grep -Eq "^${2:-[?]?}$1[[:space:]]" "$HERE/known-differences.txt"
}
messages() { # what a group wrote to stderr
    awk -v mark="## $1" '/^## /{on = $0 == mark; next} on' "$WORK/results/${1%%:*}.$2.err" | head -12
}
ours() {
    local ok=0 bad=0 group verdict why
    run_programs "$OURS" ours
    while read -r verdict group why; do
        if [ "$verdict" = ok ]; then
            ok=$((ok + 1))
        else
            bad=$((bad + 1))
            echo "FAIL $group (ours) $why"
            messages "$group" ours
        fi
    done <"$WORK/ours"
    [ -s "$WORK/ours" ] || { bad=$((bad + 1)); echo "FAIL no group was run"; }
    account "unit, ours" $ok $bad
}
unit() {
    local ok=0 bad=0 group verdict why expected p
    ours
    run_programs "$SYSTEM" system " $(sed -nE 's/^[?]?([a-z_0-9]+:[a-z_0-9]+)[[:space:]].*/\1/p' "$HERE/known-differences.txt" | tr '\n' ' ') "
    while read -r verdict group why; do
        if known "$group"; then
            if [ "$verdict" = ok ] && ! known "$group" '[?]'; then
                bad=$((bad + 1))
                echo "FAIL $group is in known-differences.txt but passes with the system's library"
            else
                ok=$((ok + 1))
                [ "$verdict" = ok ] || echo "known difference: $group"
            fi
        elif [ "$verdict" = ok ]; then
            ok=$((ok + 1))
        else
            bad=$((bad + 1))
            echo "FAIL $group (system) $why"
            messages "$group" system
        fi
    done <"$WORK/system"
    # A program that ended before all its groups had run says less than the other side.
    expected=$(while read -r p; do cat "$WORK/results/$p.ours"; done <"$WORK/able" | wc -l)
    if [ "$expected" != "$(wc -l <"$WORK/system")" ] || [ ! -s "$WORK/ours" ]; then
        bad=$((bad + 1))
        echo "FAIL not every group was run: $expected with ours, $(wc -l <"$WORK/system") with the system's"
    fi
    account "unit, system" $ok $bad
}

# ---- between processes ----------------------------------------------------------------------------------------------
between() { # PROGRAM NUMBER_OF_CASES
    local out=$WORK/$1 ok bad
    {
        timeout -k 2 150 "$WORK/bin/$1" "$OURS" "$SYSTEM" ours-system
        timeout -k 2 150 "$WORK/bin/$1" "$SYSTEM" "$OURS" system-ours
        timeout -k 2 150 "$WORK/bin/$1" "$OURS" "$OURS" ours-ours
    } >"$out" 2>&1
    grep -v '^ok' "$out"
    ok=$(grep -c '^ok' "$out")
    bad=$(grep -c '^FAIL' "$out")
    # Each with three combinations.
    [ $((ok + bad)) = $(($2 * 3)) ] || bad=$((bad + $2 * 3 - ok - bad))
    account "$1" "$ok" "$bad"
}

# The types that the system's library does not have, between processes with ours; with any other that has them, too.
drafts() { # NUMBER_OF_CASES
    local pairs=("$OURS $OURS") pair out=$WORK/interop_draft ok bad
    has_drafts "$SYSTEM" && pairs+=("$OURS $SYSTEM" "$SYSTEM $OURS")
    for pair in "${pairs[@]}"; do
        # shellcheck disable=SC2086
        timeout -k 2 150 "$WORK/bin/interop_draft" $pair "between"
    done >"$out" 2>&1
    grep -v '^ok' "$out"
    ok=$(grep -c '^ok' "$out")
    bad=$(($1 * ${#pairs[@]} - ok))
    account interop_draft "$ok" "$bad"
}

# The same at once, because most of the time is spent waiting: MEDDLE_ALL=1 for each byte, with what each cut has lost.
meddle() {
    local out=$WORK/meddle pair ok bad
    for pair in "$OURS $OURS ours-ours" "$OURS $SYSTEM ours-system" "$SYSTEM $OURS system-ours"; do
        # shellcheck disable=SC2086
        timeout -k 2 "${TESTS_C_PATIENCE:-150}" "$WORK/bin/meddle" $pair >"$out.${pair##* }" 2>&1 &
    done
    wait
    cat "$out".* >"$out"
    grep -v '^ok' "$out"
    ok=$(grep -c '^ok' "$out")
    bad=$(grep -c '^FAIL' "$out")
    [ $((ok + bad)) = $(($1 * 3)) ] || bad=$((bad + $1 * 3 - ok - bad))
    account meddle "$ok" "$bad"
}

# Runs a script whose last line is `N passed, N failed`.
script() { # NAME FILTER COMMAND...
    local name=$1 filter=$2 out=$WORK/$1.out ok bad
    shift 2
    timeout -k 5 "${SCRIPT_SECONDS:-300}" "$@" >"$out" 2>&1
    grep -aE "$filter" "$out"
    if read -r ok bad < <(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$out"); then
        account "$name" "$ok" "$bad"
    else
        tail -5 "$out"
        echo "FAIL $name did not finish"
        account "$name" 0 1
    fi
}

wants ours && ours
wants unit && unit
# 12 pairs of types, 2 transports, 2 binders; 8 pairs with 6 kinds of security, and 100 refusals.
wants interop && { between interop 48; between interop_security 292; }
# Over pgm, epgm and norm, where there are network namespaces.
wants interop && between interop_multicast 13
# 4 pairs, in clear and encrypted, either end binding, in a Kerberos realm of the program's own.
wants interop && if [ -x /usr/sbin/krb5kdc ] && [ -x /usr/sbin/kadmin.local ]; then
    between interop_gssapi 16
else
    echo "skipped: interop_gssapi: please install krb5-kdc and krb5-admin-server"
fi
# The same pairs over WebSocket.
wants interop && INTEROP_TRANSPORT=ws between interop 24
# 5 pairs of draft types, 3 transports, 2 binders; RADIO to DISH and DGRAM over udp.
wants interop && drafts 32
# 3 kinds of security, 2 floods, and peers that are killed, each over 2 transports.
wants meddle && meddle 14
# Half a minute on two cores; the same scripts each time, so that what fails is what was changed.
wants differential && script differential '^(FAIL|explained|seeds|    )' "$WORK/bin/differential" compare \
    "$OURS" "$SYSTEM" "$HERE/differential-explained.txt" "${SEED:-1}" "${COUNT:-2000}"
wants demo && script demo '^FAIL' "$HERE/demo.sh" "$PREFIX" "$SYSTEM_GIVEN"
# Where there is no other libzmq, the rest of the demo still runs, and says how to get one.
mkdir -p "$WORK/no-libzmq"
alone() {
    "$HERE/demo.sh" "$PREFIX" "$WORK/no-libzmq" >"$WORK/alone" 2>&1 && grep -q '^== left out: .*apt install' "$WORK/alone" \
        && grep -q '^ok demo:all-ours:' "$WORK/alone" && ! grep -q 'system' "$WORK/alone"
}
wants demo && if alone; then account "demo without libzmq" 1 0; else
    cat "$WORK/alone"
    account "demo without libzmq" 0 1
fi
wants foreign && script foreign '^(FAIL|skipped|    )|please install' "$HERE/foreign.sh" "$PREFIX" "$SYSTEM_GIVEN"
wants zws && script zws '^(FAIL|Traceback|[A-Za-z.]*Error)' "$HERE/zws.sh" "$OURS"
wants pyzmq && script pyzmq '^(FAIL|E  |fails with|pyzmq:)' "$HERE/pyzmq.sh" "$OURS" "$SYSTEM_GIVEN"

echo "$total_passed passed, $total_failed failed"
[ $total_failed = 0 ] && [ $total_passed -gt 0 ]
