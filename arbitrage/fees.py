"""What trading costs: fees by venue in basis points, and what a round trip pays."""

import math

import msgspec

from arbitrage.errors import ConfigError

__all__ = ["DEFAULT_TAKER_BPS", "FeeSchedule", "parse_fees"]

# The venues' public base rates for USDT perpetuals (non-VIP); a negative fee is a rebate.
DEFAULT_TAKER_BPS: dict[str, float] = {"bybit": 5.5, "okx": 5.0}
FEE_BPS_LIMIT = 100.0
_VENUES = tuple(DEFAULT_TAKER_BPS)


class FeeSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """Taker fees of the venues, in basis points of the notional.

    Parameters
    ----------
    bybit, okx : float
        Taker fee in basis points; negative is a rebate.
    """

    bybit: float = DEFAULT_TAKER_BPS["bybit"]
    okx: float = DEFAULT_TAKER_BPS["okx"]

    def taker_bps(self, venue: str) -> float:
        """Return one venue's taker fee."""
        if venue not in _VENUES:
            raise ConfigError(f"venue was {venue!r}; accepted values are {', '.join(_VENUES)}")
        return float(getattr(self, venue))

    def entry_bps(self, buy_venue: str, sell_venue: str) -> float:
        """Return what entering one pair pays: one taker fee on each venue."""
        return self.taker_bps(buy_venue) + self.taker_bps(sell_venue)

    def round_trip_bps(self, buy_venue: str, sell_venue: str) -> float:
        """Return what entering and leaving one pair pays."""
        return 2.0 * self.entry_bps(buy_venue, sell_venue)

    def by_venue(self) -> dict[str, float]:
        """Return the fees in the fixed order of the venues."""
        return {venue: self.taker_bps(venue) for venue in _VENUES}

    def __str__(self) -> str:
        return ",".join(f"{venue}={bps:g}" for venue, bps in self.by_venue().items())


def parse_fees(text: str, *, label: str = "fees", base: FeeSchedule | None = None) -> FeeSchedule:
    """Read ``bybit=5.5,okx=5.0``; a venue that is not named keeps its fee of `base`.

    Raises
    ------
    ConfigError
        Naming `label`, the value and the accepted form.
    """
    accepted = "accepted is a list such as bybit=5.5,okx=5.0 in basis points"
    fees = (base or FeeSchedule()).by_venue()
    seen: set[str] = set()
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name not in _VENUES:
            raise ConfigError(f"{label} was {text!r} and {part.strip()!r} is no fee; {accepted}")
        if name in seen:
            raise ConfigError(f"{label} was {text!r} and names {name} twice; {accepted}")
        try:
            bps = float(value)
        except ValueError:
            raise ConfigError(
                f"{label} was {text!r} and {value!r} is no number; {accepted}"
            ) from None
        if not math.isfinite(bps) or abs(bps) > FEE_BPS_LIMIT:
            raise ConfigError(
                f"{label} was {text!r}; a fee lies within {FEE_BPS_LIMIT:g} bps of zero"
            )
        seen.add(name)
        fees[name] = bps
    return FeeSchedule(**fees)
