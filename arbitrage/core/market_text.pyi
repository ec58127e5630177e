from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

class MarketText:
    """Write market records as lines of ``recv_ns TAB frame``, in each venue's own format."""

    gaps: list[tuple[int, int, int]]
    def __init__(self, names: Sequence[Sequence[bytes]]) -> None: ...
    def take(self, records: NDArray[np.void]) -> None: ...
    def text(self, venue: int) -> bytes: ...
    @property
    def frames(self) -> tuple[int, int]: ...
