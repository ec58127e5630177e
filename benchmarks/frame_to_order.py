"""How long from a frame's bytes in the feed callback until both order frames are encoded?

The stages where the trader puts them by default on as many cores, spinning, with risk gate and
journal; the senders on the feed's thread, as they are in the trader, with a line in memory in place
of a socket. Every order is filled at once, so every frame that leaves the other venue's price opens
a pair and every frame that comes back closes it.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from arbitrage.config import load_settings
from arbitrage.core.executions import EXEC_ACK, EXEC_DONE, EXEC_FILL, ExecPublisher
from arbitrage.core.feed import FeedLane, FeedListener
from arbitrage.core.gateway import OrderSender
from arbitrage.core.kill import KillGate
from arbitrage.core.segment import Segment
from benchmarks.frame_to_opportunity import HOPS, crossing_frames, running, trader_core
from benchmarks.harness import Question, Row, Samples, Setup
from benchmarks.native import load_cython
from benchmarks.order_frames import GRIDS, encode_ns, orders_in_python, texts
from benchmarks.parse_frames import by_msgspec
from benchmarks.spsc_ring import bare_one_way_ns

__all__ = ["QUESTIONS"]

RATE = 4000  # frames a second: the fills and their bookkeeping lie between two of them
RUNS = 5
ORDERS_S = 10.0
TAKER_BPS = {"bybit": 5.5, "okx": 5.0}
SETTINGS = {
    "cooldown_ms": 0.0, "cooldown_ms_max": 0.0, "max_orders_per_s": 100_000,
    "max_orders_burst": 100_000, "max_gross_usd": 1e6, "max_day_loss_usd": 0.0,
    "entry_band_bps": 0.0, "exit_band_bps": 0.0, "max_basis_bps": 0.0, "breaker_failures": 1000,
    "max_signal_age_ms": 0.0, "max_book_age_ms_bybit": 0.0, "max_book_age_ms_okx": 0.0,
}  # fmt: skip


class Desk:
    """One venue: its sender, and a line in memory that fills whatever comes."""

    def __init__(
        self, venue: int, segment: Segment, publisher: ExecPublisher, kit: ModuleType
    ) -> None:
        name = ("bybit", "okx")[venue]
        self.venue, self.name = venue, name
        self.sender = OrderSender(
            venue, segment.orders(venue), publisher, clock=segment.clock, pending_capacity=1024,
            kill_gate=KillGate(segment),
        )  # fmt: skip
        self.publisher, self.row = publisher, segment.store.row(venue, 0)
        held = texts(name)
        self.sender.add_instrument(self.row, *GRIDS[name], (*held, held[0]), 1000)
        self.line: Any = kit.StampLine(segment.clock)
        self.sender.attach(self.line)
        self.sender.keep_warm(True)

    def fill(self, now_ns: int) -> bool:
        """Fill the last order; return whether it opened rather than reduced."""
        order = json.loads(self.line.frame)["args"][0]
        if self.name == "bybit":
            client_id, qty, px = order["orderLinkId"], order["qty"], order["price"]
            side, reduces = order["side"] == "Sell", order["reduceOnly"]
        else:
            client_id, qty, px = order["clOrdId"], order["sz"], order["px"]
            side, reduces = order["side"] == "sell", "reduceOnly" in order
        lots = int(Decimal(qty) / GRIDS[self.name][1])
        for kind, last in ((EXEC_ACK, 0), (EXEC_FILL, lots), (EXEC_DONE, 0)):
            self.publisher.publish(
                int(client_id), kind, self.venue, self.row, int(side), float(px), last,
                lots if kind != EXEC_ACK else -1, TAKER_BPS[self.name], 0, now_ns,
            )  # fmt: skip
        self.sender.settle(int(client_id))
        return not reduces


class Rig(NamedTuple):
    """The core with both desks on the calling thread."""

    segment: Segment
    lane: FeedLane
    desks: tuple[Desk, Desk]
    react: Callable[[int, bytes, int], int]  # venue, frame, limit ns; ns to both orders, or -1
    turn: Callable[[], object]  # between two frames, as the loop's poller does


def default_placement(cores: tuple[int, ...]) -> str:
    """Return where the trader puts its stages on these cores."""
    return load_settings({}, dotenv=None, cores=cores, needs_keys=False).placed_stages


@contextmanager
def trading(placement: str, cores: tuple[int, ...]) -> Iterator[Rig]:
    """Run the core with both desks on the calling thread."""
    kit = load_cython("order_desk")
    with trader_core(placement, 1, **SETTINGS) as (segment, stages):
        desks = tuple(Desk(venue, segment, stages.publisher(venue), kit) for venue in (0, 1))
        desks[0].sender.stand_beside(desks[1].sender)
        desks[1].sender.stand_beside(desks[0].sender)
        ends = tuple(desk.sender for desk in desks) + tuple(desk.line for desk in desks)
        with running(segment, stages, placement, cores) as lane:
            listeners = [FeedListener(lane, venue, None) for venue in (0, 1)]

            def react(venue: int, frame: bytes, limit_ns: int) -> int:
                return int(kit.react(listeners[venue], frame, *ends, limit_ns))

            def turn() -> None:
                if placement == "inline":
                    stages.turn()
                for desk in desks:
                    desk.sender.poll()
                lane.keep_warm()

            yield Rig(segment, lane, (desks[0], desks[1]), react, turn)


def _settled(rig: Rig, closed: int, opened: int) -> bool:
    """Wait until the strategy has booked the fills."""
    end_s = time.monotonic() + ORDERS_S
    while time.monotonic() < end_s:
        rig.turn()
        counted = rig.segment.counters()["strategy"]
        if counted["pairs_opened"] >= opened and counted["pairs_closed"] >= closed:
            return True
    return False


def run_once(
    placement: str, cores: tuple[int, ...], seconds: float
) -> tuple[Samples, Samples, dict[str, float]]:
    """Return ns to open, ns to close, and the p50 of each hop by the trader's own histograms."""
    frames = crossing_frames(8 + int(RATE * seconds))
    clock, period_ns = time.perf_counter_ns, 1_000_000_000 // RATE
    found: tuple[list[int], list[int]] = [], []
    with trading(placement, cores) as rig:
        # neither venue has a second leg before both have spoken
        for venue, frame in (frames[1], frames[3]):
            rig.lane.on_frame(venue, frame)
        due_ns, end_ns = clock(), clock() + int((seconds + 1) * 1e9)
        for number, (venue, frame) in enumerate(frames[4:]):
            while (begin_ns := clock()) < due_ns:
                rig.turn()
            took_ns = rig.react(venue, frame, int(ORDERS_S * 1e9))
            counted = rig.segment.counters()["strategy"] if took_ns < 0 else {}
            assert took_ns > 0, f"frame {number} brought no two orders: {counted}"
            opens = {desk.fill(clock()) for desk in rig.desks}
            assert opens == {number % 2 == 0}, f"frame {number} brought other orders"
            found[number % 2].append(took_ns)
            done = divmod(number + 1, 2)
            assert _settled(rig, done[0], sum(done)), f"fills of frame {number} not booked"
            due_ns = max(due_ns + period_ns, clock() + period_ns // 4)
            if begin_ns > end_ns:
                break
        hops = {
            hop: float(rig.segment.latency.histogram(hop).percentiles(0.5)[0])
            for hop in ("parsed", "detected", "seen", "decided")
        }
    opening, closing = (np.array(samples, dtype=np.float64) for samples in found)
    return opening, closing, hops


def python_orders(count: int) -> float:
    """Return the p50 of frame to both order frames in plain Python, on one thread; ns."""
    read, taken = (by_msgspec("bybit"), by_msgspec("okx")), []
    tops: dict[int, tuple[float, float]] = {}
    for number, (venue, frame) in enumerate(crossing_frames(count)):
        begin_ns = time.perf_counter_ns()
        bid, bid_qty, ask, _, _, _ = read[venue](frame)
        tops[venue] = bid, ask
        other = tops.get(1 - venue)
        if other is not None and (bid - other[1]) / other[1] * 1e4 > 21.0:
            orders_in_python(number, other[1], min(bid_qty, 0.016))
            taken.append(time.perf_counter_ns() - begin_ns)
    return float(np.median(taken))


def measure(setup: Setup) -> Row:
    placement = default_placement(setup.cores)
    # there and back: the senders are the feed thread's
    hops = HOPS[placement] + 1 if HOPS[placement] else 0
    cores = setup.cores[: HOPS[placement] + 1]
    other = "inline" if hops else "fused"
    runs = RUNS if setup.seconds >= 1 else 1
    opening, closing, beside, hops_by_run, floors, peers = [], [], [], [], [], []
    for number in range(runs):
        opened, closed, stages = run_once(placement, cores, setup.seconds / runs)
        opening.append(opened)
        closing.append(closed)
        hops_by_run.append(stages)
        beside.append(run_once(other, setup.cores[: HOPS[other] + 1], setup.seconds / runs)[0])
        way = hops * bare_one_way_ns(cores[1]) if hops else 0.0
        floors.append(stages["parsed"] + way + encode_ns("bybit") + encode_ns("okx"))
        peers.append(python_orders(400))
        setup.say(f"run {number + 1} of {runs}")

    def at(samples: list[Samples], percent: float) -> float:
        return float(np.median([np.percentile(run, percent) for run in samples]))

    middles = [float(np.median(run)) for run in opening]
    pairs = list(zip(middles, floors, peers, strict=True))
    return Row(
        name="frame_to_order",
        unit="ns",
        p50=at(opening, 50),
        p99=at(opening, 99),
        p999=at(opening, 99.9),
        floor=f"frame parsed + {hops} bare cache-line transfers + both frames encoded",
        floor_p50=float(np.median(floors)),
        peer="msgspec typed, a dict, a comparison, two dictionaries by orjson, in one thread",
        peer_p50=float(np.median(peers)),
        ratio_to_floor=float(np.median([mine / floor for mine, floor, _ in pairs])),
        ratio_to_peer=float(np.median([peer / mine for mine, _, peer in pairs])),
        n=sum(len(run) for run in opening),
        bar="p50 <= 1.5 us, p90 <= 2.5 us",
        judge=lambda row: row.p50 <= 1500 and row.more["p90"] <= 2500,
        note=f"stages {placement}, wait spin, {RATE:,} frames/s, cores "
        f"{', '.join(map(str, cores))}; risk gate, journal and the senders' poll included; every "
        "frame brings two orders, each decoded and filled (asserted)",
        more={
            "p90": at(opening, 90),
            "closing_p50": at(closing, 50),
            "closing_p90": at(closing, 90),
            "p50_by_run": middles,
            f"{other}_p50": at(beside, 50),
            f"{other}_p90": at(beside, 90),
            # from the frame on, the trader's own histograms
            **{
                f"{hop}_p50": float(np.median([run[hop] for run in hops_by_run]))
                for hop in hops_by_run[0]
            },
        },
    )


QUESTIONS = (Question("frame_to_order", 2, measure, "feed callback to both order frames encoded"),)
