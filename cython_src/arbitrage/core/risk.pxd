"""The risk gate's C functions and its owner."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "risk.h" nogil:
    enum:
        ARB_RISK_ROWS_MAX
        ARB_RISK_MICRO
        ARB_RISK_REASON_USED
        ARB_KILL_REASON_COUNT
        ARB_PAUSE_CONTRACT
        ARB_PAUSE_OPERATOR
        ARB_PAUSE_BREAKER
        ARB_PAUSE_RECONCILE
        ARB_SYMBOLS_MAX
        ARB_VENUES_MAX

    int64_t ARB_RISK_OFF

    ctypedef struct arb_risk_limits_t:  # ARB_RISK_OFF: off
        int64_t order_micro_max  # micro-dollars
        int64_t position_micro_max
        int64_t symbol_micro_max
        int64_t venue_micro_max
        int64_t gross_micro_max
        int64_t one_sided_symbol_micro_max
        int64_t one_sided_micro_max
        int64_t day_loss_micro_max
        int64_t entry_band_ppm_max  # parts per million
        int64_t exit_band_ppm_max
        int64_t basis_ppm_max
        int64_t signal_age_ns_max
        int64_t order_cost_ns
        int64_t orders_burst
        int64_t orders_kept_for_exits
        int64_t book_age_ns_max[4]  # a venue

    ctypedef struct arb_risk_order_t:
        int64_t notional_micro
        int64_t limit_pico
        int64_t mid_pico[2]
        int64_t basis_average_ppm
        int64_t book_recv_mono_ns
        int64_t signal_mono_ns
        int64_t wall_ns
        uint32_t row
        uint16_t symbol_index
        uint8_t venue
        uint8_t row_state
        uint8_t side
        bint reduce_only
        bint completes

    ctypedef struct arb_risk_t:
        arb_risk_limits_t limits
        uint64_t *kill
        const uint64_t *opening_off
        const uint64_t *flatten
        uint8_t *paused
        int64_t day_result_micro
        int64_t gross_micro
        int64_t *venue_micro
        int64_t one_sided_micro
        int64_t token_ns
        int64_t *exposure_micro
        int64_t *symbol_micro
        int64_t *symbol_one_sided_micro
        uint8_t *pair_open

    void arb_risk_limits_off(arb_risk_limits_t *limits) noexcept
    void arb_risk_set_limits(arb_risk_t *risk, const arb_risk_limits_t *limits) noexcept
    void arb_risk_init(arb_risk_t *risk, const arb_risk_limits_t *limits, uint64_t *kill,
                       const uint64_t *opening_off, const uint64_t *flatten,
                       uint8_t *paused) noexcept
    void arb_risk_begin_day(arb_risk_t *risk, int64_t result_micro, int64_t wall_ns) noexcept
    int64_t arb_risk_day_micro(const arb_risk_t *risk, int64_t wall_ns) noexcept
    bint arb_risk_day_is_lost(const arb_risk_t *risk, int64_t wall_ns) noexcept
    void arb_risk_note_result(arb_risk_t *risk, int64_t pnl_micro, int64_t wall_ns) noexcept
    int arb_risk_check(arb_risk_t *risk, const arb_risk_order_t *order, int64_t other_micro,
                       int64_t orders, int64_t now_mono_ns) noexcept
    void arb_risk_take(arb_risk_t *risk) noexcept
    void arb_risk_set_exposure(arb_risk_t *risk, uint32_t row, uint32_t venue,
                               uint32_t symbol_index, int64_t exposure_micro) noexcept
    void arb_risk_set_one_sided(arb_risk_t *risk, uint32_t symbol_index,
                                int64_t one_sided_micro) noexcept
    void arb_risk_pair_begin(arb_risk_t *risk, uint32_t symbol_index) noexcept
    void arb_risk_pair_end(arb_risk_t *risk, uint32_t symbol_index) noexcept


cdef class RiskGate:
    cdef arb_risk_t *ptr
    cdef dict values  # of every limit, in its own unit
    cdef uint64_t own_kill
    cdef uint64_t own_opening_off
    cdef uint64_t own_flatten
    cdef uint8_t own_paused[2048]
    # Read the control words from shared memory instead; they must outlive the gate.
    cdef void borrow_controls(self, uint64_t *kill, const uint64_t *opening_off,
                              const uint64_t *flatten, uint8_t *paused) noexcept
