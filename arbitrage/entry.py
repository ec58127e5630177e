"""Where programs begin: Ctrl-C while modules are still being imported ends them quietly.

Imports nothing slow, so that the time without it is short.
"""

import os
import signal
from types import FrameType

__all__ = [
    "arb",
    "arb_dashboard",
    "arb_demo",
    "arb_monitor",
    "arb_trader",
    "end_quietly",
    "let_interrupt",
]

EXIT_INTERRUPTED = 130


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(EXIT_INTERRUPTED)


def end_quietly() -> None:
    """End at Ctrl-C without a word: nothing has begun yet."""
    signal.signal(signal.SIGINT, _leave)


def let_interrupt() -> None:
    """Make Ctrl-C a KeyboardInterrupt again: from now on there is something to clean up."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def arb() -> None:
    """Run ``arb``."""
    end_quietly()
    from arbitrage.cli import main

    main()


def arb_dashboard() -> None:
    """Run ``arb-dashboard``."""
    end_quietly()
    from arbitrage.cli import dashboard_main

    dashboard_main()


def arb_demo() -> None:
    """Run ``arb-demo``."""
    end_quietly()
    from arbitrage.cli import demo_main

    demo_main()


def arb_trader() -> None:
    """Run ``arb-trader``."""
    end_quietly()
    from arbitrage.cli import trade_main

    trade_main()


def arb_monitor() -> None:
    """Run ``arb-monitor``."""
    end_quietly()
    from arbitrage.cli import monitor_main

    monitor_main()
