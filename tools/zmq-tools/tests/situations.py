"""Programs in which something does not work, and the same in which it does: situations.py NAME [not].

Each says "ready" when it is so, and goes on until its standard input ends. Debian's python3-zmq, with whatever libzmq is loaded."""

import os
import sys
import threading
import time

import zmq

context = zmq.Context()
kept = []
wrong = sys.argv[2:] != ["not"]


def make(kind, **options):
    socket = context.socket(getattr(zmq, kind))
    for name, value in options.items():
        socket.setsockopt(getattr(zmq, name), value)
    kept.append(socket)
    return socket


def bound(kind, where="tcp://127.0.0.1:*", **options):
    socket = make(kind, **options)
    socket.bind(where)
    return socket, socket.getsockopt_string(zmq.LAST_ENDPOINT)


def connected(kind, where, **options):
    socket = make(kind, **options)
    socket.connect(where)
    return socket


def beside(call):
    threading.Thread(target=call, daemon=True).start()


def free_port():
    """An endpoint where nobody listens."""
    socket, where = bound("PAIR")
    socket.unbind(where)
    socket.close()
    kept.remove(socket)
    return where


def subscribed(**options):
    """An XPUB, and a SUB of which the subscription has come."""
    publisher, where = bound("XPUB", **options)
    subscriber = connected("SUB", where, SUBSCRIBE=b"b", RCVHWM=10)
    publisher.recv()
    return publisher, subscriber


def slow_subscriber():
    publisher, subscriber = subscribed(SNDHWM=10)
    for _ in range(30000 if wrong else 5):
        publisher.send(b"b" * 1000)


def no_subscription():
    _, where = bound("PUB")
    subscriber = connected("SUB", where)
    if not wrong:
        subscriber.subscribe(b"a")
    time.sleep(1.1)


def published_early():
    publisher, where = bound("PUB")
    for _ in range(12 if wrong else 0):
        publisher.send(b"early")


def wanted_by_nobody():
    publisher, _ = subscribed()
    for _ in range(9):
        publisher.send(b"a" if wrong else b"b")


def blocked():
    sender, where = bound("PUSH")
    if not wrong:
        connected("PULL", where)
    beside(lambda: sender.send(b"x"))
    time.sleep(1.1)


def not_received():
    receiver, where = bound("PULL", RCVHWM=10)
    sender = connected("PUSH", where, SNDHWM=10)
    beside(lambda: [sender.send(b"x" * 1000) for _ in range(1000 if wrong else 3)])
    receiver.recv()
    time.sleep(0.3)


def unknown_id():
    router, _ = bound("ROUTER", ROUTER_MANDATORY=0 if wrong else 1)
    try:
        router.send_multipart([b"nobody", b"x"])
    except zmq.ZMQError:
        pass


def cannot_connect():
    where = free_port()
    if not wrong:
        make("REP").bind(where)
    connected("REQ", where)
    time.sleep(0.3)


def both_connect():
    where = free_port()
    connected("PUSH", where)
    connected("PULL", where) if wrong else make("PULL").bind(where)
    time.sleep(0.3)


def nobody_bound():
    if not wrong:
        make("PAIR").bind("inproc://name")
    connected("PAIR", "inproc://name")
    time.sleep(1.1)


def other_mechanism():
    options = {"PLAIN_SERVER": 1} if wrong else {}
    _, where = bound("PULL", **options)
    connected("PUSH", where, RECONNECT_IVL=5000)
    time.sleep(0.3)


def wrong_server_key():
    public, secret = zmq.curve_keypair()
    other, _ = zmq.curve_keypair()
    own_public, own_secret = zmq.curve_keypair()
    _, where = bound("PULL", CURVE_SERVER=1, CURVE_SECRETKEY=secret)
    keys = {"CURVE_PUBLICKEY": own_public, "CURVE_SECRETKEY": own_secret}
    connected("PUSH", where, RECONNECT_IVL=5000, CURVE_SERVERKEY=other if wrong else public, **keys)
    time.sleep(0.3)


def zap_refuses():
    handler, _ = bound("REP", "inproc://zeromq.zap.01")

    def answer():
        while True:
            version, number = handler.recv_multipart()[:2]
            status = b"400" if wrong else b"200"
            handler.send_multipart([version, number, status, b"", b"", b""])

    beside(answer)
    _, where = bound("PULL", ZAP_DOMAIN=b"test", PLAIN_SERVER=1)
    login = {"PLAIN_USERNAME": b"me", "PLAIN_PASSWORD": b"it"}
    connected("PUSH", where, RECONNECT_IVL=5000, **login)
    time.sleep(0.3)


def termination_lingers():
    sender = connected("PUSH", free_port(), LINGER=-1 if wrong else 0)
    for _ in range(17):
        sender.send(b"x")
    sender.close()
    beside(context.term)
    time.sleep(0.1)


def termination_waits_for_a_socket():
    make("PUSH")
    if wrong:
        beside(context.term)
        time.sleep(0.1)


def counts():
    """1234 messages of two parts, with 7 bytes together, of which 1000 are received."""
    receiver, where = bound("PULL")
    sender = connected("PUSH", where)
    for _ in range(1234):
        sender.send_multipart([b"abc", b"defg"])
    for _ in range(1000):
        receiver.recv_multipart()


def forked():
    """A child that makes a socket, and one that makes none."""
    counts()
    done, told = os.pipe()
    for makes in (True, False):
        if os.fork() == 0:
            own = zmq.Context()
            socket = own.socket(zmq.PAIR) if makes else None
            print("child", os.getpid(), makes, flush=True)
            os.write(told, b".")
            sys.stdin.read()
            os._exit(socket is None)
        os.read(done, 1)


def hostile():
    """What has the name, and is nothing of the kind."""
    memory = os.memfd_create("zmq-stats")
    os.write(memory, b"ZMQSTATS\x01\x00\x00\x00" + b"\xff" * 8000)


def half_written():
    memory = os.memfd_create("zmq-stats")
    os.truncate(memory, 1 << 20)


globals()[sys.argv[1]]()
print("ready", flush=True)
sys.stdin.read()
os._exit(0)
