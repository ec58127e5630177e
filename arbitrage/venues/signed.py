"""A connection that logs in: the shared half of private feeds and order gateways."""

import asyncio
import ssl
from abc import abstractmethod
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit

from picows import ws_connect

from arbitrage.errors import ConnectorError
from arbitrage.venues.base import Credentials
from arbitrage.venues.codes import Action, CodeTable
from arbitrage.venues.connection import Connection, Connector
from arbitrage.venues.reconnect import ReconnectPolicy
from arbitrage.venues.rest_client import RestClient

# Refusals of a login that pass by themselves; anything else needs a person.
PASSING = {Action.RETRY, Action.QUERY, Action.THROTTLE}
# A clock measured so often and still refused is not what is wrong.
CLOCK_MEASURES_MAX = 2


class SignedConnection(Connection):
    """Log in with a key before anything else is sent.

    Parameters
    ----------
    credentials : Credentials
        Revealed only while the login frame is built.
    rest : RestClient
        Its clock stamps the login; resynchronised when the venue refuses a timestamp.
    """

    venue_name = ""
    ping = b""
    codes: CodeTable
    login_timeout_s = 5.0

    def __init__(
        self,
        url: str,
        label: str,
        credentials: Credentials,
        rest: RestClient,
        *,
        ping_s: float = 15.0,
        policy: ReconnectPolicy | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connector: Connector = ws_connect,
    ) -> None:
        super().__init__(
            venue=self.venue_name,
            label=label,
            url=url,
            ping=self.ping,
            ping_s=ping_s,
            policy=policy,
            ssl_context=ssl_context,
            connector=connector,
        )
        if not credentials.key or not credentials.secret:
            raise ConnectorError(
                f"{label} needs an API key; set {self.venue.upper()}_API_KEY and "
                f"{self.venue.upper()}_API_SECRET",
                venue=self.venue,
                is_terminal=True,
            )
        self.rest = rest
        self._credentials = credentials
        self._login: asyncio.Future[None] | None = None
        self._clock_measures = 0  # since a login was accepted
        self._resyncing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def hide(self, text: str) -> str:
        """Mask the key wherever the venue quotes it."""
        return self._credentials.hide(text)

    def fail(self, error: ConnectorError) -> None:
        """End the present attempt with an error that does not show the key."""
        error.hide(self.hide)
        super().fail(error)

    @abstractmethod
    def login_frame(self, wall_ms: int) -> bytes:
        """Return the signed login request."""

    async def login(self) -> None:
        """Log in and wait for the answer.

        Raises
        ------
        ConnectorError
            Refused (terminal unless it was the clock), or not answered.
        """
        if self._resyncing is not None:
            # a time that was refused would only be refused again
            await asyncio.wait({self._resyncing})
        self._login = asyncio.get_running_loop().create_future()
        self.send(self.login_frame(self.rest.clock.stamp_ms()))
        try:
            async with asyncio.timeout(self.login_timeout_s):
                await self._login
        except TimeoutError:
            raise ConnectorError(
                f"{self.label} login was not answered within {self.login_timeout_s:g} s",
                venue=self.venue,
            ) from None

    def login_accepted(self) -> None:
        """Say that the venue let us in."""
        self._clock_measures = 0
        if self._login is not None and not self._login.done():
            self._login.set_result(None)

    def login_refused(self, code: str | int | None, said: str, *, is_clock: bool = False) -> None:
        """Say that the venue refused; a clock that is off and a busy venue are worth another try.

        `is_clock` is what the connector read from the words; the venue's table knows by the code.
        """
        is_passing = code in self.codes and self.codes.action(code) in PASSING
        is_clock = is_clock or self.codes.of(code).is_clock
        is_passing = is_passing and not is_clock
        is_clock = is_clock and self._clock_measures < CLOCK_MEASURES_MAX
        if is_clock:
            if self._resyncing is None or self._resyncing.done():
                self._resyncing = self.spawn(self._resync())
            advice = "the clock was off and is being measured again"
        elif is_passing:
            advice = "trying again"
        else:
            name = self._credentials.variable or f"{self.venue.upper()}_API_KEY"
            host = urlsplit(self.url).netloc
            advice = f"check {name} and its secret, and that they belong to {host}"
        error = ConnectorError(
            f"{self.label} login refused: {self.hide(said) or 'no reason given'}; {advice}",
            venue=self.venue,
            code=code,
            is_terminal=not (is_clock or is_passing),
        )
        if self._login is not None and not self._login.done():
            self._login.set_exception(error)
        else:
            self.fail(error)

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run some work beside the connection; its failure is logged, never lost."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._work_ended)
        return task

    def stop(self) -> None:
        """End `run` and whatever was spawned."""
        super().stop()
        for task in self._tasks:
            task.cancel()

    def _work_ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._log.error("%s: %s", self.venue, task.exception())

    async def _resync(self) -> None:
        await self.rest.sync_clock()
        self._clock_measures += 1
