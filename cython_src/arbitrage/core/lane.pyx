"""The lanes in Python: what carries ticks from a feed thread to the detector.

A lane is a tick ring and, for when that is full, overflow cells that keep the newest. Its ends are
handles as those of any ring (`arbitrage.core.ring_ends`). Nothing here blocks; every call holds the
GIL.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t

from arbitrage.core.memory cimport AlignedMemory
from arbitrage.core.records cimport arb_tick_t
from arbitrage.core.ring cimport (
    Queue,
    arb_spsc_consumer_recover,
    arb_spsc_depth,
    arb_spsc_producer_recover,
    arb_spsc_ring_t,
    arb_spsc_try_pop,
    checked_capacity,
)
from arbitrage.core.ring_ends cimport (
    RingEnd,
    copy_record,
    drain_source,
    require_writable,
    take_one,
)

__all__ = ["Lane", "MarketPipeline"]


cdef bint take_tick(void *source, void *payload) noexcept nogil:
    return arb_spsc_try_pop(<arb_spsc_ring_t *>source, payload)


cdef class LaneProducer(RingEnd):
    """The feed thread's end of a lane."""

    cdef arb_lane_t *ptr

    def try_push(self, tick) -> bool:
        """Hand over one tick: True into the ring, False into its overflow cell (newest wins)."""
        cdef arb_tick_t record
        self.require_open()
        copy_record(tick, <char *>&record, sizeof(record))
        return arb_lane_push(self.ptr, &record)


cdef class LaneConsumer(RingEnd):
    """The detector's end of a lane."""

    cdef arb_lane_t *ptr

    def try_pop(self) -> bytes | None:
        """Take the oldest tick of the ring; None when it is empty."""
        self.require_open()
        return take_one(take_tick, arb_lane_ring(self.ptr), self.record_bytes)

    def drain(self, records_max: int | None = None, dtype=None):
        """Take the ticks of the ring: a list of bytes, or an array when dtype is given."""
        self.require_open()
        cdef arb_spsc_ring_t *ring = arb_lane_ring(self.ptr)
        return drain_source(
            take_tick, ring, arb_spsc_depth(ring), records_max, self.record_bytes, dtype)

    def take_overflow(self) -> list[bytes]:
        """Take the dirty overflow cells: rows ascending, the ticks of one row by receive time."""
        cdef arb_tick_t ticks[64]
        cdef uint32_t count = 64, index
        self.require_open()
        records = []
        # a feed thread that keeps overflowing must not hold us here: one sweep of all cells at most
        while count >= 64 - ARB_LANE_KINDS and len(records) < self.ptr.row_count * ARB_LANE_KINDS:
            count = arb_lane_take_overflow(self.ptr, ticks, 64, NULL)
            for index in range(count):
                records.append(
                    PyBytes_FromStringAndSize(<char *>&ticks[index], sizeof(arb_tick_t)))
        return records


cdef class Lane(Queue):
    """One feed thread's way to the detector: a tick ring, and an overflow cell a row and kind.

    Parameters
    ----------
    capacity : int
        Ticks in the ring, 1 .. 2**24; rounded up to a power of two.
    row_count : int
        Rows that have overflow cells, 1 .. 8192.
    """

    def __init__(self, capacity: int, row_count: int) -> None:
        cdef uint32_t asked = checked_capacity(capacity)
        if not 1 <= row_count <= ARB_LANE_ROWS_MAX:
            raise ValueError(f"row_count was {row_count}; accepted is 1 .. {ARB_LANE_ROWS_MAX}")
        cdef AlignedMemory memory = AlignedMemory(arb_lane_bytes(asked, row_count))
        self.owner, self.ptr, self.writable = memory, <arb_lane_t *>memory.ptr, True
        arb_lane_init(self.ptr, asked, row_count)

    def producer(self) -> LaneProducer:
        """Claim the feed thread's end; ClaimError when a living process holds it."""
        require_writable(self.writable)
        cdef LaneProducer end = LaneProducer.__new__(LaneProducer)
        end.ptr = self.ptr
        end.hold(
            self.owner, &arb_lane_ring(self.ptr).producer_claim, sizeof(arb_tick_t), "producer")
        arb_spsc_producer_recover(arb_lane_ring(self.ptr))
        return end

    def consumer(self) -> LaneConsumer:
        """Claim the detector's end; ClaimError when a living process holds it."""
        require_writable(self.writable)
        cdef LaneConsumer end = LaneConsumer.__new__(LaneConsumer)
        end.ptr = self.ptr
        end.hold(
            self.owner, &arb_lane_ring(self.ptr).consumer_claim, sizeof(arb_tick_t), "consumer")
        arb_spsc_consumer_recover(arb_lane_ring(self.ptr))
        return end

    def take_overflow(self) -> list[bytes]:
        """Take overflow ticks through this object's own consumer handle."""
        return self.taking_end().take_overflow()

    @property
    def capacity(self) -> int:
        """The ring's real capacity, a power of two."""
        return arb_lane_ring(self.ptr).capacity

    @property
    def row_count(self) -> int:
        """Rows that have overflow cells."""
        return self.ptr.row_count

    @property
    def depth(self) -> int:
        """Ticks in the ring; approximate while either side works."""
        return arb_spsc_depth(arb_lane_ring(self.ptr))

    @property
    def pushed(self) -> int:
        """Ticks that went into the ring."""
        return arb_lane_ring(self.ptr).pushed

    @property
    def popped(self) -> int:
        """Ticks taken from the ring."""
        return arb_lane_ring(self.ptr).popped

    @property
    def overflowed(self) -> int:
        """Ticks that went into overflow cells."""
        return self.ptr.overflowed

    @property
    def overflow_taken(self) -> int:
        """Ticks taken from overflow cells."""
        return self.ptr.overflow_taken

    @property
    def dropped(self) -> int:
        """Ticks overwritten in a cell before they were taken, and ticks that had no cell."""
        return self.ptr.overwritten + self.ptr.refused


cdef class MarketPipeline:
    """The lanes of all feed threads.

    Parameters
    ----------
    capacity : int
        Ticks in each lane's ring.
    row_count : int
        Rows that have overflow cells.
    lane_count : int
        Feed threads.

    Examples
    --------
    >>> pipeline = MarketPipeline(10000, 64)
    >>> pipeline.lanes[0].capacity, pipeline.depth
    (16384, 0)
    """

    def __init__(self, capacity: int, row_count: int, lane_count: int = 1) -> None:
        if not 1 <= lane_count <= 64:
            raise ValueError(f"lane_count was {lane_count}; accepted is 1 .. 64")
        self.lanes = tuple(Lane(capacity, row_count) for _ in range(lane_count))

    @staticmethod
    def of(lanes) -> MarketPipeline:
        """Make a pipeline of lanes that exist already, such as those of a segment."""
        cdef MarketPipeline pipeline = MarketPipeline.__new__(MarketPipeline)
        pipeline.lanes = tuple(lanes)
        return pipeline

    @property
    def depth(self) -> int:
        """Ticks in all rings."""
        return sum(lane.depth for lane in self.lanes)

    @property
    def pushed(self) -> int:
        """Ticks that went into the rings."""
        return sum(lane.pushed for lane in self.lanes)

    @property
    def popped(self) -> int:
        """Ticks taken from the rings."""
        return sum(lane.popped for lane in self.lanes)

    @property
    def overflowed(self) -> int:
        """Ticks that went into overflow cells."""
        return sum(lane.overflowed for lane in self.lanes)

    @property
    def dropped(self) -> int:
        """Ticks that were never seen by the detector's side."""
        return sum(lane.dropped for lane in self.lanes)


cdef Lane Lane_wrap(arb_lane_t *ptr, object owner, bint writable=True):
    cdef Lane lane = Lane.__new__(Lane)
    lane.ptr, lane.owner, lane.writable = ptr, owner, writable
    return lane
