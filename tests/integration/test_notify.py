"""Alerts on their way: real addresses on loopback, slow, refusing, asking for time or gone."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from deck_rig import fake_deck, killed_deck

from arbitrage.board import Board, KillLine, encode_board
from arbitrage.cold.alert_rules import Alert, Rules
from arbitrage.cold.alert_targets import parse_target
from arbitrage.cold.deck import Deck
from arbitrage.cold.notifier import Notifier, Outbox, Pace, new_session, send_test
from arbitrage.core.segment import Segment
from arbitrage.secret import Secret

CANARY = "c4n4ry-51c7e7"
WAIT_S = 60.0
QUICK = Pace(burst=100, every_s=0.01, timeout_s=WAIT_S, retry_s=0.01, retry_max_s=0.05)
Answer = Callable[[int], Awaitable[web.Response]]


class Address:
    """A webhook: answers by the number of the request, keeps what it was sent."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.heard: list[dict[str, Any]] = []
        self.at_s: list[float] = []
        self.url = ""
        self._answer = answer
        self._came = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        self.at_s.append(time.monotonic())
        self.heard.append(await request.json())
        self._came.set()
        if self._answer is None:
            return web.Response(text="ok")
        return await self._answer(len(self.heard))

    async def wait(self, count: int) -> None:
        """Wait for so many requests."""
        async with asyncio.timeout(WAIT_S):
            while len(self.heard) < count:
                self._came.clear()
                await self._came.wait()

    def texts(self, number: int) -> list[str]:
        return [alert["text"] for alert in self.heard[number]["alerts"]]


@asynccontextmanager
async def listening(answer: Answer | None = None, port: int = 0) -> AsyncIterator[Address]:
    address = Address(answer)
    app = web.Application()
    app.router.add_post(f"/{CANARY}", address.handle)
    async with TestServer(app, host="127.0.0.1", port=port or None) as server:
        address.url = f"http://127.0.0.1:{server.port}/{CANARY}"
        yield address


@asynccontextmanager
async def outbox(url: str, pace: Pace = QUICK) -> AsyncIterator[Outbox]:
    box = Outbox(parse_target(Secret(url), 1), pace)
    async with new_session(pace) as session:
        task = asyncio.create_task(box.run(session))
        yield box
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def alert(number: int) -> Alert:
    return Alert("feed", str(number), f"number {number}", wall_ns=time.time_ns())


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110  what it waits for has no event
            await asyncio.sleep(0.005)


def status(*codes: int) -> Answer:
    async def answer(number: int) -> web.Response:
        return web.Response(status=codes[min(number, len(codes)) - 1])

    return answer


@pytest.fixture(autouse=True)
def nothing_secret(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever goes wrong, no log shows the address."""
    caplog.set_level(logging.DEBUG, logger="arbitrage")
    yield
    for record in caplog.get_records("call"):
        assert CANARY not in record.getMessage()


# ---- one outbox ----------------------------------------------------------------------------------


def test_an_event_is_a_message() -> None:
    async def body() -> None:
        async with listening() as address, outbox(address.url) as box:
            for number in range(3):
                box.put(alert(number))
                await address.wait(number + 1)
                await until(lambda number=number: box.sent == number + 1)
            assert [address.texts(at) for at in range(3)] == [
                ["number 0"], ["number 1"], ["number 2"],
            ]  # fmt: skip
            assert (box.failed, box.dropped, box.waiting) == (0, 0, 0)

    asyncio.run(body())


def test_what_comes_while_an_address_is_slow_is_folded() -> None:
    gate = asyncio.Event()

    async def answer(number: int) -> web.Response:
        if number == 1:
            await gate.wait()
        return web.Response()

    async def body() -> None:
        async with listening(answer) as address, outbox(address.url) as box:
            box.put(alert(0))
            await address.wait(1)
            for number in range(1, 31):
                box.put(alert(number))
            gate.set()
            await until(lambda: box.sent == 2)
            assert address.texts(0) == ["number 0"]
            assert address.texts(1) == [f"number {number}" for number in range(1, 31)]
            assert address.heard[1]["text"].endswith("and 25 more")

    asyncio.run(body())


def test_a_burst_leaves_at_once_and_the_rest_is_folded_until_it_may() -> None:
    pace = Pace(burst=2, every_s=2.0, timeout_s=WAIT_S)

    async def body() -> None:
        async with listening() as address, outbox(address.url, pace) as box:
            for number in range(2):
                box.put(alert(number))
                await until(lambda number=number: box.sent == number + 1)
            box.put(alert(2))
            await asyncio.sleep(0.1)
            box.put(alert(3))
            await address.wait(3)
            assert address.texts(2) == ["number 2", "number 3"]
            # counted from before the first was sent, which may have taken a while
            assert address.at_s[2] - address.at_s[0] >= 1.0

    asyncio.run(body())


def test_a_failure_is_tried_again_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with listening(status(500, 502, 503, 200)) as address, outbox(address.url) as box:
            box.put(alert(0))
            await address.wait(2)
            box.put(alert(1))
            await until(lambda: box.sent == 1)
            assert address.texts(-1) == ["number 0", "number 1"]
            assert box.failed == 3
            assert box.waiting == 0

    asyncio.run(body())
    said = [record.getMessage() for record in caplog.records if record.name == "arbitrage.notify"]
    assert len(said) == 2
    assert "HTTP 500; trying again" in said[0]
    assert "takes messages again" in said[1]


@pytest.mark.parametrize("by", ["header", "telegram"])
def test_an_address_that_asks_for_time_gets_it(by: str) -> None:
    async def answer(number: int) -> web.Response:
        if number > 1:
            return web.Response()
        if by == "header":
            return web.Response(status=429, headers={"Retry-After": "0.6"})
        told = {"ok": False, "parameters": {"retry_after": 0.6}}
        return web.json_response(told, status=429)

    async def body() -> None:
        async with listening(answer) as address, outbox(address.url) as box:
            box.put(alert(0))
            await address.wait(2)
            assert address.at_s[1] - address.at_s[0] >= 0.55
            await until(lambda: box.sent == 1)

    asyncio.run(body())


@pytest.mark.parametrize("code", [301, 302, 400, 401, 403, 404, 410])
def test_a_final_refusal_is_not_repeated_nor_followed(
    code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(_number: int) -> web.Response:
        return web.Response(status=code, headers={"Location": f"/{CANARY}"})

    async def body() -> None:
        async with listening(answer) as address, outbox(address.url) as box:
            box.put(alert(0))
            await until(lambda: box.dropped == 1)
            await asyncio.sleep(0.2)
            assert len(address.heard) == 1
            box.put(alert(1))
            await address.wait(2)
            assert address.texts(1) == ["number 1"]
            assert address.heard[1]["lost"] == 1

    asyncio.run(body())
    assert f"refused 1 alert: HTTP {code}; check its address" in caplog.text


def test_nobody_listens_until_somebody_does(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        port = unused_port()
        async with outbox(f"http://127.0.0.1:{port}/{CANARY}") as box:
            box.put(alert(0))
            await until(lambda: box.failed > 2)
            async with listening(port=port) as address:
                await address.wait(1)
                await until(lambda: box.sent == 1)

    asyncio.run(body())
    assert "cannot connect (" in caplog.text


def test_a_silent_address_is_given_up_and_asked_again() -> None:
    pace = Pace(burst=9, every_s=0.01, timeout_s=0.3, retry_s=0.01, retry_max_s=0.05)

    async def answer(number: int) -> web.Response:
        if number == 1:
            await asyncio.sleep(WAIT_S)
        return web.Response()

    async def body() -> None:
        async with listening(answer) as address, outbox(address.url, pace) as box:
            box.put(alert(0))
            await until(lambda: box.sent == 1)
            assert box.failed >= 1

    asyncio.run(body())


def test_the_queue_is_bounded_and_says_what_it_dropped() -> None:
    pace = Pace(burst=9, every_s=0.01, waiting_max=10, retry_s=0.01, retry_max_s=0.05)

    async def body() -> None:
        port = unused_port()
        async with outbox(f"http://127.0.0.1:{port}/{CANARY}", pace) as box:
            for number in range(25):
                box.put(alert(number))
            await until(lambda: box.failed > 0)
            assert (box.waiting, box.dropped) == (10, 15)
            async with listening(port=port) as address:
                await until(lambda: box.sent == 1)
                assert address.texts(0) == [f"number {number}" for number in range(15, 25)]
                assert address.heard[0]["lost"] == 15
                assert "15 earlier ones could not be sent" in address.heard[0]["text"]
                box.put(alert(99))
                await address.wait(2)
                assert address.heard[1]["lost"] == 0

    asyncio.run(body())


# ---- the whole notifier --------------------------------------------------------------------------


def test_an_address_that_hangs_holds_up_no_other_and_the_end_sends_what_is_left() -> None:
    async def hang(_number: int) -> web.Response:
        await asyncio.sleep(WAIT_S)
        return web.Response()

    async def body() -> None:
        decks = [fake_deck(pairs=[]), killed_deck()]
        decks[1].pairs = []

        def look() -> Deck:
            return decks.pop(0) if len(decks) > 1 else decks[0]

        pace = Pace(burst=9, every_s=0.01, timeout_s=1.0)
        async with listening(hang) as slow, listening() as good:
            targets = [parse_target(Secret(each.url), 1) for each in (slow, good)]
            notifier = Notifier([look], targets, Rules(), pace, look_s=0.01)
            stop = asyncio.Event()
            task = asyncio.create_task(notifier.run(stop))
            await good.wait(1)
            assert good.texts(0) == ["KILLED (loss) by the day's loss: 200.31 USD lost"]
            await slow.wait(1)
            stop.set()
            await asyncio.wait_for(task, WAIT_S)
            assert len(slow.heard) >= 2  # at the end once more
            assert len(good.heard) == 1

    asyncio.run(body())


def test_a_test_message_says_for_each_address_what_became_of_it() -> None:
    async def body() -> None:
        async with listening() as good, listening(status(403)) as bad:
            urls = [good.url, bad.url, f"http://127.0.0.1:{unused_port()}/{CANARY}"]
            targets = [parse_target(Secret(url), at) for at, url in enumerate(urls, 1)]
            found = await send_test(targets, ["arb", "barb"], QUICK)
            assert list(found.values())[:2] == ["", "HTTP 403"]
            assert list(found.values())[2].startswith("cannot connect (")
            assert CANARY not in repr(found)
            assert good.heard[0]["text"].count("this is a test of arb notify") == 2
            assert good.heard[0]["trader"] == "arb, barb"

    asyncio.run(body())


# ---- the program ---------------------------------------------------------------------------------


@contextmanager
def beating(name: str) -> Iterator[Segment]:
    """A trader's segment with a main thread that does nothing but beat."""
    segment = Segment.create(name, mode="paper", tick_capacity=64, order_capacity=8)
    ended = Event()

    def beat() -> None:
        while not ended.wait(0.05):
            segment.heartbeat()

    thread = Thread(target=beat)
    try:
        segment.symbols.add("BTCUSDT", {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"})
        segment.store.apply_quote("bybit", 0, 1.0, 2.0, recv_mono_ns=time.monotonic_ns())
        segment.store.apply_quote("okx", 0, 1.0, 2.0, recv_mono_ns=time.monotonic_ns())
        segment.write_board(encode_board(Board(wall_ns=time.time_ns()), 60_000))
        segment.mark_ready()
        thread.start()
        yield segment
    finally:
        ended.set()
        thread.join(10)
        segment.close()


def environment(url: str, **more: str) -> dict[str, str]:
    base = {key: text for key, text in os.environ.items() if not key.startswith("ARB_")}
    return base | {"ARB_ALERT_URLS": url, "LOG_LEVEL": "DEBUG"} | more


PROGRAM = [sys.executable, "-m", "arbitrage.cli", "notify"]


def test_the_program_tells_of_a_trader_that_is_killed_and_goes(tmp_path: Path) -> None:
    name = f"test-notify-{os.getpid()}"

    async def body() -> None:
        async with listening() as address:
            with beating(name) as segment:
                child = await asyncio.create_subprocess_exec(
                    *PROGRAM, "--name", name, cwd=tmp_path, env=environment(address.url),
                    stderr=asyncio.subprocess.PIPE,
                )  # fmt: skip
                assert child.stderr is not None
                said = b""
                async with asyncio.timeout(WAIT_S):
                    while b"watching" not in said:
                        said += await child.stderr.readline()
                killed = KillLine(reason="loss", by="the trader", since_wall_ns=7, why=CANARY[:4])
                board = Board(wall_ns=time.time_ns(), killed=killed)
                segment.write_board(encode_board(board, 60_000))
                await address.wait(1)
                assert address.texts(0) == ["KILLED (loss) by the trader: c4n4"]
                assert address.heard[0]["trader"] == name
            await address.wait(2)
            assert "the trader is gone: " in address.texts(1)[0]
            child.terminate()
            async with asyncio.timeout(WAIT_S):
                said += await child.stderr.read()
                assert await child.wait() == 0
            assert b"2 messages sent, 0 failures, 0 alerts dropped, 0 left" in said
            assert b"KILLED (loss) by the trader" in said
            assert CANARY.encode() not in said

    asyncio.run(body())


def test_one_notifier_watches_several_traders_and_tells_them_apart(tmp_path: Path) -> None:
    first, second = (f"test-notify-{os.getpid()}-{number}" for number in (1, 2))
    killed = KillLine(reason="loss", by="the trader", since_wall_ns=7, why="")

    async def body() -> None:
        async with listening() as address:
            with beating(first) as one, beating(second) as two:
                child = await asyncio.create_subprocess_exec(
                    *PROGRAM, "--name", first, "--name", second, "--name", first, cwd=tmp_path,
                    env=environment(address.url), stderr=asyncio.subprocess.PIPE,
                )  # fmt: skip
                assert child.stderr is not None
                said = b""
                async with asyncio.timeout(WAIT_S):
                    while f"watching {first}, {second} for webhook".encode() not in said:
                        said += await child.stderr.readline()
                for number, segment in enumerate((two, one), 1):
                    board = Board(wall_ns=time.time_ns(), killed=killed)
                    segment.write_board(encode_board(board, 60_000))
                    await address.wait(number)
            child.terminate()
            async with asyncio.timeout(WAIT_S):
                said += await child.stderr.read()
                assert await child.wait() == 0
            told = [(each["trader"], each["alerts"]) for each in address.heard[:2]]
            for (trader, alerts), name in zip(told, (second, first), strict=True):
                (only,) = alerts
                assert trader == only["trader"] == name
                assert only["text"] == "KILLED (loss) by the trader"
                assert f"{name}: KILLED (loss) by the trader".encode() in said

    asyncio.run(body())


def test_alerts_of_several_traders_share_a_message_where_they_wait_together() -> None:
    gate = asyncio.Event()

    async def answer(number: int) -> web.Response:
        if number == 1:
            await gate.wait()
        return web.Response()

    async def body() -> None:
        async with listening(answer) as address, outbox(address.url) as box:
            box.put(alert(0))
            await address.wait(1)
            for number, trader in enumerate(("east", "west", "east"), 1):
                box.put(replace(alert(number), trader=trader))
            gate.set()
            await until(lambda: box.sent == 2)
            heard = address.heard[1]
            assert heard["trader"] == "east, west"
            assert [each["trader"] for each in heard["alerts"]] == ["east", "west", "east"]
            assert [line.split()[1] for line in heard["text"].splitlines()] == [
                "east", "west", "east",
            ]  # fmt: skip

    asyncio.run(body())


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("", 2, "nobody to tell: set ARB_ALERT_URLS"),
        (f"http://example.org/{CANARY}", 2, "address 1 of ARB_ALERT_URLS cannot be used"),
        (f"https://u:{CANARY}@[{CANARY}/", 2, "address 1 of ARB_ALERT_URLS cannot be used"),
        (f"http://127.0.0.1:1/{CANARY}", 1, "1, webhook at 127.0.0.1:1: cannot connect ("),
    ],
)
def test_no_way_of_failing_shows_an_address(
    tmp_path: Path, url: str, code: int, said: str
) -> None:
    done = subprocess.run(
        [*PROGRAM, "--test"], cwd=tmp_path, env=environment(url), capture_output=True, text=True,
        timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_an_address_in_an_open_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(f"ARB_ALERT_URLS=http://127.0.0.1:1/{CANARY}\n")
    path.chmod(0o644)
    done = subprocess.run(
        [*PROGRAM, "--test"], cwd=tmp_path, env=environment(""), capture_output=True, text=True,
        timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert "holds keys and others may read it; run: chmod 600" in done.stderr
    assert CANARY not in json.dumps([done.stdout, done.stderr])
