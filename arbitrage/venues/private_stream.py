"""A venue's private data on one connection; the venues' modules supply the words.

Missed pushes are not replayed by either venue: after each reconnect the executions since the last
known one are read over REST, and every unsettled order is asked for. What came twice is dropped.
Positions and the wallet are read again too, and held against the executions.
"""

import asyncio
import ssl
from abc import abstractmethod
from collections.abc import Callable

from picows import ws_connect

from arbitrage.errors import ConnectorError, WireError
from arbitrage.venues.account_view import AccountView
from arbitrage.venues.base import (
    Credentials,
    FundingPayment,
    FundingReport,
    Position,
    Wallet,
)
from arbitrage.venues.connection import Connector
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.reconnect import ReconnectPolicy
from arbitrage.venues.rest_client import RestClient
from arbitrage.venues.signed import SignedConnection

OVERLAP_MS = 5_000  # read this far back: clocks differ and rows appear late
# Settlements are read again so long after each full hour, which is when venues settle.
FUNDING_LATE_S = 60.0
FUNDING_OVERLAP_MS = 600_000  # a settlement is listed some time after the hour that it bears
HOUR_MS = 3_600_000
# How far apart settlements are asked for that are not told yet; and while nobody answers.
FUNDING_ASK_S, FUNDING_PAUSE_MAX_S = 1.0, 30.0


class PrivateStream(SignedConnection):
    """Orders, executions, positions and wallet of an account.

    Parameters
    ----------
    tracker : ExecutionTracker
        Takes executions and orders.
    on_position, on_wallet, on_funding : callable, optional
        Take the exact pushes as they come.
    on_caught_up : callable, optional
        Called after the catch-up of each connection: the moment to ask for unsettled orders.
    on_difference : callable, optional
        Told of a position that is not what the executions say, after both were read again.

    Attributes
    ----------
    account : AccountView
        Positions and wallet as last told.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        rest: RestClient,
        tracker: ExecutionTracker,
        *,
        on_position: Callable[[Position], None] | None = None,
        on_wallet: Callable[[Wallet], None] | None = None,
        on_funding: Callable[[FundingPayment], None] | None = None,
        on_caught_up: Callable[[], None] | None = None,
        on_difference: Callable[[ConnectorError], None] | None = None,
        ping_s: float = 15.0,
        policy: ReconnectPolicy | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connector: Connector = ws_connect,
    ) -> None:
        super().__init__(
            url,
            "private data",
            credentials,
            rest,
            ping_s=ping_s,
            policy=policy,
            ssl_context=ssl_context,
            connector=connector,
        )
        self.tracker = tracker
        self.on_caught_up = on_caught_up
        self.catch_up_count = 0
        self.account = AccountView(tracker.symbols, self._differs)
        tracker.on_counted = self.account.filled
        self._on_difference = on_difference
        self._differing: set[str] = set()
        self._is_begun = False
        self._on_position = on_position
        self._on_wallet = on_wallet
        self._on_funding = on_funding
        self._since_wall_ms = 0
        self._missing_acks: set[str] = set()
        self._subscribed: asyncio.Future[None] | None = None
        self._funding_read_ms = 0  # when the last reading of settlements began
        self._payments: set[tuple[str, str]] = set()
        self._is_funding_asked = False
        self._funding_task: asyncio.Task[None] | None = None

    @abstractmethod
    def subscribe_frame(self) -> bytes:
        """Return the request that subscribes every private topic."""

    @abstractmethod
    def subscribe_acks(self) -> set[str]:
        """Return the names whose acknowledgements complete the subscription."""

    @abstractmethod
    async def executions_since(self, wall_ms: int) -> None:
        """Read the executions since then over REST and hand them to the tracker."""

    async def run(self) -> None:
        """Hold the connection, and read settlements now and then, until stopped."""
        watch = asyncio.ensure_future(self._watch_funding())
        try:
            await super().run()
        finally:
            watch.cancel()

    async def on_open(self) -> None:
        """Log in, subscribe, and read what was missed meanwhile."""
        if self._since_wall_ms == 0:
            # nothing before our start is ours to account; reconciliation reads that
            self._since_wall_ms = self.rest.clock.wall_ms()
        await self.login()
        self._subscribed = asyncio.get_running_loop().create_future()
        self._missing_acks = self.subscribe_acks()
        self.send(self.subscribe_frame())
        try:
            async with asyncio.timeout(self.login_timeout_s):
                await self._subscribed
        except TimeoutError:
            missing = ", ".join(sorted(self._missing_acks))
            raise ConnectorError(
                f"private subscription was not acknowledged: {missing}",
                venue=self.venue,
            ) from None
        if not self._is_begun:
            self.account.begin(await self.rest.positions())
            self.push_wallet(await self.rest.wallet())
            self._is_begun = True
        if self.connect_count > 0:
            await self.catch_up()
        self.tracker.watched(True)

    def on_lost(self) -> None:
        """Tell the order side that it is blind until the stream is back."""
        self.tracker.watched(False)

    async def catch_up(self) -> None:
        """Read the executions and settlements that may have been missed; safe at any time."""
        since_ms = max(self._since_wall_ms, self.tracker.last_wall_ms - OVERLAP_MS)
        await self.executions_since(since_ms)
        if self.on_caught_up is not None:
            # orders are more urgent than what is only compared
            self.on_caught_up()
        self.ask_funding()  # beside: money that is counted late keeps nothing waiting
        await self.read_account()
        self.catch_up_count += 1

    def on_wire_error(self) -> None:
        """Read over REST what a push that could not be read may have said."""
        if self.is_ready:
            self.spawn(self.catch_up())

    def subscribed(self, name: str) -> None:
        """Take one subscription acknowledgement."""
        self._missing_acks.discard(name)
        if not self._missing_acks and self._subscribed is not None and not self._subscribed.done():
            self._subscribed.set_result(None)

    async def read_account(self) -> None:
        """Read positions and wallet over REST."""
        mark = self.account.mark()
        for position in self.account.restated(await self.rest.positions(), mark):
            self.hand_on(position)
        self.push_wallet(await self.rest.wallet())

    def push_position(self, position: Position) -> None:
        """Hand a position on, unless a newer one was told before."""
        if self.account.told(position) or position.venue_symbol not in self.tracker.symbols:
            self.hand_on(position)

    def push_wallet(self, wallet: Wallet) -> None:
        """Hand a wallet on, unless a newer one was told before."""
        if self.account.told_wallet(wallet) and self._on_wallet is not None:
            self._on_wallet(wallet)

    def hand_on(self, position: Position) -> None:
        """Hand on what is known to be new."""
        if self._on_position is not None:
            self._on_position(position)

    def _differs(self, venue_symbol: str) -> None:
        if self.is_ready:
            self.spawn(self._compare(venue_symbol))

    async def _compare(self, venue_symbol: str) -> None:
        """Read executions and positions again; what differs still is for a person."""
        try:
            await self.catch_up()
        except (ConnectorError, WireError) as failure:
            self._log.warning("%s: the account could not be read: %s", self.venue, failure)
            self.account.look(venue_symbol)
            return
        theirs, ours = self.account.holds(venue_symbol)
        if theirs == ours:
            self._differing.discard(venue_symbol)
            return
        if venue_symbol in self._differing:
            return
        self._differing.add(venue_symbol)
        error = ConnectorError(
            f"{venue_symbol}: the venue says that we hold {theirs:f} coins, the executions say "
            f"{ours:f}; compare both with the site and restart",
            venue=self.venue,
            is_terminal=True,
        )
        self._log.error("%s", error)
        if self._on_difference is not None:
            self._on_difference(error)

    def ask_funding(self) -> None:
        """Read the settlements over REST, beside the connection, until they are told."""
        self._is_funding_asked = True
        if self._funding_task is None or self._funding_task.done():
            self._funding_task = self.spawn(self._read_until_told())

    def is_funding_told(self, answers: int) -> bool:
        """Whether all settlements that we know of have come, after so many answers."""
        return True

    async def _read_until_told(self) -> None:
        answers, pause_s = 0, FUNDING_ASK_S
        while True:
            self._is_funding_asked = False
            try:
                await self.read_funding()
            except (ConnectorError, WireError) as error:
                # no answer says nothing about settlements: ask on, ever more seldom
                self._log.warning("%s: settlements not read: %s", self.venue, error)
                if isinstance(error, ConnectorError) and error.is_terminal:
                    return
                pause_s = min(2 * pause_s, FUNDING_PAUSE_MAX_S)
            else:
                answers, pause_s = answers + 1, FUNDING_ASK_S
                if not self._is_funding_asked and self.is_funding_told(answers):
                    return
            await asyncio.sleep(pause_s)

    async def _watch_funding(self) -> None:
        """Read the settlements after each hour: a push that never came is not missed by others."""
        while True:
            wall_ms = self.rest.clock.wall_ms()
            await asyncio.sleep((HOUR_MS - wall_ms % HOUR_MS) / 1000 + FUNDING_LATE_S)
            if self.is_ready:
                self.ask_funding()

    async def read_funding(self) -> None:
        """Read over REST the settlements since the last reading."""
        begun_ms = self.rest.clock.wall_ms()
        since_ms = max(self._since_wall_ms, self._funding_read_ms - FUNDING_OVERLAP_MS)
        for report in await self.rest.funding_paid(since_ms):
            self.take_funding(report)
        self._funding_read_ms = begun_ms

    def take_funding(self, report: FundingReport) -> bool:
        """Count a settlement of a symbol traded here; False when it was known, or is of another."""
        item = self.tracker.symbols.get(report.venue_symbol)
        key = (report.venue_symbol, report.payment_id)
        if item is None or key in self._payments:
            return False
        self._payments.add(key)
        if self._on_funding is not None:
            self._on_funding(
                FundingPayment(
                    venue=self.venue,
                    symbol=item.instrument.symbol,
                    payment_id=report.payment_id,
                    amount=report.amount,
                    wall_ms=report.wall_ms,
                )
            )
        return True
