"""The board of a segment, as bytes; :class:`Segment` gives it out."""


cdef object read_board(const void *board)
cdef object write_board(void *board, bytes text)
