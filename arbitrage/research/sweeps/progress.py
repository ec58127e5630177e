"""How far a sweep is: a bar in terminals and notebooks, or a function of the caller's."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from arbitrage.research.sweeps.worker import DONE, Row

__all__ = ["Progress", "Tell", "shown"]

Tell = Callable[[int, int, Row | None], None]  # runs done, of, the row that came last
Progress = bool | Tell | None


@contextmanager
def shown(progress: Progress, total: int, reused: int) -> Iterator[Tell]:
    """Yield what is to be told of every row.

    None shows a bar where somebody looks, True always, False never; a function is called instead.
    """
    if callable(progress):
        progress(reused, total, None)
        yield progress
    elif progress is False or (progress is None and not (sys.stderr.isatty() or _is_notebook())):
        yield lambda done, of, row: None
    else:
        with _bar(total, reused) as tell:
            yield tell


def _is_notebook() -> bool:
    """Tell whether a notebook shows what is printed: rich then writes into its cell."""
    shell = sys.modules.get("IPython")
    kernel = shell.get_ipython() if shell is not None else None
    return kernel is not None and type(kernel).__name__ == "ZMQInteractiveShell"


@contextmanager
def _bar(total: int, reused: int) -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    columns = ("sweep", BarColumn(bar_width=40), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn(), TextColumn("{task.fields[note]}"))  # fmt: skip
    console = Console() if _is_notebook() else Console(stderr=True)
    failed = 0
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("sweep", total=total, completed=reused, note="")

        def tell(done: int, of: int, row: Row | None) -> None:
            nonlocal failed
            failed += row is not None and row["status"] != DONE
            bar.update(task, completed=done, note=f"{failed} failed" if failed else "")

        yield tell
