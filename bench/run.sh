#!/bin/bash
# Builds zbench against an installed prefix and measures: see bench/README.md.
#   run.sh PREFIX OUT     PREFIX holds our library as `make install` puts it there; OUT gets the results.
# BENCH_ROUNDS, BENCH_QUICK=1, BENCH_FILTER, BENCH_TIMEOUT, BENCH_REFERENCE (a directory with the
# libzmq.so.5 to compare with; the system's by default).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 2 ] || { sed -n 2,5p "$0"; exit 2; }
mkdir -p "$2"
prefix=$(cd "$1" && pwd)
out=$(cd "$2" && pwd)

# shellcheck source=bench/common.sh
. "$here/common.sh"
build_zbench "$prefix" "$out/zbench"
exec python3 "$here/measure.py" --zbench "$out/zbench" --ours "$prefix/lib" --reference "$(reference)" --out "$out"
