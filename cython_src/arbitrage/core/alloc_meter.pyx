"""Count allocations by thread and by path, C's and Python's, when the preload shim is there.

Start a program with ``LD_PRELOAD=$(python -m arbitrage.core.shim)`` and the allocations of its hot
threads appear in the thread table, those of the whole process by path beside it. Without the shim
every figure is None.
"""

from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <dlfcn.h>

    typedef struct { uint64_t c, python, path, nested; } arb_alloc_pair_t;
    typedef arb_alloc_pair_t *(*arb_alloc_find_t)(void);
    static arb_alloc_find_t arb_alloc_find;
    static uint64_t *arb_alloc_process;

    static int arb_alloc_locate(void)
    {
        uint64_t *(*sums)(void) =
            (uint64_t *(*)(void))dlsym(RTLD_DEFAULT, "arb_alloc_process_counts");
        if (sums == NULL)
            return 0;
        arb_alloc_process = sums();
        arb_alloc_find = (arb_alloc_find_t)dlsym(RTLD_DEFAULT, "arb_alloc_thread_counters");
        return arb_alloc_find != NULL;
    }
    static void *arb_alloc_here(void) { return arb_alloc_find != NULL ? arb_alloc_find() : NULL; }
    static uint64_t arb_alloc_sum(int path)
    {
        /* relaxed: a count, of no order with anything; pairs with the shim's additions */
        return __atomic_load_n(&arb_alloc_process[path], __ATOMIC_RELAXED);
    }

    /* one wrapped allocator a domain: counts, then calls the one it replaced; a domain may stand on
     * another, and all on malloc: the outermost call counts */
    static PyMemAllocatorEx arb_alloc_inner[3];
    static arb_alloc_pair_t *arb_alloc_begin(void)
    {
        arb_alloc_pair_t *here = arb_alloc_find();
        if (here->nested++ == 0) {
            here->python++;
            __atomic_fetch_add(&arb_alloc_process[here->path], 1, __ATOMIC_RELAXED);
        }
        return here;
    }
    static void *arb_alloc_py_malloc(void *context, size_t bytes)
    {
        PyMemAllocatorEx *inner = (PyMemAllocatorEx *)context;
        arb_alloc_pair_t *here = arb_alloc_begin();
        void *made = inner->malloc(inner->ctx, bytes);
        here->nested--;
        return made;
    }
    static void *arb_alloc_py_calloc(void *context, size_t count, size_t bytes)
    {
        PyMemAllocatorEx *inner = (PyMemAllocatorEx *)context;
        arb_alloc_pair_t *here = arb_alloc_begin();
        void *made = inner->calloc(inner->ctx, count, bytes);
        here->nested--;
        return made;
    }
    static void *arb_alloc_py_realloc(void *context, void *memory, size_t bytes)
    {
        PyMemAllocatorEx *inner = (PyMemAllocatorEx *)context;
        arb_alloc_pair_t *here = arb_alloc_begin();
        void *made = inner->realloc(inner->ctx, memory, bytes);
        here->nested--;
        return made;
    }
    static void arb_alloc_py_free(void *context, void *memory)
    {
        PyMemAllocatorEx *inner = (PyMemAllocatorEx *)context;
        inner->free(inner->ctx, memory);
    }
    static void arb_alloc_wrap_python(void)
    {
        PyMemAllocatorDomain domains[3] = {PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};
        for (int index = 0; index < 3; index++) {
            PyMem_GetAllocator(domains[index], &arb_alloc_inner[index]);
            PyMemAllocatorEx counting = {
                &arb_alloc_inner[index], arb_alloc_py_malloc, arb_alloc_py_calloc,
                arb_alloc_py_realloc, arb_alloc_py_free,
            };
            PyMem_SetAllocator(domains[index], &counting);
        }
    }
    """
    bint arb_alloc_locate()
    void *arb_alloc_here() noexcept nogil
    uint64_t arb_alloc_sum(int path) noexcept nogil
    void arb_alloc_wrap_python()

COLD, WARM, HOT = PATH_COLD, PATH_WARM, PATH_HOT

cdef bint shim_loaded = arb_alloc_locate()
if shim_loaded:
    arb_alloc_wrap_python()


cdef arb_alloc_counters_t *thread_alloc_counters() noexcept nogil:
    return <arb_alloc_counters_t *>arb_alloc_here()


def is_metered() -> bool:
    """Return whether the shim is loaded, so that allocations are counted."""
    return shim_loaded


def thread_allocations() -> tuple[int, int] | None:
    """Return the calling thread's (C, Python) allocations so far; None without the shim."""
    cdef arb_alloc_counters_t *counters = thread_alloc_counters()
    if counters == NULL:
        return None
    return counters.c, counters.python


def process_allocations() -> tuple[int, int, int] | None:
    """Return the whole process' (hot, warm, cold) allocations so far; None without the shim."""
    if not shim_loaded:
        return None
    return arb_alloc_sum(PATH_HOT), arb_alloc_sum(PATH_WARM), arb_alloc_sum(PATH_COLD)


def enter_path(path: int) -> int:
    """Count the calling thread's allocations for `path` from now on; return the path before.

    `COLD`, `WARM` or `HOT`; a thread begins as `COLD`. Without the shim nothing happens.
    """
    cdef arb_alloc_counters_t *counters = thread_alloc_counters()
    if not 0 <= path < PATH_COUNT:
        raise ValueError(f"path was {path}; accepted are COLD, WARM and HOT")
    if counters == NULL:
        return COLD
    before = counters.path
    counters.path = path
    return before
