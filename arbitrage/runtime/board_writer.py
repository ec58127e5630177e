"""The main thread's page for readers: what it knows of its trader, written at its beat."""

import logging
import math
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from arbitrage.board import (
    Board,
    IncidentLine,
    KillLine,
    LimitLine,
    MoneyLine,
    PairLine,
    RateLine,
    RejectLine,
    encode_board,
)
from arbitrage.core.board import BOARD_BYTES_MAX
from arbitrage.core.risk import KILLS
from arbitrage.core.store import ROW_LIVE
from arbitrage.instruments import VENUES
from arbitrage.runtime.status import refusals, state_of, what_holds_back
from arbitrage.trading.ledger_look import LedgerLook

if TYPE_CHECKING:
    from arbitrage.runtime.engine import Trader

__all__ = ["BoardWriter"]

PERIOD_S = 0.25
INCIDENTS_MAX = 150
_UNITS = {"_usd": "USD", "_bps": "bps", "_per_s": "orders/s", "_ms": "ms"}
# codes of core.gateway; a venue's own are larger
_REFUSED_HERE = {
    1: "not connected", 2: "no template", 3: "not encodable", 4: "no buffer",
    5: "too many pending", 6: "not found", 7: "blind", 8: "rate", 0xFFFFFFFE: "killed",
}  # fmt: skip
_log = logging.getLogger(__name__)


class BoardWriter:
    """Write the board of a running trader, four times a second.

    Threads: the main thread's. It waits for nothing, does no I/O, and a failure of it never reaches
    the trader: readers then find an old board, and its age.
    """

    def __init__(self, trader: "Trader") -> None:
        self._trader = trader
        self._look = LedgerLook(trader.ledger)
        self._due_s = 0.0
        self._told: tuple[int, list[IncidentLine]] = (-1, [])
        self._has_failed = False
        store = trader.segment.store
        self._columns: dict[str, Any] = {
            name: store.by_row(name)
            for name in ("bid_px", "ask_px", "px_mult", "qty_mult", "qty_lot", "state")
        }
        self._rows = {
            (venue, symbol): store.row(number, index)
            for index, symbol in enumerate(trader.market.symbols)
            for number, venue in enumerate(VENUES)
        }

    def beat(self) -> None:
        """Write when its time has come."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + PERIOD_S
        try:
            self._trader.segment.write_board(encode_board(self.look(), BOARD_BYTES_MAX))
        except Exception as error:
            # the trader goes on unseen rather than not at all
            if not self._has_failed:
                self._has_failed = True
                _log.error("readers see no more of the pairs and the money: %s", error)

    def look(self) -> Board:
        """Return the board as it is now."""
        trader = self._trader
        facts = what_holds_back(trader)
        state = state_of(facts, trader)
        return Board(
            wall_ns=time.time_ns(),
            strategy=", ".join(trader.settings.strategies),
            opening="" if state.startswith("trading") else state.removeprefix("no new pairs: "),
            killed=self._killed(facts["kill"]),
            pairs=self._pairs(),
            money=self._money(),
            day_result_usd=facts["day_result_usd"],
            limits=self._limits(facts["limits"]),
            refusals=refusals(trader.segment.counters()["strategy"]),
            rejects=self._rejects(),
            rates=self._rates(),
            incidents=self._incidents(),
            paused=facts["paused"],
            state_dir=str(trader.settings.state_path.absolute()),
        )

    # ---- parts -------------------------------------------------------------------------------

    def _killed(self, kill: Mapping[str, Any] | None) -> KillLine | None:
        if kill is None:
            return None
        reason = KILLS[self._trader.segment.kill_reason] if "reason" not in kill else kill["reason"]
        return KillLine(
            reason=reason,
            by=kill.get("by", ""),
            since_wall_ns=_wall_ns(kill.get("when", "")),
            why=kill.get("why", "being written down"),
        )

    def _pairs(self) -> list[PairLine]:
        strategy = self._trader.core.strategy
        found = (
            self._pair(self._trader.market.symbols[index], strategy.pair(index))
            for index in strategy.under_way()
        )
        return [line for line in found if line is not None]

    def _pair(self, symbol: str, pair: Mapping[str, Any]) -> PairLine | None:
        if pair["phase"] == "idle":  # over since it was seen under way
            return None
        columns = self._columns
        legs = []
        for leg in pair["legs"]:
            row = leg["row"]
            lot_base = float(columns["qty_lot"][row] * columns["qty_mult"][row])
            px = leg["entry_px"]
            px_base = None if px is None else px * float(columns["px_mult"][row])
            legs.append((self._venue(row), leg["lots"] * lot_base, px_base))
        (buy_venue, buy_qty, buy_px), (sell_venue, sell_qty, sell_px) = legs
        opened_ns, bps = pair["opened_mono_ns"], pair["pair_bps"]
        is_judged = buy_px is not None and math.isfinite(bps) and opened_ns > 0
        return PairLine(
            pair=pair["number"],
            symbol=symbol,
            kind=pair["kind"],
            phase=pair["phase"],
            buy_venue=buy_venue,
            sell_venue=sell_venue,
            buy_qty=buy_qty,
            sell_qty=sell_qty,
            entry_bps=(sell_px - buy_px) / buy_px * 1e4 if buy_px and sell_px else None,
            opened_wall_ns=opened_ns + time.time_ns() - time.monotonic_ns() if opened_ns else 0,
            unrealised_usd=bps / 1e4 * buy_px * buy_qty if is_judged and buy_px else None,
        )

    def _venue(self, row: int) -> str:
        place = row // self._trader.segment.store.symbol_capacity
        return VENUES[place] if place < len(VENUES) else str(place)

    def _money(self) -> list[MoneyLine]:
        sums = self._look.by_venue(self._mark)
        wallets = self._trader.gateways.wallets()
        lines = []
        for venue in VENUES:
            line, money, wallet = MoneyLine(venue=venue), sums.get(venue), wallets.get(venue)
            line.unrealised_usd = 0.0
            if money is not None:
                line.realised_usd, line.fees_usd = money.realised, money.fees
                line.funding_usd, line.unrealised_usd = money.funding, money.unrealised
            if wallet is not None:
                line.equity_usd, line.free_usd = float(wallet.equity), float(wallet.available)
            lines.append(line)
        return lines

    def _mark(self, venue: str, symbol: str) -> float | None:
        """Return a row's mid price in coins; None without a live quote."""
        row = self._rows.get((venue, symbol))
        if row is None or self._columns["state"][row] != ROW_LIVE:
            return None
        columns = self._columns
        mid = float((columns["bid_px"][row] + columns["ask_px"][row]) / 2 * columns["px_mult"][row])
        return mid if math.isfinite(mid) else None

    def _limits(self, limits: Mapping[str, float]) -> list[LimitLine]:
        used_pct = self._trader.core.strategy.risk.used_pct
        return [
            LimitLine(
                name=name,
                used=used_pct[name] / 100 * limit if name in used_pct else None,
                limit=limit,
                unit=next((unit for end, unit in _UNITS.items() if end in name), "orders"),
            )
            for name, limit in limits.items()
            if limit
        ]

    def _rejects(self) -> list[RejectLine]:
        return [
            RejectLine(venue=venue, reason=_REFUSED_HERE.get(code, str(code)), count=count)
            for venue, codes in self._trader.gateways.reject_codes().items()
            for code, count in codes.items()
        ]

    def _rates(self) -> list[RateLine]:
        return [
            RateLine(venue=venue, what=what, used=used, allowed=allowed)
            for venue, what, used, allowed in self._trader.gateways.rates()
        ]

    def _incidents(self) -> list[IncidentLine]:
        account = self._trader.incidents
        changes = account.changes
        if self._told[0] != changes:
            lines = [
                IncidentLine(
                    number=told.number, began_wall_ns=told.began_wall_ns,
                    last_wall_ns=told.last_wall_ns, kind=told.kind, venue=told.venue,
                    symbol=told.symbol, text=told.text, ending=told.ending, is_open=told.is_open,
                    count=told.count,
                )
                for told in account.recent(INCIDENTS_MAX)
            ]  # fmt: skip
            self._told = (changes, lines)
        return self._told[1]


def _wall_ns(when: str) -> int:
    """Return the time of a kill record; 0 when nobody knows it."""
    try:
        return int(datetime.fromisoformat(when).timestamp() * 1e9)
    except ValueError:
        return 0
