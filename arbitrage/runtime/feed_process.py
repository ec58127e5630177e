"""Feeds in processes of their own, one a venue, on the trader's segment (feed_mode processes)."""

import asyncio
import signal
import subprocess
import sys
from contextlib import suppress

from arbitrage.cold.log import setup_logging
from arbitrage.config import Settings, load_settings
from arbitrage.core.feed import FeedLane
from arbitrage.core.segment import Segment
from arbitrage.errors import ArbitrageError, run_guarded
from arbitrage.instruments import VENUES
from arbitrage.runtime.threads import LoopThread, run_together
from arbitrage.venues.base import MarketSymbol
from arbitrage.venues.connect_budget import share_caps

__all__ = ["FeedProcesses", "processes_by_host"]


def processes_by_host(settings: Settings) -> int:
    """Return how many processes of a trader connect to one host: each takes part of its caps."""
    return 2 if settings.feed_mode == "processes" else 1


class FeedProcesses:
    """Start, watch and stop one feed process a venue. Main thread only."""

    def __init__(self, segment_name: str, cores: list[int | None]) -> None:
        self._name = segment_name
        self._cores = cores
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start the processes; they read hosts and modes from the same environment."""
        for index, venue in enumerate(VENUES):
            core = self._cores[index]
            command = [sys.executable, "-m", "arbitrage.runtime.feed_process", self._name, venue]
            self._children[venue] = subprocess.Popen([*command, "" if core is None else str(core)])

    def check(self) -> None:
        """Raise when a feed process has ended."""
        for venue, child in self._children.items():
            if child.poll() is not None:
                raise ArbitrageError(f"the {venue} feed process ended with code {child.returncode}")

    def stop(self) -> None:
        """End the processes."""
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            try:
                child.wait(3.0)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def rows_of(segment: Segment, venue: str) -> list[MarketSymbol]:
    """Return a venue's rows as the segment lists them."""
    venue_index = VENUES.index(venue)
    return [
        MarketSymbol(
            segment.store.row(venue_index, index),
            segment.symbols.venue_symbol(venue, index),
            symbol,
        )
        for index, symbol in enumerate(segment.symbols)
    ]


class _TraderGoneError(Exception):
    """The trader has ended, and so must its feeds: a cancellation would end this one alone."""


async def _end_with_trader(segment: Segment) -> None:
    while segment.alive:  # noqa: ASYNC110  # shared memory of another process: nothing to await
        await asyncio.sleep(0.5)
    raise _TraderGoneError


def main(arguments: list[str]) -> int:
    """Run one venue's feed until SIGTERM or until the trader is gone."""
    from arbitrage.runtime.crew import run_feeds

    name, venue, core_text = arguments
    segment = Segment.attach(name, writable=True)
    # the trader's mode may have come from its command line, which is not in the environment
    settings = load_settings(overrides={"ARB_MODE": segment.mode}, needs_keys=False)
    setup_logging(settings.log_level, settings.log_format)
    share_caps(processes_by_host(settings))
    lane = FeedLane(segment, VENUES.index(venue))

    async def run(thread: LoopThread) -> None:
        lane.attach_loop(thread.poller)
        if settings.keep_warm:
            thread.poller.set_idle_hook(lane.keep_warm)
        feeds = run_feeds(settings, {venue: rows_of(segment, venue)}, lane, (venue,))
        with suppress(_TraderGoneError):
            await run_together(feeds, _end_with_trader(segment))

    core = int(core_text) if core_text else None
    loop = LoopThread(
        f"feed-{venue}", core, run, loop_mode=settings.loop_mode, spin_us=settings.spin_us
    )
    signal.signal(signal.SIGTERM, lambda *_: loop.cancel())
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # for the trader alone
    loop.start()
    place = segment.register_thread(loop.role, loop.tid, loop.core)
    while not loop.join(0.2):
        segment.put_allocations(1 + VENUES.index(venue))
    segment.release_thread(place)
    if loop.error is not None:
        raise loop.error
    return 0


if __name__ == "__main__":
    sys.exit(run_guarded(lambda: main(sys.argv[1:])))
