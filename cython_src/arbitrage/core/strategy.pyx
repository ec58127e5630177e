"""Spread strategy: owner of its memory, validation, and the Python face of the nogil machine."""

from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from posix.stdlib cimport posix_memalign

from arbitrage.core.clock cimport Clock
from arbitrage.core.histogram cimport Histogram
from arbitrage.core.intents cimport IntentDoor
from arbitrage.core.ring cimport BroadcastRing, MpscRing, SpscRing
from arbitrage.core.store cimport MarketStore

from arbitrage.core.messages import PAIR_KINDS
from arbitrage.core.risk import LIMITS, REASONS
from arbitrage.core.risk import settings as checked_settings

cdef extern from *:
    """
    #include "pair_adopt.h"
    #include "strategy_turn.h"
    #define ARB_X(name) #name,
    static const char *const arb_strategy_counter_names[] = {ARB_STRATEGY_COUNTERS(ARB_X) NULL};
    #undef ARB_X
    #define ARB_X(name, about, orders, deadline) #name, about, orders, deadline,
    static const char *arb_pair_phase_texts[] = {ARB_PAIR_PHASES(ARB_X) NULL};
    #undef ARB_X
    #define ARB_X(from, to, why) #from, #to, why,
    static const char *arb_pair_move_texts[] = {ARB_PAIR_MOVES(ARB_X) NULL};
    #undef ARB_X
    /* one writer, the owner's main thread */
    static void arb_tag_put(uint64_t *word, uint64_t bit, int on)
    {
        uint64_t held = arb_load_relaxed(word);
        arb_store_relaxed(word, on ? held | bit : held & ~bit);
    }
    """
    ctypedef struct arb_journal_adopted_t:
        uint16_t symbol_index
    int arb_strategy_adopt(arb_strategy_t *strat, arb_journal_adopted_t *held,
                           int64_t now_mono_ns) noexcept nogil
    void arb_strategy_release(arb_strategy_t *strat) noexcept nogil
    const char *arb_strategy_counter_names[]
    void arb_tag_put(uint64_t *word, uint64_t bit, bint on) nogil
    const char *arb_pair_phase_texts[]
    const char *arb_pair_move_texts[]


cdef _texts(const char **texts, int width):
    """Return a table of C strings in rows of so many."""
    cdef int index = 0
    found = []
    while texts[index] != NULL:
        found.append(texts[index].decode("ascii"))
        index += 1
    return [tuple(found[start:start + width]) for start in range(0, index, width)]


# phase -> what the pair is in it, its orders, its deadline
PHASES_TABLE = {name.lower(): tuple(texts) for name, *texts in _texts(arb_pair_phase_texts, 4)}
PHASES_ABOUT = {name: texts[0] for name, texts in PHASES_TABLE.items()}
PHASES = tuple(PHASES_TABLE)
MOVES = tuple((source.lower(), target.lower(), why)
              for source, target, why in _texts(arb_pair_move_texts, 3))
EXIT_REASONS = ("none", "take_profit", "stop", "max_hold", "flatten", "leg_failed", "naked",
                "missed", "late_fill", "leg_lost", "funding_over", "asked", "orphaned")
EVENTS = ("none", "opening", "opened", "closing", "closed", "unwinding", "unwound", "missed",
          "broken")
ORDER_STATES = ("none", "live", "unknown", "done")
ADOPT_REFUSALS = ("", "the symbol has a pair", "neither leg holds anything",
                  "its rows are not two of a traded symbol", "the journal has no room")
if len(PHASES) != ARB_PAIR_PHASE_COUNT or len(EXIT_REASONS) != ARB_EXIT_REASON_COUNT:
    raise ImportError("arbitrage.core.strategy was built from another pair.h; build again")

# name -> default, least, most. Slips are limits beyond the quote, bps.
SETTINGS = {
    "min_net_bps": (0.0, -10_000, 10_000),
    "min_gross_bps": (10.0, -10_000, 10_000),
    "min_excess_bps": (-10_000.0, -10_000, 10_000),  # over the standing basis; -10000: off
    "take_profit_bps": (1.0, -10_000, 10_000),
    "stop_bps": (30.0, 0, 10_000),
    "position_usd": (1_000.0, 1e-6, 1e9),
    "depth_factor": (2.0, 1, 1_000),
    "entry_slip_bps": (1.0, 0, 1_000),
    "exit_slip_bps": (2.0, 0, 1_000),
    "exit_widen_bps": (5.0, 0, 1_000),
    "exit_slip_bps_max": (100.0, 0, 5_000),
    "stale_slip_bps": (20.0, 0, 5_000),
    "max_hold_s": (3_600.0, 0, 1e7),
    "cooldown_ms": (500.0, 0, 1e7),
    "cooldown_ms_max": (60_000.0, 0, 1e9),
    "retry_ms": (50.0, 0, 60_000),
    "retry_ms_max": (2_000.0, 0, 600_000),
    "max_naked_ms": (1_000.0, 0, 600_000),
    "complete_tries": (2, 0, 255),
    "exit_tries": (32, 1, 1_000_000),
    "breaker_failures": (3, 1, 1_000_000),
    "settle_ms": (1_000.0, 0, 600_000),
    "basis_step_ms": (10.0, 0.001, 60_000),
    "basis_time_s": (600.0, 0.001, 1e6),
    "spread": (1, 0, 1),  # trade the detector's opportunities
    "funding": (0, 0, 1),  # trade differences of funding rates; see funding_entry.h
    "funding_window_s": (600.0, 0, 86_400),
    "funding_lead_s": (10.0, 0, 3_600),
    "funding_hold_s": (86_400.0, 0, 1e7),
    "funding_min_bps": (0.0, -10_000, 10_000),
    "funding_min_delta": (0.0001, 0, 1),  # fraction per 8 h
    "funding_stop_bps": (60.0, 0, 10_000),
    "funding_step_ms": (10.0, 0.001, 60_000),
    "journal_room_min": (1_024, 0, 1 << 26),
}


cdef class SpreadStrategy:
    """Trade opportunities as two-legged pairs; the whole machine is nogil C.

    Threads: one calls :meth:`poll` (the engine's strategy thread calls the C function). Counters,
    `live_pairs` and the control words are for any thread; :meth:`pair` only while nobody polls.

    Parameters
    ----------
    store : MarketStore
        Prices and the static columns (multipliers, grids, fees) of every row that trades.
    opportunities : BroadcastRing
        Read from now on with a cursor of its own.
    executions : MpscRing
        What the gateways publish; this strategy is its only consumer.
    orders : sequence of SpscRing or None
        One ring a venue; this strategy is the only producer. None: the venue does not trade.
    journal : Journal
        Where every intent goes before its ring. Its run number is that of the client ids.
    symbols : mapping of int to (float, sequence of int)
        Symbol index -> base units of one step of the common lot grid, and lots of each venue in it.
    pair_events : BroadcastRing, optional
        Where changes of pairs are told.
    notices : BroadcastRing, optional
        Where answers to intents, fills and settlements are told.
    clock : Clock, optional
        Stamps decisions; without it the time given to :meth:`poll` does.
    seen, decided, to_order, naked : Histogram, optional
        Frame to opportunity seen, frame to order, opportunity to order, and time a leg stood alone.
    **settings
        Names and ranges as in `SETTINGS` and, for the gate, in `arbitrage.core.risk.LIMITS`.
    """

    def __cinit__(self):
        self.own_counters = NULL
        cdef void *memory = NULL
        if posix_memalign(&memory, 128, sizeof(arb_strategy_counters_t)) != 0:
            raise MemoryError()
        memset(memory, 0, sizeof(arb_strategy_counters_t))
        self.own_counters = <arb_strategy_counters_t *>memory

    def __dealloc__(self):
        free(self.ptr)
        free(self.symbols)
        free(self.own_counters)

    def __init__(
        self, store: MarketStore, opportunities: BroadcastRing, executions: MpscRing, orders,
        journal: Journal, symbols, *, pair_events: BroadcastRing | None = None,
        notices: BroadcastRing | None = None,
        clock: Clock | None = None, seen: Histogram | None = None,
        decided: Histogram | None = None, to_order: Histogram | None = None,
        naked: Histogram | None = None, **settings: float,
    ) -> None:
        cdef arb_strategy_config_t config
        cdef arb_strategy_wiring_t wire
        if self.ptr != NULL:
            raise ValueError("a SpreadStrategy cannot be initialised twice")
        memset(&wire, 0, sizeof(wire))
        limits = {name: value for name, value in settings.items() if name in LIMITS}
        rest = {name: value for name, value in settings.items() if name not in LIMITS}
        self.risk = RiskGate(**limits)
        self.journal = journal
        _fill_config(&config, checked_settings(SETTINGS, rest))
        config.run = journal.handle.run
        config.symbol_capacity = store.ptr.symbol_capacity
        if len(orders) > 4:
            raise ValueError(f"orders had {len(orders)} rings; at most 4 venues are accepted")
        for venue, ring in enumerate(orders):
            if ring is not None:
                wire.orders[<int>venue] = (<SpscRing?>ring).ptr
        self._fill_symbols(store.ptr.symbol_capacity, symbols)
        wire.store = store.ptr
        wire.opportunities = opportunities.ptr
        wire.executions = executions.ptr
        wire.journal = &journal.handle
        wire.risk = self.risk.ptr
        wire.counters = self.own_counters
        wire.symbols = self.symbols
        wire.flatten = self.risk.ptr.flatten
        wire.pair_events = pair_events.ptr if pair_events is not None else NULL
        wire.notices = notices.ptr if notices is not None else NULL
        wire.clock = clock.ptr if clock is not None else NULL
        wire.seen = seen.ptr if seen is not None else NULL
        wire.decided = decided.ptr if decided is not None else NULL
        wire.to_order = to_order.ptr if to_order is not None else NULL
        wire.naked = naked.ptr if naked is not None else NULL
        self.doors = ()
        self.keep = (store, opportunities, executions, tuple(orders), pair_events, notices,
                     clock, seen, decided, to_order, naked)
        self.ptr = <arb_strategy_t *>calloc(1, arb_strategy_bytes(config.symbol_capacity))
        if self.ptr == NULL:
            raise MemoryError()
        arb_strategy_init(self.ptr, &config, &wire)

    def _fill_symbols(self, capacity: int, symbols) -> None:
        self.symbols = <arb_strategy_symbol_t *>calloc(capacity, sizeof(arb_strategy_symbol_t))
        if self.symbols == NULL:
            raise MemoryError()
        for index, (step_base, step_lots) in symbols.items():
            if not 0 <= index < capacity:
                raise IndexError(f"symbol index was {index}; the store has room for {capacity}")
            if not isfinite(step_base) or step_base <= 0 or not 0 < len(step_lots) <= 4:
                raise ValueError(f"the common step of symbol {index} was {step_base} with lots "
                                 f"{step_lots}; accepted are a step above 0 and one count a venue")
            self.symbols[<int>index].step_base = step_base
            for venue, lots in enumerate(step_lots):
                if lots < 0:
                    raise ValueError(f"step lots of symbol {index} were {step_lots}; accepted are "
                                     "counts from 1, or 0 for a venue that does not trade it")
                self.symbols[<int>index].step_lots[<int>venue] = lots

    cdef void borrow(self, uint64_t *kill, const uint64_t *opening_off,
                     const uint64_t *flatten, uint8_t *paused,
                     arb_strategy_counters_t *counters) noexcept:
        self.risk.borrow_controls(kill, opening_off, flatten, paused)
        self.ptr.wire.flatten = flatten
        self.ptr.wire.counters = counters

    def attach_door(self, IntentDoor door not None) -> None:
        """Take intents from a door from now on. Before the strategy thread runs.

        Doors come in the order of their tags, from 1.
        """
        if door.tag != self.ptr.door_count + 1:
            raise ValueError(f"the door's tag was {door.tag}; the next one is "
                             f"{self.ptr.door_count + 1}")
        self.ptr.doors[self.ptr.door_count] = door.ptr
        self.ptr.door_count += 1
        self.doors += (door,)

    def orphan(self, tag: int, how: str | None) -> None:
        """Say what becomes of a user's pairs while its strategy is gone. Any thread.

        Parameters
        ----------
        tag : int
            Of its door.
        how : str or None
            ``close``: leave at once; ``hold``: leave by the spread's rules; None: it is back.
        """
        cdef uint64_t bit = <uint64_t>1 << <int>tag
        if not 1 <= tag <= 63 or how not in (None, "close", "hold"):
            raise ValueError(f"tag and how were {tag} and {how!r}; accepted are a door's tag and "
                             "'close', 'hold' or None")
        arb_tag_put(&self.ptr.orphans_close, bit, how == "close")
        arb_tag_put(&self.ptr.orphans_held, bit, how == "hold")

    def poll(self, now_mono_ns: int) -> int:
        """Run one turn; return how many executions and opportunities were handled."""
        cdef int64_t now = now_mono_ns
        cdef uint32_t handled
        with nogil:
            handled = arb_strategy_poll(self.ptr, now)
        return handled

    def adopt(self, record: bytes, now_mono_ns: int) -> bytes:
        """Take over a pair of an earlier run; its symbol must have none. Before the thread begins.

        Parameters
        ----------
        record : bytes
            A packed `arbitrage.core.messages.Adopted`; its phase and pair number are filled in.
        now_mono_ns : int

        Returns
        -------
        bytes
            The record as it was journaled.
        """
        cdef arb_journal_adopted_t held
        cdef int64_t now = now_mono_ns
        cdef int result
        cdef const char *data = record
        if len(record) != sizeof(held):
            raise ValueError(f"record had {len(record)} bytes; an adopted pair has {sizeof(held)}")
        memcpy(&held, data, sizeof(held))
        result = arb_strategy_adopt(self.ptr, &held, now)
        if result != 0:
            raise ValueError(f"the pair of symbol {held.symbol_index} cannot be taken over: "
                             f"{ADOPT_REFUSALS[result]}")
        return (<const char *>&held)[:sizeof(held)]

    def release(self) -> None:
        """Let the pairs that were taken over go on: their orders can leave now. Any thread."""
        arb_strategy_release(self.ptr)

    def number_from(self, pair: int) -> None:
        """Give the next pair this number, as where a run is decided again. Before the thread."""
        if not 1 <= pair < 1 << 20:
            raise ValueError(f"pair was {pair}; accepted are numbers from 1")
        self.ptr.next_pair = <uint32_t>pair

    @property
    def flatten(self) -> bool:
        """Whether every pair is to be closed now."""
        return self.ptr.wire.flatten[0] != 0

    @flatten.setter
    def flatten(self, on: bool) -> None:
        self.risk.own_flatten = on

    @property
    def live_pairs(self) -> int:
        """Pairs that are not over."""
        return arb_strategy_live_pairs(self.ptr)

    @property
    def counters(self) -> dict[str, int]:
        """Every counter by name; refusals of the gate as ``refused_<reason>``."""
        cdef uint64_t *words = <uint64_t *>self.ptr.wire.counters
        cdef int index = 0
        values = {}
        while arb_strategy_counter_names[index] != NULL:
            values[arb_strategy_counter_names[index].decode("ascii")] = words[index]
            index += 1
        for index, reason in enumerate(REASONS):
            values[f"refused_{reason}"] = self.ptr.wire.counters.risk_reasons[index]
        return values

    def under_way(self) -> list[int]:
        """Return the symbols, by index, whose pair is not over: a look while they move."""
        return [index for index in range(self.ptr.config.symbol_capacity)
                if self.ptr.pairs[index].phase]

    def pair(self, symbol_index: int) -> dict[str, object]:
        """Return what is known of a symbol's pair: phase, legs, and the orders remembered."""
        if not 0 <= symbol_index < self.ptr.config.symbol_capacity:
            raise IndexError(f"symbol_index was {symbol_index}; the store has room for "
                             f"{self.ptr.config.symbol_capacity}")
        cdef arb_pair_t *pair = &self.ptr.pairs[<int>symbol_index]
        cdef arb_sent_order_t *order
        cdef int leg_index, slot
        legs = []
        for leg_index in range(2):
            orders = []
            for slot in range(ARB_LEG_ORDERS):
                order = &pair.legs[leg_index].orders[slot]
                if order.state == 0:
                    continue
                done = ORDER_STATES[order.state] == "done"
                unfilled = order.sent_lots - order.filled_lots
                orders.append({
                    "client_id": order.client_id, "state": ORDER_STATES[order.state],
                    "side": order.side, "reduce_only": order.reduce_only,
                    "sent": order.sent_lots, "filled": order.filled_lots,
                    "open": 0 if done else unfilled, "cancelled": unfilled if done else 0,
                })
            entered = pair.legs[leg_index].entry_lots
            legs.append({"row": pair.legs[leg_index].row, "lots": pair.legs[leg_index].lots,
                         "entry_px": (pair.legs[leg_index].entry_value / entered if entered
                                      else None),
                         "order_count": pair.legs[leg_index].order_count, "orders": orders})
        return {"phase": PHASES[pair.phase], "reason": EXIT_REASONS[pair.reason],
                "kind": PAIR_KINDS[pair.kind], "tag": pair.tag, "number": pair.number,
                "pair_bps": pair.pair_bps, "opened_mono_ns": pair.opened_mono_ns,
                "funding_bps": pair.funding_bps, "legs": legs,
                "basis_bps": pair.basis.mean_bps, "basis_samples": pair.basis.sample_count}


cdef int _fill_config(arb_strategy_config_t *config, dict values) except -1:
    memset(config, 0, sizeof(config[0]))
    config.min_net_bps = values["min_net_bps"]
    config.min_gross_bps = values["min_gross_bps"]
    config.min_excess_bps = values["min_excess_bps"]
    config.basis_time_ns = <int64_t>(values["basis_time_s"] * 1e9)
    if values["min_excess_bps"] > -10_000:
        config.basis_step_ns = <int64_t>(values["basis_step_ms"] * 1e6)
    config.take_profit_bps = values["take_profit_bps"]
    config.stop_bps = values["stop_bps"]
    config.position_usd = values["position_usd"]
    config.depth_factor = values["depth_factor"]
    config.entry_slip_bps = values["entry_slip_bps"]
    config.exit_slip_bps = values["exit_slip_bps"]
    config.exit_widen_bps = values["exit_widen_bps"]
    config.exit_slip_bps_max = values["exit_slip_bps_max"]
    config.stale_slip_bps = values["stale_slip_bps"]
    config.max_hold_ns = <int64_t>(values["max_hold_s"] * 1e9)
    config.cooldown_ns = <int64_t>(values["cooldown_ms"] * 1e6)
    config.cooldown_ns_max = <int64_t>(values["cooldown_ms_max"] * 1e6)
    config.retry_ns = <int64_t>(values["retry_ms"] * 1e6)
    config.retry_ns_max = <int64_t>(values["retry_ms_max"] * 1e6)
    config.naked_ns_max = <int64_t>(values["max_naked_ms"] * 1e6)
    config.complete_tries_max = <uint32_t>values["complete_tries"]
    config.exit_tries_max = <uint32_t>values["exit_tries"]
    config.breaker_failures = <uint32_t>values["breaker_failures"]
    config.settle_ns = <int64_t>(values["settle_ms"] * 1e6)
    config.spread_on = values["spread"] != 0
    config.funding.window_ns = <int64_t>(values["funding_window_s"] * 1e9)
    config.funding.lead_ns = <int64_t>(values["funding_lead_s"] * 1e9)
    config.funding.hold_ns = <int64_t>(values["funding_hold_s"] * 1e9)
    config.funding.min_bps = values["funding_min_bps"]
    config.funding.min_delta = values["funding_min_delta"]
    config.funding_stop_bps = values["funding_stop_bps"]
    if values["funding"]:
        config.funding_step_ns = <int64_t>(values["funding_step_ms"] * 1e6)
    config.journal_room_min = <uint64_t>values["journal_room_min"]
    return 0
