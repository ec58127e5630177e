"""OKX order entry: `op: order` with `instIdCode` on a private socket.

Source: OKX API guide v5, "WS / Place order" (July 2026), and its changelog of 2026-03-26: the
integer `instIdCode` replaces `instId` in WebSocket orders.
"""

from msgspec import structs

from arbitrage.errors import ConfigError, ConnectorError, WireError
from arbitrage.venues.base import TradedSymbol, client_id_of
from arbitrage.venues.okx import limits, wire
from arbitrage.venues.okx.rest import NO_INSTRUMENT, OkxRest
from arbitrage.venues.okx.session import PONG, OkxSession
from arbitrage.venues.order_line import (
    CLIENT_ID,
    EXPIRY_MS,
    PX,
    QTY,
    OrderLine,
    OrderTexts,
)


def order_text(inst_id_code: int, side: int, reduce_only: bool) -> bytes:
    """Return the marked frame of a limit-IOC order in net mode, cross margin.

    `expTime` makes the venue drop an order that reaches it late.
    """
    reduce = ',"reduceOnly":true' if reduce_only else ""
    return (
        f'{{"id":"{CLIENT_ID}","op":"order","args":[{{"instIdCode":{inst_id_code},'
        f'"tdMode":"cross","side":"{("buy", "sell")[side]}","ordType":"ioc","px":"{PX}",'
        f'"sz":"{QTY}","clOrdId":"{CLIENT_ID}"{reduce}}}],'
        f'"expTime":"{EXPIRY_MS}"}}'
    ).encode()


def cancel_text(inst_id_code: int) -> bytes:
    """Return the marked frame of a cancel; its request id differs from the order's."""
    return (
        f'{{"id":"c{CLIENT_ID}","op":"cancel-order","args":[{{"instIdCode":{inst_id_code},'
        f'"clOrdId":"{CLIENT_ID}"}}]}}'
    ).encode()


class OkxOrderGateway(OrderLine, OkxSession):
    """The order connection of an OKX account: a private socket that subscribes nothing."""

    rest: OkxRest
    order_limits = limits.ORDERS

    def order_texts(self, item: TradedSymbol) -> OrderTexts:
        """Return the marked texts of one symbol."""
        code = item.instrument.inst_id_code
        if code is None:
            raise ConfigError(
                f"okx: {item.instrument.venue_symbol} has no instIdCode, which its orders need; "
                "remove the symbol from ARB_SYMBOLS"
            )
        return (
            order_text(code, 0, False),
            order_text(code, 1, False),
            order_text(code, 0, True),
            order_text(code, 1, True),
            cancel_text(code),
        )

    def on_message(self, payload: bytes, recv_mono_ns: int) -> None:
        """Take an order's answer or a reply to login and ping."""
        if payload == PONG:
            return
        message = wire.message(payload)
        if message.event:
            self.take_event(message)
        elif message.op == "order":
            self._on_answer(message, recv_mono_ns)
        elif message.op == "cancel-order":
            self._on_answer(message, recv_mono_ns, is_cancel=True)

    def _on_answer(
        self, message: wire.Message, recv_mono_ns: int, *, is_cancel: bool = False
    ) -> None:
        rows = (
            wire.decode(wire.order_results, message.data, "order reply") if message.data else []
        )
        code, said = message.code, message.msg
        if rows and rows[0].sCode:
            code, said = rows[0].sCode, rows[0].sMsg
        # errors of the request itself have no rows: the id is ours then
        client_id = rows[0].clOrdId if rows and rows[0].clOrdId else message.id
        if is_cancel:
            self.cancel_answered(client_id.removeprefix("c"), code, said)
        else:
            self.answered(client_id, code, said, recv_mono_ns)

    def answered(
        self, client_id_text: str, code: int | str, said: str, recv_mono_ns: int
    ) -> None:
        """Take the answer to one order; a code that the socket does not know is looked up again."""
        row = None
        if str(code) == NO_INSTRUMENT and not self._over_rest:
            client_id = client_id_of(client_id_text)
            row = next((at for id_, at, _ in self.sender.unsettled() if id_ == client_id), None)
        super().answered(client_id_text, code, said, recv_mono_ns)
        if row is not None:
            self.spawn(self._look_up_code(self._symbols[row]))

    async def _look_up_code(self, item: TradedSymbol) -> None:
        """Load the contract's code anew; when it is what we sent, the socket is not to be trusted.

        Codes differ between production and demo, and the demo's socket is known to refuse valid
        ones while REST takes the order by name.
        """
        name = item.instrument.venue_symbol
        try:
            listed = await self.rest.instrument(name)
        except (ConnectorError, WireError) as error:
            self._log.error("okx: the code of %s could not be loaded: %s", name, error)
            return
        if listed is None or listed.inst_id_code is None:
            self._log.error("okx: %s is not listed with a code: its orders are refused", name)
        elif listed.inst_id_code != item.instrument.inst_id_code:
            self._log.warning(
                "okx: the code of %s went from %s to %d; orders carry the new one from now on",
                name, item.instrument.inst_id_code, listed.inst_id_code,
            )
            changed = structs.replace(item.instrument, inst_id_code=listed.inst_id_code)
            self.set_texts(TradedSymbol(row=item.row, instrument=changed))
        elif not self._over_rest:
            self._log.error(
                "okx: the order socket refuses %s by its right code %d; orders go over REST from "
                "now on", name, listed.inst_id_code,
            )
            self.send_over_rest()
