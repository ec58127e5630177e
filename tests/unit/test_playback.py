"""A recording played as a deck: the replay's own opportunities, each at its time."""

import gzip
import random
from pathlib import Path

import pytest

from arbitrage.cold.recorded_deck import RecordedDeck
from arbitrage.core.records import OppEvent
from arbitrage.errors import ConfigError
from arbitrage.fees import parse_fees
from arbitrage.research import playback as module
from arbitrage.research.playback import Playback
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
        assert played.counts["frames"] == 2000
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
