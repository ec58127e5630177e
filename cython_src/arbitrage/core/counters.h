/* Counters: what each hot thread counts, one block a writer, written by that thread alone.
 *
 * Every field is a uint64_t. Blocks lie 128 bytes apart in the segment; readers load words relaxed.
 * The field lists are X-macros, so that names reach Python from the same place as the layout.
 */
#ifndef ARB_COUNTERS_H
#define ARB_COUNTERS_H

#include "atomics.h"
#include "cacheline.h"
#include "records.h"

/* one a (feed lane, venue), written by the lane's feed thread */
#define ARB_FEED_COUNTERS(X)                                                           \
    X(frames)            /* WebSocket text frames received */                          \
    X(bytes)             /* their payload bytes */                                     \
    X(quotes)            /* frames that became a quote of a held symbol */             \
    X(repeats)           /* quotes dropped as copies or older than what is known */    \
    X(control)           /* acknowledgements, pongs, events */                         \
    X(other_topics)      /* data frames for the slow path */                           \
    X(unknown_symbols)   /* well-formed quotes of symbols not held */                  \
    X(malformed)         /* frames refused, all reasons */                             \
    X(ticks_pushed)      /* ticks that entered the ring */                             \
    X(ticks_overflowed)  /* ticks written to an overflow row because the ring was full */ \
    X(connects)                                                                        \
    X(disconnects)                                                                     \
    X(quotes_held_back)  /* quotes of rows whose book had not come yet */              \
    X(depth_frames)      /* frames of a book channel, all kinds */                     \
    X(depth_updates)     /* of them snapshots and updates that were applied */         \
    X(depth_keepalives)  /* of them proofs that nothing has changed */                 \
    X(depth_older)       /* of them copies and updates already passed */               \
    X(depth_waiting)     /* of them updates without a book to apply them to */         \
    X(depth_malformed)   /* of them refused; counted in malformed, too */              \
    X(depth_gaps)        /* books given up: an update was lost, or could not be read */ \
    X(depth_ticks)       /* ticks made from a book: newer than L1, or proven fresh */

/* one a (feed lane, venue, line), written by the lane's feed thread: parallel connections */
#define ARB_LINE_COUNTERS(X)                                                           \
    X(first)             /* states of a row that came first on this line */            \
    X(copies)            /* states that another line had brought, or older ones */     \
    X(led)               /* copies on other lines of states this line brought first */ \
    X(led_ns)            /* by how much this line was ahead of those copies, summed */ \
    X(connects)                                                                        \
    X(disconnects)

/* one a row, written by its lane's feed thread: what a symbol loses, so nothing of every frame */
#define ARB_ROW_COUNTERS(X)                                                            \
    X(gaps)              /* of depth_gaps, those of this row */                        \
    X(cuts)              /* times that no connection served it any longer */

/* written by the detector thread */
#define ARB_DETECTOR_COUNTERS(X)                                                       \
    X(ticks)             /* ticks taken, rings and overflow rows together */           \
    X(quotes)            /* of them quotes */                                          \
    X(overflow_taken)    /* ticks taken from overflow rows */                          \
    X(ticks_dropped)     /* quotes overwritten in an overflow row, or older than the row */ \
    X(bad_rows)          /* ticks that named no row in use */                          \
    X(opened)                                                                          \
    X(updated)                                                                         \
    X(closed)                                                                          \
    X(aged_out)          /* rows taken out of LIVE by the staleness watch */           \
    X(suspected)         /* rows suspected: silent while their counterpart moved */   \
    X(parks)             /* times the thread slept */                                  \
    X(wakes)             /* times it was woken by a producer */

/* written by the strategy thread */
#define ARB_STRATEGY_COUNTERS(X)                                                       \
    X(opportunities)     /* events seen */                                             \
    X(opportunities_lost)/* events lapped before they were seen */                     \
    X(considered)        /* OPEN or UPDATE events of symbols free to trade */          \
    X(too_small)         /* size was zero after limits and lot grids */                \
    X(pairs_opening)     /* both entry orders were handed out */                       \
    X(pairs_opened)      /* both legs filled; not those taken over */                  \
    X(pairs_closed)      /* closed after having been open */                           \
    X(pairs_unwound)     /* flattened because a leg failed */                          \
    X(pairs_missed)      /* ended with nothing filled */                               \
    X(pairs_adopted)     /* taken over from an earlier run */                          \
    X(pairs_broken)      /* not brought back within their bounds; see pair_phases.h */ \
    X(legs_completed)    /* uneven entries made level by one more entry order */       \
    X(breaker_trips)     /* symbols paused by the breaker */                           \
    X(venue_fills)       /* fills a venue made by itself, taken from a pair's leg */   \
    X(venue_fills_stray) /* of them on rows without a pair: nobody holds them */       \
    X(illegal_moves)     /* changes of phase that the table does not know: always 0 */ \
    X(orders)            /* orders pushed to a gateway */                              \
    X(orders_dropped)    /* order ring full */                                         \
    X(orders_unjournaled)/* refused because the journal had no room */                 \
    X(intents)           /* of users' strategies, answered */                          \
    X(intents_refused)                                                                 \
    X(pairs_intent)      /* opening because a user's strategy asked */                 \
    X(pairs_funding)     /* opening because of two funding rates */                    \
    X(acks)                                                                            \
    X(rejects)                                                                         \
    X(fills)                                                                           \
    X(timeouts)                                                                        \
    X(unknown_executions)/* executions of no order of ours */                          \
    X(duplicates)        /* executions already known */                                \
    X(parks)                                                                           \
    X(wakes)

/* one a venue, written by the gateway's loop thread */
#define ARB_GATEWAY_COUNTERS(X)                                                        \
    X(orders_taken)      /* orders popped from the ring */                             \
    X(frames_sent)                                                                     \
    X(orders_unsendable) /* refused here, for whatever reason */                       \
    X(orders_killed)     /* of them: the kill switch had tripped */                    \
    X(acks)                                                                            \
    X(rejects)                                                                         \
    X(fills)                                                                           \
    X(timeouts)          /* no answer in time: outcome unknown, queried */             \
    X(executions_dropped)/* execution ring full */                                     \
    X(connects)                                                                        \
    X(disconnects)                                                                     \
    X(clock_ahead_ms)    /* now: the venue's clock is ahead of ours by so much, or ... */ \
    X(clock_behind_ms)   /* ... behind it */                                           \
    X(clock_rtt_us)      /* now: quickest question for its time */                     \
    X(clock_steps)       /* corrections too large to slew */

#define ARB_X(name) uint64_t name;
typedef struct arb_feed_counters {
    ARB_FEED_COUNTERS(ARB_X)
    uint64_t by_status[ARB_FRAME_STATUS_COUNT]; /* frames by arb_frame_status_t */
} ARB_SEPARATED arb_feed_counters_t;

typedef struct arb_line_counters {
    ARB_LINE_COUNTERS(ARB_X)
} ARB_SEPARATED arb_line_counters_t;

/* not separated: gaps are rare, and a row's neighbours are mostly of the same thread */
typedef struct arb_row_counters {
    ARB_ROW_COUNTERS(ARB_X)
} arb_row_counters_t;

typedef struct arb_detector_counters {
    ARB_DETECTOR_COUNTERS(ARB_X)
    uint64_t close_reasons[ARB_CLOSE_REASON_COUNT];
} ARB_SEPARATED arb_detector_counters_t;

enum { ARB_RISK_REASON_COUNT = 32 };
typedef struct arb_strategy_counters {
    ARB_STRATEGY_COUNTERS(ARB_X)
    uint64_t risk_reasons[ARB_RISK_REASON_COUNT]; /* orders refused, by arb_risk_reason_t */
} ARB_SEPARATED arb_strategy_counters_t;

typedef struct arb_gateway_counters {
    ARB_GATEWAY_COUNTERS(ARB_X)
} ARB_SEPARATED arb_gateway_counters_t;
#undef ARB_X

#endif
