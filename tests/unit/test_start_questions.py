"""What a start asks: again where a venue did not answer once, at an end where it never does."""

import asyncio
import logging
from collections.abc import Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from arbitrage.config import load_settings
from arbitrage.errors import ConnectorError
from arbitrage.runtime import start_questions
from arbitrage.runtime.connectors import VenueGateway
from arbitrage.runtime.start_questions import TRIES, ask_at_start
from arbitrage.runtime.startup import _load_venue
from arbitrage.venues.base import AccountCheck, FeeRate, KeyRights
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.http_line import BrokenAnswerError
from arbitrage.venues.okx.rest import OkxRest

Said = tuple[int, Mapping[str, str], bytes]
TIME: Said = (200, {}, b'{"code":"0","msg":"","data":[{"ts":"5000"}]}')
REFUSED: Said = (200, {}, b'{"code":"50110","msg":"banned","data":[]}')
BUSY: Said = (200, {}, b'{"code":"50011","msg":"too many","data":[]}')
SILENCE = TimeoutError()
FAILED: Said = (503, {}, b"oops")
BROKEN = BrokenAnswerError("the answer broke off")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(start_questions, "PAUSE_S", 0.0)
    monkeypatch.setattr(OkxRest, "throttle_s", 0.01)
    caplog.set_level(logging.INFO, logger=start_questions.__name__)


class Line:
    """Says one thing after the other, the last one for ever."""

    def __init__(self, *said: Said | Exception) -> None:
        self.said, self.asked = list(said), 0

    async def __call__(self, *_request: object) -> Said:
        self.asked += 1
        found = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(found, Exception):
            raise found
        return found


def ask(line: Line) -> int:
    async def main() -> int:
        async with OkxRest("https://venue.invalid", None, transport=line) as rest:
            return await ask_at_start(rest, rest.server_time_ms)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (SILENCE, "was not answered within 5 s; check the host https://venue.invalid"),
        (FAILED, "answered HTTP 503; the outcome is unknown until asked for (code 503)"),
        (BROKEN, "failed at https://venue.invalid: the answer broke off"),
    ],
)
def test_what_is_not_answered_once_is_asked_again(
    failure: Said | Exception, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(failure, TIME)
    assert (ask(line), line.asked) == (5000, 2)
    (record,) = caplog.records
    told = f"okx: /api/v5/public/time {words}; asking again, 2 of {TRIES} times"
    assert (record.levelno, record.getMessage()) == (logging.WARNING, told)


def test_a_venue_that_never_answers_ends_the_start() -> None:
    line = Line(SILENCE)
    with pytest.raises(ConnectorError, match="was not answered within 5 s"):
        ask(line)
    assert line.asked == TRIES


def test_what_is_refused_for_good_is_not_asked_again() -> None:
    line = Line(REFUSED)
    with pytest.raises(ConnectorError, match="banned"):
        ask(line)
    assert line.asked == 1


def test_a_pause_that_is_wanted_is_kept_however_often(caplog: pytest.LogCaptureFixture) -> None:
    line = Line(*[BUSY] * (TRIES + 2), TIME)
    assert ask(line) == 5000
    assert {record.levelno for record in caplog.records} == {logging.INFO}


def test_where_nobody_listens_the_start_ends_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with BybitRest("http://127.0.0.1:1", None) as rest:
            await ask_at_start(rest, rest.server_time_ms)

    with pytest.raises(ConnectorError, match="is `arb sim` running"):
        asyncio.run(main())
    assert caplog.records == []


class Client:
    """A venue each of whose questions is not answered the first time."""

    venue, base_url, throttle_s, codes = "okx", "https://venue.invalid", 1.0, OkxRest.codes

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def _answer(self, question: str, answer: Any) -> Any:
        self.asked.append(question)
        if self.asked.count(question) == 1:
            raise ConnectorError(f"{question} was not answered", venue="okx", is_unanswered=True)
        return answer

    def open(self) -> None: ...

    async def sync_clock(self) -> Any:
        return await self._answer("clock", None)

    async def instruments(self) -> Any:
        contract = SimpleNamespace(symbol="BTCUSDT", venue_symbol="BTC", is_live=True)
        return await self._answer("instruments", [contract])

    async def fee_rate(self, venue_symbol: str) -> Any:
        return await self._answer(f"fee {venue_symbol}", FeeRate(taker_bps=4.5, maker_bps=1.0))

    async def check_account(self, venue_symbol: str) -> Any:
        key = KeyRights(may_withdraw=False, is_bound=True)
        return await self._answer(f"account {venue_symbol}", AccountCheck("net", "cross", key))

    async def leverage(self, venue_symbol: str) -> Any:
        return await self._answer(f"leverage {venue_symbol}", Decimal(3))

    async def wallet(self) -> Any:
        return await self._answer("wallet", "the wallet")


def test_every_question_of_a_start_may_stay_unanswered_once() -> None:
    keys = {"ARB_MODE": "live", "ARB_SYMBOLS": "BTCUSDT", "OKX_API_PASSPHRASE": "p"}
    for venue in ("BYBIT", "OKX"):
        keys |= {f"{venue}_API_KEY": "k", f"{venue}_API_SECRET": "s"}
    client: Any = Client()
    facts = asyncio.run(_load_venue(load_settings(keys, dotenv=None), "okx", client))
    assert (facts.taker_bps, facts.wallet) == ({"BTCUSDT": 4.5}, "the wallet")
    questions = ["clock", "instruments", "fee BTC", "account BTC", "leverage BTC", "wallet"]
    assert client.asked == [question for question in questions for _ in range(2)]


def test_a_gateway_opens_though_its_first_questions_stay_unanswered() -> None:
    client: Any = Client()
    gateway: Any = VenueGateway.__new__(VenueGateway)
    gateway.rest, gateway.private = client, None
    gateway.dead_man = SimpleNamespace(begin=lambda: client._answer("arm", None))
    asyncio.run(gateway.open())
    assert client.asked == ["clock", "clock", "arm", "arm"]
