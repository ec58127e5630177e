"""``python -m arbitrage.demo``: the same as ``arb demo``."""

from arbitrage.entry import arb_demo

if __name__ == "__main__":
    arb_demo()
