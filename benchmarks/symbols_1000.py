"""What do a thousand symbols cost a frame on its way to an opportunity, beside three?"""

import numpy as np

from benchmarks.frame_to_opportunity import RATE, run_once
from benchmarks.harness import Question, Row, Setup

__all__ = ["QUESTIONS"]

MANY, FEW = 1000, 3
RUNS = 5


def measure(setup: Setup) -> Row:
    cores = setup.cores[:2]
    found: dict[int, list[dict[str, list[int]]]] = {MANY: [], FEW: []}
    runs = RUNS if setup.seconds >= 1 else 1
    for number in range(runs):
        for symbols in (MANY, FEW) if number % 2 else (FEW, MANY):
            found[symbols].append(run_once("fused", cores, setup.seconds / runs / 2, symbols))
        setup.say(f"run {number + 1} of {runs}")

    def middle(symbols: int, index: int) -> float:
        return float(np.median([run["seen"][index] for run in found[symbols]]))

    pairs = zip(found[MANY], found[FEW], strict=True)
    ratio = float(np.median([many["seen"][0] / few["seen"][0] for many, few in pairs]))
    return Row(
        name="symbols_1000",
        unit="ns",
        p50=middle(MANY, 0),
        p99=middle(MANY, 2),
        p999=middle(MANY, 3),
        floor=f"the same with {FEW} symbols",
        floor_p50=middle(FEW, 0),
        floor_p99=middle(FEW, 2),
        ratio_to_floor=ratio,
        n=int(RATE * setup.seconds / 2),
        bar="<= 1.2x",
        judge=lambda row: (row.ratio_to_floor or 0.0) <= 1.2,
        note=f"stages fused, {RATE:,} frames/s, the symbols in turn, every frame opens or closes "
        f"an opportunity (asserted); cores {', '.join(map(str, cores))}; wait spin",
        more={"p90": middle(MANY, 1), "floor_p90": middle(FEW, 1)},
    )


QUESTIONS = (Question("symbols_1000", 2, measure, "a thousand symbols in place of three"),)
