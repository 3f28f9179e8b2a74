// A program of the C++98 days: integers for flags, options by number, send and recv of old, errors as exceptions.
#include "../common.h"
#include <string>
#include <zmq.hpp>

static std::string endpoint_of (zmq::socket_t &s)
{
    char text[EP_SIZE];
    size_t size = sizeof text;
    s.getsockopt (ZMQ_LAST_ENDPOINT, text, &size);
    return std::string (text);
}

GROUP (request_and_reply)
{
    zmq::context_t ctx (1);
    zmq::socket_t rep (ctx, ZMQ_REP), req (ctx, ZMQ_REQ);
    int linger = 0;
    req.setsockopt (ZMQ_LINGER, &linger, sizeof linger);
    rep.setsockopt (ZMQ_RCVTIMEO, 20);
    IS (rep.getsockopt<int> (ZMQ_RCVTIMEO), 20);
    rep.bind ("tcp://127.0.0.1:*");
    zmq::message_t nothing;
    CHECK (!rep.recv (&nothing) && !rep.recv (&nothing, ZMQ_DONTWAIT));
    req.connect (endpoint_of (rep));
    for (int i = 0; i < 10; i++) {
        zmq::message_t request (6), reply;
        memcpy (request.data (), "Hello\n", 6);
        CHECK (req.send (request, i % 2 ? ZMQ_SNDMORE : 0));
        if (i % 2)
            IS (req.send ("tail", 4), 4);
        zmq::pollitem_t items[] = {{rep, 0, ZMQ_POLLIN, 0}};
        IS (zmq::poll (items, 1, 10000), 1);
        CHECK (items[0].revents & ZMQ_POLLIN);
        CHECK (rep.recv (&request) && request.size () == 6 && !memcmp (request.data (), "Hello\n", 6));
        int64_t more = 0;
        size_t size = sizeof more;
        rep.getsockopt (ZMQ_RCVMORE, &more, &size);
        CHECK ((more != 0) == (i % 2 != 0));
        if (i % 2) {
            char tail[10];
            IS (rep.recv (tail, sizeof tail), 4);
        }
        zmq::message_t copy;
        copy.copy (&request);
        CHECK (copy.equal (&request));
        CHECK (rep.send (copy));
        CHECK (req.recv (&reply) && reply.size () == 6);
    }
}

GROUP (publish_and_subscribe)
{
    zmq::context_t ctx (1);
    zmq::socket_t pub (ctx, ZMQ_XPUB), sub (ctx, ZMQ_SUB);
    sub.setsockopt (ZMQ_SUBSCRIBE, "10001 ", 6);
    pub.bind ("ipc://*");
    sub.connect (endpoint_of (pub).c_str ());
    zmq::message_t topic;
    CHECK (pub.recv (&topic) && topic.size () == 7 && *static_cast<char *> (topic.data ()) == 1);
    for (int zip = 10000; zip < 10003; zip++) {
        char text[20];
        pub.send (text, (size_t) sprintf (text, "%d %d", zip, zip % 7));
    }
    char got[20] = "";
    IS (sub.recv (got, sizeof got), 7);
    CHECK (std::string (got, 7) == "10001 5");
}

GROUP (errors_are_exceptions)
{
    zmq::context_t ctx (1);
    zmq::socket_t rep (ctx, ZMQ_REP);
    int caught = 0;
    try {
        rep.send ("x", 1);
    } catch (zmq::error_t &e) {
        caught = e.num ();
        CHECK (std::string (e.what ()) == zmq_strerror (EFSM));
    }
    IS (caught, EFSM);
    try {
        rep.setsockopt (ZMQ_SNDHWM, "three", 5);
    } catch (std::exception &e) {
        CHECK (std::string (e.what ()) == strerror (EINVAL));
        caught = EINVAL;
    }
    IS (caught, EINVAL);
}

MAIN (ENTRY (request_and_reply), ENTRY (publish_and_subscribe), ENTRY (errors_are_exceptions))
