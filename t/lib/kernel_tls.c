/*
 * A kernel that has TLS for what is sent, and does not encrypt: all of it can be seen.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#define TCP_ULP  31
#define SOL_TLS  282
#define TLS_TX   1


int
setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    static int  (*real)(int, int, int, const void *, socklen_t);

    if ((level == IPPROTO_TCP && name == TCP_ULP)
        || (level == SOL_TLS && name == TLS_TX))
    {
        return 0;
    }

    if (level == SOL_TLS) {
        errno = ENOPROTOOPT;
        return -1;
    }

    if (real == NULL) {
        real = (int (*)(int, int, int, const void *, socklen_t))
               dlsym(RTLD_NEXT, "setsockopt");
    }

    return real(fd, level, name, value, length);
}
