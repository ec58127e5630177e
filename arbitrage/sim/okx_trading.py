"""OKX V5 orders: what is accepted, what is refused with which code, and the private pushes.

Source: OKX V5 documentation, trade and trading account, error codes; read in 2026. Client order
ids stay taken for the whole run (the venue frees them when the order ends): a trader that reuses
one must not pass here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from arbitrage.sim import okx_frames as frames
from arbitrage.sim.exchange import Exchange, Refusal, encode
from arbitrage.sim.forms import to_steps
from arbitrage.sim.instruments import Instrument
from arbitrage.sim.matching import BAND, BUY, SELL, Fill, Order, Reject, plain

FILLS_KEPT_MAX = 100_000
CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")
TAG = re.compile(r"[A-Za-z0-9]{0,16}\Z")
ORDER_TYPES = {"limit": "GTC", "market": "IOC", "ioc": "IOC", "fok": "FOK", "post_only": "POST",
               "optimal_limit_ioc": "IOC"}
REJECTS = {
    "DUPLICATE": (51016, "Duplicated client order ID"),
    "NO_POSITION": (51169, "Order failed because you don't have any positions in this direction "
                           "for this contract to reduce or close."),
    "BALANCE": (51008, "Order failed. Insufficient USDT balance in account"),
    "NO_QUOTE": (51022, "Contract suspended."),
    "TOO_MANY": (51101, "Entered amount exceeds the max pending order amount of the instrument."),
}
NO_CODE = (50014, "Parameter instIdCode can not be empty.")
NO_INSTRUMENT = (51001, "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
NOT_CANCELLED = (51400, "Cancellation failed as the order has been filled, canceled or does not "
                        "exist.")

GONE = (51503, "Your order has already been filled or canceled.")
UNKNOWN = (51603, "Order does not exist")
POST_CROSSES = ("51511", "Operation failed as the order price doesn't meet the requirement for "
                         "Post Only.")
TOO_OFTEN = (50011, "Rate limit reached. Please refer to API documentation and throttle requests "
                    "accordingly")
ACCOUNT_TOO_OFTEN = (50061, "Sub-account rate limit exceeded.")
EXPIRED = (50036, "The expTime can't be earlier than the current system time.")
BAD_EXPIRY = (50037, "The expTime is invalid.")
BATCH_MAX = 20
BUCKET_NS = 2_000_000_000


class OrderArgs(msgspec.Struct, forbid_unknown_fields=True):
    """One order, on the socket (instIdCode) and over REST (instId)."""

    tdMode: str
    side: str
    ordType: str
    sz: str
    instIdCode: int | None = None
    instId: str = ""  # ignored on the socket since 2026-03
    px: str = ""
    clOrdId: str = ""
    tag: str = ""
    posSide: str = ""
    reduceOnly: bool = False
    ccy: str = ""
    tgtCcy: str = ""
    stpMode: str = ""
    pxAmendType: str = "0"
    banAmend: bool = False
    tradeQuoteCcy: str = ""


class CancelArgs(msgspec.Struct, forbid_unknown_fields=True):
    instIdCode: int | None = None
    instId: str = ""
    ordId: str = ""
    clOrdId: str = ""


class AmendArgs(msgspec.Struct, forbid_unknown_fields=True):
    """A change of a resting order; ``newSz`` counts what is filled."""

    instIdCode: int | None = None
    instId: str = ""
    ordId: str = ""
    clOrdId: str = ""
    reqId: str = ""
    newSz: str = ""
    newPx: str = ""
    cxlOnFail: bool = False
    pxAmendType: str = "0"


Form = OrderArgs | AmendArgs | CancelArgs
KINDS = {OrderArgs: "order", AmendArgs: "amend", CancelArgs: "cancel"}


class OkxTrading(Exchange):
    """Orders and private pushes of the simulated OKX."""

    maintenance_rate = frames.MAINTENANCE_RATE

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.by_code: dict[int, Instrument] = {}
        self.last_fill: dict[str, Fill] = {}
        self.funding_bills: list[dict[str, str]] = []

    # -- orders ----------------------------------------------------------------------------------

    def run(self, forms: Sequence[Form], rest: bool, exp_time: str | None = None,
            batch: bool = False) -> tuple[list[dict[str, str]], str]:
        """Run order requests; return their result rows and the top-level code.

        Raises
        ------
        Refusal : a single request (not one of a batch) came too often.
        """
        rows = [self._run_one(form, rest, exp_time, batch) for form in forms]
        failed = sum(row["sCode"] != "0" for row in rows)
        return rows, "0" if not failed else "1" if failed == len(rows) else "2"

    def _run_one(self, form: Form, rest: bool, exp_time: str | None, batch: bool
                 ) -> dict[str, str]:
        order_id = "" if isinstance(form, OrderArgs) else form.ordId
        code, text, sub_code = 0, "", ""
        try:
            item = self._instrument(form, rest)
            self._ask(form, item, batch)
            if exp_time and not isinstance(form, CancelArgs):
                if not exp_time.isdigit():
                    raise Refusal(*BAD_EXPIRY)
                if int(exp_time) < self.now_ms():
                    raise Refusal(*EXPIRED)
            if isinstance(form, OrderArgs):
                order_id = self._place(item, form)
                text = "Order successfully placed." if not rest else ""
            elif isinstance(form, AmendArgs):
                order_id = self._amend(item, form)
            else:
                order_id = self._cancel(item, form)
        except Refusal as refusal:
            if refusal.code == TOO_OFTEN[0] and not batch:
                raise
            code, text = refusal.code, refusal.text
            sub_code = "1000" if code == 51008 else ""
        ids = {"clOrdId": form.clOrdId, "ordId": order_id}
        tail = {"sCode": str(code), "sMsg": text}
        if not isinstance(form, CancelArgs):
            tail["subCode"] = sub_code
        ts = {"ts": str(self.now_ms())}
        ours = {"tag": form.tag} if isinstance(form, OrderArgs) else {}
        if isinstance(form, AmendArgs):
            ours = {"reqId": form.reqId}
        if rest:
            return ids | ts | ours | tail if ours.get("tag") is None else ids | ours | ts | tail
        ids = {"ordId": order_id, "clOrdId": form.clOrdId}
        return ours | ts | ids | tail if ours.get("tag") is not None else ts | ids | ours | tail

    def _ask(self, form: Form, item: Instrument, batch: bool) -> None:
        """Count one order of its kind and instrument, and of the sub-account."""
        limits, now_ns, kind = self.config.limits, self.clock(), KINDS[type(form)]
        limit = limits.okx_batch if batch else limits.okx_orders
        name = f"{kind}{'s' if batch else ''}/{item.name}"
        if not self.windows.of(name, limit, BUCKET_NS).take(now_ns):
            raise Refusal(*TOO_OFTEN, 429)
        if kind != "cancel":
            account = self.windows.of("account", limits.okx_account, BUCKET_NS)
            if not account.take(now_ns):
                raise Refusal(*ACCOUNT_TOO_OFTEN)

    def _instrument(self, form: Form, rest: bool) -> Instrument:
        if rest:
            item = self.by_name.get(form.instId)
        elif form.instIdCode is None:
            raise Refusal(*NO_CODE)
        elif self.config.ws_code_bug and self.config.environment == "demo":
            item = None
        else:
            item = self.by_code.get(form.instIdCode)
        if item is None:
            raise Refusal(*NO_INSTRUMENT)
        return item

    def _place(self, item: Instrument, form: OrderArgs) -> str:
        order = self._order_of(item, form)
        order_id = self.new_order_id()
        try:
            self.matcher.submit(order, order_id, self.clock())
        except Reject as reject:
            if reject.reason == "PRICE_BAND":
                top, bottom = self.price_limits(item)
                raise Refusal(51006, "Order price is not within the price limit (max buy price: "
                                     f"{top} min sell price: {bottom})") from None
            raise Refusal(*REJECTS[reject.reason]) from None
        self.flush_account()
        return order_id

    def new_order_id(self) -> str:
        return str(3_970_112_233_445_566_000 + next(self._ids))

    def _order_of(self, item: Instrument, form: OrderArgs) -> Order:
        def wrong(name: str) -> Refusal:
            return Refusal(51000, f"Parameter {name}  error")

        if form.clOrdId and not CLIENT_ID.match(form.clOrdId):
            raise wrong("clOrdId")
        if not TAG.match(form.tag):
            raise wrong("tag")
        if form.tdMode not in ("cross", "isolated"):
            raise wrong("tdMode")
        if form.side not in ("buy", "sell"):
            raise wrong("side")
        if form.posSide not in ("", "net"):
            raise wrong("posSide")
        tif = ORDER_TYPES.get(form.ordType)
        if tif is None:
            raise wrong("ordType")
        kind = "market" if form.ordType in ("market", "optimal_limit_ioc") else "limit"
        if to_steps(form.sz, Decimal("1e-12")) is None:
            raise wrong("sz")
        lots = to_steps(form.sz, item.lot)
        if lots is None:
            raise Refusal(51121, "Order quantity must be a multiple of the lot size.")
        if lots < item.min_lots:
            raise Refusal(51020, "Your order should meet or exceed the minimum order amount.")
        if lots > (item.max_market_lots if kind == "market" else item.max_lots):
            raise Refusal(*((51202, "Market order amount exceeds the maximum amount.")
                            if kind == "market" else
                            (51005, "Your order amount exceeds the max order amount.")))
        ticks: int | None = 0
        if kind == "limit":
            ticks = to_steps(form.px, item.tick)
            if not ticks:
                raise wrong("px")
        return Order(item, BUY if form.side == "buy" else SELL, kind, tif, ticks or 0, lots,
                     form.clOrdId, form.reduceOnly, form.tag)

    def _amend(self, item: Instrument, form: AmendArgs) -> str:
        """Accept the request; the orders channel tells how it ended (``amendResult``)."""
        order = self.find(form.ordId, form.clOrdId)
        if order is None or order.instrument.name != item.name:
            raise Refusal(*UNKNOWN)
        if not order.is_open:
            raise Refusal(*GONE)
        ticks: int | None = order.ticks
        lots: int | None = order.lots
        if form.newPx:
            ticks = to_steps(form.newPx, item.tick)
        if form.newSz:
            lots = to_steps(form.newSz, item.lot)
        if not ticks or not (form.newPx or form.newSz):
            raise Refusal(51000, "Parameter newPx  error")
        if lots is None or not item.min_lots <= lots <= item.max_lots:
            raise Refusal(51000, "Parameter newSz  error")
        order.amend = (form.reqId, "0", "0", "")
        try:
            self.matcher.amend(order, ticks, lots, self.clock())
        except Reject as reject:
            self._amend_failed(order, form, reject)
        finally:
            order.amend = None
        self.flush_account()
        return order.order_id

    def _amend_failed(self, order: Order, form: AmendArgs, reject: Reject) -> None:
        code, text = {
            "SIZE": ("51000", "Parameter newSz  error"), "POST_CROSSES": POST_CROSSES,
            "PRICE_BAND": ("51006", "Order price is not within the price limit"),
        }.get(reject.reason, ("", ""))
        if not code:
            number, text = REJECTS[reject.reason]
            code = str(number)
        order.amend = (form.reqId, "-1", code, text)
        self._push_order(order, None)
        if form.cxlOnFail:
            self.matcher.cancel(order, "amend", self.clock())

    def _cancel(self, item: Instrument, form: CancelArgs) -> str:
        order = self.find(form.ordId, form.clOrdId)
        if order is None or order.instrument.name != item.name or not order.is_open:
            raise Refusal(*NOT_CANCELLED)
        self.matcher.cancel(order, "user", self.clock())
        self.flush_account()
        return order.order_id

    def cancel_everything(self, reason: str, tag: str = "") -> None:
        """Cancel all that rests, or what carries ``tag``."""
        for resting in self.matcher.resting:
            for order in list(resting.values()):
                if tag in ("", order.tag):
                    self.matcher.cancel(order, reason, self.clock())
        self.flush_account()

    def find(self, order_id: str, client_id: str) -> Order | None:
        if order_id:
            return self.matcher.orders.get(order_id)
        return self.matcher.by_client.get(client_id)

    def price_limits(self, item: Instrument) -> tuple[str, str]:
        mark = self.matcher.mark(item.index)
        top, bottom = mark * (1 + BAND) // item.tick, mark * (1 - BAND) // item.tick
        return plain(item.px(int(top))), plain(item.px(int(bottom) + 1))

    # -- pushes ----------------------------------------------------------------------------------

    def _push_order(self, order: Order, fill: Fill | None) -> None:
        mark = self.matcher.mark(order.instrument.index)
        row = frames.push_order(order, fill, mark)
        self._push_channel("orders", order.instrument.name, {}, row)

    def _push_channel(self, channel: str, name: str, middle: dict[str, Any], row: Any) -> None:
        for conn in self.connections.values():
            arg = conn.topics.get(channel)
            if arg is not None and arg.get("instId", "") in ("", name):
                frame = encode({"arg": self.arg_of(arg), **middle, "data": [row]})
                self._pushes.append((conn, frame))
                conn.heard_ns = self.clock()

    def order_accepted(self, order: Order) -> None:
        self._push_order(order, None)

    def order_amended(self, order: Order) -> None:
        self._push_order(order, None)

    def order_filled(self, order: Order, fill: Fill) -> None:
        self.last_fill[order.order_id] = fill
        if len(self.last_fill) > FILLS_KEPT_MAX:
            del self.last_fill[next(iter(self.last_fill))]
        self._push_order(order, fill)
        self.touch(order.instrument.index)

    def order_matched(self, order: Order) -> None:
        """Each fill is a push of its own here."""

    def order_ended(self, order: Order) -> None:
        self._push_order(order, None)

    def on_funding(self, item: Instrument, rate: Decimal, flow: Decimal, wall_ns: int) -> None:
        """Shows in the position's ``fundingFee``, in the account and its bills; is no order."""
        held, number = self.matcher.positions[item.index], len(self.funding_bills)
        self.funding_bills.append(
            frames.funding_bill(held, flow, self.matcher, number, self.now_ms()))

    def on_liquidation(self, indexes: list[int]) -> None:
        """Shows in the orders that close the positions: their ``category``."""

    def push_account(self, indexes: list[int]) -> None:
        now = self.now_ms()
        event = {"eventType": "event_update"}
        for index in indexes:
            held = self.matcher.positions[index]
            if held.fill_id:
                row = frames.position(held, self.matcher, now, rest=False)
                self._push_channel("positions", held.instrument.name, event, row)
        if any("account" in conn.topics for conn in self.connections.values()):
            row = frames.account(self.matcher, now, rest=False)
            self._push_channel("account", "", event, row)

    def arg_of(self, arg: dict[str, str]) -> dict[str, str]:
        keep = {key: value for key, value in arg.items() if key != "extraParams"}
        return {**keep, "uid": frames.UID}
