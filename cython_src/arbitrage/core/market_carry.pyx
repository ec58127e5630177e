"""What stands of a stream of market records where it is cut."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from posix.stdlib cimport posix_memalign

from arbitrage.core.book cimport (
    ARB_BOOK_CAPACITY_MAX,
    arb_book_bytes,
    arb_book_init,
    arb_book_t,
)

from arbitrage.core import market_records


cdef extern from "market_carry.h" nogil:
    ctypedef struct arb_market_t:
        uint16_t symbol
        uint8_t venue
        uint8_t kind

    ctypedef struct arb_carry_row_t:
        arb_book_t *book

    ctypedef struct arb_carry_t:
        arb_carry_row_t *rows
        uint32_t symbol_count

    enum:
        ARB_VENUE_COUNT
        ARB_MARKET_GAP
        ARB_MARKET_ALL_SYMBOLS

    size_t arb_carry_take(arb_carry_t *carry, const arb_market_t *records, size_t count) noexcept
    uint32_t arb_carry_size(const arb_carry_row_t *row) noexcept
    arb_market_t *arb_carry_state(const arb_carry_row_t *row, int64_t at_ns,
                                  arb_market_t *out) noexcept


cdef class MarketCarry:
    """Follow a stream of market records; state what stands, as records, at any moment.

    Threads: one. The interpreter lock is released while records are taken.

    Parameters
    ----------
    symbol_count : int
        Symbols of the stream, at least 0.
    """

    cdef arb_carry_t carry
    cdef size_t row_count

    def __init__(self, uint16_t symbol_count) -> None:
        if self.carry.rows != NULL:
            raise ValueError("a MarketCarry cannot be initialised twice")
        self.row_count = <size_t>ARB_VENUE_COUNT * symbol_count
        self.carry.symbol_count = symbol_count
        self.carry.rows = <arb_carry_row_t *>calloc(self.row_count + 1, sizeof(arb_carry_row_t))
        if self.carry.rows == NULL:
            raise MemoryError()

    def __dealloc__(self):
        cdef size_t row
        if self.carry.rows != NULL:
            for row in range(self.row_count):
                free(self.carry.rows[row].book)
        free(self.carry.rows)

    cdef int held(self) except -1:
        # A subclass that skips __init__ gets an error, not a crash.
        if self.carry.rows == NULL:
            raise ValueError("MarketCarry.__init__ was not called")
        return 0

    def take(self, records) -> None:
        """Follow the records of a contiguous array of MARKET_DTYPE, in order."""
        cdef Py_buffer view
        cdef arb_market_t *at
        cdef size_t left, done, index
        self.held()
        PyObject_GetBuffer(records, &view, PyBUF_SIMPLE)
        try:
            if view.len % sizeof(arb_market_t) != 0:
                raise ValueError(f"records were {view.len} bytes, no multiple of 64")
            at = <arb_market_t *>view.buf
            left = <size_t>view.len // sizeof(arb_market_t)
            for index in range(left):
                if at[index].venue >= ARB_VENUE_COUNT or (
                        at[index].symbol >= self.carry.symbol_count
                        and not (at[index].kind == ARB_MARKET_GAP
                                 and at[index].symbol == ARB_MARKET_ALL_SYMBOLS)):
                    raise ValueError(f"record {index} is of a venue or symbol that is none")
            while left > 0:
                with nogil:
                    done = arb_carry_take(&self.carry, at, left)
                at += done
                left -= done
                if left > 0:
                    self.add_book(at.venue * self.carry.symbol_count + at.symbol)
        finally:
            PyBuffer_Release(&view)

    cdef int add_book(self, size_t row) except -1:
        cdef void *memory = NULL
        if posix_memalign(&memory, 128, arb_book_bytes(ARB_BOOK_CAPACITY_MAX)) != 0:
            raise MemoryError()
        memset(memory, 0, arb_book_bytes(ARB_BOOK_CAPACITY_MAX))
        self.carry.rows[row].book = <arb_book_t *>memory
        arb_book_init(self.carry.rows[row].book, ARB_BOOK_CAPACITY_MAX)
        return 0

    def state(self, int64_t at_ns):
        """Return what stands, an array of MARKET_DTYPE of that time, flagged CARRIED."""
        cdef size_t row, count = 0
        cdef arb_market_t *out
        import numpy

        self.held()
        for row in range(self.row_count):
            count += arb_carry_size(self.carry.rows + row)
        content = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>(count * sizeof(arb_market_t)))
        out = <arb_market_t *>PyBytes_AS_STRING(content)
        for row in range(self.row_count):
            out = arb_carry_state(self.carry.rows + row, at_ns, out)
        return numpy.frombuffer(content, market_records.MARKET_DTYPE)
