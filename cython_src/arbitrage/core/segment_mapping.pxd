from libc.stdint cimport uint8_t, uint32_t, uint64_t

from arbitrage.core.segment_layout cimport arb_control_t, arb_section_t, arb_segment_t


cdef class SegmentMapping:
    cdef arb_segment_t *ptr             # NULL once closed
    cdef readonly str name
    cdef readonly bint readonly
    cdef bint is_owner
    cdef uint64_t mapped_bytes

    cdef arb_control_t *control(self)
    cdef uint8_t *pause_byte(self, object symbol_index) except NULL
    cdef void *block(self, arb_section_t section, uint32_t index)


cdef str not_ready(str name)
cdef void *make_object(str name, uint64_t size) except NULL
cdef void *map_object(str name, bint writable, uint64_t *size) except NULL
cdef void put_text(char *field, str text, size_t size)
cdef uint32_t round_up_pow2(object asked, str name) except 0
cdef void prefault(char *memory, arb_segment_t *plan)
