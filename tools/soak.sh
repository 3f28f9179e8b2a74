#!/bin/bash
# Everything comes and goes for SOAK_SECONDS (3600), and nothing may be left of it.   usage: soak.sh PREFIX
# One process churns (tests-c/soak.c) with the library installed at PREFIX. Beside it, in rounds until its time is over, run the tests that
# draw at random, from other seeds each time: failing system calls and mallocs, resources that run out, somebody in the middle,
# eight threads, ends at any moment. A round that fails says its seed, which makes the same test draw the same again.
# SOAK_SEED (the time of day) chooses all of them. Last line: `N passed, N failed`.
PREFIX=$(cd "${1:?usage: soak.sh PREFIX}" && pwd) || exit 2
HERE=$(cd "$(dirname "$0")/../tests-c" && pwd)
. "$HERE/lib.sh"
make_work
LIBDIR=$(libdir_of "$PREFIX") || exit 2
CFLAGS=$(PKG_CONFIG_PATH="$PREFIX/lib/pkgconfig" pkg-config --cflags libzmq) || exit 2
SOAK_SECONDS=${SOAK_SECONDS:-3600}
SOAK_SEED=${SOAK_SEED:-$(($(date +%s) % 1000000))}
export SOAK_SECONDS SOAK_SEED LD_LIBRARY_PATH=$LIBDIR SIDE=ours
drawing="t_faults t_shortage t_no_memory t_live_fuzz t_eight t_termination"
for p in soak $drawing; do
    # shellcheck disable=SC2086
    cc -std=gnu11 -w -O1 -g $CFLAGS "$HERE/$p.c" -o "$WORK/$p" -L"$LIBDIR" -lzmq -lpthread || { echo "FAIL $p does not build"; exit 1; }
done
echo "== SOAK_SEED=$SOAK_SEED, $SOAK_SECONDS s"
"$WORK/soak" >"$WORK/churn" 2>&1 &
churn=$!
# What it says, as it says it.
tail -f --pid=$churn "$WORK/churn" &
passed=0
failed=0
end=$((SECONDS + SOAK_SECONDS))
for ((round = 0; SECONDS < end; round++)); do
    seed=$((SOAK_SEED + round))
    export FAULTS_SEED=$seed LIVE_FUZZ_SEED=$seed EIGHT_SEED=$seed TERMINATION_SEED=$seed TERMINATIONS=20
    for p in $drawing; do
        [ $SECONDS -lt $end ] || break
        timeout -k 5 1200 "$WORK/$p" >"$WORK/out" 2>"$WORK/err" </dev/null
        passed=$((passed + $(grep -c '^ok' "$WORK/out")))
        bad=$(grep -c '^FAIL' "$WORK/out")
        failed=$((failed + bad))
        if [ "$bad" != 0 ]; then
            echo "FAIL with the seed $seed:"
            grep '^FAIL' "$WORK/out"
            grep -v '^ok' "$WORK/err" | tail -30
        fi
    done
done
wait $churn
code=$?
echo "== $round rounds of the tests that draw"
[ $code = 0 ] || grep -q '^FAIL' "$WORK/churn" || { failed=$((failed + 1)); echo "FAIL the churn ended with $code"; tail -3 "$WORK/churn"; }
echo "$((passed + $(grep -c '^ok' "$WORK/churn"))) passed, $((failed + $(grep -c '^FAIL' "$WORK/churn"))) failed"
[ $failed = 0 ] && [ $code = 0 ]
