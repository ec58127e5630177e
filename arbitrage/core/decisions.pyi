from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from arbitrage.core.store import MarketStore

DECISION_BYTES: int
CONFIG_PIECES: int
DECISION_FIELDS: dict[str, Any]
DECISION_DTYPE: np.dtype[np.void]

class DecisionKind(IntEnum):
    """What a record of the detector's decisions says."""

    NONE = 0
    TICK = 1
    SWEEP = 2
    CLOSE = 3
    LADDER = 4
    STATIC = 5
    ROUND = 6
    CONFIG = 7
    SYMBOL = 8
    ROW = 9
    ROW_STATE = 10
    ROW_WATCH = 11
    PAIR = 12
    TURN = 13

def read_config(pieces: bytes) -> dict[str, Any]: ...

class DecisionReplay:
    """Run a detector over the recorded decisions of another one."""

    elapsed_ns: int
    def __init__(self, venue_count: int, symbol_capacity: int) -> None: ...
    def run(self, decisions: Buffer, first: int = 0) -> int: ...
    def lose(self) -> None: ...
    def take_events(self) -> NDArray[np.void]: ...
    @property
    def store(self) -> MarketStore: ...
    @property
    def event_count(self) -> int: ...
    @property
    def is_exact(self) -> bool: ...
    @property
    def became_exact(self) -> int: ...
    @property
    def exact_from(self) -> tuple[int, int]: ...
    @property
    def latest_mono_ns(self) -> int: ...
    @property
    def first_difference(self) -> int | None: ...
    @property
    def counts(self) -> dict[str, int]: ...
