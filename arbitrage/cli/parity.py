"""``arb parity``: whether a recorded session's orders come out again, and what differs."""

from pathlib import Path

import click

from arbitrage.cli import OutputFile, write_text

__all__ = ["parity"]


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--state-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The trader's state folder with the run's journal; default: state in FOLDER.",
)
@click.option(
    "--json",
    "json_path",
    type=OutputFile(),
    metavar="FILE",
    help="Write everything as one JSON object to a file, or - for stdout.",
)
@click.option(
    "--html", "html_path", type=OutputFile(), metavar="FILE", help="Write a page of every order."
)
@click.option(
    "--backtest",
    "by_backtest",
    is_flag=True,
    help="Backtest the session with its own settings and latencies, and compare the orders.",
)
def parity(
    folder: Path,
    state_dir: Path | None,
    json_path: str | None,
    html_path: str | None,
    by_backtest: bool,
) -> int:
    """Decide a recorded session again, and hold its orders against its journal.

    \b
    FOLDER is what `arb demo --record` wrote, or `arb record`, with the trader's
    state folder:
      arb demo --seconds 60 --record days/demo && arb parity days/demo
      arb parity days/monday --state-dir ~/.local/state/arbitrage --html parity.html
      arb parity days/demo --backtest

    Ends with 1 when an order did not come out again, or a difference is left.
    """
    from arbitrage.cli.replay import progress_bar
    from arbitrage.runtime.parity import parity as run_parity
    from arbitrage.runtime.parity_backtest import BacktestParity, backtest_parity
    from arbitrage.runtime.parity_report import to_html, to_json, to_text
    from arbitrage.runtime.parity_result import Parity

    found: Parity | BacktestParity
    with progress_bar("parity") as progress:
        if by_backtest:
            found = backtest_parity(folder, state_dir, progress)
        else:
            found = run_parity(folder, state_dir, progress)
    if html_path is not None:
        write_text(html_path, to_html(found))
    write_text(json_path or "-", to_json(found) if json_path is not None else to_text(found))
    return 0 if found.is_well else 1
