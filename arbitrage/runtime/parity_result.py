"""What parity found: every order of a session, beside the same one decided again."""

import msgspec

__all__ = ["Parity", "ParityOrder", "Wait"]


class ParityOrder(msgspec.Struct, kw_only=True):
    """One order of the session, beside the same one decided again.

    Parameters
    ----------
    time, mono_ns : str, int
        When it left, UTC, and by the trader's clock.
    is_found : bool
        Whether the strategy, decided again, sent it in the same turn.
    is_outside : bool
        Whether it left before the recording knew everything, or behind its end: it is not judged.
    time_diff_ns, qty_diff_lots, px_diff_ticks : int
        The session's less those decided again; 0 where it was not found.
    unexplained_ns : int
        What is left of the difference in time beside its reason.
    reason : str
        Why it differs, or was not found; empty: it is the same.
    """

    sequence: int
    time: str
    mono_ns: int
    pair: int
    leg: str
    venue: str
    symbol: str
    side: str
    qty: str
    px: str
    unit: str = ""
    is_found: bool = False
    is_outside: bool = False
    time_diff_ns: int = 0
    qty_diff_lots: int = 0
    px_diff_ticks: int = 0
    unexplained_ns: int = 0
    reason: str = ""

    @property
    def is_explained(self) -> bool:
        """Whether nothing of it is left to be explained."""
        return (
            self.is_found and self.unexplained_ns == self.qty_diff_lots == self.px_diff_ticks == 0
        )


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """How long a venue let orders wait, microseconds from the intent."""

    venue: str
    what: str
    count: int
    p50_us: float
    p99_us: float
    max_us: float


class Parity(msgspec.Struct, kw_only=True):
    """What came of deciding a session again.

    Parameters
    ----------
    from_start : bool
        Whether the recording holds the run from its first decision on.
    stopped : str
        Why it could not be decided again to its end; empty: it could.
    orders : list of ParityOrder
        All of the session, in order.
    extra : list of ParityOrder
        Those that only came out again.
    changes, equal_changes : int
        Changes of pairs in the journal, and those that came out the same, byte for byte.
    answers : int
        Executions that the venues told.
    waits : list of Wait
        The session's own latencies.
    detector_differences : int
        Records that the detector answered otherwise than in the trader; 0.
    """

    folder: str
    run: int
    trader: str
    mode: str
    from_start: bool
    stopped: str = ""
    turns: int = 0
    orders: list[ParityOrder] = []
    extra: list[ParityOrder] = []
    changes: int = 0
    equal_changes: int = 0
    answers: int = 0
    waits: list[Wait] = []
    detector_differences: int = 0

    @property
    def found(self) -> int:
        """Orders that came out again."""
        return sum(order.is_found for order in self.orders)

    @property
    def is_well(self) -> bool:
        """Whether all that the recording covers came out again, and nothing else did."""
        return (
            bool(self.judged)
            and not self.extra
            and all(order.is_explained for order in self.judged)
            and self.changes == self.equal_changes
            and self.detector_differences == 0
        )

    @property
    def judged(self) -> list[ParityOrder]:
        """Orders that the recording covers."""
        return [order for order in self.orders if not order.is_outside]
