"""How a metric family is made: one line each where it is used."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

__all__ = ["Rows", "counter", "counters", "gauge", "gauges", "microseconds"]

Rows = Iterable[tuple[Sequence[str], float | None]]
"""Label values and the value; None where there is nothing to show."""


def gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    """Return a gauge without labels."""
    return GaugeMetricFamily(name, about, value=value)


def counter(name: str, about: str, value: float) -> CounterMetricFamily:
    """Return a counter without labels; ``_total`` is added to its name."""
    return CounterMetricFamily(name, about, value=value)


def gauges(name: str, about: str, labels: Sequence[str], rows: Rows) -> GaugeMetricFamily:
    """Return a gauge with a sample for each row that has a value."""
    family = GaugeMetricFamily(name, about, labels=labels)
    for values, value in rows:
        if value is not None:
            family.add_metric(values, value)
    return family


def counters(name: str, about: str, labels: Sequence[str], rows: Rows) -> CounterMetricFamily:
    """Return a counter with a sample for each row that has a value."""
    family = CounterMetricFamily(name, about, labels=labels)
    for values, value in rows:
        if value is not None:
            family.add_metric(values, value)
    return family


def kinds(values: Mapping[str, int]) -> Rows:
    """Return the rows of a family with one label."""
    return [([kind], value) for kind, value in values.items()]


def microseconds(value_ns: int | None) -> float:
    """Return ns as microseconds; NaN where nothing was measured."""
    return float("nan") if value_ns is None else value_ns / 1000.0
