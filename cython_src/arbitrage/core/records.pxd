"""The record structs, for cimport. Fields, units and limits are explained in records.h."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "records.h" nogil:
    enum:
        ARB_VENUE_COUNT
        ARB_VENUES_MAX
        ARB_SYMBOLS_MAX
        ARB_ROW_NONE
        ARB_NAME_BYTES_MAX
        ARB_ORDER_REDUCE_ONLY
        ARB_RUN_BITS
        ARB_PAIR_BITS
        ARB_LEG_BITS
        ARB_ATTEMPT_BITS

    ctypedef enum arb_venue_t:
        ARB_VENUE_BYBIT
        ARB_VENUE_OKX
        ARB_VENUE_UNKNOWN

    ctypedef enum arb_row_state_t:
        ARB_ROW_EMPTY
        ARB_ROW_SYNCING
        ARB_ROW_LIVE
        ARB_ROW_SUSPECT
        ARB_ROW_STALE
        ARB_ROW_GAP
        ARB_ROW_UNKNOWN

    ctypedef enum arb_quote_kind_t:
        ARB_QUOTE_SNAPSHOT
        ARB_QUOTE_DELTA

    ctypedef struct arb_quote_t:
        double bid_px           # venue quotation, NaN: none (in a delta: no new level)
        double ask_px
        double bid_qty          # venue units
        double ask_qty
        int64_t exch_wall_ns    # venue time, UTC
        int64_t seq             # cross sequence, 48 bits
        int64_t update_id       # Bybit u, OKX: seq
        const char *symbol      # inside the frame: valid only as long as the frame is
        uint16_t symbol_bytes
        uint8_t kind            # arb_quote_kind_t
        uint8_t venue
        uint8_t bid_gone_count  # deletions of a delta, see records.h
        uint8_t ask_gone_count

    ctypedef enum arb_frame_status_t:
        ARB_FRAME_QUOTE
        ARB_FRAME_CONTROL
        ARB_FRAME_OTHER_TOPIC
        ARB_FRAME_UNKNOWN_SYMBOL
        ARB_FRAME_MALFORMED
        ARB_FRAME_TRUNCATED
        ARB_FRAME_BAD_JSON
        ARB_FRAME_MISSING_FIELD
        ARB_FRAME_DUPLICATE_FIELD
        ARB_FRAME_BAD_NUMBER
        ARB_FRAME_BAD_TYPE
        ARB_FRAME_SYMBOL_MISMATCH
        ARB_FRAME_CROSSED
        ARB_FRAME_TOO_LONG
        ARB_FRAME_STATUS_COUNT

    ctypedef enum arb_tick_kind_t:
        ARB_TICK_QUOTE
        ARB_TICK_STATE
        ARB_TICK_FUNDING

    ctypedef struct arb_tick_t:
        double bid_px
        double ask_px
        double bid_qty
        double ask_qty
        int64_t recv_mono_ns
        uint64_t seq_row_kind
        uint32_t exch_wall_ms
        uint32_t aux_u32

    uint64_t arb_tick_pack(int64_t seq, uint32_t row, uint32_t kind) noexcept
    int64_t arb_tick_seq(const arb_tick_t *tick) noexcept
    uint32_t arb_tick_row(const arb_tick_t *tick) noexcept
    uint32_t arb_tick_kind(const arb_tick_t *tick) noexcept
    int64_t arb_widen_wall_ms(int64_t reference_ms, uint32_t low_ms) noexcept
    uint32_t arb_delta_ns(int64_t from_ns, int64_t to_ns) noexcept

    ctypedef enum arb_opp_event_t:
        ARB_OPP_OPEN
        ARB_OPP_UPDATE
        ARB_OPP_CLOSE
        ARB_OPP_UNKNOWN

    ctypedef enum arb_close_reason_t:
        ARB_CLOSE_NONE
        ARB_CLOSE_EDGE_GONE
        ARB_CLOSE_PRICE_GONE
        ARB_CLOSE_NOT_LIVE
        ARB_CLOSE_TOO_OLD
        ARB_CLOSE_THIN
        ARB_CLOSE_CONFIDENCE
        ARB_CLOSE_SHUTDOWN
        ARB_CLOSE_REASON_COUNT

    enum:
        ARB_KIND_COUNT
        ARB_VERDICT_COUNT

    ctypedef struct arb_intent_t:
        uint64_t id

    ctypedef struct arb_notice_t:
        uint64_t intent_id

    ctypedef struct arb_opportunity_t:
        uint64_t id
        int64_t recv_mono_ns
        int64_t open_mono_ns
        double ask_px
        double bid_px
        double ask_qty
        double bid_qty
        double gross_bps
        double net_bps
        float fees_bps
        float slippage_bps
        float funding_bps
        float close_bps
        float peak_net_bps
        float confidence
        uint32_t parsed_ns
        uint32_t detected_ns
        uint32_t other_age_us
        uint32_t update_count
        uint16_t buy_row
        uint16_t sell_row
        uint16_t symbol_index
        uint8_t event
        uint8_t reason

    ctypedef enum arb_leg_t:
        ARB_LEG_ENTRY_BUY
        ARB_LEG_ENTRY_SELL
        ARB_LEG_EXIT_BUY
        ARB_LEG_EXIT_SELL
        ARB_LEG_UNWIND_BUY
        ARB_LEG_UNWIND_SELL
        ARB_LEG_MANUAL
        ARB_LEG_COUNT

    uint64_t arb_client_id(uint32_t run, uint32_t pair, uint32_t leg, uint32_t attempt) noexcept
    uint32_t arb_client_id_run(uint64_t id) noexcept
    uint32_t arb_client_id_pair(uint64_t id) noexcept
    uint32_t arb_client_id_leg(uint64_t id) noexcept
    uint32_t arb_client_id_attempt(uint64_t id) noexcept

    ctypedef enum arb_side_t:
        ARB_SIDE_BUY
        ARB_SIDE_SELL
        ARB_SIDE_UNKNOWN

    ctypedef enum arb_order_action_t:
        ARB_ORDER_NEW_IOC
        ARB_ORDER_CANCEL
        ARB_ORDER_UNKNOWN

    ctypedef struct arb_order_t:
        uint64_t client_id
        int64_t recv_mono_ns
        int64_t px_ticks
        int64_t qty_lots
        uint32_t detected_ns
        uint32_t decided_ns
        uint16_t row
        uint8_t venue
        uint8_t side
        uint8_t action
        uint8_t flags
        uint16_t symbol_index
        uint64_t opportunity_id

    ctypedef enum arb_exec_kind_t:
        ARB_EXEC_SENT
        ARB_EXEC_ACK
        ARB_EXEC_REJECT
        ARB_EXEC_FILL
        ARB_EXEC_DONE
        ARB_EXEC_TIMEOUT
        ARB_EXEC_VENUE
        ARB_EXEC_KIND_COUNT

    ctypedef struct arb_exec_t:
        uint64_t client_id
        int64_t recv_mono_ns
        double px
        int64_t last_qty_lots
        int64_t cum_qty_lots
        float fee_bps
        uint32_t venue_code
        uint16_t row
        uint8_t venue
        uint8_t kind
        uint8_t side
