"""Cancel whatever rests at one venue in the traded symbols, and make sure that nothing does."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from arbitrage.errors import ConnectorError, WireError
from arbitrage.venues.base import OrderReport

__all__ = ["Canceller"]

AGAIN_S = 0.05  # between two looks, as long as something is under way
AGAIN_S_MAX = 2.0
SAY_AFTER_S = 10.0  # this long without a confirmation is worth a line
_log = logging.getLogger(__name__)


class OpenOrders(Protocol):
    """What is needed of a venue's REST client."""

    venue: str

    async def open_orders(self, venue_symbol: str | None = None) -> list[OrderReport]: ...
    async def cancel_orders(self, orders: Sequence[OrderReport]) -> None: ...


class Canceller:
    """Have a venue cancel, ask what is open, and go on until the answer is: nothing. One loop.

    Parameters
    ----------
    rest : OpenOrders
        Open while this is used.
    names : collection of str
        Venue symbols: orders of others are no concern of ours.
    under_way : callable
        How many orders have left whose end is not known: they may still come to rest.

    Attributes
    ----------
    state : str
        ``not asked``, ``asking: ...`` or ``nothing open``, for a person.
    cancelled_count : int
        Orders that the venue was asked to cancel.
    """

    def __init__(
        self, rest: OpenOrders, names: Collection[str], under_way: Callable[[], int]
    ) -> None:
        self._rest = rest
        self._names = frozenset(names)
        self._under_way = under_way
        self.state = "not asked"
        self.is_confirmed = False
        self.cancelled_count = 0

    def reset(self) -> None:
        """Take back an earlier confirmation: orders have left since. Any thread."""
        self.is_confirmed, self.state = False, "asking"

    async def run(self) -> None:
        """Cancel until nothing is open; returns when that is confirmed."""
        loop = asyncio.get_running_loop()
        began_s, wait_s, is_said = loop.time(), AGAIN_S, False
        self.reset()
        while not await self._is_clean():
            if not is_said and loop.time() - began_s > SAY_AFTER_S:
                is_said = True
                _log.error(
                    "%s: that no order is open is not confirmed after %g s (%s); going on",
                    self._rest.venue, SAY_AFTER_S, self.state,
                )
            await asyncio.sleep(wait_s)
            wait_s = min(AGAIN_S_MAX, wait_s * 1.5)
        self.is_confirmed, self.state = True, "nothing open"
        _log.info("%s: no order of the traded symbols is open", self._rest.venue)

    async def _is_clean(self) -> bool:
        # looked at before the question: what was under way then is in the answer
        under_way = self._under_way()
        try:
            found = await self._rest.open_orders()
            found = [order for order in found if order.venue_symbol in self._names]
            if found:
                self.cancelled_count += len(found)
                _log.warning(
                    "%s: cancelling %d open orders (%s)", self._rest.venue, len(found),
                    ", ".join(order.order_id for order in found[:5]),
                )
                await self._rest.cancel_orders(found)
        except (ConnectorError, WireError) as error:
            self.state = f"asking: {error}"
            return False
        self.state = f"asking: {len(found)} open, the end of {under_way} not known"
        return not found and under_way == 0
