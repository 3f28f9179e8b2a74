#!/bin/bash
# Builds zbench against an installed prefix and measures: see bench/README.md.
#   run.sh PREFIX OUT [growth]   PREFIX holds our library as `make install` puts it there; OUT gets the
#                                results. What is measured: cases.py, or growth.py.
# BENCH_ROUNDS, BENCH_QUICK=1, BENCH_BUSY=1, BENCH_FILTER, BENCH_TIMEOUT, BENCH_REFERENCE (a directory
# with the libzmq.so.5 to compare with; the system's by default), BENCH_REFERENCE_NAME.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
case $#-${3:-} in
    2-) script=measure.py ;;
    3-growth) script=growth.py ;;
    *) sed -n 2,6p "$0"; exit 2 ;;
esac
mkdir -p "$2"
prefix=$(cd "$1" && pwd)
out=$(cd "$2" && pwd)

# shellcheck source=bench/common.sh
. "$here/common.sh"
build_zbench "$prefix" "$out/zbench"
exec python3 "$here/$script" --zbench "$out/zbench" --ours "$prefix/lib" --reference "$(reference)" --out "$out"
