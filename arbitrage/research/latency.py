"""How long things take in a backtest: constants, empirical distributions, or your own function.

Three ways a venue: ``feed`` (its market data to us), ``order`` (our order to its matching) and
``reply`` (what became of the order, back to us). A connection keeps its order: nothing overtakes.
"""

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arbitrage.core.histogram import Histogram
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

__all__ = ["Empirical", "Latency", "Way"]

LATENCY_MAX_NS = 60_000_000_000
DEFAULT_NS = 5_000_000
SAMPLE_BUCKETS = 4096


@dataclass(frozen=True)
class Empirical:
    """A distribution by counts: a bucket is drawn by its count, a value in it evenly.

    Attributes
    ----------
    buckets : tuple of (int, int, int)
        low_ns, width_ns and count; ascending.
    """

    buckets: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        if not any(count for _, _, count in self.buckets):
            raise ConfigError("an empirical latency needs at least one sample")
        for low_ns, width_ns, count in self.buckets:
            if not 0 <= low_ns <= LATENCY_MAX_NS or width_ns < 1 or count < 0:
                raise ConfigError(
                    f"a latency bucket was {low_ns} ns, {width_ns} ns wide, {count} times; "
                    "accepted are times from 0 to 60 s, widths from 1 ns and counts from 0"
                )

    @classmethod
    def of_samples(cls, samples_ns: "ArrayLike") -> "Empirical":
        """Make one of measured times, ns: each value by itself, or in 4,096 steps where more."""
        import numpy as np

        samples = np.asarray(samples_ns)
        if samples.size == 0 or not np.isfinite(samples.astype(float)).all():
            raise ConfigError("latency samples must be finite numbers of ns, at least one")
        values, counts = np.unique(np.maximum(0, samples.astype(np.int64)), return_counts=True)
        if len(values) <= SAMPLE_BUCKETS:
            return cls(tuple((int(v), 1, int(n)) for v, n in zip(values, counts, strict=True)))
        # cut where so many samples are full, so that the tail keeps its shape
        ends = np.searchsorted(
            np.cumsum(counts), np.linspace(0, counts.sum(), SAMPLE_BUCKETS + 1)[1:]
        )
        return cls._of_cuts(values, counts, np.unique(ends))

    @classmethod
    def _of_cuts(
        cls, values: "np.ndarray[Any, Any]", counts: "np.ndarray[Any, Any]", ends: Iterable[int]
    ) -> "Empirical":
        buckets, first = [], 0
        for end in ends:
            low, high = int(values[first]), int(values[end])
            buckets.append((low, high - low + 1, int(counts[first : end + 1].sum())))
            first = end + 1
        return cls(tuple(buckets))

    @classmethod
    def of_histogram(cls, histogram: Histogram) -> "Empirical":
        """Make one of a histogram of the live system, as ``market.latency[...]`` gives it.

        Raises
        ------
        ConfigError
            Nothing was measured.
        """
        # its buckets: exact below 256, then 128 to a power of two
        return cls(
            tuple((low, 1 << max(0, low.bit_length() - 8), n) for low, n in histogram.buckets())
        )

    def part(self, share: float) -> "Empirical":
        """Return the distribution of a share of each time: 0.5 of a round trip is one way."""
        if not 0 < share <= 1:
            raise ConfigError(f"share was {share}; accepted values are above 0 and up to 1")
        return Empirical(
            tuple((int(low * share), max(1, int(w * share)), n) for low, w, n in self.buckets)
        )

    def mean_ns(self) -> float:
        """Return its mean."""
        total = sum(count for _, _, count in self.buckets)
        return sum((low + (width - 1) / 2) * n for low, width, n in self.buckets) / total

    def percentile_ns(self, fraction: float) -> int:
        """Return the lowest time that so much of the distribution does not exceed."""
        wanted = fraction * sum(count for _, _, count in self.buckets)
        seen = 0
        for low, width, count in self.buckets:
            seen += count
            if seen >= wanted and count:
                return low + width - 1
        return self.buckets[-1][0]


Call = Callable[[random.Random, int], float]
Way = int | Empirical | Call
Ways = Way | Mapping[str, Way]


@dataclass(frozen=True)
class Latency:
    """Latency of a backtest; each way one model for both venues, or a mapping by venue.

    A model is a number of ns; an `Empirical` distribution; or ``call(rng, now_ns) -> ns``, asked in
    Python for each order (or, as `feed`, for each record: slow), with a `random.Random` of its own
    that the seed of the backtest began.

    Attributes
    ----------
    order, reply : model or mapping of str to model
        To the venue's matching, and back; 5 ms each where nothing is said.
    feed : model or mapping of str to model
        Venue to receipt, for records that do not say when the venue made them; 0 where nothing is
        said. Records that do say it need no model: an order meets the book as its venue had it.
    feed_by_model : bool
        Believe `feed` for all records: the venue's clock is not ours, say.
    lookahead_ms : float
        No record is taken to have been on its way longer.

    Examples
    --------
    >>> Latency.constant(order_us=2000, reply_us={"bybit": 1500, "okx": 20_000}).order
    2000000
    """

    order: Ways = DEFAULT_NS
    reply: Ways = DEFAULT_NS
    feed: Ways = 0
    feed_by_model: bool = False
    lookahead_ms: float = 1_000.0
    _checked: dict[tuple[int, str], Way] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.lookahead_ms <= 60_000:
            raise ConfigError(
                f"lookahead_ms was {self.lookahead_ms}; accepted values are 0 to 60000"
            )
        found = {
            (index, name): _way(name, venue, getattr(self, name))
            for index, venue in enumerate(VENUES)
            for name in ("feed", "order", "reply")
        }
        object.__setattr__(self, "_checked", found)

    @classmethod
    def constant(
        cls,
        *,
        order_us: float | Mapping[str, float] = DEFAULT_NS / 1e3,
        reply_us: float | Mapping[str, float] = DEFAULT_NS / 1e3,
        feed_us: float | Mapping[str, float] | None = None,
    ) -> "Latency":
        """Return constant latencies in us; `feed_us` counts for every record when it is given."""
        return cls(
            order=_ns("order_us", order_us),
            reply=_ns("reply_us", reply_us),
            feed=0 if feed_us is None else _ns("feed_us", feed_us),
            feed_by_model=feed_us is not None,
        )

    def ways(self, seed: int) -> dict[tuple[int, str], Any]:
        """Return what a BacktestCore takes: (venue, way) -> ns, buckets, or a callable of now."""
        out: dict[tuple[int, str], Any] = {}
        for number, (key, model) in enumerate(self._checked.items()):
            if isinstance(model, Empirical):
                out[key] = list(model.buckets)
            elif callable(model):
                out[key] = _Asked(model, random.Random(f"{seed} {number}"))
            else:
                out[key] = model
        return out

    def describe(self) -> dict[str, Any]:
        """Return it in words and figures, plain JSON."""
        found: dict[str, Any] = {
            f"{VENUES[venue]} {name}": _words(model)
            for (venue, name), model in self._checked.items()
        }
        return found | {"feed_by_model": self.feed_by_model, "lookahead_ms": self.lookahead_ms}


class _Asked:
    """A user's function with its own chance."""

    def __init__(self, call: Call, rng: random.Random) -> None:
        self._call = call
        self._rng = rng

    def __call__(self, now_ns: int) -> int:
        return int(self._call(self._rng, now_ns))


def _way(name: str, venue: str, ways: Ways) -> Way:
    model = ways
    if isinstance(ways, Mapping):
        unknown = sorted(set(ways) - set(VENUES))
        if unknown or venue not in ways:
            raise ConfigError(
                f"{name} latency named {', '.join(ways) or 'no venue'}; accepted is one model, or "
                f"one for each of {', '.join(VENUES)}"
            )
        model = ways[venue]
    if isinstance(model, Empirical) or callable(model):
        return model
    if isinstance(model, bool) or not isinstance(model, int | float):
        raise ConfigError(
            f"{name} latency of {venue} was {model!r}; accepted are ns, an Empirical, or a "
            "function of (rng, now_ns)"
        )
    if not 0 <= model <= LATENCY_MAX_NS:
        raise ConfigError(f"{name} latency of {venue} was {model} ns; accepted is 0 to 60 s")
    return int(model)


def _ns(name: str, us: float | Mapping[str, float]) -> Ways:
    if isinstance(us, Mapping):
        return {venue: _whole_ns(name, value) for venue, value in us.items()}
    return _whole_ns(name, us)


def _whole_ns(name: str, us: float) -> int:
    if isinstance(us, bool) or not isinstance(us, int | float) or not math.isfinite(us):
        raise ConfigError(f"{name} was {us!r}; accepted are microseconds, one number or by venue")
    return round(us * 1e3)


def _words(model: Way) -> Any:
    if isinstance(model, Empirical):
        figures = {f"p{share:g}": model.percentile_ns(share / 100) / 1e3 for share in (50, 90, 99)}
        return {"empirical_us": {"mean": round(model.mean_ns() / 1e3, 3), **figures}}
    if callable(model):
        return {"callable": getattr(model, "__qualname__", type(model).__name__)}
    return {"constant_us": model / 1e3}
