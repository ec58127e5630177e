/* Seqlock: one writer, any number of readers, readers never slow the writer.
 *
 * The version is even when the payload is whole and odd while it is being written. Payloads are
 * moved as relaxed atomic words (arb_copy_words_*), so the C11 model has no data race.
 * After H.-J. Boehm, "Can seqlocks get along with programming language memory models?", MSPC 2012.
 * Limit: a reader may retry for as long as the writer keeps writing; readers bound their tries.
 */
#ifndef ARB_SEQLOCK_H
#define ARB_SEQLOCK_H

#include <stdbool.h>

#include "atomics.h"

static inline void arb_seqlock_write_begin(uint64_t *version)
{
    /* relaxed load: this thread is the only writer */
    arb_store_relaxed(version, arb_load_relaxed(version) + 1);
    /* release fence: no payload store may become visible before the odd version;
     * pairs with the acquire fence in arb_seqlock_read_valid */
    arb_fence_release();
}

static inline void arb_seqlock_write_end(uint64_t *version)
{
    /* release: the whole payload is visible before the even version;
     * pairs with the acquire in arb_seqlock_read_begin */
    arb_store_release(version, arb_load_relaxed(version) + 1);
}

static inline uint64_t arb_seqlock_read_begin(const uint64_t *version)
{
    /* acquire: payload loads stay behind it; pairs with the release in arb_seqlock_write_end */
    return arb_load_acquire(version);
}

static inline bool arb_seqlock_read_valid(const uint64_t *version, uint64_t begun)
{
    /* acquire fence: payload loads stay before the second version load;
     * pairs with the release fence in arb_seqlock_write_begin */
    arb_fence_acquire();
    /* relaxed: ordered by the fence; pairs with the relaxed store in arb_seqlock_write_begin */
    return (begun & 1) == 0 && arb_load_relaxed(version) == begun;
}

#endif
