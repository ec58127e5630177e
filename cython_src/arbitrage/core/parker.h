/* Parker: one thread sleeps on a futex until a producer has something for it; adaptive waiting's
 * last step.
 *
 *   consumer                                producer
 *     arb_parker_prepare   parked = 1         publish a record (ring, broadcast, lane)
 *                          full fence         arb_parker_notify   full fence
 *     look at its queues again                                    parked == 1 ? parked = 0, wake
 *     something: arb_parker_cancel
 *     nothing:   arb_parker_wait
 *
 * This is Dekker's pattern: each side stores one word and then loads the other's. Only a fence of
 * the single total order keeps a store before a later load, so this is the one place in the data
 * plane that uses seq_cst: with less, the consumer could miss the record and the producer the flag,
 * and the thread would sleep beside a full queue. With both fences at least one of the two sees the
 * other's store.
 *
 * The exchange in notify lets one producer of a burst pay for the system call; all later ones find
 * the flag down. The kernel compares the word again before it sleeps, so a wake between the second
 * look and the wait is not lost. The futex is shared-mode: waiter and producers may be different
 * processes.
 * A producer that finds its ring full notifies before it waits for room: an earlier record of its
 * own burst may be the one the consumer sleeps for.
 * Threads: prepare, wait, cancel one thread; notify any thread that may write the memory.
 * Limits: one waiter; a parker that is not enabled never parks and its notify is one load.
 */
#ifndef ARB_PARKER_H
#define ARB_PARKER_H

#include <linux/futex.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "atomics.h"
#include "cacheline.h"

/* the only sequentially consistent operation here, see above */
#ifndef arb_fence_seq_cst
#define arb_fence_seq_cst() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

typedef struct arb_parker {
    uint32_t enabled; /* 0: spin or yield, nobody ever parks; set before the threads start */
    ARB_SEPARATED uint32_t parked; /* the futex word: 1 while the consumer sleeps or is about to */
    ARB_SEPARATED uint64_t parks; /* consumer: times it went to sleep */
    uint64_t wakes; /* consumer: times a producer woke it (the rest timed out) */
} ARB_SEPARATED arb_parker_t;

_Static_assert(sizeof(arb_parker_t) == 3 * ARB_SEPARATION_BYTES,
               "flag and counters on their own lines");

extern long syscall(long number, ...); /* hidden by -std=c11 in unistd.h */

/* Lay out a parker, before the threads. */
static inline void arb_parker_init(arb_parker_t *parker, bool enabled)
{
    parker->enabled = enabled;
    parker->parked = 0;
    parker->parks = 0;
    parker->wakes = 0;
}

/* Producer: after publishing, wake the consumer if it is parked. Once a burst is enough. Returns
 * whether this call made the system call. */
static inline bool arb_parker_notify(arb_parker_t *parker)
{
    if (!parker->enabled)
        return false;
    /* seq_cst fence: our record is published before we look at the flag; pairs with the fence in
     * parker.h:arb_parker_prepare */
    arb_fence_seq_cst();
    /* relaxed: ordered by the fence; the flag's line is only read while nobody parks */
    if (ARB_LIKELY(arb_load_relaxed(&parker->parked) == 0))
        return false;
    /* acq_rel: one producer of a burst takes the flag down; pairs with parker.h:arb_parker_wait */
    if (arb_exchange_acq_rel(&parker->parked, 0) == 0)
        return false;
    syscall(SYS_futex, &parker->parked, FUTEX_WAKE, 1, NULL, NULL, 0);
    return true;
}

/* Consumer: announce sleep. Afterwards look at every queue once more, then cancel or wait. Returns
 * false when parking is not enabled. */
static inline bool arb_parker_prepare(arb_parker_t *parker)
{
    if (!parker->enabled)
        return false;
    /* relaxed: ordered by the fence; pairs with parker.h:arb_parker_notify */
    arb_store_relaxed(&parker->parked, 1);
    /* seq_cst fence: the flag is up before we look at the queues again; pairs with the fence in
     * parker.h:arb_parker_notify */
    arb_fence_seq_cst();
    return true;
}

/* Consumer: the second look found work. */
static inline void arb_parker_cancel(arb_parker_t *parker)
{
    /* relaxed: a producer that still sees the flag only wakes nobody */
    arb_store_relaxed(&parker->parked, 0);
}

/* Consumer: sleep until notified or timeout_ns have gone (below 0: no limit). true: a producer took
 * the flag down; false: the time is over. May also return early, with nothing to find. */
static inline bool arb_parker_wait(arb_parker_t *parker, int64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000,
                               .tv_nsec = timeout_ns % 1000000000};
    arb_count(&parker->parks, 1);
    syscall(SYS_futex, &parker->parked, FUTEX_WAIT, 1, timeout_ns < 0 ? NULL : &timeout, NULL, 0);
    /* acq_rel: what the waking producer wrote is visible, the flag is down; pairs with
     * parker.h:arb_parker_notify */
    bool woken = arb_exchange_acq_rel(&parker->parked, 0) == 0;
    if (woken)
        arb_count(&parker->wakes, 1);
    return woken;
}

#endif
