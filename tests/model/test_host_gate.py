"""One connection probes a host that does not answer; the others are woken when it does."""

import asyncio
import random

from virtual_loop import run_virtual
from virtual_venue import VirtualVenue

from arbitrage.venues.connection import Connection
from arbitrage.venues.host_gate import WAKE_SPREAD_S, HostGate, host_gate
from arbitrage.venues.loop_clock import loop_s
from arbitrage.venues.reconnect import Backoff, ReconnectPolicy


def test_one_probes_until_it_is_let_in_leaves_or_takes_too_long() -> None:
    gate = HostGate()
    assert gate.may_probe("a", 10.0, 20.0)
    assert gate.may_probe("a", 11.0, 21.0)
    assert not gate.may_probe("b", 12.0, 22.0)
    assert gate.may_probe("b", 21.0, 30.0), "a had its time"
    gate.answered()
    assert gate.may_probe("a", 22.0, 30.0)
    gate.leave("b")
    assert not gate.may_probe("b", 23.0, 30.0)
    gate.leave("a")
    assert gate.may_probe("b", 23.0, 30.0)


def test_who_waits_is_woken_within_a_spread() -> None:
    async def main() -> list[float]:
        gate, begun_s = HostGate(random.Random(3)), loop_s()
        took: list[float] = []

        async def wait() -> None:
            await gate.wait(30.0, asyncio.Event())
            took.append(loop_s() - begun_s)

        waiting = [asyncio.ensure_future(wait()) for _ in range(20)]
        await asyncio.sleep(5.0)
        gate.answered()
        await asyncio.gather(*waiting)
        return took

    took = run_virtual(main())
    assert min(took) >= 5.0
    assert max(took) <= 5.0 + WAKE_SPREAD_S
    assert len(set(took)) == 20, "not all at once"


def test_waiting_ends_in_time_and_with_the_connection() -> None:
    async def main() -> tuple[float, float]:
        gate, stopping, begun_s = HostGate(), asyncio.Event(), loop_s()
        await gate.wait(2.0, stopping)
        slept_s = loop_s() - begun_s
        asyncio.get_running_loop().call_later(1.0, stopping.set)
        await gate.wait(30.0, stopping)
        return slept_s, loop_s() - begun_s - slept_s

    assert run_virtual(main()) == (2.0, 1.0)


def test_gates_are_by_host_and_port_and_loop() -> None:
    async def main() -> HostGate:
        gate = host_gate("wss://stream.bybit.com/v5/public/linear")
        assert host_gate("wss://stream.bybit.com/v5/private") is gate
        assert host_gate("ws://127.0.0.1:7701/x") is not host_gate("ws://127.0.0.1:7711/x")
        return gate

    assert run_virtual(main()) is not run_virtual(main())


class Deaf(Connection):
    """A connection that wants nothing."""

    async def on_open(self) -> None: ...

    def on_message(self, payload: bytes, recv_mono_ns: int) -> None: ...


def test_a_connection_that_is_stopped_while_it_opens_ends() -> None:
    async def main() -> int:
        venue = VirtualVenue("okx", latency_s=0.5)
        line = Deaf(venue="okx", label="test", url=venue.url(), ping=b"ping",
                    connector=venue.connector)
        running = asyncio.ensure_future(line.run())
        await asyncio.sleep(0.9)
        line.stop()
        async with asyncio.timeout(2.0):
            await running
        await asyncio.sleep(1.0)
        return len(venue.layer.lines)

    assert run_virtual(main()) == 0


def test_pauses_grow_when_an_outage_is_old_or_another_probes() -> None:
    policy = ReconnectPolicy(attempts_max=10**6)
    backoff = Backoff(policy, random.Random(1))
    for _ in range(10):
        backoff.next_delay_s(0.0)
    young = [backoff.next_delay_s(1.0) for _ in range(500)]
    old = [backoff.next_delay_s(policy.brisk_s + 1.0) for _ in range(500)]
    patient = [backoff.next_delay_s(1.0, is_patient=True) for _ in range(500)]
    for delays, cap_s in (
        (young, policy.cap_s), (old, policy.slow_cap_s), (patient, policy.patient_cap_s)
    ):
        assert 0.9 * cap_s < max(delays) <= cap_s
