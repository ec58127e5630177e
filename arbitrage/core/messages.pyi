from typing import Any, NamedTuple

RECORDS: tuple[str, ...]
VERDICTS: tuple[str, ...]
PAIR_KINDS: tuple[str, ...]

class Opportunity(NamedTuple):
    id: int
    recv_mono_ns: int
    open_mono_ns: int
    ask_px: float
    bid_px: float
    ask_qty: float
    bid_qty: float
    gross_bps: float
    net_bps: float
    fees_bps: float
    slippage_bps: float
    funding_bps: float
    close_bps: float
    peak_net_bps: float
    confidence: float
    parsed_ns: int
    detected_ns: int
    other_age_us: int
    update_count: int
    buy_row: int
    sell_row: int
    symbol_index: int
    event: int
    reason: int
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> Opportunity: ...

class Order(NamedTuple):
    client_id: int
    recv_mono_ns: int
    px_ticks: int
    qty_lots: int
    detected_ns: int
    decided_ns: int
    row: int
    venue: int
    side: int
    action: int
    flags: int
    symbol_index: int
    opportunity_id: int
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> Order: ...

class Execution(NamedTuple):
    client_id: int
    recv_mono_ns: int
    px: float
    last_qty_lots: int
    cum_qty_lots: int
    fee_bps: float
    venue_code: int
    row: int
    venue: int
    kind: int
    side: int
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> Execution: ...

class PairEvent(NamedTuple):
    opportunity_id: int
    mono_ns: int
    started_mono_ns: int
    opened_mono_ns: int
    buy_px: float
    sell_px: float
    buy_exit_px: float
    sell_exit_px: float
    base_qty: float
    gross_bps: float
    pair_bps: float
    fees_bps: float
    funding_bps: float
    naked_us: int
    pair: int
    order_count: int
    kind: int
    tag: int
    buy_row: int
    sell_row: int
    symbol_index: int
    event: int
    reason: int
    run: int
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> PairEvent: ...

class Intent(NamedTuple):
    id: int
    asked_mono_ns: int
    expires_mono_ns: int
    max_usd: float
    min_net_bps: float
    min_gross_bps: float
    pair: int
    symbol_index: int
    buy_venue: int
    sell_venue: int
    action: int
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> Intent: ...

class Notice(NamedTuple):
    intent_id: int
    client_id: int
    opportunity_id: int
    mono_ns: int
    px: float
    base_qty: float
    rate: float
    funding_bps: float
    pair_funding_bps: float
    lots: int
    fee_bps: float
    run: int
    pair: int
    row: int
    symbol_index: int
    notice: int
    verdict: int
    gate_reason: int
    side: int
    kind: int
    tag: int
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> Notice: ...

class RunBegun(NamedTuple):
    started_wall_ns: int
    started_mono_ns: int
    pid: int
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> RunBegun: ...

class PairPhase(NamedTuple):
    opportunity_id: int
    long_lots: int
    short_lots: int
    pair: int
    buy_row: int
    sell_row: int
    symbol_index: int
    phase: int
    reason: int
    kind: int = 0
    tag: int = 0
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> PairPhase: ...

class Contract(NamedTuple):
    row: int
    symbol_index: int
    venue: int
    symbol: str
    venue_symbol: str
    tick: str
    lot: str
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> Contract: ...

class ControlWords(NamedTuple):
    kill: int
    opening_off: int
    flatten: int
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> ControlWords: ...

class FillEntry(NamedTuple):
    client_id: int
    wall_ns: int
    px: int
    qty: int
    fee: int
    trade_id: str
    row: int
    venue: int
    side: int
    px_exponent: int
    qty_exponent: int
    fee_exponent: int
    mode: int
    flags: int
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> FillEntry: ...

class FundingEntry(NamedTuple):
    wall_ns: int
    amount: int
    payment_id: str
    row: int
    venue: int
    amount_exponent: int
    mode: int
    flags: int
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> FundingEntry: ...

class PositionEntry(NamedTuple):
    wall_ns: int
    qty: int
    entry_px: int
    row: int
    venue: int
    source: int
    qty_exponent: int
    entry_exponent: int
    mode: int
    flags: int
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> PositionEntry: ...

class Adopted(NamedTuple):
    opportunity_id: int
    started_wall_ns: int
    opened_wall_ns: int
    long_lots: int
    short_lots: int
    buy_px: float
    sell_px: float
    buy_fee_bps: float
    sell_fee_bps: float
    funding_bps: float
    from_run: int
    from_pair: int
    buy_row: int
    sell_row: int
    symbol_index: int
    phase: int
    kind: int
    tag: int
    pair: int
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> Adopted: ...

class RunTaken(NamedTuple):
    pair_count: int
    from_run: int
    mode: int
    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, payload: bytes) -> RunTaken: ...

def pair_event_dtype() -> Any: ...
