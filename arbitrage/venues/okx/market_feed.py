"""OKX public stream: `bbo-tbt` for quotes, `books` or `books5` for depth, `funding-rate`.

Source: OKX API guide v5, "Order book channel" and "Funding rate channel" (July 2026).
"""

from collections.abc import Mapping, Sequence

import msgspec

from arbitrage.errors import ConnectorError
from arbitrage.venues.base import decimal_of, unknown_symbol, wall_ms_of
from arbitrage.venues.codes import Action
from arbitrage.venues.connect_budget import Cap
from arbitrage.venues.okx import wire
from arbitrage.venues.okx.codes import CODES, UNKNOWN_SUBSCRIPTION
from arbitrage.venues.public_feed import PublicFeed

CHANNELS = ("bbo-tbt", "funding-rate")
SYMBOLS_PER_REQUEST = 20
_PONG = b"pong"


class OkxMarketFeed(PublicFeed):
    """One public connection of OKX; the heartbeat is the bare text `ping`."""

    venue_name = "okx"
    ping = b"ping"
    depth_channels: Mapping[str, str] = {"full": "books", "five": "books5"}
    request_cap = Cap(470, 3600.0)  # the venue counts 480

    def subscribe_frames(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """Return the subscribe requests; OKX acknowledges or refuses each argument."""
        return self._frames("subscribe", venue_symbols)

    def unsubscribe_frames(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """Return the unsubscribe requests."""
        return self._frames("unsubscribe", venue_symbols)

    def _frames(self, op: str, venue_symbols: Sequence[str]) -> list[bytes]:
        channels = (*CHANNELS, self.depth_channel) if self.depth_channel else CHANNELS
        return [
            msgspec.json.encode(
                {
                    "id": f"{op[0]}{start}",
                    "op": op,
                    "args": [
                        {"channel": channel, "instId": name}
                        for name in venue_symbols[start : start + SYMBOLS_PER_REQUEST]
                        for channel in channels
                    ],
                }
            )
            for start in range(0, len(venue_symbols), SYMBOLS_PER_REQUEST)
        ]

    def on_message(self, payload: bytes, recv_mono_ns: int) -> None:
        """Take funding, acknowledgements, notices and errors."""
        if payload == _PONG:
            return
        message = wire.message(payload)
        if message.event == "error":
            self._on_refused(message)
        elif message.event == "notice":
            self._log.warning("okx: notice %s: %s", message.code, message.msg)
            if CODES.of(message.code).is_reconnect:
                # the venue closes this line within a minute
                self.move()
        elif message.arg.channel == "funding-rate" and message.data:
            for rate in wire.decode(wire.funding_rates, message.data, "funding rate"):
                self._on_funding(rate)

    def _on_refused(self, message: wire.Message) -> None:
        # longest first: BTC-USDT-SWAP must not be found inside a longer name's message
        for name in sorted(self.symbols, key=len, reverse=True):
            if name in message.msg and message.code in UNKNOWN_SUBSCRIPTION:
                self.fail(unknown_symbol(self.venue, name, message.msg))
                return
        self.fail(
            ConnectorError(
                f"subscription refused: {message.msg}; symbols {', '.join(self.symbols)}",
                venue=self.venue,
                code=message.code,
                is_terminal=CODES.action(message.code) in {Action.DROP, Action.STOP},
            )
        )

    def _on_funding(self, funding: wire.FundingRate) -> None:
        item = self.symbols.get(funding.instId)
        if item is None or not funding.fundingRate or not funding.fundingTime:
            return
        if funding.interval_h > 0:
            rate = float(decimal_of(funding.fundingRate))
            next_wall_ns = wall_ms_of(funding.fundingTime) * 1_000_000
            self.push_funding(item.row, rate, funding.interval_h, next_wall_ns)
