"""The rounds that keep the rows' lines in the caches, and programs that go them wrongly."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CORE = HERE.parents[1] / "cython_src" / "arbitrage" / "core"
WRONG = {
    "skips-the-last-part": (
        "warm_rows.h", "++rows->part == rows->part_count", "++rows->part + 1 == rows->part_count",
    ),
    "never-rests": ("warm_rows.h", "now_mono_ns + ARB_WARM_ROUND_NS;", "now_mono_ns;"),
    "steps-twice-as-far": (
        "warm_rows.h", "rows->offset += part->stride;", "rows->offset += 2 * part->stride;",
    ),
    "takes-ladders-back": (
        "detector.h", "det->has_depth && rows->part_count", "!det && rows->part_count",
    ),
    "forgets-a-direction": (
        "detector.h", "place % (venues + 1) != 0", "place % (venues + 1) == 1",
    ),
    "forgets-tops": (
        "feed_lane.h", "feed->row_count * sizeof(arb_feed_row_t),", "feed->row_count * 64,",
    ),
}  # fmt: skip


def run(
    folder: Path, wrong: tuple[str, str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    headers = CORE
    if wrong is not None:
        name, old, new = wrong
        headers = folder / "headers"
        shutil.copytree(CORE, headers, ignore=shutil.ignore_patterns("*.p*"))
        text = (headers / name).read_text()
        assert text.count(old) == 1, f"{text.count(old)} such places in {name}"
        (headers / name).write_text(text.replace(old, new))
    target = folder / "warm_rows"
    command = ["gcc", "-std=gnu11", "-O1", "-w", f"-I{headers}", str(HERE / "warm_rows.c")]
    subprocess.run([*command, "-o", str(target), "-lm"], check=True, timeout=120)
    return subprocess.run([str(target)], capture_output=True, text=True, timeout=60, check=False)


def test_a_round_names_every_line_once(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.returncode, done.stdout) == (0, "ok\n")


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_wrong_round_is_found(tmp_path: Path, name: str) -> None:
    assert run(tmp_path, WRONG[name]).returncode == 1
