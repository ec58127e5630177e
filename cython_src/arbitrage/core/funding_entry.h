/* Funding capture: when the difference of two venues' funding rates is worth a pair, and until
 * when.
 *
 *   rate      fraction paid for the running interval; the short leg receives a positive one, the
 *             long leg pays it
 *   ahead     what a pair receives less what it pays at every settlement of both venues in (now,
 *             until]; the venues' intervals need not be equal (8 h, 4 h, 1 h)
 *   delta     difference of the rates, each brought to 8 hours
 *
 *   enter     favourable settlement within (lead, window] from now, delta >= min_delta, and
 *             ahead + basis now - fees of the round trip - slippage >= min_bps
 *   leave     ahead <= 0: nothing more is to be had, the fees of leaving are due either way; or
 *             less is ahead than leaving costs, the pair is in profit, and no settlement is near
 *             enough to wait for
 *
 * A settlement counts as passed only lead after its time, and as reached only when lead is left of
 * the stay: venues settle within seconds of the hour, and their clocks are not ours.
 * A rate, interval or time that is not known, or not possible, is no reason to enter and none to
 * leave. Pure functions; times are the UTC epoch in nanoseconds. Threads: any.
 */
#ifndef ARB_FUNDING_ENTRY_H
#define ARB_FUNDING_ENTRY_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define ARB_FUNDING_RATE_MAX 0.1 /* of one interval; both venues cap theirs far below */
#define ARB_FUNDING_INTERVAL_H_MIN (1.0 / 3600.0)
#define ARB_FUNDING_INTERVAL_H_MAX 24.0

/* One venue's funding of one symbol, as it was last told. */
typedef struct arb_funding_leg {
    double rate;       /* NaN: not known */
    double interval_h; /* NaN: not known */
    int64_t next_ns;   /* next settlement; 0: not known */
} arb_funding_leg_t;

typedef struct arb_funding_rules {
    int64_t window_ns; /* enter at most so long before the favourable settlement */
    int64_t lead_ns;   /* and more than so long: later may be too late to be counted */
    int64_t hold_ns;   /* longest stay; settlements within it count */
    double min_bps;    /* least result expected, all costs paid */
    double min_delta;  /* least difference of the rates, fraction per 8 h */
} arb_funding_rules_t;

typedef enum arb_funding_verdict {
    ARB_FUNDING_ENTER = 0,
    ARB_FUNDING_UNKNOWN = 1,     /* a rate, interval, time or price is not known */
    ARB_FUNDING_SMALL_DELTA = 2,
    ARB_FUNDING_NOT_NOW = 3,     /* no favourable settlement in the window */
    ARB_FUNDING_TOO_LITTLE = 4,  /* costs eat it */
    ARB_FUNDING_VERDICT_COUNT = 5
} arb_funding_verdict_t;

typedef struct arb_funding_plan {
    double ahead_bps;
    double delta_8h;
    double net_bps;
    int64_t settles_ns; /* the favourable settlement waited for; 0: none */
    arb_funding_verdict_t verdict;
} arb_funding_plan_t;

static inline bool arb_funding_is_known(const arb_funding_leg_t *leg)
{
    /* written so that NaN fails */
    return fabs(leg->rate) <= ARB_FUNDING_RATE_MAX &&
           leg->interval_h >= ARB_FUNDING_INTERVAL_H_MIN &&
           leg->interval_h <= ARB_FUNDING_INTERVAL_H_MAX && leg->next_ns > 0;
}

/* The first settlement after now: a venue that has settled and not told the next yet goes on by its
 * interval. */
static inline int64_t arb_funding_next(const arb_funding_leg_t *leg, int64_t now_ns)
{
    int64_t interval_ns = (int64_t)(leg->interval_h * 3.6e12);
    if (leg->next_ns > now_ns)
        return leg->next_ns;
    return leg->next_ns + ((now_ns - leg->next_ns) / interval_ns + 1) * interval_ns;
}

/* Settlements in (now, until]. */
static inline int64_t arb_funding_count(const arb_funding_leg_t *leg, int64_t now_ns,
                                        int64_t until_ns)
{
    int64_t beyond_ns = until_ns - arb_funding_next(leg, now_ns);
    return beyond_ns < 0 ? 0 : beyond_ns / (int64_t)(leg->interval_h * 3.6e12) + 1;
}

/* What a pair receives less what it pays in (now, until], bps of a leg. NaN: not known. */
static inline double arb_funding_ahead_bps(const arb_funding_leg_t *buy,
                                           const arb_funding_leg_t *sell, int64_t now_ns,
                                           int64_t until_ns)
{
    if (!arb_funding_is_known(buy) || !arb_funding_is_known(sell))
        return NAN;
    double received = sell->rate * (double)arb_funding_count(sell, now_ns, until_ns);
    double paid = buy->rate * (double)arb_funding_count(buy, now_ns, until_ns);
    return (received - paid) * 1e4;
}

static inline double arb_funding_delta_8h(const arb_funding_leg_t *buy,
                                          const arb_funding_leg_t *sell)
{
    if (!arb_funding_is_known(buy) || !arb_funding_is_known(sell))
        return NAN;
    return sell->rate * (8.0 / sell->interval_h) - buy->rate * (8.0 / buy->interval_h);
}

/* The first settlement that pays this pair rather than costs it; 0: there is none. */
static inline int64_t arb_funding_favourable(const arb_funding_leg_t *buy,
                                             const arb_funding_leg_t *sell, int64_t now_ns)
{
    int64_t first_ns = 0;
    if (sell->rate > 0)
        first_ns = arb_funding_next(sell, now_ns);
    if (buy->rate < 0) {
        int64_t next_ns = arb_funding_next(buy, now_ns);
        first_ns = first_ns == 0 || next_ns < first_ns ? next_ns : first_ns;
    }
    return first_ns;
}

/* Judge an entry. gross_bps: the quotes' edge now; fees_bps: of the whole round trip; slippage_bps:
 * what both ways may cost beyond the touch. */
static inline arb_funding_plan_t arb_funding_judge(const arb_funding_rules_t *rules,
                                                   const arb_funding_leg_t *buy,
                                                   const arb_funding_leg_t *sell, double gross_bps,
                                                   double fees_bps, double slippage_bps,
                                                   int64_t now_ns)
{
    arb_funding_plan_t plan = {.ahead_bps = NAN, .delta_8h = NAN, .net_bps = NAN};
    plan.verdict = ARB_FUNDING_UNKNOWN;
    /* a time that has passed: the venue has settled and its rate is of the interval before */
    if (!arb_funding_is_known(buy) || !arb_funding_is_known(sell) || buy->next_ns <= now_ns ||
        sell->next_ns <= now_ns || gross_bps != gross_bps)
        return plan;
    plan.ahead_bps =
        arb_funding_ahead_bps(buy, sell, now_ns, now_ns + rules->hold_ns - rules->lead_ns);
    plan.delta_8h = arb_funding_delta_8h(buy, sell);
    plan.net_bps = plan.ahead_bps + gross_bps - fees_bps - slippage_bps;
    plan.settles_ns = arb_funding_favourable(buy, sell, now_ns);
    int64_t wait_ns = plan.settles_ns - now_ns;
    if (!(plan.delta_8h >= rules->min_delta))
        plan.verdict = ARB_FUNDING_SMALL_DELTA;
    else if (plan.settles_ns == 0 || wait_ns > rules->window_ns || wait_ns <= rules->lead_ns ||
             wait_ns > rules->hold_ns - rules->lead_ns)
        plan.verdict = ARB_FUNDING_NOT_NOW;
    else if (!(plan.net_bps >= rules->min_bps))
        plan.verdict = ARB_FUNDING_TOO_LITTLE;
    else
        plan.verdict = ARB_FUNDING_ENTER;
    return plan;
}

typedef enum arb_funding_exit {
    ARB_FUNDING_STAY = 0,
    ARB_FUNDING_TURNED = 1, /* nothing more is to be had */
    ARB_FUNDING_SPENT = 2   /* less is ahead than leaving costs, and the pair is in profit */
} arb_funding_exit_t;

/* Judge a pair that stands. until_ns: when it must leave in any case; pair_bps: what leaving now
 * would bring, all costs paid; leave_bps: what leaving costs; take_profit_bps: what counts as
 * profit. */
static inline arb_funding_exit_t arb_funding_judge_exit(const arb_funding_rules_t *rules,
                                                        const arb_funding_leg_t *buy,
                                                        const arb_funding_leg_t *sell,
                                                        double pair_bps, double leave_bps,
                                                        double take_profit_bps,
                                                        int64_t now_ns, int64_t until_ns)
{
    int64_t seen_ns = now_ns - rules->lead_ns;
    double ahead_bps = arb_funding_ahead_bps(buy, sell, seen_ns, until_ns - rules->lead_ns);
    if (ahead_bps != ahead_bps)
        return ARB_FUNDING_STAY;
    if (ahead_bps <= 0)
        return ARB_FUNDING_TURNED;
    int64_t settles_ns = arb_funding_favourable(buy, sell, seen_ns);
    if (ahead_bps < leave_bps && pair_bps >= take_profit_bps &&
        settles_ns - now_ns > rules->window_ns)
        return ARB_FUNDING_SPENT;
    return ARB_FUNDING_STAY;
}

#endif
