"""The kill switch as a gateway sees it: looked at before each order, and seen is told back."""

from arbitrage.core.segment cimport Segment
from arbitrage.core.segment_layout cimport arb_control_t

# venue_code of a REJECT of an order that was not sent because the switch had tripped
REJECT_KILLED = <uint32_t>ARB_KILLED_HERE


cdef class KillGate:
    """Let orders out while the kill switch has not tripped.

    Threads: :meth:`look` and :meth:`lets` on the gateway's loop; `seen` may be read by any thread.

    Parameters
    ----------
    segment : Segment, optional
        Whose control words to obey; None: there is no switch, and everything may leave.

    Examples
    --------
    >>> KillGate().lets(reduces=False)
    True
    """

    def __init__(self, segment: Segment | None = None) -> None:
        cdef arb_control_t *control
        self.gate.seen = 0
        self.gate.kill = self.gate.flatten = NULL
        self.owner = segment
        if segment is not None:
            control = (<Segment>segment).control()
            self.gate.kill = &control.kill
            self.gate.flatten = &control.flatten

    def look(self) -> None:
        """Take note of the switch: nothing that it forbids leaves this gateway from now on."""
        arb_kill_look(&self.gate)

    @property
    def seen(self) -> int:
        """Why the switch had tripped when the gateway last looked; 0: it had not."""
        return arb_kill_seen(&self.gate)

    def lets(self, reduces: bool) -> bool:
        """Whether an order may leave now; while killed only what reduces, and only to flatten."""
        return arb_kill_lets(&self.gate, reduces)
