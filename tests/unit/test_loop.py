"""How an event loop waits: hooks run, sleep ends for frames and bells, nothing is lost."""

import asyncio
import os

import pytest

from arbitrage.core.loop import LOOP_MODES, LoopPoller


@pytest.mark.parametrize("mode", LOOP_MODES)
def test_hooks_run_in_every_mode(mode: str) -> None:
    calls: list[int] = []

    def hook() -> int:
        calls.append(len(calls))
        return 1 if len(calls) < 5 else 0

    async def main() -> None:
        poller = LoopPoller(asyncio.get_running_loop(), mode, spin_us=100)
        poller.add_hook(hook)
        poller.start()
        await asyncio.sleep(0.02)
        poller.stop()

    asyncio.run(main())
    assert len(calls) >= 5


@pytest.mark.parametrize("mode", ["block", "adaptive"])
def test_an_idle_loop_sleeps(mode: str) -> None:
    calls: list[int] = []

    async def main() -> int:
        poller = LoopPoller(asyncio.get_running_loop(), mode, spin_us=100)
        poller.add_hook(lambda: calls.append(0) or 0)
        poller.start()
        await asyncio.sleep(0.02)
        before = len(calls)
        await asyncio.sleep(0.05)
        poller.stop()
        return len(calls) - before

    assert asyncio.run(main()) == 0


def test_spin_never_sleeps() -> None:
    calls: list[int] = []

    async def main() -> None:
        poller = LoopPoller(asyncio.get_running_loop(), "spin")
        poller.add_hook(lambda: calls.append(0) or 0)
        poller.start()
        await asyncio.sleep(0.02)
        before = len(calls)
        await asyncio.sleep(0.02)
        assert len(calls) > before + 10
        poller.stop()

    asyncio.run(main())


def test_a_hook_added_while_asleep_runs() -> None:
    async def main() -> None:
        poller = LoopPoller(asyncio.get_running_loop(), "block")
        poller.start()
        await asyncio.sleep(0.01)
        called = asyncio.Event()
        poller.add_hook(lambda: called.set() or 0)
        await asyncio.wait_for(called.wait(), 1.0)
        poller.stop()

    asyncio.run(main())


def test_stop_closes_the_bell() -> None:
    async def main() -> None:
        before = len(os.listdir("/proc/self/fd"))
        poller = LoopPoller(asyncio.get_running_loop(), "block")
        poller.start()
        assert len(os.listdir("/proc/self/fd")) == before + 1
        poller.stop()
        poller.stop()
        assert len(os.listdir("/proc/self/fd")) == before

    asyncio.run(main())


def test_a_bad_mode_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="loop mode was 'fast'; accepted values are spin"):
            LoopPoller(asyncio.get_running_loop(), "fast")

    asyncio.run(main())
