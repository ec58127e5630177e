"""The backtest's C structs and functions, and their owner."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from arbitrage.core.detector cimport arb_detector_t
from arbitrage.core.journal cimport arb_journal_record_t
from arbitrage.core.ring cimport (
    arb_broadcast_reader_t, arb_broadcast_ring_t, arb_mpsc_ring_t, arb_spsc_ring_t,
)
from arbitrage.core.store cimport arb_market_store_t
from arbitrage.core.strategy cimport arb_strategy_t

cdef extern from "backtest_latency.h" nogil:
    enum:
        ARB_LATENCY_CONSTANT
        ARB_LATENCY_HISTOGRAM
        ARB_LATENCY_CALLABLE

    ctypedef int64_t (*arb_latency_call_t)(void *owner, uint32_t way, int64_t now_ns) noexcept

    ctypedef struct arb_latency_bucket_t:
        uint64_t below
        int64_t low_ns
        int64_t width_ns

    ctypedef struct arb_latency_t:
        uint64_t seed
        uint64_t drawn
        int64_t constant_ns
        const arb_latency_bucket_t *buckets
        uint64_t bucket_count
        arb_latency_call_t call
        void *owner
        uint32_t way
        uint32_t kind

    int64_t arb_latency_at(const arb_latency_t *model, uint64_t number, int64_t now_ns) noexcept
    int64_t arb_latency_next(arb_latency_t *model, int64_t now_ns) noexcept

cdef extern from "backtest.h" nogil:
    enum:
        ARB_BT_WAY_FEED
        ARB_BT_WAYS
        ARB_BT_TABLES
        ARB_BT_ORDERS
        ARB_BT_FILLS
        ARB_BT_PAIRS
        ARB_BT_FUNDING
        ARB_BT_EQUITY
        ARB_BT_OPPORTUNITIES
        ARB_BT_JOURNAL_RECORDS
        ARB_BT_BOOK_LEVELS
        ARB_BT_NEEDS_RECORDS
        ARB_BT_NEEDS_ROOM
        ARB_BT_NEEDS_HOST
        ARB_BT_RESTS
        ARB_BT_AT_END
        ARB_BT_OVER

    ctypedef struct arb_book_t:
        pass

    ctypedef struct arb_market_t:
        int64_t recv_ns
        int64_t exch_ns
        uint8_t venue

    ctypedef struct arb_bt_row_t:
        arb_book_t *book

    ctypedef struct arb_bt_taken_t:
        pass

    ctypedef struct arb_bt_takens_t:
        arb_bt_taken_t *items
        uint32_t capacity

    ctypedef struct arb_bt_account_t:
        double lot_usd
        double last_bid
        double last_ask
        uint64_t pair_row

    ctypedef struct arb_bt_event_t:
        pass

    ctypedef struct arb_bt_under_way_t:
        uint32_t next_free

    ctypedef struct arb_bt_rules_t:
        double reject_rate
        double band_bps
        double balance_usd
        double leverage
        int64_t silence_ns

    ctypedef struct arb_bt_hint_t:
        pass

    ctypedef struct arb_bt_table_t:
        char *rows
        uint64_t count
        uint64_t capacity
        uint64_t margin
        uint32_t row_bytes

    ctypedef struct arb_bt_counts_t:
        uint64_t records

    ctypedef struct arb_backtest_t:
        const arb_market_t *records
        const int64_t *feed_ns
        uint64_t record_count
        uint64_t next
        uint64_t base
        bint final
        arb_detector_t *detector
        arb_strategy_t *strategy
        arb_market_store_t *store
        arb_broadcast_ring_t *opportunities
        arb_broadcast_ring_t *pair_events
        arb_broadcast_ring_t *notices
        arb_mpsc_ring_t *executions
        arb_spsc_ring_t *orders[2]
        arb_broadcast_reader_t opportunity_reader
        arb_broadcast_reader_t pair_reader
        arb_journal_record_t *journal_parts[2]
        uint32_t journal_part
        arb_bt_row_t *rows
        arb_bt_takens_t *takens
        arb_bt_account_t *accounts
        uint64_t *pair_rows
        arb_bt_hint_t *hints
        arb_bt_row_t shadow
        uint32_t *held
        uint32_t symbol_count
        uint32_t symbol_capacity
        arb_bt_event_t *events
        uint32_t event_capacity
        arb_bt_under_way_t *under_way
        uint32_t under_way_capacity
        arb_latency_t ways[2][3]
        bint feed_by_model[2]
        int64_t lookahead_ns
        arb_bt_rules_t rules[2]
        int64_t order_timeout_ns
        uint64_t seed
        int64_t now_ns
        int64_t strategy_due_ns
        int64_t sample_due_ns
        int64_t sample_step_ns
        int64_t host_due_ns
        int64_t poll_step_ns
        bint closing
        int64_t end_ns
        int64_t person_due_ns
        uint8_t *paused
        bint hosted
        bint turn_due
        uint64_t host_seen
        arb_bt_table_t tables[7]
        bint keeps_opportunities
        bint broken
        bint appended
        uint64_t heard[2]
        arb_bt_counts_t counts

    const char *arb_bt_count_names[]
    uint32_t arb_bt_row_bytes(uint32_t table) noexcept
    uint64_t arb_book_bytes(uint32_t capacity) noexcept
    void arb_book_init(arb_book_t *book, uint32_t capacity) noexcept
    int arb_bt_run(arb_backtest_t *bt, uint64_t records_max) noexcept
    void arb_bt_finish(arb_backtest_t *bt) noexcept


cdef class BacktestCore:
    cdef arb_backtest_t bt
    cdef list blocks                # memory of rows, books and queues
    cdef object keep                # what the pointers lead to
    cdef object records             # the block at hand
    cdef Py_buffer view             # of it
    cdef bint has_view
    cdef object feed_latencies      # beside the records; None: no callable says them
    cdef dict callables             # way -> what is asked
    cdef object error               # that such a callable raised
    cdef bint begun
    cdef void *take(self, uint64_t count, uint64_t bytes) except NULL
    cdef int grow(self) except -1
    cdef int set_way(self, uint32_t venue, uint32_t way, object model) except -1
