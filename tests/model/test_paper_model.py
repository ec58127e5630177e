"""Strategy, gate, journal, rings, paper venues and ledger together, over random markets."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from strategy_rig import EVENT_NAMES, INSTRUMENTS, Rig

from arbitrage.core.messages import Execution
from arbitrage.instruments import Instrument
from arbitrage.trading.ledger import Ledger
from arbitrage.trading.paper import PaperGateway

LOTS = {(0, 0): "0.02", (1, 0): "0.3", (0, 1): "1", (1, 1): "1"}
TICKS = {(0, 0): "0.1", (1, 0): "0.1", (0, 1): "0.01", (1, 1): "0.00001"}
SYMBOLS = ("AAAUSDT", "BBBUSDT")


def instrument(venue: int, symbol: int) -> Instrument:
    numbers = INSTRUMENTS[venue, symbol]
    px_mult = Decimal(str(numbers["px_mult"]))
    return Instrument(
        venue=("bybit", "okx")[venue], venue_symbol=f"V{venue}{symbol}", symbol=SYMBOLS[symbol],
        base=SYMBOLS[symbol][:3], settle="USDT", tick=Decimal(TICKS[venue, symbol]),
        contract_base_qty=Decimal(str(numbers["qty_mult"])) * px_mult, px_mult=px_mult,
        lot=Decimal(LOTS[venue, symbol]), min_qty=Decimal(LOTS[venue, symbol]), max_qty=Decimal(0),
    )  # fmt: skip


class Publisher:
    """What ExecPublisher does, onto the rig's ring."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    def publish(
        self, client_id: int, kind: int, venue: int, row: int, side: int, px: float, last: int,
        cum: int, fee_bps: float, code: int, now: int,
    ) -> bool:  # fmt: skip
        told = Execution(client_id, now, px, last, cum, fee_bps, code, row, venue, kind, side)
        return bool(self.rig.executions.try_push(told.pack()))


moves = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 1),
        st.sampled_from([-40.0, -10.0, 0.0, 0.0, 10.0, 25.0, 60.0]),
        st.sampled_from([1e6, 1e6, 5.0, 0.5]),
        st.sampled_from([0.1, 1.0, 5.0, 500.0]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(steps=moves, latency=st.sampled_from([0.0, 1.0, 20.0]))
def test_paper_ends_flat_and_its_money_adds_up(
    steps: list[tuple[Any, ...]], latency: float
) -> None:
    rig, ledger, fills = Rig(), Ledger(), []

    def on_fill(fill: Any) -> None:
        fills.append(fill)
        assert ledger.apply_fill(fill)

    gateway = PaperGateway(
        rig.store, rig.orders, [Publisher(rig)] * 2,
        {rig.row(v, s): instrument(v, s) for v in (0, 1) for s in (0, 1)},
        on_fill=on_fill, latency_ms=latency,
    )  # fmt: skip

    def run(milliseconds: float) -> None:
        rig.poll(milliseconds)
        gateway.poll(rig.now)
        rig.poll()

    for venue, symbol, shift, qty, wait in steps:
        rig.opportunity(symbol, venue, shift) if shift > 5 else rig.quote(venue, symbol, shift, qty)
        run(wait)
    rig.strategy.flatten = True
    for _ in range(300):
        for venue in (0, 1):
            for symbol in (0, 1):
                rig.quote(venue, symbol, 0.0)
        run(20.0)
        if rig.strategy.live_pairs == 0:
            break
    assert rig.strategy.live_pairs == gateway.waiting == ledger.open_legs == 0
    assert not any(gateway.position_lots.values())
    counters = rig.strategy.counters
    assert counters["fills"] == ledger.fill_count
    assert counters["unknown_executions"] == counters["duplicates"] == 0
    totals = ledger.totals()
    cash = sum((f.px * f.qty_base * (1 if f.side else -1) for f in fills), Decimal(0))
    assert totals["realised"] == cash
    assert totals["fees"] == -sum((f.px * f.qty_base for f in fills), Decimal(0)) * Decimal(
        "0.0005"
    )
    check_results(rig, ledger)
    rig.close()


def check_results(rig: Rig, ledger: Ledger) -> None:
    """What the pairs say they brought is, about, what the ledger says."""
    events = [event for event in rig.take_events() if EVENT_NAMES[event.event] == "closed"]
    trimmed = rig.strategy.counters["pairs_unwound"]
    if trimmed or any(event.order_count != 4 for event in events):
        return  # partly filled pairs left some of their money outside the common quantity
    told = sum(
        event.base_qty * event.buy_px * (0.001 if event.buy_row % 2 and event.buy_row < 2 else 1)
        * event.pair_bps / 1e4
        for event in events
    )  # fmt: skip
    true = float(sum(ledger.totals().values(), Decimal(0)))
    # the way out is told relative to the price it left at, which may lie 1 % from the entry's
    assert abs(told - true) <= 0.01 * len(events) + 1e-9
