"""``python -m arbitrage.cli``: the same as ``arb``."""

from arbitrage.cli import main

if __name__ == "__main__":
    main()
