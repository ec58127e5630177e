"""What `arb flatten` and `arb limit` say, and quantities with their units."""

from decimal import Decimal

import pytest

from arbitrage.cli.control import flatten_text, limit_lines
from arbitrage.instruments import Instrument
from arbitrage.wording import listed


def instrument(
    venue_symbol: str, per_unit: str, bundle: str = "1", base: str = "BTC"
) -> Instrument:
    return Instrument(
        venue="okx", venue_symbol=venue_symbol, symbol=f"{base}USDT", base=base, settle="USDT",
        contract_base_qty=Decimal(per_unit), tick=Decimal("0.1"), lot=Decimal("0.1"),
        min_qty=Decimal("0.1"), max_qty=Decimal(0), px_mult=Decimal(1) / Decimal(bundle),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "lots", "text"),
    [
        (instrument("BTCUSDT", "1"), 12, "1.2 BTC"),
        (instrument("BTC-USDT-SWAP", "0.01"), 12, "1.2 contracts (0.012 BTC)"),
        (instrument("BTC-USDT-SWAP", "0.01"), 10, "1.0 contract (0.01 BTC)"),
        (instrument("1000PEPEUSDT", "1", "1000", "PEPE"), 30, "3.0 x 1000PEPE (3000 PEPE)"),
    ],
)
def test_a_quantity_has_its_unit(found: Instrument, lots: int, text: str) -> None:
    assert found.amount_text(lots) == text


def test_flatten_names_what_it_closes_and_what_is_broken() -> None:
    broken = ["BTCUSDT (long 1 BTC of BTCUSDT at bybit)"]
    text = flatten_text({"closing": ["ETHUSDT (nothing filled yet)"], "broken": broken})
    assert text == (
        "1 pair BROKEN, what is left is reduced on at the widest slip: BTCUSDT (long 1 BTC of "
        "BTCUSDT at bybit)\nclosing 1 pair: ETHUSDT (nothing filled yet)\n"
        "none is opened until arb resume all\n"
    )
    assert "no other pair is open" in flatten_text({"closing": [], "broken": broken})
    assert flatten_text({"closing": [], "broken": []}).startswith("no pair is open\n")


def test_limits_are_a_table() -> None:
    lines = limit_lines({"max_order_usd": 1000.0, "max_venue_usd": 0.0}, {"max_order_usd": 45.2})
    assert [line.split() for line in lines] == [
        ["max_order_usd", "1,000", "45", "%", "used"], ["max_venue_usd", "off"],
    ]  # fmt: skip


def test_words_are_listed() -> None:
    assert [listed("a"), listed("ab"), listed("abc")] == ["a", "a and b", "a, b and c"]
