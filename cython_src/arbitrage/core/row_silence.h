/* Silence of a row: when "nothing was said" still means "nothing changed".
 *
 *   STALE    silent for longer than its venue ever is
 *   SUSPECT  silent while a counterpart of the symbol moved away: changes may have been lost,
 *            though the connection may be well. It keeps its quote, trades nothing, and is asked
 *            about.
 *
 * A venue that speaks only on change (suspect_ns > 0) proves nothing by its silence, but prices of
 * one symbol move together. With every quote the row notes where each live counterpart stood, as
 * the sum of its bid and ask; one that stands suspect_bps away from that note for suspect_ns makes
 * the row SUSPECT. A quiet symbol on a quiet market has no such counterpart and stays LIVE.
 *
 * Threads: the detector's. Cost: two loads and a store a counterpart with each quote of such a
 * venue; the rest runs in the sweep.
 */
#ifndef ARB_ROW_SILENCE_H
#define ARB_ROW_SILENCE_H

#include "detector_costs.h"

/* Where a row stands: twice its mid, venue quotation; NaN: it is not live or has an empty side. */
static inline double arb_row_stand(const arb_detector_t *det, uint32_t row)
{
    return det->state[row] == ARB_ROW_LIVE ? det->bid_px[row] + det->ask_px[row] : NAN;
}

/* The row spoke, or was proven to have nothing to say: note where its counterparts stand. */
static inline void arb_row_heard(arb_detector_t *det, uint32_t symbol, uint32_t venue)
{
    if (det->config.suspect_ns[venue] <= 0)
        return;
    arb_row_watch_t *watch = det->watches + venue * det->symbol_capacity + symbol;
    watch->moved_mono_ns = 0;
    for (uint32_t other = 0; other < det->venue_count; other++)
        watch->stands[other] = arb_row_stand(det, other * det->symbol_capacity + symbol);
}

/* Does a counterpart stand elsewhere than when the row last spoke? */
static inline bool arb_row_left_behind(arb_detector_t *det, uint32_t symbol, uint32_t venue)
{
    arb_row_watch_t *watch = det->watches + venue * det->symbol_capacity + symbol;
    double tolerance = det->config.suspect_bps * 1e-4;
    bool moved = false;
    for (uint32_t other = 0; other < det->venue_count; other++) {
        if (other == venue)
            continue;
        double stand = arb_row_stand(det, other * det->symbol_capacity + symbol);
        if (isnan(watch->stands[other]))
            watch->stands[other] = stand; /* it came to life since: moves count from here */
        moved |= fabs(stand - watch->stands[other]) > tolerance * watch->stands[other];
    }
    return moved;
}

/* Is the silence of a LIVE row suspect by now? Call it with every sweep. */
static inline bool arb_row_is_suspect(arb_detector_t *det, uint32_t symbol, uint32_t venue,
                                      int64_t now_mono_ns)
{
    if (det->config.suspect_ns[venue] <= 0)
        return false;
    arb_row_watch_t *watch = det->watches + venue * det->symbol_capacity + symbol;
    if (!arb_row_left_behind(det, symbol, venue)) {
        watch->moved_mono_ns = 0;
        return false;
    }
    if (watch->moved_mono_ns == 0)
        watch->moved_mono_ns = now_mono_ns;
    return now_mono_ns - watch->moved_mono_ns >= det->config.suspect_ns[venue];
}

#endif
