"""Attach to a running trader from another process, read-only."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from arbitrage.core.segment import Segment
from arbitrage.errors import SegmentError, SegmentGoneError

__all__ = ["attach", "living"]

SEGMENTS = Path("/dev/shm")
PREFIX = "arbitrage."


def living() -> Iterator[Segment]:
    """Yield the segment of each trader that runs here, as far as it may be looked at, by name."""
    for path in sorted(SEGMENTS.glob(f"{PREFIX}*")):
        with suppress(OSError, ValueError):
            segment = Segment.attach(path.name.removeprefix(PREFIX))
            try:
                if segment.alive:
                    yield segment
            finally:
                segment.close()


def attach(name: str = "arbitrage", *, dead: bool = False) -> Segment:
    """Attach to a trader's shared memory; nothing done with it can slow or change the trader.

    Parameters
    ----------
    name : str
        The trader's name (``ARB_NAME``).
    dead : bool
        Whether to read what a trader that was killed has left, too: its last quotes and counts,
        as they were then. They stay until the next start of that name.

    Returns
    -------
    Segment
        Live views: ``store`` (zero-copy read-only arrays, venue by symbol: axis 0 in the order of
        `arbitrage.VENUES`, axis 1 in that of ``symbols``), ``symbols``, ``opportunities``,
        ``counters()``, ``queues()``, ``latency``, ``threads()``, ``alive``.

    Raises
    ------
    SegmentGoneError
        No such trader runs; one that was killed counts only with `dead`.
    SegmentError
        It is of another release.

    Examples
    --------
    >>> trader = arbitrage.attach("arbitrage")          # doctest: +SKIP
    >>> trader.store.bid_px                             # doctest: +SKIP
    """
    try:
        segment = Segment.attach(name)
    except FileNotFoundError as error:
        names = ", ".join(each.name for each in living())
        raise SegmentGoneError(f"{error}; running: {names}" if names else str(error)) from None
    except (OSError, ValueError) as error:
        raise SegmentError(str(error)) from None
    if not (dead or segment.alive):
        pid = segment.pid
        segment.close()
        raise SegmentGoneError(
            f"the trader {name!r} (pid {pid}) has ended, killed or crashed; start it again"
        )
    return segment
