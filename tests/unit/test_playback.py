"""A recording played as a deck: the replay's own opportunities, each at its time."""

import gzip
import random
from pathlib import Path

import numpy as np
import pytest

from arbitrage.cold.part_file import RecordsWriter
from arbitrage.cold.recorded_deck import RecordedDeck
from arbitrage.core.records import OPPORTUNITY_DTYPE, CloseReason, OppEvent
from arbitrage.errors import ConfigError
from arbitrage.fees import parse_fees
from arbitrage.research import playback as module
from arbitrage.research.playback import Playback, PublishedPlayback
from arbitrage.research.replay import replay

NO_FEES = parse_fees("bybit=0,okx=0", label="fees")
START_NS = 1_700_000_000_000_000_000
STEP_NS = 10_000_000


def bybit(bid: float, ask: float, number: int) -> bytes:
    return (
        f'{{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":17000000{number:05d},"data":'
        f'{{"s":"BTCUSDT","b":[["{bid}","1"]],"a":[["{ask}","1"]],"u":{number + 1},'
        f'"seq":{number + 9}}},"cts":17000000{number:05d}}}'
    ).encode()


def okx(bid: float, ask: float, number: int) -> bytes:
    return (
        f'{{"arg":{{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"}},"data":[{{"asks":'
        f'[["{ask}","1","0","1"]],"bids":[["{bid}","1","0","1"]],"ts":"17000000{number:05d}",'
        f'"seqId":{number + 9}}}]}}'
    ).encode()


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """A folder with 20 s of two venues, by turns, whose edge comes and goes."""
    made = random.Random(5)
    lines: dict[str, list[bytes]] = {"bybit": [], "okx": []}
    for number in range(2000):
        venue = ("bybit", "okx")[number % 2]
        mid = 100.0 + made.gauss(0, 0.05)
        frame = (bybit, okx)[number % 2](round(mid - 0.01, 3), round(mid + 0.01, 3), number)
        lines[venue].append(b"%d\t%s" % (START_NS + number * STEP_NS, frame))
    for venue, found in lines.items():
        (tmp_path / f"{venue}.frames.gz").write_bytes(gzip.compress(b"\n".join(found) + b"\n"))
    return tmp_path


def test_it_plays_what_a_replay_finds_each_at_its_time(
    day: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEP_BYTES", 1000)
    wanted = replay(
        day / "bybit.frames.gz",
        day / "okx.frames.gz",
        fees={"bybit": 0.0, "okx": 0.0},
        min_net_bps=3.0,
    ).events
    assert len(wanted) > 100
    found = []
    with Playback(day, NO_FEES, min_net_bps=3.0) as played:
        assert played.start_ns == START_NS
        now_ns = START_NS
        while not played.is_over:
            now_ns += 7 * STEP_NS
            fresh = played.advance(now_ns)
            assert all(now_ns - 7 * STEP_NS < event.recv_ns <= now_ns for event in fresh)
            found += fresh
        assert played.end_ns == START_NS + 1999 * STEP_NS
        assert played.malformed == 0
    keys = [(event.id, event.event, event.recv_ns, event.net_bps) for event in found]
    assert keys == [
        (event["id"], event["event"], event["recv_mono_ns"], event["net_bps"]) for event in wanted
    ]
    assert {(event.symbol, event.buy_venue, event.sell_venue) for event in found} == {
        ("BTCUSDT", "bybit", "okx"),
        ("BTCUSDT", "okx", "bybit"),
    }


def test_the_deck_follows_the_files_clock_and_stands_still_at_the_end(day: Path) -> None:
    clock = [50.0]
    with Playback(day, NO_FEES, min_net_bps=3.0) as played:
        deck = RecordedDeck(played, "monday", speed=10.0, clock=lambda: clock[0])
        assert deck.look().opportunities == []
        open_now, lasted = set(), {}
        events = replay(
            day / "bybit.frames.gz",
            day / "okx.frames.gz",
            fees={"bybit": 0.0, "okx": 0.0},
            min_net_bps=3.0,
        ).events
        clock[0] += 1.0  # ten of theirs
        until_ns = START_NS + 10_000_000_000
        for event in events[events["recv_mono_ns"] <= until_ns]:
            if event["event"] == OppEvent.CLOSE:
                open_now.discard(int(event["id"]))
                lasted[int(event["id"])] = event["recv_mono_ns"] - event["open_mono_ns"]
            else:
                open_now.add(int(event["id"]))
        seen = deck.look()
        assert seen.wall_ns == until_ns
        assert seen.uptime_s == 10.0
        shown = {line.id: line for line in seen.opportunities}
        assert {number for number, line in shown.items() if line.state == "open"} == open_now
        for number, line in shown.items():
            if line.state == "closed":
                assert line.lasted_ms == lasted[number] / 1e6
                assert line.reason
        assert (seen.alive, seen.mode, seen.opening) == (True, "recording", "")
        lists = (seen.pairs, seen.money, seen.latency, seen.venues, seen.incidents)
        assert lists == ([], [], [], [], [])
        clock[0] += 3600.0
        last = deck.look()
        assert last.opening == "the recording is over"
        assert last.wall_ns == START_NS + 1999 * STEP_NS
        clock[0] += 3600.0
        assert deck.look() == last


def test_malformed_frames_are_an_incident(day: Path) -> None:
    line = b"%d\t{nonsense\n" % (START_NS + 1)
    path = day / "bybit.frames.gz"
    path.write_bytes(gzip.compress(line) + path.read_bytes())
    clock = [0.0]
    with Playback(day, NO_FEES) as played:
        deck = RecordedDeck(played, "monday", clock=lambda: clock[0])
        deck.look()
        clock[0] = 30.0
        found = deck.look().incidents
    assert [(line.kind, line.count) for line in found] == [("frames", 1)]
    assert found[0].text == "1 frame malformed; nothing was taken from them"


@pytest.mark.parametrize("gone", ["bybit", "okx"])
def test_a_folder_without_a_recording_is_refused(day: Path, gone: str) -> None:
    (day / f"{gone}.frames.gz").unlink()
    with pytest.raises(ConfigError, match=f"holds no frames of {gone}; expected is what arb"):
        Playback(day, NO_FEES)
    (day / f"{gone}.frames").write_bytes(b"")
    with pytest.raises(ConfigError, match="holds no frame"):
        Playback(day, NO_FEES)


# ---- what the trader published -------------------------------------------------------------------

OFFSET_NS = 1_000_000_000_000
SESSION = {
    "wall_offset_ns": OFFSET_NS,
    "symbols": ["BTCUSDT", "ETHUSDT"],
    "symbol_capacity": 64,
    "contracts": [{"row": 0, "px_mult": 1.0}, {"row": 65, "px_mult": 0.001}],
}


def published(number: int, at_ns: int, **fields: float) -> bytes:
    event = np.zeros(1, OPPORTUNITY_DTYPE)
    event["id"], event["event"], event["recv_mono_ns"] = number, OppEvent.OPEN, at_ns
    event["ask_px"], event["ask_qty"], event["bid_qty"], event["net_bps"] = 100.0, 3.0, 2.0, 1.5
    event["slippage_bps"], event["sell_row"], event["open_mono_ns"] = np.nan, 64, at_ns
    for name, value in fields.items():
        event[name] = value
    return event.tobytes()


def write_published(folder: Path, blocks: list[tuple[int, list[bytes]]]) -> None:
    file = RecordsWriter(folder / "opportunities.events", "none", 120, SESSION)
    for first, events in blocks:
        file.write(first, b"".join(events), 5)
        file.flush()
    file.close()


def test_what_was_published_is_played_as_it_was(tmp_path: Path) -> None:
    closed = {"event": OppEvent.CLOSE, "reason": CloseReason.EDGE_GONE, "net_bps": np.nan}
    write_published(
        tmp_path,
        [
            (0, [published(7, 1000), published(8, 2000, buy_row=65, sell_row=1, symbol_index=1)]),
            (5, [published(7, 4000, open_mono_ns=1000, **closed)]),
        ],
    )
    clock = [0.0]
    with PublishedPlayback(tmp_path) as played:
        assert played.start_ns == OFFSET_NS + 1000
        deck = RecordedDeck(played, "monday", speed=1e-6, clock=lambda: clock[0])
        first = deck.look().opportunities
        assert [(line.id, line.symbol, line.size_usd) for line in first] == [(7, "BTCUSDT", 200.0)]
        assert (first[0].slippage_bps, first[0].net_bps) == (None, 1.5)
        assert (first[0].buy_venue, first[0].sell_venue) == ("bybit", "okx")
        clock[0] = 1.0  # 1000 ns later
        assert {line.id: line.size_usd for line in deck.look().opportunities} == {7: 200.0, 8: 0.2}
        clock[0] = 9.0
        last = deck.look()
    shown = {line.id: line for line in last.opportunities}
    assert (shown[8].symbol, shown[8].buy_venue, shown[8].sell_venue) == ("ETHUSDT", "okx", "bybit")
    assert (shown[7].state, shown[7].reason, shown[7].lasted_ms) == ("closed", "edge_gone", 0.003)
    assert shown[7].net_bps is None
    assert last.opportunities_lost == 3
    assert [line.text for line in last.incidents] == [
        "3 events missing: the recorder was lapped"
    ]
    assert last.opening == "the recording is over"
    assert last.wall_ns == OFFSET_NS + 4000


def test_an_empty_stream_of_opportunities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no recorded opportunities"):
        PublishedPlayback(tmp_path)
    write_published(tmp_path, [])
    with pytest.raises(ConfigError, match="holds no recorded opportunities"):
        PublishedPlayback(tmp_path)
