/*
 * Address families that the kernel of a test may not have, made of Unix domain sockets: what this program and the library
 * it is linked with ask the C library for in AF_VSOCK and AF_TIPC happens between sockets of this process. Whoever asks the
 * kernel itself does so through syscall(2), which is a function here, too.
 *
 * Machines are numbered as vsock(7) says, this one is 3. Ports that the system chooses begin with 10000. In TIPC this is
 * node <1.1.10>.
 */
#ifndef TESTS_C_FAMILIES_H
#define TESTS_C_FAMILIES_H

#include "common.h"
#include <dlfcn.h>
#include <linux/tipc.h>
#include <linux/vm_sockets.h>
#include <sys/syscall.h>

#define THIS_MACHINE 3u
#define THIS_NODE ((1u << 24) | (1u << 12) | 10u)
#define MOST_FDS 1024

typedef union
{
    struct sockaddr any;
    struct sockaddr_vm vm;
    struct sockaddr_tipc tipc;
} name_t;

static struct
{
    /* 0: none of ours. */
    int family, bound;
    /* What it is bound to, which in TIPC is not what getsockname(2) tells. */
    name_t place;
    name_t local, remote;
} made_up[MOST_FDS];

/* Off: the kernel's own. */
static int families_are_ours;
/* The last address that somebody was bound or connected to. */
static name_t last_bound, last_connected;
static int next_port = 10000;

typedef long syscall_fn (long, ...);
static syscall_fn *kernel;

static long ask (long number, long a, long b, long c, long d, long e, long f)
{
    if (!kernel)
        *(void **) &kernel = dlsym (RTLD_NEXT, "syscall");
    return kernel (number, a, b, c, d, e, f);
}

static int is_ours (int fd)
{
    return fd >= 0 && fd < MOST_FDS && made_up[fd].family;
}

static struct sockaddr_un path_of (int fd)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    snprintf (path.sun_path + 1, sizeof path.sun_path - 1, "zt-family-%d-%d", (int) getpid (), fd);
    return path;
}

/* A name of its own, of a machine or node that is this one. */
static name_t fresh (int family)
{
    name_t name = {{0}};
    if (family == AF_VSOCK)
        name.vm = (struct sockaddr_vm) {.svm_family = AF_VSOCK, .svm_cid = THIS_MACHINE, .svm_port = (unsigned) next_port++};
    else {
        name.tipc.family = AF_TIPC;
        name.tipc.addrtype = TIPC_ADDR_ID;
        name.tipc.addr.id.ref = (unsigned) next_port++;
        name.tipc.addr.id.node = THIS_NODE;
    }
    return name;
}

/* A number goes from a thread that closes to one that opens: the kernel sees to the order, which a tool cannot see. */
static void become (int fd, int family)
{
    static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
    if (fd < 0 || fd >= MOST_FDS)
        return;
    pthread_mutex_lock (&order);
    memset (&made_up[fd], 0, sizeof made_up[fd]);
    made_up[fd].family = family;
    if (family)
        made_up[fd].local = fresh (family);
    pthread_mutex_unlock (&order);
}

/* Whether somebody who was bound to `at` is who `to` names. */
static int is_at (const name_t *at, const name_t *id, const name_t *to)
{
    if (id->any.sa_family != to->any.sa_family)
        return 0;
    if (to->any.sa_family == AF_VSOCK)
        return at->vm.svm_port == to->vm.svm_port && (to->vm.svm_cid == THIS_MACHINE || to->vm.svm_cid == VMADDR_CID_LOCAL);
    if (to->tipc.addrtype == TIPC_ADDR_ID)
        return id->tipc.addr.id.ref == to->tipc.addr.id.ref && to->tipc.addr.id.node == THIS_NODE;
    return at->tipc.addrtype == TIPC_ADDR_NAMESEQ && at->tipc.addr.nameseq.type == to->tipc.addr.name.name.type
           && at->tipc.addr.nameseq.lower <= to->tipc.addr.name.name.instance
           && to->tipc.addr.name.name.instance <= at->tipc.addr.nameseq.upper;
}

static int answer (const name_t *name, struct sockaddr *to, socklen_t *length)
{
    socklen_t size = name->any.sa_family == AF_VSOCK ? sizeof name->vm : sizeof name->tipc;
    if (to && length) {
        memcpy (to, name, *length < size ? *length : size);
        *length = size;
    }
    return 0;
}

int socket (int family, int type, int protocol)
{
    int ours = families_are_ours && (family == AF_VSOCK || family == AF_TIPC);
    int fd = (int) ask (SYS_socket, ours ? AF_UNIX : family, type, ours ? 0 : protocol, 0, 0, 0);
    become (fd, ours && fd >= 0 ? family : 0);
    if (ours && fd >= 0) {
        struct sockaddr_un path = path_of (fd);
        ask (SYS_bind, fd, (long) &path, sizeof path, 0, 0, 0);
    }
    return fd;
}

int bind (int fd, const struct sockaddr *address, socklen_t length)
{
    if (!is_ours (fd))
        return (int) ask (SYS_bind, fd, (long) address, length, 0, 0, 0);
    name_t name = {{0}};
    memcpy (&name, address, length < sizeof name ? length : sizeof name);
    last_bound = name;
    if (name.any.sa_family == AF_VSOCK) {
        if (name.vm.svm_cid != VMADDR_CID_ANY && name.vm.svm_cid != THIS_MACHINE && name.vm.svm_cid != VMADDR_CID_LOCAL) {
            errno = EADDRNOTAVAIL;
            return -1;
        }
        for (int other = 0; other < MOST_FDS && name.vm.svm_port != VMADDR_PORT_ANY; other++)
            if (made_up[other].bound && made_up[other].local.vm.svm_port == name.vm.svm_port) {
                errno = EADDRINUSE;
                return -1;
            }
        if (name.vm.svm_port == VMADDR_PORT_ANY)
            name.vm.svm_port = (unsigned) next_port++;
        made_up[fd].local = name;
    }
    made_up[fd].place = name;
    made_up[fd].bound = 1;
    return 0;
}

int connect (int fd, const struct sockaddr *address, socklen_t length)
{
    if (!is_ours (fd))
        return (int) ask (SYS_connect, fd, (long) address, length, 0, 0, 0);
    name_t to = {{0}};
    memcpy (&to, address, length < sizeof to ? length : sizeof to);
    last_connected = made_up[fd].remote = to;
    for (int other = 0; other < MOST_FDS; other++)
        if (other != fd && made_up[other].family && is_at (&made_up[other].place, &made_up[other].local, &to)) {
            struct sockaddr_un path = path_of (other);
            return (int) ask (SYS_connect, fd, (long) &path, sizeof path, 0, 0, 0);
        }
    errno = ECONNREFUSED;
    return -1;
}

static int accept_by (long number, int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    int ours = is_ours (fd);
    int new = (int) ask (number, fd, ours ? 0 : (long) address, ours ? 0 : (long) length, flags, 0, 0);
    become (new, ours && new >= 0 ? made_up[fd].family : 0);
    if (ours && new >= 0) {
        made_up[new].local = made_up[fd].local;
        made_up[new].remote = fresh (made_up[fd].family);
        answer (&made_up[new].remote, address, length);
    }
    return new;
}

int accept (int fd, struct sockaddr *address, socklen_t *length)
{
    return accept_by (SYS_accept, fd, address, length, 0);
}

int accept4 (int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    return accept_by (SYS_accept4, fd, address, length, flags);
}

int getsockname (int fd, struct sockaddr *address, socklen_t *length)
{
    if (is_ours (fd))
        return answer (&made_up[fd].local, address, length);
    return (int) ask (SYS_getsockname, fd, (long) address, (long) length, 0, 0, 0);
}

int getpeername (int fd, struct sockaddr *address, socklen_t *length)
{
    if (is_ours (fd) && ask (SYS_getpeername, fd, (long) address, (long) length, 0, 0, 0) == 0)
        return answer (&made_up[fd].remote, address, length);
    return (int) ask (SYS_getpeername, fd, (long) address, (long) length, 0, 0, 0);
}

int close (int fd)
{
    become (fd, 0);
    return (int) ask (SYS_close, fd, 0, 0, 0, 0, 0);
}

long syscall (long number, ...)
{
    va_list list;
    long a[6];
    va_start (list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg (list, long);
    va_end (list);
    switch (number) {
        case SYS_close: return close ((int) a[0]);
        case SYS_connect: return connect ((int) a[0], (struct sockaddr *) a[1], (socklen_t) a[2]);
        case SYS_accept: return accept ((int) a[0], (struct sockaddr *) a[1], (socklen_t *) a[2]);
        case SYS_accept4: return accept4 ((int) a[0], (struct sockaddr *) a[1], (socklen_t *) a[2], (int) a[3]);
        default: return ask (number, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
}

#endif
