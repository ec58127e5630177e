"""Random bytes where records should be: no bad memory access, no undefined behaviour."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HEADERS = HERE.parent.parent / "cython_src" / "arbitrage" / "core"
FLAGS = ["-std=gnu11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    target = tmp_path_factory.mktemp("fuzz") / "strategy_fuzz"
    command = ["gcc", *FLAGS, f"-I{HEADERS}", str(HERE / "strategy_fuzz.c"), "-o", str(target)]
    built = subprocess.run([*command, "-lm"], capture_output=True, text=True)
    if built.returncode and "sanitize" in built.stderr + built.stdout:
        pytest.skip("this gcc has no sanitizers")
    assert built.returncode == 0, built.stderr
    return target


def run(fuzzer: Path, seed: int, turns: int) -> None:
    done = subprocess.run(
        [str(fuzzer), str(seed), str(turns)],
        capture_output=True,
        text=True,
        env={"ASAN_OPTIONS": "detect_leaks=0"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_records(fuzzer: Path, seed: int) -> None:
    run(fuzzer, seed, 50_000)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(100, 120))
def test_random_records_for_longer(fuzzer: Path, seed: int) -> None:
    run(fuzzer, seed, 3_000_000)
