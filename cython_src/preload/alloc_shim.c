/* Allocation shim: counts every allocation, by thread and by path. Loaded with LD_PRELOAD, never
 * linked.
 *
 * It stands in front of malloc, calloc, realloc and their aligned relatives, counts, and calls the
 * C library. arbitrage.core.alloc_meter finds it by the exported functions below and adds Python's
 * own allocations, which mostly never reach malloc; one that does counts as Python's alone. Each
 * thread says which path its work is on; the process' sums by path are shared words, so a counted
 * process is a little slower. Without the shim those figures are absent, never zero.
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

enum { ARB_ALLOC_COLD, ARB_ALLOC_WARM, ARB_ALLOC_HOT, ARB_ALLOC_PATHS };

typedef struct arb_alloc_counters {
    uint64_t c;      /* calls of the malloc family, but for Python's allocators */
    uint64_t python; /* calls of Python's allocators, counted by alloc_meter */
    uint64_t path;   /* where the thread's work belongs now, one of the above */
    uint64_t nested; /* not 0: within an allocator of Python, which has counted already */
} arb_alloc_counters_t;

/* initial-exec: reading it must not itself allocate */
static __thread arb_alloc_counters_t counters __attribute__((tls_model("initial-exec")));
static uint64_t process_counts[ARB_ALLOC_PATHS];

static void note(void)
{
    if (counters.nested != 0)
        return;
    counters.c++;
    __atomic_fetch_add(&process_counts[counters.path], 1, __ATOMIC_RELAXED);
}

/* The calling thread's counters; they live as long as the thread. */
__attribute__((visibility("default"))) arb_alloc_counters_t *arb_alloc_thread_counters(void)
{
    return &counters;
}

/* The process' allocations by path, C's and Python's: words to be added to atomically. */
__attribute__((visibility("default"))) uint64_t *arb_alloc_process_counts(void)
{
    return process_counts;
}

__attribute__((visibility("default"))) void *malloc(size_t bytes)
{
    note();
    return __libc_malloc(bytes);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t bytes)
{
    note();
    return __libc_calloc(count, bytes);
}

__attribute__((visibility("default"))) void *realloc(void *memory, size_t bytes)
{
    note();
    return __libc_realloc(memory, bytes);
}

__attribute__((visibility("default"))) void *memalign(size_t alignment, size_t bytes)
{
    note();
    return __libc_memalign(alignment, bytes);
}

__attribute__((visibility("default"))) void *aligned_alloc(size_t alignment, size_t bytes)
{
    note();
    return __libc_memalign(alignment, bytes);
}

__attribute__((visibility("default"))) int posix_memalign(void **memory, size_t alignment,
                                                          size_t bytes)
{
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0)
        return EINVAL;
    note();
    void *made = __libc_memalign(alignment, bytes);
    if (made == NULL)
        return ENOMEM;
    *memory = made;
    return 0;
}
