"""The account of what went wrong: one line each, folded, bounded, and how each ended."""

import logging
import os
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from arbitrage.core.messages import PairEvent
from arbitrage.core.segment import Segment
from arbitrage.core.store import ROW_LIVE, ROW_STALE, ROW_SYNCING
from arbitrage.core.strategy import EVENTS, EXIT_REASONS
from arbitrage.runtime.incident_watch import IncidentWatch
from arbitrage.runtime.incidents import IncidentLog, Incidents

START_NS = 1_790_000_000_000_000_000  # 2026-09-21T14:13:20Z
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT")


class WallClock:
    def __init__(self) -> None:
        self.now_ns = START_NS

    def __call__(self) -> int:
        return self.now_ns

    def pass_s(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


@pytest.fixture
def incidents(clock: WallClock) -> Incidents:
    return Incidents(capacity=4, clock=clock)


# ---- the account --------------------------------------------------------------------------------


def test_a_line_says_when_to_whom_what_how_it_ended_and_how_long(
    incidents: Incidents, clock: WallClock
) -> None:
    incidents.begin("book", "the book is stale", venue="okx", symbol="BTCUSDT", key="b")
    assert incidents.lines() == [
        "2026-09-21T14:13:20.000Z okx BTCUSDT: the book is stale; not over"
    ]
    clock.pass_s(0.25)
    assert incidents.end("book", "live again", venue="okx", symbol="BTCUSDT", key="b")
    assert not incidents.end("book", "live again", venue="okx", symbol="BTCUSDT", key="b")
    assert incidents.lines() == [
        "2026-09-21T14:13:20.000Z okx BTCUSDT: the book is stale; live again after 0.250 s"
    ]


def test_what_comes_again_is_folded_and_what_comes_much_later_is_not(
    incidents: Incidents, clock: WallClock
) -> None:
    for spell_s in (1.0, 2.0):
        incidents.begin("book", "stale", venue="okx", key="b")
        clock.pass_s(spell_s)
        incidents.end("book", "live again", venue="okx", key="b")
        clock.pass_s(30.0)
    assert incidents.lines() == [
        "2026-09-21T14:13:20.000Z okx: stale (2 times, last 14:13:51.000Z); "
        "live again after 3.000 s in all"
    ]
    clock.pass_s(61.0)
    incidents.begin("book", "stale", venue="okx", key="b")
    assert len(incidents.lines()) == 2


def test_a_count_while_it_goes_on_does_not_begin_it_anew(
    incidents: Incidents, clock: WallClock
) -> None:
    for _ in range(3):
        incidents.begin("connection", "lost", venue="bybit", key="order")
        clock.pass_s(100.0)
    incidents.end("connection", "connected again", venue="bybit", key="order")
    (told,) = incidents.to_list()
    assert (told["count"], told["lasted_s"], told["is_over"]) == (3, 300.0, True)


def test_other_ids_and_waits_are_the_same_incident_and_another_code_is_not(
    incidents: Incidents,
) -> None:
    incidents.note("venue", "order 877777789012 answered with code 110007, waits 0.31 s")
    incidents.note("venue", "order 977777789012 answered with code 110007, waits 1.7 s")
    incidents.note("venue", "order 977777789012 answered with code 110003, waits 1.7 s")
    assert [told["count"] for told in incidents.to_list()] == [2, 1]


def test_the_account_is_bounded_and_forgets_first_what_is_over(
    incidents: Incidents, clock: WallClock
) -> None:
    incidents.begin("control", "killed", key="kill")
    for number in range(10):
        incidents.note("venue", f"refused for reason {number}")
        clock.pass_s(1.0)
    assert incidents.forgotten == 7
    assert [told["text"] for told in incidents.to_list()] == [
        "killed", *(f"refused for reason {number}" for number in (7, 8, 9)),
    ]  # fmt: skip
    assert incidents.end("control", "cleared", key="kill")


# ---- from the log -------------------------------------------------------------------------------


def test_warnings_of_our_loggers_are_incidents(incidents: Incidents) -> None:
    handler = IncidentLog(incidents)
    for name, level, text, more in (
        ("arbitrage.venues.okx", logging.WARNING, "okx: order 1 refused", {}),
        ("arbitrage.venues.okx", logging.INFO, "okx: nothing to tell", {}),
        (
            "arbitrage.venues.bybit",
            logging.WARNING,
            "bybit: order line lost",
            {"incident": "order"},
        ),
        ("arbitrage.runtime.journal_keeper", logging.ERROR, "no room\n on the disk", {}),
    ):
        record = logging.LogRecord(name, level, "", 0, text, None, None)
        record.__dict__.update(more)
        if record.levelno >= handler.level:
            handler.handle(record)
    told = [(i["kind"], i["venue"], i["text"], i["is_over"]) for i in incidents.to_list()]
    assert told == [
        ("venue", "okx", "order 1 refused", True),
        ("connection", "bybit", "order line lost", False),
        ("journal_keeper", "", "no room on the disk", True),
    ]


# ---- from a running trader ----------------------------------------------------------------------


class Watched:
    """A segment whose figures the test writes, and the watch over it."""

    def __init__(self, segment: Segment, clock: WallClock) -> None:
        self.segment = segment
        self.clock = clock
        self.incidents = Incidents(clock=clock)
        self.lines: list[Any] = []
        self.watch = IncidentWatch(
            segment,
            self.incidents,
            SYMBOLS,
            lines=lambda: self.lines,
            mono_to_wall_ns=lambda: START_NS,
        )
        for venue in (0, 1):
            for symbol in range(len(SYMBOLS)):
                segment.store.apply_state(venue, symbol, ROW_LIVE)
        self.watch.beat()

    def told(self) -> list[str]:
        """Return the lines without their times."""
        self.clock.pass_s(0.1)
        self.watch.beat()
        return [line.partition("Z ")[2] for line in self.incidents.lines()]

    def pair_event(self, name: str, reason: str = "none", pair: int = 7, naked_us: int = 0) -> None:
        fields: dict[str, Any] = dict.fromkeys(PairEvent._fields, 0)
        fields |= {"event": EVENTS.index(name), "reason": EXIT_REASONS.index(reason)}
        fields |= {"pair": pair, "naked_us": naked_us, "symbol_index": 1}
        fields["mono_ns"] = self.clock.now_ns - START_NS
        self.segment.pair_events.try_push(PairEvent(**fields).pack())


@pytest.fixture
def watched(clock: WallClock) -> Iterator[Watched]:
    segment = Segment.create(f"test-{os.getpid()}-{uuid.uuid4().hex[:8]}", symbol_capacity=8)
    yield Watched(segment, clock)
    segment.close()


def test_nothing_happens_nothing_is_told(watched: Watched) -> None:
    watched.pair_event("opening")
    watched.pair_event("opened")
    watched.pair_event("closing", "take_profit")
    watched.pair_event("closed", "take_profit", naked_us=800)
    assert watched.told() == []
    naked = watched.watch.figures()["naked_leg_ms"]["by_cause"]
    assert list(naked) == ["fills came apart"]
    assert naked["fills came apart"]["max"] == pytest.approx(0.8, rel=0.01)


def test_rows_out_of_service_are_told_once_and_together(watched: Watched) -> None:
    store = watched.segment.store
    store.apply_state(1, 0, ROW_STALE)
    assert watched.told() == ["okx BTCUSDT: not traded, the book is stale; not over"]
    for symbol in range(len(SYMBOLS)):
        store.apply_state(0, symbol, ROW_SYNCING)
    store.apply_state(1, 0, ROW_LIVE)
    first, second = watched.told()
    assert first == "okx BTCUSDT: not traded, the book is stale; live again after 0.100 s"
    assert second == (
        "bybit: ADAUSDT, BTCUSDT, ETHUSDT and 2 more: not traded, the book is syncing; not over"
    )
    for symbol in range(1, len(SYMBOLS)):
        store.apply_state(0, symbol, ROW_LIVE)
    assert watched.told()[1].endswith("not over")
    store.apply_state(0, 0, ROW_LIVE)
    assert watched.told()[1].endswith("live again after 0.200 s")


def test_a_leg_alone_is_told_with_its_end(watched: Watched) -> None:
    watched.pair_event("unwinding", "leg_failed")
    assert watched.told() == ["ETHUSDT: pair 7: is being flattened (leg failed); not over"]
    watched.pair_event("unwound", "leg_failed", naked_us=2500)
    assert watched.told() == [
        "ETHUSDT: pair 7: is being flattened (leg failed); "
        "flat, a leg alone for at most 2.500 ms, after 0.100 s"
    ]
    assert list(watched.watch.figures()["naked_leg_ms"]["by_cause"]) == ["leg failed"]


def test_a_pair_given_up_on_its_way_out_is_told_beside_what_it_was_doing(watched: Watched) -> None:
    watched.pair_event("unwinding", "naked")
    watched.pair_event("broken", "naked")
    flattened = "ETHUSDT: pair 7: is being flattened (naked)"
    given_up = "ETHUSDT: pair 7: could not be brought back in time (naked)"
    assert watched.told() == [f"{flattened}; not over", f"{given_up}; not over"]
    watched.pair_event("unwound", "naked", naked_us=1_014_711)
    ending = "; flat, a leg alone for at most 1014.711 ms, after 0.100 s"
    assert watched.told() == [flattened + ending, given_up + ending]


def test_a_gateway_line_is_back_when_it_is_ready(watched: Watched) -> None:
    line = SimpleNamespace(venue="okx", label="order", is_ready=False)
    watched.lines.append(line)
    watched.watch.open()
    try:
        logging.getLogger("arbitrage.venues.okx").warning(
            "%s: order connection lost", "okx", extra={"incident": "order"}
        )
    finally:
        watched.watch.close()
    logging.getLogger("arbitrage.venues.okx").warning("okx: not heard any more")
    assert watched.told() == ["okx: order connection lost; not over"]
    line.is_ready = True
    assert watched.told() == ["okx: order connection lost; connected again after 0.200 s"]


def test_words_of_control_are_told_until_the_stop(watched: Watched) -> None:
    watched.segment.steer(kill=True)
    watched.segment.pause(2, 4)
    assert watched.told() == [
        "killed: no order leaves; not over",
        "SOLUSDT: opens no pair: the breaker has tripped; not over",
    ]
    watched.segment.steer(kill=False)
    watched.segment.unpause(2, 4)
    assert [line.partition("; ")[2] for line in watched.told()] == [
        "cleared after 0.100 s",
        "resumed after 0.100 s",
    ]
    watched.watch.stop()
    watched.segment.steer(opening_off=True, flatten=True)
    assert len(watched.told()) == 2


def test_the_account_is_in_order_of_time() -> None:
    incidents = Incidents(clock=lambda: 2_000_000_000)
    incidents.note("order", "later")
    incidents.begin("pair", "earlier", key="1", wall_ns=1_000_000_000)
    assert [told["text"] for told in incidents.to_list()] == ["earlier", "later"]
    assert [line.split()[-1] for line in incidents.lines()][1] == "later"
