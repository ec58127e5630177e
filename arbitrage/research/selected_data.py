"""A part of a stream of market records: some symbols, some venues, some time."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from arbitrage.core.market_carry import MarketCarry
from arbitrage.core.market_records import ALL_SYMBOLS
from arbitrage.instruments import VENUES
from arbitrage.research.market import BLOCK_ROWS, FOREVER_NS, Gap, MarketData, Selection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SelectedData"]


class SelectedData(MarketData):
    """See `MarketData.select`."""

    def __init__(self, whole: MarketData, wanted: Selection) -> None:
        self._whole, self._wanted = whole, wanted
        self.symbols = whole.symbols if wanted.symbols is None else wanted.symbols
        venues = VENUES if wanted.venues is None else wanted.venues
        self.contracts = {
            key: item
            for key, item in whole.contracts.items()
            if key[0] in venues and key[1] in self.symbols
        }
        self.contracts_from = whole.contracts_from
        self.has_depth = whole.has_depth
        self._start_ns = -FOREVER_NS if wanted.start_ns is None else wanted.start_ns
        self._end_ns = FOREVER_NS if wanted.end_ns is None else wanted.end_ns
        self.start_ns = max(whole.start_ns, self._start_ns)
        self.end_ns = min(whole.end_ns, self._end_ns - 1)
        self.gaps = tuple(gap for gap in whole.gaps if self._touches(gap, venues))

    @property
    def source(self) -> dict[str, Any]:
        wanted, source = self._wanted, self._whole.source
        if wanted.symbols is not None:
            source["symbols"] = list(wanted.symbols)
        if wanted.venues is not None:
            source["venues"] = list(wanted.venues)
        if wanted.start_ns is not None:
            source["start"] = max(wanted.start_ns, source.get("start") or wanted.start_ns)
        if wanted.end_ns is not None:
            source["end"] = min(wanted.end_ns, source.get("end") or wanted.end_ns)
        return source

    def _touches(self, gap: Gap, venues: tuple[str, ...]) -> bool:
        is_ours = gap.venue in venues and (gap.symbol is None or gap.symbol in self.symbols)
        return is_ours and gap.end_ns >= self._start_ns and gap.start_ns < self._end_ns

    def blocks(self, rows: int = BLOCK_ROWS) -> "Iterator[NDArray[np.void]]":
        import numpy as np

        carry: MarketCarry | None = None
        if self._wanted.start_ns is not None:
            carry = MarketCarry(len(self.symbols))
        for block in self._whole.blocks(rows):
            times = block["recv_ns"]
            first = int(np.searchsorted(times, self._start_ns, "left"))
            end = int(np.searchsorted(times, self._end_ns, "left"))
            if carry is not None:
                carry.take(np.ascontiguousarray(self._kept(block[:first])))
                if first < len(block):
                    stands = carry.state(self._start_ns)
                    carry = None
                    yield from _cut(stands, rows)
            part = self._kept(block[first:end])
            if len(part):
                yield part
            if end < len(block):
                return
        if carry is not None:  # all of it lies before the start
            yield from _cut(carry.state(self._start_ns), rows)

    def _kept(self, block: "NDArray[np.void]") -> "NDArray[np.void]":
        """Leave out what is not wanted, and number the symbols anew."""
        import numpy as np

        keep = np.isin(block["venue"], self._venues)
        if not self._moves:
            return block if keep.all() else block[keep]
        places = self._places[block["symbol"]]
        block = block[keep & (places >= 0)].copy()
        block["symbol"] = self._places[block["symbol"]]
        return block

    @cached_property
    def _moves(self) -> bool:
        return self.symbols != self._whole.symbols

    @cached_property
    def _venues(self) -> list[int]:
        return [VENUES.index(name) for name in self._wanted.venues or VENUES]

    @cached_property
    def _places(self) -> "NDArray[np.int32]":
        """Where each symbol of the whole is now; -1: left out."""
        import numpy as np

        places = np.full(1 << 16, -1, np.int32)
        places[ALL_SYMBOLS] = ALL_SYMBOLS
        for place, symbol in enumerate(self.symbols):
            places[self._whole.symbols.index(symbol)] = place
        return places


def _cut(records: "NDArray[np.void]", rows: int) -> "Iterator[NDArray[np.void]]":
    for first in range(0, len(records), rows):
        yield records[first : first + rows]
