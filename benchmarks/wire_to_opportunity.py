"""How long from a frame on the wire to the opportunity that it makes, in the real trader?

The load generator sends both venues' quotes, 10,000 a second each, on loopback sockets; now and
then one venue leaves the other's price, and the price says which time it is. The stamp is taken
when the frame is handed to the kernel, the end is the detector's own stamp of the OPEN event.
Beside it, on the same core in the windows between, picows listeners that do nothing but take the
time, on a loop that waits the same way.
"""

import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from arbitrage.core.records import OPPORTUNITY_DTYPE
from benchmarks.harness import Question, Row, Setup
from benchmarks.load_frames import CROSS_EVERY, crossing_of, opening_places
from benchmarks.wire_rig import Floor, Generator, Places, Trader, Venues, stamps_file
from benchmarks.wire_windows import holds_tail, take_turns

__all__ = ["QUESTIONS"]

RATE = 10_000  # of each venue
WINDOW_S = 1.0
SETTLE_S = 0.02  # after the last tick was taken: its event is published
FIRST_PART = 0.1  # of a window is not counted: caches and rows come back
CORES = 4
WAITS = {"block": "adaptive", "spin": "spin"}  # loop mode -> how the stages wait
CLOSE = 3
BARS = {50: 1.2, 90: 1.3}


class Race:
    """Generator, floor and trader, and what each window brought."""

    def __init__(
        self, stack: ExitStack, setup: Setup, loop_mode: str, frames: int, **settings: str
    ) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arb-wire-")))
        places = Places(setup.cores)
        path, self.stamps = stack.enter_context(stamps_file(folder, "sent", frames))
        floor_path, self.heard = stack.enter_context(stamps_file(folder, "floor", frames))
        self.frames = frames
        self.generator = Generator(folder, places.generator, path)
        stack.callback(self.generator.end)
        self.floor = Floor(folder, places.feed, loop_mode, self.generator.url, floor_path)
        stack.callback(self.floor.end)
        self.generator.wait_for("floor")
        self.floor.hold()
        venues = Venues(folder, stack)
        self.trader = Trader(
            folder, venues.environment(self.generator), places, names_stages=False,
            **{"ARB_MODE": "demo", "ARB_SYMBOLS": "BTCUSDT", "ARB_LOOP_MODE": loop_mode,
               "ARB_WAIT": WAITS[loop_mode]} | settings,
        )  # fmt: skip
        stack.callback(self.trader.end)
        self.generator.wait_for("trader")
        self.trader.pause()
        for program in venues.programs:
            program.keep_to(places.rest)
        self.reader = self.trader.segment.opportunities.reader()
        self.trader.hold()

    def send(self, who: str) -> None:
        self.generator.say(verb="paced", who=who, kind="crossings", rate=RATE, frames=self.frames)

    def counted(self) -> tuple[Any, Any]:
        """Return the (venue, place) of the openings that count."""
        places = opening_places(self.frames)
        turns = np.arange(len(places))
        late = places >= FIRST_PART * self.frames
        return turns[late] % 2, places[late]

    def floor_window(self) -> Any:
        """Let the floor listen to the same frames; return the latencies of the openings."""
        self.floor.go_on()
        self.floor.begin()
        self.send("floor")
        self.floor.wait_for(self.frames, self.frames)
        self.floor.hold()
        venues, places = self.counted()
        return (self.heard[venues, places] - self.stamps[venues, places]).astype(float)

    def trader_window(self) -> tuple[Any, Any]:
        """Let the trader listen; return latencies to the opportunity and to the callback."""
        self.trader.go_on()
        before = self.trader.quotes()
        self.reader.drain(dtype=OPPORTUNITY_DTYPE)
        self.send("trader")
        self.trader.wait_for(before, self.frames, self.frames)
        time.sleep(SETTLE_S)
        events = self.reader.drain(dtype=OPPORTUNITY_DTYPE)
        self.trader.hold()
        return self._latencies(events)

    def _latencies(self, events: Any) -> tuple[Any, Any]:
        """Return, of each opening that counts, what the first event that names its price took.

        A machine that stands still for milliseconds has both sockets read in two long pieces: what
        opened and closed between them is then not to be seen, by anybody.
        """
        alive = events[events["event"] != CLOSE]
        named, first = np.unique(crossing_of(alive["bid_px"]), return_index=True)
        places = opening_places(self.frames)
        counts = (named >= 0) & (named < len(places))
        named, causes = named[counts], alive[first[counts]]
        self.seen = len(named) / len(places)
        late = places[named] >= FIRST_PART * self.frames
        sent = self.stamps[named % 2, places[named]][late]
        recv = causes["recv_mono_ns"][late] - sent
        assert (recv >= 0).all(), "an opportunity before its cause"
        return (recv + causes["detected_ns"][late]).astype(float), recv.astype(float)


def measure(loop_mode: str, setup: Setup, **settings: str) -> Row:
    """Let floor and trader take turns until the time is up."""
    windows = max(2, round(setup.seconds / WINDOW_S))
    frames = int(RATE * min(WINDOW_S, setup.seconds)) // CROSS_EVERY * CROSS_EVERY
    seen: list[float] = []
    with ExitStack() as stack:
        race = Race(stack, setup, loop_mode, max(frames, 10 * CROSS_EVERY), **settings)
        race.trader_window()

        def ours() -> tuple[Any, ...]:
            whole, recv = race.trader_window()
            seen.append(race.seen)
            return whole, recv, whole - recv

        floor, parts = take_turns(windows, race.floor_window, ours, setup)
        found, callback, after = parts
        placement = _placement(race.trader)
    ratios = {percent: found.ratio(floor, percent) for percent in (50, 90, 99)}
    holds = all(ratios[percent] <= bar for percent, bar in BARS.items())
    return Row(
        name=f"wire_to_opportunity_{loop_mode}",
        unit="ns",
        p50=found.at(50),
        p99=found.at(99),
        p999=found.at(99.9),
        floor=f"picows Cython listeners that only stamp, the same core, loop {loop_mode}",
        floor_p50=floor.at(50),
        floor_p99=floor.at(99),
        ratio_to_floor=ratios[50],
        n=found.n,
        note=f"{RATE:,} quotes/s of each venue; every quote became a tick (asserted); stages "
        f"{placement}, wait {WAITS[loop_mode]}; {len(floor.taken)} windows of each",
        bar="1.2x at p50, 1.3x at p90, 1.5x or the band at p99",
        holds=holds and holds_tail(found, floor),
        more={
            "openings_seen_pct": 100 * float(np.median(seen)),
            "p90": found.at(90),
            "floor_p90": floor.at(90),
            "ratio_p90": ratios[90],
            "ratio_p99": ratios[99],
            "band_p50": floor.band(50),
            "band_p99": floor.band(99),
            "to_callback_p50": callback.at(50),
            "to_callback_p99": callback.at(99),
            "callback_to_opportunity_p50": after.at(50),
            "callback_to_opportunity_p99": after.at(99),
            "p50_by_window": found.by_window(50),
            "floor_p50_by_window": floor.by_window(50),
        },
    )


def _placement(trader: Trader) -> str:
    roles = {str(row["role"]) for row in trader.segment.threads()}
    if "fused" in roles:
        return "fused"
    return "split" if "detector" in roles else "inline"


def question(loop_mode: str) -> Question:
    return Question(
        f"wire_to_opportunity_{loop_mode}",
        CORES,
        partial(measure, loop_mode),
        f"frame on a loopback socket to opportunity, real trader, loop {loop_mode}",
        least_s=18.0,
        quick=False,
    )


QUESTIONS = tuple(question(mode) for mode in WAITS)
