#!/bin/bash
# The C programs under a tool that watches memory or threads, or on another processor.   usage: sanitized.sh KIND PREFIX BUILD
#
# KIND is asan (AddressSanitizer with LeakSanitizer), tsan (ThreadSanitizer), valgrind (memcheck), or aarch64; PREFIX the installed library,
# BUILD cargo's directory, below which the sanitizers have a library of their own, built with what they add and with debug assertions.
# Both sanitizers are those of the Rust toolchain in use: its compiler knows them (RUSTC_BOOTSTRAP=1 lets a stable one say so), and its
# runtime is linked into the programs, whose C is instrumented by gcc. Rust's standard library stays as it was delivered, so what
# ThreadSanitizer cannot see there is in sanitized-tsan.txt, and what others lose in sanitized-asan.txt. valgrind has the library as it is installed. Its helgrind and drd are of
# no use here: locks that are futexes and atomics mean nothing to them, and every message would be a race; that is what tsan is for.
# aarch64 is built with Debian's cross compiler and run by qemu's emulator of programs, which shows that instructions, layouts and
# numbers of system calls are right, not what a weaker order of memory does: for that there are the models of loom.
#
# What is left out, and why, is in sanitized-left-out.txt.
# TESTS_C_PROGRAMS="t_eight t_poll" selects programs; JOBS (2) run at the same time. Last line: `N passed, N failed`.
# Exit code: 0 nothing found, 1 something found, 77 the tool cannot be had here, and it has said what is missing.
KIND=${1:?usage: sanitized.sh asan|tsan|valgrind|aarch64 PREFIX BUILD}
PREFIX=$(cd "${2:?usage: sanitized.sh KIND PREFIX BUILD}" && pwd) || exit 2
BUILD=$(cd "${3:?usage: sanitized.sh KIND PREFIX BUILD}" && pwd) || exit 2
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/lib.sh"
make_work
missing() {
    echo "$KIND cannot be had here: $1"
    exit 77
}
CARGO=${CARGO:-cargo}
CFLAGS=$(PKG_CONFIG_PATH="$PREFIX/lib/pkgconfig" pkg-config --cflags libzmq) || exit 2
LIBS="-lzmq -lpthread"
UNDER=
EMULATOR=
CC=cc
# Groups know how long they may take; here everything takes longer.
TESTS_C_SLOWER=6

runtime() { # NAME OF THE SANITIZER: the toolchain's library of it
    local file
    file=$(ls "$(rustc --print target-libdir)"/librustc*_rt."$1".a 2>/dev/null | head -1)
    [ -n "$file" ] || missing "this Rust toolchain has no runtime of it (librustc-*_rt.$1.a in $(rustc --print target-libdir))"
    printf 'int main(void){return 0;}\n' >"$WORK/try.c"
    cc "-fsanitize=$2" -c "$WORK/try.c" -o "$WORK/try.o" 2>"$WORK/said" || missing "the C compiler knows no -fsanitize=$2: $(head -1 "$WORK/said")"
    LINKED="-Wl,--whole-archive $file -Wl,--no-whole-archive -rdynamic"
    # shellcheck disable=SC2086
    cc "$WORK/try.o" -o "$WORK/try" $LINKED -lpthread -ldl -lm -lrt 2>"$WORK/said" && "$WORK/try" 2>"$WORK/said" \
        || missing "a program of nothing does not run with it: $(head -1 "$WORK/said")"
    CFLAGS="$CFLAGS -fsanitize=$2"
    LIBS="$LINKED $LIBS -ldl -lm -lrt"
}
library() { # RUSTFLAGS [TARGET]: builds ours with them
    local target=${2:-$(rustc -vV | sed -n 's/^host: //p')}
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="$1 -Cforce-frame-pointers=yes" $CARGO build --quiet --manifest-path "$HERE/../Cargo.toml" --target "$target" \
        --target-dir "$BUILD/$KIND" --lib --profile sanitized || { echo "FAIL the library does not build"; exit 1; }
    LIBDIR=$BUILD/$KIND/$target/sanitized
    ln -sf libzmq.so "$LIBDIR/libzmq.so.5"
}
case $KIND in
    asan)
        runtime asan address
        library -Zsanitizer=address
        # What a program asks for in vain is no error: it is told so. The rest is what is usual with either compiler.
        export ASAN_OPTIONS="allocator_may_return_null=1:detect_leaks=1:exitcode=99"
        export LSAN_OPTIONS="suppressions=$HERE/sanitized-asan.txt:print_suppressions=0"
        ;;
    tsan)
        runtime tsan thread
        library "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer"
        export TSAN_OPTIONS="suppressions=$HERE/sanitized-tsan.txt allocator_may_return_null=1 history_size=4 die_after_fork=0 exitcode=99"
        ;;
    valgrind)
        command -v valgrind >/dev/null || missing "valgrind is not installed (apt install valgrind)"
        LIBDIR=$(libdir_of "$PREFIX") || exit 2
        UNDER="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --fair-sched=try --num-callers=30"
        UNDER="$UNDER --suppressions=$HERE/sanitized-valgrind.txt"
        TESTS_C_SLOWER=20
        ;;
    aarch64)
        CC=aarch64-linux-gnu-gcc
        target=aarch64-unknown-linux-gnu
        command -v $CC >/dev/null || missing "no $CC (apt install gcc-aarch64-linux-gnu)"
        command -v qemu-aarch64 >/dev/null || missing "no qemu-aarch64 (apt install qemu-user)"
        [ -d "$(rustc --print target-libdir --target $target)" ] || missing "no Rust library for it (rustup target add $target)"
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$CC CC_aarch64_unknown_linux_gnu=$CC
        library "" $target
        EMULATOR="qemu-aarch64 -L /usr/aarch64-linux-gnu"
        UNDER=$EMULATOR
        ;;
    *) sed -n 2p "$0" && exit 2 ;;
esac

# Whether PROGRAM or PROGRAM:GROUP is in the list for this kind.
left_out() {
    awk -v kind="$KIND" -v what="$1" '!/^#/ && NF > 2 && $2 == what && index("," $1 ",", "," kind ",") { found = 1 } END { exit !found }' \
        "$HERE/sanitized-left-out.txt"
}
one() { # PROGRAM
    local group groups=() out=$WORK/results/$1 bin=$WORK/bin/$1 code
    left_out "$1" && return
    # shellcheck disable=SC2086
    $CC -std=gnu11 -O1 -g -w $CFLAGS -c "$HERE/$1.c" -o "$bin.o" && $CC "$bin.o" -o "$bin" -L"$LIBDIR" $LIBS || { echo "FAIL $1: does not build"; return; }
    for group in $(LD_LIBRARY_PATH=$LIBDIR $EMULATOR "$bin" -l); do
        left_out "$1:$group" || groups+=("$group")
    done
    [ ${#groups[@]} -gt 0 ] || return
    # shellcheck disable=SC2086
    LD_LIBRARY_PATH=$LIBDIR SIDE=ours TESTS_C_MARK=1 timeout -k 2 "${TESTS_C_PATIENCE:-1500}" $UNDER "$bin" "${groups[@]}" >"$out" 2>"$out.err" </dev/null
    code=$?
    [ "$(grep -cE '^(ok|FAIL) ' "$out")" = ${#groups[@]} ] || echo "FAIL $1: ended with $code before all groups had run" >>"$out"
    grep -E '^(ok|FAIL) ' "$out"
    # What was said of the groups that failed.
    for group in $(sed -n "s/^FAIL $1:\([^ ]*\).*/\1/p" "$out"); do
        awk -v mark="## $1:$group" '/^## /{on = $0 == mark; next} on' "$out.err" | grep -v '^--[0-9]*-- ' | head -"${LINES_SHOWN:-60}" | cut -c1-200 | sed 's/^/    /'
    done
}
export -f one left_out
export KIND WORK HERE CC CFLAGS LIBS LIBDIR UNDER EMULATOR TESTS_C_SLOWER
mkdir -p "$WORK/bin" "$WORK/results"
# shellcheck disable=SC2086
printf '%s\n' ${TESTS_C_PROGRAMS:-$(cd "$HERE" && ls t_*.c | sed 's/\.c$//')} \
    | xargs -P"${JOBS:-2}" -I{} bash -c 'one {} >"$WORK/said.{}"; cat "$WORK/said.{}"' | tee "$WORK/all" | grep -v '^ok '
passed=$(grep -c '^ok ' "$WORK/all")
failed=$(grep -c '^FAIL ' "$WORK/all")
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
