"""Market store: the top of every book as columns, one writer, whole rows for every reader."""

from collections import namedtuple

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.math cimport NAN, isfinite
from libc.stdlib cimport free
from libc.string cimport memset
from posix.stdlib cimport posix_memalign

from arbitrage.core.records cimport ARB_SYMBOLS_MAX, ARB_TICK_QUOTE, ARB_VENUES_MAX
from arbitrage.core.records cimport arb_tick_pack, arb_tick_t

ROW_EMPTY, ROW_SYNCING, ROW_LIVE, ROW_SUSPECT, ROW_STALE, ROW_GAP = range(6)

Row = namedtuple(
    "Row",
    "bid_px ask_px bid_qty ask_qty recv_mono_ns exch_wall_ns seq state update_count "
    "funding_rate funding_interval_h funding_next_ns",
)

Depth = namedtuple("Depth", "bids asks seq exch_wall_ns recv_mono_ns")

# name -> NumPy type, in the order of ARB_STORE_COLUMNS
COLUMNS = {
    "version": "u8", "bid_px": "f8", "ask_px": "f8", "bid_qty": "f8", "ask_qty": "f8",
    "recv_mono_ns": "i8", "exch_wall_ns": "i8", "seq": "i8", "state": "u8", "update_count": "u8",
    "funding_rate": "f8", "funding_interval_h": "f8", "funding_next_ns": "i8",
    "px_mult": "f8", "qty_mult": "f8", "px_tick": "f8", "qty_lot": "f8",
    "min_lots": "i8", "max_lots": "i8", "min_notional": "f8", "taker_bps": "f8",
}
_FORMATS = {"f8": "d", "i8": "q", "u8": "Q"}  # of the struct module
_VENUES = {"bybit": 0, "okx": 1}
cdef enum:
    READ_TRIES_MAX = 1000  # a writer that writes one row for longer than this is broken

if len(COLUMNS) != ARB_STORE_COLUMN_COUNT:
    raise ImportError("arbitrage.core.store was built from another market_store.h; build again")


cdef class _Column:
    # Lends one column's memory to NumPy and keeps the store alive for as long as a view lives.
    cdef MarketStore store
    cdef uint32_t index

    def __getbuffer__(self, Py_buffer *view, int flags):
        if self.store.read_only and (flags & PyBUF_WRITABLE) == PyBUF_WRITABLE:
            raise BufferError("this store is attached read-only")
        PyBuffer_FillInfo(
            view, self, arb_store_column(self.store.ptr, self.index),
            <Py_ssize_t>self.store.ptr.row_count * 8, self.store.read_only, flags,
        )


cdef class MarketStore:
    """Keep the best bid and ask of every (venue, symbol), struct of arrays.

    Threads: one writer (the detector, or you in a notebook); any number of readers in any process
    call :meth:`read_row`, which copies a whole row by seqlock and never slows the writer. Columns
    are live views without a copy: single words are whole, rows may be torn.

    Parameters
    ----------
    venue_count : int
        1 to 4. Venue 0 is Bybit, 1 is OKX.
    symbol_capacity : int
        1 to 2048 symbols; the row of (venue, symbol) is ``venue * symbol_capacity + symbol``.

    Examples
    --------
    >>> store = MarketStore(2, 16)
    >>> store.apply_quote("bybit", 0, 61800.2, 61800.3)
    >>> store.read_row("bybit", 0).ask_px
    61800.3
    """

    def __cinit__(self):
        self.ptr = NULL

    def __init__(self, venue_count: int = 2, symbol_capacity: int = 64) -> None:
        cdef void *memory = NULL
        cdef size_t columns_bytes, byte_count
        if not 1 <= venue_count <= ARB_VENUES_MAX:
            raise ValueError(f"venue_count was {venue_count}; accepted values are 1 to "
                             f"{ARB_VENUES_MAX}")
        if not 1 <= symbol_capacity <= ARB_SYMBOLS_MAX:
            raise ValueError(f"symbol_capacity was {symbol_capacity}; accepted values are 1 to "
                             f"{ARB_SYMBOLS_MAX}")
        if self.ptr != NULL:
            raise ValueError("a MarketStore cannot be initialised twice")
        columns_bytes = arb_store_bytes(venue_count, symbol_capacity)
        byte_count = columns_bytes + venue_count * symbol_capacity * sizeof(arb_ladder_t)
        if posix_memalign(&memory, 128, byte_count) != 0:
            raise MemoryError()
        memset(memory, 0, byte_count)
        self.memory = memory
        self.ptr = <arb_market_store_t *>memory
        arb_store_init(self.ptr, venue_count, symbol_capacity)
        arb_store_attach_ladders(self.ptr, <char *>memory + columns_bytes)

    def __dealloc__(self):
        free(self.memory)

    @property
    def venue_count(self) -> int:
        """Venues this store has room for."""
        return self.held().venue_count

    @property
    def symbol_capacity(self) -> int:
        """Symbols a venue has room for."""
        return self.held().symbol_capacity

    @property
    def row_count(self) -> int:
        """Venues times symbols."""
        return self.held().row_count

    @property
    def nbytes(self) -> int:
        """Bytes of the whole store."""
        return arb_store_bytes(self.held().venue_count, self.ptr.symbol_capacity)

    cdef arb_market_store_t *held(self) except NULL:
        # A subclass that skips __init__ gets an error, not a crash.
        if self.ptr == NULL:
            raise ValueError("MarketStore.__init__ was not called")
        return self.ptr

    cdef int row_index(self, object venue, int symbol_index) except -1:
        cdef long venue_index
        self.held()
        if isinstance(venue, str):
            if venue not in _VENUES:
                raise ValueError(f"venue was {venue!r}; accepted values are bybit and okx")
            venue = _VENUES[venue]
        venue_index = venue
        if not 0 <= venue_index < self.ptr.venue_count:
            raise IndexError(f"venue was {venue_index}; this store has {self.ptr.venue_count}")
        if not 0 <= symbol_index < <int>self.ptr.symbol_capacity:
            raise IndexError(f"symbol_index was {symbol_index}; this store has room for "
                             f"{self.ptr.symbol_capacity} symbols")
        return <int>(venue_index * self.ptr.symbol_capacity + symbol_index)

    def row(self, venue: int | str, symbol_index: int) -> int:
        """Return the row of a (venue, symbol)."""
        return self.row_index(venue, symbol_index)

    def read_row(self, venue: int | str, symbol_index: int) -> Row:
        """Copy one row whole, from any thread or process.

        Returns
        -------
        Row
            Named fields; a missing price or funding rate is NaN, a time never set 0.
        """
        cdef arb_row_view_t view
        cdef uint32_t row = self.row_index(venue, symbol_index)
        if not arb_store_read_row(self.ptr, row, &view, READ_TRIES_MAX):
            raise RuntimeError(f"row {row} never came to rest; its writer was killed while writing")
        return Row(
            view.bid_px, view.ask_px, view.bid_qty, view.ask_qty, view.recv_mono_ns,
            view.exch_wall_ns, view.seq, view.state, view.update_count, view.funding_rate,
            view.funding_interval_h, view.funding_next_ns,
        )

    def depth(self, venue: int | str, symbol_index: int) -> Depth:
        """Copy the best levels of a row's book, from any thread or process.

        Returns
        -------
        Depth
            ``bids`` and ``asks`` as arrays of (price, quantity) rows, best first, venue units, at
            most 10 each; none where no depth is subscribed or the book is lost. ``seq`` is the
            venue's cross sequence of that state (-1: none), ``exch_wall_ns`` its time there and
            ``recv_mono_ns`` its frame's arrival.
        """
        cdef arb_ladder_view_t view
        arb_store_read_ladder(self.ptr, self.row_index(venue, symbol_index), &view)
        return Depth(
            levels_of(view.levels[0], view.count[0]), levels_of(view.levels[1], view.count[1]),
            view.seq, view.exch_wall_ns, view.recv_mono_ns,
        )

    def column(self, name: str):
        """Return the live column as an array of shape (venues, symbols), without a copy."""
        import numpy

        lent = lend(self, name)
        shape = (self.ptr.venue_count, self.ptr.symbol_capacity)
        return numpy.ndarray(shape, dtype=COLUMNS[name], buffer=lent)

    def by_row(self, name: str) -> memoryview:
        """Return the live column as a view of one number a row, without a copy or NumPy.

        For who runs beside the hot path and looks at a few rows: a trader never loads NumPy, whose
        import alone takes 13 MB.
        """
        lent = memoryview(lend(self, name))
        return lent.cast(_FORMATS[COLUMNS[name]])

    def __getattr__(self, name: str):
        if name in COLUMNS:
            return self.column(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self):
        return [*object.__dir__(self), *COLUMNS]

    def _require_writable(self):
        self.held()
        if self.read_only:
            raise ValueError("this store is attached read-only; only its owner writes")

    def apply_quote(
        self, venue: int | str, symbol_index: int, double bid_px, double ask_px,
        double bid_qty=NAN, double ask_qty=NAN, *, int64_t recv_mono_ns=0,
        int64_t exch_wall_ns=0, int64_t seq=0,
    ) -> None:
        """Write a row's complete top of book and make the row LIVE. Writer only; NaN: no price."""
        cdef arb_tick_t tick
        cdef uint32_t row = self.row_index(venue, symbol_index)
        self._require_writable()
        tick.bid_px, tick.ask_px = bid_px, ask_px
        tick.bid_qty, tick.ask_qty = bid_qty, ask_qty
        tick.recv_mono_ns = recv_mono_ns
        tick.seq_row_kind = arb_tick_pack(seq, row, ARB_TICK_QUOTE)
        tick.exch_wall_ms = <uint32_t>(exch_wall_ns // 1_000_000)
        tick.aux_u32 = 0
        arb_store_apply_quote(self.ptr, &tick, exch_wall_ns)

    def apply_state(self, venue: int | str, symbol_index: int, uint32_t state) -> None:
        """Change a row's state (``ROW_*``); only LIVE and SUSPECT keep the quote. Writer only."""
        self._require_writable()
        if state > 5:
            raise ValueError(f"state was {state}; accepted values are 0 to 5")
        arb_store_apply_state(self.ptr, self.row_index(venue, symbol_index), state)

    def apply_funding(
        self, venue: int | str, symbol_index: int, double rate, double interval_h,
        int64_t next_wall_ns,
    ) -> None:
        """Write a row's funding rate, interval and next settlement. Writer only."""
        self._require_writable()
        arb_store_apply_funding(
            self.ptr, self.row_index(venue, symbol_index), rate, interval_h, next_wall_ns
        )

    def apply_depth(
        self, venue: int | str, symbol_index: int, bids, asks, *, int64_t seq=0,
        int64_t exch_wall_ns=0, int64_t recv_mono_ns=0,
    ) -> None:
        """Write the best levels of a row's book: (price, quantity) pairs, best first. Writer only.

        In a trader the row's feed thread does this; at most 10 levels a side are kept.
        """
        cdef arb_ladder_view_t view
        cdef uint32_t row = self.row_index(venue, symbol_index)
        self._require_writable()
        if arb_store_ladder(self.ptr, row) == NULL:
            raise ValueError("this store has no room for depth")
        memset(&view, 0, sizeof(view))
        view.seq, view.exch_wall_ns, view.recv_mono_ns = seq, exch_wall_ns, recv_mono_ns
        for side, levels in enumerate((bids, asks)):
            for index, (px, qty) in enumerate(levels[:ARB_LADDER_LEVELS]):
                view.levels[<int>side][<int>index].px = px
                view.levels[<int>side][<int>index].qty = qty
                view.count[<int>side] = index + 1
        arb_ladder_write(arb_store_ladder(self.ptr, row), &view)

    def set_instrument(
        self, int row, double px_mult=1.0, double qty_mult=1.0, double px_tick=0.0,
        double qty_lot=0.0, int64_t min_lots=0, int64_t max_lots=0, double min_notional=0.0,
        double taker_bps=0.0,
    ) -> None:
        """Describe a row's instrument: before the threads start, or while the row is not LIVE.

        Parameters
        ----------
        row : int
            See :meth:`row`.
        px_mult, qty_mult : float
            Venue price and quantity times these are the common quotation and base units, above 0.
        px_tick, qty_lot : float
            Steps of the venue's grid, venue units.
        min_lots, max_lots : int
            Smallest and largest order.
        min_notional : float
            Smallest order in quote currency, 0: none.
        taker_bps : float
            Taker fee.
        """
        self._require_writable()
        if not 0 <= row < <int>self.ptr.row_count:
            raise IndexError(f"row was {row}; this store has {self.ptr.row_count} rows")
        for name, value in (("px_mult", px_mult), ("qty_mult", qty_mult)):
            if not (isfinite(<double>value) and value > 0):
                raise ValueError(f"{name} of row {row} was {value}; it must be above 0")
        if not isfinite(taker_bps):
            raise ValueError(f"taker_bps of row {row} was {taker_bps}; it must be a number")
        arb_store_px_mult(self.ptr)[row] = px_mult
        arb_store_qty_mult(self.ptr)[row] = qty_mult
        arb_store_px_tick(self.ptr)[row] = px_tick
        arb_store_qty_lot(self.ptr)[row] = qty_lot
        arb_store_min_lots(self.ptr)[row] = min_lots
        arb_store_max_lots(self.ptr)[row] = max_lots
        arb_store_min_notional(self.ptr)[row] = min_notional
        arb_store_taker_bps(self.ptr)[row] = taker_bps

    def __repr__(self) -> str:
        mode = ", read-only" if self.read_only else ""
        return f"MarketStore({self.held().venue_count}, {self.ptr.symbol_capacity}{mode})"

    def _stress_write(self, int row, int64_t count):
        # Write count quotes whose words all tell the same number, without the interpreter lock.
        cdef arb_tick_t tick
        cdef int64_t step
        self._require_writable()
        assert 0 <= row < <int>self.ptr.row_count
        tick.exch_wall_ms = 0
        tick.aux_u32 = 0
        with nogil:
            for step in range(1, count + 1):
                tick.bid_px = tick.ask_px = tick.bid_qty = tick.ask_qty = <double>step
                tick.recv_mono_ns = step
                tick.seq_row_kind = arb_tick_pack(step, <uint32_t>row, ARB_TICK_QUOTE)
                arb_store_apply_quote(self.ptr, &tick, step)

    def _stress_read(self, int row, int64_t until):
        # Read the row until it tells `until`: (whole reads, torn reads, reads given up).
        cdef arb_row_view_t view
        cdef int64_t whole = 0, torn = 0, given_up = 0, seen = 0
        cdef double told
        self.held()
        assert 0 <= row < <int>self.ptr.row_count
        with nogil:
            while seen < until:
                if not arb_store_read_row(self.ptr, <uint32_t>row, &view, 16):
                    given_up += 1
                    continue
                if view.update_count == 0:
                    continue
                told = <double>view.seq
                if (view.bid_px == told and view.ask_px == told and view.bid_qty == told
                        and view.ask_qty == told and view.recv_mono_ns == view.seq
                        and view.exch_wall_ns == view.seq
                        and view.update_count == <uint64_t>view.seq and view.seq >= seen):
                    whole += 1
                else:
                    torn += 1
                seen = view.seq
        return whole, torn, given_up


cdef _Column lend(MarketStore store, str name):
    cdef _Column column = _Column.__new__(_Column)
    if name not in COLUMNS:
        raise ValueError(f"column was {name!r}; accepted names are {', '.join(COLUMNS)}")
    store.held()
    column.store = store
    column.index = list(COLUMNS).index(name)
    return column


cdef object levels_of(const arb_level_t *levels, uint32_t count):
    import numpy

    content = PyBytes_FromStringAndSize(<const char *>levels, count * sizeof(arb_level_t))
    return numpy.frombuffer(bytearray(content), numpy.float64).reshape(count, 2)


cdef MarketStore MarketStore_wrap(arb_market_store_t *ptr, object owner, bint read_only):
    cdef MarketStore store = MarketStore.__new__(MarketStore)
    if owner is None:
        raise ValueError("a wrapped store needs an owner that keeps its memory")
    store.ptr = ptr
    store.owner = owner
    store.read_only = read_only
    return store
