"""Depth channels of a simulated venue: one ladder a symbol, shared by all who subscribed to it.

A new subscriber alone gets a snapshot of what the others hold at that moment; the pushes that
follow are encoded once for all. A ladder that nobody watches costs nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from arbitrage.sim.depth import BookView, Ladder, Levels
from arbitrage.sim.exchange import DEPTH, FIVE, QUOTE, STREAMS, Exchange
from arbitrage.sim.instruments import Instrument

SPREAD_SHARE = 5  # symbols are pushed one after the other within a fifth of the period


class DepthFeed(Exchange):
    """The part of a venue that keeps books of many levels."""

    depth_period_ns: int
    depth_levels: int
    depth_may_lead = False  # a push of the book may come before the quote of the same state
    depth_repeat_ns = 0  # an unchanged book is said again after so long; 0: never

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._ladders = [Ladder(12_000_000 + 50_000 * item.index) for item in self.instruments]
        self._depth_mask = sum(
            (1 << DEPTH | 1 << FIVE) << STREAMS * item.index for item in self.instruments)
        self._spread_ns = self.depth_period_ns // SPREAD_SHARE // max(1, len(self.instruments))

    # -- what a venue fills in -------------------------------------------------------------------

    @abstractmethod
    def depth_frame(self, item: Instrument, ladder: Ladder, bids: Levels, asks: Levels,
                    prev_seq: int, now_ms: int) -> bytes:
        """Encode a push; ``prev_seq`` -1 makes it a snapshot."""

    def push_more(self, item: Instrument, now_ns: int) -> None:
        """Push what further depth channels a venue has; called at each look at the book."""

    # -- what tests compare with -----------------------------------------------------------------

    def book(self, name: str, levels: int = 0, sent: bool = False) -> BookView:
        """Return the whole book of ``name`` (the venue's spelling) as it is now.

        Parameters
        ----------
        name : symbol such as ``BTCUSDT`` or ``BTC-USDT-SWAP``.
        levels : a side; 0 takes as many as the venue's depth channel has.
        sent : as the subscribers of the depth channel were last told, instead of as it is.
        """
        item = self.by_name[name]
        ladder = self._ladders[item.index]
        count = levels or self.depth_levels
        seq = ladder.seq if sent else self.matcher.books[item.index].seq
        bids, asks = (ladder.bids, ladder.asks) if sent else self.sides(item, count)
        return BookView(
            name, seq, ladder.update_id,
            tuple((item.px(t), item.qty(n)) for t, n in list(bids.items())[:count]),
            tuple((item.px(t), item.qty(n)) for t, n in list(asks.items())[:count]))

    def sides(self, item: Instrument, count: int) -> tuple[dict[int, int], dict[int, int]]:
        """Lots by price of the best ``count`` bids and asks as they are now, best first."""
        book = self.matcher.books[item.index]
        return (self.depth.side(item.index, book, -1, count),
                self.depth.side(item.index, book, 1, count))

    # -- pushes ----------------------------------------------------------------------------------

    def depth_snapshot(self, item: Instrument) -> list[bytes]:
        """Snapshot for one new subscriber of the depth channel; call before `watch`."""
        index = item.index
        book, ladder = self.matcher.books[index], self._ladders[index]
        if not book.wall_ns:
            return []  # the first push will be the snapshot, for everybody
        if not self.watched >> (STREAMS * index + DEPTH) & 1:
            ladder.move(*self.sides(item, self.depth_levels), book.seq, self.clock())
            ladder.update_id += 1
            ladder.snapshot_due = False
        return [self.depth_frame(item, ladder, list(ladder.bids.items()),
                                 list(ladder.asks.items()), -1, self.now_ms())]

    def on_depth_time(self, now_ns: int) -> None:
        if not self.watched & self._depth_mask:
            return
        period = self.depth_period_ns
        for item, ladder in zip(self.instruments, self._ladders, strict=True):
            if now_ns >= ladder.due_ns:
                shift = item.index * self._spread_ns
                ladder.due_ns = ((now_ns - shift) // period + 1) * period + shift
                if self.matcher.books[item.index].wall_ns:
                    self._look(item, ladder, now_ns)

    def _look(self, item: Instrument, ladder: Ladder, now_ns: int) -> None:
        """Push what has changed since the last look."""
        first = STREAMS * item.index
        seq = self.matcher.books[item.index].seq
        if self.watched >> (first + DEPTH) & 1:
            frame = self._depth_push(item, ladder, seq, now_ns)
            if frame:
                self._public.insert(self._spot(item, ladder), (first + DEPTH, frame))
        self.push_more(item, now_ns)

    def _spot(self, item: Instrument, ladder: Ladder) -> int:
        """Where among this turn's frames the push goes: at the end, or before the last quote."""
        quote = STREAMS * item.index + QUOTE
        if self.depth_may_lead and ladder.update_id & 1:
            for place in range(len(self._public) - 1, -1, -1):
                if self._public[place][0] == quote:
                    return place
        return len(self._public)

    def _depth_push(self, item: Instrument, ladder: Ladder, seq: int, now_ns: int) -> bytes:
        now_ms = now_ns // 1_000_000
        if seq == ladder.seq and not ladder.snapshot_due:
            quiet = self.depth_repeat_ns and now_ns - ladder.changed_ns >= self.depth_repeat_ns
            if not quiet:
                return b""
            ladder.changed_ns = now_ns
            return self.depth_frame(item, ladder, [], [], seq, now_ms)
        bids, asks = self.sides(item, self.depth_levels)
        prev_seq, ladder_update = ladder.seq, ladder.update_id + 1
        if ladder.snapshot_due:
            ladder.snapshot_due, prev_seq = False, -1
            ladder.move(bids, asks, seq, now_ns)
            changes = list(bids.items()), list(asks.items())
        elif bids == ladder.bids and asks == ladder.asks:
            return b""
        else:
            changes = ladder.move(bids, asks, seq, now_ns)
        ladder.update_id = ladder_update
        return self.depth_frame(item, ladder, *changes, prev_seq, now_ms)

    # -- disturbances ----------------------------------------------------------------------------

    def change_instrument(self, new: Instrument) -> None:
        old = self.instruments[new.index]
        super().change_instrument(new)
        if (old.tick, old.lot, old.contract_value) != (new.tick, new.lot, new.contract_value):
            self.matcher.books[new.index].seq += 1
            self._ladders[new.index].snapshot_due = True

    def restart_depth(self, index: int) -> None:
        """Let the next push of the depth channel be a snapshot that replaces what clients hold."""
        self._ladders[index].snapshot_due = True

    def skip_ids(self, index: int, ids: int) -> None:
        super().skip_ids(index, ids)
        # the book that subscribers hold goes on from numbers that they never saw
        self._ladders[index].update_id += ids
        self._ladders[index].seq += ids
