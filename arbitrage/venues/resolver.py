"""Orders whose outcome is unknown: ask the venue until it is known, and never send again.

A request that was not answered may have arrived. Every order frame carries the time after which the
venue must drop it, so an order that the venue still does not know when that time is well past will
never live: only then is it called rejected.

Whatever the venue is going through, the end of an order is known within a second of the venue
answering again: questions follow each other closely and do not wait for the one before, which may
never be answered.
"""

import asyncio
import logging
from collections.abc import Callable

from arbitrage.core.gateway import REJECT_NOT_FOUND
from arbitrage.errors import ConnectorError, WireError
from arbitrage.venues.base import OrderReport
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.loop_clock import loop_ns, loop_s
from arbitrage.venues.rest_client import ORDER_VALID_MS, RestClient

__all__ = ["ABSENT_AFTER_S", "OrderResolver"]

# Past the frame's expiry with room for a clock measured wrong and for the venue's own way from its
# gate to what it can be asked about.
ABSENT_AFTER_S = ORDER_VALID_MS / 1000 + 0.25
# An order that was accepted exists: that no list shows it is the list's fault for longer.
ACCEPTED_ABSENT_AFTER_S = 3.0
ASK_EVERY_S = 0.2
ANSWER_WITHIN_S = 0.8
# An order that the venue calls alive is asked for less and less often.
ASK_LIVE_EVERY_MAX_S = 0.8
# All questions together stay inside both venues' limits of such questions.
QUESTIONS_PER_S = 25.0
SAY_AGAIN_S = 10.0


class OrderResolver:
    """Find out what became of orders, one task each. Used by one loop.

    Parameters
    ----------
    rest : RestClient
    tracker : ExecutionTracker
        Takes what is found; publishes fills and ends.
    on_absent : callable
        Told `(client_id, code, recv_mono_ns)` of an order that never came to live.
    was_accepted : callable, optional
        Whether the venue said yes to an order.
    absent_after_s : float
        How long after the send the venue's "not found" is final: past the frame's expiry.
    """

    def __init__(
        self,
        rest: RestClient,
        tracker: ExecutionTracker,
        on_absent: Callable[[int, int, int], object],
        *,
        was_accepted: Callable[[int], bool] | None = None,
        absent_after_s: float = ABSENT_AFTER_S,
    ) -> None:
        self._rest = rest
        self._tracker = tracker
        self._on_absent = on_absent
        self._was_accepted = was_accepted
        self._absent_after_ns = int(absent_after_s * 1e9)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._turns: dict[int, asyncio.Event] = {}
        self._is_stopped = False
        self._say_s = 0.0
        self._log = logging.getLogger(f"arbitrage.venues.{tracker.venue_name}")

    @property
    def open_count(self) -> int:
        """Orders being asked for now."""
        return len(self._tasks)

    def ask(self, client_id: int, venue_symbol: str, sent_mono_ns: int | None = None) -> None:
        """Begin to ask for an order, sent now unless said; asking twice is the same as once."""
        if self._is_stopped or client_id in self._tasks or self._tracker.is_done(client_id):
            return
        if sent_mono_ns is None:
            sent_mono_ns = loop_ns()
        self._turns[client_id] = asyncio.Event()
        task = asyncio.ensure_future(self._resolve(client_id, venue_symbol, sent_mono_ns))
        self._tasks[client_id] = task
        task.add_done_callback(lambda _: self._forget(client_id))

    def wake(self) -> None:
        """Ask for everything at once: the venue is there again."""
        for turn in self._turns.values():
            turn.set()

    def stop(self) -> None:
        """Stop asking, for good."""
        self._is_stopped = True
        for task in self._tasks.values():
            task.cancel()

    def _forget(self, client_id: int) -> None:
        self._tasks.pop(client_id, None)
        self._turns.pop(client_id, None)

    async def _resolve(self, client_id: int, venue_symbol: str, sent_mono_ns: int) -> None:
        turn = self._turns[client_id]
        questions: set[asyncio.Task[bool]] = set()
        every_s = ASK_EVERY_S
        try:
            while not self._tracker.is_done(client_id):
                question = asyncio.ensure_future(
                    self._question(client_id, venue_symbol, sent_mono_ns)
                )
                questions.add(question)
                question.add_done_callback(questions.discard)
                question.add_done_callback(lambda _: self._end_turn(client_id, turn))
                await self._wait(turn, sent_mono_ns, max(every_s, self._share_s()))
                if question.done() and question.result():
                    every_s = min(2 * every_s, ASK_LIVE_EVERY_MAX_S)
        finally:
            for question in questions:
                question.cancel()

    def _end_turn(self, client_id: int, turn: asyncio.Event) -> None:
        if self._tracker.is_done(client_id):
            turn.set()

    def _share_s(self) -> float:
        return len(self._tasks) / QUESTIONS_PER_S

    async def _wait(self, turn: asyncio.Event, sent_mono_ns: int, every_s: float) -> None:
        # not past the moment from which "not found" is an answer
        until_final_s = (sent_mono_ns + self._absent_after_ns - loop_ns()) / 1e9
        if 0.0 < until_final_s < every_s:
            every_s = until_final_s + 0.001
        turn.clear()
        try:
            async with asyncio.timeout(every_s):
                await turn.wait()
        except TimeoutError:
            return

    async def _question(self, client_id: int, venue_symbol: str, sent_mono_ns: int) -> bool:
        """Ask once and act on the answer; True when the venue calls the order alive."""
        # taken before the question: an order may arrive between the answer and the clock
        asked_mono_ns = loop_ns()
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                report = await self._rest.order_by_client_id(client_id, venue_symbol)
                if report is not None:
                    await self._take(client_id, report)
                    return not report.is_terminal
                if self._tracker.is_open(client_id):
                    # pushes told of it: it lives or ended, whatever the order list says
                    await self._take_executions(client_id, venue_symbol, None)
                    return False
        except (ConnectorError, WireError, TimeoutError) as error:
            self._say(client_id, str(error) or f"no answer within {ANSWER_WITHIN_S:g} s")
            return False
        if asked_mono_ns - sent_mono_ns > self._final_after_ns(client_id):
            self._absent(client_id)
        return False

    def _final_after_ns(self, client_id: int) -> int:
        if self._was_accepted is not None and self._was_accepted(client_id):
            return max(self._absent_after_ns, int(ACCEPTED_ABSENT_AFTER_S * 1e9))
        return self._absent_after_ns

    def _absent(self, client_id: int) -> None:
        # an earlier question may have been answered meanwhile
        if self._tracker.is_done(client_id) or self._tracker.is_open(client_id):
            return
        self._log.warning(
            "%s: order %d is not known to the venue: it never arrived",
            self._tracker.venue_name, client_id,
        )
        self._tracker.forget(client_id)
        self._on_absent(client_id, REJECT_NOT_FOUND, loop_ns())

    def _say(self, client_id: int, why: str) -> None:
        # a venue that does not answer is asked often, and told of seldom
        if loop_s() >= self._say_s:
            self._say_s = loop_s() + SAY_AGAIN_S
            self._log.error(
                "%s: asking for order %d failed, its outcome is unknown: %s",
                self._tracker.venue_name, client_id, why,
            )

    async def _take(self, client_id: int, report: OrderReport) -> None:
        if report.cum_qty_venue > 0:
            await self._take_executions(client_id, report.venue_symbol, report.order_id)
        self._tracker.order(report, loop_ns())

    async def _take_executions(
        self, client_id: int, venue_symbol: str, order_id: str | None
    ) -> None:
        for execution in await self._rest.executions(
            venue_symbol=venue_symbol, client_id=client_id, order_id=order_id
        ):
            self._tracker.execution(execution, loop_ns())
