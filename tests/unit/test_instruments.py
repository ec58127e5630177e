"""Instruments: names, exact grids and the lot that two venues share."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbitrage.cli.replay import _contracts
from arbitrage.errors import ConfigError, OrderError
from arbitrage.instruments import (
    MULTIPLIED_BASES,
    Instrument,
    canonical_base,
    canonical_symbol,
    common_lot,
    default_px_mult,
    format_steps,
    steps_ceil,
    steps_exact,
    steps_floor,
    venue_symbol,
)

D = Decimal


def make(venue: str = "bybit", **fields: object) -> Instrument:
    defaults: dict[str, object] = {
        "venue_symbol": "BTCUSDT",
        "symbol": "BTCUSDT",
        "base": "BTC",
        "settle": "USDT",
        "contract_base_qty": D(1),
        "tick": D("0.10"),
        "lot": D("0.001"),
        "min_qty": D("0.001"),
        "max_qty": D("1190.000"),
    }
    return Instrument(venue=venue, **{**defaults, **fields})  # type: ignore[arg-type]


BYBIT_PEPE = make(
    venue_symbol="1000PEPEUSDT",
    symbol="PEPEUSDT",
    base="PEPE",
    tick=D("0.0000001"),
    lot=D(100),
    min_qty=D(100),
    max_qty=D(50000000),
    px_mult=D("0.001"),
)
OKX_PEPE = make(
    "okx",
    venue_symbol="PEPE-USDT-SWAP",
    symbol="PEPEUSDT",
    base="PEPE",
    contract_base_qty=D(10000000),
    tick=D("0.000000001"),
    lot=D("0.1"),
    min_qty=D("0.1"),
    max_qty=D(100000000),
)

# ---- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("venue", "name", "symbol"),
    [
        ("bybit", "BTCUSDT", "BTCUSDT"),
        ("bybit", "1000PEPEUSDT", "PEPEUSDT"),
        ("bybit", "SHIB1000USDT", "SHIBUSDT"),
        ("bybit", "1INCHUSDT", "1INCHUSDT"),
        ("okx", "BTC-USDT-SWAP", "BTCUSDT"),
        ("okx", "PEPE-USDT-SWAP", "PEPEUSDT"),
    ],
)
def test_names_go_both_ways(venue: str, name: str, symbol: str) -> None:
    assert canonical_symbol(venue, name) == symbol
    assert venue_symbol(venue, symbol) == name


@pytest.mark.parametrize(
    ("venue", "name"),
    [
        ("bybit", "BTCUSD"),
        ("bybit", "USDT"),
        ("bybit", "btcUSDT"),
        ("okx", "BTCUSDT"),
        ("okx", "BTC-USD-SWAP"),
        ("okx", "-USDT-SWAP"),
        ("okx", "BTC-USDT-240628"),
        ("kraken", "BTCUSDT"),
    ],
)
def test_names_that_are_no_linear_perpetual_are_refused(venue: str, name: str) -> None:
    with pytest.raises(ConfigError, match="accepted"):
        canonical_symbol(venue, name)


def test_every_bundle_has_a_finite_multiplier_and_finds_its_coin() -> None:
    for listed, (coin, bundle) in MULTIPLIED_BASES.items():
        assert canonical_base(listed) == (coin, bundle)
        assert Fraction(default_px_mult(listed)) * bundle == 1
        assert canonical_base(coin) == (coin, 1)


# ---- two venues, one quotation ------------------------------------------------------------------


def test_multipliers_bring_notional_to_the_same_number() -> None:
    assert BYBIT_PEPE.qty_mult == 1000
    assert OKX_PEPE.qty_mult == 10_000_000
    for instrument in (BYBIT_PEPE, OKX_PEPE):
        px, qty = instrument.tick * 12345, instrument.lot * 678
        common = (px * instrument.px_mult) * (qty * instrument.qty_mult)
        assert instrument.notional(12345, 678) == common


def test_common_lot_of_pepe() -> None:
    shared = common_lot(BYBIT_PEPE, OKX_PEPE)
    assert (shared.base_qty, shared.lots_a, shared.lots_b) == (D(1_000_000), 10, 1)


def test_common_lot_of_bitcoin() -> None:
    okx = make("okx", contract_base_qty=D("0.01"), lot=D("0.01"))
    shared = common_lot(make(), okx)
    assert (shared.base_qty, shared.lots_a, shared.lots_b) == (D("0.001"), 1, 10)


steps = st.builds(
    lambda digits, exponent: D(digits).scaleb(exponent),
    st.integers(1, 10**6),
    st.integers(-10, 4),
)


@given(lot_a=steps, lot_b=steps, contract=steps)
def test_common_lot_is_the_least_common_multiple(lot_a: D, lot_b: D, contract: D) -> None:
    a = make(lot=lot_a, min_qty=lot_a)
    b = make("okx", lot=lot_b, min_qty=lot_b, contract_base_qty=contract)
    shared = common_lot(a, b)
    assert a.base_qty(shared.lots_a) == b.base_qty(shared.lots_b) == shared.base_qty
    ratio = Fraction(a.base_qty(1)) / Fraction(b.base_qty(1))
    assert (shared.lots_b, shared.lots_a) == (ratio.numerator, ratio.denominator)


def test_different_coins_have_no_common_lot() -> None:
    with pytest.raises(ConfigError, match="BTCUSDT and PEPEUSDT"):
        common_lot(make(), OKX_PEPE)


# ---- exact steps ---------------------------------------------------------------------------------


@given(count=st.integers(-(2**63), 2**63 - 1), step=steps)
def test_counts_survive_text(count: int, step: D) -> None:
    text = format_steps(count, step)
    assert "E" not in text
    assert steps_exact(text, step) == count


@given(value=steps, step=steps)
def test_floor_and_ceiling_enclose_the_value(value: D, step: D) -> None:
    low, high = steps_floor(value, step), steps_ceil(value, step)
    assert Fraction(step) * low <= Fraction(value) <= Fraction(step) * high
    assert high - low in (0, 1)


@pytest.mark.parametrize(
    ("count", "step", "text"),
    [
        (840935, "0.10", "84093.5"),
        (7, "100", "700"),
        (7, "1E+2", "700"),
        (3, "1E-9", "0.000000003"),
        (0, "0.01", "0.00"),
        (5, "0.5", "2.5"),
    ],
)
def test_text_is_plain_and_exact(count: int, step: str, text: str) -> None:
    assert format_steps(count, D(step)) == text


@pytest.mark.parametrize("value", ["0.15", "x", "NaN", "Infinity", ""])
def test_values_off_the_grid_are_refused(value: str) -> None:
    with pytest.raises(OrderError, match="value was"):
        steps_exact(value, D("0.1"))


def test_order_limits_in_lots() -> None:
    instrument = make(min_qty=D("0.0015"), max_qty=D("1190.0005"))
    assert (instrument.min_lots, instrument.max_lots) == (2, 1190000)
    assert make(max_qty=D(0)).max_lots == 2**63 - 1
    assert instrument.px_text(840935) == "84093.5"
    assert instrument.qty_text(12) == "0.012"


@pytest.mark.parametrize("field", ["tick", "lot", "contract_base_qty", "px_mult"])
def test_a_contract_without_a_grid_is_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=f"BTCUSDT: {field} was 0"):
        make(**{field: D(0)})


def test_a_line_that_is_no_contract_is_refused_by_the_command_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "contracts.json"
    path.write_text('{"symbol": "BTCUSDT", "venue": "okx", "venue_symbol": "BTC-USDT-SWAP", '
                    '"contract_base_qty": "much"}\n')  # fmt: skip
    with pytest.raises(ConfigError, match="is not what `arb instruments --json` writes"):
        _contracts(path, ("BTCUSDT",))
