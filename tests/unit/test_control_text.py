"""What `arb flatten` and `arb limit` say, and quantities with their units."""

from decimal import Decimal
from typing import Any

import pytest

from arbitrage.cli.control_words import (
    OFF,
    flatten_text,
    kill_text,
    limit_lines,
    limit_value,
    off_text,
    resume_text,
)
from arbitrage.core.risk import LIMITS
from arbitrage.errors import ConfigError
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


def test_a_limit_that_is_off_says_what_nothing_holds_back_any_more() -> None:
    assert off_text("max_day_loss_usd", 0).startswith("max_day_loss_usd is off: no loss of a day")
    assert "however much stands unhedged" in off_text("max_one_sided_usd", 0)
    assert off_text("max_day_loss_usd", 1) == off_text("max_orders_burst", 0) == ""
    zeros = {name for name, (_, least, _) in LIMITS.items() if least == 0}
    assert set(OFF) == zeros - {"max_orders_burst", "orders_kept_for_exits"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("max_gross_usd", "accepted is a number above 0 to 10000000000"),
        ("max_orders_per_s", "accepted is a number from 1 to 100000"),
    ],
)
def test_what_a_limit_accepts_is_said_as_for_its_variable(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        limit_value(name, "0")
    assert str(caught.value) == f"{name} was '0'; {said}"
    with pytest.raises(ConfigError, match="from 0 to 1000000000, 0: off"):
        limit_value("max_day_loss_usd", "much")


def test_a_kill_that_flattens_does_not_say_that_nothing_leaves() -> None:
    done = {"was_killed": True, "was": "killed since", "flatten": True, "acknowledged_ms": 1.5}
    assert kill_text(done) == (
        "it was killed since\nstill: what is open is being closed; only reducing orders leave, "
        "every gateway has seen it after 1.5 ms\n"
    )
    assert "killed: no order leaves any more, " in kill_text(
        done | {"was_killed": False, "was": None, "flatten": False}
    )


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("trading, but a line is down: okx orders", "new pairs may open now"),
        ("no new pairs: no book of okx is live", "but no new pairs: no book of okx is live"),
    ],
)
def test_a_flatten_that_ended_is_told_with_what_follows(state: str, said: str) -> None:
    done = {
        "resumed": [], "paused": {}, "killed": False, "flatten": False, "flatten_ended": True,
        "state": state,
    }  # fmt: skip
    assert resume_text(done) == f"no symbol is paused\nthe flatten ended: {said}\n"
    assert "ended" not in resume_text(done | {"flatten_ended": False})


def test_what_was_resumed_is_named_and_what_stays_paused() -> None:
    done: dict[str, Any] = {
        "resumed": ["BTCUSDT", "ETHUSDT"], "paused": {}, "killed": False, "flatten": False,
        "flatten_ended": False, "state": "trading",
    }  # fmt: skip
    assert resume_text(done) == "resumed BTCUSDT, ETHUSDT\n"
    kept = done | {"paused": {"SOLUSDT": ["contract"]}}
    assert resume_text(kept) == "resumed BTCUSDT, ETHUSDT\nSOLUSDT is paused: contract\n"


def test_words_are_listed() -> None:
    assert [listed("a"), listed("ab"), listed("abc")] == ["a", "a and b", "a, b and c"]
