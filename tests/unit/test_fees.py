"""Fees: the list form, its errors and what a round trip pays."""

import pytest

from arbitrage.errors import ConfigError
from arbitrage.fees import FeeSchedule, parse_fees


def test_defaults_are_the_public_rates() -> None:
    fees = FeeSchedule()
    assert (fees.bybit, fees.okx) == (5.5, 5.0)
    assert fees.entry_bps("bybit", "okx") == 10.5
    assert fees.round_trip_bps("okx", "bybit") == 21.0


def test_a_venue_that_is_not_named_keeps_its_fee() -> None:
    assert parse_fees("okx=-0.5") == FeeSchedule(bybit=5.5, okx=-0.5)
    assert parse_fees(" bybit = 0 , okx=0 ") == FeeSchedule(bybit=0.0, okx=0.0)
    assert parse_fees("okx=1", base=FeeSchedule(bybit=2.0)) == FeeSchedule(bybit=2.0, okx=1.0)


def test_text_form_reads_back() -> None:
    fees = FeeSchedule(bybit=1.25, okx=-0.1)
    assert parse_fees(str(fees)) == fees


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5.5",
        "bybit",
        "bybit=",
        "bybit=x",
        "binance=1",
        "bybit=nan",
        "okx=inf",
        "okx=101",
        "okx=1,okx=2",
        "okx=1,,bybit=2",
    ],
)
def test_malformed_lists_name_label_value_and_form(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_fees(text, label="--fees")
    assert str(caught.value).startswith(f"--fees was {text!r}")


def test_unknown_venue_is_refused() -> None:
    with pytest.raises(ConfigError, match="accepted values are bybit, okx"):
        FeeSchedule().taker_bps("kraken")
