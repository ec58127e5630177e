"""A deck reader for programs that must not end: what goes wrong is told, and it begins anew."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from arbitrage.cold.deck import Deck

__all__ = ["SteadyReader"]

_log = logging.getLogger("arbitrage.deck")


class _Reader(Protocol):
    def look(self) -> Deck: ...


class SteadyReader:
    """Look at a trader by a reader that is made again whenever it fails.

    Threads: one.

    Parameters
    ----------
    name : str
        The trader's name.
    make : callable
        Makes a reader (`arbitrage.cold.deck.DeckReader`).
    """

    def __init__(self, name: str, make: Callable[[], _Reader]) -> None:
        self._name, self._make = name, make
        self._reader: _Reader | None = None

    def look(self) -> Deck:
        """Return the trader as it is now; one that cannot be read is as one that is gone."""
        try:
            if self._reader is None:
                self._reader = self._make()
            return self._reader.look()
        except Exception as error:
            self._reader = None
            said = f"the trader cannot be read: {type(error).__name__}: {error}"
            _log.debug("%s", said, exc_info=True)
            return Deck(name=self._name, wall_ns=time.time_ns(), alive=False, why_not=said)
