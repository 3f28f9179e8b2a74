// What the C++ programs share.
#include "../common.h"
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>
#include <zmq_addon.hpp>

// The expression throws zmq::error_t with this errno.
#define THROWS(expr, err)                                                                                              \
    do {                                                                                                               \
        int thrown_ = 0;                                                                                               \
        try {                                                                                                          \
            (void) (expr);                                                                                             \
        } catch (const zmq::error_t &e) {                                                                              \
            thrown_ = e.num ();                                                                                        \
            CHECK (std::string (e.what ()) == zmq_strerror (err));                                                     \
        }                                                                                                              \
        IS (thrown_, err);                                                                                             \
    } while (0)
