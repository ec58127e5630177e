"""The venues' public frames as quotes: the Python face of bybit_frames.h and okx_frames.h."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.math cimport isnan
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from arbitrage.core.records cimport (
    ARB_FRAME_BAD_JSON,
    ARB_FRAME_BAD_NUMBER,
    ARB_FRAME_BAD_TYPE,
    ARB_FRAME_CONTROL,
    ARB_FRAME_CROSSED,
    ARB_FRAME_DUPLICATE_FIELD,
    ARB_FRAME_MALFORMED,
    ARB_FRAME_MISSING_FIELD,
    ARB_FRAME_OTHER_TOPIC,
    ARB_FRAME_QUOTE,
    ARB_FRAME_STATUS_COUNT,
    ARB_FRAME_SYMBOL_MISMATCH,
    ARB_FRAME_TOO_LONG,
    ARB_FRAME_TRUNCATED,
    ARB_FRAME_UNKNOWN_SYMBOL,
    ARB_VENUE_BYBIT,
    ARB_VENUE_OKX,
)

__all__ = [
    "STATUS_NAMES", "VENUES", "FrameBatch", "Quote", "TopOfBook", "parse_decimal", "parse_frame",
    "parse_many",
]

VENUES = ("bybit", "okx")

# what became of a frame, by arb_frame_status_t
STATUS_NAMES = {
    ARB_FRAME_QUOTE: "quote",
    ARB_FRAME_CONTROL: "control",
    ARB_FRAME_OTHER_TOPIC: "other_topic",
    ARB_FRAME_UNKNOWN_SYMBOL: "unknown_symbol",
    ARB_FRAME_MALFORMED: "malformed",
    ARB_FRAME_TRUNCATED: "truncated",
    ARB_FRAME_BAD_JSON: "bad_json",
    ARB_FRAME_MISSING_FIELD: "missing_field",
    ARB_FRAME_DUPLICATE_FIELD: "duplicate_field",
    ARB_FRAME_BAD_NUMBER: "bad_number",
    ARB_FRAME_BAD_TYPE: "bad_type",
    ARB_FRAME_SYMBOL_MISMATCH: "symbol_mismatch",
    ARB_FRAME_CROSSED: "crossed",
    ARB_FRAME_TOO_LONG: "too_long",
}

cdef dict REASONS = {
    ARB_FRAME_MALFORMED: "a level list or a symbol has no clear meaning",
    ARB_FRAME_TRUNCATED: "it ended inside a value",
    ARB_FRAME_BAD_JSON: "it is not the JSON expected here",
    ARB_FRAME_MISSING_FIELD: "a field that a quote needs is missing",
    ARB_FRAME_DUPLICATE_FIELD: "a field that a quote needs came twice",
    ARB_FRAME_BAD_NUMBER: "not a number, or negative, or out of range",
    ARB_FRAME_BAD_TYPE: "its type is neither snapshot nor delta",
    ARB_FRAME_SYMBOL_MISMATCH: "topic and data name different symbols",
    ARB_FRAME_CROSSED: "the bid is above the ask",
    ARB_FRAME_TOO_LONG: "it is longer than any real frame of this topic",
}

cdef tuple KINDS = ("snapshot", "delta")
cdef tuple WAYS = ("best", "baseline", "scanner")
cdef tuple TOP_RESULTS = ("ignored", "applied", "repeat", "older", "gap")


cdef int venue_index(object venue) except -1:
    if venue == "bybit":
        return ARB_VENUE_BYBIT
    if venue == "okx":
        return ARB_VENUE_OKX
    raise ValueError(f"venue was {venue!r}; accepted are {', '.join(VENUES)}")


cdef inline arb_frame_status_t parse(
    int venue, const char *frame, size_t length, arb_quote_t *quote
) noexcept nogil:
    if venue == ARB_VENUE_BYBIT:
        return arb_bybit_parse_l1(frame, length, quote)
    return arb_okx_parse_bbo(frame, length, quote)


cdef inline arb_frame_status_t parse_baseline(
    int venue, const char *frame, size_t length, arb_quote_t *quote
) noexcept nogil:
    if venue == ARB_VENUE_BYBIT:
        return arb_bybit_parse_l1_baseline(frame, length, quote)
    return arb_okx_parse_bbo_baseline(frame, length, quote)


cdef inline arb_frame_status_t scan(
    int venue, const char *frame, size_t length, arb_quote_t *quote, size_t *offset
) noexcept nogil:
    if venue == ARB_VENUE_BYBIT:
        return arb_bybit_scan_l1(frame, length, quote, offset)
    return arb_okx_scan_bbo(frame, length, quote, offset)


cdef class Quote:
    """One frame's quote in the venue's own units; a missing side is NaN.

    Threads     immutable.
    Attributes  bid_px ask_px: float; bid_qty ask_qty: float, the venue's units (Bybit: base coin,
                OKX swap: contracts); symbol: the venue's; exch_wall_ns: venue time, UTC;
                seq: cross sequence; update_id: Bybit u, OKX seqId; kind: "snapshot" or "delta"
                (a delta's missing side is unchanged or deleted); venue.
    """

    cdef readonly str venue
    cdef readonly str symbol
    cdef readonly str kind
    cdef readonly double bid_px
    cdef readonly double ask_px
    cdef readonly double bid_qty
    cdef readonly double ask_qty
    cdef readonly int64_t exch_wall_ns
    cdef readonly int64_t seq
    cdef readonly int64_t update_id

    def __init__(self) -> None:
        raise TypeError("a Quote comes from parse_frame(venue, frame)")

    cdef tuple fields(self):
        # NaN equals nothing, so a missing side compares as None
        return (
            self.venue, self.symbol, self.kind,
            None if isnan(self.bid_px) else self.bid_px,
            None if isnan(self.ask_px) else self.ask_px,
            None if isnan(self.bid_qty) else self.bid_qty,
            None if isnan(self.ask_qty) else self.ask_qty,
            self.exch_wall_ns, self.seq, self.update_id,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Quote):
            return NotImplemented
        return self.fields() == (<Quote>other).fields()

    def __hash__(self) -> int:
        return hash(self.fields())

    def __repr__(self) -> str:
        return (
            f"Quote(venue={self.venue!r}, symbol={self.symbol!r}, kind={self.kind!r}, "
            f"bid_px={self.bid_px!r}, ask_px={self.ask_px!r}, bid_qty={self.bid_qty!r}, "
            f"ask_qty={self.ask_qty!r}, exch_wall_ns={self.exch_wall_ns}, seq={self.seq}, "
            f"update_id={self.update_id})"
        )


cdef Quote make_quote(const arb_quote_t *source):
    cdef Quote quote = Quote.__new__(Quote)
    quote.venue = VENUES[source.venue]
    quote.symbol = source.symbol[:source.symbol_bytes].decode("utf-8", "surrogateescape")
    quote.kind = KINDS[source.kind]
    quote.bid_px = source.bid_px
    quote.ask_px = source.ask_px
    quote.bid_qty = source.bid_qty
    quote.ask_qty = source.ask_qty
    quote.exch_wall_ns = source.exch_wall_ns
    quote.seq = source.seq
    quote.update_id = source.update_id
    return quote


cdef object refuse(int venue, const char *frame, size_t length, arb_frame_status_t status):
    cdef arb_quote_t ignored
    cdef size_t offset = 0
    name = VENUES[venue]
    if status == ARB_FRAME_CONTROL:
        raise ValueError(
            f"{name} frame was a control frame (acknowledgement, pong, event), not a quote")
    if status == ARB_FRAME_OTHER_TOPIC:
        raise ValueError(f"{name} frame was of another topic, not a top of book")
    scan(venue, frame, length, &ignored, &offset)
    raise ValueError(
        f"{name} frame was malformed at byte {offset} of {length}: {REASONS[status]} "
        f"({STATUS_NAMES[status]})"
    )


cdef int parse_into(int venue, bytes frame, arb_quote_t *quote) except -1:
    cdef const char *text = PyBytes_AS_STRING(frame)
    cdef size_t length = <size_t>PyBytes_GET_SIZE(frame)
    cdef arb_frame_status_t status = parse(venue, text, length, quote)
    if status != ARB_FRAME_QUOTE:
        refuse(venue, text, length, status)
    return 0


def parse_frame(venue: str, frame: bytes) -> Quote:
    """Read the quote of one public frame.

    Threads     any; holds the GIL.
    Parameters  venue: "bybit" (orderbook.1) or "okx" (bbo-tbt); frame: the frame's text.
    Returns     the quote, prices and quantities in the venue's own units, a missing side NaN.
    Errors      ValueError with reason and offset when the frame is malformed, or is no quote.
    Cost        one Quote object; the parser itself allocates nothing.
    Source      Bybit V5 websocket/public/orderbook; OKX V5 order book channel.
    Example     parse_frame("okx", frame).bid_px
    """
    cdef arb_quote_t quote
    parse_into(venue_index(venue), frame, &quote)
    return make_quote(&quote)


def parse_decimal(text: bytes) -> float:
    """Read a JSON number as the correctly rounded double: what float() makes of the same text.

    Threads     any; holds the GIL.
    Errors      ValueError when the whole text is no JSON number, or too large for a double.
    Source      decimal.h
    """
    cdef double value
    if not arb_decimal_parse(PyBytes_AS_STRING(text), <size_t>PyBytes_GET_SIZE(text), &value):
        raise ValueError(f"{text[:40]!r} was not a JSON number that a double can hold")
    return value


cdef class FrameBatch:
    """Frames of one venue, packed end to end for timing and bulk parsing.

    Parameters  venue: "bybit" or "okx"; frames: the frames' texts, copied.
    """

    cdef char *packed
    cdef size_t *starts
    cdef readonly size_t frame_count
    cdef int venue_id
    cdef readonly double checksum  # sum of the prices of the last parse: proves that work was done

    def __cinit__(self) -> None:
        self.packed = NULL
        self.starts = NULL

    def __init__(self, venue: str, frames: list[bytes]) -> None:
        cdef size_t total = 0, position = 0
        cdef bytes frame
        if self.packed != NULL:
            raise ValueError("this FrameBatch already holds frames; make another one")
        self.venue_id = venue_index(venue)
        for frame in frames:
            total += <size_t>len(frame)
        self.packed = <char *>malloc(total + 1)
        self.starts = <size_t *>malloc((<size_t>len(frames) + 1) * sizeof(size_t))
        if self.packed == NULL or self.starts == NULL:
            raise MemoryError(f"no memory for {total} bytes of frames")
        self.starts[0] = 0
        for frame in frames:
            memcpy(self.packed + position, PyBytes_AS_STRING(frame), <size_t>len(frame))
            position += <size_t>len(frame)
            self.frame_count += 1
            self.starts[self.frame_count] = position

    def __dealloc__(self) -> None:
        free(self.packed)
        free(self.starts)

    def __len__(self) -> int:
        return self.frame_count

    def parse(self, repeat: int = 1, way: str = "best") -> dict[str, int]:
        """Parse all frames repeat times; count what became of them, by status name.

        Threads     any; releases the GIL.
        Parameters  way: "best" that the processor can; "baseline", as on one without AVX2;
                    "scanner": the any-order scanner alone, without the expected text.
        Errors      ValueError for another way.
        """
        cdef uint64_t counts[ARB_FRAME_STATUS_COUNT]
        cdef arb_quote_t quote
        cdef arb_frame_status_t status
        cdef size_t frame_index, offset, rounds = repeat
        cdef double checksum = 0
        cdef int venue = self.venue_id
        cdef bint slow = way == "scanner", baseline = way == "baseline"
        cdef char *packed = self.packed
        cdef size_t *starts = self.starts
        if way not in WAYS:
            raise ValueError(f"way was {way!r}; accepted are {', '.join(WAYS)}")
        memset(counts, 0, sizeof(counts))
        with nogil:
            while rounds > 0:
                rounds -= 1
                for frame_index in range(self.frame_count):
                    if slow:
                        status = scan(
                            venue, packed + starts[frame_index],
                            starts[frame_index + 1] - starts[frame_index], &quote, &offset)
                    elif baseline:
                        status = parse_baseline(
                            venue, packed + starts[frame_index],
                            starts[frame_index + 1] - starts[frame_index], &quote)
                    else:
                        status = parse(
                            venue, packed + starts[frame_index],
                            starts[frame_index + 1] - starts[frame_index], &quote)
                    counts[<int>status] += 1
                    if status == ARB_FRAME_QUOTE:
                        checksum += quote.bid_px + quote.ask_px + quote.bid_qty + quote.ask_qty
                        checksum += <double>(quote.exch_wall_ns + quote.seq)
        self.checksum = checksum
        return {
            name: counts[<int>status]
            for status, name in STATUS_NAMES.items() if counts[<int>status]
        }


def parse_many(venue: str, frames: list[bytes], repeat: int = 1) -> dict[str, int]:
    """Parse frames and count what became of them, by status name.

    Threads     any; releases the GIL while parsing.
    Parameters  frames: the frames' texts; repeat: how often to parse them all.
    Returns     counts by name of STATUS_NAMES, those that are not zero.
    Example     parse_many("bybit", frames)["quote"]
    """
    return FrameBatch(venue, frames).parse(repeat)


cdef class TopOfBook:
    """The last complete top of one row, brought up to date frame by frame (top_of_book.h).

    Threads  one owner.
    """

    cdef arb_top_t top
    cdef int venue_id

    def __init__(self, venue: str) -> None:
        self.venue_id = venue_index(venue)
        memset(&self.top, 0, sizeof(self.top))
        self.top.bid_px = self.top.ask_px = self.top.bid_qty = self.top.ask_qty = float("nan")

    def apply(self, frame: bytes) -> str:
        """Apply one frame: "applied", "repeat", "older", "ignored" or "gap".

        Errors      ValueError as parse_frame.
        """
        cdef arb_quote_t quote
        parse_into(self.venue_id, frame, &quote)
        return TOP_RESULTS[<int>arb_top_update(&self.top, &quote)]

    def reset(self) -> None:
        """Forget the top, as on a disconnect."""
        arb_top_reset(&self.top)

    @property
    def bid_px(self) -> float:
        return self.top.bid_px

    @property
    def ask_px(self) -> float:
        return self.top.ask_px

    @property
    def bid_qty(self) -> float:
        return self.top.bid_qty

    @property
    def ask_qty(self) -> float:
        return self.top.ask_qty

    @property
    def seq(self) -> int:
        return self.top.seq

    @property
    def exch_wall_ns(self) -> int:
        return self.top.exch_wall_ns
