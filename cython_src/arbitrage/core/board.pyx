"""The board of a segment: bytes that the trader's main thread leaves for readers, whole or not."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint64_t

cdef extern from "board.h" nogil:
    enum:
        ARB_BOARD_BYTES_MAX

    ctypedef struct arb_board_t:
        pass

    bint arb_board_write(arb_board_t *board, const char *text, uint64_t size) noexcept
    uint64_t arb_board_read(const arb_board_t *board, char *text) noexcept

BOARD_BYTES_MAX = ARB_BOARD_BYTES_MAX


cdef object read_board(const void *board):
    cdef char *text = <char *>PyMem_Malloc(ARB_BOARD_BYTES_MAX)
    cdef uint64_t size
    if text == NULL:
        raise MemoryError()
    try:
        size = arb_board_read(<const arb_board_t *>board, text)
        return None if size == 0 else PyBytes_FromStringAndSize(text, size)
    finally:
        PyMem_Free(text)


cdef object write_board(void *board, bytes text):
    if not text:
        raise ValueError("the board's text was empty; that means that there is none")
    if not arb_board_write(<arb_board_t *>board, PyBytes_AS_STRING(text), len(text)):
        raise ValueError(f"the board's text has {len(text)} bytes; a page holds "
                         f"{ARB_BOARD_BYTES_MAX}")
