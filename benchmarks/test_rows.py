"""The rows under pytest-benchmark, which keeps runs and compares them.

    make bench-keep                 five short runs of each row, kept in .benchmarks
    make bench-compare              the same, beside the last that was kept

A row is asked several times by the harness, with its floor, its peer and the weather, just as by
`arb bench`. pytest-benchmark's clock is set by what the rows say: one of its rounds is one run of
the row, and its median the median of these runs. The rest of the row is in ``extra_info``.
"""

from typing import TYPE_CHECKING, Any

import pytest

from arbitrage.errors import ArbitrageError
from benchmarks.__main__ import chosen_cores, meaningless
from benchmarks.catalog import QUESTIONS
from benchmarks.harness import Question, Setup, ask, medians

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

RUNS, SECONDS = 5, 0.5
# what counts is not time: these have no place in a table of seconds
TIMED = [question for question in QUESTIONS if question.timed and len(question.row_names) == 1]

pytestmark = [pytest.mark.timeout(0)]


class Clock:
    """A clock that moves by what was measured, not by what the measuring took."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


clock = Clock()


@pytest.mark.parametrize("question", TIMED, ids=lambda question: question.name)
@pytest.mark.benchmark(timer=clock, disable_gc=False, warmup=False)
def test_row(question: Question, benchmark: "BenchmarkFixture") -> None:
    cores = chosen_cores(None)
    if reason := meaningless(question, cores):
        pytest.skip(reason)
    rows = []

    def one_run() -> None:
        try:
            found = ask(question, Setup(cores, SECONDS))
        except ArbitrageError as error:
            pytest.skip(f"{question.name}: not measured: {error}")
        rows.extend(found)
        # seconds of one frame, update or record; of a rate, too
        p50 = found[0].p50
        clock.now_s += 1 / p50 if found[0].is_rate else p50 / 1e9

    benchmark.pedantic(one_run, rounds=RUNS, iterations=1)
    row: dict[str, Any] = medians(rows).as_json()
    benchmark.extra_info.update(row)
    assert row["p50"] > 0
