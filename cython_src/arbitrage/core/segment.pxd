from libc.stdint cimport uint8_t, uint32_t, uint64_t

from arbitrage.core.segment_layout cimport arb_control_t, arb_section_t, arb_segment_t


cdef class Segment:
    cdef arb_segment_t *ptr             # NULL once closed
    cdef readonly str name
    cdef readonly bint readonly
    cdef bint is_owner
    cdef uint64_t mapped_bytes
    cdef dict views                     # what this object handed out, made once

    cdef arb_control_t *control(self)
    cdef uint8_t *pause_byte(self, object symbol_index) except NULL
    cdef void *block(self, arb_section_t section, uint32_t index)
