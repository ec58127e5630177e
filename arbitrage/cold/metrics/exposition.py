"""The text that Prometheus scrapes: one trader's metrics, or several traders' under a label."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from arbitrage.cold.beside import Beside
from arbitrage.cold.metrics.beside import beside_families
from arbitrage.cold.metrics.families import gauge
from arbitrage.cold.metrics.feeds import feed_families
from arbitrage.cold.metrics.latency import latency_families
from arbitrage.cold.metrics.load import load_families
from arbitrage.cold.metrics.money import money_families
from arbitrage.cold.metrics.process import ProcessMeter
from arbitrage.cold.metrics.snapshot import Snapshot
from arbitrage.cold.metrics.trading import trading_families

__all__ = ["TraderCollector", "exposition"]

Look = Callable[[], Snapshot | None]


class TraderCollector(Collector):
    """Turn the newest snapshot of one trader into metric families at each scrape.

    Parameters
    ----------
    look : callable
        Returns a snapshot, or None when no trader runs.
    meter : ProcessMeter
        What measures it.
    beside : callable
        Returns the programs beside it.
    """

    def __init__(
        self,
        look: Look,
        meter: ProcessMeter | None = None,
        beside: Callable[[], Sequence[Beside]] = tuple,
    ) -> None:
        self._look, self._beside = look, beside
        self._meter = meter or ProcessMeter()

    def describe(self) -> list[Metric]:
        """Name nothing in advance: what there is depends on the trader."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every family; only ``up``, and those beside it, when no trader runs."""
        yield from beside_families(self._beside())
        shot = self._look()
        yield gauge("up_trader", "1 while a trader runs on the segment", float(shot is not None))
        if shot is None:
            return
        yield gauge("uptime_seconds", "Age of the trader", shot.uptime_s)
        yield gauge(
            "heartbeat_age_seconds", "Since the trader's last heartbeat", shot.heartbeat_age_s
        )
        if shot.board is not None:
            age_s = max(0.0, time.time() - shot.board.wall_ns / 1e9)
            yield gauge("board_age_seconds", "Since the trader told of pairs and money", age_s)
        yield from latency_families(shot.latency)
        yield from load_families(shot, self._meter.look(shot))
        yield from feed_families(shot.feeds)
        yield from trading_families(shot)
        yield from money_families(shot)


class _Labelled(Collector):
    """Several traders' families, brought together under the label ``trader``."""

    def __init__(self, collectors: Mapping[str, TraderCollector]) -> None:
        self._collectors = collectors

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        for name, collector in self._collectors.items():
            for family in collector.collect():
                known = merged.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                known.samples += [
                    sample._replace(labels={"trader": name, **sample.labels})
                    for sample in family.samples
                ]
        return merged.values()


def exposition(
    looks: Look | Mapping[str, Look],
    meters: Mapping[str, ProcessMeter] | None = None,
    beside: Callable[[str], Sequence[Beside]] = lambda _name: (),
) -> Callable[[], bytes]:
    """Return a function that renders the metrics in Prometheus' text format.

    Parameters
    ----------
    looks : callable or mapping
        One trader's, or several by name: each metric then carries the label ``trader``.
    meters : mapping, optional
        By name: what measures them, where it is to be shared.
    beside : callable
        Returns the programs beside a trader, by its name (`arbitrage.cold.beside.read_beside`).
    """
    by_name = dict(looks) if isinstance(looks, Mapping) else {"": looks}
    collectors = {
        name: TraderCollector(look, (meters or {}).get(name), partial(beside, name))
        for name, look in by_name.items()
    }
    registry = CollectorRegistry(auto_describe=False)
    if len(collectors) == 1:
        registry.register(next(iter(collectors.values())))
    else:
        registry.register(_Labelled(collectors))
    return lambda: generate_latest(registry)
