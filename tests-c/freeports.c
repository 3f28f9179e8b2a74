/* Prints as many free TCP ports of the loopback interface as asked for. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main (int argc, char **argv)
{
    for (int left = argc > 1 ? atoi (argv[1]) : 1; left > 0; left--) {
        struct sockaddr_in a;
        socklen_t size = sizeof a;
        int fd = socket (AF_INET, SOCK_STREAM, 0);
        memset (&a, 0, sizeof a);
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
        if (bind (fd, (struct sockaddr *) &a, sizeof a) != 0 || getsockname (fd, (struct sockaddr *) &a, &size) != 0)
            return 1;
        printf ("%d\n", ntohs (a.sin_port));
    }
    return 0;
}
