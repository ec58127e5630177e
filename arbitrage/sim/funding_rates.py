"""When a simulated venue settles funding, and at which rate: by the seed alone."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from arbitrage.sim.config import VENUES

if TYPE_CHECKING:
    from arbitrage.sim.config import SimConfig
    from arbitrage.sim.instruments import Instrument

HOUR_NS = 3_600_000_000_000
SHOWN_RATE = Decimal("0.0060000")  # 60 bps: more than a round trip costs


def funding_after(config: SimConfig, item: Instrument, now_ns: int) -> int:
    """The next settlement after a moment, ns of the epoch."""
    interval = round(config.funding_s * 1e9) or item.funding_hours * HOUR_NS
    return (now_ns // interval + 1) * interval


def draw_rate(config: SimConfig, item: Instrument, period: int) -> Decimal:
    """The rate of an interval; with ``funding_s`` one venue, chosen by symbol, pays all of it."""
    if config.funding_s:
        rich = Random(f"{config.seed}/{item.canonical}/funding").choice(VENUES)
        return SHOWN_RATE if config.venue == rich else Decimal("0.0000000")
    rng = Random(f"{config.seed}/{item.canonical}/{config.venue}/funding/{period}")
    scaled = round(rng.uniform(-0.5, 1.5) * 1000) * item.funding_hours // 8
    return Decimal(scaled).scaleb(-7)
