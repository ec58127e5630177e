"""Detector: lanes and time (a C harness), costs, confidence, gates by hand, and what it refuses."""

import shutil
import subprocess
from pathlib import Path

import pytest

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.records import OPPORTUNITY_DTYPE, CloseReason, OppEvent
from arbitrage.core.replay import ReplayCore
from arbitrage.core.store import ROW_STALE, ROW_SUSPECT, MarketStore

HERE = Path(__file__).parent
HEADERS = HERE.parents[1] / "cython_src/arbitrage/core"
SECOND = 1_000_000_000
HOUR = 3600 * SECOND


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
@pytest.mark.parametrize("name", ["detector_lanes", "decision_replay"])
def test_a_c_harness_finds_all_as_it_should_be(tmp_path, name):
    """Lanes, overflow and silence; three venues told and replayed while ladders change."""
    program = tmp_path / name
    flags = [
        "-std=gnu11",
        "-O1",
        "-g",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsanitize=address,undefined",
    ]
    source = HERE / f"{name}.c"
    subprocess.run(
        ["gcc", *flags, f"-I{HEADERS}", str(source), "-lm", "-lpthread", "-o", str(program)],
        check=True,
    )
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def make(venue_count=2, takers=(0.0, 0.0, 0.0), **options):
    store = MarketStore(venue_count, 2)
    for venue in range(venue_count):
        store.set_instrument(store.row(venue, 0), taker_bps=takers[venue])
    options.setdefault("min_gross_bps", None)
    return OpportunityDetector(store, wall_minus_mono_ns=0, **options)


def feed(detector, venue, bid, ask, now=SECOND, **quantities):
    detector.on_quote(venue, 0, bid, ask, recv_mono_ns=now, exch_wall_ns=now, **quantities)
    return detector.poll()


def test_one_life_from_open_to_close():
    detector = make()
    assert len(feed(detector, 0, 100.0, 100.5)) == 0
    (opened,) = feed(detector, 1, 101.0, 101.5, now=SECOND + 5000)
    assert (opened["event"], opened["id"], opened["buy_row"], opened["sell_row"]) == (1, 1, 0, 2)
    assert opened["gross_bps"] == (101.0 - 100.5) / 100.5 * 1e4
    assert opened["close_bps"] == pytest.approx((100.0 - 101.5) / 101.5 * 1e4)
    assert opened["other_age_us"] == 5
    assert len(feed(detector, 1, 101.0, 101.6)) == 0  # neither of its two prices
    (updated,) = feed(detector, 1, 101.2, 101.6)
    (weaker,) = feed(detector, 1, 100.9, 101.6)
    assert (updated["event"], weaker["update_count"]) == (OppEvent.UPDATE, 2)
    assert weaker["peak_net_bps"] == pytest.approx(updated["net_bps"])
    assert weaker["net_bps"] < updated["net_bps"]
    (closed,) = feed(detector, 0, 100.9, 101.0)
    assert (closed["event"], closed["id"]) == (OppEvent.CLOSE, 1)
    assert closed["reason"] == CloseReason.EDGE_GONE
    (again,) = feed(detector, 1, 101.5, 101.6)
    assert again["id"] == 2
    assert again.dtype == OPPORTUNITY_DTYPE


def test_both_directions_of_one_tick_come_in_venue_order():
    detector = make(min_net_bps=-100.0)
    feed(detector, 1, 100.0, 100.1)
    first, second = feed(detector, 0, 100.0, 100.1)
    assert (first["buy_row"], second["buy_row"]) == (0, 2)
    first, second = feed(detector, 0, float("nan"), float("nan"))
    assert (first["buy_row"], second["buy_row"]) == (0, 2)
    assert first["reason"] == second["reason"] == CloseReason.PRICE_GONE


def test_every_pair_of_three_venues_is_seen():
    detector = make(venue_count=3)
    feed(detector, 0, 100.0, 100.1)
    feed(detector, 1, 100.0, 100.2)
    found = feed(detector, 2, 101.0, 101.1)
    assert [(e["buy_row"] // 2, e["sell_row"] // 2) for e in found] == [(0, 2), (1, 2)]


@pytest.mark.parametrize(("mode", "fees"), [("round_trip", 21.0), ("entry", 10.5)])
def test_fees_by_mode(mode, fees):
    detector = make(takers=(5.5, 5.0), fee_mode=mode, slippage_bps=1.5)
    feed(detector, 0, 100.0, 100.0)
    (opened,) = feed(detector, 1, 101.0, 101.0)
    assert (opened["fees_bps"], opened["slippage_bps"]) == (fees, 1.5)
    assert opened["net_bps"] == opened["gross_bps"] - fees - 1.5


def test_fees_that_change_count_from_refresh_on():
    detector = make(takers=(5.0, 5.0))
    feed(detector, 0, 100.0, 100.0)
    assert len(feed(detector, 1, 100.1, 100.2)) == 0
    for venue in range(2):
        detector.store.set_instrument(detector.store.row(venue, 0), taker_bps=0.0)
    detector.refresh()
    (opened,) = feed(detector, 1, 100.1, 100.2)
    assert opened["net_bps"] == opened["gross_bps"]


def test_the_short_leg_receives_a_positive_rate():
    detector = make(funding_horizon_s=3600)
    now = 100 * HOUR
    detector.on_funding(1, 0, 0.0005, 8.0, now + HOUR // 2, recv_mono_ns=now)
    detector.on_funding(0, 0, 0.0002, 8.0, now + HOUR // 2, recv_mono_ns=now)
    feed(detector, 0, 100.0, 100.0, now=now)
    (opened,) = feed(detector, 1, 100.1, 100.2, now=now)
    assert opened["funding_bps"] == pytest.approx(3.0)  # short OKX receives 5, long Bybit pays 2
    (later,) = feed(detector, 1, 100.11, 100.2, now=now + HOUR)
    assert later["funding_bps"] == 0.0  # the next settlement lies beyond the horizon


@pytest.mark.parametrize("hours", [1, 2, 4, 8])
def test_expected_funding_counts_the_settlements_of_the_horizon(hours):
    """A rate is paid once each interval: eight times as much a day at one hour as at eight."""
    detector = make(funding_horizon_s=8 * 3600)
    now = 100 * HOUR
    detector.on_funding(1, 0, 0.0001, float(hours), now + HOUR // 2, recv_mono_ns=now)
    detector.on_funding(0, 0, 0.0, 8.0, now + HOUR // 2, recv_mono_ns=now)
    feed(detector, 0, 100.0, 100.0, now=now)
    (opened,) = feed(detector, 1, 100.1, 100.2, now=now)
    assert opened["funding_bps"] == pytest.approx(8 / hours)


def test_confidence_by_its_weights():
    detector = make()
    sizes = {"bid_qty": 3.0, "ask_qty": 1.0}
    feed(detector, 0, 100.0, 100.0, **sizes)
    (opened,) = feed(detector, 1, 100.25, 100.3, bid_qty=1.0, ask_qty=3.0)
    assert opened["confidence"] == pytest.approx(25.0 + 20.0 + 20.0 * 0.5)
    (older,) = feed(detector, 1, 101.0, 101.1, now=SECOND + SECOND // 2, bid_qty=1.0, ask_qty=1.0)
    assert older["confidence"] == pytest.approx(50.0 + 20.0 + 20.0 * 0.25 - 20.0 * 0.5)
    detector.on_funding(1, 0, 0.005, 8.0, 3 * SECOND + HOUR // 2, recv_mono_ns=2 * SECOND)
    (funded,) = feed(detector, 1, 101.1, 101.2, now=3 * SECOND, bid_qty=1.0, ask_qty=1.0)
    assert funded["confidence"] == pytest.approx(50 + 15 + 20 + 5 - 20 + 15)


def test_confidence_gate():
    detector = make(min_confidence=60.0)
    feed(detector, 0, 100.0, 100.0)
    assert len(feed(detector, 1, 100.1, 100.2)) == 0
    (opened,) = feed(detector, 1, 100.5, 100.6)
    assert opened["confidence"] >= 60.0
    (closed,) = feed(detector, 1, 100.1, 100.2)
    assert closed["reason"] == CloseReason.CONFIDENCE


def test_states_and_sweeps_close():
    detector = make(stale_ns=(SECOND, 0), max_age_ns=10 * SECOND)
    feed(detector, 0, 100.0, 100.0)
    assert len(feed(detector, 1, 101.0, 101.1)) == 1
    detector.on_state(1, 0, ROW_SUSPECT, recv_mono_ns=SECOND + 1)
    (suspected,) = detector.poll()
    assert suspected["reason"] == CloseReason.NOT_LIVE
    assert suspected["bid_px"] == 101.0
    assert len(feed(detector, 1, 101.0, 101.1)) == 1
    assert detector.sweep(2 * SECOND) == 0
    assert detector.sweep(2 * SECOND + 1) == 1
    assert detector.poll()["reason"].tolist() == [CloseReason.NOT_LIVE]
    assert detector.store.read_row(0, 0).state == ROW_STALE
    assert detector.counters["aged_out"] == 1
    feed(detector, 0, 100.0, 100.0, now=12 * SECOND)  # the other leg is 11 s old: nothing opens
    assert detector.counters["opened"] == 2


def test_age_alone_closes_by_sweep():
    detector = make(stale_ns=(), max_age_ns=SECOND)
    feed(detector, 0, 100.0, 100.0)
    feed(detector, 1, 101.0, 101.1)
    assert detector.sweep(2 * SECOND + 1) == 1
    assert detector.poll()["reason"].tolist() == [CloseReason.TOO_OLD]


def test_many_events_fit():
    detector = make()
    feed(detector, 0, 100.0, 100.0)
    for step in range(5000):
        detector.on_quote(1, 0, 101.0 + step % 7, 200.0, recv_mono_ns=SECOND + step)
    events = detector.poll()
    assert len(events) == 5000
    assert len(detector.poll()) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"min_net_bps": float("nan")}, "min_net_bps was nan"),
        ({"min_confidence": -1.0}, "min_confidence was -1"),
        ({"fee_mode": "none"}, "fee_mode was 'none'; accepted values are round_trip, entry"),
        ({"max_age_ns": -1}, "max_age_ns was -1"),
        ({"stale_ns": (1, -1)}, "stale_ns"),
        ({"funding_horizon_s": 1e12}, "funding_horizon_s"),
    ],
)
def test_bad_settings_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        make(**options)


def test_rows_without_an_instrument_are_refused():
    detector = make()
    with pytest.raises(ValueError, match="row 1 has no instrument"):
        detector.on_quote(0, 1, 1.0, 2.0)
    with pytest.raises(IndexError, match="venue was 2"):
        detector.on_quote(2, 0, 1.0, 2.0)
    with pytest.raises(ValueError, match="state was 9"):
        detector.on_state(0, 0, 9)


CALLS = {
    MarketStore: [
        lambda made: made.venue_count,
        lambda made: made.nbytes,
        lambda made: made.bid_px,
        lambda made: made.read_row(0, 0),
        lambda made: made.set_instrument(0),
        repr,
    ],
    OpportunityDetector: [
        lambda made: made.on_quote(0, 0, 1.0, 2.0),
        lambda made: made.poll(),
        lambda made: made.sweep(),
        lambda made: made.close_all(),
        lambda made: made.refresh(),
        lambda made: made.counters,
    ],
    ReplayCore: [
        lambda made: made.run(),
        lambda made: made.events(),
        lambda made: made.quotes(),
        lambda made: made.symbols(),
        lambda made: made.drop_events(),
        lambda made: made.free_space(0),
        lambda made: made.filled(0, 0),
        lambda made: made.csv_rows(0, 1),
        lambda made: made.counts,
    ],
}


@pytest.mark.parametrize("kind", CALLS)
def test_objects_without_init_raise_instead_of_crashing(kind):
    made = kind.__new__(kind)
    for call in CALLS[kind]:
        with pytest.raises(ValueError, match="__init__ was not called"):
            call(made)
