from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNWANTED: int
LINES_MAX: int

class FramesNeed(IntEnum):
    """Why `MarketFrames.run` came back."""

    DONE = 0
    BYTES = 1
    ROOM = 2
    NAME = 3
    UNORDERED = 5

class MarketFrames:
    """Merge lines of ``recv_ns TAB frame`` of both venues into market records."""

    def __init__(
        self,
        sources: Sequence[tuple[int, int, bool]],
        gaps: Sequence[tuple[int, int, int]] = (),
        *,
        rows: int = 65536,
        buffer_bytes: int = 4_194_304,
    ) -> None: ...
    def free_space(self, source: int) -> memoryview: ...
    def filled(self, source: int, byte_count: int) -> None: ...
    def run(self) -> int: ...
    @property
    def asked(self) -> int: ...
    @property
    def name(self) -> bytes: ...
    def learn(self, venue: int, name: bytes, canonical: bytes, symbol: int) -> None: ...
    def take(self) -> NDArray[np.void]: ...
    def source_counts(self, source: int) -> dict[str, Any]: ...
    @property
    def counts(self) -> dict[str, int]: ...
    @property
    def gaps(self) -> list[tuple[int, int, int, int]]: ...
