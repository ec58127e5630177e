"""Passes that keep the order path warm, as the stages run them, beside a run without any."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.feed import FeedLane
from arbitrage.core.journal import Journal
from arbitrage.core.segment import Segment
from arbitrage.core.stages import Stages
from arbitrage.core.strategy import SpreadStrategy

ROWS = {0: (0.001, 1.0, 5.5), 1: (0.01, 0.01, 5.0)}  # lot, coins a lot unit, fee
START_NS = 10**9
BYBIT = (
    b'{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1723161254000,"data":{"s":"BTCUSDT",'
    b'"b":[["60000.00","900.5"]],"a":[["60000.10","900.5"]],"u":2,"seq":3},"cts":1723161254000}'
)
OKX = (
    b'{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[{"asks":[["60500.1","90000",'
    b'"0","3"]],"bids":[["60500.0","90000.5","0","2"]],"ts":"1723161254000","seqId":4}]}'
)


@contextmanager
def world(name: str, folder: Path, *, keep_warm: bool = True) -> Iterator[tuple[Segment, Stages]]:
    segment = Segment.create(
        f"warm-{os.getpid()}-{name}", symbol_capacity=8, tap_bytes=4096, parking=False
    )
    try:
        segment.symbols.add("BTCUSDT", {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"})
        for venue, (lot, mult, taker) in ROWS.items():
            segment.store.set_instrument(
                segment.store.row(venue, 0), px_tick=0.1, qty_lot=lot, qty_mult=mult, min_lots=1,
                max_lots=10**7, taker_bps=taker,
            )  # fmt: skip
        detector = OpportunityDetector(segment.store, position_notional=100.0)
        journal = Journal.create(folder / f"{name}.journal", 4096, run=1)
        strategy = SpreadStrategy(
            segment.store, segment.opportunities, segment.executions,
            [segment.orders(0), segment.orders(1)], journal, {0: (0.001, (1, 10))},
            pair_events=segment.pair_events, max_basis_bps=0.0, entry_band_bps=0.0,
        )  # fmt: skip
        yield (
            segment,
            Stages(
                segment, detector, strategy, placement="inline", wait="spin", keep_warm=keep_warm
            ),
        )
        journal.close()
    finally:
        segment.close()


def quote(segment: Segment, venue: int, bid: float) -> None:
    segment.store.apply_quote(venue, 0, bid, bid + 0.1, 1e3, 1e3, recv_mono_ns=START_NS)


def image(segment: Segment, folder: Path, name: str) -> tuple[bytes, bytes]:
    """Return every byte that others could see: the segment, the journal."""
    (path,) = Path("/dev/shm").glob(f"*{segment.name}*")
    return path.read_bytes(), (folder / f"{name}.journal").read_bytes()


def test_passes_change_no_byte_of_the_segment_or_the_journal(tmp_path: Path) -> None:
    with world("image", tmp_path) as (segment, stages):
        for venue in (0, 1):
            quote(segment, venue, 60_000.0)
        before = image(segment, tmp_path, "image"), stages.strategy.pair(0)
        assert stages.rehearse(100) == 100
        assert (image(segment, tmp_path, "image"), stages.strategy.pair(0)) == before
        assert stages.warm_counts["passes"] == 100


def test_nothing_is_rehearsed_without_quotes_or_when_it_is_off(tmp_path: Path) -> None:
    with world("dark", tmp_path) as (_, stages):
        assert stages.rehearse(10) == 0
        assert stages.warm_counts["passes"] == 10
    with world("off", tmp_path, keep_warm=False) as (segment, stages):
        quote(segment, 0, 60_000.0)
        quote(segment, 1, 60_000.0)
        assert stages.rehearse(10) == 0
        for _ in range(10):
            stages.turn()
        assert stages.warm_counts == {"passes": 0, "rehearsed": 0, "spent_ns": 0, "rounds": 0}


def test_a_trade_is_the_same_with_passes_before_it(tmp_path: Path) -> None:
    """Orders, journal and pair are those of a strategy that never rehearsed."""
    found = []
    for name, count in (("plain", 0), ("warm", 40)):
        with world(name, tmp_path, keep_warm=count > 0) as (segment, stages):
            segment.clock.stand(START_NS + 1000)
            lane = FeedLane(segment, 0)
            for venue, frame in enumerate((BYBIT, OKX)):
                lane.on_frame(venue, frame, START_NS)
                stages.rehearse(count)
                stages.turn(START_NS + 1000)
                stages.rehearse(count)
            orders = [segment.orders(venue).try_pop() for venue in (0, 1)]
            records = [
                (record.type, record.payload)
                for record in stages.strategy.journal
                if record.type in {"INTENT", "PAIR"}
            ]
            assert len(records) == 3, "two intents and a pair that opens"
            pair = str(stages.strategy.pair(0))  # with NaN in it
            found.append((orders, records, stages.strategy.counters, pair))
    assert found[0] == found[1]
    assert all(order is not None for order in found[0][0]), found[0][2]


def test_an_idle_turn_passes_at_its_pace_and_a_busy_one_does_not(tmp_path: Path) -> None:
    with world("pace", tmp_path) as (segment, stages):
        quote(segment, 0, 60_000.0)
        quote(segment, 1, 60_000.0)
        begin_ns = segment.clock.now()
        while (took_ns := segment.clock.now() - begin_ns) < 200_000_000:
            stages.turn()
        counts = stages.warm_counts
        # what a pass took it rests 127 times over; one that was preempted rests 20 ms at most
        assert 1 < counts["passes"] <= took_ns // 50_000 + 1


def test_idle_turns_name_the_rows_lines_in_rounds(tmp_path: Path) -> None:
    with world("rounds", tmp_path) as (segment, stages):
        end_ns = segment.clock.now() + 10_000_000_000
        while stages.warm_counts["rounds"] < 2 and segment.clock.now() < end_ns:
            stages.turn()
        assert stages.warm_counts["rounds"] == 2
        lane = FeedLane(segment, 0)
        # 64 slots of names, two in a line, and 16 rows of two lines: one turn
        assert lane.warm_rounds == 0
        lane.keep_warm()
        assert lane.warm_rounds == 1
