/* ZMQ_DEBUG=1: what happens to connections, in words, on standard error. libzmq has nothing like it. */
#define ONLY_OURS
#include "common.h"

static char said[1 << 16];
static int file, before;

/* From now on what goes to standard error goes to a file. */
static void listen_to (const char *value)
{
    char path[] = "/tmp/zt-debug-XXXXXX";
    if (value)
        OK (setenv ("ZMQ_DEBUG", value, 1));
    OK (file = mkstemp (path));
    OK (unlink (path));
    OK (fcntl (file, F_SETFL, O_APPEND));
    OK (before = dup (2));
    OK (dup2 (file, 2));
}

/* What has been said so far. */
static const char *words (void)
{
    ssize_t length = pread (file, said, sizeof said - 1, 0);
    CHECK (length >= 0);
    said[length] = '\0';
    return said;
}

static int count (const char *text)
{
    int found = 0;
    for (const char *at = words (); (at = strstr (at, text)); at++)
        found++;
    return found;
}

/* It is said in time, and standard error is itself again for what a test has to say about it. */
static void says (const char *text)
{
    int64_t until = now_ms () + 5000;
    while (!strstr (words (), text)) {
        if (now_ms () > until) {
            OK (dup2 (before, 2));
            fail_at (__FILE__, __LINE__, "not said: %s\n%s", text, said);
        }
        sleep_ms (2);
    }
}

GROUP (a_connection)
{
    char ep[EP_SIZE], text[2 * EP_SIZE];
    listen_to ("1");
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    set_int (push, ZMQ_RECONNECT_IVL, 20);
    bind_any (pull, "tcp", ep);
    snprintf (text, sizeof text, " %s: listening\n", ep);
    says (text);
    OK (zmq_unbind (pull, ep));
    snprintf (text, sizeof text, " %s: listens no more\n", ep);
    says (text);
    OK (zmq_connect (push, ep));
    snprintf (text, sizeof text, " %s: connecting\n", ep);
    says (text);
    snprintf (text, sizeof text, " %s: no connection: Connection refused", ep);
    says (text);
    snprintf (text, sizeof text, " %s: the next attempt comes in ", ep);
    says (text);
    OK (zmq_bind (pull, ep));
    says (" came\n");
    says ("connected; the handshake begins\n");
    says ("ready, ZMTP 3.1, NULL, with ");
    SEND (push, "x", 0);
    RECV (pull, "x");
    OK (zmq_close (pull));
    says (" lost: the peer has closed it\n");
    pull = sock (ctx, ZMQ_PULL);
    OK (zmq_bind (pull, ep));
    says ("ready again, ZMTP 3.1, NULL, with ");
    /* Each line says whose it is. */
    snprintf (text, sizeof text, "zmq[%d] PUSH ", (int) getpid ());
    says (text);
    snprintf (text, sizeof text, "zmq[%d] PULL ", (int) getpid ());
    says (text);
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
    OK (dup2 (before, 2));
    for (char *line = strtok ((char *) words (), "\n"); line; line = strtok (NULL, "\n"))
        CHECK (!strncmp (line, "zmq[", 4));
}

GROUP (why_a_handshake_fails)
{
    char ep[EP_SIZE];
    listen_to ("1");
    void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
    set_int (pull, ZMQ_PLAIN_SERVER, 1);
    bind_any (pull, "tcp", ep);
    OK (zmq_connect (push, ep));
    says (" failed: the peer has another security mechanism: PLAIN here, NULL there\n");
    says (" failed: the peer has another security mechanism: NULL here, PLAIN there\n");
    says ("there will be no further attempt\n");
    OK (zmq_bind (pull, "inproc://a"));
    OK (zmq_close (push));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
    OK (dup2 (before, 2));
}

/* The first at once, and no line for each of the others. */
GROUP (drops)
{
    static char body[20000];
    char ep[EP_SIZE];
    int64_t began = now_ms ();
    listen_to ("1");
    void *ctx = ctx_new (), *pub = sock (ctx, ZMQ_PUB), *sub = sock (ctx, ZMQ_SUB);
    set_int (pub, ZMQ_SNDHWM, 10);
    set_int (sub, ZMQ_RCVHWM, 10);
    set_int (pub, ZMQ_SNDBUF, 4096);
    set_int (sub, ZMQ_RCVBUF, 4096);
    OK (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0));
    bind_any (pub, "tcp", ep);
    OK (zmq_connect (sub, ep));
    while (!readable (sub, 2))
        SEND (pub, "-", 0);
    for (int i = 0; i < 2000; i++)
        IS (zmq_send (pub, body, sizeof body, 0), sizeof body);
    says (": 1 message was dropped: the queue to tcp://127.0.0.1:");
    int lines = count (" dropped: ");
    OK (dup2 (before, 2));
    CHECK (lines <= 2 + (now_ms () - began) / 1000);
    OK (dup2 (file, 2));
    /* The rest is told of when its peer goes, at the latest. */
    OK (zmq_close (pub));
    says (" messages were dropped: ");
    OK (zmq_close (sub));
    OK (zmq_ctx_term (ctx));
    OK (dup2 (before, 2));
}

GROUP (silent_otherwise)
{
    static const char *const values[] = {NULL, "0", ""};
    for (int i = 0; i < 3; i++) {
        pid_t child = fork ();
        int status;
        if (child == 0) {
            listen_to (values[i]);
            void *ctx = ctx_new ();
            exchange_something (ctx);
            OK (zmq_ctx_term (ctx));
            OK (dup2 (before, 2));
            CHECK (!*words ());
            _exit (0);
        }
        IS (waitpid (child, &status, 0), child);
        IS (status, 0);
    }
}

/* Nobody reads what is said, and nobody waits for that. */
GROUP (nobody_reads)
{
    int ends[2], saved;
    OK (setenv ("ZMQ_DEBUG", "1", 1));
    OK (pipe (ends));
    OK (fcntl (ends[1], F_SETPIPE_SZ, 4096));
    OK (saved = dup (2));
    OK (dup2 (ends[1], 2));
    void *ctx = ctx_new ();
    for (int i = 0; i < 40; i++)
        exchange_something (ctx);
    OK (zmq_ctx_term (ctx));
    OK (dup2 (saved, 2));
}

/* A peer chooses the name of its socket: nothing in it moves the cursor, or makes a line that looks like another one. */
GROUP (names_of_peers)
{
    char ep[EP_SIZE];
    struct sockaddr_un name = {AF_UNIX, ""}, to = {AF_UNIX, ""};
    int peer;
    listen_to ("1");
    void *ctx = ctx_new (), *pull = sock (ctx, ZMQ_PULL);
    bind_any (pull, "ipc", ep);
    OK (peer = socket (AF_UNIX, SOCK_STREAM, 0));
    snprintf (name.sun_path, sizeof name.sun_path, "/tmp/zt-%d-\033[2J\nzmq[1] X", (int) getpid ());
    OK (bind (peer, (struct sockaddr *) &name, sizeof name));
    snprintf (to.sun_path, sizeof to.sun_path, "%s", ep + strlen ("ipc://"));
    OK (connect (peer, (struct sockaddr *) &to, sizeof to));
    says (" came\n");
    OK (close (peer));
    OK (unlink (name.sun_path));
    says (" failed: ");
    CHECK (strstr (words (), "-?[2J?zmq[1] X") && !strchr (words (), '\033'));
    OK (zmq_close (pull));
    OK (zmq_ctx_term (ctx));
    OK (dup2 (before, 2));
    for (char *line = strtok ((char *) words (), "\n"); line; line = strtok (NULL, "\n"))
        CHECK (strstr (line, "] PULL "));
}

/* Who has read it has gone, as of `2>&1 | head -1`: no signal comes of that. */
GROUP (who_has_read_is_gone)
{
    pid_t child = fork ();
    int status;
    if (child == 0) {
        char ep[EP_SIZE];
        int ends[2];
        OK (setenv ("ZMQ_DEBUG", "1", 1));
        signal (SIGPIPE, SIG_DFL);
        OK (pipe (ends));
        OK (dup2 (ends[1], 2));
        OK (close (ends[0]));
        void *ctx = ctx_new (), *push = sock (ctx, ZMQ_PUSH), *pull = sock (ctx, ZMQ_PULL);
        bind_any (pull, "tcp", ep);
        OK (zmq_connect (push, ep));
        SEND (push, "x", 0);
        RECV (pull, "x");
        OK (zmq_close (push));
        OK (zmq_close (pull));
        OK (zmq_ctx_term (ctx));
        _exit (7);
    }
    IS (waitpid (child, &status, 0), child);
    CHECK (WIFEXITED (status));
    IS (WEXITSTATUS (status), 7);
}

MAIN (ENTRY (a_connection), ENTRY (why_a_handshake_fails), ENTRY (drops), ENTRY (silent_otherwise),
      ENTRY (nobody_reads), ENTRY (who_has_read_is_gone),
      ENTRY (names_of_peers))
