/* Bell: wakes an event loop that waits in epoll, at most once a burst and only when it waits.
 *
 * The loop's thread arms the bell, looks at its rings once more and goes to sleep in epoll, where
 * it also waits for the bell's eventfd. A producer on another thread publishes its record first and
 * then rings: when the bell is not armed that is one fence and one load.
 * The protocol is Dekker's: each side writes its own word, then reads the other's.
 */
#ifndef ARB_BELL_H
#define ARB_BELL_H

#include <unistd.h>

#include "atomics.h"
#include "cacheline.h"

typedef struct arb_bell {
    uint64_t armed; /* 1: the loop sleeps or is about to */
    int64_t fd;     /* eventfd; -1: nobody ever sleeps */
} ARB_SEPARATED arb_bell_t;

/* Loop thread: announce sleep. The caller must look for work once more before it sleeps. */
static inline void arb_bell_arm(arb_bell_t *bell)
{
    arb_store_relaxed(&bell->armed, 1);
    /* seq_cst: the announcement must be visible before the rings are read again, a store-load order
     * that release and acquire do not give; pairs with the fence in arb_bell_ring */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void arb_bell_disarm(arb_bell_t *bell)
{
    /* relaxed: a ring that comes too late only makes one spurious wake */
    arb_store_relaxed(&bell->armed, 0);
}

/* Producer, after it published: wake the loop if it sleeps. The only system call is that wake. */
static inline void arb_bell_ring(arb_bell_t *bell)
{
    /* seq_cst: the record must be visible before the announcement is read; pairs with
     * arb_bell_arm */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (ARB_UNLIKELY(arb_load_relaxed(&bell->armed) != 0) && bell->fd >= 0) {
        uint64_t one = 1;
        arb_store_relaxed(&bell->armed, 0);
        /* an eventfd write of 1 fails only when the counter is full, and then the loop is awake */
        (void)!write((int)bell->fd, &one, sizeof one);
    }
}

#endif
