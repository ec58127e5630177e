"""Keep the order path warm: code and data are used, and nothing is sent, journaled or counted.

`keep_warm.c` runs passes beside a strategy that trades, with everything of it on pages that cannot
be written meanwhile. Each place where a pass could reach the real strategy is wired there once, in
a copy of the header: the harness must notice each.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")

HERE = Path(__file__).parent
CORE = HERE.parents[1] / "cython_src" / "arbitrage" / "core"
FORBIDDEN = 3
TURNS = 10_000


@dataclass(frozen=True)
class Mutant:
    """A keeper that does what it must not: one place of a header exchanged."""

    name: str
    old: str
    new: str
    header: str = "keep_warm.h"


MUTANTS = [
    Mutant("journals", ".journal = &warm->journal,", ".journal = real->wire.journal,"),
    Mutant("uses-the-gate", ".risk = &warm->risk,", ".risk = real->wire.risk,"),
    Mutant("counts", ".counters = &warm->counters,", ".counters = real->wire.counters,"),
    Mutant("measures", ".to_order = &warm->histogram,", ".to_order = real->wire.to_order,"),
    Mutant(
        "sends",
        "warm->orders[venue] = wire.orders[venue] = (arb_spsc_ring_t *)(void *)next;",
        "warm->orders[venue] = wire.orders[venue] = real->wire.orders[venue];",
    ),
    Mutant(
        "tells",
        "warm->events = wire.pair_events = (arb_broadcast_ring_t *)(void *)next;",
        "warm->events = wire.pair_events = real->wire.pair_events;",
    ),
    Mutant(
        "opens-a-real-pair",
        "arb_pair_t *pair = &understudy->pairs[symbol];",
        "arb_pair_t *pair = (arb_pair_t *)&warm->real->pairs[symbol];",
    ),
    Mutant(
        "touches-by-writing",
        "(void)arb_load_relaxed(byte);",
        "++*(volatile uint8_t *)(uintptr_t)byte;",
        "warm.h",
    ),
    Mutant("leaves-what-it-did", "    arb_warm_strike(warm, pair, rows);", "    ;"),
    Mutant("takes-no-rest", "|| !arb_warm_is_due(&warm->pace, now_mono_ns)", "|| now_mono_ns < 0"),
    Mutant("stops-at-the-entry", "        arb_warm_fill_one(warm, pair);", "        ;"),
]


def build(folder: Path, mutant: Mutant | None = None) -> Path:
    """Compile the harness against the headers, or against a wrong keeper."""
    headers = CORE
    if mutant is not None:
        headers = folder / "headers"
        shutil.copytree(CORE, headers, ignore=shutil.ignore_patterns("*.p*"))
        text = (headers / mutant.header).read_text()
        assert text.count(mutant.old) == 1, f"{mutant.name}: {text.count(mutant.old)} such places"
        (headers / mutant.header).write_text(text.replace(mutant.old, mutant.new))
    target = folder / "keep_warm"
    command = ["gcc", "-std=gnu11", "-O2", "-w", f"-I{headers}", str(HERE / "keep_warm.c")]
    subprocess.run([*command, "-o", str(target), "-lm"], check=True)
    return target


def run(binary: Path, seed: int = 1) -> tuple[int, str]:
    done = subprocess.run(
        [str(binary), str(TURNS), str(seed)], capture_output=True, text=True, timeout=300
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("seed", [1, 2])
def test_a_pass_writes_nothing_of_the_real_strategy(seed: int, tmp_path: Path) -> None:
    code, said = run(build(tmp_path), seed)
    assert code == 0, said
    passes, _, rehearsed, *_ = said.replace(",", "").split()
    assert int(passes) > 2 * TURNS
    assert int(rehearsed) > TURNS, "most passes had quotes"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_pass_that_reaches_the_real_strategy_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    code, said = run(build(tmp_path, mutant))
    assert (code, said.startswith("FORBIDDEN")) == (FORBIDDEN, True), said
