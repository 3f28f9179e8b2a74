"""A browser's plain `new WebSocket(url, "ZWS2.0")` speaks with REP, XPUB, PULL and ROUTER over ws and wss, and `new WebSocket(url)` with a
STREAM socket, to which the page also says how it went. One line `ok|FAIL browser:NAME` for each; browser.sh runs it."""

import os
import signal
import subprocess
import sys
import tempfile
import threading

import zmq

from zws_pem import WSS_CERT_PEM, WSS_KEY_PEM, pem

PATIENCE = 30000

PAGE = """<!DOCTYPE html><script>
const urls = %s;
const text = bytes => new TextDecoder().decode(bytes);
const frame = (flags, body) => new Uint8Array([flags, ...new TextEncoder().encode(body)]);

// A peer: what it sends is frames of ZWS 2.0 (RFC 45), each a flag and a part of a message.
function peer(url, name) {
    return new Promise((opened, failed) => {
        const ws = new WebSocket(url, "ZWS2.0"), here = [], wanted = [];
        ws.binaryType = "arraybuffer";
        ws.next = () => new Promise(take => here.length ? take(here.shift()) : wanted.push(take));
        ws.onerror = () => failed(new Error("no connection to " + url));
        ws.onopen = () => ws.send(frame(0, name));
        ws.onmessage = event => {
            const bytes = new Uint8Array(event.data), got = [bytes[0], text(bytes.slice(1))].join(":");
            wanted.length ? wanted.shift()(got) : here.push(got);
        };
        ws.next().then(hello => hello == "0:" ? opened(ws) : failed(new Error("hello " + hello)));
    });
}

async function expect(ws, ...all) {
    for (const one of all) {
        const got = await ws.next();
        if (got != one)
            throw new Error("got " + got.slice(0, 80) + ", not " + one.slice(0, 80));
    }
}

const tests = {
    async rep(url) {
        const ws = await peer(url, "");
        for (const body of ["question", "", "x".repeat(100000)]) {
            ws.send(frame(1, ""));
            ws.send(frame(0, body));
            await expect(ws, "1:", "0:" + body + "!");
        }
    },
    async xpub(url) {
        const ws = await peer(url, "");
        ws.send(frame(0, "\\u0001news"));
        await expect(ws, "0:news of the day");
    },
    async pull(url) {
        const ws = await peer(url, "");
        for (let i = 0; i < 1000; i++)
            ws.send(frame(0, "number " + i));
    },
    async router(url) {
        const ws = await peer(url, "page");
        ws.send(frame(0, "hello"));
        await expect(ws, "0:hello page");
    },
};

// The STREAM socket: text and binary messages as they are. It echoes until it has heard all.
const report = new WebSocket(urls.stream);
report.onopen = () => report.send("a page is here");
report.onmessage = async () => {
    report.onmessage = null;
    for (const scheme of ["ws", "wss"])
        for (const name in tests)
            try {
                await tests[name](urls[scheme + "_" + name]);
                report.send("ok " + scheme + ":" + name);
            } catch (error) {
                report.send("FAIL " + scheme + ":" + name + " " + error.message);
            }
    report.send(new TextEncoder().encode("done"));
};
</script>"""


def rep(s):
    for _ in range(3):
        s.send(s.recv() + b"!")


def xpub(s):
    assert s.recv() == b"\1news"
    s.send(b"other")
    s.send(b"news of the day")


def pull(s):
    for number in range(1000):
        assert s.recv() == b"number %d" % number


def router(s):
    assert s.recv_multipart() == [b"page", b"hello"]
    s.send_multipart([b"page", b"hello page"])


def serve(part, s, said):
    try:
        part(s)
        said.append(True)
    except BaseException as error:
        print("    ours:", part.__name__, repr(error), flush=True)


def bound(ctx, kind, scheme):
    s = ctx.socket(kind)
    s.linger = 1000
    s.rcvtimeo = s.sndtimeo = PATIENCE
    if scheme == "wss":
        s.setsockopt(WSS_CERT_PEM, pem("server_crt").encode())
        s.setsockopt(WSS_KEY_PEM, pem("server_key").encode())
    s.bind(scheme + "://127.0.0.1:*/page")
    return s, s.last_endpoint.decode().rstrip("\0")


def browse(page, home):
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--ignore-certificate-errors", "--user-data-dir=" + home]
    # In a group of its own: it has children.
    return subprocess.Popen(["chromium", *flags, "--remote-debugging-port=0", "file://" + page], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, start_new_session=True, env={**os.environ, "LD_LIBRARY_PATH": ""})


def hear(stream):
    """What the page says, until it is done."""
    name, empty = stream.recv_multipart()
    assert empty == b""
    passed, failed = 0, 0
    assert stream.recv_multipart() == [name, b"a page is here"]
    stream.send_multipart([name, b"go"])
    while True:
        who, line = stream.recv_multipart()
        assert who == name
        if line == b"done":
            return passed, failed
        passed, failed = passed + line.startswith(b"ok"), failed + line.startswith(b"FAIL")
        print(line.decode().replace(" ", " browser:", 1), flush=True)


def main():
    ctx, urls, threads, served = zmq.Context(), {}, [], []
    parts = {rep: zmq.REP, xpub: zmq.XPUB, pull: zmq.PULL, router: zmq.ROUTER}
    for scheme in ("ws", "wss"):
        for part, kind in parts.items():
            s, urls["%s_%s" % (scheme, part.__name__)] = bound(ctx, kind, scheme)
            threads.append(threading.Thread(target=serve, args=(part, s, served), daemon=True))
    stream, urls["stream"] = bound(ctx, zmq.STREAM, "ws")
    for thread in threads:
        thread.start()
    passed, failed = 0, 1
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        page = os.path.join(home, "page.html")
        with open(page, "w", encoding="ascii") as file:
            file.write(PAGE % repr(urls))
        browser = browse(page, home)
        try:
            passed, failed = hear(stream)
            print("ok browser:stream", flush=True)
            passed += 1
        except BaseException as error:
            print("FAIL browser:stream", repr(error), flush=True)
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
    for thread in threads:
        thread.join(PATIENCE / 1000)
    failed += len(threads) - len(served)
    print("%d passed, %d failed" % (passed, failed))
    return failed > 0


CODE = main()
sys.stdout.flush()
os._exit(CODE)
