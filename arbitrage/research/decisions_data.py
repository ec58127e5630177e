"""Market records out of a recording's decisions: what the trader's detector was told, in its order.

Quotes, funding and changes of state are its ticks. A row that left LIVE is a GAP. Of the books
there are the levels that the detector read, as it read them: each ladder is a snapshot.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbitrage.core import decisions, market_records
from arbitrage.core.decisions import DecisionKind
from arbitrage.core.market_records import ALL_SYMBOLS, MarketFlag, MarketKind
from arbitrage.instruments import VENUES
from arbitrage.research.contracts import ContractsChoice
from arbitrage.research.market import BLOCK_ROWS, Gap, MarketData
from arbitrage.research.recording import Recording

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DecisionsData"]

LIVE = 2
QUOTE, STATE, FUNDING = 0, 1, 2  # kinds of ticks
LADDER_LEVELS = 10
LADDER_BYTES = 32 + 2 * LADDER_LEVELS * 16  # an arb_ladder_view_t, see ladder.h
PIECE_BYTES = 56
PIECES = -(-LADDER_BYTES // PIECE_BYTES)


class DecisionsData(MarketData):
    """The decisions of a recording as market records.

    Records keep the order in which the detector applied them; one that was received before the
    record above it, on another lane, is given that one's time.
    """

    def __init__(self, folder: Path, contracts: ContractsChoice) -> None:
        self._recording = Recording(folder)
        session = self._recording.session
        self.symbols = self._recording.symbols
        self.contracts, self.contracts_from = contracts.of(self.symbols, {})
        self._offset_ns = int(session["wall_offset_ns"])
        self._capacity = int(session["symbol_capacity"])
        self._found: dict[str, Any] | None = None

    @property
    def source(self) -> dict[str, Any]:
        return {"path": str(self._recording.folder), "stream": "decisions"}

    # found when they are asked for
    @property
    def has_depth(self) -> bool:  # type: ignore[override]
        return bool(self._survey()["has_depth"])

    @property
    def start_ns(self) -> int:  # type: ignore[override]
        return int(self._survey()["start_ns"])

    @property
    def end_ns(self) -> int:  # type: ignore[override]
        return int(self._survey()["end_ns"])

    @property
    def count(self) -> int:  # type: ignore[override]
        return int(self._survey()["count"])

    @property
    def gaps(self) -> tuple[Gap, ...]:  # type: ignore[override]
        return tuple(self._survey()["gaps"])

    def _survey(self) -> dict[str, Any]:
        if self._found is None:
            for _ in self.blocks():
                pass
        assert self._found is not None
        return self._found

    def blocks(self, rows: int = BLOCK_ROWS) -> "Iterator[NDArray[np.void]]":
        import numpy as np

        found: dict[str, Any] = {"count": 0, "start_ns": 0, "end_ns": 0, "has_depth": False}
        gaps: list[Gap] = []
        pieces: dict[int, bytearray] = {}
        following: int | None = None
        latest_ns = 0
        for block in self._recording.decision_blocks():
            begins_ns = block.first_mono_ns + self._offset_ns
            made: list[NDArray[np.void]] = []
            if following not in (None, block.first):
                lost = block.first - (following or 0)
                gaps += [Gap(latest_ns, begins_ns, venue, None, lost) for venue in VENUES]
                made.append(_forgotten(latest_ns))
                pieces.clear()
            following = block.first + block.count
            told = np.frombuffer(block.records, decisions.DECISION_DTYPE)
            made.append(self._market(told, pieces))
            records = np.concatenate(made)
            if not len(records):
                continue
            times = np.maximum(np.maximum.accumulate(records["recv_ns"]), latest_ns)
            records["recv_ns"] = times
            latest_ns = int(times[-1])
            found["start_ns"] = found["start_ns"] or int(times[0])
            found["end_ns"] = latest_ns
            found["count"] += len(records)
            found["has_depth"] |= bool((records["kind"] == MarketKind.LEVEL).any())
            for first in range(0, len(records), rows):
                yield records[first : first + rows]
        self._found = found | {"gaps": gaps}

    # ---- one block -------------------------------------------------------------------------------

    def _market(self, told: "NDArray[np.void]", pieces: dict[int, bytearray]) -> "NDArray[np.void]":
        import numpy as np

        is_tick = told["kind"] == DecisionKind.TICK
        kinds = told["seq_row_kind"] & np.uint64(7)
        is_tick &= (kinds != STATE) | (told["aux_u32"] != LIVE)
        at = np.flatnonzero(is_tick)
        places, found = [at], [self._ticks(told[at])]
        for place in np.flatnonzero(told["kind"] == DecisionKind.LADDER):
            row = int(told["detail"][place])
            if told["events"][place] == 0:
                pieces[row] = bytearray()
            if row not in pieces:
                continue  # its beginning was lost
            pieces[row] += told["words"][place].tobytes()
            if len(pieces[row]) >= PIECES * PIECE_BYTES:
                levels = self._ladder(row, bytes(pieces.pop(row)))
                found.append(levels)
                places.append(np.full(len(levels), place))
        order = np.argsort(np.concatenate(places), kind="stable")
        return np.concatenate(found)[order]

    def _ticks(self, ticks: "NDArray[np.void]") -> "NDArray[np.void]":
        import numpy as np

        made = np.zeros(len(ticks), market_records.MARKET_DTYPE)
        packed = ticks["seq_row_kind"]
        rows = (packed >> np.uint64(3) & np.uint64(0x1FFF)).astype(np.int64)
        kinds = (packed & np.uint64(7)).astype(np.int64)
        made["recv_ns"] = ticks["mono_ns"] + self._offset_ns
        made["exch_ns"] = _widened(made["recv_ns"], ticks["exch_wall_ms"])
        for name in ("bid_px", "bid_qty", "ask_px", "ask_qty"):
            made[name] = ticks[name]
        made["number"] = (packed >> np.uint64(16)).astype(np.int64)
        made["symbol"], made["venue"] = rows % self._capacity, rows // self._capacity
        made["kind"], made["flags"] = MarketKind.QUOTE, MarketFlag.LAST
        gaps = kinds == STATE
        made["kind"][gaps] = MarketKind.GAP
        for name in ("exch_ns", "number"):
            made[name][gaps] = 0
        funding = kinds == FUNDING
        made["kind"][funding] = MarketKind.FUNDING
        made["number"][funding] = made["exch_ns"][funding]  # the next settlement
        made["exch_ns"][funding] = 0
        made["bid_qty"][funding] = ticks["ask_px"][funding]  # the interval
        for name in ("ask_px", "ask_qty"):
            made[name][funding] = np.nan
        return made

    def _ladder(self, row: int, view: bytes) -> "NDArray[np.void]":
        import numpy as np

        seq, exch_ns, mono_ns = np.frombuffer(view, "<i8", 3).tolist()
        counts = np.frombuffer(view, "<u4", 2, 24).tolist()
        levels = np.frombuffer(view, "<f8", 2 * LADDER_LEVELS * 2, 32).reshape(2, LADDER_LEVELS, 2)
        made = np.zeros(max(1, *counts), market_records.MARKET_DTYPE)
        made["recv_ns"], made["exch_ns"] = mono_ns + self._offset_ns, exch_ns
        made["number"], made["kind"] = max(0, seq), MarketKind.LEVEL
        made["symbol"], made["venue"] = row % self._capacity, row // self._capacity
        for side, name in enumerate(("bid", "ask")):
            made[f"{name}_px"] = made[f"{name}_qty"] = np.nan
            made[f"{name}_px"][: counts[side]] = levels[side, : counts[side], 0]
            made[f"{name}_qty"][: counts[side]] = levels[side, : counts[side], 1]
        made["flags"][0] = MarketFlag.SNAPSHOT
        made["flags"][-1] |= MarketFlag.LAST
        return made


def _widened(recv_ns: "NDArray[np.int64]", low_ms: "NDArray[np.uint32]") -> "NDArray[np.int64]":
    """Return the time nearest to that of reception whose milliseconds end so, in ns."""
    import numpy as np

    near_ms = recv_ns // 1_000_000
    ahead = (low_ms.astype(np.int64) - near_ms) & 0xFFFFFFFF
    ahead = np.where(ahead >= 1 << 31, ahead - (1 << 32), ahead)
    widened: NDArray[np.int64] = (near_ms + ahead) * 1_000_000
    return widened


def _forgotten(at_ns: int) -> "NDArray[np.void]":
    """Say that nothing is known of either venue any longer."""
    import numpy as np

    made = np.zeros(len(VENUES), market_records.MARKET_DTYPE)
    made["recv_ns"], made["kind"], made["flags"] = at_ns, MarketKind.GAP, MarketFlag.LAST
    made["symbol"], made["venue"] = ALL_SYMBOLS, range(len(VENUES))
    for name in ("bid_px", "bid_qty", "ask_px", "ask_qty"):
        made[name] = np.nan
    return made
