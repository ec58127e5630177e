"""Orders counted on one grid and sent on another: exact where it can be, told where it cannot."""

import asyncio
import json
import logging
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from arbitrage.config import Credentials
from arbitrage.core import gateway
from arbitrage.core.executions import ExecPublisher
from arbitrage.core.ring import MpscRing, SpscRing
from arbitrage.instruments import Instrument
from arbitrage.runtime.instrument_watch import InstrumentWatch, is_regridded
from arbitrage.secret import Secret
from arbitrage.venues.base import BUY, SELL, ExecutionReport, Fill, TradedSymbol
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.okx.order_gateway import OkxOrderGateway
from arbitrage.venues.okx.rest import OkxRest

D = Decimal
ROW, CLIENT_ID, WALL_MS = 3, 1234567890123456789, 1_790_000_000_000
KEYS = Credentials(key=Secret("the-key"), secret=Secret("hidden"), passphrase=Secret("phrase"))
LOADED = Instrument(
    venue="okx", venue_symbol="BTC-USDT-SWAP", symbol="BTCUSDT", base="BTC", settle="USDT",
    contract_base_qty=D("0.01"), tick=D("0.1"), lot=D("0.01"), min_qty=D("0.01"), max_qty=D(1000),
    inst_id_code=10459,
)  # fmt: skip


class Line:
    """An OKX order line with its real sender and tracker, and no connection."""

    def __init__(self) -> None:
        self.fills: list[Fill] = []
        publisher = ExecPublisher(MpscRing(64))
        self.sender = gateway.OrderSender(1, SpscRing(64), publisher)
        symbol = TradedSymbol(ROW, LOADED)
        self.told: list[tuple[Any, ...]] = []
        self.tracker = ExecutionTracker(
            1, "okx", [symbol], self, self.fills.append, self.sender.settle
        )
        rest = OkxRest("https://venue.invalid", KEYS)
        self.line = OkxOrderGateway(
            "wss://venue.invalid", KEYS, rest, self.sender, self.tracker, [symbol]
        )

    def publish(self, *args: Any) -> bool:
        self.told.append(args)
        return True

    def sent(self, side: int, ticks: int, lots: int) -> tuple[Decimal, Decimal] | None:
        frame = self.sender.encode(CLIENT_ID, ROW, side, ticks, lots, WALL_MS, True)
        if not frame:
            return None
        (order,) = json.loads(frame)["args"]
        assert order["reduceOnly"] is True
        return D(order["px"]), D(order["sz"])


STEPS = st.sampled_from([D(text) for text in ("0.01", "0.02", "0.05", "0.1", "0.25", "0.3", "1")])


@given(STEPS, STEPS, st.integers(1, 10**9), st.integers(1, 10**7), st.sampled_from([BUY, SELL]))
def test_prices_go_to_the_side_that_fills_and_quantities_never_up(
    tick: Decimal, lot: Decimal, ticks: int, lots: int, side: int
) -> None:
    line = Line()
    line.line.regrid(LOADED, structs.replace(LOADED, tick=tick, lot=lot))
    px, qty = ticks * LOADED.tick, lots * LOADED.lot
    found = line.sent(side, ticks, lots)
    if qty < lot:
        assert found is None, "nothing of the new grid is that small"
        return
    assert found is not None
    sent_px, sent_qty = found
    assert Fraction(sent_px) % Fraction(tick) == 0
    assert Fraction(sent_qty) % Fraction(lot) == 0
    assert qty - lot < sent_qty <= qty
    if side == BUY:
        assert px <= sent_px < px + tick
    else:
        assert px - tick < sent_px <= px or sent_px == tick


def test_the_grid_as_loaded_changes_nothing() -> None:
    line = Line()
    before = line.sent(BUY, 840_213, 7)
    assert before == (D("84021.3"), D("0.07"))
    line.line.regrid(LOADED, structs.replace(LOADED, tick=D("0.5"), lot=D("0.02")))
    assert line.sent(BUY, 840_213, 7) == (D("84021.5"), D("0.06"))
    assert line.sent(SELL, 840_213, 7) == (D("84021.0"), D("0.06"))
    line.line.regrid(LOADED, LOADED)
    assert line.sent(BUY, 840_213, 7) == before


def report(qty: str, trade: str) -> ExecutionReport:
    return ExecutionReport(
        venue_symbol="BTC-USDT-SWAP", client_id=CLIENT_ID, trade_id=trade, side=SELL, px=D(84000),
        qty_venue=D(qty), fee=D(0), wall_ms=WALL_MS,
    )  # fmt: skip


def test_a_new_contract_value_keeps_the_coins() -> None:
    """Ten times the value: a tenth of the contracts, the same lots to us, the same coins booked."""
    line = Line()
    now = structs.replace(LOADED, contract_base_qty=D("0.1"), lot=D("0.001"))
    line.line.regrid(LOADED, now)
    assert line.sent(SELL, 840_000, 25) == (D(84000), D("0.025"))
    line.tracker.execution(report("0.025", "a"), 1)
    ((_, kind, venue, row, _, _, lots, cum_lots, *_),) = line.told
    assert (kind, venue, row, lots, cum_lots) == (3, 1, ROW, 25, 25)
    (fill,) = line.fills
    assert fill.qty_base == D("0.0025")


def test_lots_that_do_not_fit_are_an_alarm(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    line = Line()
    line.line.regrid(LOADED, structs.replace(LOADED, lot=D("0.005")))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    caplog.clear()
    line.line.regrid(LOADED, structs.replace(LOADED, lot=D("0.03")))
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert "what its exit leaves must be closed by hand" in caplog.text


@pytest.mark.parametrize("shape", [(8192, 1, 1, 1, 1), (-1, 1, 1, 1, 1), (0, 0, 1, 1, 1)])
def test_nonsense_is_refused(shape: tuple[int, int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="fractions are above zero"):
        Line().sender.regrid(*shape)


# ---- what the watch hands on --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "is_grid"),
    [
        ({"tick": D("0.5")}, True),
        ({"lot": D("0.1"), "min_qty": D("0.1")}, True),
        ({"contract_base_qty": D("0.1")}, True),
        ({"state": "suspend"}, False),
        ({"min_qty": D(5)}, False),
        ({"tick": D("0.5"), "inst_id_code": 7}, False),
        ({"px_mult": D("0.001"), "tick": D("0.5")}, False),
        ({}, False),
    ],
)
def test_only_the_same_contract_on_another_grid_is_regridded(
    changed: dict[str, Any], is_grid: bool
) -> None:
    assert is_regridded(LOADED, structs.replace(LOADED, **changed)) == is_grid
    assert not is_regridded(LOADED, None)


def test_the_watch_hands_on_each_change_once_and_the_way_back() -> None:
    class Source:
        now: Instrument | None = LOADED

        async def instrument(self, _: str) -> Instrument | None:
            return self.now

    source = Source()
    watch = InstrumentWatch({"okx": {"BTCUSDT": LOADED}}, {"okx": source}, 1.0)
    coarse = structs.replace(LOADED, tick=D("0.5"))

    def looked(now: Instrument | None) -> list[tuple[Instrument, Instrument]]:
        source.now = now
        asyncio.run(watch.look(LOADED))
        return watch.take_regrids()

    assert looked(LOADED) == []
    assert looked(coarse) == [(LOADED, coarse)]
    assert looked(coarse) == []
    assert looked(None) == []
    assert looked(coarse) == [(LOADED, coarse)]
    assert looked(LOADED) == [(LOADED, LOADED)]
    assert looked(LOADED) == []
