// Sockets as C++ programs on cppzmq use them: typed options, references, exceptions, poll, monitor_t, proxies, and the
// end of a context with threads waiting in it.
#include "cpp.hpp"
#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <thread>
#include <unordered_set>

#ifdef ZMQ_HAVE_POLLER
#error "poller_t and active_poller_t need the draft interface, which zmq.h does not declare"
#endif

using zmq::socket_type;
namespace opt = zmq::sockopt;

static zmq::socket_t quick (zmq::context_t &ctx, socket_type type)
{
    zmq::socket_t s (ctx, type);
    s.set (opt::linger, 0);
    return s;
}

static std::string where (const zmq::socket_t &s)
{
    return s.get (opt::last_endpoint);
}

#define SAME(option, value)                                                                                            \
    do {                                                                                                               \
        s.set (opt::option, value);                                                                                    \
        CHECK (s.get (opt::option) == (value));                                                                        \
    } while (0)

GROUP (integral_options)
{
    zmq::context_t ctx;
    zmq::socket_t s = quick (ctx, socket_type::dealer);
    SAME (affinity, UINT64_C (1));
    SAME (backlog, 17);
    SAME (connect_timeout, 1234);
    SAME (handshake_ivl, 4321);
    SAME (heartbeat_ivl, 100);
    SAME (heartbeat_timeout, 200);
    SAME (heartbeat_ttl, 300);
    SAME (immediate, true);
    SAME (ipv6, true);
    SAME (linger, 77);
    SAME (maxmsgsize, INT64_C (1) << 40);
    SAME (multicast_hops, 3);
    SAME (rate, 50);
    SAME (rcvbuf, 65536);
    SAME (rcvhwm, 5);
    SAME (rcvtimeo, 6);
    SAME (reconnect_ivl, 7);
    SAME (reconnect_ivl_max, 8);
    SAME (recovery_ivl, 9);
    SAME (sndbuf, 65536);
    SAME (sndhwm, 10);
    SAME (sndtimeo, 11);
    SAME (tcp_keepalive, 1);
    SAME (tcp_keepalive_cnt, 12);
    SAME (tcp_keepalive_idle, 13);
    SAME (tcp_keepalive_intvl, 14);
    SAME (tcp_maxrt, 15);
    SAME (tos, 16);
    CHECK (s.get (opt::type) == ZMQ_DEALER && s.get (opt::socket_type) == socket_type::dealer);
    CHECK (s.get (opt::mechanism) == ZMQ_NULL && !s.get (opt::thread_safe) && s.get (opt::use_fd) == -1);
    CHECK (s.get (opt::fd) >= 0 && !s.get (opt::rcvmore));
    THROWS (s.set (opt::sndhwm, -1), EINVAL);
    THROWS (s.set (opt::linger, -2), EINVAL);
    THROWS (s.set (opt::xpub_verbose, true), EINVAL);
    THROWS (s.set (opt::subscribe, "topic"), EINVAL);
    s.set (opt::linger, 0);
}

GROUP (array_options)
{
    zmq::context_t ctx;
    zmq::socket_t s = quick (ctx, socket_type::router);
    const std::string binary ("\1\0\2", 3), key ("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
    uint8_t raw[32], back[32];
    SAME (routing_id, binary);
    SAME (plain_username, std::string ("anna"));
    SAME (plain_password, std::string ("secret"));
    SAME (zap_domain, std::string ("test"));
    SAME (socks_proxy, std::string ("localhost:1080"));
    SAME (curve_serverkey, key);
    CHECK (s.get (opt::mechanism) == ZMQ_CURVE);
    SAME (curve_publickey, key);
    CHECK (zmq_z85_decode (raw, key.c_str ()) == raw);
    s.set (opt::curve_secretkey, zmq::buffer (raw));
    CHECK (s.get (opt::curve_secretkey) == key);
    IS (s.get (opt::curve_secretkey, zmq::buffer (back)), 32);
    CHECK (!memcmp (raw, back, 32));
    CHECK (where (s) == "");
    char little[2];
    THROWS (s.get (opt::routing_id, zmq::buffer (little)), EINVAL);
    THROWS (s.set (opt::routing_id, ""), EINVAL);
    THROWS (s.set (opt::routing_id, std::string (256, 'x')), EINVAL);
    THROWS (s.set (opt::curve_publickey, "short"), EINVAL);
    s.set (opt::connect_routing_id, std::string_view ("peer"));

    zmq::socket_t sub = quick (ctx, socket_type::sub);
    sub.set (opt::subscribe, "a");
    sub.set (opt::subscribe, std::string (300, 'b'));
    sub.set (opt::unsubscribe, "a");
    zmq::socket_t xpub = quick (ctx, socket_type::xpub);
    xpub.set (opt::xpub_nodrop, true);
    xpub.set (opt::xpub_verboser, true);
    xpub.set (opt::xpub_welcome_msg, "welcome");
}

GROUP (context_options)
{
    zmq::context_t ctx (2, 10);
    using zmq::ctxopt;
    CHECK (ctx.get (ctxopt::io_threads) == 2 && ctx.get (ctxopt::max_sockets) == 10);
    CHECK (ctx.get (ctxopt::msg_t_size) == (int) sizeof (zmq_msg_t) && ctx.get (ctxopt::socket_limit) >= 10);
    ctx.set (ctxopt::blocky, false);
    ctx.set (ctxopt::max_msgsz, 1000000);
    ctx.set (ctxopt::ipv6, 1);
    CHECK (!ctx.get (ctxopt::blocky) && ctx.get (ctxopt::max_msgsz) == 1000000 && ctx.get (ctxopt::ipv6) == 1);
    THROWS (ctx.set (ctxopt::io_threads, -1), EINVAL);
    THROWS (ctx.set (ctxopt::msg_t_size, 1), EINVAL);
    // A context made after `blocky` was switched off gives its sockets no linger, and its ipv6 setting.
    zmq::socket_t s (ctx, socket_type::push);
    CHECK (s.get (opt::linger) == 0 && s.get (opt::ipv6));
    std::vector<zmq::socket_t> sockets;
    THROWS (
      [&] {
          for (;;)
              sockets.emplace_back (ctx, socket_type::push);
      }(),
      EMFILE);
    IS (sockets.size (), 9);
    sockets.clear ();
    zmq::socket_t moved (std::move (s));
    CHECK (!s && moved && moved.get (opt::type) == ZMQ_PUSH);
    moved.close ();
    zmq::context_t elsewhere (std::move (ctx));
    CHECK (ctx.handle () == nullptr && elsewhere.handle () != nullptr);
}

GROUP (exceptions)
{
    zmq::context_t ctx;
    zmq::socket_t rep = quick (ctx, socket_type::rep), other = quick (ctx, socket_type::rep), none;
    zmq::message_t msg;
    THROWS (zmq::socket_t (ctx, 4711), EINVAL);
    THROWS (rep.bind ("nonsense"), EINVAL);
    THROWS (rep.bind ("gopher://127.0.0.1:70"), EPROTONOSUPPORT);
    THROWS (rep.bind ("tcp://127.0.0.1:port"), EINVAL);
    THROWS (rep.bind ("tcp://no-such-interface:*"), ENODEV);
    THROWS (rep.connect ("tcp://127.0.0.1"), EINVAL);
    THROWS (rep.unbind ("tcp://127.0.0.1:9"), ENOENT);
    THROWS (rep.disconnect ("tcp://127.0.0.1:9"), ENOENT);
    rep.bind ("tcp://127.0.0.1:*");
    THROWS (other.bind (where (rep)), EADDRINUSE);
    THROWS (rep.send (zmq::str_buffer ("out of turn")), EFSM);
    THROWS (rep.send (msg, zmq::send_flags::none), EFSM);
    THROWS (quick (ctx, socket_type::push).recv (msg), ENOTSUP);
    THROWS (quick (ctx, socket_type::pull).send (zmq::str_buffer ("x")), ENOTSUP);
    THROWS (none.bind ("tcp://127.0.0.1:*"), ENOTSOCK);
    THROWS (none.recv (msg), ENOTSOCK);
    rep.unbind (where (rep));
    zmq::socket_t router = quick (ctx, socket_type::router);
    router.set (opt::router_mandatory, true);
    THROWS (router.send (zmq::str_buffer ("nobody"), zmq::send_flags::sndmore), EHOSTUNREACH);
    CHECK (zmq::version () >= std::make_tuple (4, 3, 4));
}

GROUP (socket_references)
{
    zmq::context_t ctx;
    zmq::socket_t a = quick (ctx, socket_type::pair), b = quick (ctx, socket_type::pair);
    zmq::socket_ref ra = a, rb = b, empty, again (zmq::from_handle, a.handle ());
    CHECK (ra == again && ra != rb && empty == nullptr && ra != nullptr && ra && !empty && (ra < rb || rb < ra));
    std::unordered_set<zmq::socket_ref> hashed = {ra, rb, again};
    std::set<zmq::socket_ref> sorted = {ra, rb, again};
    CHECK (hashed.size () == 2 && sorted.size () == 2 && ra == a);
    ra.set (opt::linger, 5);
    IS (a.get (opt::linger), 5);
    ra.bind ("inproc://references");
    rb.connect ("inproc://references");
    IS (*zmq::send_multipart (ra, std::vector<zmq::const_buffer>{zmq::str_buffer ("x"), zmq::str_buffer ("y")}), 2);
    zmq::multipart_t got (rb);
    CHECK (got.size () == 2 && got.peekstr (1) == "y");
    // Still the same socket after its owner has moved.
    zmq::socket_t owner (std::move (a));
    ra.send (zmq::str_buffer ("z"));
    CHECK (got.recv (rb) && got.popstr () == "z" && ra == owner);
    swap (owner, b);
    CHECK (rb == owner && ra == b);
}

GROUP (poll)
{
    using std::chrono::milliseconds;
    zmq::context_t ctx;
    zmq::socket_t pull = quick (ctx, socket_type::pull), push = quick (ctx, socket_type::push);
    int fds[2];
    CHECK (pipe (fds) == 0);
    pull.bind ("ipc://*");
    push.connect (where (pull));
    std::vector<zmq::pollitem_t> items = {{pull, 0, ZMQ_POLLIN, 0}, {push.handle (), 0, ZMQ_POLLOUT, 0}, {nullptr, fds[0], ZMQ_POLLIN, 0}};
    IS (zmq::poll (items, milliseconds (10000)), 1);
    CHECK (items[0].revents == 0 && items[1].revents == ZMQ_POLLOUT && items[2].revents == 0);
    push.send (zmq::str_buffer ("news"));
    items[1].events = 0;
    IS (zmq::poll (items.data (), items.size (), milliseconds (-1)), 1);
    CHECK (items[0].revents == ZMQ_POLLIN && (pull.get (opt::events) & ZMQ_POLLIN));
    CHECK (write (fds[1], "x", 1) == 1);
    IS (zmq::poll (items), 2);
    zmq::message_t msg;
    CHECK (pull.recv (msg) && msg.to_string () == "news");
    std::array<zmq::pollitem_t, 1> one = {{{pull, 0, ZMQ_POLLIN, 0}}};
    IS (zmq::poll (one, milliseconds (0)), 0);
    IS (zmq::poll (one, milliseconds (20)), 0);
    IS (zmq::poll (items, milliseconds (0)), 1);
    CHECK (items[2].revents == ZMQ_POLLIN);
    zmq::pollitem_t broken = {nullptr, 0, 0, 0};
    THROWS (zmq::poll (&broken, (size_t) -1, milliseconds (0)), EINVAL);
    ctx.shutdown ();
    THROWS (zmq::poll (one, milliseconds (-1)), ETERM);
    close (fds[0]);
    close (fds[1]);
}

struct Watch : zmq::monitor_t
{
    std::vector<std::string> seen;
    std::map<std::string, std::string> address;
    std::map<std::string, int> value;
    bool started = false;

    void note (const char *name, const zmq_event_t &event, const char *addr)
    {
        seen.push_back (name);
        address[name] = addr;
        value[name] = event.value;
    }
    void on_monitor_started () override { started = true; }
    void on_event_listening (const zmq_event_t &e, const char *a) override { note ("listening", e, a); }
    void on_event_bind_failed (const zmq_event_t &e, const char *a) override { note ("bind_failed", e, a); }
    void on_event_accepted (const zmq_event_t &e, const char *a) override { note ("accepted", e, a); }
    void on_event_connect_delayed (const zmq_event_t &e, const char *a) override { note ("connect_delayed", e, a); }
    void on_event_connect_retried (const zmq_event_t &e, const char *a) override { note ("connect_retried", e, a); }
    void on_event_connected (const zmq_event_t &e, const char *a) override { note ("connected", e, a); }
    void on_event_handshake_succeeded (const zmq_event_t &e, const char *a) override { note ("handshake_succeeded", e, a); }
    void on_event_handshake_failed_auth (const zmq_event_t &e, const char *a) override { note ("handshake_failed_auth", e, a); }
    void on_event_handshake_failed_protocol (const zmq_event_t &e, const char *a) override { note ("handshake_failed_protocol", e, a); }
    void on_event_handshake_failed_no_detail (const zmq_event_t &e, const char *a) override { note ("handshake_failed_no_detail", e, a); }
    void on_event_disconnected (const zmq_event_t &e, const char *a) override { note ("disconnected", e, a); }
    void on_event_closed (const zmq_event_t &e, const char *a) override { note ("closed", e, a); }

    void until (const std::string &name)
    {
        int64_t deadline = now_ms () + 10000;
        while (!address.count (name)) {
            if (now_ms () > deadline)
                fail_at (__FILE__, __LINE__, "no event %s", name.c_str ());
            check_event (100);
        }
    }
};

GROUP (monitor)
{
    using strings = std::vector<std::string>;
    zmq::context_t ctx;
    zmq::socket_t server = quick (ctx, socket_type::rep), client = quick (ctx, socket_type::req);
    Watch at_server, at_client;
    at_server.init (server, "inproc://monitor-server");
    at_client.init (client, std::string ("inproc://monitor-client"), ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
    CHECK (at_server.started && !at_server.check_event ());
    THROWS (Watch ().init (client, "tcp://127.0.0.1:*"), EPROTONOSUPPORT);
    server.bind ("tcp://127.0.0.1:*");
    const std::string endpoint = where (server);
    client.connect (endpoint);
    at_server.until ("handshake_succeeded");
    at_client.until ("handshake_succeeded");
    CHECK ((at_server.seen == strings{"listening", "accepted", "handshake_succeeded"}));
    CHECK ((at_client.seen == strings{"connected", "handshake_succeeded"}));
    CHECK (at_server.address["listening"] == endpoint && at_client.address["connected"] == endpoint);
    CHECK (at_server.value["accepted"] > 2 && at_client.value["connected"] > 2 && at_server.value["handshake_succeeded"] == 0);
    client.send (zmq::str_buffer ("x"));
    zmq::message_t msg;
    CHECK (server.recv (msg));
    client.close ();
    at_server.until ("disconnected");
    // A monitor that has moved goes on; one that is gone is not missed.
    zmq::monitor_t plain;
    zmq::monitor_t other (std::move (plain));
    server.unbind (endpoint);
    at_server.until ("closed");
    CHECK (at_server.address["closed"] == endpoint);
}

static size_t size_of (int i)
{
    return (size_t) i * i * 300;
}

GROUP (proxies)
{
    zmq::context_t ctx;
    zmq::socket_t front = quick (ctx, socket_type::router), back = quick (ctx, socket_type::dealer);
    zmq::socket_t capture = quick (ctx, socket_type::push), captured = quick (ctx, socket_type::pull);
    zmq::socket_t control = quick (ctx, socket_type::pair), remote = quick (ctx, socket_type::pair);
    front.bind ("tcp://127.0.0.1:*");
    back.bind ("tcp://127.0.0.1:*");
    captured.bind ("inproc://captured");
    capture.connect ("inproc://captured");
    remote.bind ("inproc://control");
    control.connect ("inproc://control");
    const std::string front_at = where (front), back_at = where (back);
    std::thread broker ([&] { zmq::proxy_steerable (zmq::socket_ref (front), back, capture, control); });
    zmq::socket_t req = quick (ctx, socket_type::req), rep = quick (ctx, socket_type::rep);
    rep.connect (back_at);
    req.connect (front_at);
    for (int i = 0; i < 20; i++) {
        zmq::message_t msg (size_of (i)), got;
        memset (msg.data (), i, msg.size ());
        req.send (msg, zmq::send_flags::none);
        CHECK (rep.recv (got) && got.size () == size_of (i));
        rep.send (got, zmq::send_flags::none);
        CHECK (req.recv (got) && got.size () == size_of (i));
    }
    remote.send (zmq::str_buffer ("TERMINATE"));
    broker.join ();
    zmq::multipart_t msg;
    for (int i = 0; i < 40; i++)
        CHECK (msg.recv (captured, ZMQ_DONTWAIT) && msg.size () == 3);

    std::thread plain ([&] {
        THROWS (zmq::proxy (zmq::socket_ref (front), back), ETERM);
        front.close ();
        back.close ();
    });
    req.send (zmq::str_buffer ("through"), zmq::send_flags::none);
    zmq::message_t got;
    CHECK (rep.recv (got) && got.to_string () == "through");
    ctx.shutdown ();
    plain.join ();
}

GROUP (context_shutdown)
{
    for (const char *endpoint : {"tcp://127.0.0.1:*", "ipc://*", "inproc://shutdown"}) {
        zmq::context_t ctx;
        std::vector<std::thread> threads;
        std::atomic<int> waiting (0);
        auto wait_in = [&] (std::function<void (zmq::socket_t &)> what, socket_type type) {
            zmq::socket_t s = quick (ctx, type);
            if (type == socket_type::pull)
                s.bind (strncmp (endpoint, "inproc", 6) ? endpoint : endpoint + std::to_string (threads.size ()));
            threads.emplace_back ([what, &waiting] (zmq::socket_t s) {
                waiting++;
                THROWS (what (s), ETERM);
                THROWS (s.get (opt::events), ETERM);
            }, std::move (s));
        };
        wait_in ([] (zmq::socket_t &s) { zmq::message_t m; (void) s.recv (m); }, socket_type::pull);
        wait_in ([] (zmq::socket_t &s) { std::vector<zmq::message_t> m; (void) zmq::recv_multipart (s, std::back_inserter (m)); }, socket_type::pull);
        wait_in ([] (zmq::socket_t &s) { s.send (zmq::str_buffer ("nobody there")); }, socket_type::push);
        wait_in ([] (zmq::socket_t &s) {
            zmq::pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
            zmq::poll (&item, 1);
        }, socket_type::pull);
        EVENTUALLY (waiting == 4, 10000);
        ctx.shutdown ();
        for (auto &t : threads)
            t.join ();
        THROWS (zmq::socket_t (ctx, socket_type::pair), ETERM);
        ctx.close ();
        CHECK (ctx.handle () == nullptr);
    }
}

// What a thread has is put in order when pthread_cancel ends it in a call.
static std::atomic<int> unwound (0), caught (0);

struct unwinds_t
{
    ~unwinds_t () { unwound++; }
};

static void *wait_to_be_cancelled (void *arg)
{
    zmq::socket_t &socket = *static_cast<zmq::socket_t *> (arg);
    unwinds_t outer;
    try {
        unwinds_t inner;
        zmq::message_t message (std::string (1000, 'x'));
        (void) socket.recv (message);
    } catch (...) {
        caught++;
        throw;
    }
    return NULL;
}

GROUP (cancelled_threads)
{
    zmq::context_t ctx;
    zmq::socket_t pull (ctx, zmq::socket_type::pull), push (ctx, zmq::socket_type::push);
    pull.bind ("tcp://127.0.0.1:*");
    push.connect (pull.get (zmq::sockopt::last_endpoint));
    for (int i = 1; i <= 20; i++) {
        pthread_t thread;
        void *result;
        IS (pthread_create (&thread, NULL, wait_to_be_cancelled, &pull), 0);
        sleep_ms (i);
        IS (pthread_cancel (thread), 0);
        IS (pthread_join (thread, &result), 0);
        CHECK (result == PTHREAD_CANCELED);
        CHECK (unwound == 2 * i && caught == i);
    }
    zmq::message_t got;
    push.send (zmq::str_buffer ("afterwards"), zmq::send_flags::none);
    CHECK (pull.recv (got) && got.to_string () == "afterwards");
}

MAIN (ENTRY (integral_options), ENTRY (array_options), ENTRY (context_options), ENTRY (exceptions), ENTRY (socket_references),
      ENTRY (poll), ENTRY (monitor), ENTRY (proxies), ENTRY (context_shutdown), ENTRY (cancelled_threads))
