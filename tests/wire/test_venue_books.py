"""A venue's book over REST: where it stands now, in the venue's own units."""

import asyncio
import math
from typing import Any

import pytest

from arbitrage.errors import WireError
from arbitrage.venues.base import TopOfBook
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.okx.rest import OkxRest

BYBIT = (
    '{"retCode":0,"retMsg":"OK","result":{"s":"BTCUSDT","b":%s,"a":%s,"ts":1790439600123,"u":71,'
    '"seq":9001,"cts":1790439600120},"retExtInfo":{},"time":1790439600125}'
)
OKX = (
    '{"code":"0","msg":"","data":[{"asks":%s,"bids":%s,"ts":"1790439600120","seqId":9001}]}'
)


def ask(client: type[Any], symbol: str, body: str) -> tuple[TopOfBook, str]:
    paths: list[str] = []

    async def answer(_method: str, path: str, _headers: Any, _body: bytes) -> Any:
        paths.append(path)
        return 200, {}, body.encode()

    async def main() -> TopOfBook:
        async with client("https://venue.invalid", None, transport=answer) as rest:
            top: TopOfBook = await rest.top_of_book(symbol)
            return top

    return asyncio.run(main()), paths[0]


def test_bybit_names_the_best_of_both_sides() -> None:
    body = BYBIT % ('[["84000.10","1.25"]]', '[["84000.20","0.003"]]')
    top, path = ask(BybitRest, "BTCUSDT", body)
    assert top == (84000.10, 84000.20, 1.25, 0.003)
    assert path == "/v5/market/orderbook?category=linear&symbol=BTCUSDT&limit=1"


def test_okx_names_the_best_of_both_sides_in_contracts() -> None:
    body = OKX % ('[["84000.2","31","0","4"]]', '[["84000.1","12.5","0","3"]]')
    top, path = ask(OkxRest, "BTC-USDT-SWAP", body)
    assert top == (84000.1, 84000.2, 12.5, 31.0)
    assert path == "/api/v5/market/books?instId=BTC-USDT-SWAP&sz=1"


def test_an_empty_side_is_no_price() -> None:
    top, _ = ask(OkxRest, "BTC-USDT-SWAP", OKX % ("[]", '[["84000.1","12.5","0","3"]]'))
    assert math.isnan(top.ask_px)
    assert math.isnan(top.ask_qty)
    assert top.bid_px == 84000.1


@pytest.mark.parametrize(
    ("client", "body"),
    [
        (OkxRest, '{"code":"0","msg":"","data":[]}'),
        (OkxRest, OKX % ('[["84000.2"]]', "[]")),
        (BybitRest, BYBIT % ('[["nan","1"]]', "[]")),
    ],
)
def test_what_is_no_book_is_refused(client: type[Any], body: str) -> None:
    with pytest.raises(WireError):
        ask(client, "X", body)
