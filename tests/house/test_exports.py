"""Exported names: sorted, existing and complete; importing the package stays cheap."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import arbitrage

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(arbitrage.__path__, "arbitrage.")
    if not info.name.endswith("__main__") and not info.name.startswith("arbitrage.core.")
)


# What the documentation promises to notebooks.
PUBLIC = {
    "Backtest",
    "BroadcastRing",
    "LatencyTracker",
    "MarketPipeline",
    "MarketStore",
    "MpscRing",
    "OpportunityDetector",
    "OpportunityQueue",
    "Quote",
    "Recording",
    "Replay",
    "SpscRing",
    "SymbolMap",
    "attach",
    "parse_frame",
    "replay",
    "spread_bps",
}


def order(name: str) -> tuple[int, str]:
    """Sort as ruff does: constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("name", MODULES)
def test_exports_are_sorted_and_exist(name: str) -> None:
    module = importlib.import_module(name)
    is_empty = Path(str(module.__file__)).stat().st_size == 0
    assert module.__doc__ or is_empty, f"{name} has no docstring"
    names = getattr(module, "__all__", None)
    if names is None:
        return
    assert list(names) == sorted(names, key=order)
    assert [item for item in names if not hasattr(module, item)] == []


def test_the_public_list_is_complete() -> None:
    assert list(arbitrage.__all__) == sorted(arbitrage.__all__, key=order)
    for name in arbitrage.__all__:
        assert getattr(arbitrage, name) is not None
    for name in PUBLIC:
        assert name in arbitrage.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = arbitrage.nothing


def loaded_after(line: str) -> set[str]:
    probe = f"import sys\n{line}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_pulls_in_nothing_heavy() -> None:
    heavy = {"asyncio", "aiohttp", "picows", "rich", "click", "matplotlib", "redis", "ssl"}
    for line in (
        "import arbitrage",
        "from arbitrage import parse_frame, SymbolMap, SpscRing, OpportunityDetector",
    ):
        loaded = loaded_after(line)
        found = {name for name in loaded if name.split(".")[0] in heavy}
        assert found == set(), line
        assert not any(name.startswith("arbitrage.venues") for name in loaded), line
