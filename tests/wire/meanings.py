"""What the connector that would receive a frame makes of it, as a few lines of text.

A kind names a frame of a venue, such as `ws_trade_order_create_ack`; its beginning says where the
frame arrives. The files in `told/` hold frames of every kind and, under each, its meaning.
"""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from quiet_line import QuietDesk

from arbitrage.config import Credentials
from arbitrage.core.book import Book
from arbitrage.core.frames import TopOfBook, parse_frame
from arbitrage.errors import ConnectorError
from arbitrage.secret import Secret
from arbitrage.venues.base import MarketSymbol
from arbitrage.venues.bybit.market_feed import BybitMarketFeed
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.okx.market_feed import OkxMarketFeed
from arbitrage.venues.okx.rest import OkxRest

FOLDER = Path(__file__).parent / "told"
KEYS = Credentials(key=Secret("the-key"), secret=Secret("hidden"), passphrase=Secret("phrase"))
URL = "ws://127.0.0.1:1"
NAMES = {"bybit": ("BTCUSDT", "ETHUSDT"), "okx": ("BTC-USDT-SWAP", "ETH-USDT-SWAP")}
OURS = 1234567890123456789
# Where a kind arrives; the first pattern that fits counts.
QUOTE = re.compile(r"ws_(orderbook1|bbo_tbt)")
BOOK = re.compile(r"ws_(orderbook50|books)")
LINE = re.compile(r"ws_(trade|order|cancel|amend|batch)_")
PRIVATE = re.compile(
    r"ws_(private|auth|login|orders|positions|account|balance|fills|channel|"
    r"pong_private|subscribe_ack_(private|no_id)|subscribe_error_(bad|not))"
)


def told(name: str) -> Iterator[tuple[str, list[bytes], list[str]]]:
    """Read (kind, frames, meaning) from a file of `told/`."""
    for block in (FOLDER / name).read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if lines:
            said = [line.removeprefix("-> ") for line in lines[1:] if line.startswith("-> ")]
            yield lines[0], [line.encode() for line in lines[1 : len(lines) - len(said)]], said


def meaning(venue: str, kind: str, frames: list[bytes]) -> list[str]:
    """Give the frames to their receiver, one after the other; return what came of them."""
    if kind.startswith("rest_"):
        return asyncio.run(_rest(venue, kind, *frames))
    if QUOTE.match(kind):
        return _quotes(venue, frames)
    if BOOK.match(kind) or "checksum" in kind:
        return _book(venue, kind, frames)
    if kind.startswith("stream_"):
        return _stream(venue, frames)
    return asyncio.run(_socket(venue, kind, frames))


def number(value: float) -> str:
    """Write a number shortly, exact all the same."""
    return repr(int(value)) if value == int(value) else repr(float(value))


def _top(best: tuple[float, ...]) -> str:
    bid_px, bid_qty, ask_px, ask_qty = ("-" if x != x else number(x) for x in best)
    return f"bid {bid_qty} @ {bid_px} ask {ask_qty} @ {ask_px}"


def _quotes(venue: str, frames: list[bytes]) -> list[str]:
    top, said = TopOfBook(venue), []
    for frame in frames:
        try:
            quote = parse_frame(venue, frame)
        except ValueError as error:
            return [f"no quote: {error}"]
        seen = (quote.bid_px, quote.bid_qty, quote.ask_px, quote.ask_qty)
        at_ms = quote.exch_wall_ns // 10**6
        said.append(f"{quote.kind} {quote.symbol} {_top(seen)}")
        said.append(f"seq {quote.seq} u {quote.update_id} at {at_ms}: {top.apply(frame)}")
    held = (top.bid_px, top.bid_qty, top.ask_px, top.ask_qty)
    return [*said, f"held {_top(held)} seq {top.seq}"]


def _book(venue: str, kind: str, frames: list[bytes]) -> list[str]:
    channel = "books5" if kind.startswith("ws_books5") else ""
    checksum = "legacy" in kind
    named = re.search(rb'"(?:s|instId)":"([^"]+)"', frames[0])
    assert named is not None
    book = Book(venue, named[1].decode(), channel=channel, legacy_checksum=checksum)
    said = []
    for frame in frames:
        said.append(book.apply(frame))
        if checksum and book.live:
            said[-1] += f", checksum {book.checksum}"
    if not book.live:
        return [*said, f"holds {sum(book.depth)} levels"]
    bids, asks = (
        [f"{number(qty)} @ {number(px)}" for px, qty in side] for side in (book.bids(), book.asks())
    )
    return [
        *said,
        f"bids {', '.join(bids)}",
        f"asks {', '.join(asks)}",
        f"seq {book.seq} u {book.update_id}",
    ]


def _stream(venue: str, frames: list[bytes]) -> list[str]:
    """Give every frame of a public stream to the top and to the book, as a lane does."""
    symbol = NAMES[venue][0]
    top, book, said = TopOfBook(venue), Book(venue, symbol), []
    for frame in frames:
        try:
            said.append(f"top {top.apply(frame)}, book {book.apply(frame)}")
        except ValueError:
            said.append(f"no quote, book {book.apply(frame)}")
        best = (top.bid_px, top.bid_qty, top.ask_px, top.ask_qty)
        if book.live and book.seq == top.seq:
            said[-1] += ", the same" if book.best == best else ", they differ"
    return said


# ---- sockets ---------------------------------------------------------------------------------


class Lane:
    """What a market feed tells the detector, noted down."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    def push_state(self, row: int, state: int, *_: int) -> None:
        self.events.append(f"row {row} state {state}")

    def push_funding(self, row: int, rate: float, interval_h: float, at_ns: int, *_: int) -> None:
        at_ms = at_ns // 10**6
        self.events.append(f"funding of row {row}: {rate} each {interval_h:g} h, next {at_ms}")


async def _socket(venue: str, kind: str, frames: list[bytes]) -> list[str]:
    events: list[str] = []
    receiver: Any
    if LINE.match(kind) or kind == "ws_pong_trade":
        receiver = QuietDesk(venue, KEYS, events).line
    elif PRIVATE.match(kind):
        receiver = QuietDesk(venue, KEYS, events).private
    else:
        receiver = _market(venue, events)
    receiver.fail = lambda error: events.append(f"fails: {_shown(error)}")
    receiver.drop = receiver.move = lambda: events.append("reconnects")
    if LINE.match(kind) or PRIVATE.match(kind):
        receiver._login = asyncio.get_running_loop().create_future()
        if "login" not in kind and "auth" not in kind:
            receiver._login.set_result(None)
    for frame in frames:
        receiver.on_message(frame, 5)
    await asyncio.sleep(0)
    login = getattr(receiver, "_login", None)
    if login is not None and login.done() and ("login" in kind or "auth" in kind):
        error = login.exception()
        events.append(f"login refused: {_shown(error)}" if error else "logged in")
    return events or ["nothing"]


def _market(venue: str, events: list[str]) -> Any:
    make: Any = {"bybit": BybitMarketFeed, "okx": OkxMarketFeed}[venue]
    names = [*NAMES[venue], "LTC-USDT-SWAP" if venue == "okx" else "LTCUSDT"]
    symbols = [MarketSymbol(row, name, "X") for row, name in enumerate(names)]
    return make(URL, 0, Lane(events), symbols, listener_factory=lambda *_: None)


def _shown(error: BaseException) -> str:
    """What the venue said and which code it was; what to do about it is ours to reword."""
    said, code = str(error).split("; ")[0], ""
    if isinstance(error, ConnectorError):
        code = f" (code {error.code})" if error.code and "(code" not in said else ""
        code += ", terminal" if error.is_terminal else ""
    return said + code


# ---- REST ------------------------------------------------------------------------------------

ASKED: dict[str, tuple[str, str]] = {
    # kind: (question, symbol)
    "rest_account_info": ("account_info", ""),
    "rest_execution_list": ("executions", ""),
    "rest_fee_rate": ("fee_rate", "ETHUSDT"),
    "rest_fills": ("executions", ""),
    "rest_funding_rate": ("funding_intervals", ""),
    "rest_order_realtime": ("order_by_client_id", "ETHUSDT"),
    "rest_order_details": ("order_by_client_id", "BTC-USDT"),
    "rest_order_cancel_ok": ("cancel_order", "BTCUSDT"),
    "rest_cancel_order_ok": ("cancel_order", "BTC-USDT-SWAP"),
    "rest_error_110001": ("cancel_order", "BTCUSDT"),
    "rest_error_51603": ("order_by_client_id", "BTC-USDT-SWAP"),
    "rest_position_list": ("positions", ""),
    "rest_account_positions": ("positions", ""),
    "rest_server_time": ("server_time_ms", ""),
    "rest_time": ("server_time_ms", ""),
    "rest_wallet_balance": ("wallet", ""),
    "rest_account_balance": ("wallet", ""),
    "rest_instruments": ("instruments", ""),
    "rest_account_config": ("check_account", "BTC-USDT-SWAP"),
    "rest_order_create_ok": ("place_order", "BTCUSDT"),
    "rest_place_order": ("place_order", "BTC-USDT-SWAP"),
    "rest_error": ("place_order", "BTCUSDT"),
}
# The venues' status where it is not 200.
STATUS = {"rest_error_50001": 503, "rest_error_50011": 429, "rest_error_501": 401}

NO_MORE = b'{"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[]},"time":1}'


async def _rest(venue: str, kind: str, frame: bytes) -> list[str]:
    status = next((STATUS[name] for name in STATUS if kind.startswith(name)), 200)
    asked: list[str] = []

    async def answer(
        method: str, path: str, headers: Any, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        asked.append(f"{method} {path.partition('?')[0]}")
        if "cursor=" in path:
            return 200, {}, NO_MORE
        return status, {}, frame

    make: Any = {"bybit": BybitRest, "okx": OkxRest}[venue]
    async with make("http://127.0.0.1:1", KEYS, transport=answer) as client:
        names = [name for name in ASKED if kind.startswith(name)]
        question, symbol = ASKED[max(names, key=len)] if names else ("request", "")
        try:
            found = await _ask(client, question, symbol)
        except ConnectorError as error:
            action = client.codes.action(error.code).value
            return [f"{asked[0]} refused, {action}: {_shown(error)}"]
    return [f"{asked[0]} says", *_lines(found)]


async def _ask(client: Any, question: str, symbol: str) -> Any:
    if question == "order_by_client_id":
        return await client.order_by_client_id(OURS, symbol)
    if question == "cancel_order":
        return await client.cancel_order(symbol, OURS)
    if question == "place_order":
        return await client.place_order(symbol, OURS, 0, "84093.5", "1")
    if question == "account_info":
        from arbitrage.venues.bybit import wire

        return await client._get("/v5/account/info", wire.account_info, is_signed=True)
    if question == "request":
        return await _envelope(client)
    return await getattr(client, question)(*([symbol] if symbol else []))


async def _envelope(client: Any) -> Any:
    """Read an answer to a question that no connector asks: its envelope says yes."""
    decoder = msgspec.json.Decoder(list[Any] if client.venue == "okx" else dict[str, Any])
    return f"yes, {len(await client._get('/unasked', decoder))} entries"


def _lines(found: Any) -> list[str]:
    if isinstance(found, list):
        return [_line(item) for item in found] or ["nothing"]
    return [_line(found)]


# Fields that are asserted; a class may have more.
SHOWN = {
    "Position": "venue venue_symbol qty_venue entry_px unrealised_pnl",
    "Wallet": "equity available cash",
    "ExecutionReport": "venue_symbol client_id trade_id side px qty_venue fee wall_ms",
    "OrderReport": "venue_symbol client_id order_id side cum_qty_venue is_terminal state",
    "AccountCheck": "position_mode margin_mode key",
    "Instrument": (
        "venue venue_symbol symbol base settle contract_base_qty tick lot min_qty max_qty "
        "min_notional px_mult inst_id_code state funding_interval_h"
    ),
}


def _line(item: Any) -> str:
    shown = SHOWN.get(type(item).__name__)
    if shown is not None:
        values = {name: getattr(item, name) for name in shown.split()}
    elif not hasattr(item, "__struct_fields__"):
        fields = getattr(item, "__dataclass_fields__", None)
        if fields is None:
            return str(item)
        values = {name: getattr(item, name) for name in fields}
    else:
        values = {name: getattr(item, name) for name in item.__struct_fields__}
    return " ".join(f"{name}={value}" for name, value in values.items())
