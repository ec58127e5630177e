"""A recorded demo, decided again: every order, and what is said where one does not come out."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from arbitrage.core import decisions
from arbitrage.core.decisions import DECISION_BYTES, DecisionKind
from arbitrage.errors import ConfigError
from arbitrage.record_files import (
    DECISIONS,
    Block,
    RecordFile,
    pack_block,
    pack_header,
    pieces_of,
)
from arbitrage.runtime.parity import NOT_SENT, Parity, parity
from arbitrage.runtime.parity_backtest import backtest_parity
from arbitrage.runtime.parity_report import to_html, to_json, to_text
from arbitrage.runtime.told import RunTold, told_path

SETTINGS = {"ARB_NAME": "", "ARB_TAP_MB": "", "ARB_STAGES": ""}
# the standing basis is averaged in turns in which nothing else happens
AVERAGES = {"ARB_MIN_EXCESS_BPS": "-5", "ARB_BASIS_TIME_S": "1"}


def recorded(folder: Path, seconds: int, *more: str, **settings: str) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "arbitrage.demo", "--seconds", str(seconds), "--record",
         str(folder), "--max-hold-s", "1", "--fees", "bybit=0,okx=0", *more],
        env=os.environ | SETTINGS | settings, capture_output=True, text=True, timeout=seconds + 120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("parity") / "day", 5)


def copied(session: Path, target: Path) -> Path:
    shutil.copytree(session, target)
    return target


def changed(session: Path, target: Path, **settings: float) -> Path:
    """Return a copy whose strategy was told something else."""
    copied(session, target)
    run = run_of(target)
    told = RunTold.read(target / "state", run)
    path = told_path(target / "state", run)
    path.write_bytes(
        msgspec.json.encode(msgspec.structs.replace(told, settings=told.settings | settings))
    )
    return target


def run_of(folder: Path) -> int:
    (piece,) = pieces_of(folder, DECISIONS)
    with RecordFile(piece) as file:
        return int(file.session["run"])


def test_every_order_of_a_recorded_demo_comes_out_again(session: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "arbitrage.cli", "parity", str(session), "--json", "-"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["is_well"]
    assert found["from_start"]
    assert len(found["orders"]) >= 8
    assert found["orders_found"] == found["orders_explained"] == len(found["orders"])
    assert found["changes"] == found["equal_changes"] > 8
    assert found["extra"] == []
    assert found["detector_differences"] == 0
    for order in found["orders"]:
        assert order["qty_diff_lots"] == order["px_diff_ticks"] == order["unexplained_ns"] == 0
        # two orders of one turn are stamped one after the other
        assert order["time_diff_ns"] >= 0
        assert bool(order["time_diff_ns"]) == bool(order["reason"])
    assert {wait["venue"] for wait in found["waits"]} == {"bybit", "okx"}


def test_a_backtest_of_the_session_sends_its_orders(session: Path, tmp_path: Path) -> None:
    """By simulated venues and the session's own latencies: nothing of the answers is told."""
    found = backtest_parity(session)
    assert len(found.orders) >= 8
    # where fills differ the two may part for a while, and that is said
    assert found.found >= 2
    assert any(order.is_explained for order in found.orders)
    assert found.filled_alike <= found.filled_qty_alike <= found.found
    for order in found.orders:
        assert order.is_explained or order.reason
    assert f"{found.found} of {len(found.orders)}" in to_text(found)
    assert json.loads(to_json(found))["orders_found"] == found.found
    assert to_html(found).count("<td>yes") == found.found
    # it can fail: other sizes, and no entry at all
    sized = backtest_parity(changed(session, tmp_path / "size", max_order_usd=300.0))
    assert not sized.is_well
    assert any(one.qty_diff_lots > 0 for one in sized.orders)
    strict = backtest_parity(changed(session, tmp_path / "strict", min_net_bps=1000.0))
    assert strict.found == 0
    assert strict.orders[0].reason == "the two decided otherwise on the same market"
    done = subprocess.run(
        [sys.executable, "-m", "arbitrage.cli", "parity", str(tmp_path / "strict"), "--backtest"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"the backtest sent 0 of {len(found.orders)} orders" in done.stdout


def test_what_was_told_otherwise_shows_in_the_orders(session: Path, tmp_path: Path) -> None:
    """The comparison can fail: another size, another threshold, another time to leave."""
    sized = parity(changed(session, tmp_path / "size", position_usd=300.0))
    assert not sized.is_well
    differing = [one for one in sized.orders if one.qty_diff_lots > 0]
    assert differing
    assert "qty_lots" in differing[0].reason
    strict = parity(changed(session, tmp_path / "strict", min_net_bps=1000.0))
    assert strict.found == 0
    assert not strict.is_well
    assert {one.reason for one in strict.orders} == {"the strategy did not send it again"}
    long = parity(changed(session, tmp_path / "long", max_hold_s=0.2))
    assert long.extra
    assert {one.reason for one in long.extra} == {"the session did not send it"}


def test_a_recording_that_began_later_judges_what_it_covers(session: Path, tmp_path: Path) -> None:
    """With the pairs that begin once all is known."""
    late = copied(session, tmp_path / "late")
    (piece,) = pieces_of(late, DECISIONS)
    with RecordFile(piece) as file:
        head = dict(file.session)
        blocks = list(file.blocks())
    text = b"".join(block.records for block in blocks)
    cut = blocks[0].count // 3 if len(blocks) == 1 else sum(b.count for b in blocks) // 3
    piece.unlink()
    rest = text[cut * DECISION_BYTES :]
    block = Block(cut, len(rest) // DECISION_BYTES, blocks[0].first_mono_ns,
                  blocks[-1].last_mono_ns, rest)  # fmt: skip
    (late / "decisions.ticks").write_bytes(
        pack_header(DECISION_BYTES, head) + pack_block(block, DECISION_BYTES)
    )
    found = parity(late)
    assert not found.from_start
    outside = [one for one in found.orders if one.is_outside]
    assert outside
    assert all("the recording knew everything" in one.reason for one in outside)
    assert found.judged
    assert found.found > len(found.judged) // 3
    # what the strategy remembered then, such as its order budget, is not recorded
    missed = [one.reason for one in found.judged if not one.is_explained]
    assert all(reason.startswith(NOT_SENT) or "again" in reason for reason in missed)
    assert "lie outside of the recording" in to_text(found)


@pytest.mark.parametrize("tenths", [4, 5, 6, 7])
def test_a_gap_ends_it_there(session: Path, tmp_path: Path, tenths: int) -> None:
    torn = copied(session, tmp_path / "torn")
    (piece,) = pieces_of(torn, DECISIONS)
    with RecordFile(piece) as file:
        head = dict(file.session)
        blocks = list(file.blocks())
    text = b"".join(block.records for block in blocks)
    count = len(text) // DECISION_BYTES
    half, gap = count * tenths // 10, 100
    piece.unlink()
    parts = b""
    for first, end in ((0, half), (half + gap, count)):
        records = text[first * DECISION_BYTES : end * DECISION_BYTES]
        told = np.frombuffer(records, decisions.DECISION_DTYPE)
        mono_ns = int(told["mono_ns"][told["kind"] == DecisionKind.TICK][0])
        parts += pack_block(Block(first, end - first, mono_ns, mono_ns, records), DECISION_BYTES)
    (torn / "decisions.ticks").write_bytes(pack_header(DECISION_BYTES, head) + parts)
    found = parity(torn)
    assert found.stopped == "the recorder lost decisions here"
    outside = [one for one in found.orders if one.is_outside]
    assert 0 < len(outside) < len(found.orders)
    assert found.is_well  # of what the recording covers


def test_what_cannot_be_decided_again_gets_one_line(session: Path, tmp_path: Path) -> None:
    copy = copied(session, tmp_path / "copy")
    run = run_of(copy)
    path = told_path(copy / "state", run)
    told = RunTold.read(copy / "state", run)
    for change, says in (
        ({"placement": "split"}, "strategy on a thread of its own"),
        ({"strategies": ("spread", "mine.py:Mine")}, "traded mine.py:Mine: what a strategy of"),
    ):
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(told, **change)))
        with pytest.raises(ConfigError, match=says):
            parity(copy)
    path.unlink()
    with pytest.raises(ConfigError, match="a trader with ARB_TAP_MB writes it"):
        parity(copy)
    shutil.rmtree(copy / "state")
    with pytest.raises(ConfigError, match=f"holds no journal of run {run}; name the trader's"):
        parity(copy)
    done = subprocess.run(
        [sys.executable, "-m", "arbitrage.demo", "--record", str(session)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "holds a recording; name another folder" in done.stderr


def test_the_reports_say_the_same(session: Path) -> None:
    found = parity(session)
    orders = len(found.orders)
    text, page = to_text(found), to_html(found)
    assert f"all of {orders} orders came out again, every difference is explained" in text
    assert f"all of {orders} orders" in page
    assert page.count("<td>yes") == orders
    assert "class=bad" not in page
    assert json.loads(to_json(found))["orders_found"] == orders
    wrong = msgspec.structs.replace(found, orders=[
        msgspec.structs.replace(found.orders[0], symbol="<b>", is_found=False, reason="a & b"),
    ])  # fmt: skip
    assert "&lt;b&gt;" in to_html(wrong)
    assert "class=bad" in to_html(wrong)
    text = to_text(wrong)
    assert "not explained:" in text
    assert "a & b" in text


def test_turns_are_told_only_where_they_can_be(session: Path) -> None:
    from arbitrage.research.recording import Recording

    kinds = Recording(session).decisions()["kind"].tolist()
    assert kinds.count(DecisionKind.TURN) > 500
    assert kinds[0] == DecisionKind.ROUND  # all is known before the first tick


@pytest.mark.long
@pytest.mark.parametrize(
    ("more", "settings"),
    [
        ((), {}),
        (("--all-faults",), {}),
        (("--strategy", "spread,funding"), {}),
        ((), AVERAGES | {"ARB_STAGES": "inline"}),
    ],
)
def test_a_minute_of_demo_comes_out_again(
    tmp_path: Path, more: tuple[str, ...], settings: dict[str, str]
) -> None:
    found: Parity = parity(recorded(tmp_path / "day", 60, *more, **settings))
    assert found.is_well, to_text(found)
    assert len(found.orders) == len(found.judged) > 50
