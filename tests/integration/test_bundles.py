"""Coins that one venue lists in bundles (Bybit 1000PEPEUSDT, OKX PEPE-USDT-SWAP) trade as one."""

import asyncio
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from late_orders import ended_pairs
from trader_kit import VENUES, credentials, trader, venues

from arbitrage.core.records import OPPORTUNITY_DTYPE, Side, split_client_id
from arbitrage.instruments import Instrument
from arbitrage.venues.base import ExecutionReport
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.okx.rest import OkxRest

NAMES = {"bybit": "1000PEPEUSDT", "okx": "PEPE-USDT-SWAP"}
PAIRS = 2


def read_trades(venue: str, rest_url: str) -> tuple[Instrument, list[ExecutionReport]]:
    """Ask a venue for the contract and every execution of the account."""

    async def read() -> tuple[Instrument, list[ExecutionReport]]:
        client = {"bybit": BybitRest, "okx": OkxRest}[venue](rest_url, credentials())
        async with client:
            (listed,) = await client.instruments()
            return listed, await client.executions(venue_symbol=NAMES[venue])

    return asyncio.run(read())


def coins_by_pair(instrument: Instrument, trades: list[ExecutionReport]) -> dict[int, Decimal]:
    """Return the coins a venue bought in each pair, and of these it sold as many."""
    net: dict[int, Decimal] = defaultdict(Decimal)
    gross: dict[int, Decimal] = defaultdict(Decimal)
    for trade in trades:
        coins = trade.qty_venue * instrument.qty_mult
        pair = split_client_id(trade.client_id).pair
        net[pair] += coins if trade.side == Side.BUY else -coins
        gross[pair] += coins
    assert not any(net.values()), f"{instrument.venue} did not end each pair flat: {dict(net)}"
    return {pair: coins / 2 for pair, coins in gross.items()}


@pytest.mark.parametrize("feed_mode", ["loop", "processes"])
def test_a_bundle_trades_in_equal_coins_and_without_a_false_edge(
    tmp_path: Path, feed_mode: str
) -> None:
    with venues(tmp_path, symbols="PEPEUSDT") as sims:
        before = sims.equity()
        settings = {"ARB_SYMBOLS": "PEPEUSDT", "ARB_FEED_MODE": feed_mode}
        with trader(tmp_path, sims.environment(), **settings) as running:
            segment = running.attach()
            reader = segment.opportunities.reader(from_oldest=True)
            running.wait_closed_pairs(segment, PAIRS)
            edges = [float(event["gross_bps"]) for event in reader.drain(dtype=OPPORTUNITY_DTYPE)]
            assert running.stop() == 0
            report = running.report()
        accounts = sims.accounts()
        after = sims.equity()
        trades = {venue: read_trades(venue, sims.ready[venue]["rest_url"]) for venue in VENUES}

    assert {venue: item.venue_symbol for venue, (item, _) in trades.items()} == NAMES
    assert trades["bybit"][0].px_mult == Decimal("0.001")
    assert trades["okx"][0].qty_mult == Decimal(10_000_000)
    # the market's gaps are 30 to 60 bps wide; a bundle taken for a coin is 9,990,000
    assert max(edges) > 10
    assert all(abs(edge) < 100 for edge in edges)
    # legs come apart where a venue was late, as on a machine that stands still, and only there
    pairs = ended_pairs(sorted((tmp_path / "state").glob("orders-*.journal")))
    late = {pair.number for pair in pairs if pair.was_late}
    assert [pair for pair in pairs if not pair.stood and not pair.was_late] == []
    assert len(pairs) == sum(report["pairs"][end] for end in ("closed", "unwound", "missed"))
    bought = {venue: coins_by_pair(*found) for venue, found in trades.items()}
    assert bought["bybit"].keys() - late == bought["okx"].keys() - late
    assert report["pairs"]["closed"] >= PAIRS
    for number in bought["okx"].keys() - late:
        coins = bought["okx"][number]
        assert bought["bybit"][number] == coins
        # an order is worth 1000 USD at the most, and the coin costs 8.5 millionths of one
        assert 10_000_000 < coins < 130_000_000
    assert all(not facts.positions for facts in accounts.values())
    assert after - before == sum(Decimal(text) for text in report["ledger"].values())
