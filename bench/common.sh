# What run.sh and instructions.sh share; $here is this directory.
# shellcheck shell=bash

# build_zbench PREFIX FILE: with the header and library that pkg-config finds below PREFIX, and
# without a run path, so that LD_LIBRARY_PATH chooses the library to measure.
build_zbench() {
    local flags
    flags=$(PKG_CONFIG_PATH="$1/lib/pkgconfig" pkg-config --cflags --libs libzmq)
    # shellcheck disable=SC2086 # a list of words
    ${CC:-cc} -O2 -Wall -Wextra -o "$2" "$here/zbench.c" $flags -lpthread
}

# The directory of the system's libzmq.so.5.
reference() {
    local file
    if [ -n "${BENCH_REFERENCE:-}" ]; then
        echo "$BENCH_REFERENCE"
        return
    fi
    file=$(dpkg-query -L libzmq5 2>/dev/null | grep -m 1 '/libzmq\.so\.5$') ||
        file=$(PATH=$PATH:/sbin ldconfig -p | awk '/libzmq\.so\.5 / { print $NF; exit }')
    if [ -z "$file" ]; then
        echo "bench: no libzmq.so.5 to compare with: install libzmq5 or set BENCH_REFERENCE" >&2
        return 1
    fi
    dirname "$file"
}
