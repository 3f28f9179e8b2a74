/*  ZeroMQ's C interface, as zmq-oxide provides it. MIT OR Apache-2.0.
 *
 *  Generated from the Rust sources by cbindgen: change those, then run `make header`.
 *  The man pages of libzmq 4.3 say what the functions do.
 */

#ifndef __ZMQ_H_INCLUDED__
#define __ZMQ_H_INCLUDED__

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*  Programs compare versions with these.  */
#define ZMQ_MAKE_VERSION(major, minor, patch) ((major) * 10000 + (minor) * 100 + (patch))
#define ZMQ_VERSION ZMQ_MAKE_VERSION(ZMQ_VERSION_MAJOR, ZMQ_VERSION_MINOR, ZMQ_VERSION_PATCH)

/*  How a function that comes from the shared library is declared.  */
#if defined(ZMQ_NO_EXPORT)
#define ZMQ_EXPORT
#elif defined(__GNUC__)
#define ZMQ_EXPORT __attribute__((visibility("default")))
#else
#define ZMQ_EXPORT
#endif

/*  Says that <stdint.h>'s types are there.  */
#define ZMQ_DEFINED_STDINT 1
/*  Says that zmq_timers_* exist.  */
#define ZMQ_HAVE_TIMERS

/*  Numbers from here on collide with no errno of a system.  */
#define ZMQ_HAUSNUMERO 156384712

/*  Errors of POSIX that some systems do not have.  */
#ifndef ENOTSUP
#define ENOTSUP (ZMQ_HAUSNUMERO + 1)
#endif
#ifndef EPROTONOSUPPORT
#define EPROTONOSUPPORT (ZMQ_HAUSNUMERO + 2)
#endif
#ifndef ENOBUFS
#define ENOBUFS (ZMQ_HAUSNUMERO + 3)
#endif
#ifndef ENETDOWN
#define ENETDOWN (ZMQ_HAUSNUMERO + 4)
#endif
#ifndef EADDRINUSE
#define EADDRINUSE (ZMQ_HAUSNUMERO + 5)
#endif
#ifndef EADDRNOTAVAIL
#define EADDRNOTAVAIL (ZMQ_HAUSNUMERO + 6)
#endif
#ifndef ECONNREFUSED
#define ECONNREFUSED (ZMQ_HAUSNUMERO + 7)
#endif
#ifndef EINPROGRESS
#define EINPROGRESS (ZMQ_HAUSNUMERO + 8)
#endif
#ifndef ENOTSOCK
#define ENOTSOCK (ZMQ_HAUSNUMERO + 9)
#endif
#ifndef EMSGSIZE
#define EMSGSIZE (ZMQ_HAUSNUMERO + 10)
#endif
#ifndef EAFNOSUPPORT
#define EAFNOSUPPORT (ZMQ_HAUSNUMERO + 11)
#endif
#ifndef ENETUNREACH
#define ENETUNREACH (ZMQ_HAUSNUMERO + 12)
#endif
#ifndef ECONNABORTED
#define ECONNABORTED (ZMQ_HAUSNUMERO + 13)
#endif
#ifndef ECONNRESET
#define ECONNRESET (ZMQ_HAUSNUMERO + 14)
#endif
#ifndef ENOTCONN
#define ENOTCONN (ZMQ_HAUSNUMERO + 15)
#endif
#ifndef ETIMEDOUT
#define ETIMEDOUT (ZMQ_HAUSNUMERO + 16)
#endif
#ifndef EHOSTUNREACH
#define EHOSTUNREACH (ZMQ_HAUSNUMERO + 17)
#endif
#ifndef ENETRESET
#define ENETRESET (ZMQ_HAUSNUMERO + 18)
#endif

/*  Errors of ZeroMQ.  */
#define EFSM (ZMQ_HAUSNUMERO + 51)
#define ENOCOMPATPROTO (ZMQ_HAUSNUMERO + 52)
#define ETERM (ZMQ_HAUSNUMERO + 53)
#define EMTHREAD (ZMQ_HAUSNUMERO + 54)

struct iovec;

#ifdef __cplusplus
extern "C" {
#endif

/*  Function types, not pointers to functions.  */
typedef void(zmq_free_fn)(void *data, void *hint);
typedef void(zmq_timer_fn)(int timer_id, void *arg);
typedef void(zmq_thread_fn)(void *arg);

#ifdef __cplusplus
}
#endif

/*  A message. Its address must be a multiple of the size of a pointer.  */
typedef struct zmq_msg_t
{
#if defined(__GNUC__)
    unsigned char _[64] __attribute__((aligned(sizeof(void *))));
#else
    void *_[64 / sizeof(void *)];
#endif
} zmq_msg_t;

#ifdef ZMQ_BUILD_DRAFT_API
/*  Draft: names of properties for zmq_msg_gets.  */
#define ZMQ_MSG_PROPERTY_ROUTING_ID "Routing-Id"
#define ZMQ_MSG_PROPERTY_SOCKET_TYPE "Socket-Type"
#define ZMQ_MSG_PROPERTY_USER_ID "User-Id"
#define ZMQ_MSG_PROPERTY_PEER_ADDRESS "Peer-Address"

/*  Draft: says that zmq_poller_* exist.  */
#define ZMQ_HAVE_POLLER

/*  Draft: every event of version 2.  */
#define ZMQ_EVENT_ALL_V2 (ZMQ_EVENT_ALL_V1 | ZMQ_EVENT_PIPES_STATS)
#endif

/* The version of libzmq this library stands in for. */
#define ZMQ_VERSION_MAJOR 4
#define ZMQ_VERSION_MINOR 3
#define ZMQ_VERSION_PATCH 6

/* Context options (zmq_ctx_set(3)). */
#define ZMQ_IO_THREADS 1
#define ZMQ_MAX_SOCKETS 2
#define ZMQ_SOCKET_LIMIT 3
#define ZMQ_THREAD_PRIORITY 3
#define ZMQ_THREAD_SCHED_POLICY 4
#define ZMQ_MAX_MSGSZ 5
#define ZMQ_MSG_T_SIZE 6
#define ZMQ_THREAD_AFFINITY_CPU_ADD 7
#define ZMQ_THREAD_AFFINITY_CPU_REMOVE 8
#define ZMQ_THREAD_NAME_PREFIX 9

/* Defaults of context options. */
#define ZMQ_IO_THREADS_DFLT 1
#define ZMQ_MAX_SOCKETS_DFLT 1023
#define ZMQ_THREAD_PRIORITY_DFLT -1
#define ZMQ_THREAD_SCHED_POLICY_DFLT -1

/* Socket types (zmq_socket(3)). */
#define ZMQ_PAIR 0
#define ZMQ_PUB 1
#define ZMQ_SUB 2
#define ZMQ_REQ 3
#define ZMQ_REP 4
#define ZMQ_DEALER 5
#define ZMQ_ROUTER 6
#define ZMQ_PULL 7
#define ZMQ_PUSH 8
#define ZMQ_XPUB 9
#define ZMQ_XSUB 10
#define ZMQ_STREAM 11

/* Deprecated names of socket types. */
#define ZMQ_XREQ ZMQ_DEALER
#define ZMQ_XREP ZMQ_ROUTER

/* Socket options (zmq_setsockopt(3)). */
#define ZMQ_AFFINITY 4
#define ZMQ_ROUTING_ID 5
#define ZMQ_SUBSCRIBE 6
#define ZMQ_UNSUBSCRIBE 7
#define ZMQ_RATE 8
#define ZMQ_RECOVERY_IVL 9
#define ZMQ_SNDBUF 11
#define ZMQ_RCVBUF 12
#define ZMQ_RCVMORE 13
#define ZMQ_FD 14
#define ZMQ_EVENTS 15
#define ZMQ_TYPE 16
#define ZMQ_LINGER 17
#define ZMQ_RECONNECT_IVL 18
#define ZMQ_BACKLOG 19
#define ZMQ_RECONNECT_IVL_MAX 21
#define ZMQ_MAXMSGSIZE 22
#define ZMQ_SNDHWM 23
#define ZMQ_RCVHWM 24
#define ZMQ_MULTICAST_HOPS 25
#define ZMQ_RCVTIMEO 27
#define ZMQ_SNDTIMEO 28
#define ZMQ_LAST_ENDPOINT 32
#define ZMQ_ROUTER_MANDATORY 33
#define ZMQ_TCP_KEEPALIVE 34
#define ZMQ_TCP_KEEPALIVE_CNT 35
#define ZMQ_TCP_KEEPALIVE_IDLE 36
#define ZMQ_TCP_KEEPALIVE_INTVL 37
#define ZMQ_IMMEDIATE 39
#define ZMQ_XPUB_VERBOSE 40
#define ZMQ_ROUTER_RAW 41
#define ZMQ_IPV6 42
#define ZMQ_MECHANISM 43
#define ZMQ_PLAIN_SERVER 44
#define ZMQ_PLAIN_USERNAME 45
#define ZMQ_PLAIN_PASSWORD 46
#define ZMQ_CURVE_SERVER 47
#define ZMQ_CURVE_PUBLICKEY 48
#define ZMQ_CURVE_SECRETKEY 49
#define ZMQ_CURVE_SERVERKEY 50
#define ZMQ_PROBE_ROUTER 51
#define ZMQ_REQ_CORRELATE 52
#define ZMQ_REQ_RELAXED 53
#define ZMQ_CONFLATE 54
#define ZMQ_ZAP_DOMAIN 55
#define ZMQ_ROUTER_HANDOVER 56
#define ZMQ_TOS 57
#define ZMQ_CONNECT_ROUTING_ID 61
#define ZMQ_GSSAPI_SERVER 62
#define ZMQ_GSSAPI_PRINCIPAL 63
#define ZMQ_GSSAPI_SERVICE_PRINCIPAL 64
#define ZMQ_GSSAPI_PLAINTEXT 65
#define ZMQ_HANDSHAKE_IVL 66
#define ZMQ_SOCKS_PROXY 68
#define ZMQ_XPUB_NODROP 69
#define ZMQ_BLOCKY 70
#define ZMQ_XPUB_MANUAL 71
#define ZMQ_XPUB_WELCOME_MSG 72
#define ZMQ_STREAM_NOTIFY 73
#define ZMQ_INVERT_MATCHING 74
#define ZMQ_HEARTBEAT_IVL 75
#define ZMQ_HEARTBEAT_TTL 76
#define ZMQ_HEARTBEAT_TIMEOUT 77
#define ZMQ_XPUB_VERBOSER 78
#define ZMQ_CONNECT_TIMEOUT 79
#define ZMQ_TCP_MAXRT 80
#define ZMQ_THREAD_SAFE 81
#define ZMQ_MULTICAST_MAXTPDU 84
#define ZMQ_VMCI_BUFFER_SIZE 85
#define ZMQ_VMCI_BUFFER_MIN_SIZE 86
#define ZMQ_VMCI_BUFFER_MAX_SIZE 87
#define ZMQ_VMCI_CONNECT_TIMEOUT 88
#define ZMQ_USE_FD 89
#define ZMQ_GSSAPI_PRINCIPAL_NAMETYPE 90
#define ZMQ_GSSAPI_SERVICE_PRINCIPAL_NAMETYPE 91
#define ZMQ_BINDTODEVICE 92

/* Message properties (zmq_msg_get(3)). */
#define ZMQ_MORE 1
#define ZMQ_SHARED 3

/* Flags for sending and receiving. */
#define ZMQ_DONTWAIT 1
#define ZMQ_SNDMORE 2

/* Security mechanisms (ZMQ_MECHANISM). */
#define ZMQ_NULL 0
#define ZMQ_PLAIN 1
#define ZMQ_CURVE 2
#define ZMQ_GSSAPI 3

/* The longest name of a RADIO-DISH group. */
#define ZMQ_GROUP_MAX_LENGTH 255

/* Deprecated options and names of options. */
#define ZMQ_IDENTITY ZMQ_ROUTING_ID
#define ZMQ_CONNECT_RID ZMQ_CONNECT_ROUTING_ID
#define ZMQ_TCP_ACCEPT_FILTER 38
#define ZMQ_IPC_FILTER_PID 58
#define ZMQ_IPC_FILTER_UID 59
#define ZMQ_IPC_FILTER_GID 60
#define ZMQ_IPV4ONLY 31
#define ZMQ_DELAY_ATTACH_ON_CONNECT ZMQ_IMMEDIATE
#define ZMQ_NOBLOCK ZMQ_DONTWAIT
#define ZMQ_FAIL_UNROUTABLE ZMQ_ROUTER_MANDATORY
#define ZMQ_ROUTER_BEHAVIOR ZMQ_ROUTER_MANDATORY

/* Deprecated message property. */
#define ZMQ_SRCFD 2

/* GSSAPI name types. */
#define ZMQ_GSSAPI_NT_HOSTBASED 0
#define ZMQ_GSSAPI_NT_USER_NAME 1
#define ZMQ_GSSAPI_NT_KRB5_PRINCIPAL 2

/* Events of a socket monitor (zmq_socket_monitor(3)). */
#define ZMQ_EVENT_CONNECTED 1
#define ZMQ_EVENT_CONNECT_DELAYED 2
#define ZMQ_EVENT_CONNECT_RETRIED 4
#define ZMQ_EVENT_LISTENING 8
#define ZMQ_EVENT_BIND_FAILED 16
#define ZMQ_EVENT_ACCEPTED 32
#define ZMQ_EVENT_ACCEPT_FAILED 64
#define ZMQ_EVENT_CLOSED 128
#define ZMQ_EVENT_CLOSE_FAILED 256
#define ZMQ_EVENT_DISCONNECTED 512
#define ZMQ_EVENT_MONITOR_STOPPED 1024
#define ZMQ_EVENT_ALL 65535

/* Value: an errno. */
#define ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL 2048
#define ZMQ_EVENT_HANDSHAKE_SUCCEEDED 4096

/* Value: one of ZMQ_PROTOCOL_ERROR_*. */
#define ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL 8192

/* Value: a ZAP status code, 300, 400 or 500. */
#define ZMQ_EVENT_HANDSHAKE_FAILED_AUTH 16384

/* Values of ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL. */
#define ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED 268435456
#define ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND 268435457
#define ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE 268435458
#define ZMQ_PROTOCOL_ERROR_ZMTP_KEY_EXCHANGE 268435459
#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED 268435473
#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_MESSAGE 268435474
#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_HELLO 268435475
#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_INITIATE 268435476
#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_ERROR 268435477
#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_READY 268435478
#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_WELCOME 268435479
#define ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA 268435480

/* These two may be due to the configuration of the peer. */
#define ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC 285212673
#define ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH 285212674
#define ZMQ_PROTOCOL_ERROR_ZAP_UNSPECIFIED 536870912
#define ZMQ_PROTOCOL_ERROR_ZAP_MALFORMED_REPLY 536870913
#define ZMQ_PROTOCOL_ERROR_ZAP_BAD_REQUEST_ID 536870914
#define ZMQ_PROTOCOL_ERROR_ZAP_BAD_VERSION 536870915
#define ZMQ_PROTOCOL_ERROR_ZAP_INVALID_STATUS_CODE 536870916
#define ZMQ_PROTOCOL_ERROR_ZAP_INVALID_METADATA 536870917
#define ZMQ_PROTOCOL_ERROR_WS_UNSPECIFIED 805306368

/* What zmq_poll waits for. */
#define ZMQ_POLLIN 1
#define ZMQ_POLLOUT 2
#define ZMQ_POLLERR 4
#define ZMQ_POLLPRI 8

/* How many items most programs poll. */
#define ZMQ_POLLITEMS_DFLT 16

/* zmq_has exists. */
#define ZMQ_HAS_CAPABILITIES 1

/* Deprecated: types of zmq_device. */
#define ZMQ_STREAMER 1
#define ZMQ_FORWARDER 2
#define ZMQ_QUEUE 3

#if defined(ZMQ_BUILD_DRAFT_API)
/* Draft socket types. */
#define ZMQ_SERVER 12
#define ZMQ_CLIENT 13
#define ZMQ_RADIO 14
#define ZMQ_DISH 15
#define ZMQ_GATHER 16
#define ZMQ_SCATTER 17
#define ZMQ_DGRAM 18
#define ZMQ_PEER 19
#define ZMQ_CHANNEL 20

/* Draft socket options. */
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#define ZMQ_LOOPBACK_FASTPATH 94
#define ZMQ_METADATA 95
#define ZMQ_MULTICAST_LOOP 96
#define ZMQ_ROUTER_NOTIFY 97
#define ZMQ_XPUB_MANUAL_LAST_VALUE 98
#define ZMQ_SOCKS_USERNAME 99
#define ZMQ_SOCKS_PASSWORD 100
#define ZMQ_IN_BATCH_SIZE 101
#define ZMQ_OUT_BATCH_SIZE 102
#define ZMQ_WSS_KEY_PEM 103
#define ZMQ_WSS_CERT_PEM 104
#define ZMQ_WSS_TRUST_PEM 105
#define ZMQ_WSS_HOSTNAME 106
#define ZMQ_WSS_TRUST_SYSTEM 107
#define ZMQ_ONLY_FIRST_SUBSCRIBE 108
#define ZMQ_RECONNECT_STOP 109
#define ZMQ_HELLO_MSG 110
#define ZMQ_DISCONNECT_MSG 111
#define ZMQ_PRIORITY 112
#define ZMQ_BUSY_POLL 113
#define ZMQ_HICCUP_MSG 114
#define ZMQ_XSUB_VERBOSE_UNSUBSCRIBE 115
#define ZMQ_TOPICS_COUNT 116
#define ZMQ_NORM_MODE 117
#define ZMQ_NORM_UNICAST_NACK 118
#define ZMQ_NORM_BUFFER_SIZE 119
#define ZMQ_NORM_SEGMENT_SIZE 120
#define ZMQ_NORM_BLOCK_SIZE 121
#define ZMQ_NORM_NUM_PARITY 122
#define ZMQ_NORM_NUM_AUTOPARITY 123
#define ZMQ_NORM_PUSH 124

/* Draft: values of ZMQ_NORM_MODE. */
#define ZMQ_NORM_FIXED 0
#define ZMQ_NORM_CC 1
#define ZMQ_NORM_CCL 2
#define ZMQ_NORM_CCE 3
#define ZMQ_NORM_CCE_ECNONLY 4

/* Draft: values of ZMQ_RECONNECT_STOP. */
#define ZMQ_RECONNECT_STOP_CONN_REFUSED 1
#define ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED 2
#define ZMQ_RECONNECT_STOP_AFTER_DISCONNECT 4

/* Draft context option. */
#define ZMQ_ZERO_COPY_RECV 10

/* Draft: values of ZMQ_ROUTER_NOTIFY. */
#define ZMQ_NOTIFY_CONNECT 1
#define ZMQ_NOTIFY_DISCONNECT 2

/* Draft: events of zmq_socket_monitor_versioned. */
#define ZMQ_EVENT_PIPES_STATS 65536
#define ZMQ_CURRENT_EVENT_VERSION 1
#define ZMQ_CURRENT_EVENT_VERSION_DRAFT 2
#define ZMQ_EVENT_ALL_V1 ZMQ_EVENT_ALL
#endif

/* A file descriptor of the operating system. */
typedef int zmq_fd_t;

/* What zmq_poll is to wait for. */
typedef struct zmq_pollitem_t {
  /* A socket, or null if `fd` is meant. */
  void *socket;
  /* A descriptor of the operating system. */
  zmq_fd_t fd;
  /* What to wait for: ZMQ_POLLIN, ZMQ_POLLOUT, ZMQ_POLLERR, ZMQ_POLLPRI. */
  short events;
  /* What happened. */
  short revents;
} zmq_pollitem_t;

#if defined(ZMQ_BUILD_DRAFT_API)
/* Draft: what a poller has found of one of the things it waits for. */
typedef struct zmq_poller_event_t {
  /* The socket, or null if `fd` is meant. */
  void *socket;
  /* The descriptor, or -1 if `socket` is meant. */
  zmq_fd_t fd;
  /* What was given when it was added. */
  void *user_data;
  /* What happened: ZMQ_POLLIN and the like. */
  short events;
} zmq_poller_event_t;
#endif

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Creates a context. Its threads start with its first socket. Null and `EMFILE` or `ENOMEM` on
 failure (zmq_ctx_new(3)).
 */
ZMQ_EXPORT void *zmq_ctx_new(void);

/*
 Ends a context: waits until its sockets are closed and lingering is over. `EFAULT`, and `EINTR`
 after a signal; call it again then (zmq_ctx_term(3)).
 */
ZMQ_EXPORT int zmq_ctx_term(void *context_);

/*
 Makes blocked and later calls on the sockets of a context fail with `ETERM`. They still have to
 be closed (zmq_ctx_shutdown(3)).
 */
ZMQ_EXPORT int zmq_ctx_shutdown(void *context_);

/* Sets a context option. `EINVAL` for unknown options and values out of range (zmq_ctx_set(3)). */
ZMQ_EXPORT int zmq_ctx_set(void *context_, int option, int optval);

/* Reads a context option, or gives -1 and `EINVAL` (zmq_ctx_get(3)). */
ZMQ_EXPORT int zmq_ctx_get(void *context_, int option);

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Draft: `zmq_ctx_set` with an option that may be a text, `optvallen` bytes at `optval`. `EINVAL` also
 for a size that the option cannot have (zmq_ctx_set_ext(3)).
 */
ZMQ_EXPORT
int zmq_ctx_set_ext(void *context_,
                    int option,
                    const void *optval,
                    size_t optvallen);

/* Draft: reads an option into a buffer of `*optvallen` bytes. What follows the value there is cleared. */
ZMQ_EXPORT
int zmq_ctx_get_ext(void *context_,
                    int option,
                    void *optval,
                    size_t *optvallen);
#endif

/* Deprecated: `zmq_ctx_new` with a number of I/O threads (zmq_init(3)). */
ZMQ_EXPORT void *zmq_init(int io_threads);

/* Deprecated: `zmq_ctx_term`. */
ZMQ_EXPORT int zmq_term(void *context_);

/* Deprecated: `zmq_ctx_term`. */
ZMQ_EXPORT int zmq_ctx_destroy(void *context_);

/*
 Creates a socket of a context. Null and `EINVAL`, `EFAULT`, `EMFILE` or `ETERM` on failure
 (zmq_socket(3)).
 */
ZMQ_EXPORT void *zmq_socket(void *context_, int type_);

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Draft: joins a group: its messages are received from now on. `EINVAL` if the socket has joined that
 already, or if the name is longer than 255 bytes; `ENOTSUP` if it is no ZMQ_DISH.
 */
ZMQ_EXPORT int zmq_join(void *s, const char *group);

/* Draft: leaves a group. `EINVAL` if the socket has not joined it, `ENOTSUP` if it is no ZMQ_DISH. */
ZMQ_EXPORT int zmq_leave(void *s, const char *group);

/*
 Draft: connects a ZMQ_PEER to an endpoint and returns the routing id of the peer there, 0 if that failed
 (zmq_connect_peer(3)).
 */
ZMQ_EXPORT
uint32_t zmq_connect_peer(void *s,
                          const char *addr);

/*
 Draft: ends the connection to a peer. `EHOSTUNREACH` if there is none of this routing id
 (zmq_disconnect_peer(3)).
 */
ZMQ_EXPORT int zmq_disconnect_peer(void *s, uint32_t routing_id);

/* Draft: says to which peer of a ZMQ_SERVER or ZMQ_PEER the message shall go. `EINVAL` for 0. */
ZMQ_EXPORT int zmq_msg_set_routing_id(zmq_msg_t *msg, uint32_t routing_id);

/* Draft: the peer a message of a ZMQ_SERVER or ZMQ_PEER came from; 0 of others. */
ZMQ_EXPORT uint32_t zmq_msg_routing_id(zmq_msg_t *msg);

/* Draft: puts a message for a ZMQ_RADIO into a group. Of a longer name the first 255 bytes count. */
ZMQ_EXPORT int zmq_msg_set_group(zmq_msg_t *msg, const char *group);

/* Draft: the group of a message, empty if it has none. Valid until the message is changed or closed. */
ZMQ_EXPORT const char *zmq_msg_group(zmq_msg_t *msg);
#endif

/* Makes an empty message (zmq_msg_init(3)). */
ZMQ_EXPORT int zmq_msg_init(zmq_msg_t *msg);

/* Makes a message of `size` bytes. `ENOMEM` (zmq_msg_init_size(3)). */
ZMQ_EXPORT int zmq_msg_init_size(zmq_msg_t *msg, size_t size);

#if defined(ZMQ_BUILD_DRAFT_API)
/* Draft: makes a message of a copy of `size` bytes. `EFAULT`, `ENOMEM` (zmq_msg_init_buffer(3)). */
ZMQ_EXPORT int zmq_msg_init_buffer(zmq_msg_t *msg, const void *buf, size_t size);
#endif

/*
 Makes a message over `size` bytes of the application's, given back through `free_fn`. `EFAULT`
 (zmq_msg_init_data(3)).
 */
ZMQ_EXPORT
int zmq_msg_init_data(zmq_msg_t *msg,
                      void *data,
                      size_t size,
                      zmq_free_fn *free_fn,
                      void *hint);

/* Ends a message. `EFAULT` if it is none (zmq_msg_close(3)). */
ZMQ_EXPORT int zmq_msg_close(zmq_msg_t *msg);

/*
 Moves the content of `src` to `dest`; what `dest` held is freed, `src` is empty afterwards.
 `EFAULT` (zmq_msg_move(3)).
 */
ZMQ_EXPORT int zmq_msg_move(zmq_msg_t *dest, zmq_msg_t *src);

/*
 Makes `dest` a copy of `src`; what `dest` held is freed. Long content is shared. `EFAULT`,
 `ENOMEM` (zmq_msg_copy(3)).
 */
ZMQ_EXPORT int zmq_msg_copy(zmq_msg_t *dest, zmq_msg_t *src);

/*
 The address of the content, valid until the message is changed or closed. Null and `EFAULT` if it
 is none (zmq_msg_data(3)).
 */
ZMQ_EXPORT void *zmq_msg_data(zmq_msg_t *msg);

/* The number of bytes of the content; 0 and `EFAULT` of what is no message (zmq_msg_size(3)). */
ZMQ_EXPORT size_t zmq_msg_size(const zmq_msg_t *msg);

/* 1 if another part of the same message follows, else 0 (zmq_msg_more(3)). */
ZMQ_EXPORT int zmq_msg_more(const zmq_msg_t *msg);

/*
 The value of a property: ZMQ_MORE, ZMQ_SHARED, ZMQ_SRCFD. `EINVAL` for others, and without a
 value (zmq_msg_get(3)).
 */
ZMQ_EXPORT int zmq_msg_get(const zmq_msg_t *msg, int property);

/* Sets a property. There is none that can be set: `EINVAL` (zmq_msg_set(3)). */
ZMQ_EXPORT int zmq_msg_set(zmq_msg_t *msg, int property, int value);

/*
 The value of a property of the connection the message came from, as long as the message lives.
 Null and `EINVAL` if it is unknown (zmq_msg_gets(3)).
 */
ZMQ_EXPORT const char *zmq_msg_gets(const zmq_msg_t *msg, const char *property);

/*
 Waits until an item is ready, or for `timeout` milliseconds (-1: for ever). Returns how many
 are. `EINVAL`, `EFAULT`, `EINTR`, `ETERM`, `ENOTSOCK` (zmq_poll(3)).
 */
ZMQ_EXPORT int zmq_poll(struct zmq_pollitem_t *items_, int nitems, long timeout);

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 The same, with other signals held while it waits than before and after, if `sigmask_` is not null:
 one that came before and is let in now interrupts the wait, too (zmq_ppoll(3)).
 */
ZMQ_EXPORT
int zmq_ppoll(struct zmq_pollitem_t *items_,
              int nitems,
              long timeout,
              const sigset_t *sigmask_);
#endif

/*
 Passes messages between two sockets, and copies to `capture` if it is not null, until the
 context ends: -1 and `ETERM` (zmq_proxy(3)).
 */
ZMQ_EXPORT int zmq_proxy(void *frontend, void *backend, void *capture);

/*
 `zmq_proxy`, with a socket that takes PAUSE, RESUME, TERMINATE and STATISTICS. Returns 0 after
 TERMINATE (zmq_proxy_steerable(3)).
 */
ZMQ_EXPORT int zmq_proxy_steerable(void *frontend, void *backend, void *capture, void *control);

/*
 Deprecated: `zmq_proxy` without capture. The type (ZMQ_QUEUE, ZMQ_FORWARDER, ZMQ_STREAMER) says
 nothing that the sockets do not say.
 */
ZMQ_EXPORT int zmq_device(int type_, void *frontend, void *backend);

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Makes a poller. Any thread may use it, several at once. Null and `ENOMEM` on failure
 (zmq_poller(3)).
 */
ZMQ_EXPORT void *zmq_poller_new(void);

/* Ends a poller and sets the pointer to it to null. `EFAULT`. */
ZMQ_EXPORT int zmq_poller_destroy(void **poller_p);

/* How many sockets and descriptors there are. `EFAULT`. */
ZMQ_EXPORT int zmq_poller_size(void *poller_);

/* Adds a socket. `EFAULT`, `ENOTSOCK`, `EINVAL` if it is here already or there are no such events. */
ZMQ_EXPORT int zmq_poller_add(void *poller_, void *socket, void *user_data, short events);

/*
 Waits for other events of a socket. `EFAULT`, `ENOTSOCK`, `EINVAL` if it is not here or there are no
 such events.
 */
ZMQ_EXPORT
int zmq_poller_modify(void *poller_,
                      void *socket,
                      short events);

/* Takes a socket out. `EFAULT`, `ENOTSOCK`, `EINVAL` if it is not here. */
ZMQ_EXPORT int zmq_poller_remove(void *poller_, void *socket);

/* Adds a descriptor. `EFAULT`, `EBADF`, `EINVAL` if it is here already or there are no such events. */
ZMQ_EXPORT int zmq_poller_add_fd(void *poller_, zmq_fd_t fd, void *user_data, short events);

/*
 Waits for other events of a descriptor. `EFAULT`, `EBADF`, `EINVAL` if it is not here or there are no
 such events.
 */
ZMQ_EXPORT
int zmq_poller_modify_fd(void *poller_,
                         zmq_fd_t fd,
                         short events);

/* Takes a descriptor out. `EFAULT`, `EBADF`, `EINVAL` if it is not here. */
ZMQ_EXPORT int zmq_poller_remove_fd(void *poller_, zmq_fd_t fd);

/*
 A descriptor that becomes readable when the poller may have something. `EFAULT`, `EINVAL` if no socket
 of a type for several threads is here.
 */
ZMQ_EXPORT
int zmq_poller_fd(void *poller_,
                  zmq_fd_t *fd);

/*
 Waits for `timeout` milliseconds (-1: for ever) until something is true of one of those in the poller,
 and says of which. `EAGAIN`, `EFAULT`, `EINTR`, `ETERM`, `ENOTSOCK`.
 */
ZMQ_EXPORT
int zmq_poller_wait(void *poller_,
                    struct zmq_poller_event_t *event,
                    long timeout);

/* The same of as many as there are, but at most `n_events`, behind which stands nothing. Returns how many. */
ZMQ_EXPORT
int zmq_poller_wait_all(void *poller_,
                        struct zmq_poller_event_t *events,
                        int n_events,
                        long timeout);
#endif

/* Closes a socket. Messages not sent yet linger as ZMQ_LINGER says. `ENOTSOCK` (zmq_close(3)). */
ZMQ_EXPORT int zmq_close(void *s);

/* Sets a socket option. `EINVAL`, `ETERM`, `ENOTSOCK` (zmq_setsockopt(3)). */
ZMQ_EXPORT int zmq_setsockopt(void *s, int option, const void *optval, size_t optvallen);

/*
 Reads a socket option. `optvallen` is the size of the buffer, and afterwards of the value.
 `EINVAL`, `ETERM`, `ENOTSOCK` (zmq_getsockopt(3)).
 */
ZMQ_EXPORT int zmq_getsockopt(void *s, int option, void *optval, size_t *optvallen);

/*
 Accepts peers at an endpoint. `EINVAL`, `EPROTONOSUPPORT`, `ENOCOMPATPROTO`, `EADDRINUSE`,
 `EADDRNOTAVAIL`, `ENODEV`, `ETERM`, `ENOTSOCK` (zmq_bind(3)), or what the system said.
 */
ZMQ_EXPORT int zmq_bind(void *s, const char *addr);

/*
 Connects to an endpoint, which need not be there yet. `EINVAL`, `EPROTONOSUPPORT`,
 `ENOCOMPATPROTO`, `ETERM`, `ENOTSOCK` (zmq_connect(3)).
 */
ZMQ_EXPORT int zmq_connect(void *s, const char *addr);

/* Ends what `zmq_bind` began. `ENOENT` if the endpoint is not bound (zmq_unbind(3)). */
ZMQ_EXPORT int zmq_unbind(void *s, const char *addr);

/* Ends what `zmq_connect` began. `ENOENT` if the endpoint is not connected (zmq_disconnect(3)). */
ZMQ_EXPORT int zmq_disconnect(void *s, const char *addr);

/*
 Sends a copy of a buffer as one part of a message. Returns the number of bytes. `EAGAIN` with
 ZMQ_DONTWAIT or after ZMQ_SNDTIMEO, `ENOTSUP`, `EINVAL`, `EFSM`, `EHOSTUNREACH`, `EINTR`, `ETERM`,
 `ENOTSOCK`, `ENOMEM` (zmq_send(3)).
 */
ZMQ_EXPORT int zmq_send(void *s, const void *buf, size_t len, int flags);

/*
 Sends a buffer that never changes and is never freed, without copying it. Errors are those of
 `zmq_send` (zmq_send_const(3)).
 */
ZMQ_EXPORT int zmq_send_const(void *s, const void *buf, size_t len, int flags);

/*
 Receives a part of a message into a buffer. Returns its size in bytes, which may be more than
 fitted. `EAGAIN` with ZMQ_DONTWAIT or after ZMQ_RCVTIMEO, `ENOTSUP`, `EFSM`, `EINTR`, `ETERM`,
 `ENOTSOCK` (zmq_recv(3)).
 */
ZMQ_EXPORT int zmq_recv(void *s, void *buf, size_t len, int flags);

/*
 Sends a message, which is empty afterwards. Returns the number of bytes. After an error it is as
 before: those of `zmq_send`, and `EFAULT` if it is none (zmq_msg_send(3)).
 */
ZMQ_EXPORT int zmq_msg_send(zmq_msg_t *msg, void *s, int flags);

/*
 Receives a part of a message. What `msg` held is freed, also if nothing came; only a socket that
 cannot receive now (`ENOTSUP`, `EFSM`, `ENOTSOCK`) leaves it. Returns the number of bytes
 (zmq_msg_recv(3)).
 */
ZMQ_EXPORT int zmq_msg_recv(zmq_msg_t *msg, void *s, int flags);

/* Deprecated: `zmq_msg_send`. */
ZMQ_EXPORT int zmq_sendmsg(void *s, zmq_msg_t *msg, int flags);

/* Deprecated: `zmq_msg_recv`. */
ZMQ_EXPORT int zmq_recvmsg(void *s, zmq_msg_t *msg, int flags);

/*
 Sends each buffer: with ZMQ_SNDMORE as the parts of one message, without as messages. Returns
 the size of the last one in bytes. `EINVAL` for none, else as `zmq_send`: those before are sent.
 */
ZMQ_EXPORT int zmq_sendiov(void *s, struct iovec *iov, size_t count, int flags);

/*
 Receives the parts of a message, at most `*count`, into buffers made with malloc, which the
 caller frees. `*count` is how many there were, also after an error. Returns that number. `EINVAL`
 without room for one, `ENOMEM`, else as `zmq_recv`.
 */
ZMQ_EXPORT int zmq_recviov(void *s, struct iovec *iov, size_t *count, int flags);

/*
 Reports events of a socket to an inproc endpoint; null ends that. `EINVAL`, `EPROTONOSUPPORT` for
 other transports, `EADDRINUSE`, `ETERM`, `ENOTSOCK` (zmq_socket_monitor(3)).
 */
ZMQ_EXPORT int zmq_socket_monitor(void *s, const char *addr, int events);

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Draft: the same, of more events, in another version of the protocol, and to a ZMQ_PAIR, ZMQ_PUB or
 ZMQ_PUSH. `EINVAL` for other types, and for events that version 1 has not
 (zmq_socket_monitor_versioned(3)).
 */
ZMQ_EXPORT
int zmq_socket_monitor_versioned(void *s_,
                                 const char *addr_,
                                 uint64_t events_,
                                 int event_version_,
                                 int type_);

/*
 Draft: reports how many messages wait in each pipe of a socket (ZMQ_EVENT_PIPES_STATS). `EINVAL` if
 no monitor wants to know, `EAGAIN` if there is no pipe.
 */
ZMQ_EXPORT int zmq_socket_monitor_pipes_stats(void *s);

/*
 Draft: ZMQ_POLLOUT if a message to this peer of a ZMQ_ROUTER could be sent at once, 0 if it could not.
 `EHOSTUNREACH` if there is no such peer, `ENOTSUP` of other types.
 */
ZMQ_EXPORT
int zmq_socket_get_peer_state(void *s,
                              const void *routing_id,
                              size_t routing_id_size);
#endif

/* Makes a set of timers. Null and `ENOMEM` on failure (zmq_timers(3)). */
ZMQ_EXPORT void *zmq_timers_new(void);

/* Ends a set of timers and sets the pointer to it to null. `EFAULT`. */
ZMQ_EXPORT int zmq_timers_destroy(void **timers_p);

/* Adds a timer that runs `handler` every `interval` milliseconds. Returns its id. `EFAULT`. */
ZMQ_EXPORT int zmq_timers_add(void *timers, size_t interval, zmq_timer_fn *handler, void *arg);

/* Removes a timer. `EFAULT`, `EINVAL` if there is none of this id. */
ZMQ_EXPORT int zmq_timers_cancel(void *timers, int timer_id);

/* Changes the interval of a timer, in milliseconds from now on. `EFAULT`, `EINVAL`. */
ZMQ_EXPORT int zmq_timers_set_interval(void *timers, int timer_id, size_t interval);

/* Starts the interval of a timer anew. `EFAULT`, `EINVAL`. */
ZMQ_EXPORT int zmq_timers_reset(void *timers, int timer_id);

/* The milliseconds until the next timer is due, rounded up; -1 if there is none, and with `EFAULT`. */
ZMQ_EXPORT long zmq_timers_timeout(void *timers);

/* Runs the handlers of all timers that are due, each once. `EFAULT`. */
ZMQ_EXPORT int zmq_timers_execute(void *timers);

/* `errno` of the calling thread. */
ZMQ_EXPORT int zmq_errno(void);

/* The text for an error number, never null (zmq_strerror(3)). */
ZMQ_EXPORT const char *zmq_strerror(int errnum);

/* The version of the library: that of the libzmq it stands in for. */
ZMQ_EXPORT void zmq_version(int *major, int *minor, int *patch);

/* 1 if the library provides `capability`, else 0 (zmq_has(3)). */
ZMQ_EXPORT int zmq_has(const char *capability);

/*
 Writes the Z85 text of `size` bytes to `dest`, with a zero behind it. Returns `dest`; null and
 `EINVAL` if `size` is not a multiple of four (zmq_z85_encode(3)).
 */
ZMQ_EXPORT char *zmq_z85_encode(char *dest, const uint8_t *data, size_t size);

/*
 Writes the bytes of a Z85 text to `dest`. Returns `dest`, null and `EINVAL` if the text is not
 valid (zmq_z85_decode(3)).
 */
ZMQ_EXPORT uint8_t *zmq_z85_decode(uint8_t *dest, const char *text);

/*
 Makes a CURVE key pair, in Z85: 40 characters and a zero each. `EFAULT`, or what the system's
 random source says (zmq_curve_keypair(3)).
 */
ZMQ_EXPORT int zmq_curve_keypair(char *z85_public_key, char *z85_secret_key);

/*
 The public key that belongs to a secret one, both in Z85. `EFAULT`, `EINVAL` for what is no key
 (zmq_curve_public(3)).
 */
ZMQ_EXPORT int zmq_curve_public(char *z85_public_key, const char *z85_secret_key);

/* Makes a counter with the value zero. Null and `ENOMEM` on failure (zmq_atomic_counter_new(3)). */
ZMQ_EXPORT void *zmq_atomic_counter_new(void);

/* Sets the value. */
ZMQ_EXPORT void zmq_atomic_counter_set(void *counter, int value);

/* Adds one and returns the value before that. */
ZMQ_EXPORT int zmq_atomic_counter_inc(void *counter);

/* Takes one away and returns 0 if the counter is zero now, else 1. */
ZMQ_EXPORT int zmq_atomic_counter_dec(void *counter);

/* The value. */
ZMQ_EXPORT int zmq_atomic_counter_value(void *counter);

/* Ends a counter and sets the pointer to it to null. */
ZMQ_EXPORT void zmq_atomic_counter_destroy(void **counter_p);

/* Starts a stopwatch. Null and `ENOMEM` on failure. */
ZMQ_EXPORT void *zmq_stopwatch_start(void);

/* The microseconds since the stopwatch was started. */
ZMQ_EXPORT unsigned long zmq_stopwatch_intermediate(void *watch);

/* The microseconds since the stopwatch was started, which ends here. */
ZMQ_EXPORT unsigned long zmq_stopwatch_stop(void *watch);

/* Sleeps for a number of seconds, or until a signal comes. */
ZMQ_EXPORT void zmq_sleep(int seconds);

/*
 Starts a thread. Returns a handle for `zmq_threadclose`, null and `EFAULT`, `ENOMEM` or `EAGAIN` if
 there can be no thread.
 */
ZMQ_EXPORT void *zmq_threadstart(zmq_thread_fn *func, void *arg);

/* Waits for the end of a thread and frees its handle. */
ZMQ_EXPORT void zmq_threadclose(void *thread);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* __ZMQ_H_INCLUDED__ */

#undef ZMQ_EXPORT
