"""``arb demo``: the programs, what they are told, and the report; see `arbitrage.demo.command`."""
