"""One venue's REST interface: a session, a rate limit, and errors that say what to do."""

import asyncio
import logging
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlencode

from arbitrage.core.kill import REJECT_KILLED
from arbitrage.errors import ConnectorError
from arbitrage.hosts import is_loopback
from arbitrage.instruments import Instrument
from arbitrage.secret import MaskedLog
from arbitrage.venues.base import (
    AccountCheck,
    Credentials,
    ExecutionReport,
    FeeRate,
    FundingReport,
    OrderReport,
    Position,
    TopOfBook,
    VenueClock,
    Wallet,
)
from arbitrage.venues.codes import Action, CodeTable
from arbitrage.venues.http_line import NoLineError
from arbitrage.venues.limits import EndpointLimits, Limit
from arbitrage.venues.loop_clock import loop_ns
from arbitrage.venues.rate_limit import TokenBucket
from arbitrage.venues.rest_transport import Answer, HttpTransport, RestTransport
from arbitrage.venues.venue_clock import SAMPLES, ClockSample

# A request that would have to wait longer than this for the rate limit fails instead.
PAUSE_WAIT_S = 10.0
# How long an order is good for: the venue drops it when it arrives later. A stale order is worse
# than none, and past this time "not found" is a final answer.
ORDER_VALID_MS = 600
# A question refused for a passing reason is asked once more after so long.
ASK_AGAIN_S = 0.2

T = TypeVar("T")


def _everything(_reduces: bool) -> bool:
    return True


class RestClient(ABC):
    """Base of both venues' clients. Used by one loop; `async with` opens and closes the session.

    Parameters
    ----------
    base_url : str
        Such as ``https://api.bybit.com``; hosts are configuration.
    credentials : Credentials or None
        None: public endpoints only.
    requests_per_s, burst : float
        The limit of all requests together, below what the venue allows an address.
    transport : RestTransport, optional
        Carries the requests instead of HTTP: a venue that is simulated without sockets.
    """

    venue = ""
    codes: CodeTable
    throttle_s = 1.0  # the window in which the venue counts requests
    endpoint_limits: Mapping[str, Limit] = {}
    other_limit = Limit(20, 1.0)
    # Orders are counted by the sender: path -> whether it is that of cancels.
    order_paths: Mapping[str, bool] = {}

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None,
        *,
        timeout_s: float = 5.0,
        requests_per_s: float = 80.0,
        burst: float = 50.0,
        ssl_context: ssl.SSLContext | None = None,
        transport: RestTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.clock = VenueClock()
        self._credentials = credentials
        self._timeout_s = timeout_s
        self.on_order_told: Callable[[bool, int, int, float], None] | None = None
        # asked right before an order leaves, with whether it reduces
        self.lets_out: Callable[[bool], bool] = _everything
        self._bucket = TokenBucket(requests_per_s, burst, reserve=burst / 4)
        self._endpoints = EndpointLimits(self.endpoint_limits, self.other_limit)
        self._http = HttpTransport(self.base_url, timeout_s=timeout_s, ssl_context=ssl_context)
        self._transport = transport
        self._log = MaskedLog(logging.getLogger(f"arbitrage.venues.{self.venue}"), self.hide)

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def open(self) -> None:
        """Open the session; must be called on the loop that uses it."""
        if self._transport is None:
            self._http.open()

    async def close(self) -> None:
        """Close the session."""
        await self._http.close()

    async def sync_clock(self) -> VenueClock:
        """Measure the venue's clock by several questions; a step of it is told.

        Where the venue wants no more questions for now, those that it answered have to do.
        """
        clock = self.clock
        samples: list[ClockSample] = []
        for index in range(SAMPLES):
            sent_ns = clock.mono_ns()
            try:
                server_ms = await self.server_time_ms()
            except ConnectorError as error:
                if self.codes.action(error.code) is not Action.THROTTLE or (
                    not samples and index == SAMPLES - 1
                ):
                    raise
                if samples:
                    break
                await asyncio.sleep(self.throttle_s)
                continue
            samples.append(ClockSample(sent_ns, clock.mono_ns(), server_ms))
        was_measured = clock.is_measured
        step_ms = clock.learn(samples)
        if step_ms:
            self._log.warning(
                "%s: the venue's clock %s %+.0f ms; requests carry its time, set this machine's "
                "clock if it is the one that is wrong",
                self.venue,
                "stepped by" if was_measured else "differs from this machine's by",
                step_ms,
            )
        return clock

    # ---- what a venue answers -------------------------------------------------------------------

    @abstractmethod
    def headers(
        self, method: str, path: str, query: str, body: str, valid_ms: int = 0
    ) -> dict[str, str]:
        """Return the headers of a signed request, to be dropped after `valid_ms` if not 0."""

    @property
    def place(self) -> str:
        """Where this client asks, in words."""
        return self.base_url

    def public_headers(self) -> dict[str, str]:
        """Return the headers of an unsigned request."""
        return {"Content-Type": "application/json"}

    @abstractmethod
    async def server_time_ms(self) -> int:
        """Return the venue's wall clock."""

    @abstractmethod
    async def instruments(self) -> list[Instrument]:
        """Return every USDT-margined perpetual, live or not."""

    @abstractmethod
    async def instrument(self, venue_symbol: str) -> Instrument | None:
        """Return one contract as it is listed now; None when it is not listed any more."""

    @abstractmethod
    async def top_of_book(self, venue_symbol: str) -> TopOfBook:
        """Return where a contract stands now: proof for a row that its stream leaves silent."""

    async def funding_intervals(self) -> dict[str, float]:
        """Return the hours between settlements by venue symbol, where the list does not say."""
        return {}

    @abstractmethod
    async def fee_rate(self, venue_symbol: str) -> FeeRate | None:
        """Return the account's fees for a symbol; None when the venue names none."""

    @abstractmethod
    async def wallet(self) -> Wallet:
        """Return the USDT equity and free margin."""

    @abstractmethod
    async def positions(self) -> list[Position]:
        """Return the positions that are not flat."""

    @abstractmethod
    async def check_account(self, venue_symbol: str) -> AccountCheck:
        """Assert one position per symbol and cross margin; ConnectorError says what to change."""

    @abstractmethod
    async def leverage(self, venue_symbol: str) -> Decimal:
        """Return the leverage set for a symbol in cross margin; 0 when the venue names none."""

    @abstractmethod
    async def order_by_client_id(self, client_id: int, venue_symbol: str) -> OrderReport | None:
        """Return an order's state; None when the venue does not know it."""

    @abstractmethod
    async def open_orders(self, venue_symbol: str | None = None) -> list[OrderReport]:
        """Return the orders that may still fill, of one symbol or of all, whoever placed them."""

    @abstractmethod
    async def cancel_orders(self, orders: Sequence[OrderReport]) -> None:
        """Ask for the cancellation of open orders, whoever placed them; accepted is not done."""

    @abstractmethod
    async def executions(
        self,
        *,
        since_wall_ms: int | None = None,
        venue_symbol: str | None = None,
        client_id: int | None = None,
        order_id: str | None = None,
    ) -> list[ExecutionReport]:
        """Return executions, oldest first, by time or of one order."""

    @abstractmethod
    async def funding_paid(self, since_wall_ms: int) -> list[FundingReport]:
        """Return the funding settlements of our positions since then, oldest first."""

    @abstractmethod
    async def place_order(
        self,
        venue_symbol: str,
        client_id: int,
        side: int,
        px: str,
        qty: str,
        *,
        reduce_only: bool = False,
    ) -> str:
        """Place a limit-IOC order; return the venue's order id. Accepted is not filled."""

    @abstractmethod
    async def cancel_order(self, venue_symbol: str, client_id: int, order_id: str = "") -> None:
        """Ask for an order's cancellation, by the venue's id where given; accepted is not done."""

    def hide(self, text: str) -> str:
        """Mask the key wherever the venue quotes it."""
        return text if self._credentials is None else self._credentials.hide(text)

    # ---- requests -------------------------------------------------------------------------------

    def check_status(self, status: int, path: str, body: bytes) -> None:
        """Raise ConnectorError for an HTTP status that carries no readable answer."""
        if status >= 500:
            raise ConnectorError(
                f"{path} answered HTTP {status}; the outcome is unknown until asked for",
                venue=self.venue,
                code=status,
                is_unanswered=True,
            )
        if status == 429:
            self.throttle(path)
        if status >= 400 and not body.lstrip().startswith(b"{"):
            raise ConnectorError(
                f"{path} answered HTTP {status}; check the host, and that this address and region "
                "may use it",
                venue=self.venue,
                code=status,
                is_terminal=status in {401, 403, 404, 451},
            )

    def refused(self, path: str, code: int | str, said: str) -> ConnectorError:
        """Return the error of an answer with a code, after what the venue's table demands."""
        row = self.codes.of(code)
        action = row.action
        if action is Action.THROTTLE:
            self.throttle("" if row.is_address else path)
        text = self.codes.said(code, self.hide(said))
        if row.is_key and self._credentials is not None and self._credentials.variable:
            text += f"; {self._credentials.variable} is no key of {self.place}"
        return ConnectorError(
            f"{path}: {text}",
            venue=self.venue,
            code=code,
            is_terminal=action is Action.STOP,
        )

    @property
    def request_limit(self) -> TokenBucket:
        """What all requests together may take, whichever endpoint they ask."""
        return self._bucket

    def throttle(self, path: str = "") -> None:
        """Hold back what is not urgent until the venue counts anew: one path's, or everything."""
        if path:
            self._endpoints.pause(path, self.throttle_s)
        else:
            self._bucket.pause(self.throttle_s)

    def wait_s(self, path: str, *, is_urgent: bool = False) -> float:
        """Return how long until a request to a path may leave; 0: now."""
        return max(
            self._bucket.wait_s(is_urgent=is_urgent),
            self._endpoints.wait_s(path, is_urgent=is_urgent),
        )

    async def ask_again_once(self, ask: Callable[[], Awaitable[T]], *, is_signed: bool) -> T:
        """Ask; once more when the table calls the refusal a passing one."""
        try:
            return await ask()
        except ConnectorError as error:
            row = self.codes.of(error.code)
            # the clock is measured by an unsigned question: that one must not come back here
            if row.action is not Action.RETRY or not is_signed:
                raise
            if row.is_clock:
                await self.sync_clock()
            else:
                await asyncio.sleep(ASK_AGAIN_S)
        return await ask()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: bytes = b"",
        is_signed: bool = False,
        is_urgent: bool = False,
        valid_ms: int = 0,
        reduces: bool | None = None,
    ) -> bytes:
        """Send one request and return the answer's body.

        `valid_ms` is how long the venue may take it for, where it can be told; 0: its own rule.
        `reduces` is given for orders alone, which the kill switch may hold back.

        Raises
        ------
        ConnectorError
            No answer, an HTTP error, or a missing key.
        """
        if self._transport is None and not self._http.is_open:
            raise ConnectorError("REST session is not open", venue=self.venue)
        text = urlencode(query or {})
        headers = self.public_headers()
        await self._token(method, path, is_urgent)
        if is_signed:
            if self._credentials is None or not self._credentials.key:
                raise ConnectorError(
                    f"{path} needs an API key of {self.place}",
                    venue=self.venue,
                    is_terminal=True,
                )
            headers = self.headers(method, path, text, body.decode(), valid_ms)
        # after waiting for a token and after the stamp of the headers: it leaves now or never
        if reduces is not None and not self.lets_out(reduces):
            raise ConnectorError(
                "the order was not sent: the kill switch has tripped",
                venue=self.venue,
                code=REJECT_KILLED,
            )
        status, told, answer = await self._carry(
            method, path, f"{path}?{text}" if text else path, headers, body
        )
        self.heed_headers(path, status, {name.lower(): text for name, text in told.items()})
        self.check_status(status, path, answer)
        return answer

    def heed_headers(  # noqa: B027
        self, path: str, status: int, headers: Mapping[str, str]
    ) -> None:
        """Learn from an answer's headers, their names in lower case."""

    def limit_told(self, path: str, limit: int, left: int, reset_after_s: float) -> None:
        """Heed how many requests a path allows, how many are left, and for how long."""
        is_cancel = self.order_paths.get(path)
        if is_cancel is None:
            now_ns = loop_ns()
            reset_ns = now_ns + int(reset_after_s * 1e9) if reset_after_s > 0 else 0
            self._endpoints.of(path).told(now_ns, limit, left, reset_ns)
        elif self.on_order_told is not None:
            self.on_order_told(is_cancel, limit, left, reset_after_s)

    async def _carry(
        self, method: str, path: str, path_with_query: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        try:
            if self._transport is None:
                return await self._http(method, path_with_query, headers, body)
            async with asyncio.timeout(self._timeout_s):
                return await self._transport(method, path_with_query, headers, body)
        except TimeoutError:
            raise ConnectorError(
                f"{path} was not answered within {self._timeout_s:g} s; check the host "
                f"{self.base_url}",
                venue=self.venue,
                is_unanswered=True,
            ) from None
        except OSError as error:
            said = self.hide(str(error)) or type(error).__name__
            hint = "; is `arb sim` running?" if is_loopback(self.base_url) else ""
            raise ConnectorError(
                f"{path} failed at {self.base_url}: {said}{hint}",
                venue=self.venue,
                is_unanswered=not isinstance(error, NoLineError),
            ) from None

    async def _token(self, method: str, path: str, is_urgent: bool) -> None:
        is_order = method == "POST" and path in self.order_paths
        wait_s = self._bucket.wait_s(is_urgent=is_urgent)
        if not is_order:
            wait_s = max(wait_s, self._endpoints.wait_s(path, is_urgent=is_urgent))
        if wait_s > PAUSE_WAIT_S:
            raise ConnectorError(
                f"{path} was not sent: the venue asked for a pause, {wait_s:.0f} s are left",
                venue=self.venue,
            )
        if not is_order:
            await self._endpoints.take(path, is_urgent=is_urgent)
        await self._bucket.take(is_urgent=is_urgent)
