"""Count allocations by thread, C's and Python's, when the preload shim is there.

Start a program with ``LD_PRELOAD=$(python -m arbitrage.core.shim)`` and the allocations of its hot
threads appear in the thread table. Without the shim every figure is None.
"""

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <dlfcn.h>

    typedef struct { uint64_t c, python; } arb_alloc_pair_t;
    typedef arb_alloc_pair_t *(*arb_alloc_find_t)(void);
    static arb_alloc_find_t arb_alloc_find;

    static int arb_alloc_locate(void)
    {
        arb_alloc_find = (arb_alloc_find_t)dlsym(RTLD_DEFAULT, "arb_alloc_thread_counters");
        return arb_alloc_find != NULL;
    }
    static void *arb_alloc_here(void) { return arb_alloc_find != NULL ? arb_alloc_find() : NULL; }

    /* one wrapped allocator a domain: counts, then calls the one it replaced */
    static PyMemAllocatorEx arb_alloc_inner[3];
    static void *arb_alloc_py_malloc(void *context, size_t bytes)
    {
        PyMemAllocatorEx *inner = (PyMemAllocatorEx *)context;
        arb_alloc_find()->python++;
        return inner->malloc(inner->ctx, bytes);
    }
    static void *arb_alloc_py_calloc(void *context, size_t count, size_t bytes)
    {
        PyMemAllocatorEx *inner = (PyMemAllocatorEx *)context;
        arb_alloc_find()->python++;
        return inner->calloc(inner->ctx, count, bytes);
    }
    static void *arb_alloc_py_realloc(void *context, void *memory, size_t bytes)
    {
        PyMemAllocatorEx *inner = (PyMemAllocatorEx *)context;
        arb_alloc_find()->python++;
        return inner->realloc(inner->ctx, memory, bytes);
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
    void arb_alloc_wrap_python()

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
