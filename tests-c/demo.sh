#!/bin/bash
# The programs of examples/, compiled against PREFIX and run: all ends ours, then, where the system has a libzmq, with that
# at the other end, in both roles.   usage: demo.sh PREFIX [SYSTEM_LIBDIR]
PREFIX=${1:?usage: demo.sh PREFIX [SYSTEM_LIBDIR]}
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/lib.sh"
SYSTEM_DIR=${2:-$(system_dir)}
make_work
OURS=$(libdir_of "$PREFIX") || exit 2
SYSTEM=$(only_libzmq "$SYSTEM_DIR" 2>/dev/null)

FLAGS=$(PKG_CONFIG_PATH="$PREFIX/lib/pkgconfig" pkg-config --cflags --libs libzmq) || exit 2
for source in "$HERE"/../examples/*.c "$HERE/freeports.c"; do
    # shellcheck disable=SC2086
    cc -O1 -o "$WORK/$(basename "$source" .c)" "$source" $FLAGS || exit 1
done

passed=0
failed=0
background=()

# Every program is bounded in time; those that run for ever are stopped when the demo is over. Descriptor 3 is what they read.
exec 3</dev/null
spawn() { # LIBDIR PROGRAM ARGS...
    local lib=$1 program=$2
    shift 2
    LD_LIBRARY_PATH=$lib timeout -k 1 20 "$WORK/$program" "$@" <&3 &
    background+=($!)
}
stop_all() {
    [ ${#background[@]} -gt 0 ] && kill "${background[@]}" 2>/dev/null
    wait "${background[@]}" 2>/dev/null
    background=()
}
trap 'stop_all; rm -rf "$WORK"' EXIT
# Waits for the last N programs that were spawned; all must succeed.
expect() {
    local pid all=0
    for pid in "${background[@]: -$1}"; do
        wait "$pid" || all=1
    done
    if [ $all = 0 ]; then
        passed=$((passed + 1))
        echo "ok demo:$label:$2"
    else
        failed=$((failed + 1))
        echo "FAIL demo:$label:$2"
    fi
    stop_all
}

hello_world() { # A: the server's library, B: the client's
    local where=$1
    spawn "$A" hwserver "@$where" 5
    spawn "$B" hwclient ">$where" 5
    expect 2 "hello-world-${where%%:*}"
}

weather() {
    local where=$1
    spawn "$A" wuserver "@$where"
    spawn "$B" wuclient ">$where" 10001 20
    spawn "$B" wuclient ">$where" 20002 20
    spawn "$B" wuclient ">$where" 100 20
    expect 3 "weather-${where%%:*}"
}

tasks() {
    local dir=$1
    spawn "$A" tasksink "@$dir-results" "@$dir-control" "@$dir-start" 3
    for _ in 1 2 3; do
        spawn "$B" taskwork ">$dir-tasks" ">$dir-results" ">$dir-control"
    done
    spawn "$A" taskvent "@$dir-tasks" ">$dir-start" 60 3
    expect 5 ventilator-workers-sink
}

queue() {
    spawn "$A" device queue "@$1" "@$2" 2
    spawn "$B" rrworker ">$2"
    spawn "$A" rrworker ">$2"
    spawn "$B" rrclient ">$1" anna 50
    spawn "$B" rrclient ">$1" bert 50
    spawn "$A" rrclient ">$1" carl 50
    expect 3 queue-device
}

forwarder() {
    spawn "$A" device forwarder "@$1" "@$2" 2
    spawn "$B" wuserver ">$1"
    spawn "$B" wuclient ">$2" 94105 20
    spawn "$A" wuclient ">$2" 10 20
    expect 2 forwarder-device
}

# A group of this run's own, on the loopback interface.
multicast() {
    local why group="epgm://127.0.0.1;239.192.$((RANDOM % 256)).$((RANDOM % 256)):$2"
    for lib in "$A" "$B"; do
        why=$(LD_LIBRARY_PATH=$lib timeout 10 "$WORK/forwarder" 2>&1 >/dev/null)
        if [ $? = 3 ]; then
            echo "== left out: $why"
            return
        fi
    done
    export PGM_MIN_LOG_LEVEL=ERROR
    spawn "$A" forwarder "@$1" ">$group" 400
    spawn "$B" wuserver ">$1"
    spawn "$B" wuclient ">$group" 94105 20
    spawn "$A" wuclient ">$group" 10 20
    expect 2 forwarder-from-tcp-to-multicast
}

streamer() {
    local dir=$3
    spawn "$A" device streamer "@$1" "@$2" 2
    spawn "$B" tasksink "@$dir-results" "@$dir-control" "@$dir-start" 2
    spawn "$B" taskwork ">$2" ">$dir-results" ">$dir-control"
    spawn "$A" taskwork ">$2" ">$dir-results" ">$dir-control"
    spawn "$B" taskvent ">$1" ">$dir-start" 40 1
    expect 4 streamer-device
}

curve() {
    local public secret
    read -r public secret < <(LD_LIBRARY_PATH=$B "$WORK/curvekeys")
    spawn "$A" curveserver "@$1" "$secret" 3
    spawn "$B" curveclient ">$1" "$public" 3
    expect 2 hello-world-in-confidence
}

heartbeats() {
    spawn "$B" hbpeer ">$1"
    spawn "$A" hbwatch "@$1"
    expect 1 heartbeats
}

talk() {
    exec 3< <(printf 'Good morning.\nHave you heard?\n')
    spawn "$A" talk "@$1" anna
    exec 3< <(printf 'What?\n')
    spawn "$B" talk ">$1" bert
    exec 3</dev/null
    expect 2 talk
}

round() { # LABEL A B
    label=$1 A=$2 B=$3
    echo "== $label"
    mapfile -t ports < <("$WORK/freeports" 10)
    hello_world "tcp://127.0.0.1:${ports[0]}"
    hello_world "ipc://$WORK/hello"
    weather "tcp://127.0.0.1:${ports[1]}"
    weather "ipc://$WORK/weather"
    tasks "ipc://$WORK/$label-tasks"
    queue "tcp://127.0.0.1:${ports[2]}" "tcp://127.0.0.1:${ports[3]}"
    forwarder "tcp://127.0.0.1:${ports[4]}" "ipc://$WORK/$label-forward"
    multicast "tcp://127.0.0.1:${ports[8]}" "${ports[9]}"
    streamer "tcp://127.0.0.1:${ports[5]}" "ipc://$WORK/$label-stream" "ipc://$WORK/$label-streamed"
    curve "tcp://127.0.0.1:${ports[6]}"
    heartbeats "tcp://127.0.0.1:${ports[7]}"
    talk "ipc://$WORK/$label-talk"
}

round all-ours "$OURS" "$OURS"
if [ -n "$SYSTEM" ]; then
    round ours-serves-system "$OURS" "$SYSTEM"
    round system-serves-ours "$SYSTEM" "$OURS"
else
    echo "== left out: ours with libzmq, of which $SYSTEM_DIR has none (Debian, Ubuntu: apt install libzmq5; elsewhere: demo.sh PREFIX ITS_LIBDIR)"
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
