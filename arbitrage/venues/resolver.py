"""Orders whose outcome is unknown: ask the venue until it is known, and never send again.

A request that was not answered may have arrived. Every order frame carries the time after which the
venue must drop it, so an order that the venue still does not know when that time is well past will
never live: only then is it called rejected.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from arbitrage.errors import ConnectorError, WireError
from arbitrage.venues.base import OrderReport
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.rest_client import RestClient

REJECT_NOT_FOUND = 6  # see arbitrage.core.gateway
FIRST_DELAY_S = 0.05
DELAY_MAX_S = 2.0


class OrderResolver:
    """Find out what became of orders, one task each. Used by one loop.

    Parameters
    ----------
    rest : RestClient
    tracker : ExecutionTracker
        Takes what is found; publishes fills and ends.
    on_absent : callable
        Told `(client_id, code, recv_mono_ns)` of an order that never came to live.
    absent_after_s : float
        How long after the send the venue's "not found" is final: past the frame's expiry.
    """

    def __init__(
        self,
        rest: RestClient,
        tracker: ExecutionTracker,
        on_absent: Callable[[int, int, int], object],
        *,
        absent_after_s: float = 3.0,
    ) -> None:
        self._rest = rest
        self._tracker = tracker
        self._on_absent = on_absent
        self._absent_after_ns = int(absent_after_s * 1e9)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._log = logging.getLogger(f"arbitrage.venues.{tracker.venue_name}")

    @property
    def open_count(self) -> int:
        """Orders being asked for now."""
        return len(self._tasks)

    def ask(self, client_id: int, venue_symbol: str, sent_mono_ns: int | None = None) -> None:
        """Begin to ask for an order, sent now unless said; asking twice is the same as once."""
        if sent_mono_ns is None:
            sent_mono_ns = time.monotonic_ns()
        if client_id not in self._tasks and not self._tracker.is_done(client_id):
            task = asyncio.ensure_future(self._resolve(client_id, venue_symbol, sent_mono_ns))
            self._tasks[client_id] = task
            task.add_done_callback(lambda _: self._tasks.pop(client_id, None))

    def stop(self) -> None:
        """Stop asking."""
        for task in self._tasks.values():
            task.cancel()

    async def _resolve(self, client_id: int, venue_symbol: str, sent_mono_ns: int) -> None:
        delay_s = FIRST_DELAY_S
        while not self._tracker.is_done(client_id):
            # taken before the question: an order may arrive between the answer and the clock
            asked_mono_ns = time.monotonic_ns()
            try:
                report = await self._rest.order_by_client_id(client_id, venue_symbol)
                if report is not None:
                    await self._take(client_id, report)
                elif self._tracker.is_open(client_id):
                    # pushes told of it: it lives or ended, whatever the order list says
                    await self._take_executions(client_id, venue_symbol, None)
                elif asked_mono_ns - sent_mono_ns > self._absent_after_ns:
                    self._log.warning(
                        "%s: order %d is not known to the venue: it never arrived",
                        self._tracker.venue_name, client_id,
                    )
                    self._tracker.forget(client_id)
                    self._on_absent(client_id, REJECT_NOT_FOUND, time.monotonic_ns())
                    return
            except (ConnectorError, WireError) as error:
                self._log.error(
                    "%s: asking for order %d failed, its outcome is unknown: %s",
                    self._tracker.venue_name, client_id, error,
                )
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, DELAY_MAX_S)

    async def _take(self, client_id: int, report: OrderReport) -> None:
        if report.cum_qty_venue > 0:
            await self._take_executions(client_id, report.venue_symbol, report.order_id)
        self._tracker.order(report, time.monotonic_ns())

    async def _take_executions(
        self, client_id: int, venue_symbol: str, order_id: str | None
    ) -> None:
        for execution in await self._rest.executions(
            venue_symbol=venue_symbol, client_id=client_id, order_id=order_id
        ):
            self._tracker.execution(execution, time.monotonic_ns())
