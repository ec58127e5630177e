/* Pair phases: what a pair can be, and the one table of how it gets from one to the next.
 *
 * Everything else is made from here: the enumeration, the check before each change of phase
 * (arb_pair_may), the names and moves that Python shows (arbitrage.core.strategy.PHASES, .MOVES),
 * and the drawing in docs/pairs.md (bin/render-pair-phases). A move that is not in the table is a
 * mistake of ours: it is refused and counted (illegal_moves), and every test wants that count to be
 * 0.
 *
 * The numbers are those of the journal's pair records. Threads: pure functions of their arguments.
 */
#ifndef ARB_PAIR_PHASES_H
#define ARB_PAIR_PHASES_H

#include <stdbool.h>
#include <stdint.h>

/* X(name, what the pair is in it, its orders, its deadline); numbers count from 0 in this order. */
#define ARB_PAIR_PHASES(X)                                                                         \
    X(IDLE, "no pair", "none", "cooling: cooldown_ms, doubled by each unwinding in a row")         \
    X(OPENING, "both entry orders are out",                                                        \
      "both legs, limit, immediate or cancel, at the price the size needs and entry_slip_bps",     \
      "uneven for half of max_naked_ms; none while nothing is known to stand")                     \
    X(ONE_LEG, "the legs are uneven: complete or unwind, whichever costs less",                    \
      "none", "decided at once; while nothing may leave, max_naked_ms")                            \
    X(COMPLETING, "one more entry order is out, for what the smaller leg lacks",                   \
      "one leg, limit, immediate or cancel, as in OPENING; at most complete_tries of a pair",      \
      "uneven for half of max_naked_ms")                                                           \
    X(UNWINDING, "reducing: to what both legs hold in common, or to nothing when a leg failed",    \
      "reduce-only, priced afresh each time, each try exit_widen_bps wider",                       \
      "uneven for max_naked_ms, or exit_tries orders of a leg")                                    \
    X(OPEN, "both legs stand, level", "none", "the longest stay of its kind")                      \
    X(CLOSING, "leaving on purpose: reducing to nothing", "as in UNWINDING", "as in UNWINDING")    \
    X(CLOSED, "flat: waits for late fills and their prices", "none", "settle_ms")                  \
    X(BROKEN, "not brought back within its bounds: reducing on, widest slip, symbol paused",       \
      "reduce-only, exit_slip_bps_max wide, until flat", "none: a person is told")

/* X(from, to, why); a pair of phases at most once. */
#define ARB_PAIR_MOVES(X)                                                                          \
    X(IDLE, OPENING, "a request for it passed the gate")                                           \
    X(IDLE, OPEN, "a recovered pair stands level")                                                 \
    X(IDLE, UNWINDING, "a fill after the end, or a recovered pair that is uneven")                 \
    X(OPENING, OPEN, "both orders over, legs level")                                               \
    X(OPENING, ONE_LEG, "both orders over, legs uneven; or uneven for half the naked bound")       \
    X(OPENING, UNWINDING, "the venue took a leg")                                                  \
    X(OPENING, CLOSED, "both orders over, nothing filled")                                         \
    X(ONE_LEG, COMPLETING, "completing costs less, and the gate lets it pass")                     \
    X(ONE_LEG, UNWINDING, "unwinding costs less, or completing may not be")                        \
    X(ONE_LEG, OPEN, "a late fill made the legs level while nothing might leave")                  \
    X(ONE_LEG, BROKEN, "uneven for the whole naked bound while nothing might leave")               \
    X(COMPLETING, OPEN, "the order filled, legs level")                                            \
    X(COMPLETING, ONE_LEG, "the order ended short, or is unknown at half the naked bound")         \
    X(COMPLETING, UNWINDING, "the venue took a leg")                                               \
    X(UNWINDING, OPEN, "down to what both legs hold in common")                                    \
    X(UNWINDING, CLOSED, "both legs flat")                                                         \
    X(UNWINDING, BROKEN, "uneven for the whole naked bound, or a leg's tries used up")             \
    X(OPEN, CLOSING, "an exit rule holds")                                                         \
    X(OPEN, UNWINDING, "a late fill, or the venue took a leg")                                     \
    X(CLOSING, CLOSED, "both legs flat")                                                           \
    X(CLOSING, BROKEN, "uneven for the whole naked bound, or a leg's tries used up")               \
    X(CLOSED, IDLE, "every fill has its price, or settle_ms passed")                               \
    X(CLOSED, UNWINDING, "a fill came after all")                                                  \
    X(BROKEN, CLOSED, "both legs flat")

typedef enum arb_pair_phase {
#define ARB_X(name, about, orders, deadline) ARB_PAIR_##name,
    ARB_PAIR_PHASES(ARB_X)
#undef ARB_X
    ARB_PAIR_PHASE_COUNT
} arb_pair_phase_t;

_Static_assert(ARB_PAIR_IDLE == 0 && ARB_PAIR_BROKEN == 8, "journals hold these numbers");

/* Whether the table knows this move. */
static inline bool arb_pair_may(uint8_t from, uint8_t to)
{
    switch ((uint32_t)from << 8 | to) {
#define ARB_X(from_name, to_name, why) \
    case (uint32_t)ARB_PAIR_##from_name << 8 | ARB_PAIR_##to_name:
        ARB_PAIR_MOVES(ARB_X)
#undef ARB_X
        return true;
    default:
        return false;
    }
}

/* Whether a pair in this phase sends reduce-only orders. */
static inline bool arb_pair_is_reducing(uint8_t phase)
{
    return phase == ARB_PAIR_UNWINDING || phase == ARB_PAIR_CLOSING || phase == ARB_PAIR_BROKEN;
}

#endif
