"""Notice another program that trades with our account: orders of a run that is not of our folder.

Two traders with two state folders both get every execution of the account. Each counts what both
did, so neither's positions nor its profit are its own; what stands at the venue is their sum.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

from arbitrage.core.records import split_client_id
from arbitrage.fills import Fill
from arbitrage.trading.runs import journal_parts

__all__ = ["Strangers"]

_log = logging.getLogger(__name__)


class Strangers:
    """Tell of each symbol at each venue that another program trades, once.

    Executions without a client id of ours are no matter of this: a venue's own and a person's are
    a lost leg (`arbitrage.venues.executions`).

    Threads: :meth:`look` on one at a time.

    Parameters
    ----------
    folder : Path
        The state folder: its runs are ours.
    run : int
        This one.
    """

    def __init__(self, folder: Path, run: int) -> None:
        self._folder = folder
        self._ours = {run, *journal_parts(folder), *journal_parts(folder, "account")}
        self.counts: dict[tuple[str, str], int] = {}  # (symbol, venue) -> executions

    def look_at_all(self, fills: Iterable[Fill]) -> None:
        """Look at executions of the past."""
        for fill in fills:
            self.look(fill)

    def look(self, fill: Fill) -> None:
        """Look whose execution it is."""
        if fill.client_id == 0:
            return
        run = split_client_id(fill.client_id).run
        if run in self._ours:
            return
        place = fill.symbol, fill.venue
        self.counts[place] = self.counts.get(place, 0) + 1
        if self.counts[place] == 1:
            _log.error(
                "another program trades %s at %s with this account: order %d is of run %d, which "
                "is none of %s; positions and PnL are of both until one of them is stopped or gets "
                "an account or symbols of its own",
                fill.symbol, fill.venue, fill.client_id, run, self._folder,
            )

    @property
    def lines(self) -> list[str]:
        """What was noticed, a line each."""
        return [
            f"{symbol} at {venue}: another program trades it with this account"
            for symbol, venue in sorted(self.counts)
        ]
