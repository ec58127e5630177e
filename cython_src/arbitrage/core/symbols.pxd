"""C API of the symbol map, and its owner's C face."""

from libc.stdint cimport uint8_t, uint32_t

cdef extern from "symbol_map.h" nogil:
    enum:
        ARB_ROW_NONE            # "no row": the symbol is not held
        ARB_SYMBOLS_MAX
        ARB_VENUES_MAX
        ARB_VENUE_COUNT
        ARB_NAME_BYTES_MAX

    ctypedef enum arb_symbol_status_t:
        ARB_SYMBOL_OK
        ARB_SYMBOL_FULL
        ARB_SYMBOL_DUPLICATE
        ARB_SYMBOL_BAD_NAME
        ARB_SYMBOL_BAD_ROW

    ctypedef struct arb_symbol_name_t:
        char *text              # zero padded
        uint8_t bytes           # 0: no name here

    ctypedef struct arb_symbol_map_t:
        uint32_t capacity       # canonical symbols there is room for
        uint32_t symbol_count   # of them in use

    size_t arb_symbol_map_bytes(uint32_t capacity)
    void arb_symbol_map_init(arb_symbol_map_t *map, uint32_t capacity)
    uint32_t arb_symbol_map_find(
        const arb_symbol_map_t *map, uint32_t venue, const char *name, size_t length)
    arb_symbol_status_t arb_symbol_map_add(
        arb_symbol_map_t *map, const char *name, size_t length, uint32_t *symbol_index)
    arb_symbol_status_t arb_symbol_map_insert(
        arb_symbol_map_t *map, uint32_t venue, const char *name, size_t length, uint32_t row)
    arb_symbol_name_t *arb_symbol_venue_name(const arb_symbol_map_t *map, uint32_t row)
    arb_symbol_name_t *arb_symbol_canonical(const arb_symbol_map_t *map, uint32_t symbol_index)

cdef class SymbolMap:
    cdef arb_symbol_map_t *ptr  # own memory, or the owner's
    cdef void *memory           # own allocation; NULL when borrowed
    cdef object owner           # keeps borrowed memory alive
    cdef bint writable
    cdef int insert(self, uint32_t venue, bytes name, uint32_t index) except -1
    cdef uint32_t find(self, uint32_t venue, bytes name) noexcept
    cdef str name(self, uint32_t index)

# Wrap a map that was initialised in somebody else's memory; owner keeps that memory alive.
cdef SymbolMap SymbolMap_wrap(arb_symbol_map_t *ptr, object owner, bint writable=*)
