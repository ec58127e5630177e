"""Recordings traded in their own time: every kind of strategy, twice the same, flat at the end."""

import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from arbitrage.cli.replay import replay

T0_NS = 1_790_000_000_000_000_000
SETTLES_MS = T0_NS // 1_000_000 + 30_000
EXAMPLE = Path(__file__).parents[2] / "examples" / "basis_reversion.py"
SECONDS = 60


def line(recv_ns: int, frame: dict[str, Any]) -> str:
    return f"{recv_ns}\t{json.dumps(frame, separators=(',', ':'))}\n"


def bybit_quote(at_ns: int, mid: float, number: int) -> str:
    ms = at_ns // 1_000_000
    data = {
        "s": "BTCUSDT", "b": [[f"{mid - 0.1:.2f}", "5"]], "a": [[f"{mid + 0.1:.2f}", "5"]],
        "u": number, "seq": number,
    }  # fmt: skip
    frame = {"topic": "orderbook.1.BTCUSDT", "type": "snapshot", "ts": ms, "data": data, "cts": ms}
    return line(at_ns, frame)


def okx_quote(at_ns: int, mid: float, number: int) -> str:
    data = {
        "asks": [[f"{mid + 0.1:.1f}", "500", "0", "1"]],
        "bids": [[f"{mid - 0.1:.1f}", "500", "0", "1"]],
        "ts": str(at_ns // 1_000_000), "seqId": number,
    }  # fmt: skip
    return line(
        at_ns, {"arg": {"channel": "bbo-tbt", "instId": "BTC-USDT-SWAP"}, "data": [data]}
    )


def funding(at_ns: int, settled: bool) -> tuple[str, str]:
    """Bybit pays 60 bps, OKX nothing."""
    next_ms = SETTLES_MS + 8 * 3_600_000 * settled
    ticker = {
        "symbol": "BTCUSDT", "fundingRate": "0.006", "fundingIntervalHour": "8",
        "nextFundingTime": str(next_ms),
    }  # fmt: skip
    rate = {
        "instId": "BTC-USDT-SWAP", "instType": "SWAP", "fundingRate": "0",
        "fundingTime": str(next_ms), "nextFundingTime": str(next_ms + 8 * 3_600_000),
        "ts": str(at_ns // 1_000_000),
    }  # fmt: skip
    return (
        line(at_ns, {"topic": "tickers.BTCUSDT", "type": "snapshot", "data": ticker, "cs": 1,
                     "ts": at_ns // 1_000_000}),
        line(at_ns, {"arg": {"channel": "funding-rate", "instId": "BTC-USDT-SWAP"},
                     "data": [rate]}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A minute of both venues, 20 quotes a second; OKX swings 30 bps around Bybit."""
    folder = tmp_path_factory.mktemp("frames")
    bybit, okx = folder / "bybit.frames", folder / "okx.frames"
    lines: tuple[list[str], list[str]] = ([], [])
    for number in range(SECONDS * 20):
        at_ns = T0_NS + number * 50_000_000
        if number % 100 == 20:
            for place, text in enumerate(funding(at_ns, at_ns > SETTLES_MS * 1_000_000)):
                lines[place].append(text)
        swing = 1 + 30e-4 * math.sin(number / 60)
        lines[0].append(bybit_quote(at_ns, 84_000.0, number + 10))
        lines[1].append(okx_quote(at_ns + 7_000_000, 84_000.0 * swing, number + 10))
    bybit.write_text("".join(lines[0]))
    okx.write_text("".join(lines[1]))
    return bybit, okx


def run(files: tuple[Path, Path], *more: str) -> dict[str, Any]:
    arguments = ["--bybit", str(files[0]), "--okx", str(files[1]), "--trade", "--json", "-"]
    done = CliRunner().invoke(replay, [*arguments, *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.output)
    return found


def check(found: dict[str, Any], kind: str) -> None:
    pairs = found["by_pair"]
    assert {pair["kind"] for pair in pairs} == {kind}
    assert len(pairs) == found["pairs"]["closed"] > 0
    assert found["open_legs"] == 0
    assert Decimal(found["ledger"]["unrealised"]) == 0
    # what the pairs say they brought, without funding, is what the fills add up to
    said = sum((p["pair_bps"] - p["funding_bps"]) * p["base_qty"] * 8.4 for p in pairs)
    booked = sum(Decimal(text) for text in found["ledger"].values())
    assert float(booked) == pytest.approx(said, rel=0.01, abs=0.01)


def test_the_spread_strategy(files: tuple[Path, Path]) -> None:
    found = run(files)
    check(found, "spread")
    assert found == run(files)


def test_funding_is_entered_before_the_settlement_and_left_after_it(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "ARB_FUNDING_WINDOW_S": "20", "ARB_FUNDING_LEAD_S": "2", "ARB_FUNDING_HOLD_S": "25",
        "ARB_FUNDING_STOP_BPS": "200", "ARB_FUNDING_MIN_BPS": "5",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, text)
    found = run(files, "--strategy", "funding")
    check(found, "funding")
    first = found["by_pair"][0]
    settled_ns = SETTLES_MS * 1_000_000
    assert settled_ns - 20_000_000_000 <= first["opened_ns"] < settled_ns < first["closed_ns"]
    assert first["funding_bps"] == pytest.approx(60.0)
    assert found == run(files, "--strategy", "funding")


def test_a_strategy_in_python(files: tuple[Path, Path]) -> None:
    found = run(files, "--strategy", f"{EXAMPLE}:BasisReversion", "--fees", "bybit=0,okx=0")
    check(found, "intent")
    assert {pair["tag"] for pair in found["by_pair"]} == {1}
    assert found == run(
        files, "--strategy", f"{EXAMPLE}:BasisReversion", "--fees", "bybit=0,okx=0"
    )


def test_a_class_that_raises_ends_it_with_one_line(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from arbitrage import Strategy\nclass Mine(Strategy):\n"
        "    def on_timer(self): 1 / 0\n"
    )
    both = ["--bybit", str(files[0]), "--okx", str(files[1]), "--trade"]
    done = CliRunner().invoke(replay, [*both, "--strategy", f"{path}:Mine"])
    assert "ZeroDivisionError: division by zero (mine.py:3 in on_timer)" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--strategy", "funding"], "belong to --trade"),
        (["--trade", "--strategy", "nothing"], "accepted are spread, funding"),
        (["--trade", "--symbols", "FOOUSDT"], "no contract of FOOUSDT"),
        (["--trade", "--events", "x.csv"], "without --trade"),
    ],
)
def test_what_cannot_be_meant(
    files: tuple[Path, Path], arguments: list[str], said: str, tmp_path: Path
) -> None:
    arguments = [str(tmp_path / item) if item == "x.csv" else item for item in arguments]
    both = ["--bybit", str(files[0]), "--okx", str(files[1])]
    done = CliRunner().invoke(replay, [*both, *arguments])
    assert done.exit_code != 0
    assert said in str(done.exception)
