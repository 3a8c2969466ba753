/* Sets the wall clock of a process wrong, without being root: preloaded, it adds an offset to what the kernel says.

The offset, in nanoseconds, is the content of a file of eight bytes, which another process changes at any time. Waiting
and the times of files are left alone. libfaketime does the same, but has short sleeps of Python fail.
*/
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000L

static const int64_t right = 0;
static const volatile int64_t *offset = &right;

void follow_clock(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    void *content = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (content != MAP_FAILED)
        offset = content;
    close(file);
}

__attribute__((constructor)) static void follow_environment(void) {
    const char *path = getenv("CHAOS_CLOCK");
    if (path)
        follow_clock(path);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t wrong = now->tv_sec * SECOND + now->tv_nsec + *offset;
        now->tv_sec = wrong / SECOND;
        now->tv_nsec = wrong % SECOND;
    }
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now)
        *now = precise.tv_sec;
    return precise.tv_sec;
}
