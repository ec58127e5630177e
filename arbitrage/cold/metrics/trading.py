"""What a trader does: opportunities, pairs, orders and what became of them."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric

from arbitrage.cold.metrics.families import counter, counters, gauges, kinds
from arbitrage.cold.metrics.snapshot import Snapshot

__all__ = ["trading_families"]

CLOCK_GAUGES = ("clock_ahead_ms", "clock_behind_ms", "clock_rtt_us")
# An order's states, by what its gateway counts.
ORDER_STATES = {
    "taken": "orders_taken",
    "sent": "frames_sent",
    "acknowledged": "acks",
    "filled": "fills",
    "rejected": "rejects",
    "unknown": "timeouts",
    "unsendable": "orders_unsendable",
    "held_back_by_kill": "orders_killed",
}


def trading_families(shot: Snapshot) -> Iterator[Metric]:
    """Yield the families of opportunities, pairs and orders."""
    for name, key, about in (
        ("opportunities_opened", "opened", "Opportunities that opened"),
        ("opportunities_closed", "closed", "Opportunities that closed"),
    ):
        yield counter(name, about, shot.detector.get(key, 0))
    about = "Opportunities that closed, by why"
    yield counters("opportunity_outcomes", about, ["reason"], kinds(shot.outcomes))
    for name, key, about in (
        ("pairs_opened", "pairs_opened", "Pairs with both legs filled"),
        ("pairs_closed", "pairs_closed", "Pairs closed after having been open"),
        ("pairs_unwound", "pairs_unwound", "Pairs flattened because a leg failed"),
        ("pairs_broken", "pairs_broken", "Pairs whose legs could not be made level in time"),
        ("orders", "orders", "Orders handed to a gateway"),
        ("fills", "fills", "Fills"),
        ("rejects", "rejects", "Orders that a venue refused"),
    ):
        yield counter(name, about, shot.strategy.get(key, 0))
    yield counters("refusals", "Orders the risk gate refused", ["reason"], kinds(shot.refusals))
    yield counters("order_states", "Orders by what became of them", ["venue", "state"], [
        ([venue, state], values.get(name))
        for venue, values in shot.gateways.items()
        for state, name in ORDER_STATES.items()
    ])  # fmt: skip
    rejects = [] if shot.board is None else shot.board.rejects
    yield counters(
        "order_rejects", "Orders refused by a venue, with its code, or before they left",
        ["venue", "reason"], [([line.venue, line.reason], line.count) for line in rejects],
    )  # fmt: skip
    about = "What the detector counted"
    yield counters("detector_events", about, ["kind"], kinds(shot.detector))
    about = "What the strategy counted"
    yield counters("strategy_events", about, ["kind"], kinds(shot.strategy))
    yield counters("gateway_events", "Orders' way out", ["venue", "kind"], [
        ([venue, kind], value)
        for venue, values in shot.gateways.items()
        for kind, value in values.items()
        if kind not in CLOCK_GAUGES
    ])  # fmt: skip
    yield from _clocks(shot.gateways)


def _clocks(gateways: Mapping[str, Mapping[str, int]]) -> Iterator[Metric]:
    clocks = {
        venue: tuple(values.get(name, 0) for name in CLOCK_GAUGES)
        for venue, values in gateways.items()
        if values.get("clock_rtt_us", 0)  # measured
    }
    yield gauges(
        "venue_clock_offset_seconds", "The venue's clock less this machine's", ["venue"],
        [([venue], (ahead - behind) / 1e3) for venue, (ahead, behind, _) in clocks.items()],
    )  # fmt: skip
    yield gauges(
        "venue_clock_rtt_seconds", "Quickest question for the venue's time", ["venue"],
        [([venue], rtt_us / 1e6) for venue, (*_, rtt_us) in clocks.items()],
    )  # fmt: skip
