"""The records in Python: NumPy dtypes and enumerations taken from records.h, and client order ids.

The dtypes ``TICK_DTYPE``, ``OPPORTUNITY_DTYPE``, ``ORDER_DTYPE`` and ``EXEC_DTYPE`` are built when
they are first asked for, so that importing this module does not import NumPy. Offsets and types
come from the compiler (offsetof, _Generic); nothing is written down twice.
"""

from collections import namedtuple
from enum import IntEnum

cdef extern from *:
    """
    #include "records.h"
    typedef struct arb_field { const char *name; const char *type; size_t offset; } arb_field_t;
    #define ARB_TYPE_CODE(value) _Generic((value), double: "f8", float: "f4", int64_t: "i8", \\
        uint64_t: "u8", uint32_t: "u4", uint16_t: "u2", uint8_t: "u1")
    #define ARB_FIELD(type, name) {#name, ARB_TYPE_CODE(((type *)0)->name), offsetof(type, name)}
    #define ARB_END {NULL, NULL, 0}
    #define F(name) ARB_FIELD(arb_tick_t, name)
    static const arb_field_t arb_tick_fields[] = {
        F(bid_px), F(ask_px), F(bid_qty), F(ask_qty), F(recv_mono_ns), F(seq_row_kind),
        F(exch_wall_ms), F(aux_u32), ARB_END};
    #undef F
    #define F(name) ARB_FIELD(arb_opportunity_t, name)
    static const arb_field_t arb_opportunity_fields[] = {
        F(id), F(recv_mono_ns), F(open_mono_ns), F(ask_px), F(bid_px), F(ask_qty), F(bid_qty),
        F(gross_bps), F(net_bps), F(fees_bps), F(slippage_bps), F(funding_bps), F(close_bps),
        F(peak_net_bps), F(confidence), F(parsed_ns), F(detected_ns), F(other_age_us),
        F(update_count), F(buy_row), F(sell_row), F(symbol_index), F(event), F(reason), ARB_END};
    #undef F
    #define F(name) ARB_FIELD(arb_order_t, name)
    static const arb_field_t arb_order_fields[] = {
        F(client_id), F(recv_mono_ns), F(px_ticks), F(qty_lots), F(detected_ns), F(decided_ns),
        F(row), F(venue), F(side), F(action), F(flags), F(symbol_index), F(opportunity_id),
        ARB_END};
    #undef F
    #define F(name) ARB_FIELD(arb_exec_t, name)
    static const arb_field_t arb_exec_fields[] = {
        F(client_id), F(recv_mono_ns), F(px), F(last_qty_lots), F(cum_qty_lots), F(fee_bps),
        F(venue_code), F(row), F(venue), F(kind), F(side), ARB_END};
    #undef F
    """
    ctypedef struct arb_field_t:
        const char *name
        const char *type
        size_t offset
    const arb_field_t *arb_tick_fields
    const arb_field_t *arb_opportunity_fields
    const arb_field_t *arb_order_fields
    const arb_field_t *arb_exec_fields

VENUE_COUNT = ARB_VENUE_COUNT
VENUES_MAX = ARB_VENUES_MAX
SYMBOLS_MAX = ARB_SYMBOLS_MAX
ROW_NONE = ARB_ROW_NONE
NAME_BYTES_MAX = ARB_NAME_BYTES_MAX
ORDER_REDUCE_ONLY = ARB_ORDER_REDUCE_ONLY
TICK_BYTES = sizeof(arb_tick_t)
OPPORTUNITY_BYTES = sizeof(arb_opportunity_t)
ORDER_BYTES = sizeof(arb_order_t)
EXEC_BYTES = sizeof(arb_exec_t)


class Venue(IntEnum):
    """An exchange."""

    BYBIT = ARB_VENUE_BYBIT
    OKX = ARB_VENUE_OKX
    UNKNOWN = ARB_VENUE_UNKNOWN


class RowState(IntEnum):
    """How far a row's quote may be believed; only LIVE rows may trade."""

    EMPTY = ARB_ROW_EMPTY
    SYNCING = ARB_ROW_SYNCING
    LIVE = ARB_ROW_LIVE
    SUSPECT = ARB_ROW_SUSPECT
    STALE = ARB_ROW_STALE
    GAP = ARB_ROW_GAP
    UNKNOWN = ARB_ROW_UNKNOWN


class QuoteKind(IntEnum):
    """Whether a frame stated the whole top of book or only what changed."""

    SNAPSHOT = ARB_QUOTE_SNAPSHOT
    DELTA = ARB_QUOTE_DELTA


class FrameStatus(IntEnum):
    """What became of a frame; everything from MALFORMED up applied nothing."""

    QUOTE = ARB_FRAME_QUOTE
    CONTROL = ARB_FRAME_CONTROL
    OTHER_TOPIC = ARB_FRAME_OTHER_TOPIC
    UNKNOWN_SYMBOL = ARB_FRAME_UNKNOWN_SYMBOL
    MALFORMED = ARB_FRAME_MALFORMED
    TRUNCATED = ARB_FRAME_TRUNCATED
    BAD_JSON = ARB_FRAME_BAD_JSON
    MISSING_FIELD = ARB_FRAME_MISSING_FIELD
    DUPLICATE_FIELD = ARB_FRAME_DUPLICATE_FIELD
    BAD_NUMBER = ARB_FRAME_BAD_NUMBER
    BAD_TYPE = ARB_FRAME_BAD_TYPE
    SYMBOL_MISMATCH = ARB_FRAME_SYMBOL_MISMATCH
    CROSSED = ARB_FRAME_CROSSED
    TOO_LONG = ARB_FRAME_TOO_LONG


class TickKind(IntEnum):
    """What a tick carries."""

    QUOTE = ARB_TICK_QUOTE
    STATE = ARB_TICK_STATE
    FUNDING = ARB_TICK_FUNDING


class OppEvent(IntEnum):
    """A point in the life of an opportunity."""

    OPEN = ARB_OPP_OPEN
    UPDATE = ARB_OPP_UPDATE
    CLOSE = ARB_OPP_CLOSE
    UNKNOWN = ARB_OPP_UNKNOWN


class CloseReason(IntEnum):
    """Why an opportunity ended."""

    NONE = ARB_CLOSE_NONE
    EDGE_GONE = ARB_CLOSE_EDGE_GONE
    PRICE_GONE = ARB_CLOSE_PRICE_GONE
    NOT_LIVE = ARB_CLOSE_NOT_LIVE
    TOO_OLD = ARB_CLOSE_TOO_OLD
    THIN = ARB_CLOSE_THIN
    CONFIDENCE = ARB_CLOSE_CONFIDENCE
    SHUTDOWN = ARB_CLOSE_SHUTDOWN


class Leg(IntEnum):
    """The part an order plays in its pair; a field of the client id."""

    ENTRY_BUY = ARB_LEG_ENTRY_BUY
    ENTRY_SELL = ARB_LEG_ENTRY_SELL
    EXIT_BUY = ARB_LEG_EXIT_BUY
    EXIT_SELL = ARB_LEG_EXIT_SELL
    UNWIND_BUY = ARB_LEG_UNWIND_BUY
    UNWIND_SELL = ARB_LEG_UNWIND_SELL
    MANUAL = ARB_LEG_MANUAL


class Side(IntEnum):
    """Buy or sell."""

    BUY = ARB_SIDE_BUY
    SELL = ARB_SIDE_SELL
    UNKNOWN = ARB_SIDE_UNKNOWN


class OrderAction(IntEnum):
    """What an order record asks of the gateway."""

    NEW_IOC = ARB_ORDER_NEW_IOC
    CANCEL = ARB_ORDER_CANCEL
    UNKNOWN = ARB_ORDER_UNKNOWN


class ExecKind(IntEnum):
    """What a venue said of an order."""

    SENT = ARB_EXEC_SENT
    ACK = ARB_EXEC_ACK
    REJECT = ARB_EXEC_REJECT
    FILL = ARB_EXEC_FILL
    DONE = ARB_EXEC_DONE
    TIMEOUT = ARB_EXEC_TIMEOUT
    VENUE = ARB_EXEC_VENUE


ClientId = namedtuple("ClientId", ["run", "pair", "leg", "attempt"])
ClientId.__doc__ = "The fields of a client order id: run, pair, leg (a Leg's number), attempt."


def make_client_id(run: int, pair: int, leg: int, attempt: int = 0) -> int:
    """Pack a client order id, one positive 63-bit integer.

    Parameters
    ----------
    run, pair, leg, attempt : int
        28, 24, 3 and 8 bits; ValueError names the one that does not fit.

    Examples
    --------
    >>> split_client_id(make_client_id(5, 7, Leg.EXIT_BUY))
    ClientId(run=5, pair=7, leg=2, attempt=0)
    """
    for name, value, bits in (
        ("run", run, ARB_RUN_BITS),
        ("pair", pair, ARB_PAIR_BITS),
        ("leg", leg, ARB_LEG_BITS),
        ("attempt", attempt, ARB_ATTEMPT_BITS),
    ):
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{name} was {value}; accepted is 0 .. {(1 << bits) - 1}")
    return arb_client_id(run, pair, leg, attempt)


def split_client_id(client_id: int) -> ClientId:
    """Unpack a client order id; ValueError when it is not one of 63 bits."""
    if not 0 <= client_id < 1 << 63:
        raise ValueError(f"client id was {client_id}; accepted is 0 .. 2**63 - 1")
    return ClientId(
        arb_client_id_run(client_id),
        arb_client_id_pair(client_id),
        arb_client_id_leg(client_id),
        arb_client_id_attempt(client_id),
    )


def pack_tick_key(seq: int, row: int, kind: int) -> int:
    """Pack a tick's ``seq_row_kind`` word from sequence (48 bits), row (13) and kind (3)."""
    if not 0 <= row <= ARB_ROW_NONE or not 0 <= kind < 8:
        raise ValueError(
            f"row was {row} and kind {kind}; accepted are 0 .. {ARB_ROW_NONE} and 0 .. 7")
    return arb_tick_pack(seq & 0xFFFFFFFFFFFF, row, kind)


def split_tick_key(key):
    """Return (seq, row, kind) of a ``seq_row_kind`` word or of an array of them."""
    return key >> 16, (key >> 3) & 0x1FFF, key & 7


cdef object build_dtype(const arb_field_t *fields, size_t record_bytes):
    import numpy

    names, formats, offsets = [], [], []
    cdef size_t index = 0
    while fields[index].name != NULL:
        names.append(fields[index].name.decode("ascii"))
        formats.append(fields[index].type.decode("ascii"))
        offsets.append(fields[index].offset)
        index += 1
    return numpy.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": record_bytes})


def __getattr__(name: str):
    # called once a name: the dtype then lies in the module's namespace
    if name == "TICK_DTYPE":
        dtype = build_dtype(arb_tick_fields, sizeof(arb_tick_t))
    elif name == "OPPORTUNITY_DTYPE":
        dtype = build_dtype(arb_opportunity_fields, sizeof(arb_opportunity_t))
    elif name == "ORDER_DTYPE":
        dtype = build_dtype(arb_order_fields, sizeof(arb_order_t))
    elif name == "EXEC_DTYPE":
        dtype = build_dtype(arb_exec_fields, sizeof(arb_exec_t))
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = dtype
    return dtype
