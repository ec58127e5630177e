"""The long stress: 10^8 operations of each harness in ``make test-long``, and its runner."""

import json
from pathlib import Path

import long_run
import pytest
from stress_build import HARNESSES, why_no_compiler

pytestmark = pytest.mark.skipif(bool(why_no_compiler()), reason=why_no_compiler())


def test_a_run_goes_on_where_the_budget_ended(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    arguments = ["--state", str(state), "--only", "seqlock", "--operations"]
    assert long_run.main([*arguments, "1000", "--budget", "0"]) == long_run.BUDGET_ENDED
    assert long_run.main([*arguments, "1000", "--budget", "60"]) == long_run.ALL_DONE
    first = json.loads(state.read_text())["seqlock"]
    assert first["operations"] >= 1000
    assert long_run.main([*arguments, "3000", "--budget", "60"]) == long_run.ALL_DONE
    second = json.loads(state.read_text())["seqlock"]
    assert second["operations"] >= 3000
    assert second["seed"] == first["seed"] + 1


def test_a_changed_source_starts_anew(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"seqlock": {"digest": "old", "operations": 10**9, "seed": 5}}))
    assert long_run.load_state(state)["seqlock"]["operations"] == 0


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", HARNESSES)
def test_a_hundred_million_operations(name: str, pytestconfig: pytest.Config) -> None:
    """The progress lies in pytest's cache folder, so that an interrupted run goes on."""
    cache = pytestconfig.cache
    assert cache is not None
    state = Path(cache.mkdir("stress")) / f"{name}.json"
    code = long_run.main(["--state", str(state), "--only", name, "--budget", "1700"])
    assert code == long_run.ALL_DONE, "a forbidden outcome, or not done in time (run again)"
    state.unlink()
