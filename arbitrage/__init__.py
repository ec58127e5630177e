"""Cross-exchange arbitrage of perpetual swaps on Bybit and OKX."""
