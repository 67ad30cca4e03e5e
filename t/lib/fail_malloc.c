/*
 * Makes one allocation fail: preloaded into nginx, it counts a number down
 * that the test keeps in the file named by FAIL_MALLOC, in memory shared by
 * all processes.  The allocation that brings it to 0 gets no memory.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>


static uint32_t  *countdown;


__attribute__((constructor))
static void
map_countdown(void)
{
    int    fd;
    char  *path;
    void  *map;

    path = getenv("FAIL_MALLOC");
    if (path == NULL) {
        return;
    }

    fd = open(path, O_RDWR);
    if (fd == -1) {
        abort();
    }

    map = mmap(NULL, sizeof(uint32_t), PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);

    if (map == MAP_FAILED) {
        abort();
    }

    countdown = map;
}


static int
fails(void)
{
    return countdown != NULL && *countdown != 0 && --*countdown == 0;
}


void *
malloc(size_t size)
{
    static void  *(*next)(size_t);

    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }

    if (next == NULL) {
        next = (void *(*)(size_t)) dlsym(RTLD_NEXT, "malloc");
    }

    return next(size);
}


/* A compiler that knows malloc() and memset() would make it call itself. */

void *
calloc(size_t n, size_t size)
{
    void    *p;
    size_t   bytes;

    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }

    p = malloc(bytes);

    return p == NULL ? NULL : memset(p, 0, bytes);
}


void *
realloc(void *p, size_t size)
{
    static void  *(*next)(void *, size_t);

    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }

    if (next == NULL) {
        next = (void *(*)(void *, size_t)) dlsym(RTLD_NEXT, "realloc");
    }

    return next(p, size);
}


int
posix_memalign(void **p, size_t alignment, size_t size)
{
    static int  (*next)(void **, size_t, size_t);

    if (fails()) {
        return ENOMEM;
    }

    if (next == NULL) {
        next = (int (*)(void **, size_t, size_t))
               dlsym(RTLD_NEXT, "posix_memalign");
    }

    return next(p, alignment, size);
}
