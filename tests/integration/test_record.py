"""A trader recorded from another process: every frame, in its order, and replayed as it was."""

import errno
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import LIMIT_S, Patience
from trader_kit import SYMBOLS, VENUES, trader, venues

import arbitrage
from arbitrage.cold import recorder as recorder_module
from arbitrage.cold.recorder import SUMMARY, Recorder
from arbitrage.core.messages import Opportunity
from arbitrage.core.segment import Segment, remove_stale
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.frame_files import find_frames
from arbitrage.research.frames import read_frames
from arbitrage.sim.playback import read_lines

FEES = {"bybit": 0.0, "okx": 0.0}
MIN_NET_BPS = 0.3
OPEN = 1
Frames = list[tuple[int, bytes]]


# ---- a trader's segment, written by hand ---------------------------------------------------------


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., Segment]]:
    made: list[Segment] = []

    def segment(lanes: int = 1, tap_bytes: int = 1 << 20, enabled: bool = True) -> Segment:
        name = f"rec-{os.getpid()}-{len(made)}-{time.monotonic_ns() % 10**9}"
        found = Segment.create(name, lane_count=lanes, tap_bytes=tap_bytes)
        for index in range(lanes):
            found.tap(index).enable(enabled)
        found.decisions.enable(enabled)
        found.mark_ready()
        made.append(found)
        return found

    yield segment
    for one in made:
        one.close()


def write(segment: Segment, lane: int, venue: int, payload: bytes) -> int:
    now_ns: int = segment.clock.now()
    assert segment.tap(lane).write(now_ns, venue, 0, payload)
    return now_ns


def record(segment: Segment, folder: Path, work: Callable[[], None], **options: Any) -> Recorder:
    """Record in a thread while `work` goes on; all of it is in the files afterwards."""
    recorder = Recorder(arbitrage.attach(segment.name), folder, **options)
    recorder.open()
    done = threading.Event()
    runner = threading.Thread(target=recorder.run, args=(done.is_set, lambda: None))
    runner.start()
    try:
        work()
    finally:
        done.set()
        runner.join(LIMIT_S)
    assert not runner.is_alive()
    return recorder


def summary(folder: Path) -> dict[str, Any]:
    """Return the manifest, and what it says of the frames."""
    found: dict[str, Any] = json.loads((folder / SUMMARY).read_text())
    return found | found["frames"]


def lines(folder: Path, venue: str) -> Frames:
    path = find_frames(folder, venue)
    assert path is not None
    return list(read_frames(path))


FORMS = ["gzip", "none", pytest.param("zstd", id="zstd")]


@pytest.fixture
def form(request: pytest.FixtureRequest) -> str:
    if request.param == "zstd":
        pytest.importorskip("zstandard")
    return str(request.param)


@pytest.mark.parametrize("form", FORMS, indirect=True)
def test_lanes_are_merged_by_time_and_read_back(
    tmp_path: Path, make: Callable[..., Segment], form: str
) -> None:
    segment, sent = make(lanes=2), []

    def work() -> None:
        for number in range(3000):
            venue = number % 3 == 0
            payload = b'{"n":%d,"x":"%s"}' % (number, b"y" * (number % 300))
            sent.append((write(segment, number % 2, int(venue), payload), int(venue), payload))

    record(segment, tmp_path, work, compress=form)
    found = summary(tmp_path)
    offset_ns = found["wall_offset_ns"]
    assert abs(offset_ns + segment.clock.now() - time.time_ns()) < 1_000_000_000
    for index, venue in enumerate(VENUES):
        told = [(at_ns + offset_ns, payload) for at_ns, which, payload in sent if which == index]
        path = find_frames(tmp_path, venue)
        assert path is not None
        assert path.suffix == {"gzip": ".gz", "zstd": ".zst", "none": ".frames"}[form]
        assert lines(tmp_path, venue) == told
        assert list(read_lines(path)) == told, "the simulator reads it too"
    assert found["frames"] == {"bybit": 2000, "okx": 1000}
    assert (found["lost_frames"], found["unordered"], found["gaps"]) == (0, 0, [])
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".part") == []


def test_one_venue_and_line_ends_inside_a_frame(
    tmp_path: Path, make: Callable[..., Segment]
) -> None:
    segment = make()

    def work() -> None:
        write(segment, 0, 0, b'{"a":\n1}\r\n')
        write(segment, 0, 1, b"{}")

    record(segment, tmp_path, work, venues=("bybit",))
    assert [payload for _, payload in lines(tmp_path, "bybit")] == [b'{"a": 1}  ']
    assert find_frames(tmp_path, "okx") is None
    assert summary(tmp_path)["reshaped_frames"] == 1


def test_new_files_by_size_and_by_age(
    tmp_path: Path, make: Callable[..., Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "FLUSH_S", 0.01)
    segment, count = make(), 0

    def work() -> None:
        nonlocal count
        patience = Patience()
        while len(list((tmp_path / "size").glob("bybit.*.frames.gz"))) < 4:
            write(segment, 0, 0, os.urandom(500).hex().encode())
            count += 1
            time.sleep(0.0002)
            assert not patience.is_over()

    record(segment, tmp_path / "size", work, rotate_bytes=50_000)
    pieces = sorted((tmp_path / "size").glob("bybit.*.frames.gz"))
    assert [piece.name for piece in pieces[:2]] == ["bybit.0001.frames.gz", "bybit.0002.frames.gz"]
    assert sum(len(list(read_frames(piece))) for piece in pieces) == count
    whole = tmp_path / "bybit.frames.gz"
    whole.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    assert len(list(read_frames(whole))) == count, "pieces may simply be joined"

    def wait() -> None:
        patience = Patience()
        while len(list((tmp_path / "age").glob("okx.*.frames.gz"))) < 2:
            write(segment, 0, 1, b"{}")
            time.sleep(0.01)
            assert not patience.is_over()

    record(segment, tmp_path / "age", wait, rotate_s=0.1)
    assert (tmp_path / "age" / "bybit.0002.frames.gz").exists(), "both venues turn over together"


def test_a_recorder_that_is_too_slow_counts_what_it_lost(
    tmp_path: Path, make: Callable[..., Segment], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    segment = make(tap_bytes=4096)
    recorder = Recorder(arbitrage.attach(segment.name), tmp_path)
    recorder.open()
    for number in range(500):
        write(segment, 0, number % 2, b'{"n":%d}' % number)
    assert not segment.tap(0).write(segment.clock.now(), 0, 0, b"x" * 5000), "longer than half"
    recorder.run(lambda: True, lambda: None)
    found = summary(tmp_path)
    written = sum(found["frames"].values())
    assert written + found["lost_frames"] == 501
    assert found["too_long_frames"] == 1
    assert written > 0
    (gap,) = found["gaps"]
    assert gap["frames"] == found["lost_frames"] - 1
    kept = sorted(lines(tmp_path, "bybit") + lines(tmp_path, "okx"))
    assert gap["before_recv_ns"] == kept[0][0]
    assert (gap["from_frame"], gap["to_frame"]) == (0, gap["frames"])
    assert "the recorder was slower than the trader" in caplog.text


def test_refusals_are_one_clear_line(tmp_path: Path, make: Callable[..., Segment]) -> None:
    silent = make(enabled=False)
    with pytest.raises(ConfigError, match="keeps nothing to record; start it with ARB_TAP_MB=64"):
        Recorder(arbitrage.attach(silent.name), tmp_path)
    segment = make()
    record(segment, tmp_path / "once", lambda: None)
    with pytest.raises(ArbitrageError, match="holds a recording already and is not overwritten"):
        Recorder(arbitrage.attach(segment.name), tmp_path / "once").open()
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "bybit.frames.gz.part").touch()
    with pytest.raises(ArbitrageError, match=r"bybit\.frames\.gz\.part is there already"):
        Recorder(arbitrage.attach(segment.name), tmp_path / "left").open()
    (tmp_path / "file").touch()
    with pytest.raises(ArbitrageError, match="cannot be made: File exists"):
        Recorder(arbitrage.attach(segment.name), tmp_path / "file").open()


def test_a_full_disk_is_one_clear_line_and_leaves_a_part(
    tmp_path: Path, make: Callable[..., Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    segment, really = make(), os.write
    room = [2000]

    def write_some(file: int, data: Any) -> int:
        if not os.readlink(f"/proc/self/fd/{file}").startswith(str(tmp_path)):
            return really(file, data)  # of the test's own machinery
        if len(data) > room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room[0] -= len(data)
        return really(file, data)

    monkeypatch.setattr("arbitrage.cold.part_file.os.write", write_some)
    monkeypatch.setattr(recorder_module, "FLUSH_S", 0.0)
    recorder = Recorder(
        arbitrage.attach(segment.name), tmp_path, without=("decisions", "opportunities")
    )
    recorder.open()

    def tell() -> None:
        write(segment, 0, 0, os.urandom(100).hex().encode())

    with pytest.raises(ArbitrageError, match=r"cannot be written: No space left on device; what"):
        recorder.run(lambda: False, tell)
    assert not (tmp_path / "bybit.frames.gz").exists()
    part = tmp_path / "bybit.frames.gz.part"
    assert list(read_frames(part)), "what came before can be read"
    assert not (tmp_path / SUMMARY).exists()


# ---- a real trader -------------------------------------------------------------------------------


def arb(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "arbitrage.cli", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for(what: Callable[[], bool], program: "subprocess.Popen[str]") -> None:
    patience = Patience()
    while not what():
        assert program.poll() is None, program.stderr and program.stderr.read()
        assert not patience.is_over()
        time.sleep(0.02)


def is_ready(name: str) -> bool:
    try:
        return bool(arbitrage.attach(name).tap(0).enabled)
    except ArbitrageError:
        return False


def opened(segment: Segment, reader: Any) -> list[Opportunity]:
    found = []
    while (record := reader.try_pop()) is not None:
        opportunity = Opportunity.unpack(record)
        if opportunity.event == OPEN:
            found.append(opportunity)
    assert reader.lost == 0
    return found


@pytest.mark.parametrize(
    ("depth", "lines_each", "mode"), [("off", 1, "loop"), ("full", 2, "processes")]
)
def test_a_recorded_trader_is_replayed(
    tmp_path: Path, depth: str, lines_each: int, mode: str
) -> None:
    """Quotes alone on one line each; books as well, on parallel lines of two processes."""
    out = tmp_path / "out"
    settings = {
        "ARB_TAP_MB": "16", "ARB_DEPTH": depth, "ARB_CONNECTIONS_PER_VENUE": str(lines_each),
        "ARB_FEED_MODE": mode,
        "ARB_FEES": "bybit=0,okx=0", "ARB_MIN_NET_BPS": str(MIN_NET_BPS),
        "ARB_MIN_GROSS_BPS": "-1000", "ARB_MAX_ORDER_USD": "10", "ARB_MAX_AGE_MS": "0",
        "ARB_SUSPECT_MS": "0", "ARB_OPPORTUNITY_QUEUE_SIZE": "262144",
    }  # fmt: skip
    with (
        venues(tmp_path, rate=1500) as simulated,
        trader(tmp_path, simulated.environment(), **settings) as running,
    ):
        segment = running.attach()
        reader = segment.opportunities.reader(from_oldest=True)
        program = arb("record", running.name, "--out", str(out))
        parts = [out / f"{venue}.frames.gz.part" for venue in VENUES]
        wait_for(lambda: all(p.exists() and p.stat().st_size > 20_000 for p in parts), program)
        # what opens in its first second is not compared: some of the rest have to be there
        ended_s = time.monotonic() + 1.5
        wait_for(lambda: time.monotonic() > ended_s, program)
        soon = segment.counters()["detector"]["opened"]
        wait_for(lambda: segment.counters()["detector"]["opened"] >= soon + 8, program)
        assert running.stop() == 0
        assert program.wait(LIMIT_S) == 0
        assert program.stderr is not None
        assert "the trader ended" in program.stderr.read()
        feed = segment.counters()["feed"]
        live = opened(segment, reader)
        # its feeds are heard for a moment longer than its detector
        judged_mono_ns = int(segment.store.column("recv_mono_ns").max())
    found = summary(out)
    counted = sum(feed[venue]["frames"] for venue in VENUES)
    assert found["lost_frames"] == found["unordered"] == found["reshaped_frames"] == 0
    assert sum(found["frames"].values()) + sum(found["frames_before"]) == counted
    kinds = {venue: b" ".join(frame for _, frame in lines(out, venue)) for venue in VENUES}
    assert (b"orderbook.50" in kinds["bybit"]) == (depth != "off")
    assert (b'"books"' in kinds["okx"]) == (depth != "off")
    assert b"tickers" in kinds["bybit"]
    names = {row["file"] for row in found["files"]}
    assert ("okx-line1.frames.gz" in names) == (lines_each == 2)
    if depth == "off":
        compare(out, found, live, judged_mono_ns)


def compare(out: Path, found: dict[str, Any], live: list[Opportunity], judged_mono_ns: int) -> None:
    """The same opportunities, at the same frames, as the trader's own detector opened."""
    day = arbitrage.replay(
        *(out / f"{venue}.frames.gz" for venue in VENUES), min_net_bps=MIN_NET_BPS, fees=FEES
    )
    again = day.events[day.events["event"] == OPEN]
    # what was open, or silent, when the recorder came is not in its files
    from_ns = min(at for row in found["files"] for at in [row["first_recv_ns"]]) + 10**9
    offset_ns, symbols = found["wall_offset_ns"], SYMBOLS.split(",")
    replayed = {
        (int(row["recv_mono_ns"]), day.symbols[row["symbol_index"]], float(row["bid_px"]),
         float(row["ask_px"]), round(float(row["net_bps"]), 9))
        for row in again if from_ns <= row["recv_mono_ns"] <= judged_mono_ns + offset_ns
    }  # fmt: skip
    published = {
        (one.recv_mono_ns + offset_ns, symbols[one.symbol_index], one.bid_px, one.ask_px,
         round(one.net_bps, 9))
        for one in live if one.recv_mono_ns + offset_ns >= from_ns
    }  # fmt: skip
    assert len(published) >= 5
    assert replayed == published


TRADER = """
import sys, time
from arbitrage.core.segment import Segment
segment = Segment.create(sys.argv[1], tap_bytes=1 << 16)
tap = segment.tap(0)
tap.enable(True)
segment.decisions.enable(True)
segment.mark_ready()
for number in range(10**9):
    tap.write(segment.clock.now(), number % 2, 0, b'{"n":%d}' % number)
    time.sleep(0.001)
"""


def test_a_trader_that_is_killed_ends_its_recording(tmp_path: Path) -> None:
    name, out = f"rec-killed-{os.getpid()}", tmp_path / "out"
    made = subprocess.Popen([sys.executable, "-c", TRADER, name])
    try:
        wait_for(lambda: is_ready(name), made)
        program = arb("record", name, "--out", str(out))
        part = out / "okx.frames.gz.part"
        wait_for(lambda: part.exists() and part.stat().st_size > 100, program)
    finally:
        made.kill()
        made.wait()
    try:
        assert program.wait(LIMIT_S) == 0
        found = summary(out)
        assert found["why"] == "the trader ended"
        numbers = sorted(
            json.loads(frame)["n"] for venue in VENUES for _, frame in lines(out, venue)
        )
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert numbers[0] == found["frames_before"][0]
    finally:
        remove_stale(name)


def test_a_killed_recorder_leaves_parts_that_can_be_read(
    tmp_path: Path, make: Callable[..., Segment]
) -> None:
    segment, out = make(), tmp_path / "out"
    program = arb("record", segment.name, "--out", str(out))
    wait_for(lambda: (out / "okx.frames.gz.part").exists(), program)
    sent = 0

    def flushed() -> bool:
        nonlocal sent
        write(segment, 0, 0, b'{"n":%d}' % sent)
        sent += 1
        return (out / "bybit.frames.gz.part").stat().st_size > 200

    wait_for(flushed, program)
    program.send_signal(signal.SIGKILL)
    program.wait()
    assert sorted(path.name for path in out.iterdir()) == [
        "bybit.frames.gz.part", "decisions.ticks.gz.part", "okx.frames.gz.part",
        "opportunities.events.gz.part",
    ]  # fmt: skip
    found = [payload for _, payload in read_frames(out / "bybit.frames.gz.part")]
    assert 0 < len(found) <= sent
    assert found == [b'{"n":%d}' % number for number in range(len(found))]
    whole = tmp_path / "bybit.frames.gz"
    whole.write_bytes((out / "bybit.frames.gz.part").read_bytes())
    with pytest.raises(ConfigError, match="ends in the middle of its gzip data"):
        list(read_frames(whole))
    with pytest.raises(EOFError):
        gzip.decompress(whole.read_bytes())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(
    tmp_path: Path, make: Callable[..., Segment], number: signal.Signals
) -> None:
    segment, out = make(), tmp_path / "out"
    program = arb("record", segment.name, "--out", str(out))
    wait_for(lambda: (out / "okx.frames.gz.part").exists(), program)
    write(segment, 0, 1, b'{"last":1}')
    program.send_signal(number)
    assert program.wait(LIMIT_S) == 0
    assert [payload for _, payload in lines(out, "okx")] == [b'{"last":1}']
    assert summary(out)["why"] == "asked to stop"


def test_no_trader_is_one_clear_line(tmp_path: Path) -> None:
    program = arb("record", "nobody-here", "--out", str(tmp_path / "out"))
    assert program.wait(LIMIT_S) != 0
    assert program.stderr is not None
    said = program.stderr.read()
    assert said.count("\n") == 1
    assert "nobody-here" in said


def test_a_killed_trader_is_refused_and_leaves_no_folder(tmp_path: Path) -> None:
    name, out = f"rec-killed-{os.getpid()}", tmp_path / "out"
    code = (
        "import os, signal, sys; from arbitrage.core.segment import Segment\n"
        "segment = Segment.create(sys.argv[1], tap_bytes=1 << 20)\n"
        "segment.tap(0).enable(True); segment.decisions.enable(True); segment.mark_ready()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, name], check=False, timeout=LIMIT_S)
    program = arb("record", name, "--out", str(out))
    assert program.wait(LIMIT_S) == 1
    assert program.stderr is not None
    assert "has ended, killed or crashed; start it again" in program.stderr.read()
    assert not out.exists()
    Segment.create(name).close()


def test_the_demo_plays_a_recording_again(tmp_path: Path, make: Callable[..., Segment]) -> None:
    """Quotes among depth, funding and acknowledgements, as a trader receives them."""
    from arbitrage.demo.run import symbols_of_frames
    from arbitrage.sim.config import SimConfig
    from arbitrage.sim.server import make_exchange

    segment = make()

    def work() -> None:
        write(segment, 0, 0, b'{"success":true,"ret_msg":"","op":"subscribe"}')
        for seq in range(1, 40):
            write(segment, 0, 0, (
                '{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1,"data":{"s":"BTCUSDT",'
                f'"b":[["84000","1"]],"a":[["84000.1","1"]],"u":{seq},"seq":{seq}}}}}'
            ).encode())  # fmt: skip
            write(segment, 0, 0, (
                '{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1,"data":{"s":"BTCUSDT",'
                f'"b":[["84000","{seq}"]],"a":[["84000.1","1"]],"u":{seq},"seq":{seq}}},"cts":1}}'
            ).encode())  # fmt: skip
            write(segment, 0, 1, (
                '{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[{"asks":[["84001",'
                f'"1","0","1"]],"bids":[["84000","{seq}","0","1"]],"ts":"1","seqId":{seq}}}]}}'
            ).encode())  # fmt: skip

    record(segment, tmp_path, work)
    assert symbols_of_frames(tmp_path) == ("BTCUSDT",)
    clock = [1_790_439_600 * 10**9]
    exchange = make_exchange(
        SimConfig(venue="bybit", frames=str(tmp_path), symbols=("BTCUSDT",), t0_ns=clock[0]),
        lambda: clock[0],
    )
    clock[0] += 10**12
    exchange.advance(clock[0])
    book = exchange.matcher.books[0]
    assert (book.bid_ticks, book.bid_lots, book.seq) == (840_000, 39_000, 39)
