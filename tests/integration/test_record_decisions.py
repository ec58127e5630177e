"""A recorded trader, replayed: its own opportunities, byte for byte, where nothing is missing."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from trader_kit import trader, venues

import arbitrage
from arbitrage.core.decisions import DecisionKind
from arbitrage.core.market_records import MarketKind
from arbitrage.core.records import RowState, TickKind
from arbitrage.core.segment import Segment, remove_stale
from arbitrage.errors import SegmentError
from arbitrage.record_files import DECISIONS, RecordFile, pieces_of
from arbitrage.research.parquet_writer import write_parquet
from arbitrage.research.recording import Recording

SETTINGS = {
    "ARB_TAP_MB": "16", "ARB_FEES": "bybit=0,okx=0", "ARB_MIN_NET_BPS": "0.3",
    "ARB_MIN_GROSS_BPS": "-1000",
}  # fmt: skip


def started(module: str, *arguments: str, **settings: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | settings,
    )  # fmt: skip


def wait_for(what: Callable[[], Any], *programs: "subprocess.Popen[str]") -> Any:
    deadline_s = time.monotonic() + 120
    while not (found := what()):
        for program in programs:
            assert program.poll() is None, program.communicate()
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    return found


def ready(name: str) -> Segment | None:
    try:
        segment = arbitrage.attach(name)
        return segment if segment.state == "ready" else None
    except SegmentError:
        return None


def verified(folder: Path, *more: str) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "arbitrage.cli", "replay", str(folder), "--verify", "--json", "-",
         *more],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def kinds_of(day: Recording) -> tuple[Any, Any]:
    decisions = day.decisions()
    ticks = decisions[decisions["kind"] == DecisionKind.TICK]
    return decisions["kind"], ticks


def record_demo(folder: Path, seconds: int) -> dict[str, Any]:
    """Record `arb demo` while everything goes wrong, and compare; the result of the replay."""
    name, out = f"rec-demo-{uuid.uuid4().hex[:8]}", folder / "out"
    demo = started(
        "arbitrage.demo", "--all-faults", "--json", "-", "--seconds", str(seconds),
        "--max-hold-s", "1", ARB_NAME=name, ARB_TAP_MB="16", TMPDIR=str(folder),
        ARB_BREAKER_FAILURES="1000", ARB_MAX_AGE_MS="2000",
    )  # fmt: skip
    try:
        wait_for(lambda: ready(name), demo)
        program = started("arbitrage.cli", "record", name, "--out", str(out))
        # what it earned, and whether a pair was left in the storm, is not asked here
        assert demo.wait(seconds + 120) in (0, 1), demo.communicate()
        assert program.wait(30) == 0, program.communicate()
    finally:
        demo.kill()
    manifest = json.loads((out / "recording.json").read_text())
    assert manifest["why"] == "the trader ended"
    assert manifest["decisions"]["gaps"] == []
    # what the ring had dropped before the recorder came; the replay becomes exact after that
    assert all(gap["from_record"] == 0 for gap in manifest["opportunities"]["gaps"])
    assert manifest["decisions"]["differences"] == 0
    code, found, said = verified(out, "--events", str(folder / "events.csv"))
    assert code == 0, found["first_difference"] + said
    (exact,) = found["exact"]
    assert manifest["decisions"]["exact"][0]["from_event"] == exact["from_event"]
    assert manifest["decisions"]["exact"][0]["to_event"] == exact["to_event"]
    assert found["equal"] == found["events"] == exact["to_event"] - exact["from_event"]
    assert (found["not_recorded"], found["differences"]) == (0, 0)
    day = Recording(out)
    assert day.manifest == manifest
    assert len((folder / "events.csv").read_text().splitlines()) == found["events"] + 1
    kinds, ticks = kinds_of(day)
    tick_kinds = ticks["seq_row_kind"] & 7
    states = set(ticks["aux_u32"][tick_kinds == TickKind.STATE].tolist())
    assert states & {RowState.SYNCING, RowState.GAP}, "connections were torn or books lost"
    assert {DecisionKind.LADDER, DecisionKind.SWEEP} <= set(kinds.tolist())
    assert day.config()["max_age_ns"] == 2_000_000_000
    return found


def test_a_recorded_demo_is_replayed_byte_for_byte(tmp_path: Path) -> None:
    """Gaps, reconnects, rejected frames, funding: all that a feed may do to a detector."""
    found = record_demo(tmp_path, 8)
    assert found["opportunities"] >= 3
    assert found["ticks"] > 5_000


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_minute_of_the_demo_is_replayed_byte_for_byte(tmp_path: Path) -> None:
    found = record_demo(tmp_path, 60)
    assert found["opportunities"] >= 30
    assert found["ticks"] > 60_000


def test_a_recorder_that_slept_names_what_it_missed(tmp_path: Path) -> None:
    """Stopped by a signal until it is lapped: the gap is exact, and so is the rest."""
    out = tmp_path / "out"
    settings = SETTINGS | {"ARB_TAP_MB": "1", "ARB_DEPTH": "off"}
    with venues(tmp_path, rate=3000) as simulated, trader(
        tmp_path, simulated.environment(), **settings
    ) as running:
        segment = running.attach()
        program = started(
            "arbitrage.cli", "record", running.name, "--out", str(out), "--compress", "none",
            "--without", "frames",
        )  # fmt: skip
        tap = segment.decisions
        wait_for(lambda: list(out.glob("*.part")), program)
        wait_for(lambda: exact_stretches(out) >= 1, program)
        program.send_signal(signal.SIGSTOP)
        before = exact_stretches(out)
        reader = tap.reader()
        begun = reader.bytes_position

        def lapped() -> bool:
            while reader.read() is not None:
                pass
            return bool(reader.bytes_position - begun > 3 * tap.capacity)

        wait_for(lapped)
        program.send_signal(signal.SIGCONT)
        wait_for(lambda: exact_stretches(out) > before, program)
        assert running.stop() == 0
        assert program.wait(30) == 0
        assert program.stderr is not None
        assert "decisions are missing; recording.json says where" in program.stderr.read()
    manifest = json.loads((out / "recording.json").read_text())["decisions"]
    assert list(out.glob("*.frames*")) == []
    holes, following = [], manifest["records_before"]
    with RecordFile(pieces_of(out, DECISIONS)[0]) as file:
        for block in file.blocks():
            if block.first != following:
                holes.append((following, block.first))
            following = block.first + block.count
    gaps = [(gap["from_record"], gap["to_record"]) for gap in manifest["gaps"]]
    assert gaps == holes != []
    assert manifest["lost_records"] == sum(end - first for first, end in holes)
    assert manifest["records"] + manifest["lost_records"] == following - manifest["records_before"]
    code, found, said = verified(out)
    assert code == 0, found["first_difference"]
    assert len(found["exact"]) == len(manifest["exact"]) >= 2, "exact before and after"
    assert f"decisions {gaps[0][0]} to {gaps[0][1] - 1} are missing" in said
    assert found["lost_decisions"] == manifest["lost_records"]


def exact_stretches(folder: Path) -> int:
    """How often a replay of what is written so far becomes exact."""
    return len(Recording(folder).replay().ranges) if pieces_of(folder, DECISIONS) else 0


def exact_events(folder: Path) -> int:
    """How many events a replay of what is written so far finds."""
    return len(Recording(folder).replay().events) if pieces_of(folder, DECISIONS) else 0


def test_a_killed_recorder_leaves_what_can_be_replayed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with venues(tmp_path, rate=2000) as simulated, trader(
        tmp_path, simulated.environment(), **SETTINGS
    ) as running:
        running.attach()
        program = started("arbitrage.cli", "record", running.name, "--out", str(out),
                          "--compress", "none", "--rotate-s", "2")  # fmt: skip
        wait_for(lambda: len(pieces_of(out, DECISIONS)) == 3, program)
        third = pieces_of(out, DECISIONS)[2]
        wait_for(lambda: exact_events(out) > 20 and third.stat().st_size > 20_000, program)
        program.kill()
        program.wait()
    names = [path.name for path in pieces_of(out, DECISIONS)]
    assert names == ["decisions.0001.ticks", "decisions.0002.ticks", "decisions.0003.ticks.part"]
    assert not (out / "recording.json").exists()
    assert Recording(out).manifest is None
    torn = third.read_bytes()
    for cut in (0, 1, 100, 7_001):
        third.write_bytes(torn[: len(torn) - cut])
        code, found, _ = verified(out)
        assert code == 0, found["first_difference"]
        assert found["equal"] > 10
    assert found["lost_decisions"] == 0


def test_a_killed_trader_is_replayed_to_its_last_turn(tmp_path: Path) -> None:
    """Two feed processes, two lines a venue, books: one order of ticks all the same."""
    out = tmp_path / "out"
    more = {"ARB_FEED_MODE": "processes", "ARB_DEPTH": "full", "ARB_CONNECTIONS_PER_VENUE": "2"}
    with venues(tmp_path, rate=1500) as simulated, trader(
        tmp_path, simulated.environment(), **(SETTINGS | more)
    ) as running:
        segment = running.attach()
        assert segment.spec["lane_count"] == 2
        program = started("arbitrage.cli", "record", running.name, "--out", str(out),
                          "--compress", "none")  # fmt: skip
        wait_for(lambda: exact_events(out) > 10, program)
        feeds = psutil.Process(running.child.pid).children()
        assert len(feeds) == 2
        running.child.signal(signal.SIGKILL)
        assert program.wait(30) == 0
        _, left = psutil.wait_procs(feeds, timeout=30)
        assert not left, "a feed process outlived its trader"
    remove_stale(running.name)
    manifest = json.loads((out / "recording.json").read_text())
    assert manifest["why"] == "the trader ended"
    code, found, _ = verified(out)
    assert code == 0, found["first_difference"]
    assert found["equal"] == found["events"] > 5
    assert found["not_recorded"] == 0


def whole_books(out: Path) -> int:
    """Return how many books the frames being written hold."""
    return sum((out / f"{venue}.frames.part").read_bytes().count(b'"told":true')
               for venue in ("bybit", "okx"))  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short recording, plain, of a trader without faults."""
    folder = tmp_path_factory.mktemp("recorded")
    out = folder / "out"
    with venues(folder, rate=2000) as simulated, trader(
        folder, simulated.environment(), **SETTINGS
    ) as running:
        running.attach()
        program = started(
            "arbitrage.cli", "record", running.name, "--out", str(out), "--compress", "none"
        )
        wait_for(lambda: exact_events(out) > 20 and whole_books(out) == 6, program)
        assert running.stop() == 0
        assert program.wait(30) == 0
    return out


def test_one_changed_event_is_named(recorded: Path, tmp_path: Path) -> None:
    from arbitrage.cold.part_file import RecordsWriter

    day = Recording(recorded)
    blocks = list(day.opportunity_blocks())
    whole = day.opportunities().copy()
    place = len(whole) // 2
    whole["detected_ns"][place] += 1
    (tmp_path / "decisions.ticks").symlink_to(recorded / "decisions.ticks")
    file = RecordsWriter(tmp_path / "opportunities.events", "none", 120, day.session)
    file.write(blocks[0].first, whole.tobytes(), 0)
    file.close()
    code, found, _ = verified(tmp_path)
    assert code == 1
    number = blocks[0].first + place
    said, now = int(whole["detected_ns"][place]), int(whole["detected_ns"][place]) - 1
    assert found["first_difference"] == (
        f"event {number}: detected_ns {said} was published, {now} replayed"
    )
    assert found["equal"] == found["events"] - 1


def test_damage_is_named(recorded: Path, tmp_path: Path) -> None:
    path = tmp_path / "decisions.ticks"
    content = bytearray((recorded / "decisions.ticks").read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "arbitrage.cli", "replay", str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"record file {path} is damaged: block " in done.stderr
    path.write_bytes(content[:-10])
    with pytest.raises(arbitrage.errors.ConfigError, match="is damaged: block"):
        Recording(tmp_path).replay()
    path.write_bytes((recorded / "decisions.ticks").read_bytes()[:-10])
    with pytest.raises(arbitrage.errors.ConfigError, match="ends in the middle of a block"):
        Recording(tmp_path).replay()
    path.write_bytes(b"recv_ns TAB frame")
    with pytest.raises(arbitrage.errors.ConfigError, match="is no file of recorded"):
        Recording(tmp_path)


def test_a_notebook_reads_ticks_as_one_array(recorded: Path) -> None:
    day = Recording(recorded)
    ticks = day.ticks()
    quotes = ticks[(ticks["seq_row_kind"] & 7) == TickKind.QUOTE]
    assert len(quotes) > 3_000
    rows = np.unique(quotes["seq_row_kind"] >> 3 & 0x1FFF)
    known = {contract["row"]: contract for contract in day.session["contracts"]}
    assert set(rows.tolist()) <= set(known)
    assert day.symbols == ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    assert known[int(rows[0])]["taker_bps"] == 0.0
    assert bool((quotes["ask_px"] >= quotes["bid_px"]).all())
    assert day.config()["min_net_bps"] == 0.3
    assert repr(day).startswith("Recording(test-")


def test_research_reads_frames_and_decisions_and_keeps_both(recorded: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("fsspec")
    frames = arbitrage.open_data(recorded)
    told = arbitrage.open_data(recorded, stream="decisions")
    assert frames.contracts_from == told.contracts_from == "the recording's session"
    assert dict(told.contracts) == dict(frames.contracts) != {}
    replayed = arbitrage.replay(recorded / "bybit.frames", recorded / "okx.frames").quotes
    quotes = frames.records()[frames.records()["kind"] == MarketKind.QUOTE]
    assert quotes["bid_px"].tobytes() == replayed["bid_px"].tobytes()
    day = arbitrage.Recording(recorded)
    ticks = day.ticks()[day.ticks()["seq_row_kind"] & 7 == 0]
    applied = told.records()[told.records()["kind"] == MarketKind.QUOTE]
    assert applied["ask_qty"].tobytes() == ticks["ask_qty"].tobytes()
    assert (applied["recv_ns"] >= ticks["mono_ns"] + day.session["wall_offset_ns"]).all()
    assert (np.abs(applied["recv_ns"] - applied["exch_ns"]) < 60 * 10**9).all()
    for place, data in enumerate((frames, told)):
        write_parquet(data, str(tmp_path / str(place)))
        kept = arbitrage.open_data(tmp_path / str(place))
        assert kept.records().tobytes() == data.records().tobytes()
        assert dict(kept.contracts) == dict(data.contracts)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bybit", __file__], "--bybit belongs to frames, not to FOLDER; leave it out"),
        (["--min-net-bps", "1", "--trade"], "--min-net-bps, --trade belongs to frames"),
        ([], "holds no recorded decisions"),
    ],
)
def test_wrong_use_of_replay_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "arbitrage.cli", "replay", str(tmp_path), *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_something_is_left_to_record() -> None:
    program = started("arbitrage.cli", "record", "--out", "x", "--without",
                      "frames,decisions,opportunities")  # fmt: skip
    assert program.wait(30) == 2
    assert program.stderr is not None
    assert "--without was" in program.stderr.read()


def without_books(recorded: Path, folder: Path) -> Path:
    """Copy a recording whose recorder came after the venues had stated their books."""
    for name in ("decisions.ticks", "opportunities.events"):
        (folder / name).symlink_to(recorded / name)
    for venue in ("bybit", "okx"):
        lines = (recorded / f"{venue}.frames").read_bytes().splitlines(keepends=True)
        left = [line for line in lines if b'"told":true' not in line]
        assert len(left) < len(lines)
        (folder / f"{venue}.frames").write_bytes(b"".join(left))
    return folder


def test_a_backtest_takes_depth_from_where_it_is(recorded: Path, tmp_path: Path) -> None:
    """The frames have it; where a recorder of old left it out, what the detector read does."""
    frames = arbitrage.open_data(recorded)
    assert (frames.source["stream"], frames.has_depth) == ("frames", True)
    old = without_books(recorded, tmp_path)
    told = arbitrage.open_data(old)
    assert (told.source["stream"], told.has_depth) == ("decisions", True)
    asked = arbitrage.open_data(old, stream="frames")
    assert (asked.source["stream"], asked.has_depth) == ("frames", False)
    for folder, options, said in (
        (recorded, (), "its frames, with depth"),
        (old, (), "its decisions, with depth"),
        (old, ("--stream", "frames"), "its frames, without depth"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "arbitrage.cli", "backtest", str(folder), *options],
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"{folder}: {said}" in done.stderr
