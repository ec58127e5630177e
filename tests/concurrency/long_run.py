"""Run the stress harnesses for long: resumable, within a budget.

    python tests/concurrency/long_run.py --budget 600 --operations 100000000 --state .long_run.json

Each harness runs in chunks with seeds 1, 2, 3 ... until it has done --operations operations; what
is done is written to --state after every chunk, so a later call goes on there. A change of a header
or of a harness starts its count anew. Exit code 0: all done. 1: a forbidden outcome (printed with
the seed that shows it). 3: the budget ended first; call again.
"""

import argparse
import hashlib
import json
import re
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from stress_build import HARNESSES, HEADERS, HERE, compile_harness, run, why_no_compiler

CHUNK = {name: 4_000_000 for name in HARNESSES} | {"parker": 400_000, "takeover": 400_000}
SHARE = dict.fromkeys(HARNESSES, 1.0) | {"parker": 0.01, "takeover": 0.001}
# a park costs microseconds and a kill half a millisecond, a push some nanoseconds
ALL_DONE, WRONG, BUDGET_ENDED = 0, 1, 3


def digest(name: str) -> str:
    """What a harness judges: its source and all headers."""
    text = hashlib.sha256()
    for path in [*sorted(HEADERS.glob("*.h")), HERE / "harness.h", HERE / f"{name}_stress.c"]:
        text.update(path.read_bytes())
    return text.hexdigest()


def load_state(path: Path) -> dict[str, dict[str, object]]:
    known = json.loads(path.read_text()) if path.exists() else {}
    state = {}
    for name in HARNESSES:
        entry = known.get(name, {})
        fresh = {"digest": digest(name), "operations": 0, "seed": 0}
        state[name] = entry if entry.get("digest") == fresh["digest"] else fresh
    return state


def save_state(path: Path, state: dict[str, dict[str, object]]) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(state, indent=1) + "\n")
    draft.replace(path)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Stress the rings for long, resumably.")
    parser.add_argument("--budget", type=float, default=600, help="seconds (default 600)")
    parser.add_argument("--operations", type=int, default=10**8, help="a harness (default 10^8)")
    parser.add_argument("--state", type=Path, default=Path(".long_run.json"), help="progress file")
    parser.add_argument(
        "--only", choices=HARNESSES, action="append", help="one harness, repeatable"
    )
    options = parser.parse_args(argv)
    if why_no_compiler():
        parser.error(why_no_compiler())
    deadline = time.monotonic() + options.budget
    state = load_state(options.state)
    names = options.only or list(HARNESSES)
    goals = {name: max(1, int(options.operations * SHARE[name])) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        binaries = {name: compile_harness(name, Path(folder) / name) for name in names}
        while left := [name for name in names if int(state[name]["operations"]) < goals[name]]:
            # the one that is furthest behind goes next, so that a short budget touches all
            name = min(left, key=lambda one: int(state[one]["operations"]) / goals[one])
            if time.monotonic() >= deadline:
                print("the budget ended; left: " + ", ".join(left))
                return BUDGET_ENDED
            entry = state[name]
            seed = int(entry["seed"]) + 1
            chunk = min(CHUNK[name], goals[name] - int(entry["operations"]))
            code, output = run(binaries[name], chunk, seed, timeout=300)
            if code == -1 and CHUNK[name] > 10_000:
                CHUNK[name] //= 4  # a busy machine: every hand-off is a turn of its scheduler
                print(f"{name}: {chunk} operations took too long, going on in smaller chunks")
                continue
            if code != 0:
                print(
                    f"{name}: operations {chunk}, seed {seed}, exit code {code}: {output.strip()}"
                )
                return WRONG
            counted = re.match(r"(\d+) operations", output)
            if counted is None:
                print(f"{name}: ended well, but did not say how many operations: {output.strip()}")
                return WRONG
            entry["operations"] = int(entry["operations"]) + int(counted.group(1))
            entry["seed"] = seed
            save_state(options.state, state)
            print(f"{name}: {entry['operations']} of {goals[name]}", flush=True)
    return ALL_DONE


if __name__ == "__main__":
    sys.exit(main())
