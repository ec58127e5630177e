"""Risk gate: limits, kill switch and order rate, checked before an order is journaled."""

from libc.math cimport floor
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free

from decimal import Decimal

cdef extern from *:
    """
    #include "risk.h"
    #define ARB_X(NAME, name, text) #name,
    static const char *const arb_risk_reason_names[] = {ARB_RISK_REASONS(ARB_X) NULL};
    #undef ARB_X
    #define ARB_X(NAME, name, text) text,
    static const char *const arb_risk_reason_texts[] = {ARB_RISK_REASONS(ARB_X) NULL};
    #undef ARB_X
    """
    const char *arb_risk_reason_names[]
    const char *arb_risk_reason_texts[]

REASONS = tuple(arb_risk_reason_names[index].decode() for index in range(ARB_RISK_REASON_USED))
# reason -> an order is refused when
REASON_TEXTS = {
    name: arb_risk_reason_texts[index].decode() for index, name in enumerate(REASONS)
}
# Why a symbol is paused: a bit each of its byte. Why the kill switch has tripped: its word.
PAUSES = {"contract": ARB_PAUSE_CONTRACT, "operator": ARB_PAUSE_OPERATOR,
          "breaker": ARB_PAUSE_BREAKER, "reconciliation": ARB_PAUSE_RECONCILE}
KILLS = ("none", "operator", "signal", "file", "dashboard", "loss", "reconciliation")
if len(KILLS) != ARB_KILL_REASON_COUNT:
    raise ImportError("arbitrage.core.risk was built from another risk_words.h; build again")

# name -> default, least, most. 0 switches a limit off where it is accepted.
LIMITS = {
    "max_order_usd": (1_000.0, 1e-6, 1e9),
    "max_position_usd": (2_000.0, 1e-6, 1e9),
    "max_symbol_usd": (0.0, 0, 1e10),
    "max_venue_usd": (0.0, 0, 1e10),
    "max_gross_usd": (20_000.0, 1e-6, 1e10),
    "max_one_sided_symbol_usd": (10.0, 0, 1e9),
    "max_one_sided_usd": (2_000.0, 0, 1e9),
    "max_day_loss_usd": (200.0, 0, 1e9),
    "entry_band_bps": (300.0, 0, 10_000),
    "exit_band_bps": (1_000.0, 0, 10_000),
    "max_basis_bps": (200.0, 0, 10_000),
    "max_orders_per_s": (50, 1, 100_000),
    "max_orders_burst": (0, 0, 100_000),  # 0: as many as in a second, at least 4
    "orders_kept_for_exits": (0, 0, 100_000),  # 0: a quarter of the burst
    "max_signal_age_ms": (250.0, 0, 3_600_000),
    "max_book_age_ms_bybit": (4_500.0, 0, 3_600_000),
    "max_book_age_ms_okx": (90_000.0, 0, 3_600_000),
}


cdef dict checked_settings(dict table, dict given):
    # Values of a settings table with the given ones put in; ValueError names what does not fit.
    unknown = [name for name in given if name not in table]
    if unknown:
        raise ValueError(f"setting {unknown[0]!r} is not known; accepted are {', '.join(table)}")
    values = {}
    for name, (default, least, most) in table.items():
        value = given.get(name, default)
        if not isinstance(value, (int, float)) or not least <= value <= most:
            raise ValueError(f"{name} was {value!r}; accepted values are {least} to {most}")
        values[name] = value
    return values


def settings(table: dict, given: dict) -> dict:
    """Check given settings against a table of name -> (default, least, most) and fill it up."""
    return checked_settings(table, given)


cdef class RiskGate:
    """Refuse orders that break a limit; every refusal has one reason.

    Threads: one, the strategy's, calls everything but the control words (`kill`, `opening_off`,
    `flatten`, :meth:`pause`), which any thread may set. Reduce-only orders pass every test but
    sanity and rate, and while killed they pass only with `flatten` raised.

    Parameters
    ----------
    **limits
        Names and ranges as in `LIMITS`. Money in US dollars; `orders_kept_for_exits` of
        `max_orders_burst` are never used by entries.
    """

    def __cinit__(self):
        self.ptr = <arb_risk_t *>calloc(1, sizeof(arb_risk_t))
        if self.ptr == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self.ptr)

    def __init__(self, **limits: float) -> None:
        cdef arb_risk_limits_t words
        self.values = checked_settings(LIMITS, limits)
        _fill_limits(&words, self.values)
        arb_risk_init(self.ptr, &words, &self.own_kill, &self.own_opening_off, &self.own_flatten,
                      self.own_paused)

    @property
    def limits(self) -> dict[str, float]:
        """Every limit as it stands, by the names of `LIMITS`."""
        return dict(self.values)

    def set_limit(self, name: str, value: float) -> None:
        """Change one limit, also while the strategy runs: the next order is judged by it.

        Threads: one at a time, any. Raises ValueError for what is unknown or out of range.
        """
        cdef arb_risk_limits_t words
        values = checked_settings(LIMITS, self.values | {name: value})
        _fill_limits(&words, values)
        arb_risk_set_limits(self.ptr, &words)
        self.values = values

    @property
    def used_pct(self) -> dict[str, float]:
        """How much of each limit of money that is on is used, in percent; any thread.

        Of a limit that many rows or symbols have, the one that uses most of it.
        """
        cdef arb_risk_t *risk = self.ptr
        used = {
            "max_position_usd": _most(risk.exposure_micro, ARB_RISK_ROWS_MAX),
            "max_symbol_usd": _most(risk.symbol_micro, ARB_SYMBOLS_MAX),
            "max_venue_usd": _most(risk.venue_micro, ARB_VENUES_MAX),
            "max_gross_usd": risk.gross_micro,
            "max_one_sided_symbol_usd": _most(risk.symbol_one_sided_micro, ARB_SYMBOLS_MAX),
            "max_one_sided_usd": risk.one_sided_micro,
            "max_day_loss_usd": max(0, -risk.day_result_micro),
        }
        values = self.values
        return {
            name: micro / (values[name] * ARB_RISK_MICRO) * 100
            for name, micro in used.items()
            if values[name]
        }

    cdef void borrow_controls(self, uint64_t *kill, const uint64_t *opening_off,
                              const uint64_t *flatten, uint8_t *paused) noexcept:
        self.ptr.kill = kill
        self.ptr.opening_off = opening_off
        self.ptr.flatten = flatten
        self.ptr.paused = paused

    @property
    def kill(self) -> int:
        """Why the kill switch has tripped, by the places of `KILLS`; 0: it has not."""
        return self.ptr.kill[0]

    @kill.setter
    def kill(self, reason) -> None:
        self.own_kill = reason

    @property
    def flatten(self) -> bool:
        """Whether every pair is to be closed now."""
        return self.ptr.flatten[0] != 0

    @flatten.setter
    def flatten(self, on: bool) -> None:
        self.own_flatten = on

    @property
    def opening_off(self) -> bool:
        """Whether entries are off while standing pairs go on."""
        return self.ptr.opening_off[0] != 0

    @opening_off.setter
    def opening_off(self, on: bool) -> None:
        self.own_opening_off = on

    def pause(self, symbol_index: int, on: bool = True) -> None:
        """Refuse entries of one symbol, or allow them again."""
        if not 0 <= symbol_index < 2048:
            raise IndexError(f"symbol_index was {symbol_index}; accepted values are 0 to 2047")
        self.own_paused[symbol_index] = on

    def begin_day(self, result_usd: float, wall_ns: int) -> None:
        """Begin a UTC day with what it has brought so far. Before the threads."""
        arb_risk_begin_day(self.ptr, <int64_t>floor(result_usd * ARB_RISK_MICRO), wall_ns)

    def note_result(self, pnl_micro: int, wall_ns: int) -> None:
        """Count what an ended pair brought; at the day's limit the kill switch trips."""
        arb_risk_note_result(self.ptr, pnl_micro, wall_ns)

    @property
    def day_result_usd(self) -> float:
        """What the pairs that ended on the last day with a result brought; any thread."""
        return self.ptr.day_result_micro / float(ARB_RISK_MICRO)

    def day_usd(self, wall_ns: int) -> float:
        """Return what the pairs that ended on the UTC day of that time brought; any thread."""
        return arb_risk_day_micro(self.ptr, wall_ns) / float(ARB_RISK_MICRO)

    def is_day_lost(self, wall_ns: int) -> bool:
        """Whether that UTC day has lost what it may; any thread."""
        return arb_risk_day_is_lost(self.ptr, wall_ns)

    @property
    def gross_usd(self) -> float:
        """Sum of all rows' exposure."""
        return self.ptr.gross_micro / float(ARB_RISK_MICRO)

    @property
    def one_sided_usd(self) -> float:
        """What stands of all symbols without its other leg."""
        return self.ptr.one_sided_micro / float(ARB_RISK_MICRO)

    def exposure_usd(self, row: int) -> float:
        """Open orders and position of one row."""
        self._check_row(row)
        return self.ptr.exposure_micro[<int>row] / float(ARB_RISK_MICRO)

    def set_exposure(self, row: int, venue: int, symbol_index: int, micro_usd: int) -> None:
        """State what a row now stands for, micro-dollars."""
        self._check_row(row)
        if not (0 <= venue < ARB_VENUES_MAX and 0 <= symbol_index < ARB_SYMBOLS_MAX):
            raise IndexError(f"venue and symbol were {venue} and {symbol_index}; accepted are "
                             f"those below {ARB_VENUES_MAX} and {ARB_SYMBOLS_MAX}")
        arb_risk_set_exposure(self.ptr, row, venue, symbol_index, micro_usd)

    def set_one_sided(self, symbol_index: int, micro_usd: int) -> None:
        """State what stands of a symbol without its other leg, micro-dollars."""
        arb_risk_set_one_sided(self.ptr, symbol_index & 2047, micro_usd)

    def pair_begin(self, symbol_index: int) -> None:
        """Mark a symbol as having a pair."""
        arb_risk_pair_begin(self.ptr, symbol_index & 2047)

    def pair_end(self, symbol_index: int) -> None:
        """Mark a symbol as free again."""
        arb_risk_pair_end(self.ptr, symbol_index & 2047)

    def check(
        self, now_mono_ns: int, row: int, symbol_index: int, venue: int, notional_micro: int,
        *, row_state: int = 2, book_recv_mono_ns: int = 0, signal_mono_ns: int = 0,
        reduce_only: bool = False, other_micro: int = 0, orders: int = 1, wall_ns: int = 0,
        side: int = 0, limit_pico: int = 10**12, own_mid_pico: int = 10**12,
        other_mid_pico: int = 10**12, basis_average_ppm: int = 0, completes: bool = False,
    ) -> str:
        """Return the reason for refusing an order, ``ok`` when it passes. Takes nothing."""
        cdef arb_risk_order_t order
        order.notional_micro = notional_micro
        order.limit_pico = limit_pico
        order.mid_pico[0] = own_mid_pico
        order.mid_pico[1] = other_mid_pico
        order.basis_average_ppm = basis_average_ppm
        order.book_recv_mono_ns = book_recv_mono_ns
        order.signal_mono_ns = signal_mono_ns
        order.wall_ns = wall_ns
        order.row = row
        order.symbol_index = symbol_index
        order.venue = venue
        order.row_state = row_state
        order.side = side
        order.reduce_only = reduce_only
        order.completes = completes
        return REASONS[arb_risk_check(self.ptr, &order, other_micro, orders, now_mono_ns)]

    def take(self) -> None:
        """Take one order's token, after a check that passed."""
        arb_risk_take(self.ptr)

    def _check_row(self, row: int) -> None:
        if not 0 <= row < ARB_RISK_ROWS_MAX:
            raise IndexError(f"row was {row}; accepted values are 0 to {ARB_RISK_ROWS_MAX - 1}")


cdef int64_t _most(const int64_t *amounts, int count) noexcept:
    cdef int64_t most = 0
    cdef int index
    for index in range(count):
        if amounts[index] > most:
            most = amounts[index]
    return most


cdef int64_t _whole(value, per_unit) except -1:
    # A limit in whole small units, rounded to the safe side; 0: off.
    return <int64_t>int(Decimal(repr(value)) * per_unit) if value else ARB_RISK_OFF


cdef int _fill_limits(arb_risk_limits_t *words, dict values) except -1:
    burst = values["max_orders_burst"] or max(4, values["max_orders_per_s"])
    kept = values["orders_kept_for_exits"] or burst // 4
    if kept + 2 > burst:
        raise ValueError(f"orders_kept_for_exits was {kept}; max_orders_burst ({burst}) must "
                         "leave room for two entry orders beside them")
    arb_risk_limits_off(words)
    words.order_micro_max = _whole(values["max_order_usd"], ARB_RISK_MICRO)
    words.position_micro_max = _whole(values["max_position_usd"], ARB_RISK_MICRO)
    words.symbol_micro_max = _whole(values["max_symbol_usd"], ARB_RISK_MICRO)
    words.venue_micro_max = _whole(values["max_venue_usd"], ARB_RISK_MICRO)
    words.gross_micro_max = _whole(values["max_gross_usd"], ARB_RISK_MICRO)
    words.one_sided_symbol_micro_max = _whole(values["max_one_sided_symbol_usd"], ARB_RISK_MICRO)
    words.one_sided_micro_max = _whole(values["max_one_sided_usd"], ARB_RISK_MICRO)
    words.day_loss_micro_max = _whole(values["max_day_loss_usd"], ARB_RISK_MICRO)
    words.entry_band_ppm_max = _whole(values["entry_band_bps"], 100)
    words.exit_band_ppm_max = _whole(values["exit_band_bps"], 100)
    words.basis_ppm_max = _whole(values["max_basis_bps"], 100)
    words.order_cost_ns = 1_000_000_000 // <int64_t>values["max_orders_per_s"]
    words.orders_burst = <int64_t>burst
    words.orders_kept_for_exits = <int64_t>kept
    words.signal_age_ns_max = _whole(values["max_signal_age_ms"], 1_000_000)
    words.book_age_ns_max[0] = _whole(values["max_book_age_ms_bybit"], 1_000_000)
    words.book_age_ns_max[1] = _whole(values["max_book_age_ms_okx"], 1_000_000)
    return 0
