"""The fault plan over real sockets: lines torn, refused, deaf; armed by file and by HTTP."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from patience import LIMIT_S
from picows import WSError, WSListener, WSMsgType, ws_connect
from venue_kit import run, simulated, until

from arbitrage.sim.server import SimServer

SUBSCRIBE = b'{"op":"subscribe","args":["orderbook.1.BTCUSDT"]}'


class Ear(WSListener):
    """A client that keeps what it hears."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.ended = asyncio.Event()
        self.pongs = 0

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self.texts.append(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PONG:
            self.pongs += 1
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: Any) -> None:
        self.ended.set()


async def listen(server: SimServer) -> tuple[Any, Ear]:
    transport, ear = await ws_connect(Ear, server.urls["public_ws_url"])
    transport.send(WSMsgType.TEXT, SUBSCRIBE)
    await until(lambda: len(ear.texts) > 3, what="quotes")
    return transport, ear


async def arm(server: SimServer, *rules: dict[str, Any]) -> dict[str, Any]:
    url = f"{server.urls['rest_url']}/admin/faults"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json={"seed": 1, "rule": rules}) as answer,
    ):
        return {"status": answer.status, **await answer.json()}


def test_a_line_is_reset_and_another_closed() -> None:
    async def main() -> None:
        async with simulated("bybit", admin=True) as server:
            transport, ear = await listen(server)
            assert (await arm(server, {"what": "reset"}))["status"] == 200
            await asyncio.wait_for(ear.ended.wait(), LIMIT_S)
            assert transport.close_handshake is None or transport.close_handshake.recv is None
            transport, ear = await listen(server)
            await arm(server, {"what": "close", "code": 1012, "reason": "restart"})
            await asyncio.wait_for(ear.ended.wait(), LIMIT_S)
            assert transport.close_handshake.recv.code == 1012

    run(main)


def test_a_half_open_line_stays_open_and_deaf() -> None:
    async def main() -> None:
        async with simulated("bybit", admin=True) as server:
            transport, ear = await listen(server)
            await arm(server, {"what": "half_open"})
            await until(lambda: server.faults.counts["half_open"] == 1)
            await asyncio.sleep(0.05)
            heard = len(ear.texts)
            transport.send(WSMsgType.TEXT, b'{"op":"ping"}')
            transport.send_ping(b"x")
            await asyncio.sleep(0.1)
            assert len(ear.texts) == heard
            assert ear.pongs == 0
            assert not ear.ended.is_set()
            async with (
                aiohttp.ClientSession() as session,
                session.delete(f"{server.urls['rest_url']}/admin/faults") as answer,
            ):
                assert answer.status == 200
            transport.send_ping(b"x")
            await until(lambda: ear.pongs == 1 and len(ear.texts) > heard, what="healed")
            transport.disconnect()

    run(main)


@pytest.mark.parametrize("status", [0, 429, 503])
def test_connections_and_rest_are_refused(status: int) -> None:
    async def main() -> None:
        async with simulated("okx", admin=True) as server, aiohttp.ClientSession() as session:
            told = await arm(server, {"what": "refuse", "status": status})
            assert told == {"status": 200}
            with pytest.raises((WSError, OSError)):
                await ws_connect(Ear, server.urls["public_ws_url"])
            url = f"{server.urls['rest_url']}/api/v5/public/time"
            if status:
                async with session.get(url) as answer:
                    assert answer.status == status
            else:
                with pytest.raises(aiohttp.ClientError):
                    await session.get(url)
            async with session.get(f"{server.urls['rest_url']}/admin/faults") as answer:
                seen = await answer.json()
            assert seen["counts"]["refuse"] >= 2
            assert {fault["what"] for fault in seen["injected"]} == {"refuse"}
            assert seen["plan"]["rule"][0]["what"] == "refuse"

    run(main)


def test_a_rest_answer_is_lost_over_http() -> None:
    async def main() -> None:
        async with simulated("bybit", admin=True) as server, aiohttp.ClientSession() as session:
            await arm(server, {"what": "lose", "call": "/v5/market/time", "count": 1})
            with pytest.raises(aiohttp.ClientError):  # a GET the client would send again itself
                await session.post(f"{server.urls['rest_url']}/v5/market/time")
            async with session.get(f"{server.urls['rest_url']}/v5/market/time") as answer:
                assert answer.status == 200

    run(main)


def test_a_wrong_plan_over_http_is_one_line() -> None:
    async def main() -> None:
        async with simulated("bybit", admin=True) as server:
            told = await arm(server, {"what": "drop", "probability": 7})
            assert told["status"] == 400
            assert told["error"].startswith("fault plan: rule 0 (drop): probability was 7")

    run(main)


def test_the_command_reads_a_plan_and_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('[[rule]]\nwhat = "drop"\nprobability = 2\n')
    for venue in ("bybit", "both"):
        done = subprocess.run(
            [sys.executable, "-m", "arbitrage.sim", "--venue", venue, "--faults", str(path)],
            capture_output=True, text=True, check=False, timeout=90)
        assert done.returncode == 2
        assert done.stderr.strip() == (
            f"error: --faults {path}: fault plan: rule 0 (drop): probability was 2; probability "
            "must be above 0 and at most 1")


def test_a_plan_from_a_file_is_in_force_at_once(tmp_path: Path) -> None:
    plan, ready = tmp_path / "plan.toml", tmp_path / "ready.json"
    plan.write_text('[[rule]]\nwhat = "refuse"\nstatus = 503\n')
    child = subprocess.Popen(
        [sys.executable, "-m", "arbitrage.sim", "--venue", "okx", "--ws-port", "0", "--rest-port",
         "0", "--ready-file", str(ready), "--faults", str(plan)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    async def main() -> None:
        await until(ready.exists, what="the simulator")
        urls = json.loads(ready.read_text())
        with pytest.raises(WSError, match="503"):
            await ws_connect(Ear, urls["public_ws_url"])

    try:
        run(main)
    finally:
        child.terminate()
        child.wait(LIMIT_S)
