#!/bin/bash
# The path of a message has not become longer: instructions per message against bench/limits.txt.
#   check-instructions.sh PREFIX     PREFIX holds our library as `make install` puts it there
# Instructions, unlike time, hardly depend on the machine and what else it does: a busy one makes the library flush more
# often, which adds to the path and never takes from it. So of up to six runs the least counts. Last line:
# `N passed, N failed`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || { sed -n 3p "$0"; exit 2; }
prefix=$(cd "$1" && pwd)
command -v valgrind >/dev/null || { echo "check-instructions: valgrind is not installed" >&2; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
# shellcheck disable=SC2046 # lists of words
cc -O2 -Wall -Wextra $(pkg-config --cflags libzmq) "$here/path.c" -o "$scratch/path" $(pkg-config --libs libzmq)

# A question is waited for, so it takes longer than a message of a burst, and needs fewer.
batches_of() { [ "$1" = req-rep ] && echo 50 || echo 200; }

passed=0
failed=0
cd "$scratch"
while read -r sockets endpoint function limit _; do
    [[ "$sockets" == \#* || -z "$sockets" ]] && continue
    each=0
    batches=$(batches_of "$sockets")
    for _ in 1 2 3 4 5 6; do
        rm -f count.*
        if ! LD_LIBRARY_PATH=$prefix/lib timeout 60 valgrind --quiet --tool=callgrind --toggle-collect="$function" \
            --callgrind-out-file=count.%p ./path "$sockets" "$endpoint" "$function" 64 "$batches" 2>said; then
            sed 's/^/    /' said
            each=0
            break
        fi
        counted=$(awk -v n=$((batches * 100)) '/^totals:/ { sum += $2 } END { printf "%.0f", sum / n }' count.*)
        [ "$each" -gt 0 ] && [ "$each" -le "$counted" ] || each=$counted
        [ "$each" -gt "$limit" ] || break
    done
    if [ "$each" -gt 0 ] && [ "$each" -le "$limit" ]; then
        passed=$((passed + 1))
        verdict=ok
    else
        failed=$((failed + 1))
        verdict=FAIL
    fi
    echo "$verdict   $sockets $endpoint $function: $each instructions, at most $limit"
done <"$here/limits.txt"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
