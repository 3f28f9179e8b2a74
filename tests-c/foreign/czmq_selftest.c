/*
 * CZMQ's own tests, which its library exports, each in a process and an empty working directory of its own.
 * CZMQ reports a failure by assert, which ends that process.
 */
#define WATCHDOG 60
#include "../common.h"
#include <czmq.h>

/* Exported by the library, declared in no header: sets and reads every socket option. */
CZMQ_EXPORT void zsock_option_test (bool verbose);

static void in_fresh_directory (const char *name)
{
    char path[500];
    const char *dir = getenv ("TMPDIR");
    snprintf (path, sizeof path, "%s/czmq-%s-XXXXXX", dir ? dir : "/tmp", name);
    CHECK (mkdtemp (path) != NULL && chdir (path) == 0);
    /* Where the tests look for files to read, and leave what they write. */
    CHECK (mkdir ("src", 0755) == 0 && mkdir ("src/selftest-ro", 0755) == 0 && mkdir ("src/selftest-rw", 0755) == 0);
}

/* The shutdown at the end waits for every socket to be closed and for the context to end. */
#define CZMQ(name)                                                                                                     \
    GROUP (name)                                                                                                       \
    {                                                                                                                  \
        in_fresh_directory (#name);                                                                                    \
        name##_test (false);                                                                                           \
        zsys_shutdown ();                                                                                              \
    }

#define ALL(X)                                                                                                         \
    X (zactor) X (zarmour) X (zauth) X (zbeacon) X (zcert) X (zcertstore) X (zchunk) X (zclock) X (zconfig)            \
    X (zdigest) X (zdir_patch) X (zdir) X (zfile) X (zframe) X (zgossip) X (zhash) X (zhashx) X (ziflist) X (zlist)    \
    X (zlistx) X (zloop) X (zmonitor) X (zmsg) X (zpoller) X (zproxy) X (zrex) X (zsock_option) X (zsock) X (zstr)     \
    X (zsys) X (zuuid)

ALL (CZMQ)

#define ENTRY_OF(name) ENTRY (name),
MAIN (ALL (ENTRY_OF))
