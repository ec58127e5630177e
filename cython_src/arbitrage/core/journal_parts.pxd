"""One mapped file of a journal."""

from libc.stdint cimport uint32_t, uint64_t


cdef struct part_t:
    char *mapping  # NULL: none
    size_t mapping_bytes
    size_t ready_begin  # pages from here to ready_end have been touched
    size_t ready_end


cdef void keep_writable(part_t *part, uint64_t index) noexcept nogil
cdef void unmap_part(part_t *part) noexcept
cdef void ready_part(part_t *part, size_t written_bytes) noexcept nogil
cdef int map_part(part_t *part, int file, size_t byte_count, bint writable) except -1
cdef int make_part(part_t *part, str path, uint64_t capacity, uint32_t run,
                   uint64_t first_sequence, uint32_t number) except -1
