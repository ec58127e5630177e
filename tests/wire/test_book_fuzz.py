"""The book in C under the sanitizers, beside a plain list: no bytes may break it."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import book_frames as make
import pytest

from arbitrage.core.book import REFUSALS, RESULTS

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).with_name("fuzz_book.c")
COMPILER = os.environ.get("CC", "gcc").split()[0]
REFUSED = 16  # the first of the parser's reasons
pytestmark = pytest.mark.skipif(shutil.which(COMPILER) is None, reason="no C compiler")


def corpus() -> list[bytes]:
    """Make small frames that shuffle a book, wide ones that fill and empty it, and others."""
    rng = random.Random(3)
    frames = make.bybit_stream(rng, 12, 8) + make.okx_stream(rng, 10, 8, "books")
    frames += make.okx_stream(rng, 4, 5, "books5")
    for count in (30, 60, 120):
        prices = [(f"{units / 10:.1f}", f"{units}.5") for units in range(500, 500 + count)]
        gone = [(px, "0") for px, _ in prices]
        frames.append(make.text(make.bybit(prices[::-1], prices, 5)))
        frames.append(make.text(make.okx(prices[::-1], prices, 5, 4)))
        frames.append(make.text(make.bybit(gone[::-1], gone, 5)))
        frames.append(make.text(make.okx(gone[::-1], gone, 5, 4)))
    full = [(f"{units / 10:.1f}", "2") for units in range(4000, 4400)]
    frames.append(make.text(make.okx(full[::-1], full, 5, -1, "snapshot")))
    frames += [make.text(make.okx([], [], 9, 9)), b"pong", b'{"op":"subscribe"}']
    frames.append(b'{"topic":"orderbook.1.BTCUSDT","type":"snapshot"}')
    return [frame.replace(b"\n", b" ") for frame in frames]


@pytest.fixture(scope="module", params=["simd", "plain"])
def fuzzer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build both token readers; the plain one is what machines without SSE2 run."""
    folder = tmp_path_factory.mktemp("fuzz_book")
    defines = ["-DARB_NO_SIMD"] if request.param == "plain" else []
    subprocess.run(
        [COMPILER, "-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror",
         "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *defines,
         "-I", str(ROOT / "cython_src/arbitrage/core"), str(SOURCE), "-o", str(folder / "fuzz")],
        check=True,
    )  # fmt: skip
    (folder / "samples.txt").write_bytes(b"".join(frame + b"\n" for frame in corpus()))
    return [str(folder / "fuzz"), str(folder / "samples.txt")]


def fuzz(fuzzer: list[str], count: int, seed: int) -> dict[int, int]:
    done = subprocess.run(
        [*fuzzer, str(count), str(seed)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:4000]
    return {int(a): int(b) for a, b in (line.split() for line in done.stdout.splitlines())}


def test_mutated_frames(fuzzer: list[str]) -> None:
    """Nothing is read or written outside, both ways agree, the book equals the plain list."""
    counts = fuzz(fuzzer, 100_000, 1)
    assert sum(counts.values()) == 4 * 100_000
    named = {RESULTS[number]: count for number, count in counts.items() if number < REFUSED}
    assert set(named) == set(RESULTS) - {"other_symbol"}
    assert named["applied"] > 25_000
    assert named["snapshot"] > 5_000
    assert len([number for number in counts if number >= REFUSED]) >= len(REFUSALS) - 1


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 8))
def test_mutated_frames_for_long(fuzzer: list[str], seed: int) -> None:
    fuzz(fuzzer, 2_000_000, seed)
