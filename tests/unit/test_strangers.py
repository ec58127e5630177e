"""Whose order was it: a run of our folder, or another program on the same account."""

import logging
from decimal import Decimal
from pathlib import Path

import pytest

from arbitrage.core.records import make_client_id
from arbitrage.fills import Fill
from arbitrage.runtime.strangers import Strangers
from arbitrage.trading.runs import StateFolder


def fill(run: int, venue: str = "bybit") -> Fill:
    return Fill(
        venue=venue, symbol="BTCUSDT", client_id=make_client_id(run, 3, 1, 1) if run else 0,
        trade_id="1", side=0, px=Decimal(1), qty_base=Decimal(1), fee=Decimal(0), wall_ms=0,
    )  # fmt: skip


def test_runs_of_the_folder_are_ours_and_others_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with StateFolder(tmp_path) as folder:
        folder.journal_path(5).touch()
        folder.account_path(6).touch()
        found = Strangers(tmp_path, 9)
    with caplog.at_level(logging.ERROR):
        found.look_at_all([fill(5), fill(6), fill(9), fill(0)])
        assert (caplog.records, found.lines) == ([], [])
        found.look_at_all([fill(8), fill(8), fill(7), fill(8, "okx")])
    told = [record.getMessage() for record in caplog.records]
    assert [line.split(": ")[0] for line in told] == [
        "another program trades BTCUSDT at bybit with this account",
        "another program trades BTCUSDT at okx with this account",
    ]
    assert "is of run 8, which is none of" in told[0]
    assert found.counts == {("BTCUSDT", "bybit"): 3, ("BTCUSDT", "okx"): 1}
