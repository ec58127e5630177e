"""Parallel lines in the feed lane: the first copy wins, what one lost comes from another."""

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from depth_kit import (
    ASKS,
    BIDS,
    BYBIT,
    GAP,
    LIVE,
    OKX,
    SYNCING,
    WALL_MS,
    Levels,
    Rig,
    books,
    bybit50,
    l1,
    one_symbol,
    opened,
)

from arbitrage.core.book import Book
from arbitrage.core.segment import Segment


@pytest.fixture
def segment() -> Iterator[Segment]:
    with one_symbol() as made:
        yield made


@pytest.fixture(params=[BYBIT, OKX], ids=["bybit", "okx"])
def rig(request: pytest.FixtureRequest, segment: Segment) -> Rig:
    return Rig(segment, request.param)


# ---- parallel lines -----------------------------------------------------------------------------


def test_the_first_copy_wins_and_the_others_are_dropped(rig: Rig) -> None:
    opened(rig)
    rig.send(l1(rig.venue, 100.0, 100.1, 10), 1)
    rig.send(rig.snapshot(BIDS, ASKS, 10), 1)
    count = rig.view.update_count
    for seq in range(11, 15):
        first, second = seq % 2, 1 - seq % 2
        rig.send(l1(rig.venue, 100.0 - seq, 100.1, seq), first)
        rig.send(l1(rig.venue, 100.0 - seq, 100.1, seq), second, later_ms=3)
        assert rig.view.update_count == (count := count + 1), "no tick for a copy"
    for number in range(1, 5):
        frame = rig.update([(80.0, number)], [], 20 + number, 19 + number, 100 + number)
        if number == 1:
            frame = rig.update([(80.0, number)], [], 21, 10, 101)
        rig.send(frame, number % 2)
        rig.send(frame, 1 - number % 2, later_ms=5)
        assert rig.view.update_count == (count := count + 1)
    lines = rig.lines()
    assert lines[0]["first"] == 2 + 2 + 2
    assert lines[1]["copies"] == 2 + 2 + 2
    assert lines[0]["led"] == 2 + 2 + 2
    assert lines[1]["led"] == 2 + 2
    assert lines[1]["led_ns"] == 2 * 3_000_000 + 2 * 5_000_000
    assert rig.view.state == LIVE


def test_what_one_line_lost_comes_from_the_other(rig: Rig) -> None:
    opened(rig)
    rig.send(rig.snapshot(BIDS, ASKS, 10), 1)
    lost = rig.update([(99.5, 1)], [], 11, 10, 101)
    after = rig.update([(99.4, 2)], [], 12, 11, 102)
    rig.send(after, 0)
    assert rig.view.state == LIVE, "the other line may still bring it"
    rig.send(lost, 1)
    rig.send(after, 1)
    assert rig.depth.bids.tolist() == [*map(list, BIDS), [99.5, 1.0], [99.4, 2.0]]
    rig.send(rig.update([(99.3, 3)], [], 13, 12, 103), 0)
    assert rig.depth.seq == 13, "the first line has joined again"
    assert rig.counted["depth_gaps"] == 0
    rig.send(rig.update([(99.2, 3)], [], 15, 14, 105), 0)
    rig.send(rig.update([(99.2, 3)], [], 15, 14, 105), 1)
    assert rig.view.state == GAP, "both have lost it"


def test_a_row_in_doubt_for_too_long_is_given_up(rig: Rig) -> None:
    opened(rig)
    rig.send(rig.snapshot(BIDS, ASKS, 10), 1)
    rig.send(rig.update([(99.4, 2)], [], 12, 11, 102), 0)
    rig.send(rig.update([(99.4, 2)], [], 13, 12, 103), 0, later_ms=900)
    assert rig.view.state == LIVE
    rig.send(rig.update([(99.4, 2)], [], 14, 13, 104), 0, later_ms=200)
    assert rig.view.state == GAP


@pytest.mark.parametrize("ended", [0, 1])
def test_a_row_leaves_live_only_with_its_last_line(rig: Rig, ended: int) -> None:
    opened(rig)
    rig.send(l1(rig.venue, 100.0, 100.1, 10), 1)
    rig.send(rig.snapshot(BIDS, ASKS, 10), 1)
    assert rig.lane.drop_line(rig.venue, ended, rig.now_ns + 1) == 0
    other = 1 - ended
    rig.send(rig.update([(99.5, 1)], [], 11, 10, 101), other)
    rig.send(l1(rig.venue, 100.0, 100.1, 12), other)
    assert (rig.view.state, rig.view.seq, rig.depth.seq) == (LIVE, 12, 11)
    assert rig.lane.drop_line(rig.venue, other, rig.now_ns + 1) == 1
    assert rig.view.state == SYNCING
    assert len(rig.depth.bids) == 0
    assert rig.counted["rows"] == {"gaps": [0], "cuts": [1]}


def test_a_line_that_lost_something_cannot_serve_alone(rig: Rig) -> None:
    opened(rig)
    rig.send(rig.snapshot(BIDS, ASKS, 10), 1)
    rig.send(rig.update([(99.4, 2)], [], 12, 11, 102), 1)
    assert rig.view.state == LIVE
    rig.lane.drop_line(rig.venue, 0, rig.now_ns + 1)
    assert rig.view.state == GAP
    assert rig.counted["rows"] == {"gaps": [0], "cuts": [1]}


def test_a_late_snapshot_of_another_line_does_not_replace_the_book(rig: Rig) -> None:
    opened(rig)
    rig.send(rig.update([(100.0, 9)], [], 11, 10, 101))
    rig.send(rig.snapshot(BIDS, ASKS, 10), 1)
    assert (rig.depth.seq, rig.depth.bids[0, 1]) == (11, 9.0)
    rig.send(rig.update([(100.0, 9)], [], 11, 10, 101), 1)
    rig.send(rig.update([(100.0, 8)], [], 12, 11, 102), 1)
    assert (rig.depth.seq, rig.depth.bids[0, 1], rig.view.state) == (12, 8.0, LIVE)


def test_a_restart_is_believed_once_and_its_copies_are_not(segment: Segment) -> None:
    rig = opened(Rig(segment, BYBIT))
    rig.send(rig.snapshot(BIDS, ASKS, 10), 1)
    restart = bybit50([(90.0, 1)], [(90.1, 1)], 1, 20, wall_ms=WALL_MS + 100)
    rig.send(restart, 0)
    assert rig.depth.bids.tolist() == [[90.0, 1.0]]
    rig.send(rig.update([(99.0, 1)], [], 15, 10, 101), 1)  # of the old service, late
    rig.send(bybit50([(90.0, 2)], [], 2, 21, wall_ms=WALL_MS + 120), 0)
    rig.send(restart, 1)
    rig.send(bybit50([(90.0, 2)], [], 2, 21, wall_ms=WALL_MS + 120), 1)
    rig.send(bybit50([(90.0, 3)], [], 3, 22, wall_ms=WALL_MS + 140), 1)
    assert rig.depth.bids.tolist() == [[90.0, 3.0]]
    assert (rig.view.state, rig.counted["depth_gaps"]) == (LIVE, 0)


def test_a_repetition_is_told_once_however_many_lines_bring_it(rig: Rig) -> None:
    opened(rig)
    rig.send(rig.snapshot(BIDS, ASKS, 10), 1)
    frame = l1(rig.venue, 100.0, 100.1, 10)
    rig.send(frame, 1)
    count = rig.view.update_count
    for _ in range(3):
        rig.send(frame, 0, later_ms=3000)
        rig.send(frame, 1)
        assert rig.view.update_count == (count := count + 1)
        assert rig.view.recv_mono_ns == rig.now_ns - 1_000_000
    rig.lane.drop_line(rig.venue, 0, rig.now_ns)
    rig.send(frame, 1, later_ms=3000)
    assert rig.view.update_count == count + 1


# ---- against the book alone ---------------------------------------------------------------------


Step = tuple[bytes, bytes, int, bytes]


def walk(rng: random.Random, venue: int, steps: int) -> list[Step]:
    """Return (L1 frame, depth frame, seq, snapshot) of a market that moves, a snapshot first."""
    bids = {990 - i: rng.randrange(1, 9) for i in range(8)}
    asks = {1010 + i: rng.randrange(1, 9) for i in range(8)}
    seq, u, made = 1000, 100, []
    for step in range(steps):
        prev, seq, u = seq, seq + rng.randrange(1, 5), u + 1
        changes: list[Levels] = [[], []]
        for side, book, sign in ((0, bids, -1), (1, asks, 1)):
            for _ in range(rng.randrange(3)):
                px = 1000 + sign * rng.randrange(1, 30)
                if px in book and len(book) > 3 and rng.random() < 0.5:
                    del book[px]
                    changes[side].append((float(px), 0))
                else:
                    book[px] = rng.randrange(1, 9)
                    changes[side].append((float(px), book[px]))
            changes[side] = sorted(dict(changes[side]).items(), reverse=sign < 0)
        whole: list[Levels] = [
            [(float(px), bids[px]) for px in sorted(bids, reverse=True)],
            [(float(px), asks[px]) for px in sorted(asks)],
        ]
        if venue == BYBIT:
            depth, snapshot = bybit50(*changes, u, seq), bybit50(*whole, u, seq, "snapshot")
        else:
            depth, snapshot = books(*changes, seq, prev), books(*whole, seq, -1)
        top = l1(venue, float(max(bids)), float(min(asks)), seq, u)
        made.append((top, depth if step else snapshot, seq, snapshot))
    return made


@pytest.mark.parametrize("seed", range(40))
def test_two_lines_that_lose_and_lag_keep_the_book_right(rig: Rig, seed: int) -> None:
    """One line loses updates, the other none; both lag as they like: never a gap."""
    rng = random.Random(seed)
    market = walk(rng, rig.venue, 60)
    alone = Book(rig.name)
    books_by_seq: dict[int, Any] = {}
    arrivals: list[tuple[float, int, int, bytes]] = []
    clocks = [0.0, 0.0]
    for index, (top, depth, seq, _) in enumerate(market):
        alone.apply(depth)
        books_by_seq[seq] = (alone.bids(10).tolist(), alone.asks(10).tolist())
        losing = seed % 2 if index > 2 and rng.random() < 0.2 else -1
        for line in (0, 1):
            clocks[line] = max(clocks[line], index * 10.0 + rng.random() * 25)
            if losing != line:
                arrivals.append((clocks[line], index, line, depth))
            if rng.random() < 0.7:
                arrivals.append((clocks[line], index, line, top))
    last_seq, begun_ns = 0, time.monotonic_ns()
    for at, _, line, frame in sorted(arrivals, key=lambda item: (item[0], item[1])):
        rig.now_ns = begun_ns + int(at * 1e6)
        rig.send(frame, line, later_ms=0)
        view, depth_now = rig.view, rig.depth
        if view.state == LIVE:
            assert view.seq >= last_seq, "the row never goes back"
            last_seq = view.seq
        if depth_now.seq > 0:
            assert (depth_now.bids.tolist(), depth_now.asks.tolist()) == books_by_seq[depth_now.seq]
    assert (rig.view.state, rig.counted["depth_gaps"]) == (LIVE, 0)
    assert rig.depth.seq == market[-1][2]
    assert alone.best[0] == rig.depth.bids[0, 0]


def lossy(rng: random.Random, frame: bytes) -> list[tuple[float, bytes]]:
    """Return (delay in ms, frame) of what arrives of a frame: nothing, once, twice, or late."""
    draw = rng.random()
    if draw < 0.04:
        return []
    if draw < 0.08:
        return [(rng.random(), frame), (rng.random() * 60, frame)]
    return [(rng.random() * (60 if draw < 0.12 else 4), frame)]


@pytest.mark.parametrize("lines", [1, 2, 3])
@pytest.mark.parametrize("seed", range(25))
def test_a_book_that_is_held_is_the_venues_whatever_the_lines_do(
    rig: Rig, seed: int, lines: int
) -> None:
    """Every line loses, repeats and reorders; a row in GAP is subscribed again after a while."""
    rng = random.Random(1000 * lines + seed)
    market = walk(rng, rig.venue, 150)
    alone, states = Book(rig.name), {}
    queue: list[tuple[float, int, int, bytes]] = []  # (ms, number, line, frame)
    number, last_seq, gaps = 0, 0, 0
    begun_ns, resubscribed_ms = time.monotonic_ns(), 0.0
    for index, (top, depth, seq, snapshot) in enumerate(market):
        alone.apply(depth)
        states[seq] = alone.bids(10).tolist(), alone.asks(10).tolist()
        now_ms = index * 20.0
        lost = rig.view.state == GAP and now_ms > resubscribed_ms + 100
        if lost:
            gaps, resubscribed_ms, last_seq = gaps + 1, now_ms, 0
            rig.lane.push_state(rig.row, SYNCING, rig.now_ns)
        for line in range(lines):
            for frame in (snapshot if lost else depth, top):
                for delay_ms, arriving in lossy(rng, frame):
                    queue.append((now_ms + delay_ms, number, line, arriving))
                    number += 1
        queue.sort()
        while queue and queue[0][0] < now_ms + 20.0:
            at_ms, _, line, frame = queue.pop(0)
            rig.now_ns = max(rig.now_ns, begun_ns + int(at_ms * 1e6))
            rig.send(frame, line, later_ms=0)
            view, held = rig.view, rig.depth
            if view.state == LIVE:
                assert len(held.bids) > 0, "no row without its book"
                assert view.seq >= last_seq, "the row never goes back"
                last_seq = view.seq
                bids, asks = states[view.seq]
                assert (view.bid_px, view.ask_px) == (bids[0][0], asks[0][0])
            else:
                last_seq = 0
            if held.seq > 0:
                assert (held.bids.tolist(), held.asks.tolist()) == states[held.seq]
    assert rig.counted["depth_updates"] > 20
