"""What a start asks the venues about an order that the last run left without an end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from patience import LIMIT_S
from venue_kit import NAMES, REST, VENUES, keys, run, simulated, until

from arbitrage.config import Settings, load_settings
from arbitrage.errors import ConnectorError
from arbitrage.fills import BUY as BOUGHT
from arbitrage.instruments import Instrument
from arbitrage.runtime import recovery
from arbitrage.runtime.recovery import Recovered, recover
from arbitrage.sim.account import Order
from arbitrage.sim.matching import BUY, SELL
from arbitrage.sim.server import SimServer
from arbitrage.trading.past import Past, PastLeg, PastOrder, PastPair
from arbitrage.venues.rest_client import RestClient

OURS = 7 << 35 | 1 << 11
NS = 1_000_000_000


class Desk:
    """Both venues, their clients, and a run that had sent one order to Bybit."""

    def __init__(self, servers: dict[str, SimServer], clients: dict[str, RestClient]) -> None:
        self.servers = servers
        self.clients = clients
        self.instruments: dict[str, dict[str, Instrument]] = {}
        self.settings: Settings = load_settings(
            {"ARB_MODE": "testnet", "ARB_SYMBOLS": "BTCUSDT"}
            | {f"{name}_API_{what}": "x" for name in ("BYBIT", "OKX") for what in ("KEY", "SECRET")}
            | {f"{name.upper()}_REST_URL": at.urls["rest_url"] for name, at in servers.items()}
            | {"OKX_API_PASSPHRASE": "x"},
            dotenv=None,
        )

    async def load(self) -> None:
        for venue, client in self.clients.items():
            await client.sync_clock()
            await until(lambda at=venue: self.servers[at].exchange.matcher.books[0].quoted)
            found = await client.instruments()
            self.instruments[venue] = {i.symbol: i for i in found if i.symbol == "BTCUSDT"}

    def place(self, venue: str, side: int, lots: int, client_id: str, far: bool = False) -> None:
        """Let an order reach a venue: at the market, or far from it, where it rests."""
        exchange = self.servers[venue].exchange
        book = exchange.matcher.books[0]
        if far:
            ticks = book.bid_ticks * 99 // 100 if side == BUY else book.ask_ticks * 101 // 100
        else:
            ticks = book.ask_ticks * 101 // 100 if side == BUY else book.bid_ticks * 99 // 100
        kind = "GTC" if far else "IOC"
        order = Order(exchange.instruments[0], side, "limit", kind, ticks, lots, client_id, False)
        exchange.matcher.submit(order, exchange.new_order_id(), time.time_ns())

    def past(self, *, age_s: float, qty: str = "0.010") -> Past:
        keys_of = {(venue, NAMES[venue]): "BTCUSDT" for venue in VENUES}
        wall_ns = time.time_ns() - int(age_s * NS)
        order = PastOrder(
            client_id=OURS, venue="bybit", venue_symbol="BTCUSDT", side=BOUGHT, qty=Decimal(qty),
            limit_px=84_000.0, is_entry=True, wall_ns=wall_ns,
        )  # fmt: skip
        legs = [PastLeg(venue=venue, venue_symbol=NAMES[venue]) for venue in VENUES]
        pair = PastPair(run=7, number=1, symbol="BTCUSDT", legs=(legs[0], legs[1]))
        return Past(
            run=7, last_wall_ns=wall_ns, symbols=keys_of, orders={OURS: order},
            pairs={"BTCUSDT": pair},
        )  # fmt: skip

    async def recover(self, past: Past) -> Recovered:
        return await recover(self.settings, self.clients, self.instruments, past)


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Desk]:
    async with contextlib.AsyncExitStack() as stack:
        servers = {v: await stack.enter_async_context(simulated(v)) for v in VENUES}
        clients = {
            v: await stack.enter_async_context(REST[v](servers[v].urls["rest_url"], keys()))
            for v in VENUES
        }
        desk = Desk(servers, clients)
        await desk.load()
        yield desk


def test_an_order_that_filled_unheard_is_taken_over_with_its_price() -> None:
    async def main() -> None:
        async with opened() as desk:
            past = desk.past(age_s=0.0)
            desk.place("bybit", BUY, 10, str(OURS))
            found = await desk.recover(past)
            (pair,) = found.plan.adopt
            buy, sell = pair.legs
            assert (buy.lots, sell.lots, pair.number) == (10, 0, 1)
            book = desk.servers["bybit"].exchange.matcher.books[0]
            tick = float(desk.instruments["bybit"]["BTCUSDT"].tick)
            assert buy.entry_px == pytest.approx(book.ask_ticks * tick, rel=0.01)
            assert {fill.client_id for fill in found.fills} == {OURS}
            assert sum(fill.qty_base for fill in found.fills) == Decimal("0.010")

    run(main)


def test_an_order_of_ours_that_rests_is_cancelled() -> None:
    async def main() -> None:
        async with opened() as desk:
            desk.place("bybit", BUY, 10, str(OURS), far=True)
            found = await desk.recover(desk.past(age_s=5.0))
            assert found.plan.adopt == ()
            assert await desk.clients["bybit"].open_orders() == []

    run(main)


@pytest.mark.parametrize("venue", VENUES)
def test_an_order_of_somebody_else_that_rests_ends_the_start(venue: str) -> None:
    async def main() -> None:
        async with opened() as desk:
            desk.place(venue, SELL, 10, "by-hand", far=True)
            with pytest.raises(ConnectorError, match="rests and is not ours") as caught:
                await desk.recover(Past())
            assert caught.value.is_terminal
            assert str(caught.value).startswith(f"{venue}: order ")
            assert len(await desk.clients[venue].open_orders()) == 1, "it is not ours to cancel"

    run(main)


def test_an_order_that_was_still_under_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "ABSENT_AFTER_S", LIMIT_S)

    async def main() -> None:
        async with opened() as desk:
            task = asyncio.ensure_future(desk.recover(desk.past(age_s=0.0)))
            await asyncio.sleep(0.4)
            assert not task.done(), "nobody can know yet that it never comes"
            desk.place("bybit", BUY, 10, str(OURS))
            (pair,) = (await task).plan.adopt
            assert pair.legs[0].lots == 10

    run(main)


def test_an_order_that_no_venue_knows_is_dead_when_its_time_is_past(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recovery, "ABSENT_AFTER_S", LIMIT_S)

    async def main() -> None:
        async with opened() as desk:
            begun_s = time.monotonic()
            found = await desk.recover(desk.past(age_s=LIMIT_S + 1.0))
            assert found.plan.adopt == ()
            assert time.monotonic() - begun_s < LIMIT_S, "an old order is not waited for"

    run(main)


def test_a_liquidation_meanwhile_is_a_lost_leg() -> None:
    async def main() -> None:
        async with opened() as desk:
            desk.place("bybit", BUY, 10, str(OURS))
            past = desk.past(age_s=1.0)
            desk.place("okx", SELL, 100, "8")
            # the other leg was heard of in full, and then taken by its venue in part
            key = ("okx", NAMES["okx"])
            lot = desk.instruments["okx"]["BTCUSDT"].lot
            past.held[key] = -100 * lot
            desk.servers["okx"].exchange.take_position(0, 40, "adl")
            found = await desk.recover(past)
            (pair,) = found.plan.adopt
            assert (pair.legs[0].lots, pair.legs[1].lots) == (10, 60)
            assert "the venue itself traded" in found.plan.notes[0]

    run(main)
