"""The detector against its oracle on random quotes, states and funding, every gate on or off."""

import math

from detector_oracle import NAN, Oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.store import MarketStore

MS = 1_000_000
HOUR = 3_600_000 * MS
START = 1_723_161_255_000 * MS
SYMBOLS = 2

price = st.one_of(st.just(NAN), st.integers(-6, 6).map(lambda step: 100.0 + 0.05 * step))
quantity = st.one_of(st.just(NAN), st.sampled_from([0.5, 1.0, 2.0, 8.0]))
venue = st.integers(0, 1)
symbol = st.integers(0, SYMBOLS - 1)
quote = st.tuples(st.just("quote"), venue, symbol, st.tuples(price, price, quantity, quantity))
state = st.tuples(st.just("state"), venue, symbol, st.integers(0, 5))
rate = st.sampled_from([NAN, 0.0, 0.0005, -0.001, 0.003])
following = st.integers(-3, 12).map(lambda hours: hours * HOUR)
funding = st.tuples(
    st.just("fund"), venue, symbol, st.tuples(rate, st.sampled_from([1.0, 4.0, 8.0]), following)
)
waiting = st.sampled_from([0, MS, 700 * MS, HOUR // 2, 3 * HOUR])
steps = st.lists(st.tuples(waiting, st.one_of(quote, quote, quote, state, funding)), max_size=60)
limits = st.fixed_dictionaries(
    {
        "min_net": st.sampled_from([-20.0, 0.0, 1.5]),
        "min_gross": st.sampled_from([-math.inf, 3.0, 10.0]),
        "max_age": st.sampled_from([0, 500 * MS]),
        "wanted": st.sampled_from([0.0, 120.0]),
        "horizon": st.sampled_from([0, HOUR, 9 * HOUR]),
    }
)
multipliers = st.sampled_from([((1.0, 1.0), (1.0, 1.0)), ((0.001, 1000.0), (1.0, 0.01))])


def published(event):
    fields = ("event", "id", "buy_row", "reason", "ask_px", "bid_px", "gross_bps", "net_bps")
    return [event[name] for name in fields] + [event["update_count"]]


@settings(max_examples=300, deadline=None)
@given(steps, limits, multipliers, st.sampled_from([(0.0, 0.0), (0.55, 0.5)]))
def test_detector_publishes_what_the_oracle_says(steps, limits, multipliers, takers):
    store = MarketStore(2, SYMBOLS)
    for v in range(2):
        for s in range(SYMBOLS):
            px_mult, qty_mult = multipliers[v]
            store.set_instrument(store.row(v, s), px_mult, qty_mult, taker_bps=takers[v])
    detector = OpportunityDetector(
        store,
        min_net_bps=limits["min_net"],
        min_gross_bps=None if limits["min_gross"] == -math.inf else limits["min_gross"],
        max_age_ns=limits["max_age"],
        depth_factor=2.0,
        position_notional=limits["wanted"] / 2.0,
        funding_horizon_s=limits["horizon"] / 1e9,
        wall_minus_mono_ns=0,
    )
    oracle = Oracle(multipliers, takers, **limits)
    now = START
    for wait, (kind, v, s, what) in steps:
        now += wait
        if kind == "quote":
            px_mult, qty_mult = multipliers[v]
            what = (what[0] / px_mult, what[1] / px_mult, what[2] / qty_mult, what[3] / qty_mult)
            count = detector.on_quote(v, s, *what, recv_mono_ns=now, exch_wall_ns=now)
            expected = oracle.quote(v, s, what, now)
        elif kind == "state":
            count = detector.on_state(v, s, what, recv_mono_ns=now)
            expected = oracle.state(v, s, what, now)
        else:
            rate, hours, after = what
            known = (rate, hours, START + after) if rate == rate else None
            count = detector.on_funding(v, s, rate, hours, START + after, recv_mono_ns=now)
            expected = oracle.fund(v, s, known, now)
        events = detector.poll()
        assert count == len(events) == len(expected)
        for event, wanted in zip(events, expected, strict=True):
            found = published(event)
            found[2] = int(event["buy_row"]) // SYMBOLS
            assert [repr(float(field)) for field in found] == [repr(float(w)) for w in wanted]
            assert event["recv_mono_ns"] == now
            assert event["symbol_index"] == s
    counters = detector.counters
    assert counters["opened"] == oracle.opened
    assert counters["closed"] == oracle.opened - len(oracle.lives)
    assert detector.close_all(now) == len(oracle.lives)
    assert set(detector.poll()["reason"].tolist()) <= {7}
