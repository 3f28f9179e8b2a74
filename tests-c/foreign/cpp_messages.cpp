// Messages as C++ programs on cppzmq use them: message_t (which moves a zmq_msg_t by copying its bytes), buffers,
// send_multipart and recv_multipart, multipart_t.
#include "cpp.hpp"
#include <atomic>
#include <list>
#include <sstream>

static std::string pattern (size_t size)
{
    std::string s (size, '\0');
    for (size_t i = 0; i < size; i++)
        s[i] = (char) (i * 7 + (i >> 8));
    return s;
}

// A PUSH and a PULL, connected.
struct Pipe
{
    zmq::context_t ctx;
    zmq::socket_t push, pull;
    explicit Pipe (const char *where) : push (ctx, zmq::socket_type::push), pull (ctx, zmq::socket_type::pull)
    {
        push.set (zmq::sockopt::linger, 0);
        pull.bind (where);
        push.connect (pull.get (zmq::sockopt::last_endpoint));
    }
};

GROUP (message_contents)
{
    const std::string small = "forty two", big = pattern (100000);
    zmq::message_t empty, sized (300), from_text (small), from_big (big), bytes (small.data (), 5);
    std::vector<int32_t> numbers = {1, -2, 1 << 30};
    zmq::message_t from_numbers (numbers), from_iterators (numbers.begin (), numbers.end ());

    CHECK (empty.empty () && empty.size () == 0 && sized.size () == 300 && !sized.empty ());
    CHECK (from_text.to_string () == small && from_text.to_string_view () == small && bytes.to_string () == "forty");
    CHECK (from_big.to_string () == big);
    CHECK (from_numbers.size () == 12 && from_numbers == from_iterators && from_numbers != from_text);
    CHECK (from_numbers.data<int32_t> ()[1] == -2);
    CHECK (!from_text.more ());
    IS (from_text.get (ZMQ_MORE), 0);
    THROWS (from_text.get (4711), EINVAL);
    THROWS (from_text.gets ("User-Id"), EINVAL);

    from_text.rebuild (big.data (), big.size ());
    CHECK (from_text == from_big);
    from_text.rebuild ();
    CHECK (from_text.empty ());
    std::ostringstream out;
    out << bytes;
    CHECK (out.str ().find ("forty") != std::string::npos && bytes.str () == out.str ());
}

GROUP (message_moves_and_copies)
{
    for (size_t size : {size_t (0), size_t (1), size_t (29), size_t (33), size_t (40), size_t (41), size_t (500000)}) {
        const std::string text = pattern (size);
        zmq::message_t a (text);
        zmq::message_t b (std::move (a));
        CHECK (b.to_string () == text && a.empty ());
        a = std::move (b);
        CHECK (a.to_string () == text && b.empty ());
        swap (a, b);
        CHECK (b.to_string () == text && a.empty ());
        a.copy (b);
        CHECK (a == b);
        zmq::message_t c;
        c.move (b);
        CHECK (c.to_string () == text && b.empty () && a == c);
        // Containers move their elements about.
        std::vector<zmq::message_t> many;
        for (int i = 0; i < 50; i++) {
            zmq::message_t copy;
            copy.copy (c);
            many.insert (many.begin (), std::move (copy));
        }
        for (auto &m : many)
            CHECK (m.to_string () == text);
    }
}

static std::atomic<int> freed (0);
static void count_free (void *data, void *hint)
{
    CHECK (*static_cast<std::string **> (hint) != nullptr);
    delete[] static_cast<char *> (data);
    freed++;
}

GROUP (message_free_function_runs_once)
{
    std::string witness;
    std::string *hint = &witness;
    for (const char *where : {"tcp://127.0.0.1:*", "inproc://free"}) {
        freed = 0;
        {
            Pipe pipe (where);
            for (int i = 0; i < 20; i++) {
                char *data = new char[70000];
                memset (data, i, 70000);
                zmq::message_t msg (data, 70000, count_free, &hint), copy;
                copy.copy (msg);
                zmq::message_t elsewhere (std::move (msg));
                IS (*pipe.push.send (elsewhere, zmq::send_flags::none), 70000);
                CHECK (elsewhere.empty ());
                zmq::message_t got;
                IS (*pipe.pull.recv (got), 70000);
                CHECK (got == copy && got.data<char> ()[69999] == (char) i);
            }
        }
        IS (freed.load (), 20);
    }
}

GROUP (buffers)
{
    using namespace zmq::literals;
    Pipe pipe ("inproc://buffers");
    std::array<uint16_t, 3> words = {{1, 2, 3}}, back = {{0, 0, 0}};
    std::string text = "a string";
    char room[5];

    IS (*pipe.push.send (zmq::buffer (words)), 6);
    auto got = pipe.pull.recv (zmq::buffer (back));
    CHECK (got && got->size == 6 && !got->truncated () && words == back);

    IS (*pipe.push.send (zmq::buffer (text), zmq::send_flags::sndmore), 8);
    IS (*pipe.push.send ("literal"_zbuf), 7);
    got = pipe.pull.recv (zmq::buffer (room));
    CHECK (got && got->truncated () && got->size == 5 && got->untruncated_size == 8 && !memcmp (room, "a str", 5));
    CHECK (pipe.pull.get (zmq::sockopt::rcvmore));
    zmq::message_t rest;
    IS (*pipe.pull.recv (rest), 7);
    CHECK (rest.to_string () == "literal" && !rest.more () && !pipe.pull.get (zmq::sockopt::rcvmore));

    // Nothing there: no value, no exception.
    CHECK (!pipe.pull.recv (rest, zmq::recv_flags::dontwait));
    CHECK (!pipe.pull.recv (zmq::buffer (room), zmq::recv_flags::dontwait));
    pipe.pull.set (zmq::sockopt::rcvtimeo, 20);
    CHECK (!pipe.pull.recv (rest));
    std::vector<zmq::message_t> parts;
    CHECK (!zmq::recv_multipart (pipe.pull, std::back_inserter (parts), zmq::recv_flags::dontwait));
}

GROUP (send_and_recv_multipart)
{
    for (const char *where : {"tcp://127.0.0.1:*", "inproc://multipart"}) {
        Pipe pipe (where);
        const std::string big = pattern (1 << 20);
        std::array<zmq::const_buffer, 4> buffers = {
          {zmq::str_buffer ("one"), zmq::const_buffer (), zmq::buffer (big), zmq::str_buffer ("four")}};
        std::vector<zmq::message_t> got;
        std::list<zmq::message_t> messages;

        IS (*zmq::send_multipart (pipe.push, buffers), 4);
        IS (*zmq::recv_multipart (pipe.pull, std::back_inserter (got)), 4);
        CHECK (got[0].to_string () == "one" && got[1].empty () && got[2].to_string () == big && got[3].to_string () == "four");
        CHECK (got[0].more () && got[2].more () && !got[3].more ());

        for (int i = 0; i < 200; i++)
            messages.emplace_back (pattern ((size_t) i));
        IS (*zmq::send_multipart (pipe.push, messages), 200);
        CHECK (messages.front ().empty () && messages.back ().empty ());
        got.clear ();
        IS (*zmq::recv_multipart_n (pipe.pull, std::back_inserter (got), 200), 200);
        for (size_t i = 0; i < 200; i++)
            CHECK (got[i].to_string () == pattern (i));

        // More parts than there is room for.
        IS (*zmq::send_multipart (pipe.push, buffers), 4);
        got.clear ();
        bool thrown = false;
        try {
            (void) zmq::recv_multipart_n (pipe.pull, std::back_inserter (got), 3);
        } catch (const std::runtime_error &) {
            thrown = true;
        }
        CHECK (thrown && got.size () == 3);
    }
}

GROUP (multipart_t)
{
    for (const char *where : {"tcp://127.0.0.1:*", "ipc://*", "inproc://multipart_t"}) {
        Pipe pipe (where);
        zmq::multipart_t msg ("middle"), other;
        msg.pushstr ("first");
        msg.addtyp<uint32_t> (4711);
        msg.addmem (nullptr, 0);
        msg.add (zmq::message_t (pattern (70000)));
        msg.push (zmq::message_t ());
        zmq::multipart_t copy = msg.clone ();
        CHECK (copy == msg && copy.equal (&msg) && msg.size () == 6);
        CHECK (msg.str ().find ("middle") != std::string::npos);

        CHECK (msg.send (pipe.push));
        CHECK (msg.empty ());
        CHECK (other.recv (pipe.pull));
        CHECK (other == copy);

        CHECK (other.pop ().empty () && other.popstr () == "first" && other.peekstr (0) == "middle");
        CHECK (other.remove ().size () == 70000 && other.back ().empty ());
        IS (other.peektyp<uint32_t> (1), 4711);
        other.append (zmq::multipart_t ("last"));
        other.prepend (zmq::multipart_t ("front"));
        CHECK (other.size () == 5 && other.popstr () == "front" && other.popstr () == "middle");
        IS (other.poptyp<uint32_t> (), 4711);

        // The parts of one message in one part of another.
        zmq::message_t encoded = copy.encode ();
        IS (*pipe.push.send (encoded, zmq::send_flags::none), 70000 + 4 + 6 + 5 + 5 + 5);
        zmq::message_t received;
        CHECK (pipe.pull.recv (received));
        CHECK (zmq::multipart_t::decode (received) == copy);

        CHECK (!other.recv (pipe.pull, ZMQ_DONTWAIT) && other.empty ());
    }
}

GROUP (metadata)
{
    zmq::context_t ctx;
    zmq::socket_t rep (ctx, zmq::socket_type::rep), req (ctx, zmq::socket_type::req);
    req.set (zmq::sockopt::routing_id, "anna");
    rep.bind ("tcp://127.0.0.1:*");
    req.connect (rep.get (zmq::sockopt::last_endpoint));
    req.send (zmq::str_buffer ("hello"), zmq::send_flags::none);
    zmq::message_t got;
    CHECK (rep.recv (got));
    CHECK (std::string (got.gets ("Socket-Type")) == "REQ" && std::string (got.gets ("Identity")) == "anna");
    CHECK (std::string (got.gets ("Peer-Address")) == "127.0.0.1");
    THROWS (got.gets ("User-Id"), EINVAL);
    zmq::message_t moved (std::move (got)), copy;
    copy.copy (moved);
    got.rebuild ();
    CHECK (std::string (copy.gets ("Identity")) == "anna");
    THROWS (got.gets ("Identity"), EINVAL);
    rep.send (moved, zmq::send_flags::none);
    CHECK (req.recv (got));
    CHECK (got.to_string () == "hello" && std::string (got.gets ("Socket-Type")) == "REP");
}

MAIN (ENTRY (message_contents), ENTRY (message_moves_and_copies), ENTRY (message_free_function_runs_once), ENTRY (buffers),
      ENTRY (send_and_recv_multipart), ENTRY (multipart_t), ENTRY (metadata))
