"""A venue's order book of one symbol, kept up to date frame by frame: the Python face of book.h."""

from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from arbitrage.core.memory cimport AlignedMemory
from arbitrage.core.records cimport (
    ARB_FRAME_BAD_JSON,
    ARB_FRAME_BAD_NUMBER,
    ARB_FRAME_BAD_TYPE,
    ARB_FRAME_CONTROL,
    ARB_FRAME_DUPLICATE_FIELD,
    ARB_FRAME_MALFORMED,
    ARB_FRAME_MISSING_FIELD,
    ARB_FRAME_OTHER_TOPIC,
    ARB_FRAME_QUOTE,
    ARB_FRAME_SYMBOL_MISMATCH,
    ARB_FRAME_TOO_LONG,
    ARB_FRAME_TRUNCATED,
    ARB_NAME_BYTES_MAX,
    ARB_QUOTE_DELTA,
)

__all__ = ["CHANNELS", "REFUSALS", "RESULTS", "Book"]

# what a frame did to the book, by arb_book_result_t
RESULTS = (
    "applied", "snapshot", "keepalive", "older", "gap", "waiting", "control", "other_topic",
    "other_symbol",
)

# why a frame was refused: nothing of it was applied
REFUSALS = {
    "malformed": "a level list or a symbol has no clear meaning",
    "truncated": "it ended inside a value",
    "bad_json": "it is not the JSON expected here",
    "missing_field": "a field that a book needs is missing",
    "duplicate_field": "a field that a book needs came twice",
    "bad_number": "not a number, or negative, or out of range",
    "bad_type": "it is neither a snapshot nor an update",
    "symbol_mismatch": "it names two different symbols",
    "too_long": "it holds more levels than any real frame of this channel",
}

# (venue, channel): levels a side
CHANNELS = {
    ("bybit", "orderbook.50"): ARB_BOOK_BYBIT_50,
    ("okx", "books"): ARB_BOOK_OKX_400,
    ("okx", "books5"): ARB_BOOK_OKX_5,
}

cdef dict NAMES = {
    ARB_FRAME_MALFORMED: "malformed",
    ARB_FRAME_TRUNCATED: "truncated",
    ARB_FRAME_BAD_JSON: "bad_json",
    ARB_FRAME_MISSING_FIELD: "missing_field",
    ARB_FRAME_DUPLICATE_FIELD: "duplicate_field",
    ARB_FRAME_BAD_NUMBER: "bad_number",
    ARB_FRAME_BAD_TYPE: "bad_type",
    ARB_FRAME_SYMBOL_MISMATCH: "symbol_mismatch",
    ARB_FRAME_TOO_LONG: "too_long",
}
NAMES.update(enumerate(RESULTS))
# by arb_depth_channel_t
cdef tuple CHANNEL_NAMES = ("orderbook.50", "books", "books5")
cdef dict DEFAULTS = {"bybit": "orderbook.50", "okx": "books"}


cdef class Book:
    """The order book of one (venue, symbol), from one channel's frames.

    Threads     one owner.
    Parameters  venue: "bybit" or "okx"; symbol: the venue's own, "" takes that of the first
                snapshot; channel: "orderbook.50", "books" (OKX's default) or "books5"; capacity:
                levels a side, 0 is the channel's own, less drops what is beyond for good;
                legacy_checksum: accept OKX recordings from before the sequence chain, whose frames
                are proven by their checksum.
    Errors      ValueError for an unknown venue or channel, or a capacity out of range.
    Cost        memory for three times the levels, once; an update allocates nothing.
    Source      book.h, bybit_depth.h, okx_depth.h
    Example     book = Book("okx", "BTC-USDT-SWAP"); book.apply(frame) == "gap"
    """

    def __init__(
        self, venue: str, symbol: str = "", channel: str = "", capacity: int = 0,
        legacy_checksum: bool = False,
    ) -> None:
        if self.book != NULL:
            raise RuntimeError("Book.__init__ was called twice")
        channel = channel or DEFAULTS.get(venue, "")
        if (venue, channel) not in CHANNELS:
            accepted = ", ".join(f"{name} {topic}" for name, topic in CHANNELS)
            raise ValueError(f"venue and channel were {venue!r}, {channel!r}; accepted: {accepted}")
        levels = capacity or CHANNELS[venue, channel]
        if not 1 <= levels <= ARB_BOOK_CAPACITY_MAX:
            raise ValueError(
                f"capacity was {capacity}; accepted is 1 to {ARB_BOOK_CAPACITY_MAX}, "
                "or 0 for the channel's own"
            )
        if legacy_checksum and channel != "books":
            raise ValueError(
                f"legacy_checksum was asked for with {channel}; only OKX books had a checksum")
        cdef bytes name = symbol.encode()
        if len(name) > ARB_NAME_BYTES_MAX:
            raise ValueError(f"symbol was {symbol!r}; accepted are {ARB_NAME_BYTES_MAX} bytes")
        cdef uint64_t length = arb_book_bytes(levels)
        self.memory = AlignedMemory(length + sizeof(arb_depth_t))
        self.book = <arb_book_t *>self.memory.ptr
        self.depth = <arb_depth_t *>(self.memory.ptr + length)
        arb_book_init(self.book, levels)
        self.name_bytes = len(name)
        memcpy(self.name, PyBytes_AS_STRING(name), self.name_bytes)
        self.channel_id = CHANNEL_NAMES.index(channel)
        self.legacy = legacy_checksum

    cdef object held(self):
        if self.book == NULL:
            raise RuntimeError("Book.__init__ was not called")

    # Read a frame into self.depth; an arb_frame_status_t. offset is known when it is refused.
    cdef int parse(self, const char *frame, size_t length, size_t *offset) noexcept nogil:
        if self.channel_id == ARB_DEPTH_BYBIT_50:
            return arb_bybit_scan_depth(frame, length, self.depth, offset)
        return arb_okx_scan_depth(frame, length, self.legacy, self.depth, offset)

    # Read a frame and apply it; an arb_book_result_t.
    cdef int take(self, const char *frame, size_t length) noexcept nogil:
        cdef arb_depth_t *depth = self.depth
        cdef int status
        cdef size_t offset
        if self.channel_id == ARB_DEPTH_BYBIT_50:
            status = arb_bybit_parse_depth(frame, length, depth)
        elif self.legacy:
            status = self.parse(frame, length, &offset)
        else:
            status = arb_okx_parse_depth(frame, length, depth)
        if status != ARB_FRAME_QUOTE:
            if status == ARB_FRAME_CONTROL:
                return ARB_BOOK_CONTROL
            return ARB_BOOK_OTHER_TOPIC if status == ARB_FRAME_OTHER_TOPIC else status
        if depth.channel != self.channel_id:
            return ARB_BOOK_OTHER_TOPIC
        if self.name_bytes == 0:
            if depth.kind == ARB_QUOTE_DELTA:
                return ARB_BOOK_WAITING
            self.name_bytes = depth.symbol_bytes
            memcpy(self.name, depth.symbol, depth.symbol_bytes)
        elif (depth.symbol_bytes != self.name_bytes
              or memcmp(depth.symbol, self.name, self.name_bytes) != 0):
            return ARB_BOOK_OTHER_SYMBOL
        if self.channel_id == ARB_DEPTH_BYBIT_50:
            return arb_bybit_book_apply(self.book, depth)
        if self.legacy:
            return arb_okx_book_apply_legacy(self.book, depth)
        return arb_okx_book_apply(self.book, depth)

    def apply(self, frame: bytes) -> str:
        """Apply one frame, all of it or nothing.

        Threads     the owner; holds the GIL.
        Returns     a name of RESULTS, or of REFUSALS when the frame is malformed. "gap" has emptied
                    the book: subscribe again; until the snapshot comes, updates are "waiting".
        Cost        see benchmarks, book_bybit and book_okx.
        Example     book.apply(frame) in ("applied", "snapshot", "keepalive")
        """
        self.held()
        return NAMES[self.take(PyBytes_AS_STRING(frame), <size_t>PyBytes_GET_SIZE(frame))]

    def refusal(self, frame: bytes) -> str:
        """Say in one line why the frame is refused; "" when it is not. The book stays as it is."""
        cdef size_t offset = 0
        self.held()
        cdef size_t length = <size_t>PyBytes_GET_SIZE(frame)
        name = NAMES.get(self.parse(PyBytes_AS_STRING(frame), length, &offset))
        if name not in REFUSALS:
            return ""
        return (
            f"{self.venue} {self.channel} frame was malformed at byte {offset} of {length}: "
            f"{REFUSALS[name]} ({name})"
        )

    def clear(self) -> None:
        """Forget all levels and the sequence, as on a disconnect. The symbol stays."""
        self.held()
        arb_book_clear(self.book)

    cdef object levels(self, uint32_t side, object wanted):
        import numpy

        cdef uint32_t found = 0
        self.held()
        if wanted is not None and wanted < 0:
            raise ValueError(f"count was {wanted}; accepted is 0 or more")
        cdef uint32_t limit = self.book.capacity
        if wanted is not None and wanted < limit:
            limit = wanted
        cdef const arb_level_t *top = arb_book_top(self.book, side, limit, &found)
        content = PyBytes_FromStringAndSize(<const char *>top, found * sizeof(arb_level_t))
        return numpy.frombuffer(bytearray(content), numpy.float64).reshape(found, 2)

    def bids(self, count: int | None = None):
        """Return the best bids, best first: a copy, an array of (price, quantity) rows."""
        return self.levels(ARB_DEPTH_BID, count)

    def asks(self, count: int | None = None):
        """Return the best asks, best first: a copy, an array of (price, quantity) rows."""
        return self.levels(ARB_DEPTH_ASK, count)

    @property
    def best(self) -> tuple[float, float, float, float]:
        """(bid_px, bid_qty, ask_px, ask_qty); a missing side is NaN."""
        self.held()
        cdef arb_level_t bid = arb_book_best(self.book, ARB_DEPTH_BID)
        cdef arb_level_t ask = arb_book_best(self.book, ARB_DEPTH_ASK)
        return bid.px, bid.qty, ask.px, ask.qty

    @property
    def depth(self) -> tuple[int, int]:
        """Number of levels (bids, asks)."""
        self.held()
        return self.book.count[0], self.book.count[1]

    @property
    def live(self) -> bool:
        """Whether the book is continuous since a snapshot; when not, it is empty."""
        self.held()
        return self.book.held != 0

    @property
    def crossed(self) -> bool:
        """Whether the best bid is at or above the best ask: not to be traded on."""
        self.held()
        return arb_book_crossed(self.book)

    @property
    def seq(self) -> int:
        """Cross sequence of the state (Bybit seq, OKX seqId); -1: none."""
        self.held()
        return self.book.seq

    @property
    def update_id(self) -> int:
        """What the next update must continue (Bybit u, OKX seqId); -1: none."""
        self.held()
        return self.book.update_id

    @property
    def exch_wall_ns(self) -> int:
        """Venue time of the state, UTC; 0: none."""
        self.held()
        return self.book.exch_wall_ns

    @property
    def capacity(self) -> int:
        """Levels a side that are kept."""
        self.held()
        return self.book.capacity

    @property
    def checksum(self) -> int:
        """What OKX would have sent as checksum of this state, as in old recordings."""
        self.held()
        return arb_okx_checksum(self.book)

    @property
    def venue(self) -> str:
        return "bybit" if self.channel_id == ARB_DEPTH_BYBIT_50 else "okx"

    @property
    def channel(self) -> str:
        return CHANNEL_NAMES[self.channel_id]

    @property
    def symbol(self) -> str:
        """The venue's symbol; "" until the first snapshot when none was given."""
        return self.name[:self.name_bytes].decode("utf-8", "surrogateescape")
