"""The ledger against an oracle of fractions: exact in every sum, exact when flat."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.fills import Fill, FundingPayment
from arbitrage.instruments import Instrument
from arbitrage.trading.ledger import Ledger

prices = st.decimals("0.00000001", "99999", places=8).map(abs).filter(bool)
quantities = st.decimals("0.0001", "50000", places=4).map(abs).filter(bool)
fees = st.decimals("-5", "5", places=10)
fills = st.lists(
    st.tuples(
        st.sampled_from(["bybit", "okx"]),
        st.sampled_from(["BTCUSDT", "ETHUSDT"]),
        st.integers(0, 1),
        prices,
        quantities,
        fees,
        st.integers(0, 30),
    ),
    max_size=40,
)


def exact(value: Decimal) -> Fraction:
    return Fraction(value)


@settings(max_examples=300, deadline=None)
@given(told=fills, mark=prices)
def test_ledger_equals_oracle(told: list[tuple], mark: Decimal) -> None:
    ledger = Ledger()
    seen: dict[tuple[str, str, int], tuple] = {}
    for venue, symbol, side, px, qty, fee, trade in told:
        fill = Fill(
            venue=venue, symbol=symbol, client_id=1, trade_id=str(trade), side=side, px=px,
            qty_base=qty, fee=fee,
        )  # fmt: skip
        fresh = (venue, symbol, trade) not in seen
        assert ledger.apply_fill(fill) is fresh
        seen.setdefault((venue, symbol, trade), (side, px, qty, fee))
    rows = {(venue, symbol) for venue, symbol, _ in seen}
    totals = ledger.totals(dict.fromkeys(rows, mark))
    cash = sum(
        (exact(px) * exact(qty) * (1 if side else -1) for side, px, qty, _ in seen.values()),
        Fraction(0),
    )
    held = sum((exact(qty) * (-1 if side else 1) for side, _, qty, _ in seen.values()), Fraction(0))
    assert exact(totals["realised"]) + exact(totals["unrealised"]) == cash + held * exact(mark)
    assert exact(totals["fees"]) == -sum((exact(fee) for *_, fee in seen.values()), Fraction(0))
    assert ledger.repeats == len(told) - len(seen)


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(st.tuples(prices, quantities), min_size=1, max_size=20), out=prices)
def test_flat_is_exact(parts: list[tuple[Decimal, Decimal]], out: Decimal) -> None:
    ledger = Ledger()
    total, paid = Fraction(0), Fraction(0)
    for number, (px, qty) in enumerate(parts):
        ledger.apply_fill(fill_of(number, 0, px, qty))
        total, paid = total + exact(qty), paid + exact(qty) * exact(px)
    left = sum((qty for _, qty in parts), Decimal(0))
    for number, (_, qty) in enumerate(reversed(parts)):
        ledger.apply_fill(fill_of(1000 + number, 1, out, qty))
        left -= qty
        view = ledger.position("okx", "BTCUSDT")
        assert view.qty_base == left
        if left:
            # selling does not change what the rest cost on average
            assert view.avg_entry_px is not None
            assert abs(exact(view.avg_entry_px) * total - paid) <= total * Fraction(1, 10**10)
    assert view.qty_base == 0
    assert view.avg_entry_px is None
    assert exact(view.realised) == total * exact(out) - paid
    assert view.unrealised == 0
    assert ledger.open_legs == 0


contracts = st.sampled_from(
    [
        Instrument(
            venue="okx", venue_symbol="BTC-USDT-SWAP", symbol="BTCUSDT", base="BTC", settle="USDT",
            contract_base_qty=Decimal("0.01"), tick=Decimal("0.1"), lot=Decimal("0.01"),
            min_qty=Decimal("0.01"), max_qty=Decimal(0),
        ),
        Instrument(
            venue="bybit", venue_symbol="1000PEPEUSDT", symbol="PEPEUSDT", base="PEPE",
            settle="USDT", contract_base_qty=Decimal(1), tick=Decimal("0.0000001"),
            lot=Decimal(100), min_qty=Decimal(100), max_qty=Decimal(0), px_mult=Decimal("0.001"),
        ),
        Instrument(
            venue="okx", venue_symbol="ODD-USDT-SWAP", symbol="ODDUSDT", base="ODD", settle="USDT",
            contract_base_qty=Decimal("2.5"), tick=Decimal("0.025"), lot=Decimal("0.5"),
            min_qty=Decimal("0.5"), max_qty=Decimal(0),
        ),
    ]
)  # fmt: skip
trades = st.tuples(st.integers(0, 1), st.integers(1, 10**7), st.integers(1, 10**6), fees)
payments = st.decimals("-9", "9", places=12)


@settings(max_examples=150, deadline=None)
@given(contract=contracts, told=st.lists(st.one_of(trades, payments), max_size=30), data=st.data())
def test_the_identity_is_exactly_zero_after_every_event(
    contract: Instrument, told: list, data: st.DataObject
) -> None:
    """Equity is the sum of fills, fees and funding at every mark, in whole numbers throughout."""
    ledger = Ledger([contract])
    place = {"venue": contract.venue, "symbol": contract.symbol}
    step = Fraction(contract.tick) * Fraction(contract.px_mult)
    coins = Fraction(contract.lot) * Fraction(contract.qty_mult)
    cash = held = average = Fraction(0)
    for number, event in enumerate(told):
        if isinstance(event, Decimal):
            ledger.apply_funding(
                FundingPayment(**place, payment_id=str(number), amount=event, wall_ms=0)
            )
            cash -= Fraction(event)
        else:
            side, ticks, lots, fee = event
            px = contract.tick * ticks * contract.px_mult
            fill = Fill(
                **place, client_id=1, trade_id=str(number), side=side, px=px,
                qty_base=contract.base_qty(lots), fee=fee,
            )  # fmt: skip
            ledger.apply_fill(fill)
            change = lots * coins * (-1 if side else 1)
            cash -= change * ticks * step + Fraction(fee)
            average = averaged(average, held, change, ticks * step)
            held += change
        mark = contract.tick * data.draw(st.integers(1, 10**7)) * contract.px_mult
        totals = ledger.totals({(contract.venue, contract.symbol): mark})
        equity = sum(map(Fraction, totals.values()), Fraction(0))
        assert equity - (cash + held * Fraction(mark)) == 0
        view = ledger.position(contract.venue, contract.symbol, mark)
        assert Fraction(view.qty_base) == held
        account = ledger._account(contract.venue, contract.symbol)
        sums = (account.qty, account.cash, account.cost, account.fees, account.funding)
        assert all(isinstance(one.units, int) for one in sums)
        if held:
            assert view.avg_entry_px is not None
            assert abs(Fraction(view.avg_entry_px) - average) <= Fraction(len(told), 10**12)


def averaged(average: Fraction, held: Fraction, change: Fraction, px: Fraction) -> Fraction:
    """Return the average entry price after a change, by its definition."""
    after = held + change
    if held == 0 or (held > 0) == (change > 0):
        return (average * held + px * change) / after
    return average if (after > 0) == (held > 0) else px


def fill_of(number: int, side: int, px: Decimal, qty: Decimal) -> Fill:
    return Fill(
        venue="okx", symbol="BTCUSDT", client_id=1, trade_id=str(number), side=side, px=px,
        qty_base=qty, fee=Decimal(0),
    )  # fmt: skip
