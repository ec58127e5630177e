"""Backtest core: detector, strategy and simulated venues over market records, nogil."""

from array import array

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.math cimport NAN
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from arbitrage.core.detector cimport OpportunityDetector, detector_bind
from arbitrage.core.journal cimport Journal
from arbitrage.core.memory cimport AlignedMemory
from arbitrage.core.ring cimport BroadcastRing, MpscRing, SpscRing, arb_broadcast_reader_init
from arbitrage.core.store cimport (
    arb_store_px_mult, arb_store_qty_lot, arb_store_qty_mult,
)
from arbitrage.core.strategy cimport SpreadStrategy

from arbitrage.core.journal import Journal as _Journal

cdef extern from *:
    """
    #include "backtest.h"
    #define ARB_X(name) #name,
    static const char *const arb_bt_count_names[] = {ARB_BT_COUNTS(ARB_X) NULL};
    #undef ARB_X
    """

TABLES = ("orders", "fills", "pairs", "funding", "equity", "halts", "opportunities")
WAYS = ("feed", "order", "reply")
NEEDS_RECORDS, NEEDS_HOST, RESTS = ARB_BT_NEEDS_RECORDS, ARB_BT_NEEDS_HOST, ARB_BT_RESTS
AT_END, OVER = ARB_BT_AT_END, ARB_BT_OVER
RECORD_BYTES = sizeof(arb_market_t)
cdef uint64_t FIRST_ROWS = 1024


def private_journal(run: int) -> _Journal:
    """Return the journal that a backtest's strategy writes into: it keeps the newest records."""
    return Journal.private(ARB_BT_JOURNAL_RECORDS, run)


cdef int64_t ask_way(void *owner, uint32_t way, int64_t now_ns) noexcept with gil:
    # of a latency that is a callable; what it raises ends the run
    cdef BacktestCore core = <BacktestCore>owner
    if core.error is not None:
        return 0
    try:
        return max(0, int(core.callables[way](now_ns)))
    except BaseException as error:
        core.error = error
        core.bt.broken = True
        return 0


cdef class BacktestCore:
    """Run a strategy over market records in virtual time.

    The detector's and the strategy's own C code, over rings, store and journal of their own; the
    venues are simulated: see backtest.h. What it finds is read by :meth:`table`.

    Threads: one. Runs without the interpreter but for callables.

    Parameters
    ----------
    detector : OpportunityDetector
        Fresh; bound to `opportunities` here. Its store is that of the strategy.
    strategy : SpreadStrategy
        Made with these rings and a journal of :func:`private_journal`.
    opportunities, pair_events, notices : BroadcastRing
    executions : MpscRing
        At least 2,048 records.
    orders : sequence of SpscRing
        One a venue.
    symbol_count : int
        Symbols of the records: theirs are below it.
    has_depth : bool
        Whether LEVEL records come: a book is kept of each row.
    seed : int
        Of all chance.
    ways : mapping of (int, str) to object
        (venue, ``feed`` | ``order`` | ``reply``) -> constant ns; or a list of (low_ns, width_ns,
        count), a histogram; or a callable that takes the time and returns ns.
    feed_by_model : sequence of bool
        A venue: believe `feed` also where a record says when it was made.
    rules : sequence of mapping
        A venue: reject_rate, band_bps, balance_usd, leverage, silence_s.
    order_timeout_ns : int
        A gateway says "unknown" of an order that is not answered by then.
    sample_ns : int
        Equity is noted at each change and so often; 0: at changes only.
    keep_opportunities : bool
        Whether the detector's events are kept.
    lookahead_ns : int
        No record is taken to have been longer on its way.
    poll_ns : int
        Look at the strategy at least so often; 0: when something can happen.
    """

    def __cinit__(self):
        memset(&self.bt, 0, sizeof(self.bt))

    def __init__(
        self, OpportunityDetector detector not None, SpreadStrategy strategy not None, *,
        BroadcastRing opportunities not None, BroadcastRing pair_events not None,
        BroadcastRing notices not None, MpscRing executions not None, orders,
        int symbol_count, bint has_depth, seed, ways, feed_by_model, rules,
        int64_t order_timeout_ns, int64_t sample_ns=1_000_000_000, bint keep_opportunities=True,
        int64_t lookahead_ns=1_000_000_000, int64_t poll_ns=0,
    ) -> None:
        cdef arb_backtest_t *bt = &self.bt
        cdef Journal journal = strategy.journal
        cdef uint32_t row, venue, capacity = detector.store.ptr.symbol_capacity
        if self.blocks is not None:
            raise ValueError("a BacktestCore cannot be initialised twice")
        if not 0 < symbol_count <= <int>capacity or detector.store.ptr.venue_count != 2:
            raise ValueError(f"symbol_count was {symbol_count}; the store has room for {capacity} "
                             f"of {detector.store.ptr.venue_count} venues; two are simulated")
        if journal.handle.capacity != ARB_BT_JOURNAL_RECORDS or len(orders) != 2:
            raise ValueError("a backtest needs a private_journal() and one order ring a venue")
        self.blocks, self.callables, self.error = [], {}, None
        detector_bind(detector, NULL, 0, opportunities.ptr, NULL, NULL, self)
        bt.detector, bt.strategy, bt.store = detector.ptr, strategy.ptr, detector.store.ptr
        bt.opportunities, bt.pair_events = opportunities.ptr, pair_events.ptr
        bt.notices, bt.executions = notices.ptr, executions.ptr
        for venue in range(2):
            bt.orders[venue] = (<SpscRing?>orders[<int>venue]).ptr
        arb_broadcast_reader_init(bt.opportunities, &bt.opportunity_reader, False)
        arb_broadcast_reader_init(bt.pair_events, &bt.pair_reader, False)
        bt.journal_parts[0] = journal.handle.records
        bt.journal_parts[1] = journal.handle.records + ARB_BT_JOURNAL_RECORDS
        bt.journal_part = 1
        bt.symbol_count, bt.symbol_capacity = symbol_count, capacity
        bt.seed = seed & 0xFFFFFFFFFFFFFFFF
        bt.order_timeout_ns, bt.lookahead_ns = order_timeout_ns, lookahead_ns
        bt.sample_step_ns, bt.poll_step_ns = sample_ns, poll_ns
        bt.keeps_opportunities = keep_opportunities
        bt.strategy_due_ns = bt.host_due_ns = bt.person_due_ns = INT64_MAX
        self._make_rows(has_depth)
        for venue in range(2):
            bt.feed_by_model[venue] = feed_by_model[venue]
            bt.rules[venue].reject_rate = rules[venue]["reject_rate"]
            bt.rules[venue].band_bps = rules[venue]["band_bps"]
            bt.rules[venue].balance_usd = rules[venue]["balance_usd"]
            bt.rules[venue].leverage = rules[venue]["leverage"]
            bt.rules[venue].silence_ns = <int64_t>(rules[venue]["silence_s"] * 1e9)
            for way in range(ARB_BT_WAYS):
                self.set_way(venue, way, ways[venue, WAYS[way]])
        for row in range(2 * capacity):
            bt.accounts[row].lot_usd = (
                arb_store_px_mult(bt.store)[row] * arb_store_qty_mult(bt.store)[row]
                * arb_store_qty_lot(bt.store)[row])
        self._make_tables()
        self.keep = (detector, strategy, opportunities, pair_events, notices, executions,
                     tuple(orders))

    def __dealloc__(self):
        if self.has_view:
            PyBuffer_Release(&self.view)
        for table in range(ARB_BT_TABLES):
            free(self.bt.tables[table].rows)
        free(self.bt.events)

    cdef void *take(self, uint64_t count, uint64_t bytes) except NULL:
        # zeroed memory that lives as long as this object
        cdef AlignedMemory memory = AlignedMemory(count * bytes if count * bytes else 1)
        self.blocks.append(memory)
        return <void *>memory.ptr

    def _make_rows(self, has_depth: bool) -> None:
        cdef arb_backtest_t *bt = &self.bt
        cdef uint32_t row, row_count = 2 * bt.symbol_capacity, taken = 4
        cdef uint64_t book_bytes = arb_book_bytes(ARB_BT_BOOK_LEVELS)
        bt.rows = <arb_bt_row_t *>self.take(row_count, sizeof(arb_bt_row_t))
        bt.takens = <arb_bt_takens_t *>self.take(row_count, sizeof(arb_bt_takens_t))
        bt.accounts = <arb_bt_account_t *>self.take(row_count, sizeof(arb_bt_account_t))
        bt.held = <uint32_t *>self.take(row_count, sizeof(uint32_t))
        bt.pair_rows = <uint64_t *>self.take(bt.symbol_capacity, sizeof(uint64_t))
        bt.paused = <uint8_t *>self.take(bt.symbol_capacity, 1)
        memset(bt.pair_rows, 0xFF, bt.symbol_capacity * sizeof(uint64_t))
        bt.hints = <arb_bt_hint_t *>self.take(row_count, sizeof(arb_bt_hint_t))
        bt.under_way_capacity = 2 * row_count + 16
        bt.under_way = <arb_bt_under_way_t *>self.take(
            bt.under_way_capacity, sizeof(arb_bt_under_way_t))
        for row in range(bt.under_way_capacity):
            bt.under_way[row].next_free = row + 1
        if has_depth:
            taken = 2 * ARB_BT_BOOK_LEVELS
            bt.shadow.book = <arb_book_t *>self.take(1, book_bytes)
            arb_book_init(bt.shadow.book, ARB_BT_BOOK_LEVELS)
        for row in range(row_count):
            bt.accounts[row].last_bid = bt.accounts[row].last_ask = NAN
            bt.accounts[row].pair_row = <uint64_t>-1
            bt.takens[row].items = <arb_bt_taken_t *>self.take(taken, sizeof(arb_bt_taken_t))
            bt.takens[row].capacity = taken
            if has_depth and arb_store_px_mult(bt.store)[row] > 0:
                bt.rows[row].book = <arb_book_t *>self.take(1, book_bytes)
                arb_book_init(bt.rows[row].book, ARB_BT_BOOK_LEVELS)

    def _make_tables(self) -> None:
        # what one step may append: all legs of all symbols, a book's levels, a ring's events
        cdef arb_backtest_t *bt = &self.bt
        cdef uint64_t legs = 4 * bt.symbol_capacity + 64
        margins = {"orders": legs, "fills": 2 * ARB_BT_BOOK_LEVELS + 64, "pairs": legs,
                   "funding": legs, "equity": legs, "halts": legs,
                   "opportunities": bt.opportunities.capacity}
        for index, name in enumerate(TABLES):
            bt.tables[<int>index].margin = margins[name]
            bt.tables[<int>index].row_bytes = arb_bt_row_bytes(index)
        bt.appended = True

    cdef int set_way(self, uint32_t venue, uint32_t way, object model) except -1:
        cdef arb_latency_t *latency = &self.bt.ways[venue][way]
        cdef arb_latency_bucket_t *buckets
        cdef uint64_t below = 0
        latency.seed, latency.way = self.bt.seed, venue * ARB_BT_WAYS + way
        if callable(model):
            latency.kind, latency.call, latency.owner = (
                ARB_LATENCY_CALLABLE, ask_way, <void *>self)
            self.callables[latency.way] = model
            return 0
        if isinstance(model, int):
            latency.kind, latency.constant_ns = ARB_LATENCY_CONSTANT, model
            return 0
        buckets = <arb_latency_bucket_t *>self.take(len(model), sizeof(arb_latency_bucket_t))
        for index, (low_ns, width_ns, count) in enumerate(model):
            below += <uint64_t>count
            buckets[<int>index].below = below
            buckets[<int>index].low_ns = low_ns
            buckets[<int>index].width_ns = max(1, width_ns)
        if below == 0:
            raise ValueError(f"the histogram of {WAYS[<int>way]} has no counts")
        latency.kind, latency.buckets = ARB_LATENCY_HISTOGRAM, buckets
        latency.bucket_count = len(model)
        return 0

    cdef int grow(self) except -1:
        # twice as large where room is short; new rows are zero
        cdef arb_bt_table_t *table
        cdef uint64_t capacity
        cdef void *grown
        for index in range(ARB_BT_TABLES):
            table = &self.bt.tables[index]
            if table.capacity - table.count >= table.margin:
                continue
            capacity = 2 * table.capacity + table.margin + FIRST_ROWS
            grown = realloc(table.rows, capacity * table.row_bytes)
            if grown == NULL:
                raise MemoryError(f"{capacity} rows of {TABLES[index]} do not fit into memory")
            table.rows = <char *>grown
            memset(table.rows + table.count * table.row_bytes, 0,
                   (capacity - table.count) * table.row_bytes)
            table.capacity = capacity
        capacity = 2 * <uint64_t>self.bt.event_capacity + 16 * self.bt.symbol_capacity + 256
        grown = realloc(self.bt.events, capacity * sizeof(arb_bt_event_t))
        if grown == NULL:
            raise MemoryError("the events do not fit into memory")
        self.bt.events = <arb_bt_event_t *>grown
        self.bt.event_capacity = capacity
        return 0

    # ---- records ---------------------------------------------------------------------------------

    def feed(self, block, *, bint final=False) -> None:
        """Give the next records; `final`: they are the last.

        Parameters
        ----------
        block : structured array
            MARKET_DTYPE, contiguous, ordered by recv_ns; kept until it is used up.
        """
        cdef arb_backtest_t *bt = &self.bt
        cdef uint64_t kept = bt.record_count - bt.next
        if bt.final:
            raise ValueError("the records before were said to be the last")
        bt.base += bt.next
        if kept:
            import numpy

            block = numpy.concatenate([self.records[<object>bt.next:], block])
        if self.has_view:
            PyBuffer_Release(&self.view)
            self.has_view = False
        PyObject_GetBuffer(block, &self.view, PyBUF_C_CONTIGUOUS)
        self.has_view = True
        if self.view.itemsize != RECORD_BYTES:
            raise ValueError(f"a record had {self.view.itemsize} bytes; MARKET_DTYPE has "
                             f"{RECORD_BYTES}")
        self.records = block
        bt.records = <const arb_market_t *>self.view.buf
        bt.record_count = self.view.len // RECORD_BYTES
        bt.next = 0
        bt.final = final
        self._ask_feed(kept)
        if not self.begun and bt.record_count:
            self.begun = True
            bt.now_ns = bt.sample_due_ns = bt.records[0].recv_ns
            bt.turn_due = True  # the strategy looks around before anything has come

    def _ask_feed(self, uint64_t kept) -> None:
        # where a callable says how old records are: each is asked for once
        cdef arb_backtest_t *bt = &self.bt
        cdef uint64_t place
        cdef int64_t feed_ns
        cdef uint64_t address
        cdef object latencies
        if not any(way % ARB_BT_WAYS == ARB_BT_WAY_FEED for way in self.callables):
            return
        latencies = self.feed_latencies[len(self.feed_latencies) - kept:] if kept else array("q")
        for place in range(kept, bt.record_count):
            feed_ns = arb_latency_at(&bt.ways[bt.records[place].venue & 1][ARB_BT_WAY_FEED],
                                     <uint64_t>bt.records[place].recv_ns,
                                     bt.records[place].recv_ns)
            latencies.append(feed_ns)
        self.feed_latencies = latencies
        address, _ = latencies.buffer_info()
        bt.feed_ns = <const int64_t *>address
        self._raise_error()

    def _raise_error(self) -> None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    # ---- the run ---------------------------------------------------------------------------------

    def run(self, uint64_t records_max) -> int:
        """Go on until something is needed; return what.

        `NEEDS_RECORDS`: :meth:`feed`; `NEEDS_HOST`: tell the users' strategies, see
        :attr:`host_due_ns`; `RESTS`: so many records were handled; `AT_END`: :meth:`close`;
        `OVER`.
        """
        cdef int need
        while True:
            with nogil:
                need = arb_bt_run(&self.bt, records_max)
            self._raise_error()
            if need != ARB_BT_NEEDS_ROOM:
                break
            self.grow()
        if need == ARB_BT_NEEDS_HOST:
            self.bt.host_seen = (self.bt.opportunities.published
                                 + self.bt.pair_events.published + self.bt.notices.published)
            self.bt.host_due_ns = INT64_MAX
            self.bt.turn_due = True
        return need

    def close(self, int64_t within_ns) -> None:
        """Say how it ends: what is open may be closed for so long, at the last books."""
        self.bt.closing = True
        self.bt.end_ns = self.bt.now_ns + within_ns
        self.bt.turn_due = within_ns > 0

    def finish(self) -> None:
        """Value what still stands and add up the pairs, once, when it is over."""
        self.grow()
        arb_bt_finish(&self.bt)

    @property
    def now_ns(self) -> int:
        """Virtual time."""
        return self.bt.now_ns

    @property
    def host_due_ns(self) -> int:
        """When users' strategies want to be called next; writable, with :attr:`hosted`."""
        return self.bt.host_due_ns

    @host_due_ns.setter
    def host_due_ns(self, int64_t due_ns) -> None:
        self.bt.host_due_ns = due_ns

    @property
    def hosted(self) -> bool:
        """Whether users' strategies are to be told what happens."""
        return self.bt.hosted

    @hosted.setter
    def hosted(self, bint hosted) -> None:
        self.bt.hosted = hosted

    # ---- results ---------------------------------------------------------------------------------

    @property
    def counts(self) -> dict[str, int]:
        """Every count by name."""
        cdef uint64_t *words = <uint64_t *>&self.bt.counts
        values = {}
        cdef int index = 0
        while arb_bt_count_names[index] != NULL:
            values[arb_bt_count_names[index].decode("ascii")] = words[index]
            index += 1
        return values

    @property
    def heard(self) -> tuple[int, int]:
        """How many records of each venue's books there were."""
        return self.bt.heard[0], self.bt.heard[1]

    def table(self, name: str) -> bytes:
        """Return a table's rows; of the type that result_types (or OPPORTUNITY_DTYPE) says."""
        cdef arb_bt_table_t *table
        if name not in TABLES:
            raise ValueError(f"name was {name!r}; accepted values are {', '.join(TABLES)}")
        table = &self.bt.tables[<int>TABLES.index(name)]
        return PyBytes_FromStringAndSize(table.rows, <Py_ssize_t>(table.count * table.row_bytes))


def row_bytes(name: str) -> int:
    """Return how many bytes a row of a table has."""
    return arb_bt_row_bytes(TABLES.index(name))


def draw_latencies(model, int count, seed=0) -> list[int]:
    """Return so many draws of a way's model, as a backtest draws them: constant or histogram."""
    cdef arb_latency_t latency
    cdef AlignedMemory memory
    cdef arb_latency_bucket_t *buckets
    cdef uint64_t below = 0
    memset(&latency, 0, sizeof(latency))
    latency.seed = seed
    if isinstance(model, int):
        latency.constant_ns = model
    else:
        memory = AlignedMemory(max(1, len(model)) * sizeof(arb_latency_bucket_t))
        buckets = <arb_latency_bucket_t *>memory.ptr
        for index, (low_ns, width_ns, times) in enumerate(model):
            below += <uint64_t>times
            buckets[<int>index].below = below
            buckets[<int>index].low_ns = low_ns
            buckets[<int>index].width_ns = max(1, width_ns)
        latency.kind, latency.buckets = ARB_LATENCY_HISTOGRAM, buckets
        latency.bucket_count = len(model)
    return [arb_latency_next(&latency, 0) for _ in range(count)]
