"""What a venue says an account holds, held against what the executions say.

Executions are what counts; positions and the wallet come by streams of their own, late, repeated or
in another order. When the two still differ after both have been quiet for a while, an execution was
missed or somebody else has changed the account: the owner is told, and reads both anew.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from arbitrage.venues.base import SELL, Fill, Position, TradedSymbol, Wallet

__all__ = ["AccountView"]

# A position and its execution come by two pushes, one behind the other.
SETTLE_S = 2.0
NONE = Decimal(0)


class AccountView:
    """Positions and wallet of one account, as last told. Used by one loop.

    Parameters
    ----------
    symbols : mapping
        Venue symbol -> what is traded; other positions are no concern of ours.
    on_difference : callable
        Told the venue symbol of a position that differs from the executions and has settled.

    Attributes
    ----------
    wallet : Wallet or None
        None: not told yet.
    positions : dict
        Venue symbol -> the venue's newest word.
    """

    def __init__(
        self, symbols: Mapping[str, TradedSymbol], on_difference: Callable[[str], None]
    ) -> None:
        self.wallet: Wallet | None = None
        self.positions: dict[str, Position] = {}
        self.stale_count = 0
        self._symbols = symbols
        self._names = {
            item.instrument.symbol: name for name, item in symbols.items()
        }
        self._on_difference = on_difference
        self._held: dict[str, Decimal] = {}  # coins by the executions; a name without: not begun
        self._changes: Counter[str] = Counter()
        self._waiting: set[str] = set()

    # ---- what was told --------------------------------------------------------------------------

    def begin(self, positions: Iterable[Position]) -> None:
        """Take what the account held before the first execution that will be counted."""
        stated = {position.venue_symbol: position for position in positions}
        for name in self._symbols:
            position = stated.get(name)
            if position is not None:
                self.positions[name] = position
            self._held[name] = NONE if position is None else self._coins(position)

    def filled(self, fill: Fill) -> None:
        """Count one execution."""
        name = self._names.get(fill.symbol)
        if name is not None and name in self._held:
            self._held[name] += -fill.qty_base if fill.side == SELL else fill.qty_base
            self._changed(name)

    def told(self, position: Position) -> bool:
        """Take the venue's word on one position; False when a newer one is known."""
        name = position.venue_symbol
        if name not in self._symbols:
            return False
        known = self.positions.get(name)
        if known is not None and position.version < known.version:
            self.stale_count += 1
            return False
        self.positions[name] = position
        self._changed(name)
        return True

    def told_wallet(self, wallet: Wallet) -> bool:
        """Take the venue's word on the wallet; False when a newer one is known."""
        if self.wallet is not None and wallet.version < self.wallet.version:
            self.stale_count += 1
            return False
        self.wallet = wallet
        return True

    def mark(self) -> Counter[str]:
        """Return what tells later which positions were pushed after this moment."""
        return self._changes.copy()

    def restated(self, positions: Iterable[Position], mark: Counter[str]) -> list[Position]:
        """Take a whole list, in which absence means flat; return what it changed.

        What was pushed after the list was asked for, at `mark`, is newer than the list.
        """
        stated = {position.venue_symbol: position for position in positions}
        changed: list[Position] = []
        for name, position in stated.items():
            known = self.positions.get(name)
            is_newer = mark[name] == self._changes[name] and self.told(position)
            if is_newer and known != position:
                changed.append(position)
        return changed + self.absent(set(stated), mark)

    def absent(self, stated: set[str], mark: Counter[str]) -> list[Position]:
        """Take what a whole list did not name for flat; return what that changed."""
        changed: list[Position] = []
        for name, known in list(self.positions.items()):
            if name not in stated and known.qty_venue and mark[name] == self._changes[name]:
                flat = Position(
                    venue=known.venue, venue_symbol=name, qty_venue=NONE, entry_px=NONE,
                    version=known.version,
                )
                self.told(flat)
                changed.append(flat)
        return changed

    # ---- the comparison -------------------------------------------------------------------------

    def holds(self, venue_symbol: str) -> tuple[Decimal, Decimal]:
        """Return the coins held by the venue's word and by the executions."""
        position = self.positions.get(venue_symbol)
        ours = self._held.get(venue_symbol, NONE)
        # an account that was flat and has not been spoken of is flat
        return (NONE if position is None else self._coins(position)), ours

    def differs(self, venue_symbol: str) -> bool:
        """Whether the venue's word and the executions differ now."""
        theirs, ours = self.holds(venue_symbol)
        return venue_symbol in self._held and theirs != ours

    def _coins(self, position: Position) -> Decimal:
        return position.qty_venue * self._symbols[position.venue_symbol].instrument.qty_mult

    def _changed(self, name: str) -> None:
        self._changes[name] += 1
        self.look(name)

    def look(self, name: str) -> None:
        """Look at one position again when it had time to settle, if it differs now."""
        if self.differs(name) and name not in self._waiting:
            self._waiting.add(name)
            asyncio.get_running_loop().call_later(
                SETTLE_S, self._settled, name, self._changes[name]
            )

    def _settled(self, name: str, changes: int) -> None:
        self._waiting.discard(name)
        if changes != self._changes[name]:
            self.look(name)
        elif self.differs(name):
            self._on_difference(name)
