#!/bin/bash
# What `make install` installs, from what cargo has built.   usage: pack.sh BUILT OUT NAME
#   OUT/NAME         BUILT/libzmq.so without symbols but the exported ones
#   OUT/NAME.debug   what was taken out of it; NAME names this file, so that gdb, perf and valgrind find it
#   OUT/libzmq.a     BUILT/libzmq.a as one object in which nothing is global but zmq_*: a program may have another version
#                    of Rust's runtime, or of anything else in it, beside it
# The tools are those of binutils; OBJCOPY, LD, AR name others. Without objcopy, or with a linker that cannot do it, the files stay
# as they were built, which works as well and is several times larger.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 3 ] || { sed -n 2p "$0"; exit 2; }
mkdir -p "$2"
built=$(cd "$1" && pwd)
out=$(cd "$2" && pwd)
name=$3
OBJCOPY=${OBJCOPY:-objcopy}
LD=${LD:-ld}
AR=${AR:-ar}
scratch=$(mktemp -d "$out/pack.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

as_built() { # WHY
    echo "pack.sh: $1: the libraries stay as they were built, with all their symbols"
    cp "$built/libzmq.so" "$scratch/$name"
    cp "$built/libzmq.a" "$scratch/libzmq.a"
    rm -f "$out/$name.debug"
    mv "$scratch/$name" "$scratch/libzmq.a" "$out"
    exit 0
}

command -v "$OBJCOPY" >/dev/null || as_built "no $OBJCOPY"

"$OBJCOPY" --only-keep-debug --compress-debug-sections "$built/libzmq.so" "$scratch/$name.debug"
chmod 644 "$scratch/$name.debug"
(cd "$scratch" && "$OBJCOPY" --strip-unneeded --add-gnu-debuglink="$name.debug" "$built/libzmq.so" "$name")

# What no exported function needs is left out. Groups are what linkers throw away the second copy of by its name: with
# that name no longer global, the first copy may be another's, to which ours cannot refer.
mapfile -t exported <"$here/../tests/abi/symbols.txt"
"$LD" -r --gc-sections --force-group-allocation "${exported[@]/#/--undefined=}" -o "$scratch/all.o" \
    --whole-archive "$built/libzmq.a" 2>"$scratch/said" || as_built "$LD: $(head -1 "$scratch/said")"
# The sections hold the code once more, for compilers that optimise while linking.
"$OBJCOPY" --wildcard --keep-global-symbol='zmq_*' --strip-unneeded \
    --remove-section=.llvmbc --remove-section=.llvmcmd "$scratch/all.o" "$scratch/zmq.o"
(cd "$scratch" && "$AR" rcs libzmq.a zmq.o)

mv "$scratch/$name" "$scratch/$name.debug" "$scratch/libzmq.a" "$out"
