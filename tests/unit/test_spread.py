"""Spreads: the scalar formula is Python's, the vector versions are the scalar one, bit for bit."""

import math
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.core import spread
from arbitrage.core.spread import find_spreads, has_avx2, spread_bps

PRICE = st.one_of(
    st.floats(1e-9, 1e9),
    st.sampled_from([math.nan, math.inf, -1.0, 0.0, 1e-320, 1e308, 61800.2, 61800.3]),
)
QUOTES = st.lists(st.tuples(PRICE, PRICE, PRICE, PRICE), max_size=70)


def python_bps(bid, ask):
    return (bid - ask) / ask * 1e4 if ask != 0 else None


def columns(quotes):
    return [np.array(column, np.float64) for column in zip(*quotes, strict=True)] or [
        np.empty(0) for _ in range(4)
    ]


def same_bits(left, right):
    left, right = np.asarray(left), np.asarray(right)
    nan = np.isnan(left) & np.isnan(right)
    return np.array_equal(np.where(nan, 0, left).view("u8"), np.where(nan, 0, right).view("u8"))


@given(PRICE, PRICE, PRICE, PRICE)
def test_scalars_are_pythons_doubles(bid_a, ask_a, bid_b, ask_b):
    buy_a, buy_b = spread_bps(bid_a, ask_a, bid_b, ask_b)
    for found, expected in ((buy_a, python_bps(bid_b, ask_a)), (buy_b, python_bps(bid_a, ask_b))):
        if expected is None:
            assert not math.isfinite(found)
        else:
            assert same_bits([found], [expected])


@settings(deadline=None)
@given(QUOTES)
def test_batch_is_the_scalar_specification(quotes):
    bid_a, ask_a, bid_b, ask_b = columns(quotes)
    scalar = np.empty((2, len(bid_a)))
    spread._batch_scalar(bid_a, ask_a, bid_b, ask_b, scalar)
    found = spread_bps(bid_a, ask_a, bid_b, ask_b)
    assert same_bits(found, scalar)
    with np.errstate(all="ignore"):
        assert same_bits(found[0], (bid_b - ask_a) / ask_a * 1e4)
        assert same_bits(found[1], (bid_a - ask_b) / ask_b * 1e4)


NORMAL_QUOTES = QUOTES.map(
    lambda quotes: [tuple(0.0 if abs(px) < 1e-290 else px for px in quote) for quote in quotes]
)  # below that the margin of the question can round away, see spread.h


@settings(deadline=None)
@given(NORMAL_QUOTES, st.sampled_from([-5.0, 0.0, 3.5, 1e4]))
def test_find_is_the_exact_formula_over_every_pair(quotes, threshold):
    prices = columns(quotes)
    factor = spread._factor(threshold)
    by_vector = spread._scan(*prices, factor, factor, False)
    assert by_vector == spread._scan(*prices, factor, factor, True)
    both = np.asarray(spread_bps(*prices)).T.reshape(-1)
    # an infinite edge passes the exact formula but is no price: asks of 0 are not asked for
    asks = np.stack([prices[1], prices[3]]).T.reshape(-1)
    expected = [
        (place // 2, place % 2, edge)
        for place, edge in enumerate(both.tolist())
        if edge >= threshold and asks[place] > 0 and math.isfinite(edge)
    ]
    found = [
        hit
        for hit in find_spreads(*prices, threshold).tolist()
        if math.isfinite(hit[2]) and asks[2 * hit[0] + hit[1]] > 0
    ]
    assert found == expected


@given(st.floats(1e-6, 1e7), st.floats(-50, 50), st.integers(-40, 40))
def test_question_never_loses_a_pair_that_passes(ask, threshold, steps):
    bid = ask * (1 + threshold / 1e4)
    for _ in range(abs(steps)):
        bid = math.nextafter(bid, math.inf if steps > 0 else 0.0)
    if (bid - ask) / ask * 1e4 >= threshold:
        assert bid > ask * spread._factor(threshold)


def test_arrays_of_every_kind_are_taken():
    expected = spread_bps(100.0, 100.5, 101.0, 101.5)
    strided = np.repeat([[100.0, 100.5, 101.0, 101.5]], 6, axis=0)[::2].T
    for found in (
        spread_bps([100.0], [100.5], [101.0], [101.5]),
        spread_bps(*strided)[:, :1],
        spread_bps(np.float32([100.0]), [100.5], [101.0], [101.5]),
        spread_bps(np.array([100]), np.array([100.5]), 101, 101.5),
    ):
        assert found.tolist() == [[expected[0]], [expected[1]]]
    assert spread_bps(np.ones((2, 3)), 1.0, 1.0, 1.0).shape == (2, 2, 3)
    buy_a, buy_b = spread_bps(np.ones(5), np.ones(5), np.ones(5), np.ones(5))
    assert buy_a.shape == buy_b.shape == (5,)


def test_out_is_filled_in_place_or_refused():
    prices = [np.full(6, price) for price in (100.0, 100.5, 101.0, 101.5)]
    out = np.zeros((2, 6))
    assert spread_bps(*prices, out) is out
    assert out[0, 0] == spread_bps(100.0, 100.5, 101.0, 101.5)[0]
    with pytest.raises(ValueError, match="out"):
        spread_bps(*prices, np.zeros((2, 5)))
    with pytest.raises(ValueError, match="out"):
        spread_bps([1.0], [1.0], [1.0], [1.0], np.zeros((2, 1)))
    with pytest.raises(ValueError, match="NaN"):
        find_spreads(*prices, math.nan)
    with pytest.raises((TypeError, ValueError)):
        spread_bps("a", "b", "c", "d")


JUMP = re.compile(r"^\s*([0-9a-f]+):\s+(j[a-z]+)\s+([0-9a-f]+)\b")
CODE = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)")


def loops(function):
    """The loops of a compiled function without a jump but their own, and how many loops it has."""
    text = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", f"--disassemble={function}", spread.__file__],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    code = [(int(m[1], 16), m[2]) for m in map(CODE.match, text.splitlines()) if m]
    jumps = [(int(m[1], 16), m[2], int(m[3], 16)) for m in map(JUMP.match, text.splitlines()) if m]
    spans = [(target, at) for at, name, target in jumps if target <= at and name != "jmp"]
    bodies = [[name for at, name in code if low <= at <= high] for low, high in spans]
    return [body for body in bodies if sum(name[0] == "j" for name in body) == 1], len(bodies)


@pytest.mark.skipif(
    os.environ.get("ARB_BUILD", "release") not in {"release", "annotate"},
    reason="instrumented builds add jumps of their own",
)
@pytest.mark.skipif(not has_avx2(), reason="no AVX2 on this machine")
@pytest.mark.skipif(shutil.which("objdump") is None, reason="no objdump on this machine")
@pytest.mark.parametrize(
    ("function", "heart"),
    [("arb_spread_batch_avx2", "vdivpd"), ("arb_spread_scan_avx2", "vmovmskpd")],
)
def test_compiled_kernels_have_no_branch_but_their_loop(function, heart):
    branchless, loop_count = loops(function)
    assert loop_count > 0, f"{function} is not in the symbol table of {spread.__file__}"
    assert any(heart in body for body in branchless)
    assert len(branchless) == loop_count, "a loop holds a conditional jump besides its own"


QUESTION = """
#include "spread.h"
unsigned both_questions(const double *bid, const double *ask, const double *factor)
{
    return (unsigned)arb_spread_may_pass(bid[1], ask[0], factor[0]) |
           (unsigned)arb_spread_may_pass(bid[0], ask[1], factor[1]) << 1;
}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
def test_the_question_of_one_tick_compiles_without_a_jump(tmp_path):
    headers = Path(__file__).resolve().parents[2] / "cython_src/arbitrage/core"
    command = ["gcc", "-std=gnu11", "-O3", "-S", f"-I{headers}", "-x", "c", "-", "-o", "-"]
    text = subprocess.run(
        command, input=QUESTION, capture_output=True, text=True, check=True
    ).stdout
    body = text.split("both_questions:")[1].split(".cfi_endproc")[0]
    assert "ret" in body
    assert [line for line in body.splitlines() if re.match(r"\s+(j[a-z]+|cbn?z|b\.)\s", line)] == []


def test_scan_time_does_not_depend_on_what_passes():
    """A branch that guesses would pay for every wrong guess: several times the time at one half."""
    random = np.random.default_rng(5)
    ask, count = np.full(4096, 100.0), 4096
    never = np.full(count, 99.0)
    half = np.where(random.random(count) < 0.5, 101.0, 99.0)

    def fastest(bid, scalar):
        prices = never, ask, bid, ask
        return min(spread._bench_scan(*prices, 1.0, scalar, 20) for _ in range(60))

    for scalar in (False, True):
        assert fastest(half, scalar) < 2.5 * fastest(never, scalar)
