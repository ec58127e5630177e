from enum import IntEnum, IntFlag
from typing import Any

import numpy as np

MARKET_BYTES: int
MARKET_FIELDS: list[Any]
MARKET_DTYPE: np.dtype[np.void]
ALL_SYMBOLS: int

class MarketKind(IntEnum):
    """What a market record says."""

    QUOTE = 1
    LEVEL = 2
    FUNDING = 3
    GAP = 4

class MarketFlag(IntFlag):
    """What else is known of a market record."""

    LAST = 1
    SNAPSHOT = 2
    CARRIED = 4
    BOOK = 8
