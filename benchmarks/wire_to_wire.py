"""How long from a frame on the wire to the second of the two order frames that it causes?

The load generator sends quotes of eight symbols, 10,000 a second of each venue. Every ten
milliseconds one quote makes a pair worth opening, and the real trader, in mode demo, sends both
legs. Their frames come back to the generator, which logs them and hands them on to the simulated
venue behind; that ends them without a fill, so the next chance finds the symbol free.

The floor is a picows listener on the same core, in the same loop mode, that answers the same frames
with one frame on each of two connections.
"""

import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Question, Row, Setup
from benchmarks.load_frames import PAIR_EVERY, PAIR_SYMBOLS, pair_places
from benchmarks.wire_rig import Floor, Generator, Places, Trader, Venues, stamps_file
from benchmarks.wire_windows import take_turns

__all__ = ["QUESTIONS"]

RATE = 10_000  # of each venue
WINDOW_S = 1.0
SETTLE_S = 0.3  # pairs under way have ended
FIRST_PART = 0.1
ORDER_BYTES_MIN = 150  # on an order socket; pings and logins are shorter, or come before
LOOP_MODE = "spin"
CORES = {"inline": 4, "fused": 4, "split": 6}
BARS = {"inline": 1.3, "fused": 1.6, "split": 2.0}
SETTINGS = {
    "ARB_MODE": "demo",
    "ARB_SYMBOLS": ",".join(PAIR_SYMBOLS),
    "ARB_LOOP_MODE": LOOP_MODE,
    "ARB_WAIT": "spin",
    "ARB_COOLDOWN_MS": "0",
    "ARB_MAX_ORDERS_PER_S": "10000",
}


def latencies(stamps: Any, found: dict[str, Any], frames: int) -> tuple[Any, float]:
    """Return stamp to second order frame of each chance that counts, and the share of pairs.

    An order belongs to the last chance before it; what comes later than half the way to the next
    one belongs to none.
    """
    stamp_ns, relay, size = (np.array(column, np.int64) for column in found["arrivals"])
    is_bybit = np.array([path.endswith(("/trade", "/order/0")) for path in found["relays"]])
    places = pair_places(frames)
    sent = stamps[places[:, 1], places[:, 3]]
    limit_ns = PAIR_EVERY * 1_000_000_000 // RATE // 2
    both = np.full((len(places), 2), -1, np.int64)
    is_order = size >= ORDER_BYTES_MIN
    for at_ns, line in zip(stamp_ns[is_order], relay[is_order], strict=True):
        chance = int(np.searchsorted(sent, at_ns)) - 1
        if chance >= 0 and at_ns - sent[chance] < limit_ns:
            side = 0 if is_bybit[line] else 1
            if both[chance, side] < 0:
                both[chance, side] = at_ns - sent[chance]
    whole = (both >= 0).all(axis=1)
    counts = whole & (places[:, 3] >= FIRST_PART * frames)
    return both[counts].max(axis=1).astype(float), float(whole.mean())


class Race:
    """Generator, floor, venues and trader."""

    def __init__(
        self, stack: ExitStack, setup: Setup, placement: str, frames: int, *, tls: bool = False,
        **settings: str,
    ) -> None:  # fmt: skip
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arb-wire-")))
        places = Places(setup.cores)
        path, self.stamps = stack.enter_context(stamps_file(folder, "sent", frames))
        heard, _ = stack.enter_context(stamps_file(folder, "floor", frames))
        self.frames = frames
        venues = Venues(folder, stack, tls=tls)
        for program in venues.programs:
            program.keep_to(places.rest)
        self.generator = Generator(folder, places.generator, path, venues.upstream(), venues.chain)
        stack.callback(self.generator.end)
        self.floor = Floor(
            folder, places.feed, LOOP_MODE, self.generator.url, heard, answers=True,
            environment=venues.trusted(),
        )  # fmt: skip
        stack.callback(self.floor.end)
        self.generator.wait_for("floor")
        self.floor.hold()
        self.trader = Trader(
            folder, venues.environment(self.generator, relayed=True), places,
            **SETTINGS | {"ARB_STAGES": placement} | settings,
        )  # fmt: skip
        stack.callback(self.trader.end)
        self.generator.wait_for("trader")
        self.trader.hold()

    def window(self, who: str) -> tuple[Any, float]:
        """Let one of both answer; return its latencies and its share of pairs."""
        program: Floor | Trader = self.floor if who == "floor" else self.trader
        program.go_on()
        if program is self.floor:
            self.floor.begin()
        found = self.generator.say(
            verb="paced", who=who, kind="pairs", rate=RATE, frames=self.frames
        )
        time.sleep(SETTLE_S)
        program.check()
        program.hold()
        return latencies(self.stamps, found, self.frames)


def measure(placement: str, tls: bool, setup: Setup, **settings: str) -> Row:
    """Let floor and trader take turns until the time is up."""
    windows = max(2, round(setup.seconds / WINDOW_S))
    frames = max(int(RATE * min(WINDOW_S, setup.seconds)), 10 * PAIR_EVERY)
    shares: list[float] = []
    with ExitStack() as stack:
        race = Race(stack, setup, placement, frames, tls=tls, **settings)
        race.window("trader")  # the venues tell their limits with the first answers

        def ours() -> tuple[Any, ...]:
            latencies_ns, share = race.window("trader")
            shares.append(share)
            return (latencies_ns,)

        floor, (found,) = take_turns(windows, lambda: race.window("floor")[0], ours, setup)
    share = float(np.median(shares))
    ratio = found.ratio(floor, 50)
    return Row(
        name=name_of(placement, tls),
        unit="ns",
        p50=found.at(50),
        p99=found.at(99),
        p999=found.at(99.9),
        floor="a picows Cython listener that answers with one frame on each of two connections, "
        f"the same core, loop {LOOP_MODE}{', all over TLS' if tls else ''}",
        floor_p50=floor.at(50),
        floor_p99=floor.at(99),
        ratio_to_floor=ratio,
        n=found.n,
        note=f"{RATE:,} quotes/s of each venue, a chance every "
        f"{1000 * PAIR_EVERY // RATE} ms; both order frames of one cause (asserted); "
        f"{len(floor.taken)} windows of each",
        bar=f"{BARS[placement]:g}x at p50",
        holds=ratio <= BARS[placement],
        more={
            "p90": found.at(90),
            "floor_p90": floor.at(90),
            "ratio_p90": found.ratio(floor, 90),
            "pairs_pct": 100 * share,
            "band_p50": floor.band(50),
            "p50_by_window": found.by_window(50),
            "floor_p50_by_window": floor.by_window(50),
        },
    )


def name_of(placement: str, tls: bool) -> str:
    return f"wire_to_wire_{placement}{'_tls' if tls else ''}"


def question(placement: str, tls: bool) -> Question:
    return Question(
        name_of(placement, tls),
        CORES[placement],
        partial(measure, placement, tls),
        f"frame on a loopback socket to both order frames on theirs, stages {placement}"
        f"{', over TLS' if tls else ''}",
        least_s=25.0 if tls else 22.0,
        quick=False,
    )


QUESTIONS = tuple(question(placement, tls) for placement in BARS for tls in (False, True))
