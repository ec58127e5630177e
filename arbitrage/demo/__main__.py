"""``python -m arbitrage.demo``: the same as ``arb demo``."""

from arbitrage.cli import run_command
from arbitrage.demo import demo

if __name__ == "__main__":
    run_command(demo, "python -m arbitrage.demo")
