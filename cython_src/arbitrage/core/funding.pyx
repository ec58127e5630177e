"""The arithmetic of funding capture, for strategies written in Python and for its own tests.

The compiled strategy runs the same C functions on the strategy thread.
"""

from libc.stdint cimport int64_t

cdef extern from "funding_entry.h" nogil:
    enum:
        ARB_FUNDING_VERDICT_COUNT
    ctypedef struct arb_funding_leg_t:
        double rate
        double interval_h
        int64_t next_ns
    ctypedef struct arb_funding_rules_t:
        int64_t window_ns
        int64_t lead_ns
        int64_t hold_ns
        double min_bps
        double min_delta
    ctypedef struct arb_funding_plan_t:
        double ahead_bps
        double delta_8h
        double net_bps
        int64_t settles_ns
        int verdict
    double arb_funding_ahead_bps(const arb_funding_leg_t *buy, const arb_funding_leg_t *sell,
                                 int64_t now_ns, int64_t until_ns) noexcept
    double arb_funding_delta_8h(
        const arb_funding_leg_t *buy, const arb_funding_leg_t *sell) noexcept
    arb_funding_plan_t arb_funding_judge(
        const arb_funding_rules_t *rules, const arb_funding_leg_t *buy,
        const arb_funding_leg_t *sell, double gross_bps, double fees_bps, double slippage_bps,
        int64_t now_ns) noexcept
    int arb_funding_judge_exit(
        const arb_funding_rules_t *rules, const arb_funding_leg_t *buy,
        const arb_funding_leg_t *sell, double pair_bps, double leave_bps, double take_profit_bps,
        int64_t now_ns, int64_t until_ns) noexcept

VERDICTS = ("enter", "unknown", "small_delta", "not_now", "too_little")
EXITS = ("stay", "turned", "spent")
if len(VERDICTS) != ARB_FUNDING_VERDICT_COUNT:
    raise ImportError("arbitrage.core.funding was built from another funding_entry.h; build again")


cdef arb_funding_leg_t leg_of(object leg) except *:
    cdef arb_funding_leg_t made
    made.rate, made.interval_h, made.next_ns = leg
    return made


cdef arb_funding_rules_t rules_of(object rules) except *:
    cdef arb_funding_rules_t made
    made.window_ns = rules["window_ns"]
    made.lead_ns = rules["lead_ns"]
    made.hold_ns = rules["hold_ns"]
    made.min_bps = rules.get("min_bps", 0.0)
    made.min_delta = rules.get("min_delta", 0.0)
    return made


def ahead_bps(buy, sell, now_ns: int, until_ns: int) -> float:
    """Return what a pair receives less what it pays at the settlements in (now, until], bps.

    Parameters
    ----------
    buy, sell : (float, float, int)
        Rate of one interval (fraction), interval in hours, next settlement (UTC epoch, ns) of the
        venue bought at and the venue sold at.
    now_ns, until_ns : int
        UTC epoch, ns.

    Returns
    -------
    float
        NaN where anything is not known or not possible.

    Examples
    --------
    >>> round(ahead_bps((0.0001, 8.0, 10), (0.0003, 8.0, 10), 0, 20), 6)
    2.0
    """
    cdef arb_funding_leg_t bought = leg_of(buy), sold = leg_of(sell)
    return arb_funding_ahead_bps(&bought, &sold, now_ns, until_ns)


def delta_8h(buy, sell) -> float:
    """Return the difference of the rates, each brought to 8 hours; NaN: not known."""
    cdef arb_funding_leg_t bought = leg_of(buy), sold = leg_of(sell)
    return arb_funding_delta_8h(&bought, &sold)


def judge(rules, buy, sell, gross_bps: float, fees_bps: float,
          slippage_bps: float, now_ns: int) -> dict:
    """Judge an entry by the rules of the built-in strategy; see docs/strategies.md.

    Parameters
    ----------
    rules : dict
        ``window_ns``, ``lead_ns``, ``hold_ns``, ``min_bps``, ``min_delta``.
    buy, sell : (float, float, int)
        As for :func:`ahead_bps`.
    gross_bps, fees_bps, slippage_bps : float
        Edge of the quotes now, and the costs of the round trip.
    now_ns : int
        UTC epoch, ns.
    """
    cdef arb_funding_leg_t bought = leg_of(buy), sold = leg_of(sell)
    cdef arb_funding_rules_t bounds = rules_of(rules)
    cdef arb_funding_plan_t plan = arb_funding_judge(
        &bounds, &bought, &sold, gross_bps, fees_bps, slippage_bps, now_ns)
    return {"verdict": VERDICTS[plan.verdict], "ahead_bps": plan.ahead_bps,
            "delta_8h": plan.delta_8h, "net_bps": plan.net_bps, "settles_ns": plan.settles_ns}


def judge_exit(rules, buy, sell, pair_bps: float, leave_bps: float,
               take_profit_bps: float, now_ns: int, until_ns: int) -> str:
    """Judge a pair that stands: ``stay``, ``turned`` or ``spent``."""
    cdef arb_funding_leg_t bought = leg_of(buy), sold = leg_of(sell)
    cdef arb_funding_rules_t bounds = rules_of(rules)
    return EXITS[arb_funding_judge_exit(&bounds, &bought, &sold, pair_bps, leave_bps,
                                        take_profit_bps, now_ns, until_ns)]
