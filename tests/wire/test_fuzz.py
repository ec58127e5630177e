"""The C parsers under AddressSanitizer and UndefinedBehaviorSanitizer: no bytes may break them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import samples

from arbitrage.core.frames import STATUS_NAMES
from arbitrage.core.spread import has_avx2

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
SANITIZED = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
BUILDS = {
    "vectors": SANITIZED,
    "baseline": [*SANITIZED, "-DARB_NO_AVX2"],  # an x86-64 without AVX2
    "plain": [*SANITIZED, "-DARB_NO_SIMD"],  # another architecture
    "guarded": ["-O3"],  # as released; pages that nobody may touch around each frame
}
COMPILER = os.environ.get("CC", "gcc").split()[0]
pytestmark = pytest.mark.skipif(shutil.which(COMPILER) is None, reason="no C compiler")


def compile_fuzzer(source: str, flags: list[str], target: Path) -> Path:
    subprocess.run(
        [COMPILER, "-std=c11", "-g", "-Wall", "-Wextra", "-Werror", *flags,
         "-I", str(ROOT / "cython_src/arbitrage/core"), str(HERE / source), "-o", str(target)],
        check=True,
    )  # fmt: skip
    return target


def corpus() -> list[bytes]:
    """Frames of every kind, and the venues' usual text many times over: other names, one of them
    with a wrong escape, both orders, widths of a busy and of a cheap market."""
    frames = [frame for _, frame in samples.ALL]
    for name, px, qty in (
        ("BTCUSDT", "61800.20", "2.507"), ("1000PEPEUSDT", "0.0110237", "1284500"),
        ("X", "7", "0.1"), ("1000000BABYDOGEUSDT-26SEP25X", "2681.6", "73.077"),
        ("BT\\qUSDT", "61800.20", "2.507"),
    ):  # fmt: skip
        ts, kind = '"ts":1723161256313', '"type":"snapshot"'
        for head in (f"{kind},{ts}", f"{ts},{kind}"):
            sides = f'"b":[["{px}","{qty}"]],"a":[["{px}9","{qty}"]]'
            frames.append(
                f'{{"topic":"orderbook.1.{name}",{head},"data":{{"s":"{name}",{sides},'
                f'"u":1234567,"seq":5123107838717}},"cts":1723161256310}}'.encode()
            )
        for orders in ("2", "1234"):
            frames.append(
                f'{{"arg":{{"channel":"bbo-tbt","instId":"{name}"}},"data":[{{"asks":[["{px}9",'
                f'"{qty}","0","{orders}"]],"bids":[["{px}","{qty}","0","{orders}"]],'
                f'"ts":"1723161254021","seqId":35346513501}}]}}'.encode()
            )
    return [frame.replace(b"\n", b" ") for frame in frames]


@pytest.fixture(scope="module", params=list(BUILDS))
def fuzzer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("fuzz")
    built = compile_fuzzer("fuzz_frames.c", BUILDS[request.param], folder / request.param)
    (folder / "samples.txt").write_bytes(b"".join(frame + b"\n" for frame in corpus()))
    return [str(built), str(folder / "samples.txt")]


def fuzz(fuzzer: list[str], count: int, seed: int) -> dict[str, int]:
    done = subprocess.run(
        [*fuzzer, str(count), str(seed)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:4000]
    pairs = [line.split() for line in done.stdout.splitlines()]
    named = {str(status): name for status, name in STATUS_NAMES.items()}
    return {named.get(status, status): int(times) for status, times in pairs}


def test_mutated_frames(fuzzer: list[str]) -> None:
    """Nothing is read outside a frame, all ways agree, refused frames leave no trace."""
    counts = fuzz(fuzzer, 250_000, 1)
    wide = counts.pop("wide")
    assert sum(counts.values()) == 500_000
    assert counts["quote"] > 40_000
    assert (wide > 10_000) == (has_avx2() and Path(fuzzer[0]).name in {"vectors", "guarded"})
    never = {"unknown_symbol", "too_long"}
    assert set(STATUS_NAMES.values()) - set(counts) <= never


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_mutated_frames_for_long(fuzzer: list[str], seed: int) -> None:
    """With guard pages 10^8 frames, sanitized a tenth of that."""
    fuzz(fuzzer, 10_000_000 if fuzzer[0].endswith("guarded") else 1_000_000, seed)


@pytest.mark.skipif(not has_avx2(), reason="no AVX2 on this machine")
@pytest.mark.parametrize("fuzzer", ["guarded"], indirect=True)
def test_a_spoiled_table_is_seen(fuzzer: list[str]) -> None:
    """One wrong byte in any table of the vector code, and the ways no longer agree."""
    for entry in (
        "drop", "scale", "keep_last", "keep_first", "least_positive", "zero_price", "least_whole",
        "escape", "nine", "tens", "hundreds", "ten_thousands",
        "hundred_millions", "two_to_52",
    ):  # fmt: skip
        done = subprocess.run([*fuzzer, "250000", "1", entry], capture_output=True, text=True)
        assert done.returncode != 0, entry
        assert "not so:" in done.stderr, entry
