"""Venues whose clock differs from ours, and one whose clock jumps while we trade."""

import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from venue_kit import ACK, DONE, REST, VENUES, Desk, keys, run, until

from arbitrage.sim.config import SimConfig
from arbitrage.sim.server import SimServer, make_exchange


class Shifted:
    """The wall clock of a venue that is wrong by so much."""

    def __init__(self, ahead_s: float) -> None:
        self.ahead_s = ahead_s

    def __call__(self) -> int:
        return time.time_ns() + int(self.ahead_s * 1e9)


@contextlib.asynccontextmanager
async def shifted_desk(venue: str, clock: Shifted) -> AsyncIterator[Desk]:
    config = SimConfig(venue=venue, symbols=("BTCUSDT",), rate=200, ws_port=0, rest_port=0)
    server = SimServer(config, make_exchange(config, clock))
    await server.start()
    try:
        async with REST[venue](server.urls["rest_url"], keys()) as rest:
            await rest.sync_clock()
            (instrument,) = [i for i in await rest.instruments() if i.symbol == "BTCUSDT"]
            async with Desk(venue, server, rest, instrument) as made:
                yield made
    finally:
        await server.stop()
        assert server.failure is None, server.failure


@pytest.mark.parametrize("ahead_s", [-45.0, -2.0, 2.0, 45.0])
@pytest.mark.parametrize("venue", VENUES)
def test_orders_pass_at_a_venue_whose_clock_differs(venue: str, ahead_s: float) -> None:
    async def main() -> None:
        async with shifted_desk(venue, Shifted(ahead_s)) as desk:
            assert abs(desk.rest.clock.offset_ms - ahead_s * 1000) < 200
            told = await desk.ended(desk.order())
            assert ACK in told
            assert DONE in told
            assert (await desk.rest.wallet()).equity > 0
            counters = desk.publisher.counters.as_dict()
            shown_ms = counters["clock_ahead_ms"] - counters["clock_behind_ms"]
            assert abs(shown_ms - ahead_s * 1000) < 200
            assert counters["clock_rtt_us"] > 0
            assert counters["clock_steps"] == 1

    run(main)


@pytest.mark.parametrize("jump_s", [-50.0, 50.0])
@pytest.mark.parametrize("venue", VENUES)
def test_a_venue_whose_clock_jumps_is_followed(
    venue: str, jump_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        clock = Shifted(0.0)
        async with shifted_desk(venue, clock) as desk:
            await desk.ended(desk.order())
            clock.ahead_s = jump_s
            # a question comes back for the timestamp, the clock is measured, and it is asked again
            assert (await desk.rest.wallet()).equity > 0
            assert "stepped by" in caplog.text
            # orders are stamped by the new time within a second
            await until(
                lambda: desk.publisher.counters.as_dict()["clock_steps"], what="clock shown"
            )
            # the jump also ended OKX's sockets, silent for 30 s by its new clock
            while DONE not in await desk.ended(desk.order()):
                await until(lambda: desk.gateway.is_ready and desk.private.is_ready)

    run(main)


def test_an_order_refused_for_its_time_has_the_clock_measured() -> None:
    async def main() -> None:
        clock = Shifted(0.0)
        async with shifted_desk("bybit", clock) as desk:
            clock.ahead_s = -3.0
            await desk.ended(desk.order())
            await until(lambda: desk.rest.clock.step_count, what="clock measured")
            assert DONE in await desk.ended(desk.order())

    run(main)
