# Nothing for Python: the functions are cimported by arbitrage.core.gateway.
