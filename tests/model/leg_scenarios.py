"""Build and run leg_scenarios.c, and hold its venues' money to our ledger.

`leg_scenarios.c` plays scenarios around the real headers and checks each turn; what it writes of
the fills and of the venues' cash is checked here with the real `Ledger`, and its journals with the
functions that recovery reads journals with.
"""

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from arbitrage.core.journal import JournalRecord
from arbitrage.core.strategy import EXIT_REASONS, PHASES
from arbitrage.trading.history import History
from arbitrage.trading.ledger import Ledger
from arbitrage.venues.base import Fill, code_of
from arbitrage.venues.bybit.codes import CODES as BYBIT
from arbitrage.venues.codes import Action
from arbitrage.venues.okx.codes import CODES as OKX

HERE = Path(__file__).parent
HEADERS = HERE.parents[1] / "cython_src" / "arbitrage" / "core"
WRONG = 3  # exit code of a run that saw what must not be
TABLES = {"bybit": BYBIT, "okx": OKX}
VENUES = tuple(TABLES)
# as the C side numbers them
ACTIONS = (Action.RETRY, Action.QUERY, Action.THROTTLE, Action.DROP, Action.STOP)
CODES = [(venue, code, row.action) for venue, table in TABLES.items() for code, row in table]
FEE_RATE = {"bybit": Decimal("0.00055"), "okx": Decimal("0.0005")}
JOURNAL_TYPES = ("EMPTY", "RUN", "INTENT", "EXEC", "PAIR", "KILL", "CONTRACT")


@dataclass(frozen=True)
class Row:
    """What a tick and a lot of a row are worth; rows are venue by venue, as in the C side."""

    venue: str
    symbol: str
    px_step: Decimal  # of the common quotation
    qty_step: Decimal  # base units


ROWS = (
    Row("bybit", "AUSDT", Decimal("0.1"), Decimal("0.02")),
    Row("bybit", "BUSDT", Decimal("0.00001"), Decimal("1000")),
    Row("okx", "AUSDT", Decimal("0.1"), Decimal("0.03")),
    Row("okx", "BUSDT", Decimal("0.00001"), Decimal("10")),
)


@dataclass(frozen=True)
class Mutant:
    """A wrong machine: in a copy of a header one place is exchanged."""

    name: str
    header: str
    old: str
    new: str


class Wrong(AssertionError):
    """A scenario showed what must not be."""


def build(folder: Path, *flags: str, mutant: Mutant | None = None) -> Path:
    """Compile the scenarios against the real headers, or against wrong ones."""
    headers = HEADERS
    if mutant is not None:
        headers = folder / "headers"
        shutil.copytree(HEADERS, headers, ignore=shutil.ignore_patterns("*.p*"))
        text = (headers / mutant.header).read_text()
        if text.count(mutant.old) != 1:
            raise RuntimeError(f"{mutant.header} has {text.count(mutant.old)} such places")
        (headers / mutant.header).write_text(text.replace(mutant.old, mutant.new))
    target = folder / "leg_scenarios"
    command = ["gcc", "-std=gnu11", "-O2", "-Wall", f"-I{headers}", f"-I{HERE}", *flags]
    command += [str(HERE / "leg_scenarios.c"), "-o", str(target), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    table = "".join(
        f"{VENUES.index(venue)} {code_of(code)} {ACTIONS.index(action)}\n"
        for venue, code, action in CODES
    )
    (folder / "codes").write_text(table)
    return target


def play(
    binary: Path, count: int, *, seed: int = 1, first: int = 0, book: Path | None = None
) -> dict[str, int]:
    """Play so many scenarios; return what occurred how often.

    Raises
    ------
    Wrong
        With the scenario's number and what was wrong with it.
    """
    arguments = [str(binary.parent / "codes"), str(seed), str(first), str(count), str(book or "")]
    command = [str(binary), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=800)
    if done.returncode == WRONG:
        raise Wrong(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: int(value) for name, value in map(str.split, done.stdout.splitlines())}


def moves_seen(figures: dict[str, int]) -> set[tuple[str, str]]:
    """Return the changes of phase that occurred, by name."""
    found = (name.split(".") for name in figures if name.startswith("move."))
    return {(PHASES[int(start)], PHASES[int(end)]) for _, start, end in found}


def reasons_seen(figures: dict[str, int]) -> set[str]:
    """Return why pairs left."""
    return {
        EXIT_REASONS[int(name.partition(".")[2])]
        for name, count in figures.items()
        if name.startswith("reason.") and count
    }


def codes_unseen(figures: dict[str, int]) -> list[tuple[str, int]]:
    """Return the documented codes with which no order was answered."""
    return [
        (venue, code)
        for index, (venue, code, _) in enumerate(CODES)
        if not figures[f"code.{index}"]
    ]


# ---- the money ----------------------------------------------------------------------------------


def check_books(path: Path) -> tuple[int, int]:
    """Hold every scenario's ledger to its venues' cash; return scenarios and journals checked."""
    scenarios = journals = 0
    for fills, records, end in _scenarios(path.read_text().splitlines()):
        _check_identity(fills, end)
        scenarios += 1
        if records:
            history = History.read(records)
            # venues that refuse an order and fill it all the same are part of these scenarios
            wrong = [one for one in history.problems if "after it was rejected" not in one.text]
            assert wrong == [], f"scenario {end[1]} journaled what cannot be"
            assert history.open_orders == [], f"scenario {end[1]} left orders open"
            assert history.unfinished == [], f"scenario {end[1]} left a pair standing"
            journals += 1
    return scenarios, journals


Scenario = tuple[list[list[str]], list[JournalRecord], list[str]]


def _scenarios(lines: Iterable[str]) -> Iterator[Scenario]:
    fills: list[list[str]] = []
    records: list[JournalRecord] = []
    for line in lines:
        words = line.split(" ")
        if words[0] == "F":
            fills.append(words)
        elif words[0] == "J":
            payload = bytes.fromhex(words[2])
            kind = JOURNAL_TYPES[int(words[1])]
            records.append(JournalRecord(len(records) + 1, 0, 0, 0, kind, payload))
        else:
            yield fills, records, words
            fills, records = [], []


def _fill(words: list[str]) -> Fill:
    row, side, px_ticks, lots = map(int, words[1:5])
    what = ROWS[row]
    px, qty = px_ticks * what.px_step, lots * what.qty_step
    return Fill(
        venue=what.venue,
        symbol=what.symbol,
        client_id=0,
        trade_id=words[5],
        side=side,
        px=px,
        qty_base=qty,
        fee=px * qty * FEE_RATE[what.venue],
        wall_ms=0,
    )


def _check_identity(fills: list[list[str]], end: list[str]) -> None:
    ledger = Ledger()
    for words in fills:
        ledger.apply_fill(_fill(words))
    gained = Decimal(0)
    for what, cash, fees in zip(ROWS, end[2::2], end[3::2], strict=True):
        gained += (int(cash) - Decimal(int(fees)) / 100_000) * what.px_step * what.qty_step
    totals = ledger.totals()
    assert sum(totals.values(), Decimal(0)) == gained, f"scenario {end[1]}: the money differs"
    assert ledger.conflicts == 0
    assert ledger.open_legs == 0
