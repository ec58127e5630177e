"""Bybit's error codes and what we do about each.

Source: bybit-exchange/docs, docs/v5/error and docs/v5/websocket/trade/guideline (July 2026); spot
codes are kept because the venue answers with them where it mistakes a category.
"""

from arbitrage.venues.codes import Action, Code, CodeTable

__all__ = ["CODES", "SUBSCRIBED_TWICE"]

_GENERAL = "error, UTA"
_TRADE_WS = "error, WS OE general"
_CONTRACT = "error, UTA contract"
_SPOT = "error, spot"

# The public stream refuses by text alone.
SUBSCRIBED_TWICE = "already subscribed"

_KEY_ENVIRONMENT = (
    "check the API key, and that it belongs to this environment (mainnet, testnet, demo)"
)
_MARGIN = "not enough balance: add margin or trade smaller"
_POSITION = "the position is not what we hold it for: compare both"
_REGION = "the account's region may not use this: check compliance messages on the site"
_FILTERS = "the instrument's rules changed: load the instruments again"

_R, _Q, _T, _D, _S = Action.RETRY, Action.QUERY, Action.THROTTLE, Action.DROP, Action.STOP

_OUTCOME_OPEN = {
    -1: Code(_Q, "request expired on its way", _GENERAL, is_clock=True),
    429: Code(_Q, "trading service under high load", _GENERAL),
    10000: Code(_Q, "server timeout", _GENERAL),
    10014: Code(_Q, "duplicate request: the first one may live", _GENERAL),
    10016: Code(_Q, "internal error, or the service restarts", _TRADE_WS, is_reconnect=True),
    10019: Code(
        _Q, "trade service restarts; orders in flight live on", _TRADE_WS, is_reconnect=True
    ),
    10429: Code(_Q, "system protects itself from load", _TRADE_WS),
    20006: Code(_Q, "request id used before: the first one may live", _TRADE_WS),
    110001: Code(_Q, "order not found, or too late to cancel", _CONTRACT),
    110008: Code(_Q, "order already filled or cancelled", _CONTRACT),
    110010: Code(_Q, "order already cancelled", _CONTRACT),
    110030: Code(_Q, "order id used before", _CONTRACT),
    110072: Code(_Q, "client order id used before: the first one may live", _CONTRACT),
    170007: Code(_Q, "backend timeout", _SPOT),
    170141: Code(_Q, "client order id used before: the first one may live", _SPOT),
    170142: Code(_Q, "order already cancelled", _SPOT),
    170143: Code(_Q, "order not found by its id", _SPOT),
    170146: Code(_Q, "order creation timed out", _SPOT),
    170147: Code(_Q, "order cancellation timed out", _SPOT),
    170213: Code(_Q, "order does not exist", _SPOT),
}
_TIME_AND_RATE = {
    10002: Code(
        _R, "timestamp outside the window", _GENERAL,
        "the clock is off: check this machine's time", is_clock=True,
    ),
    110079: Code(_R, "the order is being processed", _CONTRACT),
    10006: Code(_T, "endpoint's rate limit", _GENERAL, "rate limit: slow down"),
    10018: Code(
        _T, "address's rate limit", _GENERAL, "rate limit: slow down", is_address=True
    ),
    10403: Code(
        _T, "address's rate limit of the trade socket", _TRADE_WS, "rate limit: slow down",
        is_address=True,
    ),
    20003: Code(_T, "too many requests on this connection", _TRADE_WS, "rate limit: slow down"),
}
_ACCOUNT = {
    -2015: Code(_S, "key expired (spot)", _GENERAL, "make a new API key"),
    10003: Code(
        _S, "key unknown here, or too many sessions", _GENERAL, _KEY_ENVIRONMENT, is_key=True
    ),
    10004: Code(_S, "wrong signature", _GENERAL, "check the API secret"),
    10005: Code(
        _S, "the key lacks a permission", _GENERAL,
        "the key lacks a permission: allow contract orders and positions",
    ),
    10007: Code(_S, "authentication failed", _GENERAL, _KEY_ENVIRONMENT),
    10008: Code(_S, "the user is banned", _GENERAL, "ask the venue's support"),
    10009: Code(_S, "this address is banned", _GENERAL, "ask the venue's support"),
    10010: Code(
        _S, "the key is bound to other addresses", _GENERAL,
        "the key is bound to other addresses: add this one to its list",
    ),
    10024: Code(_S, "the venue's compliance rules forbid it", _GENERAL, _REGION),
    10027: Code(_S, "trading is banned", _GENERAL, "ask the venue's support"),
    10028: Code(_S, "needs a unified account", _GENERAL, "upgrade to a unified trading account"),
    10029: Code(
        _S, "symbol not on the key's list", _GENERAL, "allow the symbol for this key on the site"
    ),
    33004: Code(_S, "key expired", _GENERAL, "make a new API key"),
    110066: Code(_S, "trading is not allowed now", _CONTRACT, _REGION),
    110124: Code(_S, "the account is in a cooling-off period", _CONTRACT, "see the site"),
    110125: Code(_S, "an agreement waits for a signature", _CONTRACT, "sign it on the site"),
}
_REFUSED = {
    10001: Code(_D, "parameter refused, position mode included", _GENERAL),
    10404: Code(_D, "operation or category unknown", _TRADE_WS),
    20001: Code(_D, "logged in already", _TRADE_WS),
    110003: Code(_D, "price outside its band", _CONTRACT),
    110120: Code(_D, "price above what a buy may pay", _CONTRACT),
    110121: Code(_D, "price below what a sell may take", _CONTRACT),
    30208: Code(_D, "price above what a buy may pay", _CONTRACT),
    30209: Code(_D, "price below what a sell may take", _CONTRACT),
    110004: Code(_D, "wallet balance too small", _CONTRACT, _MARGIN),
    110006: Code(_D, "margin of the position too small", _CONTRACT, _MARGIN),
    110007: Code(_D, "available balance too small", _CONTRACT, _MARGIN),
    110012: Code(_D, "available balance too small", _CONTRACT, _MARGIN),
    110044: Code(_D, "available margin too small", _CONTRACT, _MARGIN),
    110045: Code(_D, "wallet balance too small", _CONTRACT, _MARGIN),
    110017: Code(_D, "reduce-only without a position to reduce", _CONTRACT, _POSITION),
    110020: Code(_D, "more than 500 open orders", _CONTRACT, "cancel orders that rest"),
    110021: Code(_D, "open-interest limit reached", _CONTRACT),
    110023: Code(_D, "the symbol can only be reduced", _CONTRACT),
    110024: Code(_D, "position mode cannot change while holding", _CONTRACT),
    110025: Code(_D, "position mode is that already", _CONTRACT),
    110028: Code(_D, "position mode cannot change while orders are open", _CONTRACT),
    110042: Code(_D, "before delivery: positions can only be reduced", _CONTRACT),
    110074: Code(_D, "the contract is not live", _CONTRACT),
    110090: Code(_D, "position limit reached", _CONTRACT),
    110094: Code(_D, "below the least order value", _CONTRACT, _FILTERS),
    110103: Code(_D, "post-only phase: no taker orders", _CONTRACT),
    110118: Code(_D, "the market is too thin", _CONTRACT),
    170124: Code(_D, "amount too large", _SPOT, _FILTERS),
    170131: Code(_D, "balance too small", _SPOT, _MARGIN),
    170132: Code(_D, "price too high", _SPOT),
    170133: Code(_D, "price too low", _SPOT),
    170134: Code(_D, "price has too many decimals", _SPOT, _FILTERS),
    170136: Code(_D, "quantity below the minimum", _SPOT, _FILTERS),
    170137: Code(_D, "quantity has too many decimals", _SPOT, _FILTERS),
    170140: Code(_D, "below the least order value", _SPOT, _FILTERS),
    170193: Code(_D, "buy price above its limit", _SPOT),
    170194: Code(_D, "sell price below its limit", _SPOT),
    170218: Code(_D, "post-only order would take", _SPOT),
}

CODES = CodeTable("bybit", _OUTCOME_OPEN | _TIME_AND_RATE | _ACCOUNT | _REFUSED)
