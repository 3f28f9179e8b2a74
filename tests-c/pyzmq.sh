#!/bin/bash
# Debian's python3-zmq, whose tests exercise libzmq through a binding everybody uses, against the library in LIBDIR.
#   usage: pyzmq.sh LIBDIR [SYSTEM_LIBDIR]
# A test that fails is run again with the system's library: if it fails there too, it is reported but not held against us.
# What is left out, and why: pyzmq-deselected.txt.
LIBDIR=$(cd "${1:?usage: pyzmq.sh LIBDIR [SYSTEM_LIBDIR]}" && pwd) || exit 2
SYSTEM=${2:-/usr/lib/$(uname -m)-linux-gnu}
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/lib.sh"
make_work
[ "$LIBDIR" = /usr/lib/x86_64-linux-gnu ] && LIBDIR=$(only_libzmq "$LIBDIR")
SYSTEM=$(only_libzmq "$SYSTEM") || exit 2
PYTHON=/usr/bin/python3
TESTS=$($PYTHON -c 'import os, zmq; print(os.path.join(os.path.dirname(zmq.__file__), "tests"))') || exit 2
export LIBDIR WORK PYTHON TESTS PYTHONDONTWRITEBYTECODE=1
mkdir -p "$WORK/logs"

left_out() { sed -n 's/^\(test_[a-z0-9_]*\.py\)[[:space:]].*/\1/p' "$HERE/pyzmq-deselected.txt"; }
unwanted=$(sed -n 's/^test_[a-z0-9_]*\.py::\([^[:space:]]*\).*/not \1/p' "$HERE/pyzmq-deselected.txt" | paste -sd' ' | sed 's/ not / and not /g')
export unwanted

# One file per process, so that a crash or a hang costs that file only.
run_file() { # FILE LIBDIR LOG [-k EXPRESSION]
    cd "$WORK" || exit 1
    LD_LIBRARY_PATH=$2 timeout -k 2 90 "$PYTHON" -m pytest -v -p no:cacheprovider --rootdir="$WORK" --tb=short \
        -o faulthandler_timeout=45 -k "$unwanted" "$TESTS/$1" >"$3" 2>&1 </dev/null
    local rc=$?
    # 5: everything in the file was left out.
    [ $rc -le 1 ] || [ $rc = 5 ] || echo "FAIL pyzmq:$1 pytest ended with $rc"
}
export -f run_file
outcome() { # LOG OUTCOMES: the tests with that outcome, as FILE::NAME
    grep -aE "::.* ($2)" "$1" | grep -avE '^(FAILED|ERROR)' | sed -E "s/^.*(test_[a-z0-9_]+\.py::)/\1/; s/ ($2).*//" | sort -u
}

cd "$TESTS" || exit 2
for f in test_*.py; do left_out | grep -qx "$f" || echo "$f"; done |
    xargs -P2 -I{} bash -c 'run_file {} "$LIBDIR" "$WORK/logs/{}.log"' | tee "$WORK/crashed"

passed=0
failed=$(wc -l <"$WORK/crashed")
skipped=0
for log in "$WORK"/logs/*.log; do
    passed=$((passed + $(outcome "$log" "PASSED|XFAIL|XPASS" | wc -l)))
    skipped=$((skipped + $(outcome "$log" SKIPPED | wc -l)))
    mapfile -t bad < <(outcome "$log" "FAILED|ERROR")
    for t in "${bad[@]}"; do
        (cd "$WORK" && LD_LIBRARY_PATH=$SYSTEM timeout -k 2 60 "$PYTHON" -m pytest -q -p no:cacheprovider --rootdir="$WORK" "$TESTS/${t%%::*}::${t#*::}" >"$WORK/again" 2>&1 </dev/null)
        if grep -q ' passed' "$WORK/again" && ! grep -qE ' (failed|error)' "$WORK/again"; then
            echo "FAIL pyzmq:$t"
            grep -aE '^E  ' "$log" | head -5
            failed=$((failed + 1))
        else
            echo "fails with the system's library, too: pyzmq:$t"
        fi
    done
done
echo "pyzmq: $skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
