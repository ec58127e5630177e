"""The records as Python tuples that know their bytes: what travels in the rings, one by one.

Whole drains are better read as arrays, see arbitrage.core.records for their dtypes.
"""

from collections import namedtuple
from struct import Struct

from arbitrage.core.records cimport (
    ARB_KIND_COUNT,
    ARB_VERDICT_COUNT,
    arb_exec_t,
    arb_intent_t,
    arb_notice_t,
    arb_opportunity_t,
    arb_order_t,
)

cdef extern from *:
    """
    #include "records.h"
    #define ARB_X(name) #name,
    static const char *const arb_verdict_names[] = {ARB_VERDICTS(ARB_X) NULL};
    #undef ARB_X
    """
    const char *arb_verdict_names[]

cdef extern from "pair.h" nogil:
    ctypedef struct arb_pair_event_t:
        pass
    ctypedef struct arb_journal_run_t:
        pass
    ctypedef struct arb_journal_pair_t:
        pass
    ctypedef struct arb_journal_kill_t:
        pass
    ctypedef struct arb_journal_contract_t:
        pass
    ctypedef struct arb_journal_fill_t:
        pass
    ctypedef struct arb_journal_funding_t:
        pass
    ctypedef struct arb_journal_position_t:
        pass
    ctypedef struct arb_journal_adopted_t:
        pass
    ctypedef struct arb_journal_taken_t:
        pass

# record -> "name:code" of each field in order; codes as in the struct module
_FIELDS = {
    "opportunity": "id:Q recv_mono_ns:q open_mono_ns:q ask_px:d bid_px:d ask_qty:d bid_qty:d "
                   "gross_bps:d net_bps:d fees_bps:f slippage_bps:f funding_bps:f close_bps:f "
                   "peak_net_bps:f confidence:f parsed_ns:I detected_ns:I other_age_us:I "
                   "update_count:I buy_row:H sell_row:H symbol_index:H event:B reason:B",
    "order": "client_id:Q recv_mono_ns:q px_ticks:q qty_lots:q detected_ns:I decided_ns:I row:H "
             "venue:B side:B action:B flags:B symbol_index:H opportunity_id:Q",
    "exec": "client_id:Q recv_mono_ns:q px:d last_qty_lots:q cum_qty_lots:q fee_bps:f "
            "venue_code:I row:H venue:B kind:B side:B reserved_0:3x",
    "pair_event": "opportunity_id:Q mono_ns:q started_mono_ns:q opened_mono_ns:q buy_px:d "
                  "sell_px:d buy_exit_px:d sell_exit_px:d base_qty:d gross_bps:d pair_bps:d "
                  "fees_bps:f funding_bps:f naked_us:I pair:I order_count:H kind:B tag:B buy_row:H "
                  "sell_row:H symbol_index:H event:B reason:B run:I",
    "intent": "id:Q asked_mono_ns:q expires_mono_ns:q max_usd:d min_net_bps:d min_gross_bps:f "
              "pair:I symbol_index:H buy_venue:B sell_venue:B action:B reserved_0:3x",
    "notice": "intent_id:Q client_id:Q opportunity_id:Q mono_ns:q px:d base_qty:d rate:d "
              "funding_bps:d pair_funding_bps:d lots:q fee_bps:d run:I pair:I row:H "
              "symbol_index:H notice:B verdict:B gate_reason:B side:B kind:B tag:B "
              "reserved_0:14x",
    "run": "started_wall_ns:q started_mono_ns:q pid:q",
    "pair": "opportunity_id:Q long_lots:q short_lots:q pair:I buy_row:H sell_row:H "
            "symbol_index:H phase:B reason:B kind:B tag:B reserved_0:2x",
    "kill": "kill:Q opening_off:Q flatten:Q",
    "contract": "row:H symbol_index:H venue:B reserved_0:3x symbol:16s venue_symbol:24s tick:16s "
                "lot:16s",
    "fill": "client_id:Q wall_ns:q px:q qty:q fee:q trade_id:36s row:H venue:B side:B "
            "px_exponent:b qty_exponent:b fee_exponent:b mode:B flags:B reserved_0:3x",
    "funding": "wall_ns:q amount:q payment_id:48s row:H venue:B amount_exponent:b mode:B flags:B "
               "reserved_0:2x",
    "position": "wall_ns:q qty:q entry_px:q row:H venue:B source:B qty_exponent:b "
                "entry_exponent:b mode:B flags:B",
    "adopted": "opportunity_id:Q started_wall_ns:q opened_wall_ns:q long_lots:q short_lots:q "
               "buy_px:d sell_px:d buy_fee_bps:f sell_fee_bps:f funding_bps:f from_run:I "
               "from_pair:I buy_row:H sell_row:H symbol_index:H phase:B kind:B tag:B "
               "reserved_0:B pair:H",
    "taken": "pair_count:I from_run:I mode:B reserved_0:7x",
}
_SIZES = {
    "opportunity": sizeof(arb_opportunity_t), "order": sizeof(arb_order_t),
    "exec": sizeof(arb_exec_t), "pair_event": sizeof(arb_pair_event_t),
    "intent": sizeof(arb_intent_t), "notice": sizeof(arb_notice_t),
    "run": sizeof(arb_journal_run_t), "pair": sizeof(arb_journal_pair_t),
    "kill": sizeof(arb_journal_kill_t), "contract": sizeof(arb_journal_contract_t),
    "fill": sizeof(arb_journal_fill_t), "funding": sizeof(arb_journal_funding_t),
    "position": sizeof(arb_journal_position_t),
    "adopted": sizeof(arb_journal_adopted_t), "taken": sizeof(arb_journal_taken_t),
}
RECORDS = tuple(_FIELDS)
# what became of an intent, by Notice.verdict
VERDICTS = tuple(arb_verdict_names[index].decode("ascii") for index in range(ARB_VERDICT_COUNT))
# by which rule a pair was opened and leaves, by PairEvent.kind
PAIR_KINDS = ("spread", "funding", "intent")
if len(PAIR_KINDS) != ARB_KIND_COUNT:
    raise ImportError("arbitrage.core.messages was built from another records.h; build again")


def _columns(record):
    return [field.split(":") for field in _FIELDS[record].split()]


def _struct(record):
    packed = Struct("<" + "".join(code for _, code in _columns(record)))
    if packed.size != _SIZES[record]:
        raise ImportError(f"arbitrage.core.messages: {record} is {_SIZES[record]} bytes in "
                          f"records.h and {packed.size} here; build again")
    return packed


_STRUCTS = {record: _struct(record) for record in RECORDS}


def _tuple(name, record, defaults=None):
    names = [column for column, _ in _columns(record) if not column.startswith("reserved")]
    return namedtuple(name, names, defaults=defaults)


_OpportunityTuple = _tuple("Opportunity", "opportunity")
_OrderTuple = _tuple("Order", "order")
_ExecutionTuple = _tuple("Execution", "exec")
_PairEventTuple = _tuple("PairEvent", "pair_event")
_IntentTuple = _tuple("Intent", "intent")
_NoticeTuple = _tuple("Notice", "notice")
_RunBegunTuple = _tuple("RunBegun", "run")
_PairPhaseTuple = _tuple("PairPhase", "pair", (0, 0))  # kind, tag
_ContractTuple = _tuple("Contract", "contract")
_ControlWordsTuple = _tuple("ControlWords", "kill")
_FillEntryTuple = _tuple("FillEntry", "fill")
_FundingEntryTuple = _tuple("FundingEntry", "funding")
_PositionEntryTuple = _tuple("PositionEntry", "position")
_AdoptedTuple = _tuple("Adopted", "adopted")
_RunTakenTuple = _tuple("RunTaken", "taken")


class _Packed:
    # pack and unpack of a named tuple through its record's struct
    __slots__ = ()

    def pack(self) -> bytes:
        """Return the record's bytes, as they lie in a ring or a journal."""
        return _STRUCTS[self._record].pack(*self)

    @classmethod
    def unpack(cls, payload: bytes):
        """Return the tuple of a record's bytes; trailing bytes are ignored."""
        return cls._make(_STRUCTS[cls._record].unpack_from(payload))  # quicker than cls(*fields)


class Opportunity(_Packed, _OpportunityTuple):
    """One event in the life of an opportunity, detector to everyone."""

    __slots__ = ()
    _record = "opportunity"


class Order(_Packed, _OrderTuple):
    """One order intent, strategy to gateway, in ticks and lots of the venue's grid."""

    __slots__ = ()
    _record = "order"


class Execution(_Packed, _ExecutionTuple):
    """What a venue said of one order, gateway to strategy."""

    __slots__ = ()
    _record = "exec"


class PairEvent(_Packed, _PairEventTuple):
    """One change in a pair's life, strategy to everyone."""

    __slots__ = ()
    _record = "pair_event"


class Intent(_Packed, _IntentTuple):
    """What a user's strategy asks for, its process to the strategy thread."""

    __slots__ = ()
    _record = "intent"


class Notice(_Packed, _NoticeTuple):
    """An answer to an intent, a fill or a settlement, strategy to everyone."""

    __slots__ = ()
    _record = "notice"


class RunBegun(_Packed, _RunBegunTuple):
    """A run began: the first record of its journal."""

    __slots__ = ()
    _record = "run"


class PairPhase(_Packed, _PairPhaseTuple):
    """A pair changed its phase; lots are each leg's position, short ones positive when short."""

    __slots__ = ()
    _record = "pair"


class Contract(_Packed, _ContractTuple):
    """What a row's ticks and lots mean; its texts are str here."""

    __slots__ = ()
    _record = "contract"

    def pack(self) -> bytes:
        """Return the record's bytes, as they lie in a journal."""
        texts = [text.encode("ascii") for text in self[3:]]
        for text, room in zip(texts, (16, 24, 16, 16), strict=True):
            if len(text) > room:
                raise ValueError(f"{text.decode()!r} is longer than {room} characters")
        return _STRUCTS["contract"].pack(*self[:3], *texts)

    @classmethod
    def unpack(cls, payload: bytes):
        """Return the tuple of a record's bytes; trailing bytes are ignored."""
        held = _STRUCTS["contract"].unpack_from(payload)
        return cls(*held[:3], *(_text(text) for text in held[3:]))


class ControlWords(_Packed, _ControlWordsTuple):
    """A control word changed: kill switch, no openings, flatten."""

    __slots__ = ()
    _record = "kill"


class FillEntry(_Packed, _FillEntryTuple):
    """One execution in the account's journal; decimals are value times 10 to their exponent."""

    __slots__ = ()
    _record = "fill"

    def pack(self) -> bytes:
        """Return the record's bytes, as they lie in a journal."""
        return _STRUCTS["fill"].pack(*self._replace(trade_id=self.trade_id.encode("ascii")))

    @classmethod
    def unpack(cls, payload: bytes):
        """Return the tuple of a record's bytes; trailing bytes are ignored."""
        held = cls(*_STRUCTS["fill"].unpack_from(payload))
        return held._replace(trade_id=_text(held.trade_id))


class FundingEntry(_Packed, _FundingEntryTuple):
    """One funding settlement in the account's journal; a positive amount was paid by us."""

    __slots__ = ()
    _record = "funding"

    def pack(self) -> bytes:
        """Return the record's bytes, as they lie in a journal."""
        return _STRUCTS["funding"].pack(*self._replace(payment_id=self.payment_id.encode("ascii")))

    @classmethod
    def unpack(cls, payload: bytes):
        """Return the tuple of a record's bytes; trailing bytes are ignored."""
        held = cls(*_STRUCTS["funding"].unpack_from(payload))
        return held._replace(payment_id=_text(held.payment_id))


class PositionEntry(_Packed, _PositionEntryTuple):
    """What is held of one contract at one moment, as the ledger or the venue counts it."""

    __slots__ = ()
    _record = "position"


class Adopted(_Packed, _AdoptedTuple):
    """A pair of an earlier run, taken over; lots as in :class:`PairPhase`."""

    __slots__ = ()
    _record = "adopted"

    def pack(self) -> bytes:
        """Return the record's bytes, as they lie in a journal."""
        return _STRUCTS["adopted"].pack(*self[:-1], 0, self.pair)

    @classmethod
    def unpack(cls, payload: bytes):
        """Return the tuple of a record's bytes; trailing bytes are ignored."""
        *held, _reserved, pair = _STRUCTS["adopted"].unpack_from(payload)
        return cls(*held, pair)


class RunTaken(_Packed, _RunTakenTuple):
    """Everything that stood was taken over: the run goes on from here."""

    __slots__ = ()
    _record = "taken"


def _text(padded):
    return padded.rstrip(b"\0").decode("ascii", "replace")


def pair_event_dtype():
    """Return the NumPy dtype of a pair event."""
    import numpy

    kinds = {"d": "<f8", "f": "<f4", "q": "<i8", "Q": "<u8", "I": "<u4", "H": "<u2", "B": "u1"}
    return numpy.dtype([(name, kinds[code]) for name, code in _columns("pair_event")])
