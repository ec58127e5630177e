"""The control socket: commands in, answers out, and nothing that a client does can hurt it."""

import asyncio
import json
import socket
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from arbitrage.control import LINE_BYTES_MAX, ControlClient, Request, socket_path
from arbitrage.errors import ConfigError, ControlError, NoTraderError
from arbitrage.runtime import control
from arbitrage.runtime.control import CLIENTS_MAX, ControlServer


class Desk:
    """A server on a loop thread of its own, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[Request] = []
        self.server = ControlServer(folder, self.answer)
        self.server.listen()
        self.loop = asyncio.new_event_loop()
        self.task: asyncio.Task[None] | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    async def answer(self, request: Request) -> dict[str, Any]:
        self.asked.append(request)
        if request.verb == "refuse":
            raise ControlError("no,\n not today")
        if request.verb == "break":
            raise RuntimeError("a defect")
        if request.verb == "wait":
            await asyncio.sleep(request.args["seconds"])
        return {"verb": request.verb, "args": request.args}

    def _run(self) -> None:
        self.task = self.loop.create_task(self.server.run())
        with suppress(asyncio.CancelledError):
            self.loop.run_until_complete(self.task)
        self.loop.run_until_complete(asyncio.sleep(0))

    def stop(self) -> None:
        task = self.task
        if task is not None:
            self.loop.call_soon_threadsafe(task.cancel)
        self.thread.join(5.0)
        assert not self.thread.is_alive()
        self.server.close()
        self.loop.close()

    def client(self, **options: Any) -> ControlClient:
        return ControlClient(self.folder, **options)

    def raw(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(5.0)
        made.connect(str(self.server.path))
        return made


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.stop()


def line_of(plug: socket.socket) -> dict[str, Any]:
    data = b""
    while not data.endswith(b"\n"):
        part = plug.recv(65536)
        if not part:
            raise ConnectionResetError
        data += part
    found: dict[str, Any] = json.loads(data)
    return found


def test_a_command_is_answered_with_its_result(desk: Desk) -> None:
    with desk.client(by="dashboard") as client:
        assert client.call("pause", symbols=["BTCUSDT"]) == {
            "verb": "pause", "args": {"symbols": ["BTCUSDT"]},
        }  # fmt: skip
        assert client.call("status") == {"verb": "status", "args": {}}
    assert [request.by for request in desk.asked] == ["dashboard", "dashboard"]


def test_a_refusal_is_one_line_and_a_defect_is_told_without_hurting_others(desk: Desk) -> None:
    with desk.client() as client:
        with pytest.raises(ControlError, match=r"^no, not today$"):
            client.call("refuse")
        with pytest.raises(ControlError, match="unexpected RuntimeError: a defect"):
            client.call("break")
        assert client.call("status")["verb"] == "status"


def test_the_socket_belongs_to_its_user_alone(desk: Desk) -> None:
    assert stat.S_IMODE(desk.server.path.stat().st_mode) == 0o600


def test_another_user_is_hung_up_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control.os, "geteuid", lambda: 4_000_000)
    with desk.raw() as plug:
        assert plug.recv(100) == b""
    assert desk.server.refused_count == 1
    assert desk.asked == []


@pytest.mark.parametrize(
    "line", [b"\n", b"[]\n", b"{}\n", b'{"verb": 3}\n', b"\xff\xfe\n", b'{"verb":"status"\n']
)
def test_nonsense_is_told_so_and_the_line_lives_on(desk: Desk, line: bytes) -> None:
    with desk.raw() as plug:
        plug.sendall(line)
        assert line_of(plug)["ok"] is False
        plug.sendall(b'{"id":7,"verb":"status"}\n')
        assert line_of(plug)["id"] == 7


def test_a_line_too_long_ends_its_connection_only(desk: Desk) -> None:
    # it may hang up before we have said it all
    with desk.raw() as plug, suppress(BrokenPipeError, ConnectionResetError):
        plug.sendall(b"x" * (2 * LINE_BYTES_MAX))
        assert "up to" in line_of(plug)["error"]
    with desk.client() as client:
        assert client.call("status")


def test_many_that_only_sit_there_do_not_keep_the_next_one_out(desk: Desk) -> None:
    sitting = [desk.raw() for _ in range(3 * CLIENTS_MAX)]
    assert len(desk.server._clients) <= CLIENTS_MAX
    for plug in sitting[::2]:
        with suppress(BrokenPipeError):  # one that had to make room
            plug.sendall(b'{"verb": "half a li')
    with desk.client() as client:
        assert client.call("kill")["verb"] == "kill"
    for plug in sitting:
        plug.close()


def test_a_client_in_the_middle_of_a_command_is_not_hung_up_on(desk: Desk) -> None:
    done: list[dict[str, Any]] = []
    with desk.client() as busy:
        thread = threading.Thread(target=lambda: done.append(busy.call("wait", seconds=0.3)))
        thread.start()
        while not desk.asked:
            pass
        sitting = [desk.raw() for _ in range(2 * CLIENTS_MAX)]
        thread.join(5.0)
        for plug in sitting:
            plug.close()
    assert done


def test_one_that_vanishes_with_a_reset_leaves_no_trace(desk: Desk) -> None:
    for _ in range(50):
        plug = desk.raw()
        plug.sendall(b'{"verb": "status"}\n' * 20)
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        plug.close()
    with desk.client() as client:
        assert client.call("status")


def test_one_that_never_reads_is_dropped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "WRITE_S", 0.05)
    with desk.raw() as plug:
        text = "y" * 60_000
        wire = json.dumps({"verb": "status", "args": {"text": text}}).encode() + b"\n"
        plug.settimeout(5.0)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            plug.sendall(wire * 200)
    with desk.client() as client:
        assert client.call("status")


def test_a_killed_run_s_socket_is_replaced_and_a_living_one_refused(
    desk: Desk, tmp_path: Path
) -> None:
    with pytest.raises(ControlError, match="another trader answers"):
        ControlServer(tmp_path, desk.answer).listen()
    other = tmp_path / "other"
    other.mkdir()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(socket_path(other)))
    left.close()
    fresh = Desk(other)
    with fresh.client() as client:
        assert client.call("status")
    fresh.stop()
    assert not socket_path(other).exists()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    socket_path(tmp_path).write_text("mine")
    with pytest.raises(ControlError, match="no socket"):
        ControlServer(tmp_path, lambda _: None).listen()  # type: ignore[arg-type,return-value]
    assert socket_path(tmp_path).read_text() == "mine"


def test_no_trader_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(NoTraderError, match="no trader listens at"):
        ControlClient(tmp_path)


def test_a_folder_may_be_as_deep_as_it_likes(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    with pytest.raises(NoTraderError):
        ControlClient(deep)
    deep.mkdir(parents=True)
    with pytest.raises(NoTraderError):
        ControlClient(deep)
    for _ in range(2):  # the second replaces what the first leaves
        made = Desk(deep)
        with made.client() as client:
            assert client.call("status")
        with pytest.raises(ControlError, match="another trader answers"):
            ControlServer(deep, made.answer).listen()
        made.stop()
    assert not socket_path(deep).exists()


def test_a_folder_too_deep_without_proc_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr(Path, "exists", lambda _: False)
    with pytest.raises(ConfigError, match="set ARB_STATE_DIR to a shorter folder"):
        ControlClient(deep)


def test_no_answer_in_time_says_that_it_is_not_known(desk: Desk) -> None:
    said = "whether it took effect is not known"
    with desk.client(timeout_s=0.05) as client, pytest.raises(ControlError, match=said):
        client.call("wait", seconds=0.3)
