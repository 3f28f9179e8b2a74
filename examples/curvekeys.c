/* A new pair of keys for CURVE: first the public one, for everybody, then the secret one, for its owner. */
#include "example.h"

int main (void)
{
    char public_key[41], secret_key[41];
    check (zmq_curve_keypair (public_key, secret_key) == 0, "zmq_curve_keypair");
    printf ("%s %s\n", public_key, secret_key);
    return 0;
}
