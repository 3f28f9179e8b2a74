// The draft interface as C++ programs on cppzmq use it, which looks for it when it is compiled: poller_t, active_poller_t,
// groups, numbers of peers, and the types.
#define ZMQ_BUILD_DRAFT_API
#include "cpp.hpp"

#ifndef ZMQ_HAVE_POLLER
#error "zmq.h declares the draft interface, and cppzmq does not find it"
#endif

using zmq::socket_type;
using std::chrono::milliseconds;
namespace opt = zmq::sockopt;

static zmq::message_t text (const std::string &body)
{
    return zmq::message_t (body);
}

static std::string where (zmq::socket_t &s)
{
    s.set (opt::linger, 0);
    s.set (opt::rcvtimeo, 5000);
    s.bind ("tcp://127.0.0.1:*");
    return s.get (opt::last_endpoint);
}

GROUP (client_and_server)
{
    zmq::context_t ctx;
    zmq::socket_t server (ctx, socket_type::server), client (ctx, socket_type::client);
    client.set (opt::linger, 0);
    client.set (opt::rcvtimeo, 5000);
    std::string ep = where (server);
    client.connect (ep);
    CHECK (client.send (text ("question"), zmq::send_flags::none));
    zmq::message_t got, answer = text ("answer");
    CHECK (server.recv (got));
    CHECK (got.to_string () == "question" && got.routing_id () != 0);
    answer.set_routing_id (got.routing_id ());
    CHECK (server.send (answer, zmq::send_flags::none));
    CHECK (client.recv (got) && got.to_string () == "answer");
    answer = text ("nobody");
    answer.set_routing_id (1);
    THROWS (server.send (answer, zmq::send_flags::none), EHOSTUNREACH);
    THROWS (client.send (text ("x"), zmq::send_flags::sndmore), EINVAL);
}

GROUP (radio_and_dish)
{
    zmq::context_t ctx;
    zmq::socket_t radio (ctx, socket_type::radio), dish (ctx, socket_type::dish);
    radio.set (opt::linger, 0);
    std::string ep = where (dish);
    dish.join ("news");
    THROWS (dish.join ("news"), EINVAL);
    radio.connect (ep);
    zmq::message_t got;
    dish.set (opt::rcvtimeo, 2);
    do {
        for (std::string group : {"other", "news"}) {
            zmq::message_t msg = text ("of " + group);
            msg.set_group (group.c_str ());
            CHECK (std::string (msg.group ()) == group);
            CHECK (radio.send (msg, zmq::send_flags::none));
        }
    } while (!dish.recv (got));
    CHECK (got.to_string () == "of news" && std::string (got.group ()) == "news");
    dish.leave ("news");
    THROWS (dish.leave ("news"), EINVAL);
}

GROUP (scatter_and_gather)
{
    zmq::context_t ctx;
    zmq::socket_t gather (ctx, socket_type::gather), scatter (ctx, socket_type::scatter);
    scatter.set (opt::linger, 0);
    scatter.connect (where (gather));
    zmq::message_t got;
    for (int i = 0; i < 100; i++)
        CHECK (scatter.send (text (std::to_string (i)), zmq::send_flags::none));
    for (int i = 0; i < 100; i++)
        CHECK (gather.recv (got) && got.to_string () == std::to_string (i));
}

GROUP (pollers)
{
    zmq::context_t ctx;
    zmq::socket_t server (ctx, socket_type::server), client (ctx, socket_type::client);
    client.set (opt::linger, 0);
    client.connect (where (server));
    zmq::poller_t<std::string> poller, second;
    std::vector<zmq::poller_event<std::string>> events (2);
    std::string name = "server";
    poller.add (server, zmq::event_flags::pollin, &name);
    second.add (server, zmq::event_flags::pollin, &name);
    THROWS (poller.add (server, zmq::event_flags::pollin, &name), EINVAL);
    IS (poller.wait_all (events, milliseconds (0)), 0);
    CHECK (client.send (text ("x"), zmq::send_flags::none));
    for (zmq::poller_t<std::string> *each : {&poller, &second}) {
        IS (each->wait_all (events, milliseconds (5000)), 1);
        CHECK (events[0].user_data == &name && events[0].socket.handle () == server.handle ());
        CHECK (events[0].events == zmq::event_flags::pollin);
    }
    poller.remove (server);
    THROWS (poller.remove (server), EINVAL);

    zmq::active_poller_t active;
    int called = 0;
    active.add (server, zmq::event_flags::pollin, [&] (zmq::event_flags events) {
        zmq::message_t got;
        CHECK (events == zmq::event_flags::pollin && server.recv (got, zmq::recv_flags::dontwait));
        called++;
    });
    IS (active.wait (milliseconds (5000)), 1);
    IS (active.wait (milliseconds (0)), 0);
    IS (called, 1);
}

MAIN (ENTRY (client_and_server), ENTRY (radio_and_dish), ENTRY (scatter_and_gather), ENTRY (pollers))
