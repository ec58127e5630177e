"""The spread strategy's C functions and its owner. The engine calls arb_strategy_poll on `ptr`."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from arbitrage.core.clock cimport arb_clock_t
from arbitrage.core.histogram cimport arb_histogram_t
from arbitrage.core.intents cimport arb_intent_door_t
from arbitrage.core.journal cimport Journal, arb_journal_t
from arbitrage.core.ring cimport arb_broadcast_ring_t, arb_mpsc_ring_t, arb_spsc_ring_t
from arbitrage.core.risk cimport RiskGate, arb_risk_t
from arbitrage.core.store cimport arb_market_store_t

cdef extern from "strategy_turn.h" nogil:
    enum:
        ARB_LEG_ORDERS
        ARB_PAIR_PHASE_COUNT
        ARB_EXIT_REASON_COUNT
        ARB_RISK_REASON_COUNT

    ctypedef struct arb_strategy_counters_t:
        uint64_t *risk_reasons

    ctypedef struct arb_strategy_symbol_t:
        double step_base
        int64_t step_lots[4]

    ctypedef struct arb_sent_order_t:
        uint64_t client_id
        int64_t sent_lots
        int64_t filled_lots
        int64_t fill_sum_lots
        uint8_t side
        uint8_t state
        bint reduce_only

    ctypedef struct arb_pair_leg_t:
        arb_sent_order_t *orders
        uint32_t order_count
        uint32_t row
        int64_t lots
        double entry_lots
        double entry_value

    ctypedef struct arb_basis_t:
        double mean_bps
        uint64_t sample_count

    ctypedef struct arb_pair_t:
        arb_basis_t basis
        arb_pair_leg_t *legs
        int64_t opened_mono_ns
        uint32_t number
        uint8_t phase
        uint8_t reason
        uint8_t kind
        uint8_t tag
        bint active
        double pair_bps
        double funding_bps

    ctypedef struct arb_funding_rules_t:
        int64_t window_ns
        int64_t lead_ns
        int64_t hold_ns
        double min_bps
        double min_delta

    ctypedef struct arb_strategy_config_t:
        uint32_t run
        uint32_t symbol_capacity
        double min_net_bps
        double min_gross_bps
        double min_excess_bps
        double take_profit_bps
        double stop_bps
        double position_usd
        double depth_factor
        double entry_slip_bps
        double exit_slip_bps
        double exit_widen_bps
        double exit_slip_bps_max
        double stale_slip_bps
        int64_t max_hold_ns
        int64_t cooldown_ns
        int64_t cooldown_ns_max
        int64_t retry_ns
        int64_t retry_ns_max
        int64_t naked_ns_max
        int64_t settle_ns
        int64_t basis_step_ns
        int64_t basis_time_ns
        uint32_t complete_tries_max
        uint32_t exit_tries_max
        uint32_t breaker_failures
        uint64_t journal_room_min
        bint spread_on
        arb_funding_rules_t funding
        int64_t funding_step_ns
        double funding_stop_bps

    ctypedef struct arb_strategy_wiring_t:
        const arb_market_store_t *store
        const arb_broadcast_ring_t *opportunities
        arb_mpsc_ring_t *executions
        arb_spsc_ring_t *orders[4]
        arb_journal_t *journal
        arb_risk_t *risk
        arb_strategy_counters_t *counters
        const arb_strategy_symbol_t *symbols
        const uint64_t *flatten
        arb_broadcast_ring_t *pair_events
        arb_broadcast_ring_t *notices
        const arb_clock_t *clock
        arb_histogram_t *seen
        arb_histogram_t *decided
        arb_histogram_t *to_order
        arb_histogram_t *naked

    ctypedef struct arb_strategy_t:
        arb_strategy_config_t config
        arb_strategy_wiring_t wire
        uint32_t next_pair
        uint32_t active_count
        uint32_t venues_pushed  # bit a venue: orders pushed since the owner cleared it
        uint32_t door_count
        arb_intent_door_t **doors
        uint64_t orphans_close
        uint64_t orphans_held
        arb_pair_t *pairs

    uint64_t arb_strategy_bytes(uint32_t symbol_capacity) noexcept
    void arb_strategy_init(arb_strategy_t *strat, const arb_strategy_config_t *config,
                           const arb_strategy_wiring_t *wiring) noexcept
    uint32_t arb_strategy_poll(arb_strategy_t *strat, int64_t now_mono_ns) noexcept
    uint32_t arb_strategy_live_pairs(const arb_strategy_t *strat) noexcept


cdef class SpreadStrategy:
    cdef arb_strategy_t *ptr
    cdef arb_strategy_symbol_t *symbols
    cdef arb_strategy_counters_t *own_counters
    cdef readonly RiskGate risk
    cdef readonly Journal journal
    cdef tuple doors
    cdef object keep  # rings, store, clock and histograms behind the pointers
    # Before the threads: use words of shared memory, which outlive this object, instead of its own.
    cdef void borrow(self, uint64_t *kill, const uint64_t *opening_off,
                     const uint64_t *flatten, uint8_t *paused,
                     arb_strategy_counters_t *counters) noexcept
