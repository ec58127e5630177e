"""docs/api.md says what the docstrings say."""

import runpy
import subprocess
import sys
from pathlib import Path

import arbitrage

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "bin" / "render-api"


def test_the_page_is_that_of_the_docstrings() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_public_of_research_is_told() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for name in ("Backtest", "MarketData", "Replay", "Strategy", "attach", "backtest", "sweep"):
        assert name in arbitrage.__all__
        assert f"### `{name}`" in page
    for name in ("caught", "simulated_data", "Latency", "equity", "Sandbox"):
        assert f"### `{name}`" in page


def test_docstrings_become_markdown() -> None:
    body = runpy.run_path(str(SCRIPT))["body"]
    text = body(
        """Do it.

        Parameters
        ----------
        way : str
            ``here`` or ``there``.

        Examples
        --------
        >>> do(1)
        """
    )
    assert text == (
        "Do it.\n\n**Parameters**\n\n- `way` : str\n  `here` or `there`.\n\n**Examples**\n\n"
        "```python\n>>> do(1)\n```"
    )
