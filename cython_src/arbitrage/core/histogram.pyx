"""Latency histograms: log-linear, at most 0.4 % off, one writer, any number of readers."""

from libc.stdlib cimport free
from libc.string cimport memset
from posix.stdlib cimport posix_memalign

cdef enum:
    FRACTIONS_MAX = 64


cdef class Histogram:
    """Count non-negative values in buckets at most 0.8 % wide.

    Threads: one writer; any thread or process may read meanwhile.

    Examples
    --------
    >>> histogram = Histogram()
    >>> histogram.record(1000)
    >>> histogram.count
    1
    """

    def __cinit__(self):
        self.ptr = NULL

    def __init__(self) -> None:
        cdef void *memory = NULL
        if self.ptr == NULL:
            if posix_memalign(&memory, 128, sizeof(arb_histogram_t)) != 0:
                raise MemoryError()
            memset(memory, 0, sizeof(arb_histogram_t))
            self.memory = memory
            self.ptr = <arb_histogram_t *>memory

    def __dealloc__(self):
        free(self.memory)

    def record(self, value: int) -> None:
        """Count one value (ns by convention); a negative one counts as 0."""
        if self.readonly:
            raise ValueError("this histogram is attached read-only; only its owner records")
        arb_histogram_record(self.ptr, value)

    def percentiles(self, *fractions: float) -> list[int]:
        """Return the values at ascending fractions between 0 and 1; all 0 without records."""
        cdef double wanted[FRACTIONS_MAX]
        cdef uint64_t values[FRACTIONS_MAX]
        cdef uint32_t index, count = len(fractions)
        if count > FRACTIONS_MAX:
            raise ValueError(f"{count} fractions were asked for; at most {FRACTIONS_MAX} at a time")
        if list(fractions) != sorted(fractions) or any(not 0.0 <= f <= 1.0 for f in fractions):
            raise ValueError(f"fractions were {fractions}; they must ascend between 0 and 1")
        for index in range(count):
            wanted[index] = fractions[index]
        arb_histogram_percentiles(self.ptr, wanted, values, count)
        return [values[index] for index in range(count)]

    def merge_from(self, other: Histogram) -> None:
        """Add another histogram's records to this one. Writer only."""
        cdef int index
        if self.readonly:
            raise ValueError("this histogram is attached read-only; only its owner records")
        if other.ptr.count == 0:
            return
        if self.ptr.count == 0 or other.ptr.min < self.ptr.min:
            self.ptr.min = other.ptr.min
        self.ptr.max = max(self.ptr.max, other.ptr.max)
        self.ptr.count += other.ptr.count
        self.ptr.sum += other.ptr.sum
        for index in range(ARB_HISTOGRAM_BUCKETS):
            self.ptr.buckets[index] += other.ptr.buckets[index]

    def buckets(self) -> list[tuple[int, int]]:
        """Return (smallest value, count) of every bucket that holds something, ascending."""
        cdef int index
        return [
            (arb_histogram_floor(index), self.ptr.buckets[index])
            for index in range(ARB_HISTOGRAM_BUCKETS)
            if self.ptr.buckets[index]
        ]

    def summary(self) -> dict[str, int | None]:
        """Return p50, p99, p999 and max; None when nothing was recorded."""
        if self.ptr.count == 0:
            return {"p50": None, "p99": None, "p999": None, "max": None}
        p50, p99, p999 = self.percentiles(0.5, 0.99, 0.999)
        return {"p50": p50, "p99": p99, "p999": p999, "max": self.max}

    @property
    def count(self) -> int:
        """Records so far."""
        return self.ptr.count

    @property
    def sum(self) -> int:
        """Sum of all records."""
        return self.ptr.sum

    @property
    def max(self) -> int:
        """Largest record, exact; 0 when there is none."""
        return self.ptr.max

    @property
    def min(self) -> int:
        """Smallest record, exact; 0 when there is none."""
        return self.ptr.min if self.ptr.count else 0

    def __repr__(self) -> str:
        return f"Histogram(count={self.count}, {self.summary()})"


cdef Histogram Histogram_wrap(arb_histogram_t *ptr, object owner, bint readonly):
    cdef Histogram histogram = Histogram.__new__(Histogram)
    histogram.ptr = ptr
    histogram.owner = owner
    histogram.readonly = readonly
    return histogram


class LatencyTracker:
    """Group the stage histograms of one trader by name.

    Parameters
    ----------
    stages : dict of str to list of Histogram
        For each stage the histograms of all threads that measure it.
    """

    def __init__(self, stages: dict[str, list[Histogram]]) -> None:
        self._stages = stages

    @property
    def stages(self) -> list[str]:
        """Names of the stages, in the order data passes them."""
        return list(self._stages)

    def histogram(self, stage: str) -> Histogram:
        """Return a copy of one stage's records, all its threads merged. KeyError: no such stage."""
        merged = Histogram()
        for part in self._stages[stage]:
            merged.merge_from(part)
        return merged

    def summary(self) -> dict[str, dict[str, int | None]]:
        """Return {stage: {p50, p99, p999, max}}, ns; None where nothing was recorded."""
        return {stage: self.histogram(stage).summary() for stage in self._stages}
