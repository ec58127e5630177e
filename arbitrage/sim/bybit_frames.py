"""Bodies of Bybit V5 frames and REST rows, in the venue's key order.

Source: Bybit V5 documentation (websocket/public, websocket/private, order, position, account),
read in 2026. The REST rows carry the same facts as the pushes under other names and orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from arbitrage.sim.instruments import LIVE, SUSPENDED, Instrument
from arbitrage.sim.matching import BAND, LEVERAGE, Fill, Matcher, Order, plain

UID = "74199870"
SIDE_TEXT = {1: "Buy", -1: "Sell"}
KIND_TEXT = {"limit": "Limit", "market": "Market"}
TIF_TEXT = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", "POST": "PostOnly"}
STATE_TEXT = {"new": "New", "partial": "PartiallyFilled", "filled": "Filled",
              "cancelled": "Cancelled"}
# reason: (cancelType, rejectReason)
ENDS = {
    "": ("UNKNOWN", "EC_NoError"),
    "ioc": ("UNKNOWN", "EC_NoImmediateQtyToFill"),
    "fok": ("UNKNOWN", "EC_NoImmediateQtyToFill"),
    "price_cap": ("UNKNOWN", "EC_ReachRiskPriceLimit"),
    "post_only": ("UNKNOWN", "EC_PostOnlyWillTakeLiquidity"),
    "liquidation": ("CancelAllBeforeLiq", "EC_NoError"),
    "user": ("CancelByUser", "EC_PerCancelRequest"),
    "reduce_only": ("CancelByReduceOnly", "EC_NoError"),
    "dcp": ("CancelByDCP", "EC_NoError"),
}
MAINTENANCE_RATE = Decimal("0.005")
# who sent an order: (createType, execType of its fills)
ORIGINS = {
    "user": ("CreateByUser", "Trade"),
    "liquidation": ("CreateByLiq", "BustTrade"),
    "adl": ("CreateByAdl_PassThrough", "AdlTrade"),
}
CREATED_MS = "1760000000000"


def money(value: Decimal, places: str = "0.0001") -> str:
    return plain(value.quantize(Decimal(places)))


def order_px(order: Order) -> str:
    """Limit price; for a market order the cap the venue would set."""
    item = order.instrument
    if order.kind == "limit":
        return item.px_text(order.ticks)
    return item.px_text(int(order.last_ticks_on_create * (1 + order.side * BAND)))


def order_facts(order: Order) -> dict[str, Any]:
    """Everything both the push and the REST row say about an order."""
    item = order.instrument
    cancel_type, reject_reason = ENDS[order.reason]
    open_qty = item.qty(order.open_lots)
    return {
        "orderId": order.order_id, "orderLinkId": order.client_id, "blockTradeId": "",
        "symbol": item.name, "side": SIDE_TEXT[order.side], "positionIdx": 0,
        "orderStatus": STATE_TEXT[order.state], "cancelType": cancel_type,
        "rejectReason": reject_reason, "timeInForce": TIF_TEXT[order.tif],
        "price": order_px(order), "qty": item.qty_text(order.lots),
        "avgPrice": plain(order.average_px) if order.filled_lots else "",
        "leavesQty": item.qty_text(order.open_lots),
        "leavesValue": plain(open_qty * item.px(order.ticks)),
        "cumExecQty": item.qty_text(order.filled_lots),
        "cumExecValue": plain(item.tick * item.lot * order.cost_tick_lots),
        "cumExecFee": plain(order.fee), "orderType": KIND_TEXT[order.kind],
        "lastPriceOnCreated": item.px_text(order.last_ticks_on_create),
        "reduceOnly": order.reduce_only,
        "createdTime": str(order.created_ns // 1_000_000),
        "updatedTime": str(order.updated_ns // 1_000_000),
        "cumFeeDetail": {"USDT": plain(order.fee)} if order.filled_lots else {},
    }


_PUSH_ORDER: tuple[tuple[str, Any], ...] = (
    ("category", "linear"), ("symbol", None), ("orderId", None), ("orderLinkId", None),
    ("blockTradeId", None), ("side", None), ("positionIdx", None), ("orderStatus", None),
    ("cancelType", None), ("rejectReason", None), ("timeInForce", None), ("isLeverage", ""),
    ("price", None), ("qty", None), ("avgPrice", None), ("leavesQty", None),
    ("leavesValue", None), ("cumExecQty", None), ("cumExecValue", None), ("cumExecFee", None),
    ("orderType", None), ("stopOrderType", ""), ("orderIv", ""), ("triggerPrice", ""),
    ("takeProfit", ""), ("stopLoss", ""), ("triggerBy", ""), ("tpTriggerBy", ""),
    ("slTriggerBy", ""), ("triggerDirection", 0), ("placeType", ""),
    ("lastPriceOnCreated", None), ("closeOnTrigger", False), ("reduceOnly", None),
    ("smpGroup", 0), ("smpType", "None"), ("smpOrderId", ""), ("slLimitPrice", "0"),
    ("tpLimitPrice", "0"), ("tpslMode", "UNKNOWN"), ("createType", None),
    ("marketUnit", ""), ("createdTime", None), ("updatedTime", None), ("feeCurrency", ""),
    ("closedPnl", None), ("slippageTolerance", ""), ("slippageToleranceType", "UNKNOWN"),
    ("cumFeeDetail", None), ("rpiTakerAccess", False), ("rpiMatchedQty", "0"),
)
_REST_ORDER: tuple[tuple[str, Any], ...] = (
    ("orderId", None), ("orderLinkId", None), ("blockTradeId", None), ("symbol", None),
    ("price", None), ("qty", None), ("side", None), ("isLeverage", ""), ("positionIdx", None),
    ("orderStatus", None), ("cancelType", None), ("rejectReason", None), ("avgPrice", None),
    ("leavesQty", None), ("leavesValue", None), ("cumExecQty", None), ("cumExecValue", None),
    ("cumExecFee", None), ("timeInForce", None), ("orderType", None),
    ("stopOrderType", "UNKNOWN"), ("orderIv", ""), ("triggerPrice", "0.00"), ("takeProfit", ""),
    ("stopLoss", ""), ("tpTriggerBy", "UNKNOWN"), ("slTriggerBy", "UNKNOWN"),
    ("triggerDirection", 0), ("triggerBy", "UNKNOWN"), ("lastPriceOnCreated", None),
    ("reduceOnly", None), ("closeOnTrigger", False), ("smpType", "None"), ("smpGroup", 0),
    ("smpOrderId", ""), ("tpslMode", "Full"), ("tpLimitPrice", ""), ("slLimitPrice", ""),
    ("placeType", ""), ("createdTime", None), ("updatedTime", None), ("cumFeeDetail", None),
)


def push_order(order: Order) -> dict[str, Any]:
    facts = order_facts(order)
    facts["closedPnl"] = plain(order.profit)
    facts["createType"] = ORIGINS[order.origin][0]
    return {key: facts[key] if value is None else value for key, value in _PUSH_ORDER}


def rest_order(order: Order) -> dict[str, Any]:
    facts = order_facts(order)
    return {key: facts[key] if value is None else value for key, value in _REST_ORDER}


def fill_facts(fill: Fill, exec_id: str, leaves_lots: int, rate: Decimal) -> dict[str, Any]:
    order = fill.order
    item = order.instrument
    return {
        "category": "linear", "symbol": item.name, "closedSize": plain(item.qty(fill.closed_lots)),
        "execFee": plain(fill.fee), "execId": exec_id, "execPrice": item.px_text(fill.ticks),
        "execQty": item.qty_text(fill.lots), "execType": ORIGINS[order.origin][1],
        "execValue": plain(fill.notional), "feeRate": plain(rate), "tradeIv": "", "markIv": "",
        "blockTradeId": "", "markPrice": plain(fill.mark), "indexPrice": "",
        "underlyingPrice": "", "leavesQty": item.qty_text(leaves_lots),
        "orderId": order.order_id, "orderLinkId": order.client_id, "orderPrice": order_px(order),
        "orderQty": item.qty_text(order.lots), "orderType": KIND_TEXT[order.kind],
        "stopOrderType": "UNKNOWN", "side": SIDE_TEXT[order.side],
        "execTime": str(fill.wall_ns // 1_000_000), "isLeverage": "0", "isMaker": fill.maker,
        "seq": fill.seq, "marketUnit": "", "execPnl": plain(fill.profit),
        "createType": ORIGINS[order.origin][0], "extraFees": [], "feeCurrency": "USDT",
    }


_FAST_FILL = ("category", "symbol", "execId", "execPrice", "execQty", "orderId", "isMaker",
              "orderLinkId", "side", "execTime", "seq")


def fast_fill(facts: dict[str, Any]) -> dict[str, Any]:
    """Row of the lean execution topic; a maker's does not name the client's id."""
    row = {key: facts[key] for key in _FAST_FILL}
    return row | {"orderLinkId": ""} if row["isMaker"] else row


def funding_facts(
    item: Instrument, lots: int, rate: Decimal, flow: Decimal, mark: Decimal, exec_id: str,
    due_ms: int, seq: int,
) -> dict[str, Any]:
    """Execution row of a funding settlement; a positive ``execFee`` was paid."""
    qty = item.qty(abs(lots))
    return {
        "category": "linear", "symbol": item.name, "closedSize": "0", "execFee": plain(-flow),
        "execId": exec_id, "execPrice": plain(mark), "execQty": item.qty_text(abs(lots)),
        "execType": "Funding", "execValue": plain(qty * mark), "feeRate": plain(rate),
        "tradeIv": "", "markIv": "", "blockTradeId": "", "markPrice": plain(mark),
        "indexPrice": "", "underlyingPrice": "", "leavesQty": "0",
        "orderId": f"{due_ms // 1000}-{UID}-funding", "orderLinkId": "", "orderPrice": "0",
        "orderQty": "0", "orderType": "UNKNOWN", "stopOrderType": "UNKNOWN",
        "side": SIDE_TEXT[1 if lots > 0 else -1], "execTime": str(due_ms), "isLeverage": "0",
        "isMaker": False, "seq": seq, "marketUnit": "", "execPnl": "0", "createType": "",
        "extraFees": [], "feeCurrency": "USDT",
    }


_REST_FILL = ("symbol", "orderType", "underlyingPrice", "orderLinkId", "side", "indexPrice",
              "orderId", "stopOrderType", "leavesQty", "execTime", "feeCurrency", "isMaker",
              "execFee", "feeRate", "execId", "tradeIv", "blockTradeId", "markPrice", "execPrice",
              "markIv", "orderQty", "orderPrice", "execValue", "execType", "execQty",
              "closedSize", "extraFees", "seq")


def rest_fill(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: "" if key == "extraFees" else facts[key] for key in _REST_FILL}


def position_facts(matcher: Matcher, index: int) -> dict[str, Any]:
    position, mark, taker_rate = matcher.positions[index], matcher.mark(index), matcher.taker_rate
    item = position.instrument
    liquidation = matcher.liquidation_px(index)
    flat = position.lots == 0
    value = abs(position.basis)
    side = 1 if position.lots > 0 else -1
    entry = position.average_px
    realised = position.profit - position.fees + position.funding
    even = Decimal(0) if flat else (entry * (1 + side * 2 * taker_rate)).quantize(item.tick / 100)
    return {
        "positionIdx": 0, "riskId": 1, "riskLimitValue": "2000000", "symbol": item.name,
        "side": "" if flat else SIDE_TEXT[side],
        "size": "0" if flat else item.qty_text(abs(position.lots)),
        "entryPrice": plain(entry), "leverage": str(LEVERAGE), "breakEvenPrice": plain(even),
        "positionValue": plain(value), "positionBalance": "0", "markPrice": plain(mark),
        "positionIM": money(value / LEVERAGE), "positionMM": money(value * MAINTENANCE_RATE),
        "liqPrice": "" if liquidation is None else plain(liquidation),
        "unrealisedPnl": plain(position.value_at(mark) - position.basis),
        "curRealisedPnl": plain(realised), "cumRealisedPnl": plain(realised),
        "updatedTime": str(position.updated_ns // 1_000_000), "seq": position.seq,
    }


def push_position(facts: dict[str, Any]) -> dict[str, Any]:
    f = facts
    return {
        "positionIdx": 0, "tradeMode": 0, "riskId": 1, "riskLimitValue": f["riskLimitValue"],
        "symbol": f["symbol"], "side": f["side"], "size": f["size"],
        "entryPrice": f["entryPrice"], "leverage": f["leverage"],
        "breakEvenPrice": f["breakEvenPrice"], "positionValue": f["positionValue"],
        "positionBalance": "0", "markPrice": f["markPrice"], "positionIM": f["positionIM"],
        "positionIMByMp": f["positionIM"], "positionMM": f["positionMM"],
        "positionMMByMp": f["positionMM"], "takeProfit": "0", "stopLoss": "0",
        "trailingStop": "0", "unrealisedPnl": f["unrealisedPnl"],
        "curRealisedPnl": f["curRealisedPnl"], "cumRealisedPnl": f["cumRealisedPnl"],
        "sessionAvgPrice": "0", "createdTime": CREATED_MS, "updatedTime": f["updatedTime"],
        "tpslMode": "Full", "liqPrice": f["liqPrice"], "bustPrice": "",
        "category": "linear",
        "positionStatus": "Normal", "adlRankIndicator": 0, "autoAddMargin": 0,
        "leverageSysUpdatedTime": "", "mmrSysUpdatedTime": "", "seq": f["seq"],
        "isReduceOnly": False,
    }


def rest_position(facts: dict[str, Any]) -> dict[str, Any]:
    f = facts
    flat = f["size"] == "0"

    def held(key: str) -> str:
        return "" if flat else str(f[key])

    return {
        "positionIdx": 0, "riskId": 1, "riskLimitValue": f["riskLimitValue"],
        "symbol": f["symbol"], "side": f["side"], "size": f["size"], "avgPrice": f["entryPrice"],
        "positionValue": held("positionValue"), "tradeMode": 0, "positionStatus": "Normal",
        "autoAddMargin": 0, "adlRankIndicator": 0 if flat else 2, "leverage": f["leverage"],
        "breakEvenPrice": held("breakEvenPrice"), "positionBalance": "0",
        "markPrice": f["markPrice"], "liqPrice": f["liqPrice"],
        "bustPrice": "", "positionMM": held("positionMM"), "positionMMByMp": held("positionMM"),
        "positionIM": held("positionIM"), "positionIMByMp": held("positionIM"),
        "tpslMode": "Full", "takeProfit": "", "stopLoss": "", "trailingStop": "0",
        "unrealisedPnl": held("unrealisedPnl"), "curRealisedPnl": f["curRealisedPnl"],
        "cumRealisedPnl": f["cumRealisedPnl"], "seq": f["seq"], "isReduceOnly": False,
        "mmrSysUpdateTime": "", "leverageSysUpdatedTime": "", "sessionAvgPrice": "",
        "createdTime": CREATED_MS, "updatedTime": f["updatedTime"],
    }


_COIN_PUSH = ("coin", "equity", "usdValue", "walletBalance", "availableToWithdraw",
              "availableToBorrow", "borrowAmount", "accruedInterest", "totalOrderIM",
              "totalPositionIM", "totalPositionMM", "unrealisedPnl", "cumRealisedPnl", "bonus",
              "collateralSwitch", "marginCollateral", "locked", "spotHedgingQty", "spotBorrow")
_COIN_REST = ("availableToBorrow", "bonus", "accruedInterest", "availableToWithdraw",
              "totalOrderIM", "equity", "totalPositionMM", "usdValue", "spotHedgingQty",
              "unrealisedPnl", "collateralSwitch", "borrowAmount", "totalPositionIM",
              "walletBalance", "cumRealisedPnl", "locked", "marginCollateral", "coin",
              "spotBorrow")
_WALLET_PUSH = ("accountIMRate", "accountIMRateByMp", "accountMMRate", "accountMMRateByMp",
                "totalEquity", "totalWalletBalance", "totalMarginBalance",
                "totalAvailableBalance", "totalPerpUPL", "totalInitialMargin",
                "totalInitialMarginByMp", "totalMaintenanceMargin", "totalMaintenanceMarginByMp",
                "coin", "accountLTV", "accountType")
_WALLET_REST = ("totalEquity", "accountIMRate", "accountIMRateByMp", "totalMarginBalance",
                "totalInitialMargin", "totalInitialMarginByMp", "accountType",
                "totalAvailableBalance", "accountMMRate", "accountMMRateByMp", "totalPerpUPL",
                "totalWalletBalance", "accountLTV", "totalMaintenanceMargin",
                "totalMaintenanceMarginByMp", "coin")


def wallet(matcher: Matcher, rest: bool) -> dict[str, Any]:
    """The unified account with its one coin; equity is exact, to the last digit."""
    equity, open_profit, margin = matcher.equity(), matcher.unrealised(), matcher.margin_used()
    balance = equity - open_profit
    kept = matcher.maintenance()
    coin: dict[str, Any] = dict.fromkeys(_COIN_PUSH, "0")
    coin |= {
        "coin": "USDT", "equity": plain(equity), "usdValue": plain(equity),
        "walletBalance": plain(balance), "availableToWithdraw": "", "availableToBorrow": "",
        "totalPositionIM": money(margin), "totalPositionMM": money(kept),
        "unrealisedPnl": plain(open_profit), "cumRealisedPnl": plain(balance - matcher.start),
        "collateralSwitch": True, "marginCollateral": True,
    }
    facts: dict[str, Any] = dict.fromkeys(_WALLET_PUSH, "0")
    facts |= {
        "totalEquity": plain(equity), "totalWalletBalance": plain(balance),
        "totalMarginBalance": plain(equity), "totalAvailableBalance": plain(equity - margin),
        "totalPerpUPL": plain(open_profit), "totalInitialMargin": money(margin),
        "totalInitialMarginByMp": money(margin), "totalMaintenanceMargin": money(kept),
        "totalMaintenanceMarginByMp": money(kept), "accountType": "UNIFIED",
    }
    coin_keys, keys = (_COIN_REST, _WALLET_REST) if rest else (_COIN_PUSH, _WALLET_PUSH)
    facts["coin"] = [{key: coin[key] for key in coin_keys}]
    return {key: facts[key] for key in keys}


STATUS = {LIVE: "Trading", SUSPENDED: "Closed"}


def instrument_row(item: Instrument) -> dict[str, Any]:
    """Row of instruments-info, linear."""
    top = f"{item.tick * 19_999_998:.{item.px_places}f}"
    most, market = item.qty_text(item.max_lots), item.qty_text(item.max_market_lots)
    return {
        "symbol": item.name, "symbolId": item.code, "contractType": "LinearPerpetual",
        "status": STATUS[item.state], "baseCoin": item.base, "quoteCoin": "USDT",
        "launchTime": "1585526400000", "deliveryTime": "0", "deliveryFeeRate": "",
        "priceScale": str(item.px_places),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": f"{item.leverage_max}.00",
                           "leverageStep": "0.01"},
        "priceFilter": {"minPrice": item.tick_text, "maxPrice": top, "tickSize": item.tick_text},
        "lotSizeFilter": {"maxOrderQty": most, "minOrderQty": item.qty_text(item.min_lots),
                          "qtyStep": item.qty_text(1), "postOnlyMaxOrderQty": most,
                          "maxMktOrderQty": market, "minNotionalValue": "5"},
        "unifiedMarginTrade": True, "fundingInterval": item.funding_hours * 60,
        "settleCoin": "USDT", "copyTrading": "both", "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375", "isPreListing": False, "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
        "symbolType": "",
    }


def ticker_facts(
    item: Instrument, matcher: Matcher, rate: Decimal, next_ns: int
) -> dict[str, str]:
    """Linear ticker; the push carries only what changed since the last one."""
    book = matcher.books[item.index]
    mark = item.px_text(round(matcher.mark(item.index) / item.tick))
    last = item.px_text(book.last_ticks)
    return {
        "symbol": item.name, "tickDirection": "ZeroMinusTick", "price24hPcnt": "0.00506",
        "lastPrice": last, "prevPrice24h": last, "highPrice24h": last, "lowPrice24h": last,
        "prevPrice1h": last, "markPrice": mark, "indexPrice": mark, "openInterest": "57798.137",
        "openInterestValue": "3696687925.13", "turnover24h": "3947254153.7179",
        "volume24h": "61874.6390", "fundingIntervalHour": str(item.funding_hours),
        "fundingCap": "0.005", "singleOpenInterest": "28899.069",
        "singleOpenInterestValue": "1848343994.54",
        "nextFundingTime": str(next_ns // 1_000_000), "fundingRate": plain(rate),
        "bid1Price": item.px_text(book.bid_ticks), "bid1Size": item.qty_text(book.bid_lots),
        "ask1Price": item.px_text(book.ask_ticks), "ask1Size": item.qty_text(book.ask_lots),
        "preOpenPrice": "", "preQty": "", "curPreListingPhase": "",
    }


def page(rows: Sequence[Any], limit: int, start: int) -> tuple[list[Any], str]:
    """One page of rows and the cursor of the next ("" at the end)."""
    part = list(rows[start : start + limit])
    following = start + limit
    return part, f"page%3D{following}" if following < len(rows) else ""
