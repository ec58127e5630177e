"""Each code of both tables gets its treatment: on the order line, at login and over REST."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arbitrage.config import Credentials
from arbitrage.core.kill import KillGate
from arbitrage.errors import ConnectorError
from arbitrage.instruments import Instrument
from arbitrage.secret import Secret
from arbitrage.venues.base import TradedSymbol, code_of
from arbitrage.venues.bybit import codes as bybit
from arbitrage.venues.bybit.order_gateway import BybitOrderGateway
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.codes import UNLISTED, Action, CodeTable
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.okx import codes as okx
from arbitrage.venues.okx.order_gateway import OkxOrderGateway
from arbitrage.venues.okx.rest import OkxRest
from arbitrage.venues.signed import PASSING

ROOT = Path(__file__).resolve().parents[2]
KEYS = Credentials(key=Secret("the-key"), secret=Secret("hidden"), passphrase=Secret("phrase"))
TABLES = {"bybit": bybit.CODES, "okx": okx.CODES}
ROWS = [(venue, code) for venue, table in TABLES.items() for code, _ in table]
OURS, ROW, SENT_NS = 1234567890123456789, 1, 44
HIDDEN = 987654321  # a code nobody documented


class Sender:
    """The compiled sender's calls, noted down; one order is unsettled."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.kill_gate = KillGate()

    def add_instrument(self, *_: Any) -> None: ...

    def set_wall_offset_ms(self, *_: Any) -> None: ...

    def show_clock(self, *_: Any) -> None: ...

    def limit_rate(self, *_: Any) -> None: ...

    def set_fallback(self, *_: Any, **__: Any) -> None: ...

    def was_acknowledged(self, client_id: int) -> bool:
        return False

    def acknowledge(self, *args: Any) -> bool:
        self.calls.append(("ack", *args))
        return True

    def reject(self, *args: Any) -> bool:
        self.calls.append(("reject", *args))
        return True

    def doubt(self, *args: Any) -> tuple[int, int, int]:
        self.calls.append(("doubt", *args))
        return OURS, ROW, SENT_NS

    def unsettled(self) -> list[tuple[int, int, int]]:
        return [(OURS, ROW, SENT_NS)]

    def settle(self, client_id: int) -> bool:
        return True


class Line:
    """An order gateway without a connection, and what it asked of its surroundings."""

    def __init__(self, venue: str) -> None:
        self.sender = Sender()
        self.asked: list[int] = []
        self.stops: list[ConnectorError] = []
        self.throttled = self.measured = self.dropped = 0
        rest, gateway = {
            "bybit": (BybitRest, BybitOrderGateway),
            "okx": (OkxRest, OkxOrderGateway),
        }[venue]
        client: Any = rest("http://127.0.0.1:1", KEYS)
        item = TradedSymbol(
            row=ROW,
            instrument=Instrument(
                venue=venue, venue_symbol="X", symbol="BTCUSDT", base="BTC", settle="USDT",
                contract_base_qty=Decimal(1), tick=Decimal("0.1"), lot=Decimal(1),
                min_qty=Decimal(1), max_qty=Decimal(0), inst_id_code=1,
            ),
        )
        publisher: Any = None
        sender: Any = self.sender
        tracker = ExecutionTracker(0, venue, [item], publisher, lambda _: None, lambda _: True)
        self.gateway: Any = gateway(
            "ws://127.0.0.1:1", KEYS, client, sender, tracker, [item], on_stop=self.stops.append
        )
        self.gateway.resolver.ask = lambda client_id, *_: self.asked.append(client_id)
        self.gateway.drop = self._drop
        self.gateway.measure_clock = self._measure
        client.throttle = self._throttle

    def _drop(self) -> None:
        self.dropped += 1

    def _throttle(self) -> None:
        self.throttled += 1

    async def _measure(self) -> None:
        self.measured += 1


def drive(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()
        await asyncio.sleep(0)

    asyncio.run(main())


def check_surroundings(line: Line, venue: str, code: int) -> None:
    row = TABLES[venue].of(code)
    assert line.throttled == (row.action is Action.THROTTLE)
    assert [error.is_terminal for error in line.stops] == [True] * (row.action is Action.STOP)
    assert line.measured == row.is_clock
    assert line.dropped == row.is_reconnect


@pytest.mark.parametrize(("venue", "code"), [*ROWS, ("bybit", HIDDEN), ("okx", HIDDEN)])
def test_an_order_answered_with_a_code(venue: str, code: int) -> None:
    line = Line(venue)

    async def main() -> None:
        line.gateway.answered(str(OURS), code, "said", 5)

    drive(main)
    if TABLES[venue].action(code) is Action.QUERY:
        assert line.sender.calls == [("doubt", OURS, code_of(code))]
        assert line.asked == [OURS]
    else:
        assert line.sender.calls == [("reject", OURS, code_of(code), 5)]
        assert line.asked == []
    check_surroundings(line, venue, code)


@pytest.mark.parametrize(("venue", "code"), ROWS)
def test_a_cancel_answered_with_a_code_leaves_the_order_open(venue: str, code: int) -> None:
    line = Line(venue)

    async def main() -> None:
        if venue == "bybit":
            frame = '{"reqId":"c%d","retCode":%d,"retMsg":"said","op":"order.cancel","data":{}}'
        else:
            frame = (
                '{"id":"c%d","op":"cancel-order","code":"1","msg":"","data":'
                '[{"ordId":"","clOrdId":"","sCode":"%d","sMsg":"said"}]}'
            )
        line.gateway.on_message((frame % (OURS, code)).encode(), 5)

    drive(main)
    assert line.sender.calls == [], "whether an order lives is not for its cancel to say"
    assert line.asked == [OURS]
    check_surroundings(line, venue, code)


@pytest.mark.parametrize("venue", TABLES)
def test_a_yes_is_no_error(venue: str) -> None:
    line = Line(venue)
    line.gateway.answered(str(OURS), 0 if venue == "bybit" else "0", "", 5)
    line.gateway.cancel_answered(str(OURS), "0", "")
    line.gateway.cancel_answered("test-005", "1", "")
    assert line.sender.calls == [("ack", OURS, 5)]
    assert line.asked == []


@pytest.mark.parametrize(("venue", "code"), [*ROWS, ("bybit", HIDDEN), ("okx", HIDDEN)])
def test_a_login_answered_with_a_code(venue: str, code: int) -> None:
    async def main() -> None:
        line = Line(venue).gateway
        line._resync = line.measure_clock
        line._login = asyncio.get_running_loop().create_future()
        line.login_refused(code, "said")
        error = line._login.exception()
        assert isinstance(error, ConnectorError)
        row = TABLES[venue].of(code)
        passes = row is not UNLISTED and (row.action in PASSING or row.is_clock)
        assert error.is_terminal == (not passes)

    drive(main)


class Answers:
    """A REST client's answers, one after the other."""

    def __init__(self, venue: str, *bodies: bytes) -> None:
        self.client: Any = {"bybit": BybitRest, "okx": OkxRest}[venue]("http://127.0.0.1:1", KEYS)
        self.bodies = list(bodies)
        self.synced = 0
        self.client.request = self._request
        self.client.sync_clock = self._sync

    async def _request(self, *_: Any, **__: Any) -> bytes:
        return self.bodies.pop(0)

    async def _sync(self) -> None:
        self.synced += 1


def refusal(venue: str, code: int) -> bytes:
    if venue == "bybit":
        return b'{"retCode":%d,"retMsg":"said","result":{},"retExtInfo":{},"time":1}' % code
    return b'{"code":"%d","msg":"said","data":[]}' % code


EMPTY = {
    "bybit": b'{"retCode":0,"retMsg":"OK","result":{"list":[],"nextPageCursor":""},"time":1}',
    "okx": b'{"code":"0","msg":"","data":[]}',
}


@pytest.mark.parametrize(("venue", "code"), [*ROWS, ("bybit", HIDDEN), ("okx", HIDDEN)])
def test_a_question_answered_with_a_code(
    venue: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arbitrage.venues.rest_client.ASK_AGAIN_S", 0.0)
    row = TABLES[venue].of(code)
    rest = Answers(venue, refusal(venue, code), EMPTY[venue])

    async def main() -> None:
        if row.action is Action.RETRY:
            assert await rest.client.positions() == []
            assert rest.synced == row.is_clock
            return
        with pytest.raises(ConnectorError, match="said") as caught:
            await rest.client.positions()
        assert caught.value.is_terminal == (row.action is Action.STOP)
        assert caught.value.code == str(code)
        assert row.advice in str(caught.value)
        path = str(caught.value).split(":")[1].strip()
        waits = rest.client.wait_s(path) > 0.5
        assert waits == (row.action is Action.THROTTLE)
        assert rest.client.wait_s(path, is_urgent=True) == 0.0
        assert (rest.client.wait_s("/another") > 0.5) == row.is_address

    drive(main)


@pytest.mark.parametrize("venue", TABLES)
def test_what_passes_by_itself_is_asked_for_twice_at_most(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arbitrage.venues.rest_client.ASK_AGAIN_S", 0.0)
    code = next(iter(TABLES[venue].having(Action.RETRY)))
    rest = Answers(venue, refusal(venue, code), refusal(venue, code), EMPTY[venue])

    async def main() -> None:
        with pytest.raises(ConnectorError):
            await rest.client.positions()
        assert len(rest.bodies) == 1

    drive(main)


def test_tables_speak_of_every_action_and_look_up_text_as_numbers() -> None:
    for venue, table in TABLES.items():
        assert table.venue == venue
        assert all(table.having(action) for action in Action)
        assert sum(len(table.having(action)) for action in Action) == len(table)
        for code, row in table:
            assert table.of(str(code)) is row
            assert str(code) in table
            assert 0 < len(row.meaning) < 70
            assert row.section
        for nothing in (None, "", "none", 0, "0", HIDDEN):
            assert table.of(nothing) is UNLISTED
            assert nothing not in table
        assert table.said(HIDDEN, "x") == "x"
    assert TABLES["bybit"].said(10004, "error sign!") == "error sign!; check the API secret"


def test_a_table_is_in_the_order_of_its_codes() -> None:
    row = bybit.CODES.of(10004)
    assert [code for code, _ in CodeTable("x", {2: row, -1: row, 1: row})] == [-1, 1, 2]


def render(page_root: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(page_root / "bin/render-venue-codes"), *flags],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def test_the_pages_show_the_tables() -> None:
    done = render(ROOT, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_page_that_differs_is_found_and_written(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "bin/render-venue-codes", tmp_path / "bin")
    shutil.copytree(ROOT / "docs/venues", tmp_path / "docs/venues")
    page = tmp_path / "docs/venues/okx.md"
    page.write_text(page.read_text().replace("| 50102 | retry |", "| 50102 | drop |"))
    wrong = render(tmp_path, "--check")
    assert (wrong.returncode, wrong.stdout.split()[0]) == (1, "docs/venues/okx.md"), wrong.stderr
    assert render(tmp_path).returncode == 0
    assert page.read_text() == (ROOT / "docs/venues/okx.md").read_text()
