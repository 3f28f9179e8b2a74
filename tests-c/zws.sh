#!/bin/bash
# Debian's python3-websockets speaks ZWS 2.0 with sockets of the libzmq in LIBDIR, see zws_peer.py.   usage: zws.sh LIBDIR
# What python3-zmq loads by itself may not know ws, so that LIBDIR has to.
LIBDIR=$(cd "${1:?usage: zws.sh LIBDIR}" && pwd) || exit 2
HERE=$(cd "$(dirname "$0")" && pwd)
export PYTHONDONTWRITEBYTECODE=1
LD_LIBRARY_PATH=$LIBDIR timeout -k 2 90 /usr/bin/python3 "$HERE/zws_peer.py"
