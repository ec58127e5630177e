"""A recorded session, backtested: whether the backtest's own venues lead to the session's orders.

The market as the trader's detector applied it, the session's settings, and each order's own
latency go into `arbitrage.backtest`; its orders are held against the journal's. Unlike
`arbitrage.parity`, nothing of what the venues answered is told: fills, rejects and what follows
from them are the backtest's own.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from arbitrage.core.journal import JournalRecord
from arbitrage.core.records import Leg, split_client_id
from arbitrage.instruments import VENUES
from arbitrage.research.recording import Recording
from arbitrage.runtime.parity import Progress, check_told, opened_session
from arbitrage.runtime.parity_judge import order_row
from arbitrage.runtime.parity_machine import WORDS
from arbitrage.runtime.parity_result import ParityOrder
from arbitrage.runtime.parity_ways import WINDOW_NS, Sent, own_latency, sent_orders
from arbitrage.settings import RiskSettings, StrategySettings, fields_of
from arbitrage.trading.journal_rows import RowReader, iso_time, name_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from arbitrage.research.contracts import Contracts
    from arbitrage.research.results import Backtest
    from arbitrage.runtime.told import RunTold

__all__ = ["BacktestParity", "backtest_parity"]

ENTRIES = (Leg.ENTRY_BUY, Leg.ENTRY_SELL)
ALIKE = 1e-9  # two prices are the same, as a share


class BacktestParity(msgspec.Struct, kw_only=True):
    """What came of backtesting a session.

    Parameters
    ----------
    orders : list of ParityOrder
        The session's, in order; `time_diff_ns` is how much later than the backtest's it left, and
        `unexplained_ns` what of it is neither the wait for the strategy's turn nor the turn's work.
    extra : list of ParityOrder
        Those of the backtest alone.
    filled_qty_alike, filled_alike : int
        Orders found that filled the same quantity, and also at the same price.
    net_usd : float
        What the backtest's pairs brought.
    """

    folder: str
    run: int
    orders: list[ParityOrder] = []
    extra: list[ParityOrder] = []
    filled_qty_alike: int = 0
    filled_alike: int = 0
    net_usd: float = 0.0

    @property
    def found(self) -> int:
        """Orders that the backtest sent, too."""
        return sum(one.is_found for one in self.orders)

    @property
    def is_well(self) -> bool:
        """Whether both sent the same orders, and no difference is left unexplained."""
        every = [one.is_explained for one in self.orders]
        return bool(every) and all(every) and not self.extra


def backtest_parity(
    folder: str | Path, state_dir: str | Path | None = None, progress: Progress | None = None
) -> BacktestParity:
    """Backtest a recorded session with its own settings and latencies, and compare the orders.

    Parameters
    ----------
    folder, state_dir, progress
        As `arbitrage.parity`.

    Raises
    ------
    ConfigError
        As `arbitrage.parity`.
    """
    from arbitrage.research.backtest import backtest
    from arbitrage.research.market import open_data

    recording, told, live = opened_session(folder, state_dir)
    check_told(told)
    offset_ns = int(recording.session["wall_offset_ns"])
    sent = sent_orders(live, offset_ns)
    data = open_data(folder, stream="decisions")
    begun_ns = _begun_mono_ns(live)
    if begun_ns:
        data = data.select(start=begun_ns + offset_ns)
    made = backtest(
        data,
        ",".join(told.strategies),
        _config(told),
        latency=own_latency(sent),
        keep_opportunities=False,
        close_at_end=False,
        progress=progress,
    )
    reader, rows = RowReader(), {}
    for record in live:
        row = reader.read(record)
        if record.type == "INTENT":
            rows[record.sequence] = order_row(record, row)
    found = BacktestParity(folder=str(recording.folder), run=told.run)
    found.net_usd = float(made.pairs["net_usd"].sum())
    _Match(recording, sent, (made, data.contracts), rows).into(found)
    return found


def _begun_mono_ns(live: Iterable[JournalRecord]) -> int:
    """Return when the session could open for the first time; 0: from its beginning."""
    for record in live:
        if record.type == "INTENT":
            break
        if record.type == "KILL":
            _, is_opening_off, _ = WORDS.unpack(record.payload[: WORDS.size])
            if not is_opening_off:
                return record.mono_ns
    return 0


def _config(told: "RunTold") -> dict[str, Any]:
    """Return the trader's settings of what its strategy was told."""
    kinds = {
        field: kind
        for struct in (StrategySettings, RiskSettings)
        for field, _, kind, _, _ in fields_of(struct)
    }
    found = {
        name: int(value) if kinds[name] is int else value
        for name, value in told.settings.items()
        if name in kinds
    }
    return found | {"slip_bps": told.settings["exit_slip_bps"]}


class _Match:
    """Orders of the session and of the backtest, brought together symbol by symbol."""

    def __init__(
        self,
        recording: Recording,
        sent: Sequence[Sent],
        backtested: "tuple[Backtest, Contracts]",
        rows: dict[int, ParityOrder],
    ) -> None:
        self._made, self._contracts = backtested
        self._rows = rows
        self._offset_ns = int(recording.session["wall_offset_ns"])
        self._symbols = int(recording.session["symbol_capacity"])
        self._turns_ns = _turns(recording)
        self._pairs = self._paired(sent, self._made.orders)
        self._sent = sent

    def _key(self, one: Sent) -> tuple[int, int, int]:
        leg = int(split_client_id(one.order.client_id).leg)
        return one.order.row % self._symbols, one.order.venue, leg

    def _paired(self, sent: Sequence[Sent], orders: "NDArray[np.void]") -> dict[int, int]:
        """Return which order of the backtest each of the session's is, by symbol, venue and leg."""
        there: dict[tuple[int, int, int], list[int]] = defaultdict(list)
        for place, row in enumerate(orders):
            there[int(row["symbol"]), int(row["venue"]), int(row["leg"])].append(place)
        found: dict[int, int] = {}
        for one in sent:
            places = there[self._key(one)]
            near = [
                place
                for place in places
                if abs(int(orders["sent_ns"][place]) - one.sent_ns) <= WINDOW_NS
            ]
            if near:
                best = min(near, key=lambda at: abs(int(orders["sent_ns"][at]) - one.sent_ns))
                places.remove(best)
                found[one.sequence] = best
        return found

    def into(self, found: BacktestParity) -> None:
        """Judge all orders in the order of time; what parts the two is told once a symbol."""
        orders = self._made.orders
        alone = sorted(set(range(len(orders))) - set(self._pairs.values()))
        events: list[tuple[int, Sent | None, int | None]] = [
            (one.sent_ns, one, self._pairs.get(one.sequence)) for one in self._sent
        ]
        events += [(int(orders["sent_ns"][place]), None, place) for place in alone]
        apart: dict[int, str] = {}
        for _, one, place in sorted(events, key=lambda event: event[0]):
            symbol = int(orders["symbol"][place]) if one is None else self._key(one)[0]
            if one is None:
                assert place is not None
                row = self._extra(place)
                found.extra.append(row)
            else:
                row = self._rows[one.sequence]
                found.orders.append(row)
                if place is not None:
                    qty_alike, px_alike = self._compare(row, one, place, apart)
                    found.filled_qty_alike += qty_alike
                    found.filled_alike += qty_alike and px_alike
                    continue
            row.reason = f"follows from {apart[symbol]}" if symbol in apart else ""
            if not row.reason:
                row.reason = "the two decided otherwise on the same market"
                apart[symbol] = f"the order of {row.time}, which one of the two alone sent"
        found.orders.sort(key=lambda row: row.sequence)

    def _compare(
        self, row: ParityOrder, one: Sent, place: int, apart: dict[int, str]
    ) -> tuple[bool, bool]:
        """Compare two orders that are the same one; whether they filled alike, at one price."""
        made = self._made.orders[place]
        symbol, venue, leg = self._key(one)
        contract = self._contracts[VENUES[venue], self._made.symbols[symbol]]
        row.is_found = True
        row.qty_diff_lots = one.order.qty_lots - round(float(made["qty"]) / contract.qty_lot)
        row.px_diff_ticks = one.order.px_ticks - round(float(made["limit_px"]) / contract.px_tick)
        row.time_diff_ns = one.sent_ns - int(made["sent_ns"])
        row.unexplained_ns = self._unexplained(one, int(made["sent_ns"]))
        lots = round(float(made["filled_qty"]) / contract.qty_lot)
        px = float(made["avg_px"])
        qty_alike = one.filled_lots == lots
        px_alike = lots == 0 or abs(px - one.avg_px) <= ALIKE * abs(one.avg_px)
        reasons = []
        if row.time_diff_ns and not row.unexplained_ns:
            reasons.append(f"its turn and its work took {row.time_diff_ns} ns from the tick on")
        elif row.unexplained_ns:
            reasons.append(
                f"follows from {apart[symbol]}" if symbol in apart else "on another tick"
            )
        if not (qty_alike and px_alike):
            what = (
                f"filled {one.filled_lots} lots at {one.avg_px:g}, in the backtest {lots} at {px:g}"
            )
            reasons.append(what)
            apart[symbol] = f"the order of {row.time}, which {what}"
        elif row.is_explained and leg in ENTRIES:
            apart.pop(symbol, None)  # both begin a pair anew
        row.reason = "; ".join(reasons)
        return qty_alike, px_alike

    def _unexplained(self, one: Sent, made_ns: int) -> int:
        """Return the difference in time, unless the session's next turn after the tick sent it.

        A backtest decides on a tick at once. The trader's strategy takes its turn after it, and
        works; every turn is recorded, so that no other one lay between is known.
        """
        turns = self._turns_ns
        tick_ns, left_ns = made_ns - self._offset_ns, one.sent_ns - self._offset_ns
        at = int(turns.searchsorted(tick_ns))
        mine = int(turns.searchsorted(left_ns, side="right")) - 1
        return 0 if at == mine else left_ns - tick_ns

    def _extra(self, place: int) -> ParityOrder:
        made = self._made.orders[place]
        return ParityOrder(
            sequence=0,
            time=iso_time(int(made["sent_ns"])),
            mono_ns=int(made["sent_ns"]) - self._offset_ns,
            pair=int(made["pair"]),
            leg=name_of(Leg, int(made["leg"])),
            venue=VENUES[int(made["venue"])],
            symbol=self._made.symbols[int(made["symbol"])],
            side="buy" if made["side"] > 0 else "sell",
            qty=f"{made['qty']:g}",
            px=f"{made['limit_px']:g}",
        )


def _turns(recording: Recording) -> "NDArray[np.int64]":
    """Return when the strategy had its turns, by the trader's clock."""
    import numpy as np

    from arbitrage.core.decisions import DECISION_DTYPE, DecisionKind

    parts: Iterable[Any] = (
        records["mono_ns"][records["kind"] == DecisionKind.TURN]
        for block in recording.decision_blocks()
        for records in [np.frombuffer(block.records, DECISION_DTYPE)]
    )
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)
