"""A contract that changed is noticed once, told in words, and stops its symbol only."""

import asyncio
import logging
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbitrage.core.risk import PAUSES
from arbitrage.errors import ConfigError, ConnectorError, WireError
from arbitrage.instruments import Instrument
from arbitrage.runtime.instrument_watch import InstrumentWatch, differences, pause_changed


def contract(venue: str, symbol: str) -> Instrument:
    return Instrument(
        venue=venue,
        venue_symbol=f"{venue}-{symbol}",
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        settle="USDT",
        contract_base_qty=Decimal("0.01"),
        tick=Decimal("0.1"),
        lot=Decimal("0.01"),
        min_qty=Decimal("0.01"),
        max_qty=Decimal(1000),
        inst_id_code=7,
        funding_interval_h=8.0,
    )


LOADED = {
    venue: {symbol: contract(venue, symbol) for symbol in ("BTCUSDT", "ETHUSDT")}
    for venue in ("bybit", "okx")
}
BTC = LOADED["okx"]["BTCUSDT"]


class Source:
    """A venue that answers what the test says."""

    def __init__(self, venue: str) -> None:
        self.listed: dict[str, Instrument | Exception | None] = {
            item.venue_symbol: item for item in LOADED[venue].values()
        }
        self.asked: list[str] = []

    async def instrument(self, venue_symbol: str) -> Instrument | None:
        self.asked.append(venue_symbol)
        found = self.listed[venue_symbol]
        if isinstance(found, Exception):
            raise found
        return found


class Segment:
    """Takes pauses."""

    def __init__(self) -> None:
        self.paused: list[int] = []
        self.symbols = self

    def index(self, symbol: str) -> int:
        return ("BTCUSDT", "ETHUSDT").index(symbol)

    def pause(self, symbol_index: int, reason: int) -> None:
        assert reason == PAUSES["contract"]
        self.paused.append(symbol_index)


@pytest.fixture
def sources() -> dict[str, Source]:
    return {venue: Source(venue) for venue in LOADED}


def watch_of(sources: dict[str, Source], refresh_s: float = 300.0) -> InstrumentWatch:
    return InstrumentWatch(LOADED, sources, refresh_s)


def changed(**fields: Any) -> Instrument:
    return msgspec.structs.replace(BTC, **fields)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (changed(tick=Decimal("0.5")), "tick went from 0.1 to 0.5"),
        (changed(lot=Decimal("0.1")), "lot went from 0.01 to 0.1"),
        (changed(contract_base_qty=Decimal("0.001")), "contract value went from 0.01 to 0.001"),
        (changed(min_qty=Decimal(1)), "least quantity went from 0.01 to 1"),
        (changed(min_notional=Decimal(5)), "least notional went from 0 to 5"),
        (changed(inst_id_code=8), "instIdCode went from 7 to 8"),
        (changed(state="suspend"), "its state is 'suspend'"),
        (None, "it is not listed any more"),
    ],
)
def test_what_stops_a_symbol(now: Instrument | None, words: str) -> None:
    assert differences(BTC, now) == [words]


def test_what_does_not() -> None:
    same = changed(tick=Decimal("0.10"), max_qty=Decimal(5), funding_interval_h=4.0)
    assert differences(BTC, same) == []


@given(
    tick=st.decimals("1e-9", "1e3", allow_nan=False), lot=st.decimals("1e-9", "1e3"),
    value=st.decimals("1e-9", "1e9"),
)
def test_any_other_grid_is_a_change(tick: Decimal, lot: Decimal, value: Decimal) -> None:
    now = changed(tick=tick, lot=lot, contract_base_qty=value)
    is_same = (tick, lot, value) == (BTC.tick, BTC.lot, BTC.contract_base_qty)
    assert bool(differences(BTC, now)) is not is_same


def test_a_change_pauses_once_and_says_what_to_do(
    sources: dict[str, Source], caplog: pytest.LogCaptureFixture
) -> None:
    watch, segment = watch_of(sources), Segment()
    sources["okx"].listed["okx-BTCUSDT"] = changed(tick=Decimal("0.5"))
    for _ in range(3):
        asyncio.run(watch.look(BTC))
        asyncio.run(watch.look(LOADED["bybit"]["ETHUSDT"]))
        pause_changed(watch, segment)
    assert segment.paused == [0]
    assert [record.getMessage() for record in caplog.records] == [
        "BTCUSDT is stopped: okx changed okx-BTCUSDT: tick went from 0.1 to 0.5; "
        "it opens no pair until a restart loads it anew"
    ]
    # back to what was loaded: it stays stopped, for the trader may have missed what lay between
    sources["okx"].listed["okx-BTCUSDT"] = BTC
    asyncio.run(watch.look(BTC))
    assert pause_changed(watch, segment) == []
    sources["okx"].listed["okx-BTCUSDT"] = None
    asyncio.run(watch.look(BTC))
    assert pause_changed(watch, segment) == ["BTCUSDT"]


def test_a_contract_that_makes_no_sense_stops_its_symbol(sources: dict[str, Source]) -> None:
    watch = watch_of(sources)
    sources["okx"].listed["okx-BTCUSDT"] = ConfigError("tick was 0")
    asyncio.run(watch.look(BTC))
    ((symbol, words),) = watch.take()
    assert symbol == "BTCUSDT"
    assert "what it lists cannot be traded: tick was 0" in words


@pytest.mark.parametrize("error", [ConnectorError("no answer", venue="okx"), WireError("no JSON")])
def test_a_venue_that_does_not_answer_stops_nothing(
    sources: dict[str, Source], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    watch = watch_of(sources)
    sources["okx"].listed["okx-BTCUSDT"] = error
    asyncio.run(watch.look(BTC))
    assert watch.take() == []
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "okx okx-BTCUSDT could not be read again, next time in 300 s" in record.getMessage()


def test_every_contract_is_asked_for_once_a_period_and_not_at_once(
    sources: dict[str, Source],
) -> None:
    async def main() -> tuple[int, int]:
        watch = asyncio.ensure_future(watch_of(sources, refresh_s=0.4).run())
        await asyncio.sleep(0.15)
        early = sum(len(source.asked) for source in sources.values())
        await asyncio.sleep(0.4)
        watch.cancel()
        return early, sum(len(source.asked) for source in sources.values())

    early, later = asyncio.run(main())
    assert early == 1
    assert 4 <= later <= 5
    assert {name for source in sources.values() for name in source.asked} == {
        f"{venue}-{symbol}" for venue in LOADED for symbol in LOADED[venue]
    }
