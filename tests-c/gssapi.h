/* Sockets with the mechanism GSSAPI, in the realm of kdc.h. */
#include "kdc.h"

static void gssapi_text (void *s, int option, const char *text)
{
    OK (zmq_setsockopt (s, option, text, strlen (text)));
}

/* Names with a host are of services, others of users. */
static void UNUSED gssapi_principal (void *s, const char *name)
{
    gssapi_text (s, ZMQ_GSSAPI_PRINCIPAL, name);
    set_int (s, ZMQ_GSSAPI_PRINCIPAL_NAMETYPE, strchr (name, '@') ? ZMQ_GSSAPI_NT_HOSTBASED : ZMQ_GSSAPI_NT_USER_NAME);
}

static void UNUSED gssapi_server (void *s, const char *name, int plaintext)
{
    set_int (s, ZMQ_GSSAPI_SERVER, 1);
    set_int (s, ZMQ_GSSAPI_PLAINTEXT, plaintext);
    gssapi_principal (s, name);
}

static void UNUSED gssapi_client (void *s, const char *name, const char *service, int plaintext)
{
    gssapi_principal (s, name);
    gssapi_text (s, ZMQ_GSSAPI_SERVICE_PRINCIPAL, service);
    set_int (s, ZMQ_GSSAPI_PLAINTEXT, plaintext);
}
