"""Market records: the dtype that every reader of market data yields, its kinds and its flags."""

from enum import IntEnum, IntFlag


cdef extern from "market_record.h" nogil:
    ctypedef struct arb_market_t:
        pass

    enum:
        ARB_MARKET_QUOTE
        ARB_MARKET_LEVEL
        ARB_MARKET_FUNDING
        ARB_MARKET_GAP
        ARB_MARKET_LAST
        ARB_MARKET_SNAPSHOT
        ARB_MARKET_CARRIED
        ARB_MARKET_BOOK
        ARB_MARKET_ALL_SYMBOLS


MARKET_BYTES = sizeof(arb_market_t)
ALL_SYMBOLS = ARB_MARKET_ALL_SYMBOLS
MARKET_FIELDS = [
    ("recv_ns", "<i8"), ("exch_ns", "<i8"), ("bid_px", "<f8"), ("bid_qty", "<f8"),
    ("ask_px", "<f8"), ("ask_qty", "<f8"), ("number", "<i8"), ("symbol", "<u2"),
    ("venue", "u1"), ("kind", "u1"), ("flags", "<u4"),
]


class MarketKind(IntEnum):
    """What a market record says."""

    QUOTE = ARB_MARKET_QUOTE
    LEVEL = ARB_MARKET_LEVEL
    FUNDING = ARB_MARKET_FUNDING
    GAP = ARB_MARKET_GAP


class MarketFlag(IntFlag):
    """What else is known of a market record."""

    LAST = ARB_MARKET_LAST
    SNAPSHOT = ARB_MARKET_SNAPSHOT
    CARRIED = ARB_MARKET_CARRIED
    BOOK = ARB_MARKET_BOOK


def __getattr__(name: str):
    # NumPy is imported when the dtype is first asked for
    if name != "MARKET_DTYPE":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import numpy

    globals()[name] = numpy.dtype(MARKET_FIELDS)
    return globals()[name]
