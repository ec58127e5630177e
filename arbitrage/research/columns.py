"""Which column of a table of quotes is what, and in which units."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES

__all__ = ["LEFT_OUT", "TIME_DIGITS", "Columns"]

# decimals of a time in that unit, to the nanosecond
TIME_DIGITS = {"s": 9, "ms": 6, "us": 3, "ns": 0}
TIME_UNITS = (*TIME_DIGITS, "iso")
UNITS = ("venue", "coin")
_OWN = ("recv_ns", "bid_px", "bid_qty", "ask_px", "ask_qty", "venue", "symbol")
LEFT_OUT = "none"  # what a word is made that stands for none of ours


@dataclass(frozen=True)
class Columns:
    """The columns of a CSV or Parquet file of best bids and asks.

    Parameters
    ----------
    recv_ns : str
        When it was received, the order of the rows.
    bid_px, ask_px : str
        Best prices; an empty value: that side is empty.
    bid_qty, ask_qty : str or float
        Quantities there; a number: it is always that much.
    exch_ns, number : str or None
        The venue's time and sequence number; None: not known.
    venue : str
        A column with ``bybit`` or ``okx``, or one of these words: all rows are of it.
    symbol : str
        A column of symbols, canonical or as the venue calls them, or a symbol itself.
    time_unit : str
        Of `recv_ns` and `exch_ns`: ``s``, ``ms``, ``us`` or ``ns`` since 1970, UTC, with decimals
        or without; ``iso``: text such as ``2026-03-01T08:30:00.5Z``.
    px_unit, qty_unit : str
        ``venue``: as the venue quotes it; ``coin``: for one coin, in coins.
    delimiter : str
        Between a CSV's columns.
    venues, symbols : mapping
        What words of the columns `venue` and `symbol` stand for, where they are not ours:
        ``{"okex-swap": "okx"}``, ``{"BTC-PERP": "BTCUSDT"}``. Rows of what is made ``"none"`` are
        left out.
    """

    recv_ns: str = "recv_ns"
    bid_px: str = "bid_px"
    bid_qty: str | float = "bid_qty"
    ask_px: str = "ask_px"
    ask_qty: str | float = "ask_qty"
    exch_ns: str | None = None
    number: str | None = None
    venue: str = "venue"
    symbol: str = "symbol"
    time_unit: str = "ns"
    px_unit: str = "venue"
    qty_unit: str = "venue"
    delimiter: str = ","
    venues: Mapping[str, str] = field(default_factory=dict)
    symbols: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(given: Mapping[str, Any]) -> "Columns":
        """Check a mapping of these names; ConfigError says which is wrong."""
        known = [field.name for field in fields(Columns)]
        for name in given:
            if name not in known:
                raise ConfigError(f"columns named {name!r}; accepted are {', '.join(known)}")
        found = Columns(**given)
        for word, venue in found.venues.items():
            if venue not in {*VENUES, LEFT_OUT}:
                raise ConfigError(
                    f"columns: venues made {word!r} {venue!r}; accepted are "
                    f"{', '.join(VENUES)}, and {LEFT_OUT} to leave its rows out"
                )
        for word, symbol in found.symbols.items():
            if not (symbol == LEFT_OUT or (symbol.isascii() and symbol.isalnum())):
                raise ConfigError(
                    f"columns: symbols made {word!r} {symbol!r}; accepted are names such as "
                    f"BTCUSDT, and {LEFT_OUT} to leave its rows out"
                )
        for name, accepted in (
            ("time_unit", TIME_UNITS), ("px_unit", UNITS), ("qty_unit", UNITS),
        ):  # fmt: skip
            if getattr(found, name) not in accepted:
                raise ConfigError(
                    f"columns: {name} was {getattr(found, name)!r}; accepted are "
                    f"{', '.join(accepted)}"
                )
        return found

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)

    @staticmethod
    def own(names: Sequence[str]) -> "Columns | None":
        """Return the columns of a table in our own names; None: it is somebody else's."""
        if not set(_OWN) <= {*names}:
            return None
        return Columns(
            exch_ns="exch_ns" if "exch_ns" in names else None,
            number="number" if "number" in names else None,
        )

    def with_known(
        self, names: Sequence[str], path: str, venue: str | None, symbol: str | None
    ) -> "TableColumns":
        """Find them among a file's columns; ConfigError names one that is missing.

        `venue` and `symbol` are what all rows are of where the file does not say.
        """
        numbers = {
            name: value
            for name in ("bid_qty", "ask_qty")
            if isinstance(value := getattr(self, name), (int, float))
        }
        wanted = {
            name: value
            for name in ("recv_ns", "bid_px", "bid_qty", "ask_px", "ask_qty", "exch_ns", "number")
            if name not in numbers and (value := getattr(self, name)) is not None
        }
        if self.venue in names:
            wanted["venue"], venue = self.venue, None
        elif self.venue in VENUES:
            venue = self.venue
        if self.symbol in names:
            wanted["symbol"], symbol = self.symbol, None
        elif self.symbol != Columns.symbol:
            symbol = self.symbol
        if "venue" not in wanted and venue is None:
            raise ConfigError(
                f"{path} has no column {self.venue!r}; give columns a venue: a column, or "
                f"{' or '.join(VENUES)} for all of its rows"
            )
        if "symbol" not in wanted and symbol is None:
            raise ConfigError(
                f"{path} has no column {self.symbol!r}; give columns a symbol: a column, or one "
                "such as BTCUSDT for all of its rows"
            )
        for name, value in wanted.items():
            if value not in names:
                raise ConfigError(
                    f"{path} has no column {value!r} for {name}; its columns are "
                    f"{', '.join(names)}: name the one meant in columns"
                )
        return TableColumns(wanted, numbers, venue, symbol)


@dataclass(frozen=True)
class TableColumns:
    """What a file has: a column by what it is; numbers, venue and symbol that all rows have."""

    named: Mapping[str, str]
    numbers: Mapping[str, float]
    venue: str | None
    symbol: str | None
