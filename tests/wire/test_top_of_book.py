"""Top of book: what each next frame makes of the row, resets, repeats, late copies and deltas."""

import json
import math

import pytest

from arbitrage.core.frames import TopOfBook

Level = list[list[str]]


def bybit(
    seq: int,
    update_id: int,
    bids: Level,
    asks: Level,
    *,
    kind: str = "snapshot",
    ts: int = 1000,
    cts: int = 1000,
) -> bytes:
    return json.dumps({
        "topic": "orderbook.1.X", "type": kind, "ts": ts,
        "data": {"s": "X", "b": bids, "a": asks, "u": update_id, "seq": seq}, "cts": cts,
    }).encode()  # fmt: skip


def okx(seq: int, bid: str, ask: str, ts: int) -> bytes:
    return json.dumps({
        "arg": {"channel": "bbo-tbt", "instId": "X"},
        "data": [{
            "asks": [[ask, "1", "0", "1"]], "bids": [[bid, "1", "0", "1"]],
            "ts": str(ts), "seqId": seq,
        }],
    }).encode()  # fmt: skip


B, A = [["100", "1"]], [["101", "2"]]


def held(top: TopOfBook) -> tuple[float, float, float, float]:
    return top.bid_px, top.bid_qty, top.ask_px, top.ask_qty


def test_snapshots_replace_and_repeats_refresh() -> None:
    top = TopOfBook("bybit")
    assert top.apply(bybit(10, 5, B, A)) == "applied"
    assert held(top) == (100, 1, 101, 2)
    assert top.apply(bybit(10, 5, B, A, ts=4000)) == "repeat"
    assert top.apply(bybit(12, 5, B, A, ts=7000, cts=6999)) == "repeat"
    assert (top.seq, top.exch_wall_ns) == (12, 6_999_000_000)
    assert top.apply(bybit(13, 6, [], A, cts=7000)) == "applied"
    assert math.isnan(top.bid_px)
    assert math.isnan(top.bid_qty)
    assert (top.ask_px, top.ask_qty) == (101, 2)
    assert top.apply(bybit(13, 6, [], A, cts=7000)) == "repeat"


def test_late_copies_change_nothing() -> None:
    top = TopOfBook("bybit")
    top.apply(bybit(10, 5, B, A, cts=2000))
    assert top.apply(bybit(9, 4, [["90", "1"]], A, cts=1990)) == "older"
    assert top.apply(bybit(9, 4, [["90", "1"]], A, cts=2000)) == "older"
    assert held(top) == (100, 1, 101, 2)
    assert top.seq == 10


def test_a_restart_is_believed() -> None:
    top = TopOfBook("bybit")
    top.apply(bybit(10**12, 500, B, A, cts=2000))
    assert top.apply(bybit(10, 1, [["90", "1"]], A, cts=1990)) == "applied"
    assert top.bid_px == 90
    assert top.apply(bybit(5, 1, [["80", "1"]], A, kind="delta", cts=3000)) == "applied"
    assert top.bid_px == 80


def test_a_lower_sequence_with_newer_time_is_a_restart() -> None:
    top = TopOfBook("okx")
    assert top.apply(okx(342177336945, "100", "101", 5000)) == "applied"
    assert top.apply(okx(342177336900, "90", "91", 4990)) == "older"
    assert top.apply(okx(342177336900, "90", "91", 5000)) == "older"
    assert top.apply(okx(7, "90", "91", 5010)) == "applied"
    assert top.apply(okx(8, "92", "93", 5020)) == "applied"
    assert (top.bid_px, top.seq) == (92, 8)


def test_the_same_sequence_with_other_prices_is_applied() -> None:
    top = TopOfBook("okx")
    top.apply(okx(7, "90", "91", 5000))
    assert top.apply(okx(7, "90", "91", 5000)) == "repeat"
    assert top.apply(okx(7, "90.5", "91", 5000)) == "applied"


def test_deltas_need_a_snapshot_and_resolve_to_a_full_top() -> None:
    top = TopOfBook("bybit")
    assert top.apply(bybit(9, 4, B, [], kind="delta")) == "ignored"
    assert math.isnan(top.bid_px)
    top.apply(bybit(10, 5, B, A))
    assert top.apply(bybit(11, 6, [["100.5", "3"], ["100", "0"]], [], kind="delta")) == "applied"
    assert held(top) == (100.5, 3, 101, 2)
    assert top.apply(bybit(12, 7, [["99", "0"]], [["101", "0"]], kind="delta")) == "applied"
    assert top.bid_px == 100.5
    assert math.isnan(top.ask_px)
    assert top.apply(bybit(12, 7, [["99", "0"]], [["101", "0"]], kind="delta")) == "repeat"
    assert top.apply(bybit(13, 8, [], [["102", "1"]], kind="delta")) == "applied"
    assert top.apply(bybit(12, 7, B, [], kind="delta", cts=2000)) == "older"
    assert held(top) == (100.5, 3, 102, 1)


@pytest.mark.parametrize(
    "delta",
    [
        bybit(12, 7, [["100.5", "1"]], [], kind="delta"),  # update 6 is missing
        bybit(11, 6, [["101.5", "1"]], [], kind="delta"),  # the bid lies above the ask that we hold
    ],
)
def test_deltas_that_do_not_continue_drop_the_top(delta: bytes) -> None:
    top = TopOfBook("bybit")
    top.apply(bybit(10, 5, B, A))
    assert top.apply(delta) == "gap"
    assert top.apply(bybit(13, 8, B, [], kind="delta")) == "ignored"
    assert top.apply(bybit(14, 9, B, A)) == "applied"


def test_reset_forgets() -> None:
    top = TopOfBook("bybit")
    top.apply(bybit(10, 5, B, A, cts=9000))
    top.reset()
    assert top.apply(bybit(11, 6, B, [], kind="delta")) == "ignored"
    assert top.apply(bybit(3, 2, B, A, cts=1)) == "applied"
