"""Whole instrument lists, page by page, of the environment that is traded."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote

import pytest

from arbitrage.config import Credentials
from arbitrage.core.kill import KillGate
from arbitrage.errors import ConfigError
from arbitrage.secret import Secret
from arbitrage.venues.base import TradedSymbol
from arbitrage.venues.bybit.rest import PAGE, BybitRest
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.okx.order_gateway import OkxOrderGateway
from arbitrage.venues.okx.rest import OkxRest

KEYS = Credentials(key=Secret("the-key"), secret=Secret("hidden"), passphrase=Secret("phrase"))
DEMO_CODE = 2021032601102993  # demo numbers its contracts beyond 32 bits


def bybit_row(index: int, **changed: object) -> dict[str, object]:
    return {
        "symbol": f"C{index}USDT",
        "status": "Trading",
        "baseCoin": f"C{index}",
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "contractType": "LinearPerpetual",
        "fundingInterval": 240,
        "priceFilter": {"tickSize": "0.10"},
        "lotSizeFilter": {
            "qtyStep": "0.001", "minOrderQty": "0.001", "maxOrderQty": "100",
            "minNotionalValue": "5",
        },
    } | changed


def okx_row(index: int, **changed: object) -> dict[str, object]:
    return {
        "instId": f"C{index}-USDT-SWAP", "instType": "SWAP", "ctType": "linear", "ctVal": "0.1",
        "ctMult": "1", "settleCcy": "USDT", "tickSz": "0.1", "lotSz": "0.01", "minSz": "0.01",
        "maxLmtSz": "1000", "state": "live", "instFamily": f"C{index}-USDT",
        "instIdCode": 10_000 + index,
    } | changed


class Lists:
    """A venue that has so many contracts and gives at most so many in one answer."""

    def __init__(self, rows: list[dict[str, object]], page_max: int = 10**6) -> None:
        self.rows, self.page_max = rows, page_max
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self.last_has_cursor = False

    async def __call__(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        name, _, text = path.partition("?")
        query = parse_qs(text)
        self.asked.append((name, query, dict(headers)))
        if name.startswith("/api"):
            rows = self.rows if "instruments" in name else []
            return 200, {}, json.dumps({"code": "0", "data": rows, "msg": ""}).encode()
        # Bybit's cursor holds characters that a query must encode, and comes encoded
        start = int(query.get("cursor", ["at=0&"])[0].removeprefix("at=").removesuffix("&"))
        limit = min(int(query["limit"][0]), self.page_max)
        part, after = self.rows[start : start + limit], start + limit
        more = after < len(self.rows) or (self.last_has_cursor and part)
        result = {"list": part, "nextPageCursor": quote(f"at={after}&") if more else ""}
        return 200, {}, json.dumps({"retCode": 0, "retMsg": "OK", "result": result}).encode()


def listed(client: type[Any], venue: Lists, **options: Any) -> list[Any]:
    async def main() -> list[Any]:
        async with client("https://venue.invalid", None, transport=venue) as rest:
            for name, value in options.items():
                setattr(rest, name, value)
            found: list[Any] = await rest.instruments()
            return found

    return asyncio.run(main())


@pytest.mark.parametrize("last_has_cursor", [False, True])
@pytest.mark.parametrize(
    ("count", "page_max", "pages"),
    [(0, PAGE, 1), (7, PAGE, 1), (PAGE, PAGE, 1), (PAGE + 1, PAGE, 2), (2345, PAGE, 3),
     (1201, 500, 3)],
)
def test_bybit_gives_its_list_page_by_page(
    count: int, page_max: int, pages: int, last_has_cursor: bool
) -> None:
    venue = Lists([bybit_row(index) for index in range(count)], page_max)
    venue.last_has_cursor = last_has_cursor
    found = listed(BybitRest, venue)
    assert [item.venue_symbol for item in found] == [f"C{i}USDT" for i in range(count)]
    assert len(venue.asked) == pages + (last_has_cursor and count > 0)
    for name, query, _ in venue.asked:
        assert name == "/v5/market/instruments-info"
        assert query["limit"] == ["1000"], "the venue's usual page is half of that"


def test_a_cursor_that_repeats_itself_ends_the_list() -> None:
    asked: list[str] = []

    async def stuck(_: str, path: str, *__: Any) -> tuple[int, dict[str, str], bytes]:
        asked.append(path)
        result = {"list": [bybit_row(len(asked))], "nextPageCursor": "same"}
        return 200, {}, json.dumps({"retCode": 0, "retMsg": "OK", "result": result}).encode()

    venue: Any = stuck
    assert len(listed(BybitRest, venue)) == len(asked) == 2


def test_okx_gives_its_list_in_one_answer() -> None:
    venue = Lists([okx_row(index) for index in range(2500)])
    found = listed(OkxRest, venue)
    assert len(found) == 2500
    ((name, query, _),) = venue.asked
    assert (name, query) == ("/api/v5/public/instruments", {"instType": ["SWAP"]})


@pytest.mark.parametrize("client", [BybitRest, OkxRest])
def test_a_contract_that_cannot_be_read_is_passed_over(
    client: type[Any], caplog: pytest.LogCaptureFixture
) -> None:
    row, spoiled = (
        (bybit_row, {"priceFilter": {"tickSize": "0"}})
        if client is BybitRest
        else (okx_row, {"tickSz": ""})
    )
    other = (
        {"lotSizeFilter": {"qtyStep": "x", "minOrderQty": "1", "maxOrderQty": "1"}}
        if client is BybitRest
        else {"lotSz": "x"}
    )
    caplog.set_level(logging.WARNING)
    found = listed(client, Lists([row(0), row(1, **spoiled), row(2, **other), row(3)]))
    assert [item.base for item in found] == ["C0", "C3"]
    assert caplog.text.count("instrument skipped") == 2


# ---- the environment ----------------------------------------------------------------------------


@pytest.mark.parametrize("is_simulated", [False, True])
def test_okx_demo_is_asked_for_its_own_contracts(is_simulated: bool) -> None:
    """Every request of demo says so, unsigned ones too: demo has its own grids and numbers."""
    venue = Lists([okx_row(1, instIdCode=DEMO_CODE if is_simulated else 10459)])

    async def main() -> None:
        async with OkxRest("https://venue.invalid", KEYS, transport=venue) as rest:
            rest.is_simulated = is_simulated
            (item,) = await rest.instruments()
            assert item.inst_id_code == (DEMO_CODE if is_simulated else 10459)
            await rest.instrument("C1-USDT-SWAP")
            await rest.positions()

    asyncio.run(main())
    assert len(venue.asked) == 3
    for _, _, headers in venue.asked:
        assert headers.get("x-simulated-trading") == ("1" if is_simulated else None)


class Sender:
    """Keeps the texts it is given and takes every other call."""

    def __init__(self) -> None:
        self.texts: list[tuple[bytes, ...]] = []
        self.kill_gate = KillGate()

    def add_instrument(self, *args: Any) -> None:
        self.texts.append(args[3])

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def gateway_of(row: dict[str, object]) -> Sender:
    (instrument,) = listed(OkxRest, Lists([row]))
    sender: Any = Sender()
    symbol = TradedSymbol(0, instrument)
    publisher: Any = None
    tracker = ExecutionTracker(1, "okx", [symbol], publisher, lambda _: None, lambda _: True)
    rest = OkxRest("https://venue.invalid", KEYS)
    OkxOrderGateway("wss://venue.invalid", KEYS, rest, sender, tracker, [symbol])
    made: Sender = sender
    return made


def test_orders_name_the_contract_by_the_number_of_their_environment() -> None:
    for code in (10459, DEMO_CODE):
        (texts,) = gateway_of(okx_row(1, instIdCode=code)).texts
        assert all(f'"instIdCode":{code},'.encode() in text for text in texts)


@pytest.mark.parametrize("row", [okx_row(1, instIdCode=None), okx_row(1)])
def test_a_contract_without_a_number_says_so_before_anything_is_sent(
    row: dict[str, object],
) -> None:
    if row["instIdCode"] is not None:
        del row["instIdCode"]
    with pytest.raises(ConfigError, match="okx: C1-USDT-SWAP has no instIdCode"):
        gateway_of(row)
