# The functions are cimported by arbitrage.core.segment.
BOARD_BYTES_MAX: int
