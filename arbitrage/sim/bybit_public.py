"""Market data of the simulated Bybit: linear public sockets.

Source: Bybit V5 documentation, websocket/public; read in 2026. ``orderbook.1`` sends snapshots
only, again after 3 s without change; ``orderbook.50`` a snapshot and then every 20 ms what changed,
``u`` one higher each time, so that exactly 50 levels a side remain. ``seq`` is one scale for both,
and for one state either topic may come first.
"""

from __future__ import annotations

from typing import Any

import msgspec

from arbitrage.sim import bybit_frames as frames
from arbitrage.sim.depth import Ladder, Levels
from arbitrage.sim.depth_feed import DepthFeed
from arbitrage.sim.exchange import DEPTH, QUOTE, STREAMS, TICKER, Connection, encode
from arbitrage.sim.instruments import Instrument


class SocketRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Request on a public or private socket."""

    op: str
    args: list[Any] = []
    req_id: str | None = None


class BybitPublic(DepthFeed):
    """Quotes, books and tickers."""

    depth_period_ns = 20_000_000
    depth_may_lead = True
    depth_levels = 50

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._heads = [
            (f'{{"topic":"orderbook.1.{i.name}","ts":',
             f',"type":"snapshot","data":{{"s":"{i.name}","b":[') for i in self.instruments
        ]
        self.on_grids()
        self._streams = {
            f"orderbook.1.{i.name}": STREAMS * i.index + QUOTE for i in self.instruments}
        self._streams |= {
            f"tickers.{i.name}": STREAMS * i.index + TICKER for i in self.instruments}
        self._streams |= {
            f"orderbook.50.{i.name}": STREAMS * i.index + DEPTH for i in self.instruments}
        self._tickers: list[dict[str, str]] = [{} for _ in self.instruments]

    def on_grids(self) -> None:
        self._px_scale = [float(i.tick) for i in self.instruments]
        self._px_form = [f"%.{i.px_places}f" for i in self.instruments]
        self._qty_scale = [float(i.lot) for i in self.instruments]
        self._qty_form = [f"%.{i.qty_places}f" for i in self.instruments]

    # -- public ----------------------------------------------------------------------------------

    def quote_frame(self, item: Instrument, now_ms: int) -> bytes:
        i = item.index
        book = self.matcher.books[i]
        head, middle = self._heads[i]
        px, px_form = self._px_scale[i], self._px_form[i]
        qty, qty_form = self._qty_scale[i], self._qty_form[i]
        bid = ask = ""
        if book.bid_lots:
            bid = f'["{px_form % (book.bid_ticks * px)}","{qty_form % (book.bid_lots * qty)}"]'
        if book.ask_lots:
            ask = f'["{px_form % (book.ask_ticks * px)}","{qty_form % (book.ask_lots * qty)}"]'
        return (
            f'{head}{now_ms}{middle}{bid}],"a":[{ask}],"u":{book.update_id},"seq":{book.seq}}}'
            f',"cts":{now_ms}}}'
        ).encode()

    def ticker(self, item: Instrument) -> dict[str, str]:
        i = item.index
        return frames.ticker_facts(
            item, self.matcher, self.funding_rates[i], self.next_funding_ns[i]
        )

    def _ticker_frame(self, item: Instrument, kind: str, data: dict[str, str], ms: int) -> bytes:
        return encode({"topic": f"tickers.{item.name}", "type": kind, "data": data,
                       "cs": self.matcher.books[item.index].seq, "ts": ms})

    def on_ticker_time(self, now_ns: int) -> None:
        for item in self.instruments:
            stream = STREAMS * item.index + TICKER
            if not self.watched >> stream & 1:
                continue
            last, now = self._tickers[item.index], self.ticker(item)
            changed = {key: value for key, value in now.items() if last.get(key) != value}
            if changed:
                self._tickers[item.index] = now
                data = {"symbol": item.name, **changed}
                frame = self._ticker_frame(item, "delta", data, now_ns // 1_000_000)
                self._public.append((stream, frame))

    def _levels(self, item: Instrument, levels: Levels) -> str:
        i = item.index
        px, px_form = self._px_scale[i], self._px_form[i]
        qty, qty_form = self._qty_scale[i], self._qty_form[i]
        return ",".join([f'["{px_form % (t * px)}","{qty_form % (n * qty) if n else 0}"]'
                         for t, n in levels])

    def depth_frame(self, item: Instrument, ladder: Ladder, bids: Levels, asks: Levels,
                    prev_seq: int, now_ms: int) -> bytes:
        kind = "snapshot" if prev_seq < 0 else "delta"
        return (
            f'{{"topic":"orderbook.50.{item.name}","type":"{kind}","ts":{now_ms},"data":'
            f'{{"s":"{item.name}","b":[{self._levels(item, bids)}],'
            f'"a":[{self._levels(item, asks)}],"u":{ladder.update_id},"seq":{ladder.seq}}},'
            f'"cts":{self.matcher.books[item.index].state_ns // 1_000_000}}}'
        ).encode()

    def rest_book(self, item: Instrument, count: int) -> dict[str, Any]:
        """Result of market/orderbook: the book as it is now; ``u`` is not that of a topic."""
        book = self.matcher.books[item.index]
        bids, asks = ([[item.px_text(t), item.qty_text(n)] for t, n in side.items()]
                      for side in self.sides(item, count))
        return {"s": item.name, "b": bids, "a": asks, "ts": self.now_ms(), "u": book.update_id,
                "seq": book.seq, "cts": book.state_ns // 1_000_000}

    def restart_ids(self, index: int) -> None:
        """Both topics go on with a snapshot of ``u`` 1; ``seq`` is the engine's and stays."""
        self.matcher.books[index].update_id = 0
        self._ladders[index].update_id = 0
        self.restart_depth(index)

    @staticmethod
    def public_reply(conn: Connection, req_id: str | None, ok: bool, text: str, op: str) -> bytes:
        return encode({"success": ok, "ret_msg": text, "conn_id": conn.conn_id,
                       "req_id": req_id or "", "op": op})

    def subscribe_public(self, conn: Connection, request: SocketRequest) -> list[bytes]:
        bits = 0
        adding = request.op == "subscribe"
        for topic in request.args:
            stream = self._streams.get(topic) if isinstance(topic, str) else None
            wrong = ""
            if stream is None:
                wrong = "handler not found"
            elif adding and (conn.streams | bits) >> stream & 1:
                wrong = "already subscribed"
            if wrong:  # one bad argument refuses the whole request
                text = f"error:{wrong},topic:{topic}"
                return [self.public_reply(conn, request.req_id, False, text, request.op)]
            bits |= 1 << (stream or 0)
        replies = [self.public_reply(conn, request.req_id, True, "", request.op)]
        if adding:
            replies += [frame for topic in request.args for frame in self._first(topic)]
        conn.streams = conn.streams | bits if adding else conn.streams & ~bits
        self.watch()
        return replies

    def _first(self, topic: str) -> list[bytes]:
        """What a new subscriber gets at once."""
        index, kind = divmod(self._streams[topic], STREAMS)
        item = self.instruments[index]
        if not self.matcher.books[index].wall_ns:
            return []
        if kind == DEPTH:
            return self.depth_snapshot(item)
        if kind == QUOTE:
            return [self.quote_frame(item, self.now_ms())]
        facts = self.ticker(item)
        self._tickers[index] = self._tickers[index] or facts
        return [self._ticker_frame(item, "snapshot", facts, self.now_ms())]
