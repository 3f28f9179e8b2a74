#!/bin/sh
# Runs COMMAND in a network of its own, where nobody uses the ports it wants or hears what it broadcasts: loopback and
# one interface that can broadcast.   usage: unshare -rn own-net.sh COMMAND...
ip link set lo up &&
    ip link add tests0 type veth peer name tests1 &&
    ip address add 192.0.2.1/24 brd + dev tests0 &&
    ip link set tests0 up &&
    ip link set tests1 up &&
    exec "$@"
