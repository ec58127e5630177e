"""The seeded market: deterministic, correlated across processes, with gaps that pay."""

from __future__ import annotations

import gzip
import itertools
import statistics
import zlib
from pathlib import Path

import pytest

from arbitrage.frame_files import hold_part
from arbitrage.sim.config import SimError
from arbitrage.sim.instruments import CANONICAL_SYMBOLS, canonical_of, listed
from arbitrage.sim.market import SLOT_S, GapSchedule, SeededMarket, SymbolPrice
from arbitrage.sim.playback import (
    FramesMarket,
    common_epoch,
    frames_path,
    parse_quote,
    read_lines,
    symbols_in,
)

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
Quotes = list[tuple[int, int, int, int, int, int]]


def run(venue: str, seed: int, turns_ms: list[int], rate: int = 3000) -> Quotes:
    quotes: Quotes = []
    market = SeededMarket(listed(venue, SYMBOLS), venue, seed, rate, t0_ns=0)
    for now_ms in turns_ms:
        market.advance(now_ms * 1_000_000, lambda *quote: quotes.append(quote))
    return quotes


def test_same_seed_same_quotes_whatever_the_turns() -> None:
    fine = run("bybit", 7, list(range(0, 400)))
    coarse = run("bybit", 7, [0, *range(3, 400, 17), 399])
    assert fine == coarse
    assert fine != run("bybit", 8, list(range(0, 400)))


def test_a_venue_may_join_late() -> None:
    late = run("okx", 7, list(range(5000, 5200)))
    early = {quote[5]: quote[:3] for quote in run("okx", 7, list(range(0, 5200)))}
    assert all(early[quote[5]] == quote[:3] for quote in late)


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_quotes_are_sane(venue: str) -> None:
    items = listed(venue, CANONICAL_SYMBOLS)
    quotes: Quotes = []
    market = SeededMarket(items, venue, 7, 5000, t0_ns=0)
    for now_ms in range(0, 2000, 10):
        market.advance(now_ms * 1_000_000, lambda *quote: quotes.append(quote))
    last: dict[int, tuple[int, ...]] = {}
    for index, bid, ask, bid_lots, ask_lots, _ in quotes:
        item = items[index]
        assert 1 <= ask - bid <= 3
        for lots in (bid_lots, ask_lots):
            usd = float(item.px(bid) * item.qty(lots) * item.contract_value)
            assert usd >= 2 * 5_000, "twice a position of 5,000 USD fits at the touch"
            assert lots <= item.max_lots
        assert (bid, ask, bid_lots, ask_lots) != last.get(index), "every update changes the book"
        last[index] = (bid, ask, bid_lots, ask_lots)
    assert len(quotes) == pytest.approx(5000 * 2, rel=0.02)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_venues_agree_but_for_gaps_that_pay(symbol: str) -> None:
    bybit, okx = (SymbolPrice(7, listed(v, (symbol,))[0], v) for v in ("bybit", "okx"))
    apart = [abs(bybit.at(ms / 1000) / okx.at(ms / 1000) - 1) * 1e4 for ms in range(0, 120_000, 4)]
    assert statistics.median(apart) < 5
    assert 0.1 < sum(bps > 25 for bps in apart) / len(apart) < 0.5
    assert 55 < max(apart) < 90  # a jump that the follower has not seen yet may add to a gap
    schedule = GapSchedule(7, symbol)
    starts, directions = [], set()
    for slot in range(40):
        schedule.load(slot)
        starts.append(schedule.start)
        directions.add((schedule.venue, schedule.width > 0))
        assert slot * SLOT_S < schedule.start < schedule.end + schedule.fall < (slot + 1) * SLOT_S
        assert 0.3 <= schedule.end - schedule.start <= 1.5
        assert 30e-4 <= abs(schedule.width) <= 60e-4
        before, at_once = (schedule.at(schedule.start + d, schedule.venue) for d in (-1e-6, 1e-6))
        assert (before, at_once) == (0.0, schedule.width), "open in one step"
        assert abs(schedule.at(schedule.end + 1e-6, schedule.venue)) < 4e-4, "and gone in one"
    steps = [b - a for a, b in itertools.pairwise(starts)]
    assert 1.8 <= min(steps) <= max(steps) <= 4.2
    assert len(directions) == 4, "both venues depart, both ways"


def test_one_venue_leads() -> None:
    bybit, okx = (SymbolPrice(7, listed(v, ("ETHUSDT",))[0], v) for v in ("bybit", "okx"))
    assert sorted((bybit._lag > 0, okx._lag > 0)) == [False, True]


def test_a_stall_is_skipped_not_made_up_for() -> None:
    quotes = run("bybit", 7, [0, 1, 10_000], rate=3000)
    assert len(quotes) < 3000 * 0.05 + 20


def test_pepe_has_two_quotations() -> None:
    (bybit,), (okx,) = (listed(v, ("1000PEPEUSDT",)) for v in ("bybit", "okx"))
    assert (bybit.name, okx.name) == ("1000PEPEUSDT", "PEPE-USDT-SWAP")
    assert bybit.base_px == pytest.approx(okx.base_px * 1000)
    assert bybit.canonical == okx.canonical == canonical_of("PEPE-USDT-SWAP")


def test_unknown_symbol_is_one_clear_line() -> None:
    with pytest.raises(SimError, match=r"symbol was 'NOPEUSDT'.*known: BTCUSDT"):
        listed("okx", ("NOPEUSDT",))


BYBIT_LINE = (
    '{{"topic":"orderbook.1.{s}","type":"snapshot","ts":1,"data":{{"s":"{s}",'
    '"b":[["{b}","1.000"]],"a":[["{a}","2.000"]],"u":{u},"seq":{q}}},"cts":1}}'
)


def write_frames(folder: Path) -> Path:
    path = folder / "bybit.frames"
    lines = [f"{1_000_000_000 + n * 10_000_000}\t"
             + BYBIT_LINE.format(s="BTCUSDT", b=f"6180{n}.00", a=f"6180{n}.10", u=n + 1, q=n + 50)
             for n in range(5)]
    lines.insert(2, '1015000000\t{"topic":"publicTrade.BTCUSDT","data":[]}')
    path.write_text("\n".join(lines) + "\n")
    return path


def test_frames_play_at_their_own_time(tmp_path: Path) -> None:
    path = write_frames(tmp_path)
    assert symbols_in(path, "bybit") == ("BTCUSDT",)
    market = FramesMarket(path, "bybit", listed("bybit", ("BTCUSDT",)), speed=2.0, t0_ns=100)
    seen: list[tuple[object, ...]] = []
    market.advance(99, lambda *quote: seen.append(quote))
    assert not seen, "nothing plays before t0"
    market.advance(100 + 5_000_000, lambda *quote: seen.append(quote))
    assert len(seen) == 2, "10 ms of the file pass in 5 ms at double speed"
    market.advance(100 + 1_000_000_000, lambda *quote: seen.append(quote))
    assert len(seen) == 5
    assert market.ended
    assert market.skipped == 1
    index, bid, ask, bid_lots, ask_lots, _, raw, update_id, seq = seen[-1]
    assert (index, bid, ask, bid_lots, ask_lots) == (0, 618040, 618041, 1000, 2000)
    assert (update_id, seq) == (5, 54)
    assert raw == list(read_lines(path))[-1][1]


def test_two_files_of_a_folder_share_their_epoch(tmp_path: Path) -> None:
    path = write_frames(tmp_path)
    (tmp_path / "okx.frames").write_text("900000000\t{}\n")
    market = FramesMarket(path, "bybit", listed("bybit", ("BTCUSDT",)), speed=1.0, t0_ns=0)
    seen: list[tuple[object, ...]] = []
    market.advance(99_000_000, lambda *quote: seen.append(quote))
    assert not seen
    market.advance(100_000_000, lambda *quote: seen.append(quote))
    assert len(seen) == 1


def test_parts_of_an_interrupted_recording_are_found_and_read_as_far_as_they_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = write_frames(tmp_path).read_bytes() + b"10400"  # cut in the middle of a line
    (tmp_path / "bybit.frames").unlink()
    part = tmp_path / "bybit.frames.gz.part"
    deflate = zlib.compressobj(wbits=31)
    part.write_bytes(deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH))
    (tmp_path / "okx.frames").write_text("900000000\t{}\n")
    assert frames_path(str(tmp_path), "bybit") == part
    for _ in range(2):
        assert len(list(read_lines(part))) == 6
    assert [record.getMessage() for record in caplog.records] == [
        f"{part} was left by a recorder that was interrupted: read as far as it goes"]
    caplog.clear()
    with part.open("rb+") as recorder:
        hold_part(recorder.fileno())
        assert len(list(read_lines(part))) == 6
        said = f"{part} is still being written: read as far as it goes"
        assert [record.getMessage() for record in caplog.records] == [said]
    assert common_epoch(part, "bybit") == 900_000_000, "the other file is whole, and counts too"
    (tmp_path / "bybit.frames.gz").write_bytes(gzip.compress(text))
    assert frames_path(str(tmp_path), "bybit") == tmp_path / "bybit.frames.gz"


def test_a_broken_line_names_itself(tmp_path: Path) -> None:
    path = tmp_path / "bybit.frames"
    path.write_text("1\t{}\nnot a line\n")
    with pytest.raises(SimError, match=r"bybit\.frames:2 was not"):
        list(read_lines(path))


@pytest.mark.parametrize("frame", [b"", b"{", b'{"topic":1}', b'{"topic":"orderbook.1.X"}'])
def test_what_is_no_quote_is_none(frame: bytes) -> None:
    assert parse_quote("bybit", frame) is None
    assert parse_quote("okx", frame) is None
