"""Replay against the oracle: equal CSV bytes on generated streams and on the recorded day."""

import gzip
import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import HAS_DAY, REAL, ROOT
from replay_oracle import csv

from arbitrage.research.frames import read_frames
from arbitrage.research.replay import replay, run_replay

NO_FEES = {"bybit": 0.0, "okx": 0.0}

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
OKX_NAMES = {"BTCUSDT": "BTC-USDT-SWAP", "ETHUSDT": "ETH-USDT-SWAP"}


def bybit_frame(symbol, bid, ask, number, kind="snapshot"):
    sides = [[[price, "1.5"]] if price else [] for price in (bid, ask)]
    data = {"s": symbol, "b": sides[0], "a": sides[1], "u": number + 2, "seq": number + 2}
    stamp = 1_700_000_000_000 + number
    frame = {"topic": f"orderbook.1.{symbol}", "type": kind, "ts": stamp, "data": data}
    return json.dumps(frame, separators=(",", ":")).encode()


def okx_frame(symbol, bid, ask, number):
    sides = [[[price, "7", "0", "1"]] if price else [] for price in (bid, ask)]
    top = {"asks": sides[1], "bids": sides[0], "ts": str(1_700_000_000_000 + number)}
    arg = {"channel": "bbo-tbt", "instId": OKX_NAMES[symbol]}
    frame = {"arg": arg, "data": [{**top, "seqId": number + 2}]}
    return json.dumps(frame, separators=(",", ":")).encode()


@st.composite
def streams(draw):
    """Two files of lines over few prices and times, so that ties and repeats happen."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["bybit", "okx"]),
                st.sampled_from(SYMBOLS),
                st.integers(0, 2),
                st.one_of(st.none(), st.integers(-8, 8)),
                st.one_of(st.none(), st.integers(0, 4)),
                st.booleans(),
            ),
            max_size=60,
        )
    )
    now, files = 1_723_161_255_000_000_000, {"bybit": [], "okx": []}
    known = set()
    for number, (venue, symbol, wait, offset, width, delta) in enumerate(steps):
        now += wait
        middle = 61800.0 if symbol == "BTCUSDT" else 0.125
        step = middle / 20000
        bid = None if offset is None else f"{middle + offset * step:.9g}"
        ask = None if width is None else f"{middle + ((offset or 0) + width) * step:.9g}"
        if venue == "bybit":
            # a delta states only sides that cannot cross what it does not state
            kind = "delta" if delta and (symbol in known) and bid and ask else "snapshot"
            known.add(symbol)
            frame = bybit_frame(symbol, bid, ask, number, kind)
        else:
            frame = okx_frame(symbol, bid, ask, number)
        files[venue].append((now, frame))
    return files["bybit"], files["okx"]


def write(path, lines):
    text = b"".join(b"%d\t%s\n" % line for line in lines)
    path.write_bytes(gzip.compress(text, 1) if path.suffix == ".gz" else text)
    return path


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    files=streams(),
    min_net=st.sampled_from([-3.0, 0.0, 0.5, 1.0]),
    fee=st.sampled_from([0.0, 0.25]),
)
def test_generated_streams_give_the_oracles_bytes(tmp_path, files, min_net, fee):
    bybit, okx = write(tmp_path / "bybit.txt", files[0]), write(tmp_path / "okx.txt", files[1])
    found = replay(bybit, okx, min_net_bps=min_net, fees={"bybit": fee, "okx": fee})
    found.write_events(tmp_path / "events.csv")
    expected = csv(files[0], files[1], min_net, 4 * fee)
    assert (tmp_path / "events.csv").read_bytes() == expected
    assert found.summary["events_sha256"] == hashlib.sha256(expected).hexdigest()
    assert found.summary["events"] == len(found.events) == expected.count(b"\n") - 1
    assert found.summary["quotes"] == len(found.quotes) == len(files[0]) + len(files[1])
    streamed = run_replay(bybit, okx, min_net, {"bybit": fee, "okx": fee}, 0, tmp_path / "run.csv")
    assert (tmp_path / "run.csv").read_bytes() == expected
    assert streamed["events_sha256"] == found.summary["events_sha256"]
    assert streamed["opportunities"] == found.summary["opportunities"]


needs_real_data = pytest.mark.skipif(
    not HAS_DAY, reason=f"no recorded day at {REAL}; set ARB_REAL_DATA"
)


@pytest.fixture(scope="module")
def real_lines():
    return [list(read_frames(REAL / f"{venue}.frames.gz")) for venue in ("bybit", "okx")]


@needs_real_data
@pytest.mark.parametrize("min_net", [0.0, 3.5, 4.0, 5.0])
def test_the_recorded_day_gives_the_oracles_bytes(tmp_path, real_lines, min_net):
    found = run_replay(
        REAL / "bybit.frames.gz", REAL / "okx.frames.gz", min_net, NO_FEES, 0, tmp_path / "e.csv"
    )
    assert (found["frames"], found["malformed"], found["quotes"]) == (172_198, 0, 172_198)
    assert (tmp_path / "e.csv").read_bytes() == csv(*real_lines, min_net, 0.0)


@needs_real_data
def test_two_runs_and_two_processes_give_one_digest():
    paths = REAL / "bybit.frames.gz", REAL / "okx.frames.gz"
    first = run_replay(*paths, 4.0, NO_FEES)["events_sha256"]
    code = (
        "import sys; from arbitrage.research.replay import replay\n"
        "found = replay(sys.argv[1], sys.argv[2], min_net_bps=4.0, fees={'bybit': 0, 'okx': 0})\n"
        "print(found.summary['events_sha256'])"
    )
    command = [sys.executable, "-c", code, *map(str, paths)]
    other = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == first == run_replay(*paths, 4.0, NO_FEES)["events_sha256"]
