"""Replay: odd lines, odd files, gates and the shape of what comes back."""

import gzip
import logging

import numpy as np
import pytest

from arbitrage.core.replay import CSV_HEADER, ReplayCore
from arbitrage.errors import ConfigError
from arbitrage.research import replay as module
from arbitrage.research.frames import FrameFile, read_frames
from arbitrage.research.replay import replay, run_replay

NO_FEES = {"bybit": 0.0, "okx": 0.0}


def bybit(bid, ask, number=1, kind="snapshot", symbol="BTCUSDT"):
    sides = ["[]" if px is None else f'[["{px}","1"]]' for px in (bid, ask)]
    return (
        f'{{"topic":"orderbook.1.{symbol}","type":"{kind}","ts":17000000{number:05d},"data":'
        f'{{"s":"{symbol}","b":{sides[0]},"a":{sides[1]},"u":{number + 1},"seq":{number + 9}}},'
        f'"cts":17000000{number:05d}}}'
    ).encode()


def okx(bid, ask, number=1, symbol="BTC-USDT-SWAP"):
    sides = ["[]" if px is None else f'[["{px}","1","0","1"]]' for px in (bid, ask)]
    return (
        f'{{"arg":{{"channel":"bbo-tbt","instId":"{symbol}"}},"data":[{{"asks":{sides[1]},'
        f'"bids":{sides[0]},"ts":"17000000{number:05d}","seqId":{number + 9}}}]}}'
    ).encode()


@pytest.fixture
def run(tmp_path):
    def go(bybit_text, okx_text, **options):
        paths = [tmp_path / "bybit.frames", tmp_path / "okx.frames"]
        for path, text in zip(paths, (bybit_text, okx_text), strict=True):
            path.write_bytes(text)
        return replay(*paths, **{"fees": NO_FEES, **options})

    return go


def rows(found, tmp_path):
    found.write_events(tmp_path / "events.csv")
    return (tmp_path / "events.csv").read_text(encoding="utf-8").splitlines()[1:]


def test_ties_go_to_bybit_and_both_directions_in_order(run, tmp_path):
    found = run(b"5\t" + bybit(100.0, 101.5), b"5\t" + okx(102, 102.5), min_net_bps=-1000)
    assert [row.split(",")[3:6] for row in rows(found, tmp_path)] == [
        ["bybit", "okx", "5"],
        ["okx", "bybit", "5"],
    ]
    assert found.events["id"].tolist() == [1, 2]
    assert found.symbols == ("BTCUSDT",)
    assert found.quotes["venue"].tolist() == [0, 1]


def test_rows_have_the_documented_text(run, tmp_path):
    lines = b"1\t" + bybit(1e-7, 1e-7) + b"\n3\t" + bybit(None, "123456789012345678", 3)
    found = run(lines, b"2\t" + okx("0.0000001", "0.0000001"))
    assert rows(found, tmp_path) == [
        "OPEN,1,BTCUSDT,bybit,okx,2,1e-07,1e-07,0.000000,0.000000",
        "OPEN,2,BTCUSDT,okx,bybit,2,1e-07,1e-07,0.000000,0.000000",
        "CLOSE,1,BTCUSDT,bybit,okx,3,1.2345678901234568e+17,1e-07,-10000.000000,-10000.000000",
        "CLOSE,2,BTCUSDT,okx,bybit,3,1e-07,,,",
    ]


def test_a_negative_zero_is_not_written(run, tmp_path):
    tiny = "1.0000000000000002"
    found = run(b"1\t" + bybit(1, tiny), b"2\t" + okx(1, tiny), min_net_bps=-1)
    assert all("-0.000000" not in row for row in rows(found, tmp_path))
    assert (found.events["gross_bps"] < 0).all()


def test_odd_lines_are_counted_and_change_nothing(run):
    good = b"7\t" + bybit(100, 101)
    odd = [
        b"no tab at all",
        b"x7\t" + bybit(1, 2),
        b"\t" + bybit(1, 2),
        b"-7\t" + bybit(1, 2),
        b"9223372036854775808\t" + bybit(1, 2),
        b"99999999999999999999\t" + bybit(1, 2),
        b"8\t" + bybit(1, 2)[:-9],
        b"8\t" + bybit(3, 2),
        b"8\t",
        b"8\t\xff\x00",
    ]
    control = b'9\t{"success":true,"op":"subscribe"}'
    found = run(b"\n".join([*odd, good, b"", control, b"\r"]), b"")
    assert found.summary["frames"] == len(odd) + 2
    assert found.summary["malformed"] == len(odd)
    assert found.summary["quotes"] == len(found.quotes) == 1
    assert len(found.events) == 0


def test_largest_time_carriage_returns_and_no_last_newline(run):
    found = run(b"9223372036854775807\t" + bybit(100, 101) + b"\r\n", b"1\t" + okx(1, 2) + b"\r")
    assert found.quotes["recv_ns"].tolist() == [1, 9223372036854775807]
    assert found.summary["malformed"] == 0


def test_deltas_build_on_the_file(run):
    lines = [
        b"1\t" + bybit(5, None, 1, "delta"),  # before any snapshot: says nothing
        b"2\t" + bybit(100, 101, 2),
        b"3\t" + bybit(None, 102, 50, "delta"),  # update ids may jump: the file is believed
        b"4\t" + bybit(102.5, None, 51, "delta"),  # crosses the book: dropped
    ]
    found = run(b"\n".join(lines), b"")
    assert found.summary["quotes"] == 3
    quotes = found.quotes
    assert (quotes["bid_px"][1], quotes["ask_px"][1]) == (100, 102)
    assert np.isnan(quotes["bid_px"][2])


def test_ages_are_judged_by_the_files_clock(run, tmp_path):
    ms = 1_000_000
    lines = [b"%d\t" % (at * ms) + okx(102, 103, at) for at in (2, 7, 60)]
    found = run(b"%d\t" % (2 * ms) + bybit(100, 101), b"\n".join(lines), max_age_ms=5)
    assert [row.split(",")[0] for row in rows(found, tmp_path)] == ["OPEN", "CLOSE"]
    assert found.events["reason"][-1] == 4
    assert found.events["recv_mono_ns"].tolist() == [2 * ms, 60 * ms]


def test_times_that_run_backwards_keep_file_order(run, caplog):
    lines = b"5\t" + bybit(100, 101, 1) + b"\n3\t" + bybit(100, 102, 2)
    with caplog.at_level(logging.WARNING):
        found = run(lines, b"4\t" + okx(1, 2))
    assert found.quotes["recv_ns"].tolist() == [4, 5, 3]
    assert "1 lines were older" in caplog.text


def test_symbols_are_canonical(run):
    okx_lines = b"1\t" + okx(1, 2, symbol="1INCH-USDT-SWAP") + b"\n2\t" + okx(1, 2, 2, "A-B-C")
    found = run(b"1\t" + bybit(1, 2, symbol="1INCHUSDT"), okx_lines)
    assert found.symbols == ("1INCHUSDT", "ABC")


@pytest.mark.parametrize("buffer_bytes", [300, 301, 457])
def test_chunk_borders_do_not_matter(tmp_path, monkeypatch, buffer_bytes):
    paths = [tmp_path / "bybit.frames", tmp_path / "okx.frames.gz"]
    steps = range(1, 40)
    paths[0].write_bytes(
        b"".join(b"%d\t" % (3 * n) + bybit(100 + n % 3, 104, n) + b"\n" for n in steps)
    )
    text = b"".join(b"%d\t" % (2 * n) + okx(105 + n % 5, 120, n) + b"\n" for n in steps)
    paths[1].write_bytes(gzip.compress(text[:999]) + gzip.compress(text[999:]))  # two members
    whole = run_replay(*paths, 0.0, NO_FEES, 0, tmp_path / "whole.csv")
    monkeypatch.setattr(module, "BUFFER_BYTES", buffer_bytes)
    seen = []
    pieces = run_replay(*paths, 0.0, NO_FEES, 0, tmp_path / "pieces.csv", seen.append)
    assert (tmp_path / "whole.csv").read_bytes() == (tmp_path / "pieces.csv").read_bytes()
    assert whole["events"] == pieces["events"] > 10
    assert whole["frames"] == 2 * len(steps)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert sum(1 for _ in read_frames(paths[1])) == len(steps)


def test_summary_has_the_documented_keys(run):
    found = run(b"", b"")
    assert list(found.summary) == [
        "frames", "malformed", "quotes", "opportunities", "events", "events_sha256", "wall_s",
        "frames_per_s",
    ]  # fmt: skip
    assert found.summary["frames"] == found.summary["events"] == 0
    header = b"event,id,symbol,buy_venue,sell_venue,recv_ns,ask_px,bid_px,gross_bps,net_bps\n"
    assert header == CSV_HEADER


def test_files_that_cannot_be_read_are_one_clear_error(tmp_path, monkeypatch):
    good = tmp_path / "good"
    good.write_bytes(b"1\t" + bybit(1, 2) * 1000 + b"\n")
    cut, lie = tmp_path / "cut.gz", tmp_path / "lie.gz"
    cut.write_bytes(gzip.compress(bytes(range(256)) * 999)[:-20])
    lie.write_bytes(b"1\tplain")
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(cut.read_bytes()[:12] + b"\xff" * 40)
    cases = [
        (tmp_path / "none", "could not be read: No such file"),
        (tmp_path, "could not be read: Is a directory"),
        (cut, "ends in the middle"),
        (lie, "is not gzip"),
        (damaged, "damaged|middle"),
    ]
    for path, says in cases:
        with pytest.raises(ConfigError, match=says) as caught:
            run_replay(good, path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="could not be written"):
        run_replay(good, good, events_path=tmp_path / "no" / "events.csv")
    monkeypatch.setattr(module, "BUFFER_BYTES", 4096)
    with pytest.raises(ConfigError, match="longer than 4096 bytes"):
        run_replay(good, good)
    with FrameFile(good) as frames:
        assert frames.fraction_read == 0.0


@pytest.mark.parametrize(
    "options",
    [
        {"fees": {"binance": 1.0}},
        {"fees": {"bybit": float("nan")}},
        {"min_net_bps": float("inf")},
        {"max_age_ms": -1},
        {"max_age_ms": float("nan")},
    ],
)
def test_bad_options_are_named(run, options):
    with pytest.raises(ConfigError):
        run(b"", b"", **options)


def test_core_refuses_what_would_break_it():
    core = ReplayCore(buffer_bytes=64)
    room = core.free_space(0)
    assert len(room) == 64
    with pytest.raises(ValueError, match="more than there was room"):
        core.filled(0, 65)
    with pytest.raises(ValueError, match="venue was 2"):
        core.free_space(2)
    assert core.run() == 0
