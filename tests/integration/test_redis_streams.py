"""Orders, fills, incidents and pair states in Redis: equal to what the trader wrote down."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from redis_kit import PROGRAMS, Running, Server, client_of, counts, entries, program_of, wait_for
from redis_kit import trader as trader_segment
from trader_kit import Trader, venues
from trader_kit import trader as trader_program

import arbitrage
from arbitrage.board import Board, IncidentLine, PairLine, encode_board
from arbitrage.cold.deck import read_board
from arbitrage.cold.redis_writer import Mirror
from arbitrage.core.board import BOARD_BYTES_MAX
from arbitrage.core.journal import TYPE_NAMES, Journal
from arbitrage.core.messages import Contract, Order, PairEvent
from arbitrage.core.segment import Segment
from arbitrage.secret import Secret
from arbitrage.trading.journal_rows import rows
from arbitrage.trading.journal_tail import JournalTail
from arbitrage.trading.run_journal import RunJournal
from arbitrage.trading.runs import journal_parts

INTENT, CONTRACT = TYPE_NAMES.index("INTENT"), TYPE_NAMES.index("CONTRACT")


def mirror(name: str, url: str, **options: Any) -> Mirror:
    """Return one that follows the journals as `arb mirror` does."""
    return Mirror(name, Secret(url), arbitrage.attach, follow=JournalTail, **options)


def written(folder: Path, kind: str, types: set[str], run: int) -> list[dict[str, str]]:
    """Return the journal's own words of a run."""
    with RunJournal(journal_parts(folder, kind)[run]) as held:
        return [
            {key: str(value) for key, value in row.items()}
            for row in rows(held)
            if row["type"] in types
        ]


def told(client: Any, name: str, stream: str) -> list[dict[str, str]]:
    """Return a stream's entries without what the mirror adds to a journal's record."""
    found = entries(client, name, stream)
    for fields in found:
        assert int(fields.pop("run")) > 0
        assert abs(time.time_ns() - int(fields.pop("wall_ns"))) < 600e9
    return found


# ---- a trader that trades ------------------------------------------------------------------------


class Traded:
    """What a trader, and mirrors on both kinds of server, have left."""

    def __init__(self) -> None:
        self.clients: dict[str, Any] = {}
        self.name = ""
        self.run = 0
        self.folder = Path()
        self.pair_events: list[Any] = []
        self.seen_pairs: dict[str, dict[str, Any]] = {}
        self.board: Board


def test_redis_holds_what_a_trader_has_told(tmp_path: Path) -> None:
    found, servers = Traded(), []
    try:
        for kind in (kind for kind, program in PROGRAMS.items() if program):
            place = tmp_path / kind
            place.mkdir()
            servers.append(Server(program_of(kind), place))
            found.clients[kind] = servers[-1].client
        with (
            venues(tmp_path) as sims,
            trader_program(tmp_path, sims.environment()) as child,
            ExitStack() as mirrors,
        ):
            segment = child.attach(60.0)
            reader = segment.pair_events.reader(from_oldest=True)
            found.name, found.run = child.name, segment.run
            found.folder = Path(child.settings["ARB_STATE_DIR"])
            for server in servers:
                mirrors.enter_context(Running(mirror(child.name, server.url)))
            _trade(found, child, segment, reader)
        for kind, client in found.clients.items():
            _orders_and_fills_are_those_of_the_journals(found, client)
            _pair_events_are_those_of_the_broadcast(found, client)
            _pair_states_are_pairs_of_the_board(found.seen_pairs[kind])
            _incidents_are_those_of_the_board(found, client)
    finally:
        for server in servers:
            server.kill()


def _trade(found: Traded, child: Trader, segment: Segment, reader: Any) -> None:
    child.wait_closed_pairs(segment, 2, 60.0)
    key = f"arbitrage:{child.name}:pair_states"
    for kind, client in found.clients.items():
        pairs = wait_for(lambda client=client: client.hgetall(key), 60.0)
        found.seen_pairs[kind] = {number: json.loads(body) for number, body in pairs.items()}
    child.stop()
    found.pair_events = [PairEvent.unpack(record) for record in reader.drain()]
    board = read_board(segment)
    assert board is not None
    found.board = board
    for client in found.clients.values():
        wait_for(lambda client=client: _trader_alive(client, child.name) == "0", 60.0)
        _wait_still(client, child.name)


def _trader_alive(client: Any, name: str) -> str:
    return str(client.hget(f"arbitrage:{name}:mirror", "trader_alive"))


def _wait_still(client: Any, name: str) -> None:
    """Wait until the mirror has said twice that nothing more has come."""
    before = None
    while before != (before := counts(client, name)):
        beat = client.hget(f"arbitrage:{name}:mirror", "wall_ns")
        wait_for(lambda beat=beat: client.hget(f"arbitrage:{name}:mirror", "wall_ns") != beat)


def _orders_and_fills_are_those_of_the_journals(traded: Traded, client: Any) -> None:
    orders = written(traded.folder, "orders", {"intent", "exec"}, traded.run)
    assert len(orders) > 8
    assert told(client, traded.name, "orders") == orders
    fills = written(traded.folder, "account", {"fill", "funding"}, traded.run)
    assert len(fills) >= 8
    assert told(client, traded.name, "fills") == fills
    held = client.hgetall(f"arbitrage:{traded.name}:mirror")
    assert (held["journals"], held["lost"]) == ("followed", "0")
    assert int(held["orders_published"]) == len(orders)
    assert int(held["fills_published"]) == len(fills)
    assert int(held["trader_run"]) == traded.run


def _pair_events_are_those_of_the_broadcast(traded: Traded, client: Any) -> None:
    found = entries(client, traded.name, "pairs")
    assert len(found) == len(traded.pair_events) > 4
    for fields, event in zip(found, traded.pair_events, strict=True):
        for column in ("pair", "opportunity_id", "buy_px", "pair_bps", "mono_ns", "run"):
            assert fields[column] == repr(getattr(event, column))


def _pair_states_are_pairs_of_the_board(seen: Mapping[str, dict[str, Any]]) -> None:
    for number, pair in seen.items():
        assert int(number) == pair["pair"] > 0
        assert {pair["buy_venue"], pair["sell_venue"]} == {"bybit", "okx"}
        assert pair["phase"] != "idle"


def _incidents_are_those_of_the_board(traded: Traded, client: Any) -> None:
    found = entries(client, traded.name, "incidents")
    began = [fields for fields in found if fields["event"] == "BEGAN"]
    by_number = {int(fields["number"]): fields for fields in began}
    assert set(by_number) == {line.number for line in traded.board.incidents}
    for line in traded.board.incidents:
        assert by_number[line.number]["text"] == line.text


# ---- boards and journals of a test's own ---------------------------------------------------------


def pair(number: int, **changes: Any) -> PairLine:
    values: dict[str, Any] = {
        "pair": number, "symbol": "BTCUSDT", "kind": "spread", "phase": "open", "buy_venue": "okx",
        "sell_venue": "bybit", "buy_qty": 0.5, "sell_qty": 0.5,
    }  # fmt: skip
    return PairLine(**values | changes)


def incident(number: int, **changes: Any) -> IncidentLine:
    values: dict[str, Any] = {
        "number": number, "began_wall_ns": number, "last_wall_ns": number, "kind": "venue",
        "text": f"incident {number}",
    }  # fmt: skip
    return IncidentLine(**values | changes)


def write(segment: Segment, **parts: Any) -> None:
    board = Board(wall_ns=time.time_ns(), **parts)
    segment.write_board(encode_board(board, BOARD_BYTES_MAX))


def test_pair_states_come_change_and_go(url: str, name: str) -> None:
    segment, client = trader_segment(name), client_of(url)
    key = f"arbitrage:{name}:pair_states"

    def states() -> dict[str, str]:
        return {
            number: json.loads(body)["phase"] for number, body in client.hgetall(key).items()
        }

    client.hset(key, "99", '{"phase": "of an earlier run"}')
    with Running(mirror(name, url)):
        wait_for(lambda: write(segment, pairs=[pair(1), pair(2)]) or states() == dict.fromkeys(
            ("1", "2"), "open"
        ))  # fmt: skip
        assert 0 < client.pttl(key) <= 10_000
        wait_for(
            lambda: write(segment, pairs=[pair(2, phase="closing")])
            or states() == {"2": "closing"}
        )
        wait_for(lambda: write(segment) or not client.exists(key))
    segment.close()


def test_an_incident_is_told_when_it_begins_and_when_it_ends(url: str, name: str) -> None:
    segment, client = trader_segment(name), client_of(url)

    def seen() -> list[tuple[str, str]]:
        found = entries(client, name, "incidents")
        return [(fields["number"], fields["event"]) for fields in found]

    write(segment, incidents=[incident(1), incident(2, is_open=True)])
    with Running(mirror(name, url)):
        wait_for(lambda: seen() == [("1", "BEGAN"), ("2", "BEGAN")])
        write(segment, incidents=[incident(2, is_open=True, count=2), incident(5)])  # 3, 4 are gone
        wait_for(lambda: len(seen()) == 3)
    write(segment, incidents=[incident(2, ending="is back"), incident(5), incident(6)])
    with Running(mirror(name, url)):  # another one, which goes on where that one was
        wait_for(lambda: len(seen()) == 5)
    assert seen()[2:] == [("5", "BEGAN"), ("2", "ENDED"), ("6", "BEGAN")]
    ended = entries(client, name, "incidents")[3]
    assert (ended["ending"], ended["is_open"]) == ("is back", "0")
    held = client.hgetall(f"arbitrage:{name}:mirror")
    assert (held["incidents_published"], held["incidents_lost"]) == ("5", "2")
    assert held["lost"] == "2"
    segment.close()


class Orders:
    """A journal of orders that a test writes."""

    def __init__(self, folder: Path, run: int) -> None:
        self.folder, self.run = folder, run
        self.journal = Journal.create(self.path(0), 64, run)
        contract = Contract(64, 0, 1, "BTCUSDT", "BTC-USDT-SWAP", "0.1", "0.01")
        assert self.journal.append(CONTRACT, contract.pack())
        self.count = 0

    def path(self, part: int) -> Path:
        return self.folder / f"orders-{self.run:09d}-{part:05d}.journal"

    def send(self, count: int) -> None:
        for _ in range(count):
            self.journal.tend(self.path)
            self.count += 1
            order = Order(self.count, 1, 600001, 15, 0, 0, 64, 1, 0, 0, 0, 0, self.count)
            assert self.journal.append(INTENT, order.pack())

    def close(self) -> None:
        self.journal.close()


def opportunity_ids(client: Any, name: str) -> list[int]:
    return [int(fields["opportunity_id"]) for fields in entries(client, name, "orders")]


def test_orders_are_followed_over_files_and_runs(url: str, name: str, tmp_path: Path) -> None:
    client = client_of(url)
    folder = tmp_path / "state"
    folder.mkdir()
    first = Orders(folder, 4)
    first.send(10)
    segment = trader_segment(name, run=4)
    write(segment, state_dir=str(folder))
    with Running(mirror(name, url)):
        wait_for(lambda: opportunity_ids(client, name) == list(range(1, 11)))
        first.send(190)  # three files
        wait_for(lambda: opportunity_ids(client, name) == list(range(1, 201)))
        assert len(journal_parts(folder)[4]) >= 3
    first.send(5)
    with Running(mirror(name, url)):  # goes on where that one was
        wait_for(lambda: len(opportunity_ids(client, name)) == 205)
    first.send(5)
    first.close()
    segment.close()
    second = Orders(folder, 6)
    second.send(3)
    segment = trader_segment(name, run=6)
    write(segment, state_dir=str(folder))
    with Running(mirror(name, url)):  # the end of the run before it comes first
        wait_for(lambda: len(opportunity_ids(client, name)) == 213)
    assert opportunity_ids(client, name) == [*range(1, 211), 1, 2, 3]
    order = entries(client, name, "orders")[-1]
    wanted = {"run": "6", "px": "60000.1", "qty": "0.15", "symbol": "BTCUSDT", "side": "buy"}
    assert {key: order[key] for key in wanted} == wanted
    assert counts(client, name)["lost"] == 0
    second.close()
    segment.close()


def test_orders_wait_in_the_journal_while_redis_is_away(
    serve: Callable[..., Server], name: str, tmp_path: Path
) -> None:
    server = serve("--appendonly", "yes", "--appendfsync", "always")
    folder = tmp_path / "state"
    folder.mkdir()
    orders = Orders(folder, 4)
    segment = trader_segment(name, run=4)
    write(segment, state_dir=str(folder))
    with Running(mirror(name, server.url, backlog_max=20)) as running:
        orders.send(10)
        wait_for(lambda: len(opportunity_ids(server.client, name)) == 10)
        server.kill()
        orders.send(500)
        wait_for(lambda: running.waiting == 20)
        server.start()
        wait_for(lambda: len(opportunity_ids(server.client, name)) == 510)
    assert opportunity_ids(server.client, name) == list(range(1, 511))
    assert counts(server.client, name)["lost"] == 0
    orders.close()
    segment.close()


def test_a_journal_that_cannot_be_read_is_said(url: str, name: str, tmp_path: Path) -> None:
    segment, client = trader_segment(name, run=4), client_of(url)

    def journals() -> Mapping[str, str]:
        return str(client.hget(f"arbitrage:{name}:mirror", "journals"))

    broken = tmp_path / "orders-000000004-00000.journal"
    broken.write_bytes(b"no journal")
    with Running(mirror(name, url)):
        wait_for(lambda: journals() == "the trader has not named its state folder yet")
        write(segment, state_dir=str(tmp_path))
        wait_for(lambda: f"{broken} cannot be read" in journals())
        broken.unlink()
        orders = Orders(tmp_path, 4)
        orders.send(2)
        wait_for(lambda: journals() == "followed")
        wait_for(lambda: opportunity_ids(client, name) == [1, 2])
    orders.close()
    segment.close()
