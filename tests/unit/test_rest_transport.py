"""REST without HTTP: a callable carries the requests, errors and timeouts included."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from arbitrage.config import Credentials
from arbitrage.errors import ConnectorError
from arbitrage.secret import Secret
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.okx.rest import OkxRest

KEYS = Credentials(key=Secret("the-key"), secret=Secret("hidden"), passphrase=Secret("phrase"))
TIME = {
    BybitRest: b'{"retCode":0,"retMsg":"OK","result":{"timeSecond":"5","timeNano":"5000000000"}}',
    OkxRest: b'{"code":"0","msg":"","data":[{"ts":"5000"}]}',
}
CLIENTS: list[type[Any]] = [BybitRest, OkxRest]


class Line:
    """Answers every request with the same, and remembers what was asked."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, headers or {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    async def __call__(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        self.asked.append((method, path, dict(headers), body))
        return self.status, self.headers, self.body


@pytest.mark.parametrize("client", CLIENTS)
def test_a_callable_stands_in_for_http(client: type[Any]) -> None:
    line = Line(200, TIME[client])

    async def main() -> int:
        async with client("https://venue.invalid", KEYS, transport=line) as rest:
            answer: int = await rest.server_time_ms()
            return answer

    assert asyncio.run(main()) == 5000
    ((method, path, headers, body),) = line.asked
    assert (method, body, headers) == ("GET", b"", {"Content-Type": "application/json"})
    assert path in {"/v5/market/time", "/api/v5/public/time"}


def test_what_is_signed_is_what_the_transport_carries() -> None:
    line = Line(200, b'{"retCode":0,"retMsg":"OK","result":{"list":[]}}')

    async def main() -> None:
        async with BybitRest("https://venue.invalid", KEYS, transport=line) as rest:
            await rest.wallet()

    asyncio.run(main())
    ((_, path, headers, _),) = line.asked
    assert path == "/v5/account/wallet-balance?accountType=UNIFIED"
    assert headers["X-BAPI-API-KEY"] == "the-key"
    assert len(headers["X-BAPI-SIGN"]) == 64


def test_headers_of_an_answer_are_seen_in_lower_case() -> None:
    seen: list[tuple[str, int, Mapping[str, str]]] = []

    class Watching(BybitRest):
        def heed_headers(self, path: str, status: int, headers: Mapping[str, str]) -> None:
            seen.append((path, status, headers))

    async def main() -> None:
        line = Line(200, TIME[BybitRest], {"X-Bapi-Limit": "50"})
        async with Watching("https://venue.invalid", KEYS, transport=line) as rest:
            await rest.server_time_ms()

    asyncio.run(main())
    assert seen == [("/v5/market/time", 200, {"x-bapi-limit": "50"})]


def test_no_answer_and_a_broken_line_are_one_clear_error_each() -> None:
    async def silent(*_: object) -> tuple[int, Mapping[str, str], bytes]:
        await asyncio.Event().wait()
        raise AssertionError

    async def broken(*_: object) -> tuple[int, Mapping[str, str], bytes]:
        raise ConnectionResetError("reset by the other end")

    async def ask(transport: Any) -> None:
        async with OkxRest(
            "https://venue.invalid", KEYS, transport=transport, timeout_s=0.02
        ) as rest:
            await rest.server_time_ms()

    with pytest.raises(ConnectorError, match=r"not answered within 0\.02 s"):
        asyncio.run(ask(silent))
    with pytest.raises(ConnectorError, match="reset by the other end"):
        asyncio.run(ask(broken))
