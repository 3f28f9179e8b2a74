#!/bin/bash
# The pictures in README, from a real run: the guide's broker under load (examples/), and a subscriber that is slow.
# usage: run.sh PREFIX TOOLS OUT     OUT gets zmqtop.svg, what `why` says is printed. PREFIX as of `make stage`, TOOLS where zmqtop and zmqcat are. Needs tmux.
set -u
prefix=$(cd "${1:?usage: run.sh PREFIX TOOLS OUT}" && pwd) tools=$(cd "${2:?}" && pwd) out=$(cd "${3:?}" && pwd) || exit 2
here=$(cd "$(dirname "$0")" && pwd)
examples=$here/../../../examples
work=$(mktemp -d) || exit 2
pids=()
finish() {
    tmux -L "zmq-picture-$$" kill-server 2>/dev/null
    kill "${pids[@]}" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
export LD_LIBRARY_PATH=$prefix/lib PATH=$tools:$PATH

for program in device rrclient rrworker; do
    # shellcheck disable=SC2046 # lists of flags
    PKG_CONFIG_PATH=$prefix/lib/pkgconfig cc "$examples/$program.c" -o "$work/$program" \
        $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs libzmq) || exit 1
done
start() {
    "$@" >/dev/null 2>&1 &
    pids+=($!)
}
# photo SECONDS TITLE FILE COMMAND...: what a terminal shows after that time.
photo() {
    local seconds=$1 title=$2 file=$3
    shift 3
    tmux -L "zmq-picture-$$" -f /dev/null new-session -d -x 150 -y "$ROWS" "$*" || return
    sleep "$seconds"
    tmux -L "zmq-picture-$$" capture-pane -e -p | "$here/svg.py" "$title" >"$file"
    tmux -L "zmq-picture-$$" kill-session
}

front=tcp://127.0.0.1:5559 back=tcp://127.0.0.1:5560
start "$work/device" queue "@$front" "@$back" 3
for _ in 1 2 3; do start "$work/rrworker" ">$back"; done
for name in a b c d; do start "$work/rrclient" ">$front" "$name" 100000000; done
ROWS=16 photo 5 "zmqtop" "$out/zmqtop.svg" zmqtop "${pids[@]}"
kill "${pids[@]}" 2>/dev/null
pids=()

# Its output is read by nobody, so that it reads nothing any more.
mkfifo "$work/unread"
sleep 60 <"$work/unread" &
pids+=($!)
zmqcat sub -c tcp://127.0.0.1:5556 >"$work/unread" &
pids+=($!)
yes "60601 12 48" | zmqcat pub -b tcp://127.0.0.1:5556 -D 0.5 &
pids+=($!)
sleep 5
# The last one that began.
"$tools/zmqtop" why $!
