"""The load generator: what it sends is what was meant, whole, in order, and on its schedule."""

import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arbitrage.sim.certs import make_certs

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        shutil.which(os.environ.get("CC", "gcc")) is None, reason="the benchmarks compile C"
    ),
]

load_frames = pytest.importorskip("benchmarks.load_frames")
rig = pytest.importorskip("benchmarks.wire_rig")
windows = pytest.importorskip("benchmarks.wire_windows")
harness = pytest.importorskip("benchmarks.harness")
generator_process = pytest.importorskip("benchmarks.load_generator")
floor_process = pytest.importorskip("benchmarks.floor_process")

VENUES = ("bybit", "okx")
FRAMES = 400


# ---- frames --------------------------------------------------------------------------------------


def payload_of(pool: Any, index: int) -> bytes:
    """Return one frame's payload, checked to be a whole unmasked text frame."""
    begin, size = (int(pool.frames[index][name]) for name in ("offset", "bytes"))
    whole = bytes(pool.data[begin : begin + size])
    assert whole[0] == 0x81
    assert whole[1] == 126
    size = int.from_bytes(whole[2:4], "big")
    assert size == len(whole) - 4
    return whole[4:]


def numbers_of(venue: str, payload: bytes) -> tuple[int, int]:
    """Return sequence number and time of a quote, as JSON reads them."""
    frame = json.loads(payload)
    if venue == "bybit":
        assert frame["cts"] == frame["ts"]
        return frame["data"]["seq"], frame["ts"]
    return frame["data"][0]["seqId"], int(frame["data"][0]["ts"])


@pytest.mark.parametrize("kind", ["crossings", "pairs", "market"])
def test_a_frame_has_its_numbers_where_the_pool_says(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ARB_REAL_DATA", str(tmp_path))
    for pool in load_frames.pools(kind, FRAMES):
        for index in range(FRAMES):
            row = {name: int(pool.frames[index][name]) for name in load_frames.FRAME.names}
            begin = row["offset"]
            seq_at = slice(begin + row["seq_at"], begin + row["seq_at"] + row["seq_digits"])
            digits = b"7" * row["seq_digits"]
            pool.data[seq_at] = digits
            places = [row["ts_at"], row["other_ts_at"]][: 2 if pool.venue == "bybit" else 1]
            for at in places:
                pool.data[begin + at : begin + at + 13] = b"1999999999999"
            assert numbers_of(pool.venue, payload_of(pool, index)) == (int(digits), 1999999999999)


def best_bid(venue: str, payload: bytes) -> float:
    data = json.loads(payload)["data"]
    return float(data["b"][0][0] if venue == "bybit" else data[0]["bids"][0][0])


def test_a_crossing_is_named_by_its_price_and_nothing_stays_open() -> None:
    count = 10 * load_frames.CROSS_EVERY
    bids = np.array(
        [
            [best_bid(pool.venue, payload_of(pool, index)) for index in range(count)]
            for pool in load_frames.pools("crossings", count)
        ]
    )
    named = load_frames.crossing_of(bids)
    places = load_frames.opening_places(count)
    assert len(places) == 9
    for turn, place in enumerate(places):
        assert named[turn % 2, place] == turn
        assert named[turn % 2, place - 1] == -1
        assert (named[1 - turn % 2, place : place + 8] == -1).all()
    assert set(named[named >= 0]) == set(range(9))
    assert (named[:, -load_frames.CROSS_EVERY :] == -1).all()


def test_a_pair_is_one_frame_of_one_symbol_of_one_venue() -> None:
    count = 20 * load_frames.PAIR_EVERY
    away = set()
    for index, pool in enumerate(load_frames.pools("pairs", count)):
        calm: dict[int, float] = {}
        for number in range(count):
            symbol = number % len(load_frames.PAIR_SYMBOLS)
            bid = best_bid(pool.venue, payload_of(pool, number))
            usual = calm.setdefault(symbol, bid)
            if bid > 1.005 * usual:
                away.add((index, symbol, number))
    wanted = {(venue, symbol, place) for _, venue, symbol, place in
              load_frames.pair_places(count).tolist()}  # fmt: skip
    assert away == wanted
    assert len(away) == 19


# ---- the process ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture(scope="module")
def heard(stack: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a generator, a floor that listens to it, and their tables of stamps."""
    folder = tmp_path_factory.mktemp("load")
    core = min(os.sched_getaffinity(0))
    sent_path, sent = stack.enter_context(rig.stamps_file(folder, "test-sent", FRAMES))
    heard_path, came = stack.enter_context(rig.stamps_file(folder, "test-floor", FRAMES))
    generator = rig.Generator(folder, core, sent_path)
    stack.callback(generator.end)
    floor = rig.Floor(folder, core, "block", generator.url, heard_path, answers=True)
    stack.callback(floor.end)
    generator.wait_for("floor")
    return generator, floor, sent, came


def test_paced_frames_come_in_order_after_their_stamps_on_schedule(heard: Any) -> None:
    generator, floor, sent, came = heard
    floor.begin()
    begin_ns = time.monotonic_ns()
    found = generator.say(verb="paced", who="floor", kind="pairs", rate=2000, frames=FRAMES)
    floor.wait_for(FRAMES, FRAMES)
    assert found["sent"] == [FRAMES, FRAMES]
    for venue in range(2):
        assert (np.diff(sent[venue]) >= 0).all()
        assert (came[venue] > sent[venue]).all()
    # a schedule that is never waited for: the last frame is not due before its place in it
    assert sent.max() - begin_ns >= (FRAMES - 1) * 500_000
    # every answer came back on both lines, whichever pieces they came in
    assert sorted(set(found["relays"])) == ["/floor/order/0", "/floor/order/1"]
    answers = len(load_frames.pair_places(FRAMES))
    _, relay, size = (np.array(column) for column in found["arrivals"])
    for line in range(2):
        assert size[relay == line].sum() == answers * (300 + 8)  # header, mask


def test_the_same_goes_over_tls(tmp_path: Path) -> None:
    """Records are made before a run; a run may leave answers over, and the next goes on."""
    pytest.importorskip("trustme")
    core, chain = min(os.sched_getaffinity(0)), make_certs(tmp_path)
    with ExitStack() as opened:
        path, sent = opened.enter_context(rig.stamps_file(tmp_path, "test-tls", FRAMES))
        heard_path, came = opened.enter_context(rig.stamps_file(tmp_path, "test-tls-f", FRAMES))
        generator = rig.Generator(tmp_path, core, path, chain=chain)
        opened.callback(generator.end)
        assert generator.url.startswith("wss://")
        floor = rig.Floor(
            tmp_path, core, "block", generator.url, heard_path, answers=True,
            environment={"SSL_CERT_FILE": str(tmp_path / "ca.pem")},
        )  # fmt: skip
        opened.callback(floor.end)
        generator.wait_for("floor")
        for _ in range(2):
            floor.begin()
            found = generator.say(verb="paced", who="floor", kind="pairs", rate=2000, frames=FRAMES)
            floor.wait_for(FRAMES, FRAMES)
            for venue in range(2):
                assert (came[venue] > sent[venue]).all()
            _, relay, size = (np.array(column) for column in found["arrivals"])
            for line in range(2):
                answers = len(load_frames.pair_places(FRAMES))
                assert size[relay == line].sum() > answers * (300 + 8)


def test_each_frame_bears_the_next_number_and_the_time(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    with ExitStack() as opened:
        path, _ = opened.enter_context(rig.stamps_file(tmp_path, "test-numbers", FRAMES))
        generator = rig.Generator(tmp_path, core, path)
        opened.callback(generator.end)
        plugs = [Plug(generator.port, f"/floor/{venue}") for venue in VENUES]
        for plug in plugs:
            opened.callback(plug.close)
        generator.wait_for("floor")
        before_ms = time.time_ns() // 1_000_000
        first = dict(load_frames.SEQ_FIRST)
        for command in (
            {"verb": "paced", "kind": "pairs", "rate": 5000, "frames": FRAMES},
            {"verb": "batched", "kind": "crossings", "count": 50, "size": 16, "rate": 2000.0,
             "seconds": 0.1},
        ):  # fmt: skip
            sent = generator.say(who="floor", **command)["sent"]
            for venue, plug, count in zip(VENUES, plugs, sent, strict=True):
                numbers = [numbers_of(venue, plug.text()) for _ in range(count)]
                wanted = range(first[venue] + 1, first[venue] + count + 1)
                assert [seq for seq, _ in numbers] == list(wanted)
                times = [ms for _, ms in numbers]
                assert times == sorted(times)
                assert before_ms - 1 <= times[0] <= times[-1] <= time.time_ns() // 1_000_000 + 1
                first[venue] += count


class Plug:
    """A WebSocket client as bare as can be."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60.0)
        self._data = b""
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: AAAA\r\n\r\n"
        self._socket.sendall(request.encode())
        while b"\r\n\r\n" not in self._data:
            self._read()
        self._data = self._data.partition(b"\r\n\r\n")[2]

    def _read(self) -> None:
        came = self._socket.recv(65536)
        assert came, "the generator hung up"
        self._data += came

    def text(self) -> bytes:
        """Return the payload of the next frame, which must be a text of 126 bytes or more."""
        while len(self._data) < 4:
            self._read()
        assert self._data[:2] == b"\x81\x7e"
        size = 4 + int.from_bytes(self._data[2:4], "big")
        while len(self._data) < size:
            self._read()
        payload, self._data = self._data[4:size], self._data[size:]
        return payload

    def close(self) -> None:
        self._socket.close()


def test_batches_come_whole(heard: Any) -> None:
    generator, floor, _, _ = heard
    for rate in (0.0, 20_000.0):
        floor.begin()
        found = generator.say(
            verb="batched", who="floor", kind="crossings", count=100, size=64, rate=rate,
            seconds=0.2,
        )  # fmt: skip
        floor.wait_for(*found["sent"])
        assert all(count > 0 and count % 64 == 0 for count in found["sent"])
        if rate:
            assert max(found["sent"]) <= rate * 0.2 + 64


def test_a_command_for_somebody_who_is_not_there_is_one_clear_line(heard: Any) -> None:
    generator = heard[0]
    with pytest.raises(Exception, match=r"the load generator: KeyError.*trader"):
        generator.say(verb="paced", who="trader", kind="pairs", rate=1000, frames=10)
    assert generator.say(verb="who")["feeds"] == ["floor 0", "floor 1"]


def test_requests_are_answered_as_the_venues_do() -> None:
    asked = json.dumps({"req_id": "s0", "op": "subscribe", "args": ["orderbook.1.BTCUSDT"]})
    said = json.loads(generator_process.answer_of(0, asked.encode()))
    assert (said["success"], said["op"], said["req_id"]) == (True, "subscribe", "s0")
    pong = generator_process.answer_of(0, b'{"op":"ping"}')
    assert json.loads(pong)["ret_msg"] == "pong"
    assert generator_process.answer_of(1, b"ping") == b"pong"
    asked = json.dumps({"op": "subscribe", "args": [{"channel": "bbo-tbt", "instId": "X"}]})
    assert json.loads(generator_process.answer_of(1, asked.encode()))["event"] == "subscribe"


def test_masked_texts_are_read_whole_and_the_rest_is_kept() -> None:
    mask, texts = bytes([1, 2, 3, 4]), [b"ping", b"x" * 200]
    data = bytearray()
    for text in texts:
        head = bytes([0x81, 0x80 | len(text)]) if len(text) < 126 else b"\x81\xfe\x00\xc8"
        data += head + mask + bytes(byte ^ mask[index & 3] for index, byte in enumerate(text))
    data += b"\x81\x84\x01"
    assert generator_process.client_texts(data) == [(1, text) for text in texts]
    assert bytes(data) == b"\x81\x84\x01"


# ---- windows -------------------------------------------------------------------------------------


def test_ratios_are_of_neighbours_and_the_band_is_of_ones_own() -> None:
    ours, floor = windows.Windows(), windows.Windows()
    for speed in (1.0, 4.0, 2.0):  # the machine's, the same for both in each pair of windows
        ours.add(np.full(10, 12.0 * speed))
        floor.add(np.full(10, 10.0 * speed))
    assert ours.ratio(floor, 50) == pytest.approx(1.2)
    assert floor.band(99) == 4.0
    assert ours.at(50) == 24.0
    assert windows.holds_tail(ours, floor)
    slow = windows.Windows()
    for speed in (1.0, 4.0, 2.0):
        slow.add(np.full(10, 41.0 * speed))
    assert not windows.holds_tail(slow, floor)


def test_empty_windows_are_taken_again_and_nothing_at_all_is_an_error() -> None:
    taken = iter([[], [5.0], [], [7.0]])
    looks: list[int] = []
    setup = harness.Setup((0,), 1.0, meter=lambda: looks.append(0))
    floor, (ours,) = windows.take_turns(
        2, lambda: np.array([1.0]), lambda: (np.array(next(taken)),), setup
    )
    assert [list(one) for one in ours.taken] == [[5.0], [7.0]]
    assert len(floor.taken) == 2
    assert len(looks) == 4, "the hiccup meter looks in every pause"
    with pytest.raises(Exception, match="not one cause was seen"):
        windows.take_turns(
            1, lambda: np.array([1.0]), lambda: (np.array([]),), harness.Setup((0,), 1.0)
        )
