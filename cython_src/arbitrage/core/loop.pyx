"""How an event loop waits: spin, block, or spin while what comes next is expected soon.

A spinning loop re-schedules one callback for ever, so that ``select`` returns at once and the order
rings are looked at each turn. A blocking loop sleeps in ``select`` and a bell wakes it for orders.
An adaptive one is the one or the other, by the time between the last arrivals (spin_budget.h);
while it sleeps between two frames, a frame costs no turn: only a bell does.
"""

import os

from libc.stdlib cimport free
from posix.stdlib cimport posix_memalign

from arbitrage.core.clock cimport arb_mono_ns

LOOP_MODES = ("spin", "block", "adaptive")

cdef enum:
    MODE_SPIN = 0
    MODE_BLOCK = 1
    MODE_ADAPTIVE = 2


cdef class SpinBudget:
    """How long to spin before sleeping: all of the limit while arrivals are near, else nothing.

    Stage threads and loops that wait adaptively keep one each; see spin_budget.h.

    Parameters
    ----------
    limit_us : int
        Longest spin, microseconds.

    Examples
    --------
    >>> budget = SpinBudget(50)
    >>> budget.spin_ns
    0
    """

    def __init__(self, limit_us: int) -> None:
        arb_spin_init(&self.budget, limit_us * <int64_t>1000)

    def waited(self, wait_ns: int) -> None:
        """Take into account that something came after so long a wait."""
        arb_spin_waited(&self.budget, wait_ns)

    @property
    def spin_ns(self) -> int:
        """How long to spin now."""
        return arb_spin_ns(&self.budget)

    @property
    def expected_ns(self) -> int:
        """How long the next wait is expected to be."""
        return self.budget.expected_ns


cdef class LoopPoller:
    """Poll hooks (order senders, inline stages) on an event loop's thread, the way `mode` says.

    Threads: everything runs on the loop's thread; other threads only ring the bell.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
    mode : str
        ``spin``, ``block`` or ``adaptive``.
    spin_us : int
        adaptive: longest spin after the last activity, microseconds; what comes less often than
        that on the average finds the loop asleep.
    """

    def __cinit__(self):
        cdef void *memory = NULL
        if posix_memalign(&memory, 128, sizeof(arb_bell_t)) != 0:
            raise MemoryError()
        self.bell = <arb_bell_t *>memory
        self.bell.armed = 0
        self.bell.fd = -1

    def __init__(self, loop, mode: str, spin_us: int = 50) -> None:
        if mode not in LOOP_MODES:
            raise ValueError(f"loop mode was {mode!r}; accepted values are {', '.join(LOOP_MODES)}")
        self.loop = loop
        self.call_soon = loop.call_soon
        self.turn_bound = self.turn
        self.first_hook = None
        self.idle_hook = None
        self.hooks = []
        self.mode = LOOP_MODES.index(mode)
        arb_spin_init(&self.budget, spin_us * <int64_t>1000)
        self.asleep = False
        self.stopped = True

    def __dealloc__(self):
        if self.bell != NULL:
            free(self.bell)

    def add_hook(self, hook) -> None:
        """Add a callable without arguments that returns how much it did.

        Loop thread, or before start.
        """
        self.hooks.append(hook)
        # what came before the hook rang a bell that nobody heard
        self.wake()

    def set_first_hook(self, hook) -> None:
        """Run a callable as those of `add_hook`, before them in every turn. Before start.

        It decides; what it put into order rings, those behind it send in the same turn.
        """
        self.first_hook = hook

    def set_idle_hook(self, hook) -> None:
        """Run a callable without arguments in every turn that found nothing.

        Loop thread, or before start.
        """
        self.idle_hook = hook

    def start(self) -> None:
        """Begin to poll. Loop thread."""
        self.bell.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.loop.add_reader(self.bell.fd, self.on_bell)
        self.stopped = False
        self.waiting = False
        self.active_mono_ns = arb_mono_ns()
        self.call_soon(self.turn_bound)

    def stop(self) -> None:
        """Stop polling and close the bell. Loop thread."""
        if not self.stopped:
            self.stopped = True
            self.loop.remove_reader(self.bell.fd)
            os.close(self.bell.fd)
            self.bell.fd = -1

    def on_bell(self) -> None:
        """Take a wake-up: the eventfd became readable."""
        os.eventfd_read(self.bell.fd)
        self.wake()

    def wake(self) -> None:
        """Poll again soon if the loop had gone to sleep. Loop thread."""
        if self.asleep and not self.stopped:
            self.asleep = False
            self.turn()

    cdef void nudge(self) noexcept:
        # work has come on the loop's own thread: no bell is needed
        if self.asleep and not self.stopped:
            arb_bell_disarm(self.bell)
            self.asleep = False
            try:
                self.call_soon(self.turn_bound)
            except RuntimeError:
                self.stopped = True  # the loop is closed

    cdef void touch(self, int64_t recv_mono_ns):
        # a listener took a frame
        if self.mode != MODE_ADAPTIVE:
            return
        self.note_activity(recv_mono_ns)
        if self.asleep and arb_spin_ns(&self.budget) > 0:
            arb_bell_disarm(self.bell)
            self.asleep = False
            self.call_soon(self.turn_bound)

    cdef void note_activity(self, int64_t now):
        # frames that are read together are one arrival
        if self.waiting:
            self.waiting = False
            arb_spin_waited(&self.budget, now - self.active_mono_ns)
        self.active_mono_ns = now

    cdef void send_now(self) noexcept:
        # a frame was decided on in its own callback: its orders leave here, not a turn later
        try:
            if self.run_hooks():
                self.wake()  # there may be more than one turn takes
        except Exception as error:
            # the frame's connection is not at fault
            self.loop.call_exception_handler({"message": "a hook failed", "exception": error})

    def look(self) -> None:
        """Run every hook once, asleep or not; stay awake when there was work. Loop thread."""
        if self.run_all() and not self.stopped:
            self.wake()

    def turn(self) -> None:
        """Run every hook once, then decide whether to come back at once or to sleep."""
        cdef int64_t now
        cdef bint worked = self.run_all()
        if self.stopped:
            return
        if not worked and self.idle_hook is not None:
            self.idle_hook()
        if self.mode == MODE_SPIN:
            self.call_soon(self.turn_bound)
            return
        if self.mode == MODE_ADAPTIVE:
            now = arb_mono_ns()
            if worked:
                self.note_activity(now)
            if worked or now - self.active_mono_ns < arb_spin_ns(&self.budget):
                self.waiting = not worked
                self.call_soon(self.turn_bound)
                return
        elif worked:
            self.call_soon(self.turn_bound)
            return
        arb_bell_arm(self.bell)
        if self.run_all():
            arb_bell_disarm(self.bell)
            self.call_soon(self.turn_bound)
        else:
            self.asleep = True
            self.waiting = True

    cdef bint run_all(self) except -1:
        cdef bint worked = self.first_hook is not None and self.first_hook()
        return self.run_hooks() or worked

    cpdef bint run_hooks(self) except -1:
        """Run every hook but the first one once; return whether any had something to do."""
        cdef bint worked = False
        for hook in self.hooks:
            if hook():
                worked = True
        return worked
