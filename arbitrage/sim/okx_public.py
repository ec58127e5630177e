"""Market data of the simulated OKX.

Source: OKX V5 documentation, order book trading market data and public data; read in 2026.
``bbo-tbt`` and ``books5`` send snapshots, ``books`` one snapshot of 400 levels and then, on a grid
of 100 ms, what changed: ``prevSeqId`` names the state before, ids jump by more than one, and after
60 s without change the last id is sent again with empty sides. The checksum has been 0 since
June 2026. All three channels count on one scale of ``seqId``.
"""

from __future__ import annotations

from typing import Any

from arbitrage.sim import okx_frames as frames
from arbitrage.sim.depth import Ladder, Levels
from arbitrage.sim.depth_feed import DepthFeed
from arbitrage.sim.exchange import DEPTH, FIVE, QUOTE, STREAMS, TICKER, encode
from arbitrage.sim.instruments import Instrument
from arbitrage.sim.matching import plain

CHANNELS = {"bbo-tbt": QUOTE, "funding-rate": TICKER, "books": DEPTH, "books5": FIVE}
REPEAT_NS = 60_000_000_000
GRID_MS = 100


class OkxPublic(DepthFeed):
    """Quotes, books and funding rates."""

    quote_repeat_ns = depth_repeat_ns = REPEAT_NS
    depth_period_ns = GRID_MS * 1_000_000
    depth_levels = 400

    def __init__(self, *args: Any) -> None:
        self._five_sent: dict[int, tuple[int, int]] = {}  # instrument -> (seq, when)
        super().__init__(*args)
        self._heads = [f'{{"arg":{{"channel":"bbo-tbt","instId":"{i.name}"}},"data":[{{"asks":['
                       for i in self.instruments]
        self.on_grids()

    def on_grids(self) -> None:
        self._px = [(float(i.tick), f"%.{i.px_places}f") for i in self.instruments]
        self._qty = [(float(i.lot), f"%.{i.qty_places}f") for i in self.instruments]
        self.by_code = {i.code: i for i in self.instruments}
        self._funding_due_ns = 0  # an interval that changed is told at once

    # -- frames ----------------------------------------------------------------------------------

    def quote_frame(self, item: Instrument, now_ms: int) -> bytes:
        i = item.index
        book = self.matcher.books[i]
        px, px_form = self._px[i]
        qty, qty_form = self._qty[i]
        bid = ask = ""
        # OKX trims its numbers and counts the orders behind a level.
        if book.bid_lots:
            bid = (f'["{_trim(px_form % (book.bid_ticks * px))}",'
                   f'"{_trim(qty_form % (book.bid_lots * qty))}","0","{1 + book.bid_lots % 89}"]')
        if book.ask_lots:
            ask = (f'["{_trim(px_form % (book.ask_ticks * px))}",'
                   f'"{_trim(qty_form % (book.ask_lots * qty))}","0","{1 + book.ask_lots % 89}"]')
        # The venue stamps on a grid of 10 ms.
        return (f'{self._heads[i]}{ask}],"bids":[{bid}],"ts":"{now_ms // 10 * 10}",'
                f'"seqId":{book.seq}}}]}}').encode()

    def _funding_frame(self, item: Instrument) -> bytes:
        row = frames.funding(item, self.funding_rates[item.index],
                             self.next_funding_ns[item.index], self.now_ms(), rest=False)
        return encode({"arg": {"channel": "funding-rate", "instId": item.name}, "data": [row]})

    def _levels(self, item: Instrument, levels: Levels) -> str:
        px, px_form = self._px[item.index]
        qty, qty_form = self._qty[item.index]
        return ",".join([
            f'["{_trim(px_form % (t * px))}","{_trim(qty_form % (n * qty))}","0","{1 + n % 89}"]'
            if n else f'["{_trim(px_form % (t * px))}","0","0","0"]' for t, n in levels])

    def depth_frame(self, item: Instrument, ladder: Ladder, bids: Levels, asks: Levels,
                    prev_seq: int, now_ms: int) -> bytes:
        kind = "snapshot" if prev_seq < 0 else "update"
        return (
            f'{{"arg":{{"channel":"books","instId":"{item.name}"}},"action":"{kind}","data":'
            f'[{{"asks":[{self._levels(item, asks)}],"bids":[{self._levels(item, bids)}],"ts":'
            f'"{now_ms // GRID_MS * GRID_MS}","checksum":0,"seqId":{ladder.seq},'
            f'"prevSeqId":{prev_seq}}}]}}'
        ).encode()

    def five_snapshot(self, item: Instrument) -> list[bytes]:
        """The best five levels, for one new subscriber of books5."""
        book = self.matcher.books[item.index]
        if not book.wall_ns:
            return []
        if not self.watched >> (STREAMS * item.index + FIVE) & 1:
            self._five_sent[item.index] = (book.seq, self.clock())
        return [self._five_frame(item, self.now_ms())]

    def push_more(self, item: Instrument, now_ns: int) -> None:
        """Push books5, when it has changed or was silent for long."""
        stream = STREAMS * item.index + FIVE
        if not self.watched >> stream & 1:
            return
        seq = self.matcher.books[item.index].seq
        sent_seq, sent_ns = self._five_sent.get(item.index, (0, 0))
        if sent_seq != seq or now_ns - sent_ns >= self.depth_repeat_ns:
            self._five_sent[item.index] = (seq, now_ns)
            self._public.append((stream, self._five_frame(item, now_ns // 1_000_000)))

    def _five_frame(self, item: Instrument, now_ms: int) -> bytes:
        bids, asks = ([*side.items()] for side in self.sides(item, 5))
        return (
            f'{{"arg":{{"channel":"books5","instId":"{item.name}"}},"data":[{{"asks":'
            f'[{self._levels(item, asks)}],"bids":[{self._levels(item, bids)}],"instId":'
            f'"{item.name}","ts":"{now_ms // GRID_MS * GRID_MS}",'
            f'"seqId":{self.matcher.books[item.index].seq}}}]}}'
        ).encode()

    def rest_book(self, item: Instrument, count: int) -> dict[str, Any]:
        """Row of market/books: the book as it is now."""
        def texts(side: dict[int, int]) -> list[list[str]]:
            return [[plain(item.px(t)), plain(item.qty(n)), "0", str(1 + n % 89)]
                    for t, n in side.items()]

        book = self.matcher.books[item.index]
        bids, asks = self.sides(item, count)
        return {"asks": texts(asks), "bids": texts(bids), "ts": str(book.state_ns // 1_000_000)}

    def first_frames(self, channel: str, item: Instrument) -> list[bytes]:
        """What a new subscriber gets at once."""
        if channel == "funding-rate":
            return [self._funding_frame(item)]
        if channel == "books":
            return self.depth_snapshot(item)
        if channel == "books5":
            return self.five_snapshot(item)
        quoted = self.matcher.books[item.index].wall_ns
        return [self.quote_frame(item, self.now_ms())] if quoted else []

    def restart_ids(self, index: int) -> None:
        """The next update says a small ``seqId`` and the last large one as ``prevSeqId``."""
        self.matcher.books[index].seq = 12 + index


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
