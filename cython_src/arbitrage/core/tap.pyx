"""The frame tap in Python: raw frames for the recorder, off by default."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport UINT32_MAX, uint64_t
from libc.stdlib cimport free, malloc

from arbitrage.core.memory cimport AlignedMemory, claim_drop, claim_take

ASIDE = ARB_TAP_ASIDE  # the connection of what is no frame, and counted nowhere


@cython.no_gc_clear  # the memory behind the claim must outlive __dealloc__
cdef class FrameTap:
    """A broadcast of raw frames: one writer, any number of readers, bytes in a ring.

    Parameters
    ----------
    capacity : int
        Bytes, 1 .. 2**30; rounded up to a power of two of at least 4096.

    Examples
    --------
    >>> tap = FrameTap(1 << 20); tap.enable(True); reader = tap.reader()
    >>> tap.write(17, 0, 1, b"frame"), reader.read()
    (True, (17, 0, 1, b'frame'))
    """

    def __init__(self, capacity: int) -> None:
        if not 1 <= capacity <= ARB_TAP_BYTES_MAX:
            raise ValueError(
                f"capacity was {capacity}; accepted is 1 .. {ARB_TAP_BYTES_MAX} bytes"
                " (rounded up to a power of two)")
        cdef AlignedMemory memory = AlignedMemory(arb_frame_tap_bytes(capacity))
        self.owner, self.ptr, self.writable = memory, <arb_frame_tap_t *>memory.ptr, True
        arb_frame_tap_init(self.ptr, capacity)

    def __dealloc__(self) -> None:
        if self.word != 0:
            claim_drop(&self.ptr.producer_claim, self.word)

    cdef int require_writable(self) except -1:
        if not self.writable:
            raise PermissionError("the tap lies in memory attached read-only; only reader() works")
        return 0

    def enable(self, enabled: bool) -> None:
        """Switch the tap on or off; any thread of the process that owns the memory."""
        self.require_writable()
        arb_tap_enable(self.ptr, enabled)

    def claim(self) -> None:
        """Claim the writing end for this object; ClaimError when a living process holds it."""
        self.require_writable()
        if self.word == 0:
            self.word = claim_take(&self.ptr.producer_claim, "producer")

    def release(self) -> None:
        """Give the writing end back."""
        claim_drop(&self.ptr.producer_claim, self.word)
        self.word = 0

    def write(self, recv_mono_ns: int, venue: int, connection: int, frame) -> bool:
        """Write one frame; False when the tap is off or the frame is longer than half of it."""
        cdef Py_buffer view
        self.claim()
        PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE)
        try:
            if <uint64_t>view.len > UINT32_MAX:
                return False
            return arb_tap_write(self.ptr, recv_mono_ns, venue, connection, view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    def reader(self, *, from_first: bool = False) -> TapReader:
        """Make a reader that sees what is written from now on; read-only memory will do.

        `from_first`: from the first frame of all on, where none of them was overwritten yet.
        """
        cdef TapReader reader = TapReader.__new__(TapReader)
        reader.owner, reader.ptr = self.owner, self.ptr
        reader.scratch_bytes = self.ptr.capacity // 2
        reader.scratch = <char *>malloc(reader.scratch_bytes)
        if reader.scratch == NULL:
            raise MemoryError(f"{reader.scratch_bytes} bytes for one frame were refused")
        if from_first:
            arb_tap_reader_init_first(self.ptr, &reader.reader)
        else:
            arb_tap_reader_init(self.ptr, &reader.reader)
        return reader

    @property
    def enabled(self) -> bool:
        """Whether frames are written."""
        return arb_tap_enabled(self.ptr)

    @property
    def capacity(self) -> int:
        """The real capacity in bytes."""
        return self.ptr.capacity

    @property
    def frames(self) -> int:
        """Frames written so far."""
        return self.ptr.frames

    @property
    def refused(self) -> int:
        """Frames that were too long."""
        return self.ptr.refused


cdef class TapReader:
    """One reader of a FrameTap with its own cursor."""

    cdef object owner
    cdef arb_frame_tap_t *ptr
    cdef arb_tap_reader_t reader
    cdef char *scratch         # untouched pages cost nothing
    cdef size_t scratch_bytes

    def __init__(self) -> None:
        raise TypeError("TapReader is made by its tap's reader()")

    def __dealloc__(self) -> None:
        free(self.scratch)

    def read(self) -> tuple[int, int, int, bytes] | None:
        """Return (recv_mono_ns, venue, connection, frame) of the next frame, or None.

        Connection `ASIDE`: no frame but what was written aside, a book (told_book.h).
        """
        cdef arb_tap_header_t header
        cdef arb_tap_status_t status = arb_tap_read(
            self.ptr, &self.reader, &header, self.scratch, <uint32_t>self.scratch_bytes)
        if status != ARB_TAP_FRAME:
            return None
        return (header.recv_mono_ns, header.venue, header.connection,
                PyBytes_FromStringAndSize(self.scratch, header.bytes))

    @property
    def position(self) -> int:
        """Frames written before the next one that this reader expects."""
        return self.reader.frame_index

    @property
    def bytes_position(self) -> int:
        """Payload bytes written before the next frame that this reader expects."""
        return self.reader.bytes_before

    @property
    def lost_frames(self) -> int:
        """Frames overwritten before this reader came to them."""
        return self.reader.lost_frames

    @property
    def lost_bytes(self) -> int:
        """Payload bytes of the lost frames."""
        return self.reader.lost_bytes


cdef FrameTap FrameTap_wrap(arb_frame_tap_t *ptr, object owner, bint writable=True):
    cdef FrameTap tap = FrameTap.__new__(FrameTap)
    tap.ptr, tap.owner, tap.writable = ptr, owner, writable
    return tap
