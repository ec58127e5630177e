"""Refusals as the venues write them over REST: which code is read, and what it leads to."""

import asyncio
import re
from typing import Any

import pytest
from recorded import FIXTURES

from arbitrage.config import Credentials
from arbitrage.errors import ConnectorError
from arbitrage.secret import Secret
from arbitrage.venues.bybit.codes import CODES as BYBIT
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.codes import Action
from arbitrage.venues.okx.codes import CODES as OKX
from arbitrage.venues.okx.rest import OkxRest

KEYS = Credentials(key=Secret("the-key"), secret=Secret("hidden"), passphrase=Secret("phrase"))
CLIENTS: dict[str, Any] = {"bybit": BybitRest, "okx": OkxRest}
QUERY, THROTTLE, DROP, STOP = Action.QUERY, Action.THROTTLE, Action.DROP, Action.STOP


def bybit(code: int, said: str) -> bytes:
    return (
        f'{{"retCode":{code},"retMsg":"{said}","result":{{}},"retExtInfo":{{}},"time":1}}'
    ).encode()


def okx_row(code: int, said: str) -> bytes:
    """An order's refusal: the summary says only that something failed."""
    return (
        '{"code":"1","msg":"All operations failed","data":[{"clOrdId":"7","ordId":"","tag":"",'
        f'"ts":"1","sCode":"{code}","sMsg":"{said}","subCode":""}}],"inTime":"1","outTime":"2"}}'
    ).encode()


def okx_short(code: int, said: str) -> bytes:
    """A refusal at the gate: no rows at all, the keys the other way round."""
    return f'{{"msg":"{said}","code":"{code}"}}'.encode()


REFUSALS = [
    ("bybit", bybit, 10000, "Server Timeout", QUERY),
    ("bybit", bybit, 10001, "position idx not match position mode", DROP),
    ("bybit", bybit, 10003, "API key is invalid.", STOP),
    ("bybit", bybit, 10004, "error sign! origin_string[1]", STOP),
    ("bybit", bybit, 10006, "Too many visits.", THROTTLE),
    ("bybit", bybit, 10010, "Unmatched IP", STOP),
    ("bybit", bybit, 110001, "order not exists or too late to cancel", QUERY),
    ("bybit", bybit, 110007, "ab not enough for new order", DROP),
    ("bybit", bybit, 110072, "OrderLinkedID is duplicate", QUERY),
    ("okx", okx_short, 50011, "Too Many Requests", THROTTLE),
    ("okx", okx_short, 50101, "APIKey does not match current environment.", STOP),
    ("okx", okx_short, 50113, "Invalid Sign", STOP),
    ("okx", okx_short, 50119, "API key doesn't exist", STOP),
    ("okx", okx_row, 51008, "Order failed. Insufficient USDT balance", DROP),
    ("okx", okx_row, 51016, "Duplicated client order ID", QUERY),
    ("okx", okx_row, 50061, "Sub-account rate limit exceeded.", THROTTLE),
]


@pytest.mark.parametrize(("venue", "form", "code", "said", "action"), REFUSALS)
def test_an_order_over_rest_is_refused(
    venue: str, form: Any, code: int, said: str, action: Action
) -> None:
    async def answer(*_: Any, **__: Any) -> bytes:
        body: bytes = form(code, said)
        return body

    client = CLIENTS[venue]("http://127.0.0.1:1", KEYS)
    client.request = answer
    with pytest.raises(ConnectorError) as caught:
        asyncio.run(client.place_order("X", 7, 0, "1", "1"))
    assert said in str(caught.value)
    assert caught.value.code == str(code)
    assert client.codes.action(caught.value.code) is action
    assert caught.value.is_terminal == (action is STOP)


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no fixtures beside the repository")
@pytest.mark.parametrize(("venue", "table"), [("bybit", BYBIT), ("okx", OKX)])
def test_every_code_of_the_captures_is_in_the_table(venue: str, table: Any) -> None:
    found: set[str] = set()
    for path in sorted((FIXTURES / venue).glob("*.json")):
        found |= set(re.findall(r'"(?:retCode|sCode|code)":"?(-?\d+)', path.read_text()))
    # the summaries of several rows: none, all or some of them failed
    found -= {"0", "1", "2"}
    assert len(found) >= 10
    assert [code for code in sorted(found) if code not in table] == []
