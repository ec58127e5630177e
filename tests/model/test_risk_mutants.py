"""Turn every comparison of the gate by one unit: its oracle must notice each.

The header is compiled once for each change, by itself; nothing of the package is touched. A change
that no order can tell apart is listed with the reason.
"""

import random
import re
import shutil
from ctypes import c_double, c_int64
from fractions import Fraction
from pathlib import Path

import pytest
from risk_library import CORE, LibraryGate, build
from risk_world import World, some_limits

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")

HEADER = (CORE / "risk.h").read_text()
TURNED = {">": ">=", ">=": ">", "<": "<=", "<=": "<", "==": "!=", "!=": "=="}
TURNED |= {"&&": "||", "||": "&&"}
COMPARISON = re.compile(r" (>=|<=|==|!=|>|<|&&|\|\|)(?=\s)")
FIRST, LAST = "static inline bool arb_risk_is_beyond", "/* Both entry legs or neither"
# What makes no difference to any order, by a piece of its line.
SAME = {
    "return word != NULL && arb_load": "the words are always given here",
    "if (risk->kill == NULL)": "likewise",
    "if (risk->paused != NULL)": "likewise, and for pausing",
    "return risk->paused != NULL": "likewise",
    "while (none == ARB_KILL_NONE": "repeats what has succeeded or cannot",
    "if (elapsed_ns <= 0)": "nothing is earned in no time",
    "elapsed_ns >= token_ns_max - risk->token_ns": "equal amounts either way",
    "return one > other ?": "no distance, either way",
    "own < other ? own : other": "the same price, either way",
    "(own > other) ? own : other": "the same price, either way",
    "return worse > 0 &&": "no worse is never beyond",
}
ORDERS = 3_000
ROUNDS = 12


def mutants() -> dict[str, str]:
    """Return a header for each comparison turned, by line and place."""
    start, end = HEADER.index(FIRST), HEADER.index(LAST)
    found = {}
    for match in COMPARISON.finditer(HEADER, start, end):
        line_start = HEADER.rindex("\n", 0, match.start()) + 1
        line = HEADER[line_start : HEADER.index("\n", match.end())].strip()
        if line.startswith(("*", "/*")):
            continue
        where = f"{HEADER.count(chr(10), 0, match.start()) + 1}: {line} [{match[1]}]"
        turned = f" {TURNED[match[1]]}"
        found[where] = HEADER[: match.start()] + turned + HEADER[match.end() :]
    return found


def agrees(folder: Path, changed: str | None) -> bool:
    """Whether a gate and its oracle agree over many orders."""
    library = build(folder, changed)
    for seed in range(ROUNDS):
        rng = random.Random(seed)
        limits = some_limits(rng)
        gate = LibraryGate(library, limits)
        try:
            World(gate, limits, rng).run(ORDERS)
        except AssertionError:
            return False
        finally:
            gate.close()
    return True


def test_the_header_as_it_is_agrees(tmp_path: Path) -> None:
    assert agrees(tmp_path, None)


@pytest.mark.parametrize("part", range(4))
def test_each_turned_comparison_is_noticed(tmp_path: Path, part: int) -> None:
    lived = []
    for number, (where, changed) in enumerate(sorted(mutants().items())):
        if number % 4 != part or any(piece in where for piece in SAME):
            continue
        if agrees(tmp_path / str(number), changed):
            lived.append(where)
    assert lived == []


def test_what_makes_no_difference_is_still_there() -> None:
    assert [piece for piece in SAME if piece not in HEADER] == []
    assert len(mutants()) > 50


# ---- where a float enters ------------------------------------------------------------------------


def test_no_rounding_lets_a_price_or_an_amount_pass(tmp_path: Path) -> None:
    library = build(tmp_path)
    library.gate_pico.argtypes = [c_double]
    library.gate_micro.argtypes = [c_double] * 2
    library.gate_beyond.argtypes = [c_double, c_double, c_int64]
    rng = random.Random(5)
    judged = 0
    for _ in range(20_000):
        mid = rng.choice((1e-7, 1e-4, 0.3, 17.0, 3e3, 1e5)) * (1 + rng.random())
        ppm = rng.choice((100, 5_000, 30_000))
        edge = mid * (1 + rng.choice((-1, 1)) * ppm * 1e-6)
        limit = edge * (1 + rng.choice((0, 1e-16, -1e-16, 1e-13, -1e-13, 1e-6, -1e-6)))
        apart = abs(Fraction(limit) - Fraction(mid)) * 10**6
        if not library.gate_beyond(limit, mid, ppm):
            assert apart <= Fraction(mid) * ppm
            judged += 1
        elif mid > 1e-3:  # and next to nothing is refused that might have passed
            assert apart > Fraction(mid) * ppm * (1 - Fraction(1, 10**6))
        qty = rng.random() * 1000
        micro = library.gate_micro(limit, qty)
        assert micro >= Fraction(limit * qty) * 10**6 * (1 - Fraction(1, 2**52))
    assert judged > 3_000
