"""Traders killed at chosen places of their own journal, and what must be true of all of them.

The kills need nothing of the trader: the journal is mapped and watched from outside, and the signal
comes a random moment after a chosen record stands. What is held true afterwards comes from the
venues' own accounts and from the journals, not from what a trader says of itself.
"""

import json
import mmap
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from patience import LIMIT_S, Patience
from trader_kit import KEYS, VENUES, credentials

from arbitrage.core.messages import Adopted, Contract, Order
from arbitrage.core.records import ExecKind, split_client_id
from arbitrage.demo.facts import read_account
from arbitrage.fills import signed
from arbitrage.trading.accounts import read_accounts
from arbitrage.trading.history import History
from arbitrage.trading.past import Past
from arbitrage.trading.pnl import Book
from arbitrage.trading.reconcile import taken_run
from arbitrage.trading.run_journal import RunJournal, decode
from arbitrage.trading.runs import journal_parts
from arbitrage.venues.base import ExecutionReport
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.okx.rest import OkxRest

HEADER, RECORD, TYPE_AT = 4096, 128, 36
TAKEN = 11
POLL_S = 0.0002
SPIN_US_MAX = 3000
RECORDS_MAX = 40  # a kill comes at one of so many records after the run has begun
GIVE_UP_S = 4.0
SYMBOLS = ("BTCUSDT", "ETHUSDT")
SETTINGS = {
    "ARB_SYMBOLS": ",".join(SYMBOLS),
    "ARB_MODE": "testnet",
    "ARB_MIN_NET_BPS": "-60",
    "ARB_MIN_GROSS_BPS": "-60",
    "ARB_MAX_HOLD_S": "0.15",
    "ARB_COOLDOWN_MS": "0",
    "ARB_DEPTH_FACTOR": "1",
    "ARB_MAX_ORDERS_PER_S": "1000",
    "ARB_JOURNAL_RECORDS": "4096",
    "ARB_FEES": "bybit=5.5,okx=5",
    "ARB_FEED_MODE": "loop",
}


class Nursery:
    """A process that forks venues and traders."""

    def __init__(self, folder: Path) -> None:
        script = Path(__file__).with_name("crash_nursery.py")
        environment = os.environ | KEYS | {"OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=(folder / "nursery.log").open("wb"), env=environment, text=True,
        )  # fmt: skip

    def ask(self, **fields: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(fields) + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@dataclass
class Point:
    """One kill: where it was meant and what the run had come to."""

    meant: str
    reached: int  # records that stood
    run: int


@dataclass
class Lane:
    """Two venues of its own, one state folder, and traders that follow each other on it."""

    folder: Path
    seed: int
    points: list[Point] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.state = self.folder / "state"
        self.nursery = Nursery(self.folder)
        self.urls: dict[str, dict[str, str]] = {}
        self.pid = 0
        self.segment = f"kill-{os.getpid()}-{self.seed}"

    def open(self) -> None:
        # with the touch alone, orders fill in part every now and then
        options = {
            "symbols": SYMBOLS, "seed": self.seed, "t0_ns": time.time_ns(), "rate": 1000,
            "depth_levels": 1 if self.seed % 2 else 400,
        }  # fmt: skip
        for venue in VENUES:
            self.nursery.ask(
                do="serve", venue=venue, options=options, log=str(self.folder / f"{venue}.log"),
                ready=str(self.folder / f"{venue}.ready"),
            )  # fmt: skip
        for venue in VENUES:
            path = self.folder / f"{venue}.ready"
            patience = Patience()
            while not path.exists():
                assert not patience.is_over(), f"{venue} did not start"
                time.sleep(0.01)
            self.urls[venue] = json.loads(path.read_text())
        self.before = self.equity()

    # ---- runs ----------------------------------------------------------------------------------

    def start(self) -> set[Path]:
        """Start a trader; return the journals that were there before it."""
        known = set(self.state.glob("orders-*.journal"))
        bybit, okx = self.urls["bybit"], self.urls["okx"]
        environment = {key: text for key, text in os.environ.items() if key not in KEYS} | KEYS
        environment |= SETTINGS | {
            "ARB_STATE_DIR": str(self.state),
            "ARB_NAME": self.segment,
            "BYBIT_REST_URL": bybit["rest_url"],
            "BYBIT_PUBLIC_WS_URL": bybit["public_ws_url"],
            "BYBIT_PRIVATE_WS_URL": bybit["private_ws_url"],
            "BYBIT_TRADE_WS_URL": bybit["trade_ws_url"],
            "OKX_REST_URL": okx["rest_url"],
            "OKX_PUBLIC_WS_URL": okx["public_ws_url"],
            "OKX_PRIVATE_WS_URL": okx["private_ws_url"],
        }
        self.pid = self.nursery.ask(
            do="trade", environment=environment, report=str(self.folder / "report.json"),
            log=str(self.folder / "trader.log"),
        )["pid"]  # fmt: skip
        return known

    def kill_at_a_random_place(self) -> Point:
        """Start a trader and kill it: in its recovery, or right after a record of its journal."""
        known = self.start()
        if self.rng.random() < 0.25:
            time.sleep(self.rng.uniform(0.0, 0.5))
            return self._kill("start-up", known)
        wanted = self.rng.randint(1, RECORDS_MAX)
        with self._watched(known) as reached:
            deadline = time.monotonic() + GIVE_UP_S
            while reached() < wanted and time.monotonic() < deadline:
                time.sleep(POLL_S)
        spin_ns = time.monotonic_ns() + self.rng.randrange(SPIN_US_MAX * 1000)
        while time.monotonic_ns() < spin_ns:
            pass
        return self._kill(f"record {wanted}", known)

    def _kill(self, meant: str, known: set[Path]) -> Point:
        os.kill(self.pid, signal.SIGKILL)
        code = self.nursery.ask(do="wait", pid=self.pid)["code"]
        assert code == -signal.SIGKILL, f"it had ended by itself, {code}: {self.last_words()}"
        new = sorted(set(self.state.glob("orders-*.journal")) - known)
        run, reached = 0, 0
        if new:
            with RunJournal(new[:1]) as journal:
                run, reached = journal.run, journal.verify().valid
        point = Point(meant, reached, run)
        self.points.append(point)
        return point

    @contextmanager
    def _watched(self, known: set[Path]) -> Iterator[Any]:
        """Map the new run's journal; yields what counts its records since the run had begun."""
        patience = Patience()
        while not (new := set(self.state.glob("orders-*.journal")) - known):
            assert not patience.is_over(), f"no journal: {self.last_words()}"
            time.sleep(0.001)
        path = min(new)  # its first part, should we come so late that it has another one
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
            at, begun = 0, None

            def reached() -> int:
                nonlocal at, begun
                while (start := HEADER + at * RECORD) < len(held):
                    kind = int.from_bytes(held[start + TYPE_AT : start + TYPE_AT + 2], "little")
                    if kind == 0 or held[start : start + 8] == bytes(8):
                        break
                    at += 1
                    begun = at if kind == TAKEN else begun
                return 0 if begun is None else at - begun

            yield reached

    def finish(self) -> dict[str, Any]:
        """Let one more trader take over, and stop it as a person would; return its report."""
        known = self.start()
        with self._watched(known) as reached:
            patience = Patience()
            while reached() < 10:
                assert not patience.is_over(), self.last_words()
                time.sleep(0.01)
        os.kill(self.pid, signal.SIGTERM)
        code = self.nursery.ask(do="wait", pid=self.pid)["code"]
        assert code == 0, self.last_words()
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return report

    def last_words(self) -> str:
        return (self.folder / "trader.log").read_text()[-600:]

    def close(self) -> None:
        self.nursery.close()
        Path(f"/dev/shm/arbitrage.{self.segment}").unlink(missing_ok=True)

    # ---- the venues' own account ----------------------------------------------------------------

    def equity(self) -> Decimal:
        facts = [read_account(v, self.urls[v]["rest_url"], credentials()) for v in VENUES]
        return sum((one.equity_usd for one in facts), Decimal(0))

    def positions(self) -> dict[str, dict[str, Decimal]]:
        return {
            v: read_account(v, self.urls[v]["rest_url"], credentials()).positions for v in VENUES
        }

    def arrivals(self, venue: str) -> list[str]:
        """Return the client ids of all orders that reached a venue, as they came."""
        url = f"{self.urls[venue]['rest_url']}/admin/orders?after=0"
        with urllib.request.urlopen(url, timeout=LIMIT_S) as reply:
            return [order["client_id"] for order in json.load(reply)["orders"]]

    async def executions(self, venue: str) -> list[ExecutionReport]:
        make = BybitRest if venue == "bybit" else OkxRest
        async with make(self.urls[venue]["rest_url"], credentials()) as rest:
            await rest.sync_clock()
            return await rest.executions(since_wall_ms=rest.clock.wall_ms() - 3_600_000)


# ---- what must be true --------------------------------------------------------------------------


@dataclass
class Story:
    """The journals of all runs of a lane."""

    intents: dict[int, Order] = field(default_factory=dict)
    venue_of: dict[int, str] = field(default_factory=dict)
    taken: dict[int, dict[tuple[str, str], Decimal]] = field(default_factory=dict)


def read_story(state: Path) -> Story:
    """Read every run: its orders, and what it took over."""
    story = Story()
    for run, paths in journal_parts(state).items():
        with RunJournal(paths) as journal:
            assert journal.verify().stray == 0
            is_taken = taken_run(journal) is not None
            contracts: dict[int, Contract] = {}
            held: dict[tuple[str, str], Decimal] = {}
            for record in journal:
                if record.type == "CONTRACT":
                    contract = decode(record)
                    assert isinstance(contract, Contract)
                    contracts[contract.row] = contract
                elif record.type == "INTENT":
                    order = decode(record)
                    assert isinstance(order, Order)
                    assert is_taken, "an order left before the run had taken over"
                    assert split_client_id(order.client_id).run == run
                    assert order.client_id not in story.intents
                    story.intents[order.client_id] = order
                    story.venue_of[order.client_id] = VENUES[order.venue]
                elif record.type == "ADOPTED":
                    _adopted(decode(record), contracts, held)
            if is_taken:
                story.taken[run] = held
    return story


def _adopted(
    held: Any, contracts: dict[int, Contract], into: dict[tuple[str, str], Decimal]
) -> None:
    assert isinstance(held, Adopted)
    for row, lots in ((held.buy_row, held.long_lots), (held.sell_row, -held.short_lots)):
        if lots:
            contract = contracts[row]
            into[VENUES[contract.venue], contract.venue_symbol] = lots * Decimal(contract.lot)


def check_orders(lane: Lane, story: Story) -> Counter[str]:
    """Hold true that no order came twice and that each was written down before it left."""
    counts: Counter[str] = Counter()
    for venue in VENUES:
        ids = lane.arrivals(venue)
        assert len(ids) == len(set(ids)), f"{venue}: an order came twice"
        for text in ids:
            assert story.venue_of.get(int(text)) == venue, f"{venue}: {text} is in no journal"
        counts["arrived"] += len(ids)
    counts["intents"] = len(story.intents)
    return counts


def check_takings(story: Story, trades: dict[str, list[ExecutionReport]]) -> int:
    """Hold true that each run took over exactly what the orders before it had left."""
    checked = 0
    for run, held in story.taken.items():
        left: dict[tuple[str, str], Decimal] = {}
        for venue, reports in trades.items():
            for report in reports:
                if split_client_id(report.client_id).run < run:
                    key = (venue, report.venue_symbol)
                    left[key] = left.get(key, Decimal(0)) + signed(report.side, report.qty_venue)
        assert held == {key: qty for key, qty in left.items() if qty}, f"run {run}"
        checked += bool(held)
    return checked


def check_history(history: History, past: Past) -> None:
    """Hold true that the legs of the pairs make up the positions that recovery counts by orders."""
    lots: Counter[int] = Counter()
    for pair in history.pairs.values():
        for row, held, sign in zip(pair.rows, pair.lots, (1, -1), strict=True):
            lots[row] += sign * held
    late = [told for pair, told in history.venue_fills if pair is None]
    for told in late + [told for told in history.other_words if told.kind == ExecKind.FILL]:
        lots[told.row] += told.last_qty_lots * (-1 if told.side else 1)
    held = {}
    for row, count in lots.items():
        if count:
            contract = history.contracts[row]
            held[VENUES[contract.venue], contract.venue_symbol] = count * Decimal(contract.lot)
    assert held == past.standing


def check_money(lane: Lane, trades: dict[str, list[ExecutionReport]]) -> None:
    """Hold true that the accounts' journals hold each execution once, and explain the equity."""
    accounts = read_accounts(lane.state)
    fills = {(fill.venue, fill.trade_id) for fill in accounts.fills}
    assert len(fills) == len(accounts.fills), "an execution was written down twice"
    told = {(venue, one.trade_id) for venue, reports in trades.items() for one in reports}
    assert fills == told
    gained = sum(
        (-signed(fill.side, fill.qty_base) * fill.px - fill.fee for fill in accounts.fills),
        Decimal(0),
    )
    funding = sum((payment.amount for payment in accounts.fundings), Decimal(0))
    assert lane.equity() - lane.before == gained - funding
    histories = {}
    for run, paths in journal_parts(lane.state).items():
        with RunJournal(paths) as journal:
            histories[run] = History.read(journal)
            assert histories[run].problems == [], f"run {run}"
            check_history(histories[run], Past.of(histories[run]))
    book = Book(accounts, "simulator", histories)
    assert book.total.net == lane.equity() - lane.before
    assert [pair.key for pair in book.pairs.values() if not pair.is_flat] == []
