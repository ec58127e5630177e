"""OKX's error codes and what we do about each.

Source: OKX API guide v5, "Error Code" (July 2026), and its changelog.
"""

from arbitrage.venues.codes import Action, Code, CodeTable

__all__ = ["CODES", "ORDER_NOT_FOUND", "UNKNOWN_SUBSCRIPTION"]

_GENERAL = "Error Code, general"
_LOGIN = "Error Code, API class"
_TRADE = "Error Code, trading"
_CANCEL = "Error Code, cancel and amend"
_WS = "Error Code, WebSocket"

# Answers that one place looks for by name.
ORDER_NOT_FOUND = "51603"
UNKNOWN_SUBSCRIPTION = frozenset({"51001", "60018"})

_CLOCK = "the clock is off: check this machine's time"
_MARGIN = "not enough balance: add margin or trade smaller"
_FILTERS = "the instrument's rules changed: load the instruments again"
_KEY = "check the API key"
_KEY_HOST = "check the API key and that this host serves the account's region"
_PASSPHRASE = "check the API passphrase"
_SECRET = "check the API secret"
_POSITION = "the position is not what we hold it for: compare both"
_SITE = "see the account's messages on the site"

_R, _Q, _T, _D, _S = Action.RETRY, Action.QUERY, Action.THROTTLE, Action.DROP, Action.STOP

_OUTCOME_OPEN = {
    50001: Code(_Q, "service unavailable", _GENERAL),
    50004: Code(_Q, "endpoint timed out", _GENERAL),
    50013: Code(_Q, "system busy", _GENERAL),
    50026: Code(_Q, "system error", _GENERAL),
    50071: Code(_Q, "client order id used before: the first one may live", _GENERAL),
    51016: Code(_Q, "client order id used before: the first one may live", _TRADE),
    51054: Code(_Q, "request timed out", _TRADE),
    51149: Code(_Q, "order timed out", _TRADE),
    51400: Code(_Q, "cancel failed: order filled, cancelled or unknown", _CANCEL),
    51410: Code(_Q, "cancel failed: the order is being cancelled", _CANCEL),
    51503: Code(_Q, "amend failed: order filled, cancelled or unknown", _CANCEL),
    51603: Code(_Q, "order not found", _CANCEL),
    63999: Code(_Q, "internal error", _WS),
}
_TIME_AND_RATE = {
    50023: Code(_R, "funding is being settled", _GENERAL),
    50102: Code(_R, "timestamp expired", _LOGIN, _CLOCK, is_clock=True),
    51030: Code(_R, "funding is being settled", _TRADE),
    60004: Code(_R, "login timestamp wrong", _WS, _CLOCK, is_clock=True),
    60006: Code(_R, "login timestamp expired", _WS, _CLOCK, is_clock=True),
    64008: Code(_R, "the connection ends soon for an upgrade", _WS, is_reconnect=True),
    50011: Code(_T, "rate limit", _GENERAL, "rate limit: slow down"),
    50040: Code(_T, "too frequent", _GENERAL, "rate limit: slow down"),
    50061: Code(_T, "sub-account's rate limit of new orders", _GENERAL,
                "sub-account rate limit: slow down"),
    60014: Code(_T, "too many requests on this connection", _WS, "rate limit: slow down"),
    60023: Code(_T, "subscription quota used up", _WS, "subscribe fewer symbols"),
}
_ACCOUNT = {
    50038: Code(_S, "not available in demo trading", _GENERAL, "use a live environment for this"),
    50101: Code(
        _S, "key of the other environment", _LOGIN,
        "the key belongs to the other environment: demo keys need demo mode, live keys not",
        is_key=True,
    ),
    50103: Code(_S, "header with the key is empty", _LOGIN, _KEY),
    50104: Code(_S, "header with the passphrase is empty", _LOGIN, _PASSPHRASE),
    50105: Code(_S, "wrong passphrase", _LOGIN, _PASSPHRASE),
    50106: Code(_S, "header with the signature is empty", _LOGIN, _SECRET),
    50107: Code(_S, "header with the timestamp is empty", _LOGIN),
    50108: Code(_S, "exchange id unknown", _LOGIN, _KEY_HOST),
    50109: Code(_S, "exchange domain unknown", _LOGIN, _KEY_HOST),
    50110: Code(
        _S, "the key is bound to other addresses", _LOGIN,
        "the key is bound to other addresses: add this one to its list",
    ),
    50111: Code(_S, "invalid key", _LOGIN, _KEY, is_key=True),
    50112: Code(_S, "invalid timestamp", _LOGIN, _CLOCK),
    50113: Code(_S, "wrong signature", _LOGIN, _SECRET),
    50114: Code(_S, "invalid authorization", _LOGIN, _KEY),
    50119: Code(_S, "key unknown on this host", _LOGIN, _KEY_HOST, is_key=True),
    50120: Code(_S, "the key lacks a permission", _LOGIN, "allow trading for this key"),
    51024: Code(_S, "the account is blocked", _TRADE, _SITE),
    54094: Code(_S, "the account is in a cooling-off period", _TRADE, _SITE),
    54109: Code(_S, "trading must be activated first", _TRADE, _SITE),
    59113: Code(_S, "identity check of level 2 is missing", _TRADE, _SITE),
    60005: Code(_S, "invalid key", _WS, _KEY, is_key=True),
    60007: Code(_S, "wrong signature", _WS, _SECRET),
    60009: Code(_S, "login failed", _WS, _KEY_HOST),
    60011: Code(_S, "not logged in", _WS, _KEY),
    60024: Code(_S, "wrong passphrase", _WS, _PASSPHRASE),
    60031: Code(_S, "the account does not fit or was logged in before", _WS, _KEY),
    60032: Code(_S, "key unknown on this host", _WS, _KEY_HOST, is_key=True),
}
_REFUSED = {
    50014: Code(_D, "a parameter is missing", _GENERAL),
    50036: Code(_D, "the order's expiry had passed", _GENERAL, is_clock=True),
    50037: Code(_D, "the order's expiry is invalid", _GENERAL),
    51000: Code(_D, "parameter refused", _TRADE),
    51001: Code(_D, "instrument unknown", _TRADE, _FILTERS),
    51004: Code(_D, "position above what the leverage allows", _TRADE),
    51005: Code(_D, "quantity above the maximum", _TRADE, _FILTERS),
    51006: Code(_D, "price outside its limit", _TRADE),
    51008: Code(_D, "balance too small", _TRADE, _MARGIN),
    51010: Code(
        _D, "not possible in this account mode", _TRADE,
        "the account mode does not allow swaps: switch to futures mode or higher",
    ),
    51020: Code(_D, "quantity below the minimum", _TRADE, _FILTERS),
    51022: Code(_D, "the contract is suspended", _TRADE),
    51121: Code(_D, "quantity not a multiple of the lot", _TRADE, _FILTERS),
    51137: Code(_D, "buy price above its limit", _TRADE),
    51138: Code(_D, "sell price below its limit", _TRADE),
    51169: Code(_D, "reduce-only without a position to reduce", _TRADE, _POSITION),
    51170: Code(_D, "reduce-only order on the position's own side", _TRADE, _POSITION),
    51202: Code(_D, "market order above the maximum", _TRADE, _FILTERS),
    51506: Code(_D, "this order type cannot be amended", _CANCEL),
    51511: Code(_D, "amended post-only order would take", _CANCEL),
    51513: Code(_D, "too many amendments of one order in flight", _CANCEL),
    54012: Code(_D, "post-only phase: no taker orders", _TRADE),
    54030: Code(_D, "position limit reached", _TRADE),
    54031: Code(_D, "open-interest limit reached", _TRADE),
    60012: Code(_D, "request not understood", _WS),
    60013: Code(_D, "arguments refused", _WS),
    60018: Code(_D, "channel or instrument unknown", _WS),
    64003: Code(_D, "the fee tier does not include this channel", _WS),
    64004: Code(_D, "the channel excludes one already subscribed", _WS),
} | {
    code: Code(_D, "too many open orders", _TRADE, "cancel orders that rest")
    for code in range(51101, 51108)
}

CODES = CodeTable("okx", _OUTCOME_OPEN | _TIME_AND_RATE | _ACCOUNT | _REFUSED)
