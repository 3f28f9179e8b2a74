#!/bin/bash
# A page without any library, in headless Chromium, speaks with sockets of the libzmq in LIBDIR, see browser_page.py.
# usage: browser.sh LIBDIR
LIBDIR=$(cd "${1:?usage: browser.sh LIBDIR}" && pwd) || exit 2
HERE=$(cd "$(dirname "$0")" && pwd)
if ! command -v chromium >/dev/null; then
    echo "left out: there is no chromium (apt install chromium)"
    exit 77
fi
export PYTHONDONTWRITEBYTECODE=1
LD_LIBRARY_PATH=$LIBDIR timeout -k 2 120 /usr/bin/python3 "$HERE/browser_page.py"
