"""The ledger against an oracle of fractions: exact in every sum, exact when flat."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.trading.ledger import Ledger
from arbitrage.trading.orders import Fill

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


def fill_of(number: int, side: int, px: Decimal, qty: Decimal) -> Fill:
    return Fill(
        venue="okx", symbol="BTCUSDT", client_id=1, trade_id=str(number), side=side, px=px,
        qty_base=qty, fee=Decimal(0),
    )  # fmt: skip
