"""The rings in Python: SPSC, MPSC and broadcast. Lanes, made of them, are in `arbitrage.core.lane`.

A ring owns its memory or borrows it from a segment. Its ends are the handles of
`arbitrage.core.ring_ends`: ``ring.producer()`` and ``ring.consumer()`` claim an end, and a second
claimant is refused for as long as the first one's process lives. ``ring.try_push`` and
``ring.try_pop`` claim the end for the ring object itself. Nothing here blocks. Every call holds the
GIL; hot code calls the C functions on ``ptr`` instead.
"""

from libc.stdint cimport uint32_t

from arbitrage.core.memory cimport AlignedMemory
from arbitrage.core.ring_ends cimport (
    BroadcastProducer,
    BroadcastReader,
    MpscConsumer,
    MpscProducer,
    SpscConsumer,
    SpscProducer,
    require_writable,
)

from arbitrage.core.memory import ClaimError

__all__ = [
    "BroadcastRing",
    "ClaimError",
    "MpscRing",
    "OpportunityQueue",
    "SpscRing",
]

CAPACITY_MAX = ARB_RING_CAPACITY_MAX


cdef uint32_t checked_capacity(object capacity) except 0:
    if not 1 <= capacity <= ARB_RING_CAPACITY_MAX:
        raise ValueError(
            f"capacity was {capacity}; accepted is 1 .. {ARB_RING_CAPACITY_MAX} records"
            " (rounded up to a power of two)"
        )
    return capacity


cdef uint32_t checked_record_bytes(object record_bytes, uint32_t payload_bytes) except 0:
    if not 1 <= record_bytes <= payload_bytes:
        raise ValueError(f"record_bytes was {record_bytes}; accepted is 1 .. {payload_bytes}")
    return record_bytes


# ---- rings ---------------------------------------------------------------------------------------

cdef class OwnEnds:
    # What a ring or a lane pushes and pops through when no end was asked for: handles of its own,
    # claimed at the first call. Subclasses have producer() and, where there is one, consumer().

    def try_push(self, record) -> bool:
        """Push through this object's own producer handle, claimed at the first call."""
        if self.own_producer is None:
            self.own_producer = self.producer()
        return self.own_producer.try_push(record)


cdef class Queue(OwnEnds):
    # What is taken by one consumer; each record once.

    cdef object taking_end(self):
        if self.own_consumer is None:
            self.own_consumer = self.consumer()
        return self.own_consumer

    def try_pop(self) -> bytes | None:
        """Pop through this object's own consumer handle, claimed at the first call."""
        return self.taking_end().try_pop()

    def drain(self, records_max: int | None = None, dtype=None):
        """Drain through this object's own consumer handle, claimed at the first call."""
        return self.taking_end().drain(records_max, dtype)


cdef class SpscRing(Queue):
    """A ring of fixed-size records between one producer thread and one consumer thread.

    Parameters
    ----------
    capacity : int
        Records, 1 .. 2**24; rounded up to a power of two, see ``capacity``.
    record_bytes : int
        1 .. 56, every record's size.

    Examples
    --------
    >>> ring = SpscRing(10000)
    >>> ring.capacity, ring.try_push(bytes(56)), len(ring.try_pop())
    (16384, True, 56)
    """

    def __init__(
        self, capacity: int, record_bytes: int = ARB_RING_PAYLOAD_BYTES, *, _first: int = 0
    ) -> None:
        cdef uint32_t asked = checked_capacity(capacity)
        self.record_bytes = checked_record_bytes(record_bytes, ARB_RING_PAYLOAD_BYTES)
        cdef AlignedMemory memory = AlignedMemory(arb_spsc_ring_bytes(asked))
        self.owner, self.ptr, self.writable = memory, <arb_spsc_ring_t *>memory.ptr, True
        arb_spsc_ring_init_at(self.ptr, asked, _first)

    def producer(self) -> SpscProducer:
        """Claim the writing end; ClaimError when a living process holds it."""
        require_writable(self.writable)
        cdef SpscProducer end = SpscProducer.__new__(SpscProducer)
        end.ptr = self.ptr
        end.hold(self.owner, &self.ptr.producer_claim, self.record_bytes, "producer")
        arb_spsc_producer_recover(self.ptr)
        return end

    def consumer(self) -> SpscConsumer:
        """Claim the reading end; ClaimError when a living process holds it."""
        require_writable(self.writable)
        cdef SpscConsumer end = SpscConsumer.__new__(SpscConsumer)
        end.ptr = self.ptr
        end.hold(self.owner, &self.ptr.consumer_claim, self.record_bytes, "consumer")
        arb_spsc_consumer_recover(self.ptr)
        return end

    @property
    def capacity(self) -> int:
        """The real capacity, a power of two."""
        return self.ptr.capacity

    @property
    def depth(self) -> int:
        """Records in the ring; approximate while either side works."""
        return arb_spsc_depth(self.ptr)

    @property
    def pushed(self) -> int:
        """Records pushed so far."""
        return self.ptr.pushed - self.ptr.first_position

    @property
    def popped(self) -> int:
        """Records taken so far."""
        return self.ptr.popped - self.ptr.first_position

    @property
    def dropped(self) -> int:
        """Records refused because the ring was full."""
        return self.ptr.dropped


cdef class MpscRing(Queue):
    """A ring of fixed-size records from many producer threads to one consumer thread.

    Parameters and counters are those of SpscRing; ``producer()`` may be called many times.

    Examples
    --------
    >>> ring = MpscRing(1000)
    >>> ring.producer().try_push(bytes(56)), ring.depth
    (True, 1)
    """

    def __init__(
        self, capacity: int, record_bytes: int = ARB_RING_PAYLOAD_BYTES, *, _first: int = 0
    ) -> None:
        cdef uint32_t asked = checked_capacity(capacity)
        self.record_bytes = checked_record_bytes(record_bytes, ARB_RING_PAYLOAD_BYTES)
        cdef AlignedMemory memory = AlignedMemory(arb_mpsc_ring_bytes(asked))
        self.owner, self.ptr, self.writable = memory, <arb_mpsc_ring_t *>memory.ptr, True
        arb_mpsc_ring_init_at(self.ptr, asked, _first)

    def producer(self) -> MpscProducer:
        """Make a writing end; there may be many."""
        require_writable(self.writable)
        cdef MpscProducer end = MpscProducer.__new__(MpscProducer)
        end.ptr = self.ptr
        end.hold(self.owner, NULL, self.record_bytes, "producer")
        return end

    def consumer(self) -> MpscConsumer:
        """Claim the reading end; ClaimError when a living process holds it."""
        require_writable(self.writable)
        cdef MpscConsumer end = MpscConsumer.__new__(MpscConsumer)
        end.ptr = self.ptr
        end.hold(self.owner, &self.ptr.consumer_claim, self.record_bytes, "consumer")
        arb_mpsc_consumer_recover(self.ptr)
        return end

    @property
    def capacity(self) -> int:
        """The real capacity, a power of two."""
        return self.ptr.capacity

    @property
    def depth(self) -> int:
        """Records pushed (or being pushed) and not taken; approximate while anybody works."""
        return arb_mpsc_depth(self.ptr)

    @property
    def pushed(self) -> int:
        """Positions won by producers so far."""
        return self.ptr.pushed - self.ptr.first_position

    @property
    def popped(self) -> int:
        """Records taken so far."""
        return self.ptr.popped - self.ptr.first_position

    @property
    def dropped(self) -> int:
        """Records refused because the ring was full."""
        return self.ptr.dropped


cdef class BroadcastRing(OwnEnds):
    """A ring of fixed-size records from one writer to any number of readers, each seeing all.

    Parameters
    ----------
    capacity : int
        Records, 1 .. 2**24; rounded up to a power of two.
    record_bytes : int
        1 .. 120, every record's size.

    Examples
    --------
    >>> ring = BroadcastRing(1000); reader = ring.reader()
    >>> ring.try_push(bytes(120)), len(reader.try_pop()), reader.lost
    (True, 120, 0)
    """

    def __init__(
        self, capacity: int, record_bytes: int = ARB_BROADCAST_PAYLOAD_BYTES, *, _first: int = 0
    ) -> None:
        cdef uint32_t asked = checked_capacity(capacity)
        self.record_bytes = checked_record_bytes(record_bytes, ARB_BROADCAST_PAYLOAD_BYTES)
        cdef AlignedMemory memory = AlignedMemory(arb_broadcast_ring_bytes(asked))
        self.owner, self.ptr, self.writable = memory, <arb_broadcast_ring_t *>memory.ptr, True
        arb_broadcast_ring_init_at(self.ptr, asked, _first)

    def producer(self) -> BroadcastProducer:
        """Claim the writing end; ClaimError when a living process holds it."""
        require_writable(self.writable)
        cdef BroadcastProducer end = BroadcastProducer.__new__(BroadcastProducer)
        end.ptr = self.ptr
        end.hold(self.owner, &self.ptr.producer_claim, self.record_bytes, "producer")
        arb_broadcast_producer_recover(self.ptr)
        return end

    def reader(self, from_oldest: bool = False) -> BroadcastReader:
        """Make a reader that begins behind the newest record, or at the oldest one still held."""
        cdef BroadcastReader reader = BroadcastReader.__new__(BroadcastReader)
        reader.owner, reader.ptr, reader.record_bytes = self.owner, self.ptr, self.record_bytes
        arb_broadcast_reader_init(self.ptr, &reader.reader, from_oldest)
        return reader

    @property
    def capacity(self) -> int:
        """The real capacity, a power of two."""
        return self.ptr.capacity

    @property
    def depth(self) -> int:
        """Records still held."""
        return min(self.pushed, self.capacity)

    @property
    def pushed(self) -> int:
        """Records published so far."""
        return self.ptr.published - self.ptr.first_position


cdef class OpportunityQueue(BroadcastRing):
    """The broadcast of opportunities: every reader sees every event, as OPPORTUNITY_DTYPE.

    Examples
    --------
    >>> queue = OpportunityQueue(1000); reader = queue.reader()
    >>> reader.drain().dtype.names[:2]
    ('id', 'recv_mono_ns')
    """

    def __init__(self, capacity: int = 1024) -> None:
        super().__init__(capacity)

    def reader(self, from_oldest: bool = False) -> BroadcastReader:
        """Make a reader that begins behind the newest event, or at the oldest one still held."""
        cdef BroadcastReader reader = BroadcastRing.reader(self, from_oldest)
        from arbitrage.core.records import OPPORTUNITY_DTYPE

        reader.default_dtype = OPPORTUNITY_DTYPE
        return reader


# ---- rings in memory of somebody else ------------------------------------------------------------

cdef SpscRing SpscRing_wrap(arb_spsc_ring_t *ptr, object owner, bint writable=True):
    cdef SpscRing ring = SpscRing.__new__(SpscRing)
    ring.ptr, ring.owner, ring.writable = ptr, owner, writable
    ring.record_bytes = ARB_RING_PAYLOAD_BYTES
    return ring


cdef MpscRing MpscRing_wrap(arb_mpsc_ring_t *ptr, object owner, bint writable=True):
    cdef MpscRing ring = MpscRing.__new__(MpscRing)
    ring.ptr, ring.owner, ring.writable = ptr, owner, writable
    ring.record_bytes = ARB_RING_PAYLOAD_BYTES
    return ring


cdef BroadcastRing BroadcastRing_wrap(arb_broadcast_ring_t *ptr, object owner, bint writable=True):
    cdef BroadcastRing ring = BroadcastRing.__new__(BroadcastRing)
    ring.ptr, ring.owner, ring.writable = ptr, owner, writable
    ring.record_bytes = ARB_BROADCAST_PAYLOAD_BYTES
    return ring


cdef OpportunityQueue OpportunityQueue_wrap(
    arb_broadcast_ring_t *ptr, object owner, bint writable=True
):
    cdef OpportunityQueue queue = OpportunityQueue.__new__(OpportunityQueue)
    queue.ptr, queue.owner, queue.writable = ptr, owner, writable
    queue.record_bytes = ARB_BROADCAST_PAYLOAD_BYTES
    return queue
