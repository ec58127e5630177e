"""Depth in the feed lane: two topics ordered by sequence, gaps, resets, what is published."""

from collections.abc import Iterator

import pytest
from depth_kit import (
    ASKS,
    BIDS,
    BYBIT,
    EMPTY,
    GAP,
    LIVE,
    OKX,
    SYNCING,
    WALL_MS,
    Rig,
    books,
    l1,
    one_symbol,
    opened,
)

from arbitrage.core.feed import FeedLane
from arbitrage.core.segment import Segment


@pytest.fixture
def segment() -> Iterator[Segment]:
    with one_symbol() as made:
        yield made


@pytest.fixture(params=[BYBIT, OKX], ids=["bybit", "okx"])
def rig(request: pytest.FixtureRequest, segment: Segment) -> Rig:
    return Rig(segment, request.param)


# ---- two topics ---------------------------------------------------------------------------------


def test_a_row_with_a_book_is_served_only_while_the_book_is_held(rig: Rig) -> None:
    rig.send(l1(rig.venue, 100.0, 100.1, 9))
    assert rig.view.state == EMPTY, "the quote waits for the book"
    assert rig.counted["quotes_held_back"] == 1
    rig.send(rig.snapshot(BIDS, ASKS, 8))
    assert (rig.view.state, rig.view.seq, rig.view.bid_px) == (LIVE, 9, 100.0), "L1 is newer"
    assert rig.view.ask_qty == 2.0
    assert rig.depth.seq == 8


def test_the_newer_topic_by_sequence_is_the_top_whatever_arrives_last(rig: Rig) -> None:
    opened(rig)
    rig.send(rig.update([(100.0, 0)], [], 12, 10, 101))
    assert (rig.view.seq, rig.view.bid_px, rig.view.bid_qty) == (12, 99.9, 2.0)
    before = rig.view.update_count
    rig.send(l1(rig.venue, 100.0, 100.1, 11))
    assert (rig.view.seq, rig.view.bid_px) == (12, 99.9), "an older L1 frame does not go back"
    assert rig.view.update_count == before
    rig.send(l1(rig.venue, 99.9, 100.1, 12))
    rig.send(l1(rig.venue, 99.8, 100.1, 15))
    assert (rig.view.seq, rig.view.bid_px) == (15, 99.8)
    rig.send(rig.update([(99.7, 4)], [], 14, 12, 102))
    assert (rig.view.seq, rig.view.bid_px) == (15, 99.8), "an older book is not the top"
    assert rig.depth.seq == 14
    assert rig.view.state == LIVE


def test_a_gap_empties_the_book_at_once_and_only_a_snapshot_brings_the_row_back(rig: Rig) -> None:
    opened(rig)
    rig.send(rig.update([(100.0, 5)], [], 30, 20, 105))
    assert rig.view.state == GAP
    assert rig.view.bid_px != rig.view.bid_px
    assert (len(rig.depth.bids), rig.depth.seq) == (0, -1)
    assert rig.counted["depth_gaps"] == 1
    assert rig.counted["rows"] == {"gaps": [1], "cuts": [0]}
    rig.send(l1(rig.venue, 100.0, 100.1, 31))
    rig.send(rig.update([(100.0, 5)], [], 32, 30, 106))
    assert rig.view.state == GAP, "held back: the book is not there"
    assert rig.counted["depth_waiting"] == 1
    rig.lane.push_state(rig.row, SYNCING, rig.now_ns)
    rig.send(rig.snapshot(BIDS, ASKS, 33, 107))
    assert rig.view.state == LIVE
    rig.send(rig.update([(100.0, 7)], [], 34, 33, 108))
    assert (rig.view.bid_qty, rig.depth.bids[0, 1]) == (7.0, 7.0)


def test_a_depth_frame_that_cannot_be_read_costs_the_book(rig: Rig) -> None:
    opened(rig)
    frame = rig.update([(100.0, 5)], [], 12, 10, 101)
    rig.send(frame.replace(b'"5"', b'"5x"'))
    assert rig.view.state == GAP
    counted = rig.counted
    assert (counted["malformed"], counted["depth_malformed"], counted["depth_gaps"]) == (1, 1, 1)
    assert len(rig.depth.asks) == 0


def test_a_disconnect_clears_both_topics_at_once(rig: Rig) -> None:
    opened(rig)
    rig.lane.push_state(rig.row, SYNCING, rig.now_ns)
    assert rig.view.state == SYNCING
    assert len(rig.depth.bids) == 0
    rig.send(rig.update([(100.0, 5)], [], 12, 10, 101))
    rig.send(l1(rig.venue, 100.0, 100.1, 13))
    assert rig.view.state == SYNCING
    rig.send(rig.snapshot(BIDS, ASKS, 5))
    assert rig.view.state == LIVE, "a snapshot is believed whatever its sequence was before"


def test_a_book_that_never_comes_is_asked_for_again(rig: Rig) -> None:
    rig.lane.push_state(rig.row, SYNCING, rig.now_ns)
    rig.send(l1(rig.venue, 100.0, 100.1, 10))
    rig.send(l1(rig.venue, 100.0, 100.1, 11), later_ms=900)
    assert rig.view.state == SYNCING
    rig.send(l1(rig.venue, 100.0, 100.1, 12), later_ms=200)
    assert rig.view.state == GAP, "the watch resubscribes what is in GAP"
    rig.lane.push_state(rig.row, SYNCING, rig.now_ns)
    rig.send(rig.update([(100.0, 5)], [], 12, 10, 101))
    rig.send(rig.update([(100.0, 5)], [], 13, 12, 102), later_ms=1100)
    assert rig.view.state == GAP


@pytest.mark.parametrize("quiet_ms", [300, 1500, 60_000])
def test_a_standstill_of_the_venue_or_of_us_gives_no_book_up(rig: Rig, quiet_ms: int) -> None:
    """What would have ended the doubt could not be heard either: it comes a little later."""
    opened(rig)
    rig.send(l1(rig.venue, 99.9, 100.1, 11))
    rig.send(l1(rig.venue, 99.9, 100.1, 12), later_ms=100)
    rig.send(l1(rig.venue, 99.8, 100.1, 13), later_ms=quiet_ms, after_silence=True)
    assert rig.view.state == LIVE
    rig.send(rig.update([(100.0, 0), (99.9, 0)], [], 13, 10, 101))
    assert (rig.view.state, rig.depth.seq, rig.counted["depth_gaps"]) == (LIVE, 13, 0)
    rig.send(l1(rig.venue, 99.7, 100.1, 14))
    for number in range(3):
        rig.send(l1(rig.venue, 99.7, 100.1, 15 + number), later_ms=900, after_silence=True)
        assert rig.view.state == LIVE, "a little of each silence counts"
    rig.send(l1(rig.venue, 99.7, 100.1, 20), later_ms=900, after_silence=True)
    rig.send(l1(rig.venue, 99.7, 100.1, 21), later_ms=900, after_silence=True)
    assert rig.view.state == GAP, "a venue that is heard seldom is not believed for good"


def test_a_book_that_is_silent_while_l1_moves_away_is_asked_for_again(rig: Rig) -> None:
    opened(rig)
    for seq in range(11, 21, 2):  # a moment away and back: the book has nothing to say
        rig.send(l1(rig.venue, 99.9, 100.1, seq), later_ms=10_000)
        rig.send(l1(rig.venue, 100.0, 100.1, seq + 1), later_ms=15)
    assert rig.view.state == LIVE
    rig.send(l1(rig.venue, 99.9, 100.1, 21), later_ms=60_000)
    rig.send(l1(rig.venue, 99.8, 100.1, 22), later_ms=900)
    assert rig.view.state == LIVE
    rig.send(rig.update([(100.0, 0), (99.9, 0)], [], 22, 10, 101), later_ms=50)
    rig.send(l1(rig.venue, 99.8, 100.1, 23), later_ms=900)
    assert rig.view.state == LIVE, "the book has followed"
    rig.send(l1(rig.venue, 99.5, 100.1, 24), later_ms=500)
    rig.send(l1(rig.venue, 99.5, 100.1, 25), later_ms=900)
    assert rig.view.state == LIVE
    rig.send(l1(rig.venue, 99.5, 100.1, 26), later_ms=200)
    assert rig.view.state == GAP
    assert rig.counted["depth_gaps"] == 1


def test_a_crossed_book_is_not_believed(rig: Rig) -> None:
    opened(rig)
    rig.send(rig.update([(100.2, 5)], [], 12, 10, 101))
    assert rig.view.state == GAP


def test_a_keep_alive_proves_the_row_fresh(segment: Segment) -> None:
    rig = opened(Rig(segment, OKX))
    before = rig.view
    rig.send(books([], [], 10, 10, wall_ms=WALL_MS + 60_000), later_ms=60_000)
    assert rig.view.update_count == before.update_count + 1
    assert rig.view.recv_mono_ns == rig.now_ns
    assert rig.view[:4] == before[:4]
    assert rig.counted["depth_keepalives"] == 1


def test_a_reset_is_believed_by_both_topics_in_any_order(rig: Rig) -> None:
    for l1_first in (True, False):
        rig.lane.push_state(rig.row, SYNCING, rig.now_ns)
        rig.send(l1(rig.venue, 100.0, 100.1, 1000, wall_ms=WALL_MS))
        rig.send(rig.snapshot(BIDS, ASKS, 1000, wall_ms=WALL_MS))
        top = l1(rig.venue, 90.0, 90.1, 7, u=1, wall_ms=WALL_MS + 10)
        reset = rig.update([(90.0, 3)], [(90.1, 3)], 6, 1000, 1, wall_ms=WALL_MS + 10)
        if rig.venue == OKX:
            gone = [(px, 0.0) for px, _ in BIDS], [(px, 0.0) for px, _ in ASKS]
            bids, asks = [*gone[0], (90.0, 3.0)], [(90.1, 3.0), *gone[1]]
            reset = books(bids, asks, 6, 1000, wall_ms=WALL_MS + 10)
        rig.send(top if l1_first else reset)
        assert rig.view.bid_px == 90.0
        assert rig.view.seq == (7 if l1_first else 6)
        rig.send(reset if l1_first else top)
        assert (rig.view.seq, rig.view.state) == (7, LIVE)
        assert rig.depth.bids.tolist() == [[90.0, 3.0]]
        rig.send(rig.update([(90.0, 4)], [], 8, 6, 2, wall_ms=WALL_MS + 20))
        assert (rig.view.seq, rig.view.bid_qty, rig.view.state) == (8, 4.0, LIVE)
        rig.send(l1(rig.venue, 90.0, 90.1, 9, u=2, wall_ms=WALL_MS + 30))
        assert rig.view.seq == 9


def test_books5_states_everything_every_time(segment: Segment) -> None:
    rig = Rig(segment, OKX, "books5")
    rig.send(books(BIDS, ASKS, 10, 0, "books5"))
    assert (rig.view.state, rig.view.seq, len(rig.depth.bids)) == (LIVE, 10, 3)
    rig.send(books(BIDS[1:], ASKS, 30, 0, "books5"))
    assert (rig.view.bid_px, rig.depth.bids[0, 0]) == (99.9, 99.9)
    rig.send(books(BIDS, ASKS, 20, 0, "books5"))
    assert (rig.view.bid_px, rig.depth.seq) == (99.9, 30), "a late copy"
    assert rig.counted["depth_older"] == 1
    rig.send(books(BIDS, ASKS, 12, 10))
    assert rig.counted["unknown_symbols"] == 1, "another channel than the row's"


def test_another_process_reads_the_ladder(rig: Rig) -> None:
    opened(rig)
    found = Segment.attach(rig.segment.name).store.depth(rig.name, 0)
    assert found.bids.tolist() == [list(level) for level in BIDS]
    assert found.asks.tolist() == [list(level) for level in ASKS]
    assert (found.seq, found.exch_wall_ns) == (10, (WALL_MS + 10) * 1_000_000)
    assert found.recv_mono_ns == rig.now_ns
    nothing = Segment.attach(rig.segment.name).store.depth(1 - rig.venue, 0)
    assert (nothing.bids.shape, nothing.seq) == ((0, 2), -1)


def test_a_book_is_asked_for_with_its_own_channel(segment: Segment) -> None:
    lane = FeedLane(segment, 0)
    with pytest.raises(ValueError, match=r"channel was 'books', row 0 is of venue 0"):
        lane.hold_book(0, "books")
    lane.hold_book(0, "orderbook.50")
    lane.hold_book(0, "orderbook.50")
    okx = segment.store.row("okx", 0)
    lane.hold_book(okx, "books")
    with pytest.raises(ValueError, match="another channel"):
        lane.hold_book(okx, "books5")
    with pytest.raises(ValueError, match="line was 4"):
        lane.on_frame(0, b"", 1, 4)
