"""A simulated venue that settles funding every few seconds: Bybit's rate high, OKX's zero."""

from decimal import Decimal

from arbitrage.cli import run_command
from arbitrage.sim.__main__ import main
from arbitrage.sim.exchange import Exchange
from arbitrage.sim.instruments import Instrument

PERIOD_NS = 4_000_000_000


def _after(_venue: Exchange, _item: Instrument, now_ns: int) -> int:
    return (now_ns // PERIOD_NS + 1) * PERIOD_NS


def _rate(venue: Exchange, _item: Instrument, _period: int) -> Decimal:
    return Decimal("0.0060000") if venue.venue == "bybit" else Decimal("0.0000000")


Exchange._funding_after = _after  # type: ignore[method-assign]
Exchange._draw_rate = _rate  # type: ignore[method-assign]

if __name__ == "__main__":
    run_command(main, "short_funding_sim")
