"""Parts of a sweep: grid, tasks, workers, drive, rows and table; `arbitrage.sweep` joins them."""
