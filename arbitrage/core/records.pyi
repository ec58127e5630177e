from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

VENUE_COUNT: int
VENUES_MAX: int
SYMBOLS_MAX: int
ROW_NONE: int
NAME_BYTES_MAX: int
ORDER_REDUCE_ONLY: int
TICK_BYTES: int
OPPORTUNITY_BYTES: int
ORDER_BYTES: int
EXEC_BYTES: int
TICK_DTYPE: np.dtype[np.void]
OPPORTUNITY_DTYPE: np.dtype[np.void]
ORDER_DTYPE: np.dtype[np.void]
EXEC_DTYPE: np.dtype[np.void]

class Venue(IntEnum):
    BYBIT = 0
    OKX = 1
    UNKNOWN = 255

class RowState(IntEnum):
    EMPTY = 0
    SYNCING = 1
    LIVE = 2
    SUSPECT = 3
    STALE = 4
    GAP = 5
    UNKNOWN = 255

class QuoteKind(IntEnum):
    SNAPSHOT = 0
    DELTA = 1

class FrameStatus(IntEnum):
    QUOTE = 0
    CONTROL = 1
    OTHER_TOPIC = 2
    UNKNOWN_SYMBOL = 3
    MALFORMED = 16
    TRUNCATED = 17
    BAD_JSON = 18
    MISSING_FIELD = 19
    DUPLICATE_FIELD = 20
    BAD_NUMBER = 21
    BAD_TYPE = 22
    SYMBOL_MISMATCH = 23
    CROSSED = 24
    TOO_LONG = 25

class TickKind(IntEnum):
    QUOTE = 0
    STATE = 1
    FUNDING = 2

class OppEvent(IntEnum):
    OPEN = 1
    UPDATE = 2
    CLOSE = 3
    UNKNOWN = 255

class CloseReason(IntEnum):
    NONE = 0
    EDGE_GONE = 1
    PRICE_GONE = 2
    NOT_LIVE = 3
    TOO_OLD = 4
    THIN = 5
    CONFIDENCE = 6
    SHUTDOWN = 7

class Leg(IntEnum):
    ENTRY_BUY = 0
    ENTRY_SELL = 1
    EXIT_BUY = 2
    EXIT_SELL = 3
    UNWIND_BUY = 4
    UNWIND_SELL = 5
    MANUAL = 6

class Side(IntEnum):
    BUY = 0
    SELL = 1
    UNKNOWN = 255

class OrderAction(IntEnum):
    NEW_IOC = 0
    CANCEL = 1
    UNKNOWN = 255

class ExecKind(IntEnum):
    SENT = 0
    ACK = 1
    REJECT = 2
    FILL = 3
    DONE = 4
    TIMEOUT = 5
    VENUE = 6

class ClientId(NamedTuple):
    run: int
    pair: int
    leg: int
    attempt: int

def make_client_id(run: int, pair: int, leg: int, attempt: int = 0) -> int: ...
def split_client_id(client_id: int) -> ClientId: ...
def pack_tick_key(seq: int, row: int, kind: int) -> int: ...
def split_tick_key(key: Any) -> tuple[Any, Any, Any]: ...
