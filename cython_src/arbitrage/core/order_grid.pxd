"""Grids of prices and quantities: exact decimal steps."""

from libc.stdint cimport int64_t, uint32_t


cdef extern from "order_frames.h" nogil:
    enum:
        ARB_ORDER_DECIMALS_MAX

    ctypedef struct arb_grid_t:
        int64_t mantissa      # one step is mantissa * 10^-decimals
        uint32_t decimals

    uint32_t arb_write_grid(char *out, int64_t count, arb_grid_t grid) noexcept


cdef arb_grid_t grid_of(object step) except *
cdef bytes grid_text(int64_t count, arb_grid_t grid)
