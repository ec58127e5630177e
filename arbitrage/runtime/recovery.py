"""Start-up is recovery: what the last run left is asked for at both venues before anything trades.

In this order: cancel what rests of ours, ask for each order whose end the journal does not know,
read the executions since the oldest of them, then the positions. What these explain together is
taken over (`arbitrage.trading.recovery_plan`); anything else ends the start, with nothing changed.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import TypeVar

from arbitrage.config import Settings
from arbitrage.errors import ConnectorError
from arbitrage.instruments import Instrument
from arbitrage.runtime.start_questions import ask_at_start
from arbitrage.trading.past import Key, Past, PastOrder
from arbitrage.trading.recovery_plan import (
    Fate,
    Plan,
    Traded,
    VenueWord,
    from_journal_alone,
    make_plan,
)
from arbitrage.venues.base import CLIENT_ID_NONE, Fill, FundingPayment, OrderReport
from arbitrage.venues.executions import exact_fill
from arbitrage.venues.resolver import ABSENT_AFTER_S, ACCEPTED_ABSENT_AFTER_S
from arbitrage.venues.rest_client import RestClient

__all__ = ["Recovered", "recover"]

OVERLAP_MS = 60_000  # executions are read this far back: clocks differ and rows appear late
ASK_EVERY_S = 0.1
END_WITHIN_S = 10.0  # an order that is neither over nor cancelled by then
# Positions and executions are listed by different parts of a venue, one behind the other.
READ_AGAIN_S = (0.2, 0.5, 1.0, 2.0)
_log = logging.getLogger(__name__)

T = TypeVar("T")
@dataclass(frozen=True)
class Recovered:
    """What an earlier run left: what to take over, and what the venues list since its last word."""

    past: Past = field(default_factory=Past)
    plan: Plan = field(default_factory=Plan)
    fills: tuple[Fill, ...] = ()
    fundings: tuple[FundingPayment, ...] = ()  # settled since that run last wrote something down


Instruments = Mapping[str, Mapping[str, Instrument]]


async def recover(
    settings: Settings,
    clients: Mapping[str, RestClient],
    instruments: Instruments,
    past: Past,
) -> Recovered:
    """Return what to take over of an earlier run.

    Parameters
    ----------
    settings : Settings
    clients : mapping
        venue -> open REST client whose clock is measured; not asked in paper mode.
    instruments : mapping
        venue -> canonical symbol -> contract traded now.
    past : Past
        What the last run's journal says; an empty one when there was none.

    Raises
    ------
    ConnectorError
        A venue did not answer, or says something that nobody can explain.
    """
    traded = {
        (venue, item.venue_symbol): item
        for venue, items in instruments.items()
        for item in items.values()
    }
    if settings.mode == "paper":
        found = Recovered(past, make_plan(past, from_journal_alone(past), traded))
    else:
        found = await _ask_until_explained(clients, past, traded)
    if found.plan.mismatches:
        raise _refusal_of(found.plan, settings.symbols_source)
    return found


def _refusal_of(plan: Plan, symbols_source: str) -> ConnectorError:
    """Return the report of what cannot be taken over, as the error that ends the start."""
    left_out = [one for one in plan.mismatches if one.is_left_out]
    others = [one for one in plan.mismatches if not one.is_left_out]
    found, todo = [], []
    if others:
        listed = "; ".join(str(one) for one in others)
        found.append(f"positions that this trader's journal does not explain: {listed}")
        # what the last run traded is compared at this start whether or not it is named again
        leave = f" or leave their symbols out of {symbols_source}"
        todo.append(
            "compare with the venues' order history, close these positions there (both legs of a "
            "symbol)" + ("" if any(one.symbol for one in others) else leave)
        )
    if left_out:
        listed = ", ".join(f"{one.venue} {one.told:f} {one.venue_symbol}" for one in left_out)
        names = ",".join(sorted({one.symbol for one in left_out}))
        place = symbols_source if symbols_source == "--symbols" else "ARB_SYMBOLS"
        found.append(
            f"positions of this trader in symbols that are not traded any more: {listed}"
        )
        todo.append(
            f"put {names} back into {place} so that they are taken over, or close them by hand "
            "(both legs of a symbol)"
        )
    what = "; ".join(todo)
    return ConnectorError(
        f"{'; '.join(found)}. Nothing was sent or changed. {what[0].upper()}{what[1:]}, then "
        "start again",
        is_terminal=True,
    )


async def _ask_until_explained(
    clients: Mapping[str, RestClient], past: Past, traded: Mapping[Key, Instrument]
) -> Recovered:
    asking = [_Asked(venue, client, past, traded) for venue, client in clients.items()]
    await asyncio.gather(*(one.settle_orders() for one in asking))
    for pause_s in (*READ_AGAIN_S, None):
        words = await asyncio.gather(*(one.read() for one in asking))
        plan = make_plan(past, _together(words), traded)
        if pause_s is None or not plan.mismatches:
            return Recovered(
                past,
                plan,
                tuple(chain.from_iterable(one.fills for one in asking)),
                tuple(chain.from_iterable(one.fundings for one in asking)),
            )
        await asyncio.sleep(pause_s)
    raise AssertionError("the last reading returns")


def _together(words: Sequence[VenueWord]) -> VenueWord:
    held: dict[Key, Decimal] = {}
    fates: dict[int, Fate] = {}
    traded: list[Traded] = []
    for word in words:
        held |= word.held
        fates |= word.fates
        traded += word.traded
    return VenueWord(held=held, fates=fates, traded=sorted(traded, key=lambda one: one.wall_ms))


class _Asked:
    """The questions to one venue."""

    def __init__(
        self, venue: str, client: RestClient, past: Past, traded: Mapping[Key, Instrument]
    ) -> None:
        self._venue = venue
        self._client = client
        self._past = past
        self._orders = [order for order in past.open_orders if order.venue == venue]
        self._names = {name for at, name in {*traded, *past.symbols} if at == venue}
        self._fates: dict[int, Fate] = {}
        self._traded = traded
        self.fills: list[Fill] = []
        self.fundings: list[FundingPayment] = []

    async def settle_orders(self) -> None:
        """Cancel what rests, and learn how each order ended."""
        for report in await self._patiently(self._client.open_orders):
            if report.venue_symbol in self._names:
                await self._cancel(report)
        await asyncio.gather(*(self._settle(order) for order in self._orders))

    async def _cancel(self, report: OrderReport) -> None:
        if report.client_id == CLIENT_ID_NONE:
            raise ConnectorError(
                f"order {report.order_id} of {report.venue_symbol} rests and is not ours: cancel "
                "it, or leave its symbol out of those traded here, then start again",
                venue=self._venue,
                is_terminal=True,
            )
        _log.warning("%s: order %d still rests; cancelling it", self._venue, report.client_id)
        try:
            await self._client.cancel_order(report.venue_symbol, report.client_id)
        except ConnectorError as error:
            # it may have ended meanwhile; what became of it is asked for
            _log.info("%s", error)

    async def _settle(self, order: PastOrder) -> None:
        """Ask for one order until it is over, or will never come to live."""
        begun_s = time.monotonic()
        absent_after_s = ACCEPTED_ABSENT_AFTER_S if order.is_accepted else ABSENT_AFTER_S
        while True:
            # by either clock: this machine's may have been set meanwhile
            age_s = max((time.time_ns() - order.wall_ns) / 1e9, time.monotonic() - begun_s)
            report = await self._patiently(
                lambda: self._client.order_by_client_id(order.client_id, order.venue_symbol)
            )
            if report is not None and report.is_terminal:
                self._fates[order.client_id] = Fate(order.client_id, report.cum_qty_venue)
                return
            # a frame that was under way when the run died is dropped by the venue after its time
            if report is None and age_s > absent_after_s:
                self._fates[order.client_id] = Fate(order.client_id, None)
                return
            if time.monotonic() - begun_s > END_WITHIN_S:
                raise ConnectorError(
                    f"order {order.client_id} of {order.venue_symbol} was cancelled and does not "
                    "end; cancel it on the venue's site, then start again",
                    venue=self._venue,
                )
            if report is not None:
                await self._cancel(report)
            await asyncio.sleep(ASK_EVERY_S)

    async def read(self) -> VenueWord:
        """Read executions and positions."""
        trades: list[Traded] = []
        if self._past.run:
            # by the venue's clock, which tells the executions' times
            age_ms = max(0, (time.time_ns() - self._past.since_wall_ns) // 1_000_000)
            since_ms = self._client.clock.wall_ms() - age_ms - OVERLAP_MS
            reports = await self._patiently(
                lambda: self._client.executions(since_wall_ms=since_ms)
            )
            self.fundings = await self._read_fundings(since_ms)
            self.fills = [
                exact_fill(self._traded[self._venue, report.venue_symbol], report)
                for report in reports
                if (self._venue, report.venue_symbol) in self._traded
            ]
            trades = [
                Traded(
                    key=(self._venue, report.venue_symbol),
                    client_id=report.client_id,
                    side=report.side,
                    qty=report.qty_venue,
                    px=report.px,
                    wall_ms=report.wall_ms,
                    by_venue=report.by_venue,
                )
                for report in reports
            ]
        positions = await self._patiently(self._client.positions)
        held = {
            (self._venue, position.venue_symbol): position.qty_venue
            for position in positions
            if position.qty_venue
        }
        return VenueWord(held=held, fates=self._fates, traded=trades)

    async def _read_fundings(self, since_ms: int) -> list[FundingPayment]:
        """Read what was settled while no trader listened; pairs stand through a restart."""
        reports = await self._patiently(lambda: self._client.funding_paid(since_ms))
        found = []
        for report in reports:
            item = self._traded.get((self._venue, report.venue_symbol))
            if item is not None:
                found.append(
                    FundingPayment(
                        venue=self._venue,
                        symbol=item.symbol,
                        payment_id=report.payment_id,
                        amount=report.amount,
                        wall_ms=report.wall_ms,
                    )
                )
        return found

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await ask_at_start(self._client, ask)
