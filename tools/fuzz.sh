#!/bin/bash
# Fuzzes for longer than the tests do.   usage: fuzz.sh PREFIX
# Each target of src/fuzz: by our own driver, and by cargo-fuzz where that and a nightly toolchain are installed; and sockets of every
# type, with somebody in the middle (tests-c/t_live_fuzz.c, with the library installed at PREFIX).
# FUZZ_SECONDS (30) for each and FUZZ_SEED (the time of day) say how; FUZZ_TARGET names one target, FUZZ_INPUT (hexadecimal) its only input.
set -eu
prefix=$(cd "${1:?usage: fuzz.sh PREFIX}" && pwd)
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}
seconds=${FUZZ_SECONDS:-30}
export FUZZ_SEED=${FUZZ_SEED:-$(date +%s)} FUZZ_MILLIS=$((seconds * 1000))
echo "== our driver: FUZZ_SEED=$FUZZ_SEED, $seconds s for each target"
$CARGO test --profile checked --lib -- --nocapture fuzz::driver::whatever_comes
[ -z "${FUZZ_INPUT:-}" ] || exit 0

if [ -z "${FUZZ_TARGET:-}" ]; then
    echo "== sockets of every type: LIVE_FUZZ_SEED=$FUZZ_SEED, $seconds s for each mechanism and side"
    LIVE_FUZZ_SECONDS=$seconds LIVE_FUZZ_SEED=$FUZZ_SEED TESTS_C_PATIENCE=$((seconds * 6 + 400)) TESTS_C_ONLY=ours TESTS_C_PROGRAMS=t_live_fuzz tests-c/run.sh "$prefix"
fi

if ! $CARGO fuzz --version >/dev/null 2>&1; then
    echo "== cargo-fuzz is not installed (cargo install cargo-fuzz): what it would find with coverage is left out"
    exit 0
fi
if ! $CARGO +nightly --version >/dev/null 2>&1; then
    echo "== cargo-fuzz needs a nightly toolchain (rustup toolchain install nightly): what it would find with coverage is left out"
    exit 0
fi
corpus=$PWD/target/fuzz-corpus
FUZZ_CORPUS=$corpus $CARGO test --profile checked --lib -- fuzz::driver::corpora
for target in $(sed -n '/^\[\[bin\]\]/,$s/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml); do
    [ "${FUZZ_TARGET:-$target}" = "$target" ] || continue
    echo "== cargo-fuzz: $target"
    $CARGO +nightly fuzz run --target-dir target/cargo-fuzz "$target" "$corpus/$target" -- \
        -max_total_time="$seconds" -max_len=20000 -print_final_stats=0 -verbosity=0
done
