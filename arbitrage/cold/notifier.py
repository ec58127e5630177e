"""The notifier: watches a trader from a process of its own and sends alerts to people.

Each address has an outbox of its own, so that one that is slow or gone holds up no other. What
comes while an outbox may not send yet, or cannot, is folded into its next message.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from arbitrage.cold.alert_rules import Alert, Rules, Watchman
from arbitrage.cold.alert_targets import Message, Target
from arbitrage.cold.deck import Deck
from arbitrage.wording import counted

__all__ = ["Notifier", "Outbox", "Pace", "Refused", "post", "send_test"]

LOOK_S = 0.5
ANSWER_BYTES_MAX = 1 << 16
RETRY_AFTER_MAX_S = 600.0
GONE_AFTER_S = 5.0  # what is left at the end is tried for so long
PASSING = (408, 425, 429)  # of the refusals, those that may end by themselves
_log = logging.getLogger("arbitrage.notify")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often an outbox sends, and how long it tries.

    Attributes
    ----------
    burst : int
        Messages that may leave at once.
    every_s : float
        Then one in so many seconds.
    waiting_max : int
        Alerts that wait; beyond it the oldest are dropped, and counted.
    timeout_s : float
        For one request.
    retry_s, retry_max_s : float
        First and longest wait after a failure.
    """

    burst: int = 3
    every_s: float = 20.0
    waiting_max: int = 100
    timeout_s: float = 10.0
    retry_s: float = 1.0
    retry_max_s: float = 60.0


class Refused(Exception):
    """An address did not take a message; the text holds nothing of its URL.

    Attributes
    ----------
    is_final : bool
        Trying again cannot help.
    after_s : float or None
        It asked to be left alone for so long.
    """

    def __init__(self, text: str, *, is_final: bool = False, after_s: float | None = None) -> None:
        super().__init__(text)
        self.is_final, self.after_s = is_final, after_s


async def post(session: aiohttp.ClientSession, target: Target, body: bytes) -> None:
    """Send one message.

    Raises
    ------
    Refused
        It did not arrive. Every other error becomes this one, without its text: that may hold
        the URL.
    """
    try:
        async with session.post(
            target.url.reveal(),
            data=body,
            headers={"Content-Type": "application/json"},
            allow_redirects=False,
        ) as answer:
            if 200 <= answer.status < 300:
                return
            after_s = None
            if answer.status == 429:
                after_s = _after_s(answer.headers.get("Retry-After"), await _json(answer))
            is_final = 300 <= answer.status < 500 and answer.status not in PASSING
            raise Refused(f"HTTP {answer.status}", is_final=is_final, after_s=after_s)
    except TimeoutError:
        raise Refused("no answer in time") from None
    except aiohttp.ClientConnectorError as error:
        reason = getattr(error.os_error, "strerror", None) or type(error).__name__
        raise Refused(f"cannot connect ({reason})") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Refused(f"cannot be sent ({type(error).__name__})") from None


async def _json(answer: aiohttp.ClientResponse) -> Any:
    text = await answer.content.read(ANSWER_BYTES_MAX)
    try:
        return msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return None


def _after_s(header: str | None, answer: Any) -> float | None:
    """Return how long an address asked for, by its header or as Telegram says it."""
    told: Any = header
    if isinstance(answer, dict) and isinstance(answer.get("parameters"), dict):
        told = answer["parameters"].get("retry_after", told)
    try:
        return min(RETRY_AFTER_MAX_S, max(0.0, float(told)))
    except (TypeError, ValueError):
        return None


class Outbox:
    """What one address is still to be told.

    Threads: one event loop.

    Parameters
    ----------
    target : Target
        Where to.
    pace : Pace
        How often, how long.
    """

    def __init__(self, target: Target, pace: Pace) -> None:
        self.target = target
        self.sent = self.failed = 0
        self.dropped = 0
        self._pace = pace
        self._waiting: deque[Alert] = deque()
        self._lost = 0  # since the last message that arrived
        self._news = asyncio.Event()
        self._tokens = float(pace.burst)
        self._filled_s = time.monotonic()
        self._failures = 0

    @property
    def waiting(self) -> int:
        """Alerts that have not arrived."""
        return len(self._waiting)

    def put(self, alert: Alert) -> None:
        """Take an alert; the oldest is dropped when there is no room."""
        if len(self._waiting) >= self._pace.waiting_max:
            self._waiting.popleft()
            self.dropped += 1
            self._lost += 1
        self._waiting.append(alert)
        self._news.set()

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Send what comes, for ever."""
        while True:
            await self._news.wait()
            await asyncio.sleep(self._wait_s())
            await asyncio.sleep(await self.send_once(session))

    def _wait_s(self) -> float:
        """Return how long the next message has to wait."""
        now_s = time.monotonic()
        gained = (now_s - self._filled_s) / self._pace.every_s
        self._tokens = min(float(self._pace.burst), self._tokens + gained)
        self._filled_s = now_s
        return max(0.0, (1.0 - self._tokens) * self._pace.every_s)

    async def send_once(self, session: aiohttp.ClientSession) -> float:
        """Send all that waits as one message; return how long to leave the address alone."""
        alerts, lost = list(self._waiting), self._lost
        if not alerts:
            self._news.clear()
            return 0.0
        self._wait_s()
        try:
            await post(session, self.target, self.target.body(Message(alerts, lost)))
        except Refused as refusal:
            return self._refused(refusal, len(alerts))
        if self._failures:
            _log.info("%s takes messages again", self.target.place)
        self._tokens = max(0.0, self._tokens - 1.0)
        self._failures = 0
        self.sent += 1
        self._lost -= lost
        self._forget(alerts)
        return 0.0

    def _refused(self, refusal: Refused, count: int) -> float:
        self.failed += 1
        self._failures += 1
        if refusal.is_final:
            _log.error(
                "%s refused %s: %s; check its address in ARB_ALERT_URLS",
                self.target.place, counted(count, "alert"), refusal,
            )  # fmt: skip
            self.dropped += count
            self._lost += count
            self._forget(list(self._waiting)[:count])
            return self._pace.retry_max_s
        wait_s = self._pace.retry_s * 2.0 ** min(self._failures - 1, 20)
        wait_s = min(wait_s, self._pace.retry_max_s) * random.uniform(0.5, 1.0)
        if self._failures == 1:
            _log.warning("%s: %s; trying again", self.target.place, refusal)
        return wait_s if refusal.after_s is None else max(wait_s, refusal.after_s)

    def _forget(self, alerts: Sequence[Alert]) -> None:
        """Take out what is done with; some may have been dropped meanwhile."""
        done = {id(alert) for alert in alerts}
        self._waiting = deque(alert for alert in self._waiting if id(alert) not in done)
        if not self._waiting:
            self._news.clear()


class Notifier:
    """Look at traders and tell every address what begins and what ends.

    Parameters
    ----------
    looks : sequence of callable
        One a trader: returns its newest deck; each is called in a thread, one call at a time.
    targets : sequence of Target
        Where to.
    rules : Rules
        What is told.
    pace : Pace
        How often.
    """

    def __init__(
        self,
        looks: Sequence[Callable[[], Deck]],
        targets: Sequence[Target],
        rules: Rules,
        pace: Pace | None = None,
        look_s: float = LOOK_S,
    ) -> None:
        self._look_s = look_s
        self._pace = pace or Pace()
        self._watched = [(look, Watchman(rules, time.monotonic)) for look in looks]
        self.outboxes = [Outbox(target, self._pace) for target in targets]

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until told to stop; what is left then is tried once more."""
        async with new_session(self._pace) as session:
            tasks = [asyncio.create_task(box.run(session)) for box in self.outboxes]
            try:
                while not stop.is_set():
                    await self._turn()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), self._look_s)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GONE_AFTER_S):
                    await asyncio.gather(*(box.send_once(session) for box in self.outboxes))

    async def _turn(self) -> None:
        decks = await asyncio.gather(*(asyncio.to_thread(look) for look, _ in self._watched))
        for (_, watchman), deck in zip(self._watched, decks, strict=True):
            for alert in watchman.look(deck):
                level = logging.INFO if alert.is_over else logging.WARNING
                _log.log(level, "%s: %s", alert.trader, alert.text)
                for box in self.outboxes:
                    box.put(alert)


def new_session(pace: Pace) -> aiohttp.ClientSession:
    """Return a client that follows no proxy variable and keeps no cookie."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=pace.timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def send_test(
    targets: Sequence[Target], traders: Sequence[str], pace: Pace
) -> dict[str, str]:
    """Send one message to each address; return what went wrong by place, empty: it arrived."""
    text = "this is a test of arb notify; nothing has happened"
    now_ns = time.time_ns()
    alerts = [Alert("test", "", text, True, now_ns, trader) for trader in traders]
    found: dict[str, str] = {}
    async with new_session(pace) as session:
        for number, target in enumerate(targets, 1):
            place = f"{number}, {target.place}"
            try:
                await post(session, target, target.body(Message(alerts)))
                found[place] = ""
            except Refused as refusal:
                found[place] = str(refusal)
    return found
