"""The rings in Python: SPSC, MPSC and broadcast. Lanes, made of them, are in `arbitrage.core.lane`.

A ring owns its memory or borrows it from a segment. Its ends are handles: ``ring.producer()`` and
``ring.consumer()`` claim an end, and a second claimant is refused for as long as the first one's
process lives. ``ring.try_push`` and ``ring.try_pop`` claim the end for the ring object itself.
Records are bytes-like and of a fixed size; ``drain`` gives a NumPy array when it is told the dtype.
Nothing here blocks. Every call holds the GIL; hot code calls the C functions on ``ptr`` instead.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from arbitrage.core.memory cimport (
    AlignedMemory,
    arb_claim_t,
    claim_drop,
    claim_take,
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

cdef extern from *:
    # the header functions behind one signature, so that all drains share one loop
    """
    static int arb_take_spsc(void *source, void *payload)
    {
        return arb_spsc_try_pop((arb_spsc_ring_t *)source, payload);
    }
    static int arb_take_mpsc(void *source, void *payload)
    {
        return arb_mpsc_try_pop((arb_mpsc_ring_t *)source, payload);
    }
    typedef struct {
        const arb_broadcast_ring_t *ring;
        arb_broadcast_reader_t *reader;
    } arb_reading_t;
    static int arb_take_broadcast(void *source, void *payload)
    {
        arb_reading_t *reading = (arb_reading_t *)source;
        return arb_broadcast_try_read(reading->ring, reading->reader, payload);
    }
    """
    bint arb_take_spsc(void *source, void *payload) noexcept nogil
    bint arb_take_mpsc(void *source, void *payload) noexcept nogil
    ctypedef struct arb_reading_t:
        const arb_broadcast_ring_t *ring
        arb_broadcast_reader_t *reader
    bint arb_take_broadcast(void *source, void *payload) noexcept nogil


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


cdef int require_writable(bint writable) except -1:
    if not writable:
        raise PermissionError(
            "the ring lies in memory attached read-only; only a broadcast reader works there")
    return 0


cdef int copy_record(object record, char *payload, Py_ssize_t record_bytes) except -1:
    cdef Py_buffer view
    PyObject_GetBuffer(record, &view, PyBUF_SIMPLE)
    try:
        if view.len != record_bytes:
            raise ValueError(
                f"the record was {view.len} bytes long; this ring takes {record_bytes} bytes")
        memcpy(payload, view.buf, record_bytes)
    finally:
        PyBuffer_Release(&view)
    return 0


cdef object take_one(take_t take, void *source, uint32_t record_bytes):
    cdef char payload[ARB_BROADCAST_PAYLOAD_BYTES]
    if not take(source, payload):
        return None
    return PyBytes_FromStringAndSize(payload, record_bytes)


cdef object drain_source(
    take_t take, void *source, uint64_t depth, object records_max, uint32_t record_bytes,
    object dtype,
):
    # The depth at the call bounds the work: a producer that keeps pushing cannot hold us here.
    cdef char payload[ARB_BROADCAST_PAYLOAD_BYTES]
    cdef uint64_t limit = depth if records_max is None else min(<uint64_t>records_max, depth)
    cdef uint64_t count = 0
    cdef Py_buffer view
    if dtype is None:
        records = []
        while count < limit and take(source, payload):
            records.append(PyBytes_FromStringAndSize(payload, record_bytes))
            count += 1
        return records
    import numpy

    array = numpy.empty(limit, dtype)
    if array.itemsize != record_bytes:
        raise ValueError(
            f"the dtype holds {array.itemsize} bytes; records of this ring hold {record_bytes}")
    if limit:
        PyObject_GetBuffer(array.view("u1"), &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            while count < limit and take(source, payload):
                memcpy(<char *>view.buf + count * record_bytes, payload, record_bytes)
                count += 1
        finally:
            PyBuffer_Release(&view)
    return array[:count]


# ---- handles -------------------------------------------------------------------------------------

@cython.no_gc_clear  # the memory behind the claim must outlive __dealloc__
cdef class RingEnd:
    # One end of a ring: the claim, the memory that holds it, and nothing that points back at the
    # ring object, so that rings which keep their own ends are no cycle.

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} is made by its ring's producer() or consumer()")

    cdef int hold(self, object owner, arb_claim_t *claim, uint32_t record_bytes, str end) except -1:
        self.owner = owner
        self.record_bytes = record_bytes
        if claim != NULL:
            self.word = claim_take(claim, end)
            self.claim = claim
        return 0

    cdef int require_open(self) except -1:
        if self.closed:
            raise ValueError(f"the {type(self).__name__} was released")
        return 0

    def release(self) -> None:
        """Give the end back; later calls on this handle raise ValueError."""
        self.closed = True
        if self.claim != NULL:
            claim_drop(self.claim, self.word)
        self.claim = NULL

    def __enter__(self):
        return self

    def __exit__(self, *exc_info) -> None:
        self.release()

    def __dealloc__(self) -> None:
        if self.claim != NULL:
            claim_drop(self.claim, self.word)


cdef class SpscProducer(RingEnd):
    """The writing end of an SpscRing. One thread at a time."""

    cdef arb_spsc_ring_t *ptr

    def try_push(self, record) -> bool:
        """Push one record; False when the ring is full (counted in ``dropped``)."""
        cdef char payload[ARB_RING_PAYLOAD_BYTES]
        self.require_open()
        memset(payload, 0, sizeof(payload))
        copy_record(record, payload, self.record_bytes)
        return arb_spsc_try_push(self.ptr, payload)

    def push_batch(self, records) -> int:
        """Push a contiguous buffer of 56-byte records; return how many fitted."""
        cdef Py_buffer view
        self.require_open()
        if self.record_bytes != ARB_RING_PAYLOAD_BYTES:
            raise ValueError(
                f"push_batch takes records of {ARB_RING_PAYLOAD_BYTES} bytes;"
                f" this ring's have {self.record_bytes}")
        PyObject_GetBuffer(records, &view, PyBUF_SIMPLE)
        try:
            if view.len % ARB_RING_PAYLOAD_BYTES:
                raise ValueError(
                    f"the batch was {view.len} bytes long; accepted are multiples of"
                    f" {ARB_RING_PAYLOAD_BYTES}")
            return arb_spsc_push_batch(
                self.ptr, view.buf, <uint32_t>(view.len // ARB_RING_PAYLOAD_BYTES))
        finally:
            PyBuffer_Release(&view)


cdef class SpscConsumer(RingEnd):
    """The reading end of an SpscRing. One thread at a time."""

    cdef arb_spsc_ring_t *ptr

    def try_pop(self) -> bytes | None:
        """Take the oldest record; None when the ring is empty."""
        self.require_open()
        return take_one(arb_take_spsc, self.ptr, self.record_bytes)

    def drain(self, records_max: int | None = None, dtype=None):
        """Take what waits, at most records_max: a list of bytes, or an array of dtype."""
        self.require_open()
        return drain_source(
            arb_take_spsc, self.ptr, arb_spsc_depth(self.ptr), records_max, self.record_bytes,
            dtype)


cdef class MpscProducer(RingEnd):
    """A writing end of an MpscRing; there may be many, each used by one thread at a time."""

    cdef arb_mpsc_ring_t *ptr

    def try_push(self, record) -> bool:
        """Push one record; False when the ring is full (counted in ``dropped``)."""
        cdef char payload[ARB_RING_PAYLOAD_BYTES]
        self.require_open()
        memset(payload, 0, sizeof(payload))
        copy_record(record, payload, self.record_bytes)
        return arb_mpsc_try_push(self.ptr, payload)


cdef class MpscConsumer(RingEnd):
    """The reading end of an MpscRing. One thread at a time."""

    cdef arb_mpsc_ring_t *ptr

    def try_pop(self) -> bytes | None:
        """Take the oldest record; None when nothing is published."""
        self.require_open()
        return take_one(arb_take_mpsc, self.ptr, self.record_bytes)

    def drain(self, records_max: int | None = None, dtype=None):
        """Take what waits, at most records_max: a list of bytes, or an array of dtype."""
        self.require_open()
        return drain_source(
            arb_take_mpsc, self.ptr, arb_mpsc_depth(self.ptr), records_max, self.record_bytes,
            dtype)


cdef class BroadcastProducer(RingEnd):
    """The writing end of a BroadcastRing. One thread at a time."""

    cdef arb_broadcast_ring_t *ptr

    def try_push(self, record) -> bool:
        """Publish one record; always True, slow readers are lapped instead."""
        cdef char payload[ARB_BROADCAST_PAYLOAD_BYTES]
        self.require_open()
        memset(payload, 0, sizeof(payload))
        copy_record(record, payload, self.record_bytes)
        arb_broadcast_publish(self.ptr, payload)
        return True


cdef class BroadcastReader:
    """One reader of a BroadcastRing with its own cursor; any thread or process, read-only."""

    cdef object owner
    cdef arb_broadcast_ring_t *ptr
    cdef arb_broadcast_reader_t reader
    cdef uint32_t record_bytes
    cdef object default_dtype

    def __init__(self) -> None:
        raise TypeError("BroadcastReader is made by its ring's reader()")

    def try_pop(self) -> bytes | None:
        """Read the next record; None when there is none yet."""
        cdef arb_reading_t reading
        reading.ring, reading.reader = self.ptr, &self.reader
        return take_one(arb_take_broadcast, &reading, self.record_bytes)

    def drain(self, records_max: int | None = None, dtype=None):
        """Read what waits, at most records_max: a list of bytes, or an array of dtype."""
        cdef arb_reading_t reading
        reading.ring, reading.reader = self.ptr, &self.reader
        depth = min(arb_broadcast_depth(self.ptr, &self.reader), <uint64_t>self.ptr.capacity)
        return drain_source(
            arb_take_broadcast, &reading, depth, records_max, self.record_bytes,
            self.default_dtype if dtype is None else dtype)

    @property
    def lost(self) -> int:
        """Records overwritten before this reader came to them."""
        return self.reader.lost

    @property
    def popped(self) -> int:
        """Positions this reader has passed, read and lost together."""
        return self.reader.cursor - self.ptr.first_position

    @property
    def depth(self) -> int:
        """Records that wait; above the ring's capacity some of them are lost already."""
        return arb_broadcast_depth(self.ptr, &self.reader)


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
