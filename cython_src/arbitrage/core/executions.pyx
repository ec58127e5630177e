"""What venues said of orders, on its way to the strategy, and what a gateway counts of it."""

from libc.stdlib cimport free
from libc.string cimport memset
from posix.stdlib cimport posix_memalign

from arbitrage.core.records cimport (
    ARB_EXEC_ACK, ARB_EXEC_FILL, ARB_EXEC_REJECT, ARB_EXEC_TIMEOUT,
)
from arbitrage.core.ring cimport MpscRing, arb_mpsc_try_push, arb_parker_notify

# arb_exec_kind_t
EXEC_SENT, EXEC_ACK, EXEC_REJECT, EXEC_FILL, EXEC_DONE, EXEC_TIMEOUT = range(6)

COUNTER_NAMES = (
    "orders_taken", "frames_sent", "orders_unsendable", "orders_killed", "acks", "rejects",
    "fills", "timeouts", "executions_dropped", "connects", "disconnects", "clock_ahead_ms",
    "clock_behind_ms", "clock_rtt_us", "clock_steps",
)


cdef class GatewayCounters:
    """Count what one venue's gateway did. One writer, the gateway's loop; any reader."""

    def __cinit__(self):
        self.ptr = NULL

    def __init__(self) -> None:
        cdef void *memory = NULL
        if self.ptr == NULL:
            if posix_memalign(&memory, 128, sizeof(arb_gateway_counters_t)) != 0:
                raise MemoryError()
            memset(memory, 0, sizeof(arb_gateway_counters_t))
            self.memory = memory
            self.ptr = <arb_gateway_counters_t *>memory

    def __dealloc__(self):
        free(self.memory)

    def as_dict(self) -> dict[str, int]:
        """Return every counter by name."""
        cdef uint64_t *words = <uint64_t *>self.ptr
        return {name: words[index] for index, name in enumerate(COUNTER_NAMES)}

    def connected(self) -> None:
        """Count one logged-in connection."""
        arb_count(&self.ptr.connects, 1)

    def disconnected(self) -> None:
        """Count one lost connection."""
        arb_count(&self.ptr.disconnects, 1)

    def clock_now(self, offset_ms: int, rtt_us: int, steps: int) -> None:
        """Show how the venue's clock stands: its offset from ours, the round trip, the steps."""
        arb_store_relaxed(&self.ptr.clock_ahead_ms, max(0, offset_ms))
        arb_store_relaxed(&self.ptr.clock_behind_ms, max(0, -offset_ms))
        arb_store_relaxed(&self.ptr.clock_rtt_us, rtt_us)
        arb_store_relaxed(&self.ptr.clock_steps, steps)


cdef GatewayCounters GatewayCounters_wrap(arb_gateway_counters_t *ptr, object owner):
    cdef GatewayCounters counters = GatewayCounters.__new__(GatewayCounters)
    counters.ptr = ptr
    counters.owner = owner
    return counters


cdef class ExecPublisher:
    """Push what a venue said of an order towards the strategy.

    Threads: the gateway's loop; several publishers may share one ring. Never blocks.

    Parameters
    ----------
    ring : MpscRing
        The execution ring.
    counters : GatewayCounters, optional
        Where acknowledgements, rejects, fills, timeouts and drops are counted.
    """

    def __init__(self, ring: MpscRing, counters: GatewayCounters | None = None) -> None:
        if ring is None:
            raise TypeError("ring was None; an MpscRing is needed")
        self.ring = (<MpscRing>ring).ptr
        self.ring_owner = ring
        self.counters = GatewayCounters() if counters is None else counters
        self.reject_codes = {}

    cdef void set_parker(self, arb_parker_t *parker, object owner) noexcept:
        # wake the strategy thread after each record when it sleeps
        self.parker = parker
        self.parker_owner = owner

    cdef bint publish_c(self, arb_exec_t *execution) noexcept:
        cdef arb_gateway_counters_t *counters = self.counters.ptr
        if execution.kind == ARB_EXEC_ACK:
            arb_count(&counters.acks, 1)
        elif execution.kind == ARB_EXEC_REJECT:
            arb_count(&counters.rejects, 1)
            code = execution.venue_code
            self.reject_codes[code] = self.reject_codes.get(code, 0) + 1
        elif execution.kind == ARB_EXEC_FILL:
            arb_count(&counters.fills, 1)
        elif execution.kind == ARB_EXEC_TIMEOUT:
            arb_count(&counters.timeouts, 1)
        if arb_mpsc_try_push(self.ring, execution):
            if self.parker != NULL:
                arb_parker_notify(self.parker)
            elif self.poller is not None:
                self.poller.nudge()
            return True
        arb_count(&counters.executions_dropped, 1)
        return False

    def publish(
        self,
        client_id: int,
        kind: int,
        venue: int,
        row: int,
        side: int,
        px: float,
        last_lots: int,
        cum_lots: int,
        fee_bps: float,
        venue_code: int,
        recv_mono_ns: int,
    ) -> bool:
        """Publish one execution; False when the ring was full (counted)."""
        cdef arb_exec_t execution
        memset(&execution, 0, sizeof(execution))
        execution.client_id = client_id
        execution.recv_mono_ns = recv_mono_ns
        execution.px = px
        execution.last_qty_lots = last_lots
        execution.cum_qty_lots = cum_lots
        execution.fee_bps = fee_bps
        execution.venue_code = venue_code
        execution.row = row
        execution.venue = venue
        execution.kind = kind
        execution.side = side
        return self.publish_c(&execution)
