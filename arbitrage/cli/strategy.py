"""``arb strategy``: look whether a strategy of yours can be loaded, and what it listens to."""

import click

from arbitrage.cli import write_text
from arbitrage.errors import ConfigError

__all__ = ["strategy"]

_HEARD = (
    "on_opportunity", "on_pair", "on_fill", "on_funding", "on_answer", "on_timer", "on_start",
    "on_stop",
)  # fmt: skip


@click.group()
def strategy() -> None:
    """Work with strategies of your own; docs/strategies.md says how they are written."""


@strategy.command()
@click.argument("name")
def check(name: str) -> int:
    """Load NAME (package.module:Class or path/file.py:Class) as the trader would, and say so.

    Its __init__ is run, its other methods are not.

    \b
      arb strategy check examples/basis_reversion.py:BasisReversion
    """
    from arbitrage.trading.strategy import Strategy
    from arbitrage.trading.strategy_host import BUILT_IN, check_names, load_strategy

    if name in BUILT_IN:
        write_text("-", f"{name} is built in\n")
        return 0
    check_names((name,), label="arb strategy check")
    found = type(load_strategy(name))
    heard = [method for method in _HEARD if getattr(found, method) is not getattr(Strategy, method)]
    if not heard:
        raise ConfigError(f"strategy {name} overrides none of {', '.join(_HEARD)}: it does nothing")
    write_text(
        "-",
        f"{name} can be loaded; it has {', '.join(heard)}. None of them was called: "
        f"what they do, arb demo --strategy {name} shows\n",
    )
    return 0
