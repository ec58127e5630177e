/* Pause bits: why one symbol opens no pair, a bit to each reason in one byte.
 *
 * Several threads raise and lower reasons of their own (an operator, the strategy's breaker, a
 * watch over contracts), so the byte is changed by atomic or and and alone: none can undo
 * another's.
 *
 * Threads: any.
 */
#ifndef ARB_PAUSE_BITS_H
#define ARB_PAUSE_BITS_H

#include "atomics.h"

static inline void arb_pause_raise(uint8_t *reasons, uint8_t bits)
{
    /* relaxed: flags that publish nothing else; pairs with arb_risk_is_paused */
    arb_fetch_or_relaxed(reasons, bits);
}

static inline void arb_pause_lower(uint8_t *reasons, uint8_t bits)
{
    /* relaxed: flags that publish nothing else; pairs with arb_risk_is_paused */
    arb_fetch_and_relaxed(reasons, (uint8_t)~bits);
}

static inline uint8_t arb_pause_reasons(const uint8_t *reasons)
{
    /* relaxed: flags that publish nothing else; pairs with arb_pause_raise */
    return arb_load_relaxed(reasons);
}

#endif
