"""The dead man's switch: armed in time, forgiving a failure, disarmed only when told."""

import asyncio
import logging

import pytest
from virtual_loop import run_virtual

from arbitrage.errors import ConnectorError
from arbitrage.venues.dead_man import DeadMan


class Venue:
    """Takes one request a second and counts down like OKX."""

    def __init__(self) -> None:
        self.fires_s = 0.0
        self.fired = False
        self.asked: list[tuple[float, int]] = []
        self.refuse_until_s = 0.0

    async def cancel_all_after(self, seconds: int) -> None:
        now_s = asyncio.get_running_loop().time()
        await asyncio.sleep(0.05)
        self.fired |= bool(self.fires_s) and now_s >= self.fires_s
        if self.asked:
            assert now_s - self.asked[-1][0] >= 1.0, "one request a second"
        self.asked.append((now_s, seconds))
        if now_s < self.refuse_until_s:
            raise ConnectorError("no answer", venue="okx")
        self.fires_s = now_s + seconds if seconds else 0.0


@pytest.mark.parametrize("timeout_s", [10, 30, 120])
def test_it_never_fires_while_we_live(timeout_s: int) -> None:
    async def main() -> Venue:
        venue = Venue()
        dead_man = DeadMan(venue, timeout_s)
        await dead_man.arm()
        running = asyncio.ensure_future(dead_man.run())
        await asyncio.sleep(1000.0)
        assert len(venue.asked) <= 1000 / (timeout_s / 4) + 2
        running.cancel()
        await dead_man.disarm()
        await asyncio.sleep(1000.0)
        return venue

    venue = run_virtual(main())
    assert not venue.fired
    assert venue.fires_s == 0.0
    assert venue.asked[-1][1] == 0


def test_two_failures_in_a_row_are_forgiven_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> Venue:
        venue = Venue()
        dead_man = DeadMan(venue, 30)
        await dead_man.arm()
        running = asyncio.ensure_future(dead_man.run())
        venue.refuse_until_s = asyncio.get_running_loop().time() + 20.0
        await asyncio.sleep(100.0)
        running.cancel()
        return venue

    venue = run_virtual(main())
    assert not venue.fired
    assert [r.levelno for r in caplog.records] == [logging.ERROR]
    assert "was not armed again" in caplog.text


def test_a_start_right_after_another_run_s_end_asks_once_more() -> None:
    async def main() -> list[float]:
        venue = Venue()
        asked: list[float] = []

        async def limited(seconds: int) -> None:
            asked.append(asyncio.get_running_loop().time())
            if len(asked) == 1:
                raise ConnectorError("too many requests", venue="okx", code=50011)

        venue.cancel_all_after = limited  # type: ignore[method-assign]
        dead_man = DeadMan(venue, 30)
        await dead_man.begin()
        assert dead_man.is_armed
        return asked

    first, second = run_virtual(main())
    assert second - first > 1.0


def test_a_refusal_for_another_reason_ends_the_start() -> None:
    async def main() -> None:
        venue = Venue()
        venue.refuse_until_s = 1e9
        with pytest.raises(ConnectorError, match="no answer"):
            await DeadMan(venue, 30).begin()
        assert len(venue.asked) == 1

    run_virtual(main())


def test_disarming_waits_only_as_long_as_the_venue_needs() -> None:
    async def main() -> float:
        venue = Venue()
        dead_man = DeadMan(venue, 30)
        await dead_man.arm()
        await asyncio.sleep(5.0)
        began_s = asyncio.get_running_loop().time()
        await dead_man.disarm()
        return asyncio.get_running_loop().time() - began_s

    assert run_virtual(main()) < 0.2


def test_a_switch_that_was_never_armed_is_left_alone() -> None:
    async def main() -> Venue:
        venue = Venue()
        await DeadMan(venue, 30).disarm()
        return venue

    assert run_virtual(main()).asked == []


def test_a_switch_that_cannot_be_disarmed_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        venue = Venue()
        dead_man = DeadMan(venue, 30)
        await dead_man.arm()
        venue.refuse_until_s = 1e9
        await dead_man.disarm()
        assert dead_man.is_armed

    run_virtual(main())
    assert "stays armed for up to 30 s" in caplog.text
