"""Silence of a row: suspected only while it says nothing and its counterpart moved away."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.records import CloseReason
from arbitrage.core.store import (
    ROW_GAP,
    ROW_LIVE,
    ROW_STALE,
    ROW_SUSPECT,
    MarketStore,
)

MS = 1_000_000
START = 1_000_000 * MS
BYBIT, OKX = 0, 1


class Market:
    """Two venues, one symbol, a clock that the test moves; sweeps every 50 ms as in the engine."""

    def __init__(self, **options) -> None:
        self.store = MarketStore(2, 1)
        for venue in (BYBIT, OKX):
            self.store.set_instrument(self.store.row(venue, 0))
        self.detector = OpportunityDetector(
            self.store, wall_minus_mono_ns=0, min_gross_bps=None, **options
        )
        self.now_ns = START

    def quote(self, venue: int, mid: float) -> None:
        self.detector.on_quote(venue, 0, mid - 0.05, mid + 0.05, recv_mono_ns=self.now_ns)

    def state(self, venue: int, state: int) -> None:
        self.detector.on_state(venue, 0, state, recv_mono_ns=self.now_ns)

    def wait_ms(self, ms: int) -> None:
        """Let so much time pass, in whole sweeps."""
        for _ in range(ms // 50):
            self.now_ns += 50 * MS
            self.detector.sweep(self.now_ns)

    def row_state(self, venue: int) -> int:
        return self.store.read_row(venue, 0).state


@pytest.fixture
def market():
    market = Market()
    market.quote(BYBIT, 1000.0)
    market.quote(OKX, 1000.0)
    return market


def test_a_quiet_row_of_a_quiet_market_stays_live(market):
    for _ in range(20):
        market.wait_ms(3000)
        market.quote(BYBIT, 1000.0)  # its three-second repeat
    assert market.row_state(OKX) == ROW_LIVE
    assert market.detector.counters["suspected"] == 0


def test_a_row_left_behind_is_suspected_within_a_second(market):
    market.wait_ms(2500)
    market.quote(BYBIT, 1000.2)  # 2 bps
    market.wait_ms(500)
    assert market.row_state(OKX) == ROW_LIVE  # it may still be on its way
    market.wait_ms(50)
    assert market.row_state(OKX) == ROW_SUSPECT
    assert market.detector.counters["suspected"] == 1
    row = market.store.read_row(OKX, 0)
    assert (row.bid_px, row.ask_px) == (999.95, 1000.05)  # it keeps its quote


def test_a_move_just_after_the_last_word_counts(market):
    market.wait_ms(100)
    market.quote(OKX, 1000.0)
    market.now_ns += 1
    market.quote(BYBIT, 1000.2)  # between two sweeps
    market.wait_ms(600)
    assert market.row_state(OKX) == ROW_SUSPECT


def test_what_it_follows_within_the_time_is_no_suspicion(market):
    for mid in (1000.2, 1000.5, 999.0):
        market.quote(BYBIT, mid)
        market.wait_ms(450)
        market.quote(OKX, mid)
        market.wait_ms(2000)
        market.quote(BYBIT, mid)
    assert market.detector.counters["suspected"] == 0


def test_a_move_below_the_tolerance_or_back_is_none(market):
    market.quote(BYBIT, 1000.09)  # 0.9 bps
    market.wait_ms(2000)
    market.quote(BYBIT, 1000.5)
    market.wait_ms(400)
    market.quote(BYBIT, 1000.0)  # and back
    market.wait_ms(2000)
    market.quote(BYBIT, 1000.5)
    market.wait_ms(400)
    assert market.row_state(OKX) == ROW_LIVE


def test_bybit_repeats_itself_and_is_never_suspected(market):
    market.wait_ms(50)
    market.quote(OKX, 1010.0)
    market.wait_ms(4000)
    assert market.row_state(BYBIT) == ROW_LIVE
    market.wait_ms(550)
    assert market.row_state(BYBIT) == ROW_STALE


def test_a_suspected_row_does_not_trade_and_its_life_closes(market):
    market.quote(BYBIT, 1000.2)
    (opened,) = market.detector.poll()
    market.wait_ms(600)
    (closed,) = market.detector.poll()
    assert closed["id"] == opened["id"]
    assert closed["reason"] == CloseReason.NOT_LIVE
    market.quote(BYBIT, 1005.0)
    assert len(market.detector.poll()) == 0


@pytest.mark.parametrize("word", ["quote", "proof"])
def test_its_own_word_or_a_proof_brings_it_back(market, word):
    market.quote(BYBIT, 1000.2)
    market.wait_ms(600)
    if word == "quote":
        market.quote(OKX, 1000.2)
    else:
        market.state(OKX, ROW_LIVE)
    assert market.row_state(OKX) == ROW_LIVE
    market.wait_ms(3000)
    assert market.row_state(OKX) == ROW_LIVE  # Bybit has not moved since
    market.quote(BYBIT, 1000.4)
    market.wait_ms(600)
    assert market.row_state(OKX) == ROW_SUSPECT


def test_a_suspected_row_still_goes_stale(market):
    market.quote(BYBIT, 1000.2)
    market.wait_ms(600)
    for _ in range(30):
        market.quote(BYBIT, 1000.2)
        market.wait_ms(3000)
    assert market.row_state(OKX) == ROW_STALE


def test_a_counterpart_that_is_not_live_proves_nothing(market):
    market.state(BYBIT, ROW_GAP)
    market.wait_ms(2000)
    assert market.row_state(OKX) == ROW_LIVE
    market.quote(OKX, 1000.0)  # noted: no counterpart
    market.quote(BYBIT, 1000.3)  # it came back at another price
    market.wait_ms(2000)
    assert market.row_state(OKX) == ROW_LIVE
    market.quote(BYBIT, 1000.6)
    market.wait_ms(600)
    assert market.row_state(OKX) == ROW_SUSPECT


def test_it_can_be_turned_off():
    market = Market(suspect_ns=(0, 0))
    market.quote(BYBIT, 1000.0)
    market.quote(OKX, 1000.0)
    market.quote(BYBIT, 1010.0)
    market.wait_ms(4000)
    assert market.row_state(OKX) == ROW_LIVE


@pytest.mark.parametrize(
    ("options", "says"),
    [({"suspect_ns": (0, -1)}, "suspect_ns"), ({"suspect_bps": -1.0}, "suspect_bps")],
)
def test_bad_settings_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        Market(**options)


# ---- against a model -----------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("bybit"), st.sampled_from([999.0, 1000.0, 1000.09, 1000.2, 1001.0])),
        st.tuples(st.just("okx"), st.sampled_from([1000.0, 1001.0])),
        st.tuples(st.just("gap"), st.sampled_from([BYBIT, OKX])),
        st.tuples(st.just("wait"), st.sampled_from([50, 100, 450, 500, 550, 1200])),
    ),
    max_size=40,
)


class Model:
    """OKX' row and Bybit's mid, by the words of the specification."""

    def __init__(self) -> None:
        self.okx = self.bybit = ROW_LIVE
        self.bybit_mid, self.noted = 1000.0, 1000.0
        self.moved_for_ms: int | None = None
        self.bybit_heard_ns = START

    def mid(self) -> float:
        return self.bybit_mid if self.bybit == ROW_LIVE else math.nan

    def okx_speaks(self, state: int) -> None:
        self.okx, self.noted, self.moved_for_ms = state, self.mid(), None

    def sweep(self, now_ns: int) -> None:
        if now_ns - self.bybit_heard_ns > 4500 * MS and self.bybit == ROW_LIVE:
            self.bybit = ROW_STALE
        if self.okx != ROW_LIVE:
            return
        if math.isnan(self.noted):
            self.noted = self.mid()
        if abs(self.mid() - self.noted) > 1e-4 * self.noted:
            self.moved_for_ms = 0 if self.moved_for_ms is None else self.moved_for_ms + 50
        else:
            self.moved_for_ms = None
        if self.moved_for_ms is not None and self.moved_for_ms >= 500:
            self.okx = ROW_SUSPECT


@given(STEPS)
def test_every_schedule_equals_the_model(steps):
    market, model = Market(), Model()
    market.quote(BYBIT, 1000.0)
    market.quote(OKX, 1000.0)
    for kind, value in steps:
        market.now_ns += 1
        if kind == "wait":
            for _ in range(value // 50):
                market.wait_ms(50)
                model.sweep(market.now_ns)
        elif kind == "gap":
            market.state(value, ROW_GAP)
            if value == OKX:
                model.okx_speaks(ROW_GAP)
            else:
                model.bybit = ROW_GAP
        elif kind == "okx":
            market.quote(OKX, value)
            model.okx_speaks(ROW_LIVE)
        else:
            market.quote(BYBIT, value)
            model.bybit, model.bybit_mid, model.bybit_heard_ns = ROW_LIVE, value, market.now_ns
        assert (market.row_state(BYBIT), market.row_state(OKX)) == (model.bybit, model.okx)
