"""Attach to a running trader from another process, read-only."""

from arbitrage.core.segment import Segment
from arbitrage.errors import SegmentError

__all__ = ["attach"]


def attach(name: str = "arbitrage") -> Segment:
    """Attach to a trader's shared memory; nothing done with it can slow or change the trader.

    Parameters
    ----------
    name : str
        The trader's name (``ARB_NAME``).

    Returns
    -------
    Segment
        Live views: ``store`` (zero-copy read-only arrays), ``symbols``, ``opportunities``,
        ``counters()``, ``queues()``, ``latency``, ``threads()``, ``alive``.

    Raises
    ------
    SegmentError
        No such trader, or one of another release.

    Examples
    --------
    >>> trader = arbitrage.attach("arbitrage")          # doctest: +SKIP
    >>> trader.store.bid_px                             # doctest: +SKIP
    """
    try:
        return Segment.attach(name)
    except (OSError, ValueError) as error:
        raise SegmentError(str(error)) from None
