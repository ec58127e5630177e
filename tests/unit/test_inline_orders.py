"""Inline stages: what a frame's callback decides leaves in that callback."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from arbitrage.core.feed import FeedLane
from arbitrage.core.loop import LOOP_MODES, LoopPoller
from arbitrage.core.segment import Segment
from tests.unit.test_keep_warm_stages import BYBIT, OKX, START_NS, world

Test = Callable[[Segment, FeedLane, LoopPoller], Awaitable[None]]


def in_a_loop(folder: Path, mode: str, test: Test) -> None:
    async def main() -> None:
        with world(f"inline-{mode}", folder) as (segment, stages):
            segment.clock.stand(START_NS + 1000)
            poller = LoopPoller(asyncio.get_running_loop(), mode)
            lane = FeedLane(segment, 0)
            lane.attach_loop(poller, stages)
            await test(segment, lane, poller)
            poller.stop()

    asyncio.run(main())


@pytest.mark.parametrize("mode", LOOP_MODES)
def test_orders_leave_in_the_callback_of_their_frame(mode: str, tmp_path: Path) -> None:
    left: list[bytes] = []

    async def test(segment: Segment, lane: FeedLane, poller: LoopPoller) -> None:
        def send() -> int:
            orders = [order for venue in (0, 1) if (order := segment.orders(venue).try_pop())]
            left.extend(orders)
            return len(orders)

        poller.add_hook(send)
        poller.start()
        await asyncio.sleep(0.01)  # a loop that may sleep does
        lane.on_frame(0, BYBIT, START_NS)
        assert left == []
        lane.on_frame(1, OKX, START_NS)
        assert len(left) == 2, "both venues' orders"

    in_a_loop(tmp_path, mode, test)


def test_what_fails_to_send_is_not_the_frames_fault(tmp_path: Path) -> None:
    said: list[str] = []

    async def test(segment: Segment, lane: FeedLane, poller: LoopPoller) -> None:
        def send() -> int:
            raise ValueError("no such line")

        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: said.append(str(context["exception"])))
        poller.add_hook(send)
        lane.on_frame(0, BYBIT, START_NS)
        assert lane.on_frame(1, OKX, START_NS) == 0
        assert said == ["no such line"]
        assert segment.orders(0).try_pop(), "it still waits"

    in_a_loop(tmp_path, "spin", test)


def test_the_first_hook_decides_before_the_others_send() -> None:
    calls: list[str] = []

    async def main() -> None:
        poller = LoopPoller(asyncio.get_running_loop(), "block")
        poller.add_hook(lambda: calls.append("send") or 0)
        poller.set_first_hook(lambda: calls.append("decide") or 0)
        poller.start()
        await asyncio.sleep(0.01)
        assert calls[:2] == ["decide", "send"]
        calls.clear()
        poller.look()
        assert calls == ["decide", "send"], "asleep or not"
        poller.stop()

    asyncio.run(main())


def test_a_look_that_finds_work_wakes_the_loop() -> None:
    async def main() -> None:
        poller = LoopPoller(asyncio.get_running_loop(), "block")
        work = [0, 0]  # of the turns until it sleeps
        calls: list[int] = []

        def send() -> int:
            calls.append(0)
            return work.pop(0) if work else 0

        poller.add_hook(send)
        poller.start()
        await asyncio.sleep(0.01)
        calls.clear()
        work[:] = [1, 1]
        poller.look()
        await asyncio.sleep(0.01)
        assert len(calls) >= 3, "until nothing is left"
        poller.stop()

    asyncio.run(main())
