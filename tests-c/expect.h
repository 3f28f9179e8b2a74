/* Checks that go on: one run of a table shows all that is wrong. A group ends with IS (wrong, 0). */
#ifndef EXPECT_H
#define EXPECT_H
#include "common.h"

static int wrong;

/* Notes what is wrong and goes on, so that one run shows all of it. */
#define EXPECT(cond, ...)                                                                                              \
    do {                                                                                                               \
        if (!(cond)) {                                                                                                 \
            int errno_ = errno;                                                                                        \
            wrong++;                                                                                                   \
            fprintf (stderr, "    line %d: ", __LINE__);                                                               \
            fprintf (stderr, __VA_ARGS__);                                                                             \
            fprintf (stderr, " (errno %d)\n", errno_);                                                                 \
        }                                                                                                              \
    } while (0)

#endif
