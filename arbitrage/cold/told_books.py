"""Books that a lane told between its frames, as the frames that the venue would state them by."""

import struct
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from arbitrage.core.segment import VENUES, Segment

__all__ = ["ToldBook"]

HEADER = struct.Struct("<qqqIIIHH")  # arb_told_book_t, see told_book.h
MS = 1_000_000


@dataclass(frozen=True)
class ToldBook:
    """One book as it stood.

    Attributes
    ----------
    venue, row, line : int
        Whose; `line` brought its newest state, and goes on from it.
    gaps : int
        Gaps of its lane until then, as its reader counted them.
    """

    venue: int
    row: int
    line: int
    gaps: int
    payload: bytes

    @staticmethod
    def of(venue: int, payload: bytes, gaps: int) -> "ToldBook":
        """Take what the tap held."""
        *_, row, _, _, _, line = HEADER.unpack_from(payload)
        return ToldBook(venue, row, line, gaps, payload)

    def frame(self, segment: Segment) -> bytes:
        """Write it in the venue's own form, with ``"told":true``, which no venue sends."""
        exch_ns, seq, update_id, row, bids, asks, _, _ = HEADER.unpack_from(self.payload)
        name = segment.symbols.venue_symbol(VENUES[self.venue], row % segment.store.symbol_capacity)
        numbers = struct.unpack_from(f"<{2 * (bids + asks)}d", self.payload, HEADER.size)
        ends = ('["', '"]') if self.venue == 0 else ('["', '","0","1"]')
        levels = [
            f'{ends[0]}{_text(px)}","{_text(qty)}{ends[1]}'
            for px, qty in zip(numbers[::2], numbers[1::2], strict=True)
        ]
        sides: dict[str, Any] = {"b": ",".join(levels[:bids]), "a": ",".join(levels[bids:])}
        if self.venue == 0:
            return (
                f'{{"topic":"orderbook.50.{name}","type":"snapshot","ts":{exch_ns // MS},"data":'
                f'{{"s":"{name}","b":[{sides["b"]}],"a":[{sides["a"]}],"u":{update_id},'
                f'"seq":{seq}}},"cts":{exch_ns // MS},"told":true}}'
            ).encode()
        return (
            f'{{"arg":{{"channel":"books","instId":"{name}"}},"action":"snapshot","data":[{{"asks":'
            f'[{sides["a"]}],"bids":[{sides["b"]}],"ts":"{exch_ns // MS}","checksum":0,'
            f'"seqId":{update_id},"prevSeqId":-1}}],"told":true}}'
        ).encode()


def _text(value: float) -> str:
    """Return the shortest decimal that is this number again, without an exponent."""
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text
