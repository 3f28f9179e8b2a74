#!/bin/sh
# Takes one mend after another out of a copy of the library: each time a seed of the made-up world must fail.
#
#   run.sh BUILD_DIR [PATCH...]
#
# Each patch says by which scenario, and by how many of its seeds, it is found.
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=$(mkdir -p "$1" && cd "$1" && pwd) || exit 2
shift
[ $# -gt 0 ] || set -- "$here"/*.patch
failed=0
for patch in "$@"; do
    name=$(basename "$patch" .patch)
    copy=$build/copy
    rm -rf "$copy" && mkdir -p "$copy" || exit 2
    (cd "$root" && cp -rp src tests benches build.rs Cargo.toml Cargo.lock "$copy") || exit 2
    if ! patch -s -p1 -d "$copy" <"$patch"; then
        echo "FAIL $name: cannot be applied"
        failed=$((failed + 1))
        continue
    fi
    touch "$copy/src/lib.rs"
    if ! (cd "$copy" && RUSTFLAGS="${RUSTFLAGS:-} --cfg sim" "${CARGO:-cargo}" build --quiet --profile sim --test sim \
        --target-dir "$build/target" --message-format short 2>"$build/log"); then
        tail -n 5 "$build/log"
        echo "FAIL $name: cannot be built"
        failed=$((failed + 1))
        continue
    fi
    program=$(ls -t "$build"/target/sim/deps/sim-* | grep -v '\.d$' | head -n 1)
    set_of=$(sed -n 's/^Scenario: //p' "$patch")
    unset SEED KEEP_GOING TWICE FIRST
    out=$(SCENARIO=${set_of% *} SEEDS=${set_of#* } timeout 900 "$program" 2>&1)
    if [ $? -eq 1 ]; then
        echo "ok   $name: $(echo "$out" | grep '^seed ' | head -n 1); $(echo "$out" | grep -E '^after|^panicked' -A1 | head -n 2 | tr '\n' ' ')"
    else
        echo "FAIL $name: not found by $set_of seeds: $(echo "$out" | tail -n 1)"
        failed=$((failed + 1))
    fi
done
rm -rf "$build/copy"
exit "$failed"
