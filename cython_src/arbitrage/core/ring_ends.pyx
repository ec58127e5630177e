"""The ends of the rings: handles that push, pop and read.

Made by a ring's ``producer()``, ``consumer()`` or ``reader()``. Records are bytes-like and of a
fixed size; ``drain`` gives a NumPy array when it is told the dtype. Nothing here blocks; every call
holds the GIL.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from arbitrage.core.memory cimport arb_claim_t, claim_drop, claim_take
from arbitrage.core.ring cimport (
    ARB_BROADCAST_PAYLOAD_BYTES,
    ARB_RING_PAYLOAD_BYTES,
    arb_broadcast_depth,
    arb_broadcast_publish,
    arb_broadcast_reader_t,
    arb_broadcast_ring_t,
    arb_mpsc_depth,
    arb_mpsc_try_push,
    arb_spsc_depth,
    arb_spsc_push_batch,
    arb_spsc_try_push,
)

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

    def try_push(self, record) -> bool:
        """Push one record; False when the ring is full (counted in ``dropped``)."""
        cdef char payload[ARB_RING_PAYLOAD_BYTES]
        self.require_open()
        memset(payload, 0, sizeof(payload))
        copy_record(record, payload, self.record_bytes)
        return arb_mpsc_try_push(self.ptr, payload)


cdef class MpscConsumer(RingEnd):
    """The reading end of an MpscRing. One thread at a time."""

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
