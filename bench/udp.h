/* RADIO -> DISH, a part of zbench.c. Over udp first. Datagrams are lost when they come faster than they are read, and a rate at which
 * most are is none: the receiver lets the sender have so many under way, and says so over ipc. Of 1000 octets as many find
 * room in what a socket of the system has by default. One that is lost all the same ends both. */
enum { UNDER_WAY = 64, CREDIT = 32, PATIENCE = 5000 };
/* Not every libzmq has them. */
#pragma weak zmq_join
#pragma weak zmq_msg_set_group

/* The other end's word about what has come. */
static void *credit_socket (void *c, int type)
{
    void *s = zmq_socket (c, type);
    int patience = PATIENCE;
    MUST (s && !zmq_setsockopt (s, ZMQ_RCVTIMEO, &patience, sizeof patience));
    return s;
}

static void radio_peer (void)
{
    void *c = ctx_get_one (), *s = sock (c, ZMQ_RADIO, 0), *credit = credit_socket (c, ZMQ_PULL);
    MUST (!zmq_connect (credit, ep_b));
    MUST (zmq_recv (credit, NULL, 0, 0) == 0); /* the other one is there */
    MUST (!zmq_connect (s, ep_a));
    usleep (100000);
    double t = now_s ();
    long may = UNDER_WAY, credits = count / CREDIT + 1;
    for (long i = 0; i < count; i++, may--) {
        while (may == 0) {
            MUST (zmq_recv (credit, NULL, 0, 0) == 0);
            may = CREDIT;
            credits--;
        }
        zmq_msg_t m;
        MUST (!zmq_msg_init_size (&m, size));
        memset (zmq_msg_data (&m), 0, size);
        memcpy (zmq_msg_data (&m), &t, sizeof t);
        MUST (!zmq_msg_set_group (&m, "group"));
        MUST (zmq_msg_send (&m, s, 0) == (int) size);
    }
    /* Until all have come: closing loses what a socket has not sent. */
    while (credits-- > 0) MUST (zmq_recv (credit, NULL, 0, 0) == 0);
    zmq_close (s);
    zmq_close (credit);
    ctx_drop (c);
}

static void radio_main (void)
{
    void *c = ctx_get_one (), *s = sock (c, ZMQ_DISH, 1), *credit = credit_socket (c, ZMQ_PUSH);
    int patience = PATIENCE;
    char *b = malloc (size + 1);
    double t = 0;
    MUST (!zmq_setsockopt (s, ZMQ_RCVTIMEO, &patience, sizeof patience));
    MUST (!zmq_join (s, "group"));
    MUST (!zmq_bind (s, ep_a));
    MUST (!zmq_bind (credit, ep_b));
    usleep (100000);
    MUST (zmq_send (credit, "", 0, 0) == 0);
    for (long i = 0; i < count; i++) {
        MUST (zmq_recv (s, b, size, 0) == (int) size);
        if (i == 0) t = began_at (b);
        if ((i + 1) % CREDIT == 0) MUST (zmq_send (credit, "", 0, 0) == 0);
    }
    t_elapsed = now_s () - t;
    MUST (zmq_send (credit, "", 0, 0) == 0);
    usleep (100000);
    zmq_close (s);
    zmq_close (credit);
    ctx_drop (c);
    free (b);
}

/* Over connections one RADIO has many DISHes, and with ZMQ_XPUB_NODROP it waits for those that are full. Nobody tells who has
 * joined: messages of nothing go until every DISH has said that it gets some. */
static void *dish_thread (void *c)
{
    void *s = sock (c, ZMQ_DISH, 0), *here = credit_socket (c, ZMQ_PUSH);
    char *b = malloc (size + 1);
    hwm (s, 0);
    MUST (!zmq_connect (here, ep_b));
    MUST (!zmq_join (s, "group"));
    MUST (!zmq_connect (s, ep_a));
    MUST (zmq_recv (s, b, size, 0) == 0);
    MUST (zmq_send (here, "", 0, 0) == 0);
    for (long i = 0; i < count;) {
        int n = zmq_recv (s, b, size, 0);
        MUST (n == 0 || n == (int) size);
        i += n != 0;
    }
    zmq_close (s);
    zmq_close (here);
    free (b);
    return NULL;
}

static void dishes_peer (void)
{
    void *c = ctx_get_one ();
    usleep (100000);
    pthread_t *t = calloc (peers, sizeof *t);
    for (int i = 0; i < peers; i++) pthread_create (&t[i], NULL, dish_thread, c);
    for (int i = 0; i < peers; i++) pthread_join (t[i], NULL);
    free (t);
    ctx_drop (c);
}

static void to_group (void *s, size_t length)
{
    zmq_msg_t m;
    MUST (!zmq_msg_init_size (&m, length));
    memset (zmq_msg_data (&m), 0, length);
    MUST (!zmq_msg_set_group (&m, "group"));
    MUST (zmq_msg_send (&m, s, 0) == (int) length);
}

static void dishes_main (void)
{
    void *c = ctx_get_one (), *s = sock (c, ZMQ_RADIO, 1), *here = credit_socket (c, ZMQ_PULL);
    int one = 1;
    MUST (!zmq_setsockopt (s, ZMQ_XPUB_NODROP, &one, sizeof one));
    MUST (!zmq_bind (s, ep_a));
    MUST (!zmq_bind (here, ep_b));
    for (int there = 0; there < peers; usleep (1000)) {
        to_group (s, 0);
        while (there < peers && zmq_recv (here, NULL, 0, ZMQ_DONTWAIT) == 0) there++;
    }
    double t = now_s ();
    for (long i = 0; i < count; i++) to_group (s, size);
    zmq_close (s);
    zmq_close (here);
    t_elapsed = -t; /* main adds the time when the last one is done */
    ctx_drop (c);
}
