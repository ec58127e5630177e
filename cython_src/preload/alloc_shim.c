/* Allocation shim: counts every C allocation by thread. Loaded with LD_PRELOAD, never linked.
 *
 * It stands in front of malloc, calloc, realloc and their aligned relatives, adds one to a counter
 * of the calling thread and calls the C library. arbitrage.core.alloc_meter finds it by the
 * exported function below and adds Python's own allocations, which mostly never reach malloc.
 * Without the shim those figures are absent, never zero.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* the C library's own functions, which dlsym would have to allocate to find */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

typedef struct arb_alloc_counters {
    uint64_t c;      /* calls of the malloc family */
    uint64_t python; /* calls of Python's allocators, counted by alloc_meter */
} arb_alloc_counters_t;

/* initial-exec: reading it must not itself allocate */
static __thread arb_alloc_counters_t counters __attribute__((tls_model("initial-exec")));

/* The calling thread's counters; they live as long as the thread. */
__attribute__((visibility("default"))) arb_alloc_counters_t *arb_alloc_thread_counters(void)
{
    return &counters;
}

__attribute__((visibility("default"))) void *malloc(size_t bytes)
{
    counters.c++;
    return __libc_malloc(bytes);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t bytes)
{
    counters.c++;
    return __libc_calloc(count, bytes);
}

__attribute__((visibility("default"))) void *realloc(void *memory, size_t bytes)
{
    counters.c++;
    return __libc_realloc(memory, bytes);
}

__attribute__((visibility("default"))) void *memalign(size_t alignment, size_t bytes)
{
    counters.c++;
    return __libc_memalign(alignment, bytes);
}

__attribute__((visibility("default"))) void *aligned_alloc(size_t alignment, size_t bytes)
{
    counters.c++;
    return __libc_memalign(alignment, bytes);
}

__attribute__((visibility("default"))) int posix_memalign(void **memory, size_t alignment,
                                                          size_t bytes)
{
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0)
        return EINVAL;
    counters.c++;
    void *made = __libc_memalign(alignment, bytes);
    if (made == NULL)
        return ENOMEM;
    *memory = made;
    return 0;
}
