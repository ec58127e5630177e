"""Market store: what each function does, what it refuses, and whole rows beside a busy writer."""

import math
import threading

import numpy as np
import pytest

from arbitrage.core import store as module
from arbitrage.core.store import COLUMNS, MarketStore


def test_rows_start_empty_and_take_a_quote():
    store = MarketStore(2, 3)
    empty = store.read_row(1, 2)
    assert math.isnan(empty.bid_px)
    assert math.isnan(empty.funding_rate)
    assert (empty.state, empty.update_count) == (module.ROW_EMPTY, 0)
    store.apply_quote("okx", 2, 99.5, 100.5, 3.0, 4.0, recv_mono_ns=7, exch_wall_ns=8, seq=9)
    row = store.read_row("okx", 2)
    assert row[:9] == (99.5, 100.5, 3.0, 4.0, 7, 8, 9, module.ROW_LIVE, 1)
    assert store.read_row(0, 2).update_count == 0


def test_states_that_do_not_trade_drop_the_quote():
    store = MarketStore(1, 1)
    for state in (module.ROW_SYNCING, module.ROW_STALE, module.ROW_GAP, module.ROW_EMPTY):
        store.apply_quote(0, 0, 1.0, 2.0)
        store.apply_state(0, 0, state)
        row = store.read_row(0, 0)
        assert row.state == state
        assert math.isnan(row.bid_px)
    store.apply_quote(0, 0, 1.0, 2.0)
    store.apply_state(0, 0, module.ROW_SUSPECT)
    assert store.read_row(0, 0).bid_px == 1.0


def test_columns_are_live_views_that_keep_the_store_alive():
    store = MarketStore(2, 5)
    for name, kind in COLUMNS.items():
        column = getattr(store, name)
        assert column.shape == (2, 5)
        assert column.dtype == np.dtype(kind)
    bid_px = store.bid_px
    store.apply_quote(1, 4, 1.5, 2.5)
    assert bid_px[1, 4] == 1.5
    assert np.shares_memory(bid_px, store.column("bid_px"))
    del store
    assert bid_px[1, 4] == 1.5


def test_a_column_is_seen_by_row_without_numpy():
    store = MarketStore(2, 4)
    bid_px, state, seq = (store.by_row(name) for name in ("bid_px", "state", "seq"))
    assert (len(bid_px), bid_px.format, state.format, seq.format) == (8, "d", "Q", "q")
    store.apply_quote("okx", 1, 61800.2, 61800.3, seq=7)
    row = store.row("okx", 1)
    del store
    assert (bid_px[row], state[row], seq[row]) == (61800.2, module.ROW_LIVE, 7)
    with pytest.raises(ValueError, match="column was 'bid'; accepted names are"):
        MarketStore(2, 4).by_row("bid")


def test_columns_do_not_share_one_cache_set():
    for symbols in (64, 256, 2048):
        store = MarketStore(2, symbols)
        distance = store.ask_px.ctypes.data - store.bid_px.ctypes.data
        assert distance % 128 == 0
        assert distance % 4096 != 0


def test_instruments_reach_their_columns():
    store = MarketStore(2, 4)
    row = store.row("okx", 1)
    store.set_instrument(row, 1000.0, 0.01, 0.1, 0.01, 1, 500, 5.0, 4.5)
    names = list(COLUMNS)[-8:]
    assert [getattr(store, name)[1, 1] for name in names] == [1000, 0.01, 0.1, 0.01, 1, 500, 5, 4.5]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda store: MarketStore(5, 1), ValueError, "venue_count was 5"),
        (lambda store: MarketStore(1, 0), ValueError, "symbol_capacity was 0"),
        (lambda store: MarketStore(1, 2049), ValueError, "2048"),
        (lambda store: store.read_row(2, 0), IndexError, "venue was 2"),
        (lambda store: store.read_row(0, 4), IndexError, "symbol_index was 4"),
        (lambda store: store.read_row("binance", 0), ValueError, "binance"),
        (lambda store: store.apply_state(0, 0, 6), ValueError, "state was 6"),
        (lambda store: store.set_instrument(8), IndexError, "row was 8"),
        (lambda store: store.set_instrument(0, px_mult=0.0), ValueError, "px_mult of row 0"),
        (lambda store: store.set_instrument(0, taker_bps=math.nan), ValueError, "taker_bps"),
        (lambda store: store.column("bid"), ValueError, "bid_px"),
        (lambda store: store.bid, AttributeError, "bid"),
        (lambda store: store.__init__(2, 4), ValueError, "twice"),
    ],
)
def test_bad_arguments_are_named(call, error, says):
    with pytest.raises(error, match=says):
        call(MarketStore(2, 4))


def test_readers_never_see_a_torn_row():
    store = MarketStore(2, 2)
    count = 400_000
    writer = threading.Thread(target=store._stress_write, args=(1, count))
    writer.start()
    whole, torn, _ = store._stress_read(1, count)
    writer.join()
    assert torn == 0
    assert whole > 0
    assert store.read_row(0, 1).seq == count
