"""The page's data: one look for everybody, and who reads slowly fills nothing."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from deck_fixture import WALL_NS, FixedReader, deck_facts, gone_facts

from arbitrage.cold import web_app
from arbitrage.cold.deck import Deck
from arbitrage.cold.web_app import Hub, StageHistory, mount_page, thinned
from arbitrage.cold.web_guard import HEADERS, guard_app

PERIOD_S = 0.05


class Served:
    """The page of some readers, on a port of its own."""

    def __init__(self, *readers: FixedReader) -> None:
        self.app = guard_app(None)
        self.readers = {reader.name: reader for reader in readers}
        self.hubs = mount_page(self.app, self.readers, PERIOD_S)
        self.server = TestServer(self.app, host="127.0.0.1")

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"


Step = Callable[[ClientSession, Served], Awaitable[None]]


def with_page(step: Step, *readers: FixedReader) -> None:
    async def body() -> None:
        served = Served(*(readers or (FixedReader(),)))
        async with served.server, ClientSession() as session:
            await asyncio.wait_for(step(session, served), 60.0)

    asyncio.run(body())


class Stream:
    """A browser's end of the stream."""

    def __init__(self, content: Any) -> None:
        self._content = content

    async def event(self) -> tuple[str, Any]:
        """Return the next event: its kind and its body."""
        kind = ""
        while True:
            line = (await self._content.readline()).decode().rstrip("\n")
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                return kind, json.loads(line[6:])
            assert line or self._content.at_eof() is False, "the stream ended"

    async def until(self, wanted: str, is_it: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the body of the next event of a kind that fits."""
        while True:
            kind, body = await self.event()
            if kind == wanted and is_it(body):
                return body


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to be true, looking often."""
    deadline = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_a_stream_begins_with_everything_and_goes_on_with_what_is_new() -> None:
    async def step(session: ClientSession, served: Served) -> None:
        async with session.get(f"{served.root}/events") as answer:
            assert answer.content_type == "text/event-stream"
            assert HEADERS.items() <= answer.headers.items()
            stream = Stream(answer.content)
            kind, hello = await stream.event()
            assert (kind, hello["names"], hello["name"]) == ("hello", ["arbitrage"], "arbitrage")
            kind, curves = await stream.event()
            assert kind == "curves"
            full = deck_facts()["pnl"]
            assert len(curves["pnl"]) == web_app.CURVE_POINTS_MAX < len(full)
            assert [curves["pnl"][0], curves["pnl"][-1]] == [list(full[0]), list(full[-1])]
            stages = {line["stage"] for line in deck_facts()["latency"]}
            assert set(curves["latency"]["stages"]) == stages
            last_ns = 0
            for _ in range(3):
                kind, deck = await stream.event()
                assert kind == "deck"
                assert deck["wall_ns"] > last_ns
                assert deck["pnl"] == [list(full[-1])]
                last_ns = deck["wall_ns"]
        async with session.get(f"{served.root}/api/deck") as answer:
            assert len((await answer.json())["pnl"]) == len(full)

    with_page(step)


def test_the_files_of_the_page_and_no_others() -> None:
    async def step(session: ClientSession, served: Served) -> None:
        for path, kind in (
            ("/", "text/html"),
            ("/static/deck.css", "text/css"),
            ("/static/deck.js", "text/javascript"),
            ("/static/icon.svg", "image/svg+xml"),
        ):
            async with session.get(served.root + path) as answer:
                assert (answer.status, answer.content_type) == (200, kind), path
                assert HEADERS.items() <= answer.headers.items()
        for path in ("/static/../web_app.py", "/static/%2e%2e%2fweb_app.py", "/static/x.py", "/x"):
            async with session.get(served.root + path) as answer:
                assert answer.status == 404, path
                assert HEADERS.items() <= answer.headers.items()
        page = (await (await session.get(served.root)).text()).lower()
        assert "<style" not in page
        assert "style=" not in page
        assert "<script>" not in page
        assert " on" + "click=" not in page

    with_page(step)


def test_several_traders_by_name() -> None:
    async def step(session: ClientSession, served: Served) -> None:
        for query, name in (("", "a"), ("?name=a", "a"), ("?name=b", "b")):
            async with session.get(f"{served.root}/events{query}") as answer:
                stream = Stream(answer.content)
                assert (await stream.until("hello"))["names"] == ["a", "b"]
                assert (await stream.until("deck"))["name"] == name
        for path in ("/events?name=c", "/api/deck?name=c"):
            async with session.get(served.root + path) as answer:
                assert (answer.status, await answer.text()) == (
                    404, "no trader of that name is watched; a, b\n")

    with_page(step, FixedReader(deck_facts(name="a")), FixedReader(deck_facts(name="b")))


def test_many_browsers_share_one_look() -> None:
    reader = FixedReader()

    async def watch(session: ClientSession, served: Served) -> None:
        async with session.get(f"{served.root}/events") as answer:
            stream = Stream(answer.content)
            for _ in range(5):
                await stream.until("deck")

    async def step(session: ClientSession, served: Served) -> None:
        hub = served.hubs["arbitrage"]
        await asyncio.gather(*(watch(session, served) for _ in range(20)))
        assert reader.looks == hub.serial  # and not one for each
        await until(lambda: hub.watchers == 0)

    with_page(step, reader)


def test_a_slow_browser_misses_looks_and_never_the_newest() -> None:
    long = "x" * 400_000
    reader = FixedReader(deck_facts(opening=long))

    async def step(_session: ClientSession, served: Served) -> None:
        hub = served.hubs["arbitrage"]
        with socket.socket() as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
            link.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(link, ("127.0.0.1", served.server.port))
            host = f"127.0.0.1:{served.server.port}"
            await loop.sock_sendall(link, f"GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            await until(lambda: hub.watchers == 1)
            first = hub.serial
            await until(lambda: hub.serial >= first + 40)  # 16 MB would have been sent
            reader.facts = deck_facts(opening="short")
            await until(lambda: hub.serial >= first + 42)
            taken = b""
            while b'"opening":"short"' not in taken:
                taken += await loop.sock_recv(link, 1 << 16)
            assert len(taken) < 2_000_000, "looks waited for it that nobody wants any more"
        await until(lambda: hub.watchers == 0)

    with_page(step, reader)


def test_who_reads_nothing_any_more_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_app, "SEND_TIMEOUT_S", 0.5)
    reader = FixedReader(deck_facts(opening="x" * 2_000_000))

    async def step(_session: ClientSession, served: Served) -> None:
        hub = served.hubs["arbitrage"]
        with socket.create_connection(("127.0.0.1", served.server.port)) as link:
            link.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % served.server.port)
            await until(lambda: hub.watchers == 1)
            await until(lambda: hub.watchers == 0)

    with_page(step, reader)


def test_there_is_room_for_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_app, "WATCHERS_MAX", 1)

    async def step(session: ClientSession, served: Served) -> None:
        async with session.get(f"{served.root}/events") as answer:
            await Stream(answer.content).until("deck")
            async with session.get(f"{served.root}/events") as second:
                assert second.status == 503
        await until(lambda: served.hubs["arbitrage"].watchers == 0)
        async with session.get(f"{served.root}/events") as answer:
            assert answer.status == 200

    with_page(step)


def test_a_trader_that_goes_leaves_no_figure_and_the_next_begins_its_own_curves() -> None:
    reader = FixedReader()

    async def step(session: ClientSession, served: Served) -> None:
        async with session.get(f"{served.root}/events") as answer:
            stream = Stream(answer.content)
            await stream.until("deck", lambda deck: deck["alive"])
            reader.facts = gone_facts()
            deck = await stream.until("deck", lambda deck: not deck["alive"])
            assert deck["why_not"] == "the trader (pid 48213) has ended"
            for name in ("venues", "opportunities", "pairs", "money", "pnl", "latency", "queues"):
                assert deck[name] == []
            assert deck["day_result_usd"] is None
            reader.facts = deck_facts(run=215, pid=5, pnl=[(WALL_NS, 1.5)])
            curves = await stream.until("curves", lambda curves: bool(curves["pnl"]))
            assert curves["pnl"] == [[WALL_NS, 1.5]]
            assert (await stream.until("deck"))["run"] == 215

    with_page(step, reader)


def test_a_look_that_fails_is_told_once_and_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reader = FixedReader()
    caplog.set_level(logging.ERROR)

    async def step(session: ClientSession, served: Served) -> None:
        async with session.get(f"{served.root}/events") as answer:
            stream = Stream(answer.content)
            await stream.until("deck", lambda deck: deck["alive"])
            look = reader.look

            def fail() -> Deck:
                raise RuntimeError("a fault of ours")

            monkeypatch.setattr(reader, "look", fail)
            deck = await stream.until("deck", lambda deck: not deck["alive"])
            assert deck["why_not"] == "the monitor could not read the trader; its log says why"
            async with session.get(f"{served.root}/api/deck") as deck_answer:
                assert deck_answer.status == 503
            await stream.until("deck")
            monkeypatch.setattr(reader, "look", look)
            await stream.until("deck", lambda deck: deck["alive"])

    with_page(step, reader)
    assert [record.message for record in caplog.records] == ["arbitrage cannot be looked at"]


def test_a_server_that_stops_lets_its_browsers_go() -> None:
    async def body() -> float:
        served = Served(FixedReader())
        await served.server.start_server()
        async with (
            ClientSession() as session,
            session.get(f"{served.root}/events") as answer,
        ):
            await Stream(answer.content).until("deck")
            began_s = time.monotonic()
            await served.server.close()
            while await answer.content.read(1 << 16):
                pass
            return time.monotonic() - began_s

    assert asyncio.run(asyncio.wait_for(body(), 50.0)) < 30.0  # aiohttp would wait for a minute


def test_thinning_keeps_both_ends() -> None:
    points = list(range(1000))
    assert thinned(points, 1000) == points
    few = thinned(points, 7)
    assert len(few) == 7
    assert (few[0], few[-1]) == (0, 999)
    assert few == sorted(set(few))


def test_the_history_of_stages_has_gaps_and_an_end() -> None:
    history = StageHistory()
    deck = FixedReader().look()
    second_ns = 1_000_000_000
    for number in range(700):
        lines = [] if number == 650 else deck.latency[:1]
        history.add(WALL_NS + number * second_ns, lines)
        history.add(WALL_NS + number * second_ns + second_ns // 2, [])  # too early for another
    columns = history.columns()
    assert len(columns["at_ms"]) == 600
    assert columns["at_ms"][-1] == (WALL_NS + 699 * second_ns) // 1_000_000
    assert list(columns["stages"]) == ["parsed"]
    p50 = columns["stages"]["parsed"]["p50_ns"]
    assert [number for number, value in enumerate(p50) if value is None] == [550]


def test_a_look_is_written_once_however_many_ask() -> None:
    hub = Hub(FixedReader())
    hub.look()
    assert hub.message() is hub.message()
    assert hub.curves() is hub.curves()
