"""Bybit public linear stream: `orderbook.1` for quotes, `.50` for depth, `tickers` for funding.

Source: bybit-exchange/docs, docs/v5/websocket/public/{orderbook,ticker} (July 2026).
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from arbitrage.errors import ConfigError, ConnectorError
from arbitrage.venues.base import MarketSymbol, decimal_of, unknown_symbol, wall_ms_of
from arbitrage.venues.bybit import wire
from arbitrage.venues.bybit.codes import SUBSCRIBED_TWICE
from arbitrage.venues.public_feed import PublicFeed

TOPICS = ("orderbook.1", "tickers")
SYMBOLS_PER_REQUEST = 50
ARGS_BYTES_MAX = 21_000  # topic text per connection
_NAMED_TOPIC = re.compile(r"(?:orderbook\.\d+|tickers)\.([A-Z0-9]+)")


class BybitMarketFeed(PublicFeed):
    """One public connection of Bybit's linear category."""

    venue_name = "bybit"
    ping = b'{"op":"ping"}'
    depth_channels: Mapping[str, str] = {"full": "orderbook.50", "five": "orderbook.50"}

    def subscribe_frames(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """Return the subscribe requests; a request with one unknown symbol is refused whole."""
        return self._frames("subscribe", venue_symbols)

    def unsubscribe_frames(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """Return the unsubscribe requests."""
        return self._frames("unsubscribe", venue_symbols)

    def _frames(self, op: str, venue_symbols: Sequence[str]) -> list[bytes]:
        topics = (*TOPICS, self.depth_channel) if self.depth_channel else TOPICS
        args_bytes = sum(len(topic) + len(name) + 1 for name in venue_symbols for topic in topics)
        if args_bytes > ARGS_BYTES_MAX:
            raise ConfigError(
                f"bybit: {len(venue_symbols)} symbols need {args_bytes} bytes of topics; "
                f"one connection takes {ARGS_BYTES_MAX}: spread them over more feeds"
            )
        return [
            msgspec.json.encode(
                {
                    "req_id": f"{op[0]}{start}",
                    "op": op,
                    "args": [
                        f"{topic}.{name}"
                        for name in venue_symbols[start : start + SYMBOLS_PER_REQUEST]
                        for topic in topics
                    ],
                }
            )
            for start in range(0, len(venue_symbols), SYMBOLS_PER_REQUEST)
        ]

    def on_message(self, payload: bytes, recv_mono_ns: int) -> None:
        """Take funding, acknowledgements and errors."""
        message = wire.control(payload)
        if message.topic.startswith("tickers."):
            self._on_ticker(wire.decode(wire.tickers, message.data, "ticker"))
        elif message.op in {"subscribe", "unsubscribe"} and message.success is False:
            self._on_refused(message.text)

    def _on_refused(self, said: str) -> None:
        if SUBSCRIBED_TWICE in said:
            return
        named = _NAMED_TOPIC.search(said)
        if named is not None:
            self.fail(unknown_symbol(self.venue, named.group(1), said))
        else:
            self.fail(ConnectorError(f"subscription refused: {said}", venue=self.venue))

    def _on_ticker(self, ticker: wire.Ticker) -> None:
        item: MarketSymbol | None = self.symbols.get(ticker.symbol)
        if item is None:
            return
        rate, interval_h, next_wall_ns = self._funding.get(item.row, (float("nan"), 0.0, 0))
        # a delta names only what changed
        if ticker.fundingRate:
            rate = float(decimal_of(ticker.fundingRate))
        if ticker.fundingIntervalHour:
            interval_h = float(decimal_of(ticker.fundingIntervalHour))
        if ticker.nextFundingTime:
            next_wall_ns = wall_ms_of(ticker.nextFundingTime) * 1_000_000
        if rate == rate and interval_h > 0 and next_wall_ns > 0:
            self.push_funding(item.row, rate, interval_h, next_wall_ns)
