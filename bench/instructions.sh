#!/bin/bash
# Instructions per message in user space, ours beside the system's libzmq, counted by valgrind's
# callgrind: figures that hardly depend on what else the machine does.
#   instructions.sh PREFIX OUT     as run.sh; BENCH_FILTER, BENCH_TIMEOUT, BENCH_REFERENCE as there
# Each case runs with two counts of messages; the difference of the instructions divided by the
# difference of the counts leaves out start and end. "near" is the side that receives (thr) or asks
# (lat), "far" the one that sends or answers, each with its I/O threads; for inproc, with one process,
# "near" is its main thread and "far" all others.
# Callgrind runs one thread at a time and makes all code slow but none of the kernel's: libraries that
# batch what comes fast batch differently there. Compare what a change does, not two designs to the
# percent.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 2 ] || { sed -n 2,4p "$0"; exit 2; }
command -v valgrind >/dev/null || { echo "instructions: valgrind is not installed" >&2; exit 1; }
mkdir -p "$2"
prefix=$(cd "$1" && pwd)
out=$(cd "$2" && pwd)
limit=${BENCH_TIMEOUT:-120}

# shellcheck source=bench/common.sh
. "$here/common.sh"
build_zbench "$prefix" "$out/zbench"
theirs=$(reference)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch

# The sum of the instructions in these files of callgrind.
instructions_in() {
    awk '/^summary:/ { sum += $2 } END { printf "%.0f", sum }' "$@"
}

# count DIR MODE ENDPOINT SIZE MESSAGES: prints the instructions of the near and of the far side.
count() {
    local dir=$1 near threads=no
    shift
    rm -f "$scratch"/*
    [ "$2" != inproc ] || threads=yes
    # The shell becomes valgrind, so this is the number of the near process. `timeout` ends both
    # processes, as they are in its group.
    # shellcheck disable=SC2016 # expanded by the inner shell
    LD_LIBRARY_PATH=$dir timeout -k 2 "$limit" sh -c 'echo $$ >"$TMPDIR/near"; exec "$@"' sh \
        valgrind --quiet --tool=callgrind --separate-threads=$threads \
        --callgrind-out-file="$scratch/callgrind.%p" "$out/zbench" "$@" \
        </dev/null >"$scratch/said" 2>&1 || return 1
    near=callgrind.$(cat "$scratch/near")
    [ $threads = no ] || near=$near-01
    # shellcheck disable=SC2046 # names without spaces
    echo "$(instructions_in "$scratch/$near")" \
        "$(cd "$scratch" && instructions_in $(ls callgrind.* | grep -vx "$near"))"
}

# per_message DIR MODE ENDPOINT SIZE FEW MANY: prints "near far".
per_message() {
    local few many
    few=$(count "$1" "$2" "$3" "$4" "$5") || return 1
    many=$(count "$1" "$2" "$3" "$4" "$6") || return 1
    echo "$few $many" | awk -v n=$(($6 - $5)) '{ printf "%.0f %.0f\n", ($3 - $1) / n, ($4 - $2) / n }'
}

failed=0
echo "user-space instructions per message (thr) or round trip (lat), by callgrind"
printf '%-18s %12s %12s %14s %14s %8s\n' case 'ours near' 'ours far' 'libzmq near' 'libzmq far' better
while read -r mode endpoint size few many; do
    [[ "$mode $endpoint $size" =~ ${BENCH_FILTER:-} ]] || continue
    ours=$(per_message "$prefix/lib" "$mode" "$endpoint" "$size" "$few" "$many") || ours="FAILED FAILED"
    libzmq=$(per_message "$theirs" "$mode" "$endpoint" "$size" "$few" "$many") || libzmq="FAILED FAILED"
    [ "$ours" != "FAILED FAILED" ] || failed=1
    better=$(echo "$ours $libzmq" | awk '$1 > 0 && $1 + $2 > 0 && $3 > 0 { printf "%.2fx", ($3 + $4) / ($1 + $2) }')
    # shellcheck disable=SC2086 # two words each
    printf '%-18s %12s %12s %14s %14s %8s\n' "$mode $endpoint $size" $ours $libzmq "$better"
done <<'T'
thr tcp 64 20000 60000
thr tcp 1024 20000 60000
thr inproc 64 20000 60000
thr inproc 1024 20000 60000
lat tcp 64 1000 3000
lat inproc 64 1000 3000
T
exit $failed
