"""Bodies of OKX V5 frames and REST rows, in the venue's key order.

Source: OKX V5 documentation (trade, trading account, public data), read in 2026. Sizes are in
contracts; a negative fee is a charge; the REST rows carry the same facts in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from arbitrage.sim.exchange import HOUR_NS
from arbitrage.sim.instruments import LIVE, SUSPENDED, Instrument
from arbitrage.sim.matching import LEVERAGE, Book, Fill, Matcher, Order, Position, plain

UID = "44705892343619584"
POSITION_ID_BASE = 3_970_112_233_445_560_000
MAINTENANCE_RATE = Decimal("0.004")
SUB_TYPES = {"liquidation": ("104", "105"), "adl": ("125", "126")}  # of a long, of a short
CATEGORIES = {"user": "normal", "liquidation": "full_liquidation", "adl": "adl"}
TRADE_ID_BASE = 2_953_620_000
SIDE_TEXT = {1: "buy", -1: "sell"}
STATE_TEXT = {"new": "live", "partial": "partially_filled", "filled": "filled",
              "cancelled": "canceled"}
CANCEL_SOURCE = {"": "", "user": "1", "liquidation": "3", "fok": "13", "ioc": "14",
                 "price_cap": "15", "post_only": "31", "reduce_only": "0", "amend": "0",
                 "dead_man": "20"}


def money(value: Decimal, places: str = "0.0001") -> str:
    return plain(value.quantize(Decimal(places)))


FUNDING_BILL_BASE = 681_000_000_000_000_000


def trade_id(fill_id: int) -> str:
    return str(TRADE_ID_BASE + fill_id)


def bill_id(fill_id: int) -> int:
    return 680_800_019_754_000_000 + fill_id


def funding_bill(
    held: Position, flow: Decimal, matcher: Matcher, number: int, now_ms: int
) -> dict[str, str]:
    """Row of account/bills for one settlement; what was paid is negative."""
    item = held.instrument
    return {
        "bal": plain(matcher.start + matcher.cash), "balChg": plain(flow),
        "billId": str(FUNDING_BILL_BASE + number), "ccy": "USDT", "clOrdId": "", "execType": "",
        "fee": "0", "fillFwdPx": "", "fillIdxPx": "", "fillMarkPx": "", "fillMarkVol": "",
        "fillPxUsd": "", "fillPxVol": "", "fillTime": "", "from": "", "instId": item.name,
        "instType": "SWAP", "interest": "0", "mgnMode": "cross", "notes": "", "ordId": "",
        "pnl": plain(flow), "posBal": "0", "posBalChg": "0",
        "px": plain(matcher.mark(item.index)), "subType": "173" if flow < 0 else "174",
        "sz": plain(item.qty(abs(held.lots))), "tag": "", "to": "", "tradeId": "",
        "ts": str(now_ms), "type": "8",
    }


def order_type(order: Order) -> str:
    if order.kind == "market":
        return "market"
    return {"GTC": "limit", "IOC": "ioc", "FOK": "fok", "POST": "post_only"}[order.tif]


def order_facts(order: Order, fill: Fill | None, mark: Decimal) -> dict[str, Any]:
    """What push and REST row say about an order; ``fill`` is the execution being reported."""
    item = order.instrument
    px = item.px(order.ticks) if order.ticks else mark
    notional = item.qty(order.lots) * item.contract_value * px
    facts: dict[str, Any] = dict.fromkeys(_PUSH_ORDER, "")
    facts |= {
        "instType": "SWAP", "instId": item.name, "ccy": "USDT", "ordId": order.order_id,
        "clOrdId": order.client_id, "tag": order.tag,
        "px": plain(item.px(order.ticks)) if order.ticks else "",
        "sz": plain(item.qty(order.lots)), "notionalUsd": plain(notional),
        "ordType": order_type(order), "side": SIDE_TEXT[order.side], "posSide": "net",
        "tdMode": "cross", "accFillSz": plain(item.qty(order.filled_lots)),
        "avgPx": plain(order.average_px), "state": STATE_TEXT[order.state],
        "lever": str(LEVERAGE), "pnl": plain(order.profit), "feeCcy": "USDT",
        "fee": plain(-order.fee), "rebateCcy": "USDT", "rebate": "0",
        "category": CATEGORIES[order.origin],
        "uTime": str(order.updated_ns // 1_000_000), "cTime": str(order.created_ns // 1_000_000),
        "reduceOnly": "true" if order.reduce_only else "false",
        "cancelSource": CANCEL_SOURCE[order.reason], "stpMode": "cancel_maker",
        "lastPx": plain(item.px(order.last_ticks_on_create)), "isTpLimit": "false",
        "fillSz": "0", "fillPnl": "0", "fillFee": "0", "code": "0",
        "linkedAlgoOrd": {"algoId": ""}, "attachAlgoOrds": [],
    }
    if order.amend is not None:
        facts |= dict(zip(("reqId", "amendResult", "code", "msg"), order.amend, strict=True))
    if fill is not None:
        facts |= {
            "fillNotionalUsd": plain(fill.notional), "fillPx": plain(item.px(fill.ticks)),
            "tradeId": trade_id(fill.fill_id), "fillSz": plain(item.qty(fill.lots)),
            "fillTime": str(fill.wall_ns // 1_000_000), "fillPnl": plain(fill.profit),
            "fillFee": plain(-fill.fee), "fillFeeCcy": "USDT",
            "execType": "M" if fill.maker else "T", "fillMarkPx": plain(fill.mark),
            "fillIdxPx": plain(fill.mark),
        }
    return facts


_PUSH_ORDER = (
    "instType", "instId", "tgtCcy", "ccy", "tradeQuoteCcy", "ordId", "clOrdId", "algoClOrdId",
    "algoId", "tag", "px", "sz", "notionalUsd", "ordType", "side", "posSide", "tdMode",
    "accFillSz", "fillNotionalUsd", "avgPx", "state", "lever", "pnl", "feeCcy", "fee",
    "rebateCcy", "rebate", "category", "uTime", "cTime", "source", "reduceOnly", "cancelSource",
    "quickMgnType", "stpId", "stpMode", "attachAlgoClOrdId", "lastPx", "outcome", "isTpLimit",
    "slTriggerPx", "slTriggerPxType", "tpOrdPx", "tpTriggerPx", "tpTriggerPxType", "slOrdPx",
    "fillPx", "tradeId", "fillSz", "fillTime", "fillPnl", "fillFee", "fillFeeCcy", "execType",
    "fillPxVol", "fillPxUsd", "fillMarkVol", "fillFwdPx", "fillMarkPx", "fillIdxPx",
    "amendSource", "reqId", "amendResult", "code", "msg", "pxType", "pxUsd", "pxVol",
    "linkedAlgoOrd", "attachAlgoOrds",
)
_REST_ORDER = (
    "accFillSz", "algoClOrdId", "algoId", "attachAlgoClOrdId", "attachAlgoOrds", "avgPx", "cTime",
    "cancelSource", "cancelSourceReason", "category", "ccy", "clOrdId", "fee", "feeCcy", "fillPx",
    "fillSz", "fillTime", "instId", "instType", "isTpLimit", "lever", "linkedAlgoOrd", "ordId",
    "ordType", "pnl", "posSide", "px", "pxType", "pxUsd", "pxVol", "quickMgnType", "rebate",
    "rebateCcy", "reduceOnly", "side", "slOrdPx", "slTriggerPx", "slTriggerPxType", "source",
    "state", "stpId", "stpMode", "sz", "tag", "tdMode", "tgtCcy", "tpOrdPx", "tpTriggerPx",
    "tpTriggerPxType", "tradeId", "uTime",
)


def push_order(order: Order, fill: Fill | None, mark: Decimal) -> dict[str, Any]:
    return order_facts(order, fill, mark)


def rest_order(order: Order, last_fill: Fill | None, mark: Decimal) -> dict[str, Any]:
    facts = order_facts(order, last_fill, mark)
    facts["cancelSourceReason"] = ""
    return {key: facts[key] for key in _REST_ORDER}


def sub_type(fill: Fill) -> str:
    if fill.order.origin != "user":
        of_long, of_short = SUB_TYPES[fill.order.origin]
        return of_short if fill.order.side > 0 else of_long
    return {(1, 0): "3", (-1, 0): "4"}.get((fill.order.side, fill.closed_lots), "5")


def rest_fill(fill: Fill, rate: Decimal) -> dict[str, Any]:
    order = fill.order
    item = order.instrument
    now = str(fill.wall_ns // 1_000_000)
    return {
        "side": SIDE_TEXT[order.side], "fillSz": plain(item.qty(fill.lots)),
        "fillPx": plain(item.px(fill.ticks)), "fillPxVol": "", "fillFwdPx": "",
        "fee": plain(-fill.fee), "fillPnl": plain(fill.profit), "ordId": order.order_id,
        "feeRate": plain(-rate), "instType": "SWAP", "fillPxUsd": "", "instId": item.name,
        "clOrdId": order.client_id, "posSide": "net",
        "billId": str(bill_id(fill.fill_id)),
        "subType": sub_type(fill),
        "fillMarkVol": "", "tag": order.tag, "fillTime": now,
        "execType": "M" if fill.maker else "T", "fillIdxPx": plain(fill.mark),
        "tradeId": trade_id(fill.fill_id), "fillMarkPx": plain(fill.mark), "feeCcy": "USDT",
        "ts": now,
    }


_PUSH_POSITION = (
    "adl", "availPos", "avgPx", "baseBal", "baseBorrowed", "baseInterest", "bePx", "bizRefId",
    "bizRefType", "cTime", "ccy", "clSpotInUseAmt", "closeOrderAlgo", "deltaBS", "deltaPA", "fee",
    "fundingFee", "gammaBS", "gammaPA", "hedgedPos", "idxPx", "imr", "instId", "instType",
    "interest", "last", "lever", "liab", "liabCcy", "liqPenalty", "liqPx", "margin", "markPx",
    "maxSpotInUseAmt", "mgnMode", "mgnRatio", "mmr", "nonSettleAvgPx", "notionalUsd", "optVal",
    "pTime", "pendingCloseOrdLiabVal", "pnl", "pos", "posCcy", "posId", "posSide", "quoteBal",
    "quoteBorrowed", "quoteInterest", "realizedPnl", "settledPnl", "spotInUseAmt",
    "spotInUseCcy", "thetaBS", "thetaPA", "tradeId", "uTime", "upl", "uplLastPx", "uplRatio",
    "uplRatioLastPx", "usdPx", "vegaBS", "vegaPA",
)
_REST_POSITION = (
    "adl", "availPos", "avgPx", "cTime", "ccy", "deltaBS", "deltaPA", "gammaBS", "gammaPA", "imr",
    "instId", "instType", "interest", "idxPx", "usdPx", "bePx", "last", "lever", "liab",
    "liabCcy", "liqPx", "markPx", "margin", "mgnMode", "mgnRatio", "mmr", "notionalUsd", "optVal",
    "pendingCloseOrdLiabVal", "pTime", "pos", "baseBorrowed", "baseInterest", "quoteBorrowed",
    "quoteInterest", "posCcy", "posId", "posSide", "spotInUseAmt", "spotInUseCcy",
    "clSpotInUseAmt", "maxSpotInUseAmt", "bizRefId", "bizRefType", "thetaBS", "thetaPA",
    "tradeId", "uTime", "upl", "uplLastPx", "uplRatio", "uplRatioLastPx", "vegaBS", "vegaPA",
    "realizedPnl", "pnl", "fee", "fundingFee", "liqPenalty", "closeOrderAlgo",
)


def position(held: Position, matcher: Matcher, now_ms: int, rest: bool) -> dict[str, Any]:
    """A position row; a flat one (pushed once on closing) has empty prices."""
    item = held.instrument
    mark = matcher.mark(item.index)
    facts: dict[str, Any] = dict.fromkeys(_PUSH_POSITION, "")
    facts |= {
        "adl": "1", "cTime": str(held.opened_ns // 1_000_000), "ccy": "USDT",
        "closeOrderAlgo": [], "fee": plain(-held.fees), "fundingFee": plain(held.funding),
        "idxPx": plain(mark), "instId": item.name, "instType": "SWAP",
        "last": plain(item.px(matcher.books[item.index].last_ticks)), "lever": str(LEVERAGE),
        "liqPenalty": "0", "markPx": plain(mark), "mgnMode": "cross", "pTime": str(now_ms),
        "pnl": plain(held.profit), "pos": plain(item.qty(held.lots)),
        "posId": str(POSITION_ID_BASE + item.index), "posSide": "net",
        "realizedPnl": plain(held.profit - held.fees + held.funding),
        "tradeId": trade_id(held.fill_id) if held.fill_id else "",
        "uTime": str(held.updated_ns // 1_000_000),
    }
    if held.lots:
        value, upl = abs(held.value_at(mark)), held.value_at(mark) - held.basis
        side = 1 if held.lots > 0 else -1
        liquidation = matcher.liquidation_px(item.index)
        even = held.average_px * (1 + side * 2 * matcher.taker_rate)
        share = money(upl * LEVERAGE / value, "0.000001")
        facts |= {
            "avgPx": plain(held.average_px), "bePx": money(even, "0.0000000001"),
            "imr": money(value / LEVERAGE),
            "liqPx": "" if liquidation is None else plain(liquidation),
            "mgnRatio": money(matcher.equity() / matcher.maintenance(), "0.01"),
            "mmr": money(value * MAINTENANCE_RATE),
            "notionalUsd": plain(value), "upl": plain(upl), "uplLastPx": plain(upl),
            "uplRatio": share, "uplRatioLastPx": share,
        }
    return {key: facts[key] for key in (_REST_POSITION if rest else _PUSH_POSITION)}


_PUSH_DETAIL = (
    "availBal", "availEq", "borrowFroz", "cashBal", "ccy", "coinUsdPrice", "crossLiab", "colRes",
    "collateralEnabled", "collateralRestrict", "colBorrAutoConversion", "disEq", "eq", "eqUsd",
    "smtSyncEq", "spotCopyTradingEq", "fixedBal", "frozenBal", "frpType", "imr", "interest",
    "isoEq", "isoLiab", "isoUpl", "liab", "maxLoan", "mgnRatio", "mmr", "notionalLever",
    "ordFrozen", "rewardBal", "spotInUseAmt", "clSpotInUseAmt", "maxSpotInUseAmt", "spotIsoBal",
    "stgyEq", "twap", "uTime", "upl", "uplLiab", "spotBal", "openAvgPx", "accAvgPx", "spotUpl",
    "spotUplRatio", "totalPnl", "totalPnlRatio",
)
_REST_DETAIL = (
    "availBal", "availEq", "borrowFroz", "cashBal", "ccy", "crossLiab", "disEq", "eq", "eqUsd",
    "fixedBal", "frozenBal", "imr", "interest", "isoEq", "isoLiab", "isoUpl", "liab", "maxLoan",
    "mgnRatio", "mmr", "notionalLever", "ordFrozen", "rewardBal", "spotInUseAmt",
    "clSpotInUseAmt", "maxSpotInUseAmt", "spotIsoBal", "stgyEq", "twap", "uTime", "upl", "uplLiab",
)
_EMPTY_DETAIL = frozenset((
    "imr", "mgnRatio", "mmr", "notionalLever", "spotInUseAmt", "clSpotInUseAmt",
    "maxSpotInUseAmt", "spotBal", "openAvgPx", "accAvgPx", "spotUpl", "spotUplRatio", "totalPnl",
    "totalPnlRatio",
))
_PUSH_ACCOUNT = (
    "adjEq", "availEq", "borrowFroz", "delta", "deltaLever", "deltaNeutralStatus", "details",
    "imr", "isoEq", "mgnRatio", "mmr", "notionalUsd", "notionalUsdForBorrow",
    "notionalUsdForFutures", "notionalUsdForOption", "notionalUsdForSwap", "ordFroz", "totalEq",
    "uTime", "upl",
)
_REST_ACCOUNT = (
    "adjEq", "borrowFroz", "details", "imr", "isoEq", "mgnRatio", "mmr", "notionalUsd", "ordFroz",
    "totalEq", "uTime", "upl",
)


def account(matcher: Matcher, now_ms: int, rest: bool) -> dict[str, Any]:
    """The account with its one currency; equity is exact, to the last digit."""
    equity, upl, margin = matcher.equity(), matcher.unrealised(), matcher.margin_used()
    now = str(now_ms)
    eq, free = plain(equity), plain(equity - margin)
    detail: dict[str, Any] = {key: "" if key in _EMPTY_DETAIL else "0" for key in _PUSH_DETAIL}
    detail |= {
        "availBal": free, "availEq": free, "cashBal": plain(equity - upl), "ccy": "USDT",
        "coinUsdPrice": "1", "collateralEnabled": False, "collateralRestrict": False,
        "disEq": eq, "eq": eq, "eqUsd": eq, "frozenBal": plain(margin), "uTime": now,
        "upl": plain(upl),
    }
    notional, kept = plain(margin * LEVERAGE), matcher.maintenance()
    facts: dict[str, Any] = dict.fromkeys(_PUSH_ACCOUNT, "0")
    facts |= {
        "adjEq": eq, "availEq": free, "imr": money(margin), "mmr": money(kept),
        "mgnRatio": money(equity / kept, "0.01") if kept else "",
        "notionalUsd": notional, "notionalUsdForSwap": notional, "totalEq": eq, "uTime": now,
        "upl": plain(upl),
        "details": [{key: detail[key] for key in (_REST_DETAIL if rest else _PUSH_DETAIL)}],
    }
    return {key: facts[key] for key in (_REST_ACCOUNT if rest else _PUSH_ACCOUNT)}


def balance_and_position(matcher: Matcher, held: Sequence[Position], event: str, now_ms: int
                         ) -> dict[str, Any]:
    """Row of the light channel: the balance, and those positions that are meant."""
    now = str(now_ms)
    cash = plain(matcher.equity() - matcher.unrealised())
    return {
        "balData": [{"cashBal": cash, "ccy": "USDT", "uTime": now}], "eventType": event,
        "pTime": now,
        "posData": [{
            "avgPx": plain(p.average_px) if p.lots else "", "baseBal": "", "ccy": "USDT",
            "instId": p.instrument.name, "instType": "SWAP", "mgnMode": "cross",
            "pos": plain(p.instrument.qty(p.lots)), "posCcy": "",
            "posId": str(POSITION_ID_BASE + p.instrument.index), "posSide": "net",
            "quoteBal": "", "tradeId": trade_id(p.fill_id) if p.fill_id else "",
            "uTime": str(p.updated_ns // 1_000_000),
        } for p in held],
    }


def funding(item: Instrument, rate: Decimal, next_ns: int, now_ms: int, rest: bool
            ) -> dict[str, Any]:
    """Funding row; ``fundingTime`` is when ``fundingRate`` settles, the next one follows it."""
    interval_ms = item.funding_hours * HOUR_NS // 1_000_000
    due_ms = next_ns // 1_000_000
    row = {
        "formulaType": "withRate", "fundingRate": f"{rate:.16f}", "fundingTime": str(due_ms),
        "impactValue": "20000.0000000000000000", "instId": item.name, "instType": "SWAP",
        "interestRate": "0.0001000000000000", "maxFundingRate": "0.00375",
        "method": "current_period", "minFundingRate": "-0.00375", "nextFundingRate": "",
        "nextFundingTime": str(due_ms + interval_ms), "premium": "-0.0004021053670636",
    }
    if rest:
        row["prevFundingTime"] = str(due_ms - interval_ms)
    return row | {"settFundingRate": f"{rate:.16f}", "settState": "settled", "ts": str(now_ms)}


def ticker(item: Instrument, book: Book, now_ms: int) -> dict[str, Any]:
    """Row of market/tickers."""
    last = plain(item.px(book.last_ticks))
    return {
        "instType": "SWAP", "instId": item.name, "last": last, "lastSz": plain(item.qty(1)),
        "askPx": plain(item.px(book.ask_ticks)), "askSz": plain(item.qty(book.ask_lots)),
        "bidPx": plain(item.px(book.bid_ticks)), "bidSz": plain(item.qty(book.bid_lots)),
        "open24h": last, "high24h": last, "low24h": last, "volCcy24h": "61874.6",
        "vol24h": "6187460", "ts": str(now_ms), "sodUtc0": last, "sodUtc8": last,
    }


STATE = {LIVE: "live", SUSPENDED: "suspend"}


def instrument_row(item: Instrument) -> dict[str, Any]:
    """Row of public/instruments, linear swap."""
    family = f"{item.base}-USDT"
    most, market = plain(item.qty(item.max_lots)), plain(item.qty(item.max_market_lots))
    huge = "100000000.0000000000000000"
    return {
        "alias": "", "auctionEndTime": "", "baseCcy": "", "category": "1", "contTdSwTime": "",
        "ctMult": "1", "ctType": "linear", "ctVal": plain(item.contract_value),
        "ctValCcy": item.base, "expTime": "", "freq": "", "futureSettlement": False,
        "groupId": "4", "instCategory": "1", "instFamily": family, "instId": item.name,
        "instIdCode": item.code, "instType": "SWAP", "lever": item.leverage_max,
        "listTime": "1573557408000", "longPosRemainingQuota": "", "lotSz": plain(item.lot),
        "maxIcebergSz": huge, "maxLmtAmt": "20000000", "maxLmtSz": most, "maxMktAmt": "",
        "maxMktSz": market, "maxPlatOILmt": "10000000000000", "maxStopSz": market,
        "maxTriggerSz": huge, "maxTwapSz": huge, "method": "",
        "minSz": plain(item.qty(item.min_lots)), "openType": "call_auction", "optType": "",
        "posLmtAmt": "250000", "posLmtPct": "30", "preMktSwTime": "", "quoteCcy": "",
        "ruleType": "normal", "seriesId": "", "settleCcy": "USDT", "shortPosRemainingQuota": "",
        "state": STATE[item.state], "stk": "", "tickSz": plain(item.tick), "tradeQuoteCcyList": [],
        "uly": family, "upcChg": [],
    }
