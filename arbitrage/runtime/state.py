"""What a trader keeps between runs: number, journal and account, in a folder it holds alone."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from arbitrage.config import Settings
from arbitrage.core.journal import TYPE_NAMES, Journal
from arbitrage.core.messages import Contract
from arbitrage.core.risk import RiskGate
from arbitrage.errors import JournalError
from arbitrage.hosts import is_local
from arbitrage.instruments import VENUES
from arbitrage.runtime.journal_keeper import JournalKeeper
from arbitrage.runtime.told import told_path
from arbitrage.trading.account_journal import AccountJournal
from arbitrage.trading.accounts import MODES, known_identities, recent_runs
from arbitrage.trading.ledger import Ledger
from arbitrage.trading.past import Past
from arbitrage.trading.pnl import day_result
from arbitrage.trading.reconcile import Recovery, read_recovery
from arbitrage.trading.runs import StateFolder
from arbitrage.venues.base import TradedSymbol
from arbitrage.wording import counted

__all__ = [
    "TraderState",
    "account_mode",
    "journal_contracts",
    "journal_positions",
    "open_state",
]

JOURNAL_CONTRACT = TYPE_NAMES.index("CONTRACT")
ACCOUNT_RECORDS = 4096  # of each file: half a MiB

_log = logging.getLogger(__name__)


@dataclass
class TraderState:
    """The folder, this run's number, its journal and its account; close it last."""

    folder: StateFolder
    run: int
    journal: Journal
    keeper: JournalKeeper
    account: AccountJournal
    account_keeper: JournalKeeper
    past: Past  # what the last run left; nothing where there was none
    mode: int  # whose orders these are, see MODES
    has_begun: bool = False  # what stood was taken over: its journals count from then on

    def start(self) -> None:
        """Have both journals tended from now on."""
        self.keeper.start()
        self.account_keeper.start()

    def begin_day(self, gate: RiskGate) -> None:
        """Tell the risk gate what this UTC day has brought in earlier runs. Before the threads."""
        now_ns = time.time_ns()
        recent = recent_runs(self.folder.path, self.run)
        result = day_result(self.folder.path, now_ns, self.account.mode, recent)
        gate.begin_day(float(result), now_ns)
        if result:
            _log.info("this UTC day has brought %+.2f USD so far", result)

    @property
    def lost(self) -> str | None:
        """Why nothing may be opened any more: what was written down may not be kept."""
        if self.account.behind:
            return f"{self.account.journal.path} has no room"
        return self.keeper.lost or self.account_keeper.lost

    def close(self) -> None:
        """Write the journals out and let another trader have the folder."""
        self.keeper.stop()
        self.account_keeper.stop()
        for journal in (self.journal, self.account.journal):
            journal.sync()
        if self.account.retry():
            _log.error(
                "%d executions are not in %s; the next start asks the venues for them",
                self.account.behind,
                self.account.journal.path,
            )
        self.journal.close()
        self.account.journal.close()
        if not self.has_begun:
            # nothing was traded: a start that fails again and again must not fill the disk
            for journal in (self.account.journal, self.journal):
                Path(journal.path).unlink(missing_ok=True)
            told_path(self.folder.path, self.run).unlink(missing_ok=True)
        self.folder.close()


def account_mode(settings: Settings) -> str:
    """Name whose money a trader moves: its mode, or ``simulator`` when a venue is one."""
    local = any(is_local(settings.hosts, venue) for venue in VENUES)
    return "simulator" if local and settings.mode != "paper" else settings.mode


def open_state(settings: Settings) -> TraderState:
    """Take the state folder, begin a run and make its journal.

    Raises
    ------
    JournalError
        Another trader holds the folder, or it cannot be written.
    """
    folder = StateFolder(settings.state_path)
    try:
        run = folder.next_run()
        mode = account_mode(settings)
        past = past_of(read_recovery(folder, run, MODES.index(mode)))
        journal = Journal.create(
            folder.journal_path(run),
            settings.journal_records,
            run,
            durable=settings.journal_durability == "every",
        )
        account = AccountJournal(
            Journal.create(folder.account_path(run), ACCOUNT_RECORDS, run),
            mode,
            known_identities(folder.path, run),
        )
    except (OSError, ValueError) as error:
        folder.close()
        raise JournalError(f"{settings.state_path}: {error}") from None
    sync_ms = settings.journal_sync_ms
    sync_s = sync_ms / 1000 if settings.journal_durability == "interval" else None
    keeper = JournalKeeper(journal, partial(folder.journal_path, run), sync_s)
    # an execution that a power cut takes is read again from its venue, so none is waited for
    account_sync_s = None if settings.journal_durability == "async" else sync_ms / 1000
    account_keeper = JournalKeeper(
        account.journal, partial(folder.account_path, run), account_sync_s, "account"
    )
    return TraderState(
        folder, run, journal, keeper, account, account_keeper, past, MODES.index(mode)
    )


def journal_positions(account: AccountJournal, ledger: Ledger) -> None:
    """Write down what the ledger holds at a run's end, a record a contract that ever traded."""
    for view in ledger.positions():
        account.position(
            view.venue, view.symbol, view.qty_base, view.avg_entry_px, by_venue=False
        )


def journal_contracts(
    journal: Journal, account: AccountJournal, traded: Iterable[TradedSymbol], capacity: int
) -> None:
    """Write down what each row's ticks and lots mean, before any order counts in them.

    Raises
    ------
    JournalError
        The journal has no room for them.
    """
    for item in traded:
        contract = item.instrument
        record = Contract(
            item.row,
            item.row % capacity,
            item.row // capacity,
            contract.symbol,
            contract.venue_symbol,
            f"{contract.tick:f}",
            f"{contract.lot:f}",
        )
        if not journal.append(JOURNAL_CONTRACT, record.pack()):
            raise JournalError(
                f"the journal's {journal.capacity} records do not hold the contracts; "
                "raise ARB_JOURNAL_RECORDS"
            )
        account.add_contract(
            item.row,
            contract.venue,
            contract.symbol,
            contract.venue_symbol,
            f"{contract.tick:f}",
            f"{contract.lot:f}",
        )


def past_of(recovery: Recovery | None) -> Past:
    """Return what the last run held, and say what it left open."""
    if recovery is None:
        return Past()
    past = recovery.past
    for problem in recovery.problems[:8]:
        _log.warning("%s: record %d: %s", recovery.path, *problem)
    if not recovery.is_clean:
        ids = ", ".join(str(order.client_id) for order in past.open_orders[:8])
        orders = counted(len(past.open_orders), "order") + (f" ({ids})" if ids else "")
        _log.warning(
            "run %d ended without hearing the end of %s and with %s standing; both venues are "
            "asked before anything trades; its journal is %s",
            recovery.run,
            orders,
            counted(len(past.standing), "leg"),
            recovery.path,
        )
    return past
