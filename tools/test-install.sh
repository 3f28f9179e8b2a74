#!/bin/bash
# Installs to an empty prefix and uses the result as other projects do: a C program through
# pkg-config, shared and static, a C++ program through CMake. Then uninstalls and looks for leftovers.
# Runs after `make build`; prints one line per check and ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# check NAME COMMAND...: runs the command, shows its output if it fails.
check() {
    local name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok   $name"
        passed=$((passed + 1))
    else
        echo "FAIL $name"
        sed 's/^/     /' "$work/output"
        failed=$((failed + 1))
    fi
}

# A context and a message make sure that both ends of the library are linked.
cat >"$work/program.c" <<'EOF'
#include <zmq.h>
#include <string.h>
int main (void)
{
    int major, minor, patch;
    char text[11];
    zmq_msg_t msg;
    zmq_version (&major, &minor, &patch);
    printf ("%d.%d.%d\n", major, minor, patch);
    if (ZMQ_MAKE_VERSION (major, minor, patch) != ZMQ_VERSION)
        return 1;
    if (zmq_msg_init_size (&msg, 1000) != 0 || zmq_msg_close (&msg) != 0)
        return 2;
    zmq_z85_encode (text, (const uint8_t *) "\x86\x4F\xD2\x6F\xB5\x59\xF7\x5B", 8);
    return strcmp (text, "HelloWorld") ? 3 : 0;
}
EOF
cp "$work/program.c" "$work/program.cpp"

# make_for PREFIX LIBDIR TARGET: runs the Makefile with only these directories.
make_for() {
    env -u MAKEFLAGS -u DESTDIR make --no-print-directory "$3" PREFIX="$1" LIBDIR="$2" \
        INCLUDEDIR="$1/include" PKGCONFIGDIR="$2/pkgconfig" DESTDIR="${4-}"
}

installed_files() {
    local dir=$1
    for file in libzmq.so libzmq.so.5 libzmq.so.5.2.6 .debug/libzmq.so.5.2.6.debug libzmq.a pkgconfig/libzmq.pc \
        cmake/ZeroMQ/ZeroMQConfig.cmake cmake/ZeroMQ/ZeroMQConfigVersion.cmake; do
        [ -f "$dir/$file" ] || { echo "no $dir/$file"; return 1; }
    done
}

pc() {
    PKG_CONFIG_PATH="$libdir/pkgconfig" pkg-config "$@"
}

c_shared() {
    # shellcheck disable=SC2046 # lists of flags
    cc $(pc --cflags libzmq) "$work/program.c" -o "$work/shared" $(pc --libs libzmq) || return
    [ "$(LD_LIBRARY_PATH="$libdir" "$work/shared")" = "$(pc --modversion libzmq)" ] || return
    LD_LIBRARY_PATH="$libdir" ldd "$work/shared" | grep -q "libzmq.so.5 => $libdir/libzmq.so.5 "
}

# With nothing shared at all.
c_static() {
    # shellcheck disable=SC2046
    cc -static $(pc --static --cflags libzmq) "$work/program.c" -o "$work/static" \
        $(pc --static --libs libzmq) || return
    "$work/static"
}

# A second C library would come with what is loaded at run time.
c_static_loads_nothing() {
    cat >"$work/loads.c" <<'EOF'
#include <errno.h>
#include <zmq.h>
int main (void)
{
    void *s = zmq_socket (zmq_ctx_new (), ZMQ_SUB);
    return zmq_has ("pgm") || zmq_connect (s, "epgm://127.0.0.1;239.192.1.1:5555") != -1 || zmq_errno () != EPROTONOSUPPORT;
}
EOF
    # shellcheck disable=SC2046
    cc -static $(pc --static --cflags libzmq) "$work/loads.c" -o "$work/loads" $(pc --static --libs libzmq) || return
    "$work/loads"
}

# With our archive and the system's shared libc.
c_archive() {
    # shellcheck disable=SC2046
    cc $(pc --cflags libzmq) "$work/program.c" -o "$work/archive" \
        $(pc --static --libs libzmq | sed 's/-lzmq/-l:libzmq.a/') || return
    "$work/archive" || return
    if ldd "$work/archive" | grep -q libzmq; then
        echo "linked to the shared library"
        return 1
    fi
}

cpp_cmake() {
    local source=$work/cmake-source build=$work/cmake-build
    rm -rf "$source" "$build"
    mkdir "$source"
    cp "$work/program.cpp" "$source"
    cat >"$source/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.10)
project(uses_zeromq CXX)
find_package(ZeroMQ 4.3 REQUIRED CONFIG)
foreach(kind libzmq libzmq-static ${ZeroMQ_LIBRARY} ${ZeroMQ_STATIC_LIBRARY})
  if(NOT TARGET ${kind})
    message(FATAL_ERROR "no target ${kind}")
  endif()
endforeach()
if(NOT EXISTS "${ZeroMQ_INCLUDE_DIR}/zmq.h")
  message(FATAL_ERROR "ZeroMQ_INCLUDE_DIR is ${ZeroMQ_INCLUDE_DIR}")
endif()
add_executable(shared program.cpp)
target_link_libraries(shared libzmq)
add_executable(static program.cpp)
target_link_libraries(static libzmq-static)
EOF
    cmake -S "$source" -B "$build" -DCMAKE_PREFIX_PATH="$prefix" &&
        grep -q "ZeroMQ_DIR:PATH=$libdir/cmake/ZeroMQ" "$build/CMakeCache.txt" &&
        cmake --build "$build" && "$build/shared" && "$build/static" &&
        ldd "$build/shared" | grep -q "$libdir/libzmq.so.5" &&
        ! ldd "$build/static" | grep -q libzmq
}

# A version from the future must not be found, an older one must.
cmake_version() {
    local wanted=$1 source=$work/version
    rm -rf "$source"
    mkdir "$source"
    printf '%s\n' 'cmake_minimum_required(VERSION 3.10)' 'project(v C)' \
        "find_package(ZeroMQ $wanted REQUIRED CONFIG)" >"$source/CMakeLists.txt"
    cmake -S "$source" -B "$source/build" -DCMAKE_PREFIX_PATH="$prefix"
}

# The release build, as tests/abi.rs checks the other one.
release_symbols() {
    nm -D --defined-only --format=posix "$libdir/libzmq.so" | cut -d' ' -f1 | LC_ALL=C sort |
        diff tests/abi/symbols.txt -
}

release_dynamic() {
    readelf -W -d "$libdir/libzmq.so" >"$work/dynamic"
    grep -q 'SONAME.*\[libzmq.so.5\]' "$work/dynamic" || return
    if grep NEEDED "$work/dynamic" | grep -vE '\[(libc|libgcc_s|ld-linux[^]]*)\.so'; then
        return 1
    fi
}

# at_most BYTES FILE
at_most() {
    local size
    size=$(stat -c %s "$2") && [ "$size" -le "$1" ] || { echo "$2: $size bytes, at most $1"; return 1; }
}

# The largest is a sixth and a tenth of what was built.
sizes() {
    at_most 3800000 "$libdir/libzmq.so.5.2.6" && at_most 7500000 "$libdir/libzmq.a"
}

# Source lines come from the file of their own, where gdb looks for it by itself.
debug_file() {
    readelf -W -S "$libdir/libzmq.so" | grep -q '\.gnu_debuglink' || { echo "no link"; return 1; }
    readelf -W -S "$libdir/libzmq.so" | grep -E '\.(debug_|symtab)' && return 1
    readelf -W -S "$libdir/.debug/libzmq.so.5.2.6.debug" | grep -q '\.debug_line' || { echo "no lines"; return 1; }
    if command -v gdb >/dev/null; then
        gdb -batch -nx -ex 'info line zmq_z85_encode' "$libdir/libzmq.so" | grep '^Line [0-9]* of "src/capi/'
    fi
}

archive_symbols() {
    nm --defined-only --extern-only --format=posix "$libdir/libzmq.a" | sed '/:$/d' | cut -d' ' -f1 | LC_ALL=C sort |
        diff tests/abi/symbols.txt -
}

no_paths_of_this_machine() {
    local file
    objcopy --decompress-debug-sections "$libdir/.debug/libzmq.so.5.2.6.debug" "$work/debug" || return
    for file in "$work/debug" "$libdir/libzmq.so" "$libdir/libzmq.a"; do
        if strings -a "$file" | grep -F -e "$PWD" -e "${HOME%/}/" -e "$(rustc --print sysroot)" | head -5 | grep .; then
            return 1
        fi
    done
}

# Beside another library in Rust, with every object of both, and with exceptions of C++: nothing of ours is taken for
# theirs. Both libraries unwind.
c_archive_beside_rust() {
    cat >"$work/other.rs" <<'EOF'
#[unsafe(no_mangle)]
pub extern "C" fn other(number: i32) -> i32 {
    std::panic::set_hook(Box::new(|_| ()));
    std::panic::catch_unwind(|| if number > 0 { panic!("{number}") } else { 0 }).map_or(number, |n| n)
}
EOF
    cat >"$work/both.cpp" <<'EOF'
#include <zmq.h>
#include <stdexcept>
extern "C" int other (int number);
int main ()
{
    int got = 0;
    try {
        throw std::runtime_error ("for the test");
    } catch (const std::exception &) {
        got = 1;
    }
    void *context = zmq_ctx_new (), *socket = zmq_socket (context, ZMQ_PAIR);
    if (zmq_bind (socket, "inproc://here") != 0 || zmq_close (socket) != 0 || zmq_ctx_term (context) != 0)
        return 1;
    return got == 1 && other (7) == 7 ? 0 : 2;
}
EOF
    rustc --edition 2024 -O --crate-type staticlib -o "$work/libother.a" "$work/other.rs" || return
    # shellcheck disable=SC2046
    c++ $(pc --cflags libzmq) "$work/both.cpp" -o "$work/both" -Wl,--whole-archive "$work/libother.a" \
        $(pc --static --libs libzmq | sed 's/-lzmq/-l:libzmq.a -Wl,--no-whole-archive/') || return
    "$work/both"
}

# A machine without objcopy gets the libraries as they were built.
without_objcopy() {
    OBJCOPY=no-such-program tools/pack.sh "${CARGO_TARGET_DIR:-target}/release" "$work/as-built" libzmq.so.5.2.6 |
        grep -q no-such-program || return
    [ -f "$work/as-built/libzmq.so.5.2.6" ] && [ -f "$work/as-built/libzmq.a" ]
}

not() {
    ! "$@"
}

nothing_left() {
    local left
    left=$(find "$1" ! -type d)
    [ -z "$left" ] || { echo "$left"; return 1; }
}

for layout in lib lib/x86_64-linux-gnu; do
    prefix=$work/prefix-${layout##*/}
    libdir=$prefix/$layout
    check "$layout: install" make_for "$prefix" "$libdir" install
    check "$layout: files" installed_files "$libdir"
    check "$layout: exported symbols" release_symbols
    check "$layout: soname and needed libraries" release_dynamic
    check "$layout: sizes" sizes
    check "$layout: debug information in a file of its own" debug_file
    check "$layout: global symbols of the archive" archive_symbols
    check "$layout: no path of this machine" no_paths_of_this_machine
    check "$layout: C, shared, through pkg-config" c_shared
    check "$layout: C, all static, through pkg-config" c_static
    check "$layout: C, all static, nothing loaded at run time" c_static_loads_nothing
    check "$layout: C, our archive, through pkg-config" c_archive
    check "$layout: C++, our archive beside another of Rust" c_archive_beside_rust
    check "$layout: C++ through find_package" cpp_cmake
    check "$layout: uninstall" make_for "$prefix" "$libdir" uninstall
    check "$layout: nothing is left" nothing_left "$prefix"
done

prefix=$work/versions
libdir=$prefix/lib
check "install again" make_for "$prefix" "$libdir" install
check "find_package of an older version" cmake_version 4.2
check "find_package of this version" cmake_version "4.3.6 EXACT"
check "find_package of a newer version fails" not cmake_version 4.4
check "find_package of another major version fails" not cmake_version 3.2

check "install below DESTDIR" make_for /opt/zmq /opt/zmq/lib install "$work/destdir"
check "files below DESTDIR" installed_files "$work/destdir/opt/zmq/lib"
check "DESTDIR is not in libzmq.pc" not grep -q destdir "$work/destdir/opt/zmq/lib/pkgconfig/libzmq.pc"
check "uninstall below DESTDIR" make_for /opt/zmq /opt/zmq/lib uninstall "$work/destdir"
check "nothing is left below DESTDIR" nothing_left "$work/destdir"

check "without objcopy" without_objcopy

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
