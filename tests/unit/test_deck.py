"""The deck: what a reader shows of a trader, and that it shows nothing of one that is gone."""

import itertools
import json
import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

import arbitrage
from arbitrage.board import Board, MoneyLine, encode_board
from arbitrage.cold.deck import PNL_POINTS_MAX, Deck, DeckReader
from arbitrage.cold.deck_stages import StageClock
from arbitrage.cold.metrics import exposition, read_snapshot
from arbitrage.core.feed import FeedLane
from arbitrage.core.messages import Opportunity
from arbitrage.core.records import CloseReason, OppEvent, RowState
from arbitrage.core.segment import Segment

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def make_segment(name: str, **sizes: int) -> Segment:
    segment = Segment.create(name, mode="paper", run=7, **sizes)
    for symbol in SYMBOLS:
        segment.symbols.add(symbol, {"bybit": symbol, "okx": symbol})
    for venue in ("bybit", "okx"):
        for index in range(len(SYMBOLS)):
            segment.store.set_instrument(segment.store.row(venue, index))
            segment.store.apply_quote(
                venue, index, 100.0, 101.0, recv_mono_ns=time.monotonic_ns()
            )
    segment.mark_ready()
    segment.heartbeat()
    return segment


@pytest.fixture
def owner() -> Iterator[Segment]:
    segment = make_segment(f"test-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    yield segment
    segment.close()


def opportunity(segment: Segment, number: int, event: OppEvent, **other: float) -> bytes:
    now_ns = time.monotonic_ns()
    fields = {
        "recv_mono_ns": now_ns, "open_mono_ns": now_ns - 5_000_000, "ask_px": 100.0,
        "bid_px": 101.0, "ask_qty": 2.0, "bid_qty": 3.0, "gross_bps": 100.0, "net_bps": 80.0,
        "fees_bps": 21.0, "slippage_bps": 1.0, "funding_bps": 2.0, "close_bps": -5.0,
        "peak_net_bps": 90.0, "confidence": 50.0, "parsed_ns": 1, "detected_ns": 2,
        "other_age_us": 3, "update_count": 0, "buy_row": segment.store.row("okx", 1),
        "sell_row": segment.store.row("bybit", 1), "symbol_index": 1, "reason": 0,
    }  # fmt: skip
    fields |= other
    return Opportunity(id=number, event=int(event), **fields).pack()  # type: ignore[arg-type]


def look(reader: DeckReader) -> Deck:
    deck = reader.look()
    assert deck.alive, deck.why_not
    return deck


def test_identity_venues_and_queues(owner: Segment) -> None:
    owner.store.apply_state("okx", 0, RowState.GAP)
    deck = look(DeckReader(owner.name, arbitrage.attach))
    assert (deck.mode, deck.run, deck.pid, deck.why_not) == ("paper", 7, os.getpid(), "")
    venues = {line.venue: line for line in deck.venues}
    assert venues["bybit"].rows_by_state == {"LIVE": 2}
    assert venues["okx"].rows_by_state == {"LIVE": 1, "GAP": 1}
    assert venues["okx"].age_ms is not None
    assert venues["okx"].rtt_ms is None
    assert [(row.symbol, row.state) for row in venues["okx"].rows] == [
        (SYMBOLS[0], "GAP"), (SYMBOLS[1], "LIVE"),
    ]  # fmt: skip
    assert venues["okx"].rows[1].age_ms is not None
    assert {line.kind: line.capacity for line in deck.queues} == {
        kind: meter["capacity"] for kind, meter in owner.queues().items()
    }
    assert deck.board_age_s is None


def okx_book(symbol: str, kind: str, seq: int, prev: int) -> bytes:
    book: dict[str, Any] = {"asks": [["101", "1", "0", "1"]], "bids": [["100", "1", "0", "1"]]}
    book |= {"ts": str(1_790_000_000_000 + seq), "checksum": 0, "seqId": seq, "prevSeqId": prev}
    arg = {"channel": "books", "instId": symbol}
    frame = {"arg": arg, "action": kind, "data": [book]}
    return json.dumps(frame, separators=(",", ":")).encode()


def test_gaps_and_cuts_are_counted_symbol_by_symbol_on_every_lane() -> None:
    name = f"test-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    segment = make_segment(name, lane_count=2, symbol_capacity=4)
    try:
        lanes = [FeedLane(segment, 0), FeedLane(segment, 1)]
        for index, (symbol, lane) in enumerate(zip(SYMBOLS, lanes, strict=True)):
            lane.hold_book(segment.store.row("okx", index), "books")
            for _ in range(3 - index):
                lane.on_frame(1, okx_book(symbol, "snapshot", 10, -1))
                lane.on_frame(1, okx_book(symbol, "update", 30, 20))  # continues nothing
        lanes[1].on_frame(1, okx_book("ETHUSDT", "snapshot", 40, -1))
        assert (lanes[0].drop_line(1, 0), lanes[1].drop_line(1, 0)) == (0, 1)
        venues = {line.venue: line for line in look(DeckReader(name, arbitrage.attach)).venues}
        assert [(row.symbol, row.gaps, row.cuts) for row in venues["okx"].rows] == [
            ("BTCUSDT", 3, 0), ("ETHUSDT", 2, 1),
        ]  # fmt: skip
        assert venues["okx"].gaps == 5
        assert [(row.gaps, row.cuts) for row in venues["bybit"].rows] == [(0, 0), (0, 0)]
        scraped = exposition(lambda: read_snapshot(segment))().decode()
        for venue, symbol, gaps, cuts in (
            ("okx", "BTCUSDT", 3, 0), ("okx", "ETHUSDT", 2, 1), ("bybit", "ETHUSDT", 0, 0),
        ):  # fmt: skip
            labels = f'{{symbol="{symbol}",venue="{venue}"}}'
            assert f"feed_row_gaps_total{labels} {gaps}.0\n" in scraped
            assert f"feed_row_cuts_total{labels} {cuts}.0\n" in scraped
    finally:
        segment.close()


def test_of_each_opportunity_the_newest_event(owner: Segment) -> None:
    reader = DeckReader(owner.name, arbitrage.attach)
    ring = owner.opportunities
    ring.try_push(opportunity(owner, 1, OppEvent.OPEN))
    ring.try_push(opportunity(owner, 2, OppEvent.OPEN, net_bps=70.0))
    ring.try_push(opportunity(owner, 1, OppEvent.UPDATE, net_bps=60.0))
    deck = look(reader)
    assert [(line.id, line.net_bps, line.state) for line in deck.opportunities] == [
        (2, 70.0, "open"),
        (1, 60.0, "open"),
    ]
    first = deck.opportunities[0]
    assert (first.symbol, first.buy_venue, first.sell_venue) == ("ETHUSDT", "okx", "bybit")
    assert first.size_usd == 200.0
    assert first.lasted_ms is None
    assert first.age_ms >= 5.0
    assert abs(first.opened_wall_ns - (time.time_ns() - 5_000_000)) < 60_000_000_000
    ring.try_push(
        opportunity(
            owner, 2, OppEvent.CLOSE, net_bps=float("nan"), reason=int(CloseReason.PRICE_GONE)
        )
    )
    closed = look(reader).opportunities[1]
    assert (closed.id, closed.state, closed.reason) == (2, "closed", "price_gone")
    assert closed.net_bps is None
    assert closed.lasted_ms == pytest.approx(5.0)


def test_what_a_lapped_reader_cannot_know_is_not_shown_as_open() -> None:
    owner = make_segment(
        f"test-{os.getpid()}-{uuid.uuid4().hex[:8]}", opportunity_capacity=8
    )
    reader = DeckReader(owner.name, arbitrage.attach)
    owner.opportunities.try_push(opportunity(owner, 1, OppEvent.OPEN))
    assert [line.id for line in look(reader).opportunities] == [1]
    for _ in range(20):
        owner.opportunities.try_push(opportunity(owner, 2, OppEvent.UPDATE))
    deck = look(reader)
    assert [line.id for line in deck.opportunities] == [2]
    assert deck.opportunities_lost >= 12
    owner.close()


def test_closed_ones_are_bounded(owner: Segment) -> None:
    reader = DeckReader(owner.name, arbitrage.attach)
    for number in range(1, 301):
        owner.opportunities.try_push(opportunity(owner, number, OppEvent.CLOSE))
    lines = look(reader).opportunities
    assert [line.id for line in lines] == list(range(300, 100, -1))


def test_the_board_is_shown_and_its_money_becomes_a_curve(owner: Segment) -> None:
    reader = DeckReader(owner.name, arbitrage.attach)
    wall_ns = time.time_ns()
    for step in range(3):
        money = [
            MoneyLine(venue="okx", realised_usd=step, fees_usd=-0.5, funding_usd=0.25),
            MoneyLine(venue="bybit", unrealised_usd=1.0),
        ]
        board = Board(wall_ns=wall_ns + step, strategy="spread", money=money, refusals={"stale": 1})
        owner.write_board(encode_board(board, 65536))
        deck = look(reader)
        assert look(reader).pnl == deck.pnl  # the same board is one point
    assert deck.pnl == [(wall_ns + step, step + 0.75) for step in range(3)]
    assert (deck.strategy, deck.refusals) == ("spread", {"stale": 1})
    assert deck.board_age_s is not None


def test_the_curve_is_thinned(owner: Segment) -> None:
    reader = DeckReader(owner.name, arbitrage.attach)
    first_ns = time.time_ns()
    for step in range(3 * PNL_POINTS_MAX):
        money = [MoneyLine(venue="okx", realised_usd=step)]
        board = Board(wall_ns=first_ns + step * 250_000_000, money=money)
        deck = Deck(name="", wall_ns=0, alive=True, why_not="")
        reader._put(deck, board)
    points = reader._pnl
    assert PNL_POINTS_MAX // 3 < len(points) <= PNL_POINTS_MAX
    assert points[0] == (first_ns, 0.0)
    assert points[-1][1] > 2.9 * PNL_POINTS_MAX
    steps = {after[0] - before[0] for before, after in itertools.pairwise(points)}
    assert max(steps) <= 2_000_000_000


def test_a_trader_that_ended_shows_no_number_and_a_new_one_is_found(owner: Segment) -> None:
    reader = DeckReader(owner.name, arbitrage.attach)
    owner.opportunities.try_push(opportunity(owner, 1, OppEvent.OPEN))
    assert look(reader).opportunities
    owner.close()
    gone = reader.look()
    assert not gone.alive
    assert "no trader named" in gone.why_not or "has ended" in gone.why_not
    assert gone == Deck(name=owner.name, wall_ns=gone.wall_ns, alive=False, why_not=gone.why_not)
    again = make_segment(owner.name)
    deck = look(reader)
    assert deck.opportunities == []
    again.close()


def test_a_trader_that_hangs_shows_no_number(owner: Segment) -> None:
    class Hung:
        alive, state, pid, heartbeat_age_s = True, "ready", 5, 60.0

    reader = DeckReader(owner.name, lambda _name: Hung())  # type: ignore[arg-type,return-value]
    deck = reader.look()
    assert not deck.alive
    assert deck.why_not == "the trader (pid 5) does not answer: its heartbeat is 60 s old"
    assert deck.uptime_s is None


def test_latencies_are_of_the_last_seconds(owner: Segment) -> None:
    now = [0.0]
    clock = StageClock(owner, lambda: now[0])
    seen = owner.histogram(arbitrage.core.segment.STAGES["seen"])
    for _ in range(100):
        seen.record(1_000_000)

    def line() -> tuple[str, int, int | None]:
        found = next(each for each in clock.lines() if each.stage == "seen")
        return found.label.rpartition(", ")[2], found.count, found.p50_ns

    assert line()[:2] == ("since the start", 100)
    for now[0] in (11.0, 22.0):
        line()
    for _ in range(10):
        seen.record(1000)
    label, count, p50_ns = line()
    assert (label, count) == ("last 11 s", 10)
    assert p50_ns is not None
    assert abs(p50_ns - 1000) <= 8
