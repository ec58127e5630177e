"""The C parsers under AddressSanitizer and UndefinedBehaviorSanitizer: no bytes may break them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import samples

from arbitrage.core.frames import STATUS_NAMES

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).with_name("fuzz_frames.c")
COMPILER = os.environ.get("CC", "gcc").split()[0]
pytestmark = pytest.mark.skipif(shutil.which(COMPILER) is None, reason="no C compiler")


@pytest.fixture(scope="module", params=["simd", "plain"])
def fuzzer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build both token readers; the plain one is what machines without SSE2 run."""
    folder = tmp_path_factory.mktemp("fuzz")
    defines = ["-DARB_NO_SIMD"] if request.param == "plain" else []
    subprocess.run(
        [COMPILER, "-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror",
         "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *defines,
         "-I", str(ROOT / "cython_src/arbitrage/core"), str(SOURCE), "-o", str(folder / "fuzz")],
        check=True,
    )  # fmt: skip
    corpus = folder / "samples.txt"
    corpus.write_bytes(b"".join(frame.replace(b"\n", b" ") + b"\n" for _, frame in samples.ALL))
    return [str(folder / "fuzz"), str(corpus)]


def fuzz(fuzzer: list[str], count: int, seed: int) -> dict[str, int]:
    done = subprocess.run(
        [*fuzzer, str(count), str(seed)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:4000]
    pairs = (line.split() for line in done.stdout.splitlines())
    return {STATUS_NAMES[int(status)]: int(times) for status, times in pairs}


def test_mutated_frames(fuzzer: list[str]) -> None:
    """Nothing is read outside a frame, both ways agree, refused frames leave no trace."""
    counts = fuzz(fuzzer, 250_000, 1)
    assert sum(counts.values()) == 500_000
    assert counts["quote"] > 40_000
    never = {"unknown_symbol", "too_long"}
    assert set(STATUS_NAMES.values()) - set(counts) <= never


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_mutated_frames_for_long(fuzzer: list[str], seed: int) -> None:
    fuzz(fuzzer, 5_000_000, seed)
