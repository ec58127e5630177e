"""Several ordered runs of market records brought into one order, in bounded memory."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Streamed", "merged"]

# records, and the place of each in the whole stream: the order of those of one time
Streamed = tuple["NDArray[np.void]", "NDArray[np.int64]"]


class _Run:
    """One ordered run: what of it was read and not yet given."""

    def __init__(self, pieces: Iterator[Streamed], starts_ns: int | None) -> None:
        self._pieces, self._starts_ns = pieces, starts_ns
        self.is_over = self.is_begun = False
        self.pieces: list[Streamed] = []
        if starts_ns is None:
            self.read()

    def read(self) -> None:
        """Read one piece more, unless the run is over."""
        self.is_begun = True
        piece = next(self._pieces, None)
        if piece is None:
            self.is_over = True
        elif len(piece[0]):
            self.pieces.append(piece)
        else:
            self.read()

    @property
    def newest_ns(self) -> int:
        """Time of the last record at hand; before it has begun: when it will."""
        if not self.is_begun:
            assert self._starts_ns is not None
            return self._starts_ns
        return int(self.pieces[-1][0]["recv_ns"][-1])

    def take(self, before_ns: int | None) -> list[Streamed]:
        """Give what is older than that; None: all."""
        import numpy as np

        if before_ns is None:
            found, self.pieces = self.pieces, []
            return found
        found, left = [], []
        for records, places in self.pieces:
            count = int(np.searchsorted(records["recv_ns"], before_ns))
            if count:
                found.append((records[:count], places[:count]))
            if count < len(records):
                left.append((records[count:], places[count:]))
        self.pieces = left
        return found


def merged(
    runs: Sequence[Iterator[Streamed]], starts_ns: Sequence[int] | None = None
) -> Iterator["NDArray[np.void]"]:
    """Yield the records of all runs by time; of one time by their places, then by venue.

    At any moment about one piece of each run is in memory; with `starts_ns`, the time of each one's
    first record, of none that has not begun.
    """
    import numpy as np

    begin = [None] * len(runs) if starts_ns is None else starts_ns
    held = [_Run(run, at) for run, at in zip(runs, begin, strict=True)]
    while any(run.pieces or not run.is_begun for run in held):
        for run in held:
            while run.is_begun and not run.is_over and not run.pieces:
                run.read()
        # until where every run is known: all before the least newest time of those that go on
        open_ns = [run.newest_ns for run in held if not run.is_over]
        before_ns = min(open_ns) if open_ns else None
        taken = [piece for run in held for piece in run.take(before_ns)]
        for run in held:
            if not run.is_over and (run.pieces or not run.is_begun) and run.newest_ns == before_ns:
                run.read()
        if not taken:
            continue
        records = np.concatenate([piece[0] for piece in taken])
        places = np.concatenate([piece[1] for piece in taken])
        del taken
        records = records[np.lexsort((records["venue"], places, records["recv_ns"]))]
        yield records
        del records, places
