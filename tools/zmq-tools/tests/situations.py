"""Programs in which something does not work, and the same in which it does: situations.py NAME [not].

Each says "ready" when it is so, and goes on until its standard input ends. Debian's python3-zmq, with whatever libzmq is loaded."""

import ctypes
import os
import socket as tcp
import sys
import threading
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

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


def slow_subscriber_is_gone():
    slow_subscriber()
    kept.pop().close()


def no_subscription():
    _, where = bound("PUB")
    subscriber = connected("SUB", where)
    if not wrong:
        subscriber.subscribe(b"a")


def no_group():
    _, where = bound("RADIO")
    dish = connected("DISH", where)
    if not wrong:
        # Debian's python3-zmq knows no drafts.
        join = ctypes.CDLL("libzmq.so.5").zmq_join
        assert join(ctypes.c_void_p(dish.underlying), b"group") == 0


def published_early():
    publisher, where = bound("PUB")
    for _ in range(12 if wrong else 0):
        publisher.send(b"early")


def published_before_the_first_came():
    publisher, where = bound("XPUB")
    for _ in range(12 if wrong else 0):
        publisher.send(b"early")
    connected("SUB", where, SUBSCRIBE=b"")
    publisher.recv()


def published_after_the_last_left():
    publisher, subscriber = subscribed()
    if wrong:
        subscriber.close()
        # That it wants no more.
        publisher.recv()
    for _ in range(5):
        publisher.send(b"b")


def wanted_by_nobody():
    publisher, _ = subscribed()
    for _ in range(9):
        publisher.send(b"a" if wrong else b"b")


def blocked():
    sender, where = bound("PUSH")
    if not wrong:
        connected("PULL", where)
    beside(lambda: sender.send(b"x"))


def blocked_nowhere():
    sender = make("PUSH")
    if not wrong:
        sender.bind("tcp://127.0.0.1:*")
        return
    beside(lambda: sender.send(b"x"))


def blocked_without_connection():
    sender = connected("PUSH", free_port(), SNDHWM=10)
    beside(lambda: [sender.send(b"x") for _ in range(11 if wrong else 9)])


def blocked_until_connected():
    sender = connected("PUSH", free_port(), IMMEDIATE=1, RECONNECT_IVL=60000)
    if wrong:
        beside(lambda: sender.send(b"x"))


def many_messages(sender):
    beside(lambda: [sender.send(b"x" * 1000) for _ in range(100000 if wrong else 3)])


def not_received():
    receiver, where = bound("PULL", "ipc://@situation-%d" % os.getpid(), RCVHWM=10)
    many_messages(connected("PUSH", where, SNDHWM=10))
    receiver.recv()


def not_received_by_two():
    sender, where = bound("PUSH", "ipc://@situation-%d" % os.getpid(), SNDHWM=10)
    for _ in range(2):
        connected("PULL", where, RCVHWM=10)
    many_messages(sender)


def unknown_id():
    router, _ = bound("ROUTER", ROUTER_MANDATORY=0 if wrong else 1)
    try:
        router.send_multipart([b"nobody", b"x"])
    except zmq.ZMQError:
        pass


def answer_for_nobody():
    server, where = bound("REP")
    monitor = server.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    client = connected("REQ", where, LINGER=0)
    client.send(b"question")
    server.recv()
    if wrong:
        client.close()
        recv_monitor_message(monitor)
    server.send(b"answer")


def no_answer():
    server, where = bound("REP")
    client = connected("REQ", where)
    client.send(b"question")
    if not wrong:
        server.send(server.recv())
    beside(client.recv)


def neither_bound_nor_connected():
    socket = make("PUSH")
    if not wrong:
        socket.bind("inproc://name")


def cannot_connect():
    where = free_port()
    if not wrong:
        make("REP").bind(where)
    connected("REQ", where)
    time.sleep(0.3)


def cannot_connect_for_long():
    where = free_port()
    if not wrong:
        make("REP").bind(where)
    connected("REQ", where, RECONNECT_IVL=60000)


def listener(backlog):
    """A server of TCP, and its endpoint."""
    server = tcp.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(backlog)
    kept.append(server)
    return server.getsockname()


def endpoint(address):
    return "tcp://%s:%d" % address


def no_answer_of_tcp():
    if wrong:
        address = listener(0)
        # One connection waits for accept(2), and the system answers no other.
        for _ in range(2):
            client = tcp.socket()
            client.setblocking(False)
            client.connect_ex(address)
            kept.append(client)
        connected("PUSH", endpoint(address))
    else:
        _, where = bound("PULL")
        connected("PUSH", where)


def no_greeting():
    connected("PUSH", endpoint(listener(5)) if wrong else bound("PULL")[1])


def silent_client():
    receiver, where = bound("PULL", HANDSHAKE_IVL=100)
    host, port = where[len("tcp://") :].split(":")
    if wrong:
        kept.append(tcp.create_connection((host, int(port))))
    else:
        connected("PUSH", where)
    time.sleep(0.2)


def both_connect():
    where = free_port()
    connected("PUSH", where)
    connected("PULL", where) if wrong else make("PULL").bind(where)
    time.sleep(0.3)


def nobody_bound():
    if not wrong:
        make("PAIR").bind("inproc://name")
    connected("PAIR", "inproc://name")


def other_mechanism():
    options = {"PLAIN_SERVER": 1} if wrong else {}
    _, where = bound("PULL", **options)
    connected("PUSH", where, RECONNECT_IVL=5000)
    time.sleep(0.3)


def curve_on_one_side():
    _, secret = zmq.curve_keypair()
    options = {"CURVE_SERVER": 1, "CURVE_SECRETKEY": secret} if wrong else {}
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


def no_zap_handler():
    if not wrong:
        return zap_refuses()
    _, where = bound("PULL", ZAP_DOMAIN=b"test", PLAIN_SERVER=1)
    connected("PUSH", where, PLAIN_USERNAME=b"me", PLAIN_PASSWORD=b"it")
    time.sleep(0.3)


def closed_lingers():
    sender = connected("PUSH", free_port(), LINGER=30000 if wrong else 0)
    for _ in range(17):
        sender.send(b"x")
    sender.close()


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


def statistics():
    """The descriptor of this process's."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if "zmq-stats" in os.readlink("/proc/self/fd/" + name):
                return int(name)
        except FileNotFoundError:
            pass


def rewritten(offset, value):
    """The numbers of `counts`, in memory that says something else of itself."""
    counts()
    old = statistics()
    text = bytearray(os.pread(old, 1 << 20, 0))
    text[offset : offset + 4] = value.to_bytes(4, "little")
    memory = os.memfd_create("zmq-stats")
    os.write(memory, text)
    os.close(old)


def of_another_version():
    rewritten(8, 2)


def of_a_later_revision():
    rewritten(12, 1000)


def closed_descriptor():
    counts()
    os.close(statistics())


globals()[sys.argv[1]]()
print("ready", flush=True)
sys.stdin.read()
os._exit(0)
