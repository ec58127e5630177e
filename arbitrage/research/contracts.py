"""What the contracts of market data are: grids, contract sizes, fees; and where that was said."""

import logging
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import msgspec

from arbitrage.errors import ConfigError
from arbitrage.instruments import (
    VENUES,
    Instrument,
    canonical_base,
    listed_instrument,
    venue_symbol,
)

__all__ = [
    "SIMULATORS_LIST",
    "Contract",
    "Contracts",
    "ContractsChoice",
    "Instruments",
    "contracts_of_instruments",
    "contracts_of_session",
    "read_contracts",
    "simulated_contracts",
]

log = logging.getLogger(__name__)


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One contract of one venue, in the numbers that the trader computes with.

    Parameters
    ----------
    venue, symbol : str
        ``bybit`` or ``okx``; canonical, ``BTCUSDT``.
    venue_symbol : str
        The venue's own name, ``BTC-USDT-SWAP``.
    px_tick, qty_lot : float
        Price and quantity steps, in the venue's units; above 0.
    qty_mult : float
        Coins in one venue unit of quantity.
    px_mult : float
        Venue price times this is the price of one coin.
    min_qty, max_qty : float
        Smallest and largest order, venue units; a `max_qty` of 0: not stated.
    min_notional : float
        Smallest order, in dollars; 0: none.
    taker_bps : float or None
        The account's taker fee in basis points; None: not known.
    """

    venue: str
    symbol: str
    venue_symbol: str
    px_tick: float
    qty_lot: float
    qty_mult: float = 1.0
    px_mult: float = 1.0
    min_qty: float = 0.0
    max_qty: float = 0.0
    min_notional: float = 0.0
    taker_bps: float | None = None

    def __post_init__(self) -> None:
        for name in ("px_tick", "qty_lot", "qty_mult", "px_mult"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ConfigError(
                    f"{self.venue} {self.symbol}: {name} was {value}, must be above zero"
                )

    @classmethod
    def of(cls, item: Instrument, taker_bps: float | None = None) -> Self:
        """Make one of an instrument as the venue lists it."""
        return cls(
            venue=item.venue,
            symbol=item.symbol,
            venue_symbol=item.venue_symbol,
            px_tick=float(item.tick),
            qty_lot=float(item.lot),
            qty_mult=float(item.qty_mult),
            px_mult=float(item.px_mult),
            min_qty=float(item.min_qty),
            max_qty=float(item.max_qty),
            min_notional=float(item.min_notional),
            taker_bps=taker_bps,
        )

    def instrument(self) -> Instrument:
        """Return it in exact decimals, which are the shortest that these numbers stand for."""
        px_mult, qty_mult = _exact(self.px_mult), _exact(self.qty_mult)
        return Instrument(
            venue=self.venue,
            venue_symbol=self.venue_symbol,
            symbol=self.symbol,
            base=self.symbol.removesuffix("USDT"),
            settle="USDT",
            contract_base_qty=px_mult * qty_mult,
            tick=_exact(self.px_tick),
            lot=_exact(self.qty_lot),
            min_qty=_exact(self.min_qty),
            max_qty=_exact(self.max_qty),
            min_notional=_exact(self.min_notional),
            px_mult=px_mult,
        )


# who says what contracts are, where nobody who knows did
SIMULATORS_LIST = "the built-in simulator's list"

Contracts = Mapping[tuple[str, str], Contract]  # by venue and canonical symbol
Instruments = str | Path | Contracts | None  # a file of `arb instruments --json`, or contracts


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))


def _by_key(found: Iterable[Contract]) -> dict[tuple[str, str], Contract]:
    return {(each.venue, each.symbol): each for each in found}


def contracts_of_instruments(items: Iterable[Instrument]) -> dict[tuple[str, str], Contract]:
    """Return the contracts of instruments as the venues list them."""
    return _by_key(Contract.of(item) for item in items)


def contracts_of_session(session: Mapping[str, Any]) -> dict[tuple[str, str], Contract]:
    """Return the contracts that the session of a recording names; those without a grid not."""
    found = []
    for row in session.get("contracts", ()):
        if not row["px_tick"] > 0 or not row["qty_lot"] > 0:
            continue  # this venue does not list the symbol
        lot, most = float(row["qty_lot"]), int(row["max_lots"])
        found.append(
            Contract(
                venue=row["venue"],
                symbol=row["symbol"],
                venue_symbol=row.get("venue_symbol") or venue_symbol(row["venue"], row["symbol"]),
                px_tick=float(row["px_tick"]),
                qty_lot=lot,
                qty_mult=float(row["qty_mult"]),
                px_mult=float(row["px_mult"]),
                min_qty=_steps(row["min_lots"], lot),
                max_qty=0.0 if most >= 2**63 - 1 else _steps(most, lot),
                min_notional=float(row["min_notional"]),
                taker_bps=float(row["taker_bps"]),
            )
        )
    return _by_key(found)


def _steps(count: float, step: float) -> float:
    return float(Decimal(int(count)) * _exact(step))


def read_contracts(path: str | Path) -> dict[tuple[str, str], Contract]:
    """Read a file of ``arb instruments --json``.

    Raises
    ------
    ConfigError
        The file cannot be read, or is something else; it names the line.
    """
    number = 0
    try:
        lines = Path(path).read_bytes().splitlines()
        found = []
        for number, line in enumerate(lines, 1):  # noqa: B007  the error names it
            row = msgspec.json.decode(line, type=dict[str, Any])
            found.append(Contract.of(listed_instrument(row), row.get("taker_bps")))
    except OSError as error:
        raise ConfigError(f"contracts file {path} cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ConfigError(
            f"contracts file {path}, line {number}, is not what `arb instruments --json` writes: "
            f"{type(error).__name__} {error}"
        ) from None
    if not found:
        raise ConfigError(
            f"contracts file {path} is empty; `arb instruments --json {path}` writes it"
        )
    return _by_key(found)


def simulated_contracts(symbols: Iterable[str]) -> dict[tuple[str, str], Contract]:
    """Return the built-in simulator's contracts of those symbols that it lists."""
    from arbitrage.sim.instruments import CANONICAL_SYMBOLS, listed

    known = tuple(symbol for symbol in symbols if symbol in CANONICAL_SYMBOLS)
    found = []
    for venue in VENUES:
        for item in listed(venue, known):
            px_mult = 1 / Decimal(canonical_base(item.base)[1])
            found.append(
                Contract(
                    venue=venue,
                    symbol=item.canonical,
                    venue_symbol=item.name,
                    px_tick=float(item.tick),
                    qty_lot=float(item.lot),
                    qty_mult=float(item.contract_value / px_mult),
                    px_mult=float(px_mult),
                    min_qty=float(item.qty(item.min_lots)),
                    max_qty=float(item.qty(item.max_lots)),
                )
            )
    return _by_key(found)


class ContractsChoice:
    """Where contracts come from: what somebody gave, a session, or the simulator's list."""

    def __init__(self, given: Instruments, session: Mapping[str, Any] | None = None) -> None:
        self._found: Contracts | None = None
        self._from = ""
        self._has_told = False
        if isinstance(given, (str, Path)):
            self._found, self._from = read_contracts(given), f"file {given}"
        elif given is not None:
            self._found, self._from = dict(given), "the caller"
        elif session is not None:
            self._found, self._from = contracts_of_session(session), "the recording's session"

    def of(
        self, symbols: Collection[str], names: Mapping[tuple[str, str], str]
    ) -> tuple[Contracts, str]:
        """Return the contracts of these symbols, under the names that the venues used."""
        found, said_by = self._found, self._from
        if found is None:
            said_by = SIMULATORS_LIST
            found = simulated_contracts(symbols)
            if not self._has_told and symbols:
                self._has_told = True
                log.warning(
                    "nothing says what the contracts are: grids and sizes of %s are the "
                    "simulator's; a file of `arb instruments --json` says it, as instruments",
                    ", ".join(sorted({symbol for _, symbol in found})) or "none of these symbols",
                )
        named = {
            key: msgspec.structs.replace(item, venue_symbol=names.get(key, item.venue_symbol))
            for key, item in found.items()
            if key[1] in symbols
        }
        return named, said_by
