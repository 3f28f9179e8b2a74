"""Debian's python3-websockets, a WebSocket library nobody of ZeroMQ wrote, speaks ZWS 2.0 (RFC 45, "No Mechanism") with
sockets of the libzmq in LD_LIBRARY_PATH, which pyzmq loads; and whatever it likes with a STREAM socket. Over wss, too, where the
library has that.
One line `ok|FAIL zws:NAME` for each; zws.sh runs it."""

import asyncio
import contextlib
import ssl
import sys
import tempfile
import traceback

import websockets
import zmq

from zws_pem import WSS_CERT_PEM, WSS_HOSTNAME, WSS_KEY_PEM, WSS_TRUST_PEM, pem

CTX = zmq.Context()
LARGE = bytes(range(256)) * 4096


SCHEME = "ws"


def trusting():
    """What a client of ours is to know about TLS, if that is spoken."""
    if SCHEME == "ws":
        return {}
    return {"ssl": ssl.create_default_context(cadata=pem("authority_crt")), "server_hostname": "server.test"}


def bound(kind, **options):
    s = CTX.socket(kind)
    s.linger = 0
    s.rcvtimeo = s.sndtimeo = 10000
    if SCHEME == "wss":
        s.setsockopt(WSS_CERT_PEM, pem("server_crt").encode())
        s.setsockopt(WSS_KEY_PEM, pem("server_key").encode())
    s.bind(SCHEME + "://127.0.0.1:*/page")
    return s, s.last_endpoint.decode().rstrip("\0")


@contextlib.asynccontextmanager
async def peer(url, routing_id=b""):
    async with websockets.connect(url, subprotocols=["ZWS2.0"], max_size=None, **trusting()) as ws:
        assert ws.subprotocol == "ZWS2.0"
        await ws.send(b"\0" + routing_id)
        assert await ws.recv() == b"\0"
        yield ws


def later(function, *args):
    return asyncio.get_running_loop().run_in_executor(None, function, *args)


async def rep():
    s, url = bound(zmq.REP)
    async with peer(url) as ws:
        for body in (b"question", b"", LARGE):
            await ws.send(b"\1")
            await ws.send(b"\0" + body)
            assert await later(s.recv) == body
            await later(s.send, body[::-1])
            assert await ws.recv() == b"\1"
            assert await ws.recv() == b"\0" + body[::-1]
    s.close()


async def pub():
    s, url = bound(zmq.XPUB)
    async with peer(url) as ws:
        await ws.send(b"\0\1news")
        assert await later(s.recv) == b"\1news"
        s.send(b"other")
        s.send_multipart([b"news", b"first", LARGE])
        assert [await ws.recv() for _ in range(3)] == [b"\1news", b"\1first", b"\0" + LARGE]
        await ws.send(b"\0\0news")
        assert await later(s.recv) == b"\0news"
    s.close()


async def pull():
    s, url = bound(zmq.PULL)
    async with peer(url) as ws:
        for number in range(500):
            await ws.send(b"\0%d" % number)
        # In fragments.
        await ws.send([b"\0", LARGE[:1000], b"", LARGE[1000:]])
        for number in range(500):
            assert await later(s.recv) == b"%d" % number
        assert await later(s.recv) == LARGE
    s.close()


async def dealer():
    s, url = bound(zmq.DEALER)
    async with peer(url) as ws:
        await ws.send(b"\1a")
        await ws.send(b"\0b")
        assert await later(s.recv_multipart) == [b"a", b"b"]
        s.send_multipart([b"x" * n for n in (0, 1, 124, 125, 126, 255, 256, 65534, 65535, 65536)])
        got = [await ws.recv() for _ in range(10)]
        assert [len(m) - 1 for m in got] == [0, 1, 124, 125, 126, 255, 256, 65534, 65535, 65536]
        assert all(m[0] == 1 for m in got[:-1]) and got[-1][0] == 0
        await asyncio.wait_for(await ws.ping(b"are you there?"), 10)
    s.close()


async def router():
    s, url = bound(zmq.ROUTER)
    async with peer(url, b"one") as one, peer(url, b"two") as two:
        for ws, name in ((one, b"one"), (two, b"two")):
            await ws.send(b"\0hello")
            assert await later(s.recv_multipart) == [name, b"hello"]
            s.send_multipart([name, b"to " + name])
        assert await one.recv() == b"\0to one" and await two.recv() == b"\0to two"
    s.close()


async def ends_are_clean():
    s, url = bound(zmq.PUSH)
    async with peer(url) as ws:
        await later(s.send, b"last")
        s.close(linger=10000)
        assert await ws.recv() == b"\0last"
        await asyncio.wait_for(ws.wait_closed(), 10)
        assert ws.close_code == 1001, ws.close_code


async def stream_serves():
    s, url = bound(zmq.STREAM)
    async with websockets.connect(url, **trusting()) as ws:
        name, empty = await later(s.recv_multipart)
        assert empty == b""
        for body in (b"binary", "text", LARGE):
            if body is LARGE:
                ws.max_size = None
            await ws.send(body)
            got = body.encode() if isinstance(body, str) else body
            assert await later(s.recv_multipart) == [name, got]
            s.send_multipart([name, got[:100000]])
            assert await ws.recv() == got[:100000]
    assert await later(s.recv_multipart) == [name, b""]
    s.close()


async def stream_connects():
    async def echo(ws, path):
        assert path == "/some/page"
        async for message in ws:
            await ws.send(message)

    tls = None
    if SCHEME == "wss":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(pem("self_crt") + pem("self_key"))
            file.flush()
            tls.load_cert_chain(file.name)
    async with websockets.serve(echo, "127.0.0.1", 0, ssl=tls) as server:
        s = CTX.socket(zmq.STREAM)
        s.linger, s.rcvtimeo = 0, 10000
        s.setsockopt(WSS_TRUST_PEM, pem("self_crt").encode())
        s.setsockopt(WSS_HOSTNAME, b"self.test")
        s.connect(SCHEME + "://127.0.0.1:%d/some/page" % server.sockets[0].getsockname()[1])
        name, empty = await later(s.recv_multipart)
        assert empty == b""
        for body in (b"hello", LARGE[:100000]):
            s.send_multipart([name, body])
            assert await later(s.recv_multipart) == [name, body]
        s.send_multipart([name, b""])
    s.close()


def main():
    global SCHEME
    passed, failed = 0, 0
    tests = [rep, pub, pull, dealer, router, ends_are_clean, stream_serves, stream_connects]
    for scheme in ("ws", "wss") if zmq.has("wss") else ("ws",):
        SCHEME = scheme
        for test in tests:
            try:
                asyncio.run(asyncio.wait_for(test(), 30))
                passed += 1
                print("ok zws:%s:%s" % (scheme, test.__name__), flush=True)
            except BaseException:
                failed += 1
                print("FAIL zws:%s:%s" % (scheme, test.__name__), flush=True)
                traceback.print_exc(file=sys.stdout)
    print("%d passed, %d failed" % (passed, failed))
    return failed > 0


sys.exit(main())
