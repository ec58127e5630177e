"""Signatures against vectors that were also computed with openssl, and secrets that stay secret."""

import asyncio
import logging
import pickle
import traceback

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbitrage.config import Credentials
from arbitrage.errors import ConnectorError, WireError
from arbitrage.secret import KNOWN_MIN, Secret
from arbitrage.venues.bybit import auth as bybit
from arbitrage.venues.bybit import wire
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.bybit.session import BybitSession
from arbitrage.venues.okx import auth as okx
from arbitrage.venues.okx.rest import OkxRest
from arbitrage.venues.okx.session import OkxSession

BYBIT = Credentials(
    key=Secret("q3mUFMxkNLsHfqDDx1"), secret=Secret("Zt8GgkK4Vb0cQd2sWmYp7RjXeN5uA9hLfTiD")
)
# the venue's public documentation example
OKX = Credentials(
    key=Secret("985d5b66-57ce-40fb-b714-afc0b9787083"),
    secret=Secret("22582BD0CFF14C41EDBF1AB98506286D"),
    passphrase=Secret("123456"),
)
BYBIT_BODY = (
    '{"category":"linear","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.010",'
    '"price":"84018.00","timeInForce":"IOC","orderLinkId":"arb-7f3a-000003","positionIdx":0,'
    '"reduceOnly":false}'
)
OKX_BODY = (
    '{"instId":"BTC-USDT-SWAP","tdMode":"cross","side":"buy","ordType":"ioc","px":"84093.5",'
    '"sz":"1.5","clOrdId":"1790439600000001"}'
)
OKX_MS = 1607418537715  # 2020-12-08T09:08:57.715Z


def test_bybit_login_vector() -> None:
    args = bybit.login_args(BYBIT, 1711010121452 - bybit.LOGIN_EXPIRES_AFTER_MS)
    assert args == [
        "q3mUFMxkNLsHfqDDx1",
        1711010121452,
        "c051573c81ca46469907a40adeb383bf5c57d358c58ba5f93748bb262b38c066",
    ]


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (
            "category=linear&symbol=BTCUSDT",
            "e2e045fce6c8865a6b1451c1a2496ce1272fd7230b279bef2d474b9db6a727bd",
        ),
        (BYBIT_BODY, "db2e65aa1524a3a463c597709c7d3f1224036aabc9cce88d26234b20e1566d85"),
        ("", "b354602b631c400bfc820080df5ee1d3e2021ddedc5ad9f5fedbda783e492fc5"),
    ],
)
def test_bybit_rest_vectors(payload: str, signature: str) -> None:
    assert bybit.rest_headers(BYBIT, payload, 1711001595207) == {
        "X-BAPI-API-KEY": "q3mUFMxkNLsHfqDDx1",
        "X-BAPI-TIMESTAMP": "1711001595207",
        "X-BAPI-SIGN": signature,
        "X-BAPI-RECV-WINDOW": "5000",
        "Content-Type": "application/json",
    }


def test_okx_login_vector() -> None:
    assert okx.login_args(OKX, 1538054050999) == [
        {
            "apiKey": "985d5b66-57ce-40fb-b714-afc0b9787083",
            "passphrase": "123456",
            "timestamp": "1538054050",
            "sign": "+LdIr8lkkvhr5hoA3g9TMC0+uQJ849ftAcocA/ouu4M=",
        }
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "signature"),
    [
        (
            "GET",
            "/api/v5/account/balance?ccy=BTC",
            "",
            "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY=",
        ),
        (
            "POST",
            "/api/v5/trade/order",
            OKX_BODY,
            "kxAI2zMR5NnkoHPUFe7YRLFn43T9Z/DB2M1HNenHYnM=",
        ),
        (
            "GET",
            "/api/v5/account/config",
            "",
            "Kr/8IrbDYujS4cg2KkmB+tO2HMUXxyayG6ZwNb4H/yA=",
        ),
    ],
)
def test_okx_rest_vectors(method: str, path: str, body: str, signature: str) -> None:
    headers = okx.rest_headers(OKX, method, path, body, OKX_MS)
    assert headers["OK-ACCESS-SIGN"] == signature
    assert headers["OK-ACCESS-TIMESTAMP"] == "2020-12-08T09:08:57.715Z"
    assert headers["OK-ACCESS-PASSPHRASE"] == "123456"
    assert "x-simulated-trading" not in headers
    demo = okx.rest_headers(OKX, method, path, body, OKX_MS, is_simulated=True)
    assert demo["x-simulated-trading"] == "1"


def test_okx_timestamp_keeps_its_milliseconds() -> None:
    assert okx.iso_timestamp(1607418537005) == "2020-12-08T09:08:57.005Z"
    assert okx.iso_timestamp(1607418537000) == "2020-12-08T09:08:57.000Z"


# ---- secrets ----------------------------------------------------------------------------------

CANARY = "canary-6f1f0a52"


def canaries() -> Credentials:
    return Credentials(
        key=Secret(f"{CANARY}-key"),
        secret=Secret(f"{CANARY}-secret"),
        passphrase=Secret(f"{CANARY}-pass"),
    )


def test_a_secret_never_renders() -> None:
    secret = Secret(CANARY)
    logged = logging.LogRecord("x", 10, "x", 1, "%s %r", (secret, secret), None).getMessage()
    for text in (repr(secret), str(secret), f"{secret}", f"{secret:>40}", logged):
        assert CANARY not in text
    assert secret.reveal() == CANARY
    assert secret == Secret(CANARY)
    assert secret != CANARY
    assert bool(secret)
    assert not Secret("")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)


@pytest.mark.parametrize("session", [BybitSession, OkxSession])
def test_no_secret_in_errors_and_logs(session: type, caplog: pytest.LogCaptureFixture) -> None:
    class Probe(session):  # type: ignore[misc]
        async def on_open(self) -> None: ...

        def on_message(self, payload: bytes, recv_mono_ns: int) -> None: ...

    caplog.set_level(logging.DEBUG)
    rest = BybitRest("http://127.0.0.1:1", canaries())
    probe = Probe("ws://127.0.0.1:1", "order", canaries(), rest)
    logging.getLogger("arbitrage").warning("%s %r", probe, canaries())
    try:
        probe.login_refused(10004, "Invalid sign")
        probe.send(b"x")
    except ConnectorError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        assert CANARY not in "".join(told.format())
    else:
        pytest.fail("sending on a closed line must raise")
    assert CANARY not in caplog.text
    assert CANARY not in str(vars(probe))
    with pytest.raises(TypeError):
        msgspec.json.encode(canaries())


WORDS = st.text("abcdefXYZ0189-._", min_size=KNOWN_MIN, max_size=40)
AROUND = st.text("ghijkl[]<>:' \"", max_size=20)


@given(key=WORDS, secret=WORDS, phrase=WORDS, before=AROUND, after=AROUND)
def test_a_venue_that_quotes_the_key_does_not_show_it(
    key: str, secret: str, phrase: str, before: str, after: str
) -> None:
    """What a venue says reaches errors and logs by these ways; none shows what it was sent."""
    held = Credentials(key=Secret(key), secret=Secret(secret), passphrase=Secret(phrase))
    for word in (key, secret, phrase):
        said = held.hide(f"{before}{word}{after}")
        assert word not in said
        assert said.startswith(before)


QUOTING = f'origin_string[1790439600000{CANARY}-key5000] "{CANARY}-secret" {CANARY}-pass'


@pytest.mark.parametrize(
    ("client", "reply"),
    [
        (BybitRest, {"retCode": 10004, "retMsg": QUOTING}),
        (OkxRest, {"code": "50113", "msg": QUOTING, "data": []}),
    ],
)
def test_rest_errors_do_not_show_the_key(
    client: type, reply: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(*_args: object, **_options: object) -> bytes:
        return msgspec.json.encode(reply)

    rest = client("http://127.0.0.1:1", canaries())
    monkeypatch.setattr(rest, "request", answer)
    with pytest.raises(ConnectorError, match=r"origin_string\[1790439600000\*\*\*5000\]") as caught:
        asyncio.run(rest.wallet())
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("session", [BybitSession, OkxSession])
def test_socket_errors_and_logs_do_not_show_the_key(
    session: type, caplog: pytest.LogCaptureFixture
) -> None:
    class Probe(session):  # type: ignore[misc]
        async def on_open(self) -> None: ...

        def on_message(self, payload: bytes, recv_mono_ns: int) -> None:
            raise WireError(f"it began {payload!r}")

        async def _attempt(self) -> None:
            self._stopping.set()
            raise ConnectorError(f"closed ({QUOTING})", is_terminal=True)

    async def main() -> None:
        rest = BybitRest("http://127.0.0.1:1", canaries())
        probe = Probe("ws://127.0.0.1:1", "order", canaries(), rest)
        probe._failure = asyncio.get_running_loop().create_future()
        probe.login_refused(1, QUOTING)
        probe._receive(QUOTING.encode(), 1)
        with pytest.raises(ConnectorError) as caught:
            await probe.run()
        for error in (caught.value, probe._failure.exception()):
            assert "origin_string" in str(error)
            assert CANARY not in str(error)

    caplog.set_level(logging.DEBUG)
    asyncio.run(main())
    assert "it began" in caplog.text
    assert CANARY not in caplog.text


# ---- refused logins -----------------------------------------------------------------------------


class Refused(BybitSession):
    """A session whose login answers are given by the test."""

    def __init__(self) -> None:
        rest = BybitRest("http://127.0.0.1:1", BYBIT)
        rest.sync_clock = self._measure  # type: ignore[method-assign,assignment]
        super().__init__("ws://127.0.0.1:1", "order", BYBIT, rest)
        self.measured = 0
        self.may_measure = asyncio.Event()
        self.may_measure.set()
        self.stamped_after: list[int] = []

    async def on_open(self) -> None: ...

    def on_message(self, payload: bytes, recv_mono_ns: int) -> None: ...

    async def _measure(self) -> None:
        await self.may_measure.wait()
        self.measured += 1

    def send(self, message: bytes) -> None:
        self.stamped_after.append(self.measured)

    async def answer(self, payload: bytes) -> ConnectorError | None:
        self._login = asyncio.get_running_loop().create_future()
        self.take_login(wire.control(payload))
        error = self._login.exception()
        if self._resyncing is not None and self.may_measure.is_set():
            await asyncio.wait({self._resyncing})
        assert error is None or isinstance(error, ConnectorError)
        return error


@pytest.mark.parametrize(
    ("payload", "is_clock"),
    [
        (b'{"retCode":10002,"retMsg":"request time exceeds","op":"auth"}', True),
        (b'{"retCode":10004,"retMsg":"Invalid sign","op":"auth","connId":"x"}', False),
        (b'{"success":false,"ret_msg":"Params Error","op":"auth","conn_id":"x"}', False),
        (b'{"success":false,"ret_msg":"Your api key has expired.","op":"auth"}', False),
        (b'{"success":false,"ret_msg":"Request time exceeds the window","op":"auth"}', True),
    ],
)
def test_only_a_clock_is_worth_another_login(payload: bytes, is_clock: bool) -> None:
    async def main() -> None:
        session = Refused()
        error = await session.answer(payload)
        assert error is not None
        assert error.is_terminal == (not is_clock)
        assert session.measured == int(is_clock)

    asyncio.run(main())


def test_a_clock_refused_again_and_again_is_final() -> None:
    async def main() -> None:
        session = Refused()
        late = b'{"retCode":10002,"retMsg":"request time exceeds","op":"auth"}'
        errors = [await session.answer(late) for _ in range(3)]
        assert [error.is_terminal for error in errors if error] == [False, False, True]
        assert await session.answer(b'{"retCode":0,"retMsg":"OK","op":"auth"}') is None
        again = await session.answer(late)
        assert again is not None
        assert not again.is_terminal, "a login in between clears the count"

    asyncio.run(main())


def test_a_login_waits_for_the_clock_that_is_being_measured() -> None:
    async def main() -> None:
        session = Refused()
        session.may_measure.clear()
        late = b'{"retCode":10002,"retMsg":"request time exceeds","op":"auth"}'
        for _ in range(5):  # refusals by a clock not measured anew say nothing about the new one
            error = await session.answer(late)
            assert error is not None
            assert not error.is_terminal
        login = asyncio.ensure_future(session.login())
        await asyncio.sleep(0)
        assert session.stamped_after == []
        session.may_measure.set()
        await asyncio.wait({login}, timeout=0.05)
        assert session.stamped_after == [1]
        session.login_accepted()
        await login

    asyncio.run(main())


def test_a_missing_key_is_terminal_and_names_its_variable() -> None:
    class Probe(BybitSession):
        async def on_open(self) -> None: ...

        def on_message(self, payload: bytes, recv_mono_ns: int) -> None: ...

    nobody = Credentials(key=Secret(""), secret=Secret(""))
    with pytest.raises(ConnectorError, match="set BYBIT_API_KEY") as caught:
        Probe("ws://127.0.0.1:1", "order", nobody, BybitRest("http://127.0.0.1:1", nobody))
    assert caught.value.is_terminal
