/*
 * A Kerberos of a test's own: a KDC on a port of the loopback, with its realm, its principals, and their keytabs in a
 * directory that goes with it. Nothing of the machine's configuration is read. It ends with the program that starts it.
 */
#ifndef TESTS_C_KDC_H
#define TESTS_C_KDC_H

#include "common.h"

static char kdc_dir[200];
static pid_t kdc_pid;

static int UNUSED kdc_is_installed (void)
{
    return !access ("/usr/sbin/krb5kdc", X_OK) && !access ("/usr/sbin/kdb5_util", X_OK)
           && !access ("/usr/sbin/kadmin.local", X_OK);
}

static void kdc_path (char *path, const char *name)
{
    snprintf (path, 300, "%s/%s", kdc_dir, name);
}

static FILE *kdc_file (const char *name)
{
    char path[300];
    FILE *file;
    kdc_path (path, name);
    CHECK ((file = fopen (path, "w")));
    return file;
}

/* A port that is free for both protocols now. */
static int kdc_port (void)
{
    for (;;) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
        socklen_t len = sizeof a;
        int tcp = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), udp = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), both;
        CHECK (bind (tcp, (struct sockaddr *) &a, sizeof a) == 0 && getsockname (tcp, (struct sockaddr *) &a, &len) == 0);
        both = bind (udp, (struct sockaddr *) &a, sizeof a) == 0;
        close (tcp);
        close (udp);
        if (both)
            return ntohs (a.sin_port);
    }
}

/* The configuration of whoever has this KDC, to be found by this name. */
static void UNUSED kdc_clients_of (const char *name, int port)
{
    FILE *f = kdc_file (name);
    fprintf (f,
             "[libdefaults]\n default_realm = ZMQ.TEST\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
             " dns_canonicalize_hostname = false\n rdns = false\n qualify_shortname = \"\"\n"
             "[realms]\n ZMQ.TEST = {\n  kdc = 127.0.0.1:%d\n }\n[domain_realm]\n localhost = ZMQ.TEST\n",
             port);
    fclose (f);
}

static void kdc_use (const char *variable, const char *prefix, const char *name)
{
    char path[300], value[320];
    kdc_path (path, name);
    snprintf (value, sizeof value, "%s%s", prefix, path);
    setenv (variable, value, 1);
}

/* Runs a command of the shell's, which has to succeed; what it says is heard only if it does not. */
static void kdc_run (const char *format, ...)
{
    char command[1000], whole[1400];
    va_list args;
    va_start (args, format);
    vsnprintf (command, sizeof command, format, args);
    va_end (args);
    snprintf (whole, sizeof whole, "{ %s; } >%s/said 2>&1 || { cat %s/said >&2; exit 1; }", command, kdc_dir, kdc_dir);
    if (system (whole))
        fail_at (__FILE__, __LINE__, "%s", command);
}

static void kdc_end (void)
{
    char command[300];
    if (!kdc_pid)
        return;
    kill (kdc_pid, SIGKILL);
    waitpid (kdc_pid, NULL, 0);
    kdc_pid = 0;
    snprintf (command, sizeof command, "rm -rf %s", kdc_dir);
    if (system (command))
        fprintf (stderr, "    %s is left\n", kdc_dir);
}

/* Whether somebody accepts connections there. */
static int kdc_listens (int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons ((uint16_t) port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = connect (fd, (struct sockaddr *) &a, sizeof a) == 0;
    close (fd);
    return yes;
}

/*
 * Starts it. There are the service zmq@localhost, its client alice, and a service that nobody serves, other@localhost.
 * Clients of libzmq want a keytab that serves both ways.
 */
static void UNUSED kdc_start (void)
{
    const char *tmp = getenv ("TMPDIR");
    int port = kdc_port ();
    FILE *f;
    pid_t self = getpid ();
    snprintf (kdc_dir, sizeof kdc_dir, "%s/zt-kdc-XXXXXX", tmp ? tmp : "/tmp");
    CHECK (mkdtemp (kdc_dir));
    kdc_clients_of ("krb5.conf", port);
    f = kdc_file ("kdc.conf");
    fprintf (f,
             "[kdcdefaults]\n kdc_listen = 127.0.0.1:%d\n kdc_tcp_listen = 127.0.0.1:%d\n[realms]\n ZMQ.TEST = {\n"
             "  database_name = %s/principal\n  key_stash_file = %s/stash\n  acl_file = %s/acl\n }\n"
             "[logging]\n kdc = FILE:%s/log\n",
             port, port, kdc_dir, kdc_dir, kdc_dir, kdc_dir);
    fclose (f);
    kdc_use ("KRB5_CONFIG", "", "krb5.conf");
    kdc_use ("KRB5_KDC_PROFILE", "", "kdc.conf");
    kdc_use ("KRB5_KTNAME", "FILE:", "keytab");
    kdc_use ("KRB5_CLIENT_KTNAME", "FILE:", "keytab");
    /* A collection: libzmq gets a ticket for a server, too, and then wants one for the client. */
    kdc_use ("KRB5CCNAME", "DIR:", "tickets");
    /* What was seen before is nobody else's. */
    setenv ("KRB5RCACHENAME", "none:", 1);
    kdc_run ("mkdir -m 700 %s/tickets", kdc_dir);
    kdc_run ("/usr/sbin/kdb5_util create -W -s -P master -r ZMQ.TEST");
    f = kdc_file ("commands");
    fprintf (f, "addprinc -randkey zmq/localhost\naddprinc -randkey alice\naddprinc -randkey other/localhost\n"
                "ktadd -k %s/keytab zmq/localhost alice\n", kdc_dir);
    fclose (f);
    kdc_run ("/usr/sbin/kadmin.local <%s/commands", kdc_dir);
    if (!(kdc_pid = fork ())) {
        int null = open ("/dev/null", O_RDWR);
        dup2 (null, 0), dup2 (null, 1), dup2 (null, 2);
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        if (getppid () == self)
            execl ("/usr/sbin/krb5kdc", "krb5kdc", "-n", (char *) NULL);
        _exit (3);
    }
    EVENTUALLY (kdc_listens (port), 10000);
}

#endif
