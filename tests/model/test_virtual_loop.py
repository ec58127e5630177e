"""The virtual loop: time jumps, order is that of the timers, waiting for nothing is an error."""

import asyncio
import time

import pytest
from virtual_loop import Stuck, VirtualLoop, run_virtual, virtual_ns

from arbitrage.venues.loop_clock import loop_s


def test_an_hour_passes_in_a_moment() -> None:
    async def main() -> float:
        begun_s = loop_s()
        await asyncio.sleep(3000)
        return loop_s() - begun_s

    begun_s = time.monotonic()
    assert run_virtual(main()) == pytest.approx(3000)
    assert time.monotonic() - begun_s < 1.0


def test_timers_fire_in_their_order_and_at_their_time() -> None:
    async def main() -> list[tuple[str, int]]:
        begun_ns = virtual_ns()
        seen: list[tuple[str, int]] = []

        async def tell(name: str, after_s: float) -> None:
            await asyncio.sleep(after_s)
            seen.append((name, virtual_ns() - begun_ns))

        await asyncio.gather(tell("late", 0.25), tell("soon", 0.001), tell("then", 0.1))
        return seen

    assert run_virtual(main()) == [("soon", 10**6), ("then", 10**8), ("late", 25 * 10**7)]


def test_a_timeout_is_virtual_too() -> None:
    async def main() -> None:
        async with asyncio.timeout(10):
            await asyncio.sleep(20)

    with pytest.raises(TimeoutError):
        run_virtual(main())


def test_waiting_for_what_cannot_come_is_an_error() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        run_virtual(main(), limit_s=60)

    with pytest.raises(Stuck), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


def test_without_a_loop_the_clock_is_the_machines() -> None:
    assert loop_s() == pytest.approx(time.monotonic(), abs=1.0)
