"""What the connectors make of the venues' own frames, and of frames that are broken."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import venue_frames as frames

from arbitrage.config import Credentials
from arbitrage.core.kill import KillGate
from arbitrage.errors import ConnectorError, WireError
from arbitrage.instruments import Instrument
from arbitrage.secret import Secret
from arbitrage.venues import base
from arbitrage.venues.base import MarketSymbol, TradedSymbol
from arbitrage.venues.bybit import wire as bybit_wire
from arbitrage.venues.bybit.market_feed import BybitMarketFeed
from arbitrage.venues.bybit.order_gateway import BybitOrderGateway
from arbitrage.venues.bybit.private_feed import BybitPrivateFeed
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.okx import wire as okx_wire
from arbitrage.venues.okx.market_feed import OkxMarketFeed
from arbitrage.venues.okx.order_gateway import OkxOrderGateway
from arbitrage.venues.okx.private_feed import OkxPrivateFeed
from arbitrage.venues.okx.rest import OkxRest

OURS = 1234567890123456789
KEYS = Credentials(key=Secret("k"), secret=Secret("s"), passphrase=Secret("p"))
SENT, ACK, REJECT, FILL, DONE, TIMEOUT = range(6)
URL = "ws://127.0.0.1:1"


def instrument(venue: str) -> Instrument:
    return Instrument(
        venue=venue,
        venue_symbol="BTCUSDT" if venue == "bybit" else "BTC-USDT-SWAP",
        symbol="BTCUSDT",
        base="BTC",
        settle="USDT",
        contract_base_qty=Decimal(1) if venue == "bybit" else Decimal("0.01"),
        tick=Decimal("0.1"),
        lot=Decimal("0.001") if venue == "bybit" else Decimal("0.01"),
        min_qty=Decimal("0.001"),
        max_qty=Decimal(0),
        inst_id_code=None if venue == "bybit" else 10459,
    )


class Sender:
    """The compiled sender's calls, noted down."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.kill_gate = KillGate()

    def add_instrument(self, *_: Any) -> None: ...

    def limit_rate(self, *_: Any) -> None: ...

    def set_fallback(self, *_: Any, **__: Any) -> None: ...

    def acknowledge(self, *args: Any) -> bool:
        self.calls.append(("ack", *args))
        return True

    def reject(self, *args: Any) -> bool:
        self.calls.append(("reject", *args))
        return True

    def doubt(self, *args: Any) -> None:
        self.calls.append(("doubt", *args))

    def settle(self, client_id: int) -> bool:
        return True

    def was_acknowledged(self, client_id: int) -> bool:
        return False


class Desk:
    """Both private-side connectors of a venue with nothing behind them."""

    def __init__(self, venue: str) -> None:
        self.published: list[tuple[Any, ...]] = []
        self.fills: list[base.Fill] = []
        self.positions: list[base.Position] = []
        self.wallets: list[base.Wallet] = []
        self.funding: list[base.FundingPayment] = []
        self.sender = Sender()
        symbol = TradedSymbol(row=1, instrument=instrument(venue))
        tracker = ExecutionTracker(
            0, venue, [symbol], self, self.fills.append, self.sender.settle
        )
        rest, private, line = {
            "bybit": (BybitRest, BybitPrivateFeed, BybitOrderGateway),
            "okx": (OkxRest, OkxPrivateFeed, OkxOrderGateway),
        }[venue]
        client = rest("http://127.0.0.1:1", KEYS)
        self.private = private(
            URL,
            KEYS,
            client,
            tracker,
            on_position=self.positions.append,
            on_wallet=self.wallets.append,
            on_funding=self.funding.append,
        )
        sender: Any = self.sender
        self.line = line(URL, KEYS, client, sender, tracker, [symbol])

    def publish(self, *record: Any) -> bool:
        self.published.append(record)
        return True

    def take(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.private.on_message(payload, 77)

    def kinds(self) -> list[tuple[int, int]]:
        return [(record[0], record[1]) for record in self.published]


# ---- private pushes ----------------------------------------------------------------------------


def test_bybit_two_executions_in_one_frame() -> None:
    desk = Desk("bybit")
    desk.take(frames.BYBIT_EXECUTIONS, frames.BYBIT_EXECUTIONS)
    assert desk.kinds() == [(OURS, FILL), (OURS, FILL)]
    assert [fill.qty_base for fill in desk.fills] == [Decimal("0.001"), Decimal("0.005")]
    assert [fill.fee for fill in desk.fills] == [Decimal("0.016806"), Decimal("0.08403")]
    assert desk.fills[0].side == base.SELL
    assert desk.fills[0].wall_ms == 1790409770902
    assert desk.published[0][8] == pytest.approx(2.0)


def test_bybit_ioc_remainder_is_an_end_with_its_filled_part() -> None:
    async def main() -> None:
        desk = Desk("bybit")
        desk.private.tracker.execution(
            base.ExecutionReport(
                venue_symbol="BTCUSDT", client_id=OURS, trade_id="x", side=0, px=Decimal(84017),
                qty_venue=Decimal("0.021"), fee=Decimal(1), wall_ms=1,
            ),
            1,
        )
        desk.take(frames.BYBIT_IOC_PARTIAL, frames.BYBIT_IOC_PARTIAL)
        assert desk.kinds() == [(OURS, FILL), (OURS, DONE)]
        assert desk.published[-1][7] == 21

    asyncio.run(main())


def test_bybit_funding_position_and_wallet() -> None:
    desk = Desk("bybit")
    desk.take(frames.BYBIT_FUNDING_PAID, frames.BYBIT_POSITION, frames.BYBIT_WALLET)
    assert desk.fills == []
    assert desk.funding[0].amount == Decimal("0.0457504")
    assert desk.positions[0].qty_venue == Decimal("-0.010")
    assert desk.positions[0].entry_px == Decimal(84030)
    assert desk.wallets[0].equity == Decimal("1000.25")
    assert desk.wallets[0].cash == Decimal("1000.5")


def test_okx_fills_come_once_and_the_end_after_them() -> None:
    desk = Desk("okx")
    desk.take(frames.OKX_PARTIAL, frames.OKX_PARTIAL, frames.OKX_CANCELED, frames.OKX_CANCELED)
    assert desk.kinds() == [(OURS, FILL), (OURS, DONE)]
    (fill,) = desk.fills
    assert fill.fee == Decimal("0.37842075"), "a charge is negative at OKX, positive here"
    assert fill.qty_base == Decimal("0.009")
    assert desk.published[-1][7] == 90


def test_okx_an_end_that_misses_a_fill_is_held_back() -> None:
    async def main() -> None:
        desk = Desk("okx")
        desk.take(frames.OKX_FILLED)
        assert desk.kinds() == [(OURS, FILL)], "1.2 of 2 contracts told: the rest is missing"
        assert desk.private.tracker.missing_lots(OURS) == 80

    asyncio.run(main())


def test_okx_positions_and_accounts() -> None:
    desk = Desk("okx")
    desk.take(
        frames.OKX_POSITIONS,
        frames.OKX_POSITION_CLOSED,
        frames.OKX_ACCOUNT,
        frames.OKX_ACCOUNT_EMPTY,
        frames.OKX_CONN_COUNT,
        b"pong",
    )
    assert [position.qty_venue for position in desk.positions] == [Decimal(-2), Decimal(0)]
    (wallet,) = desk.wallets
    assert wallet.equity == Decimal("4892.951170691435")
    assert wallet.cash == Decimal("4750.426970691436")


def okx_total(total: str, kind: str = "event_update", pos_id: str = "9") -> bytes:
    frame = json.loads(frames.OKX_POSITIONS)
    frame["eventType"] = kind
    frame["data"][0] |= {"fundingFee": total, "posId": pos_id}
    return json.dumps(frame).encode()


def test_okx_reads_the_bills_when_a_positions_total_changes() -> None:
    desk = Desk("okx")
    asked: list[str] = []

    def spawn(work: Any) -> Any:
        asked.append(work.__name__)
        work.close()

    desk.private.spawn = spawn
    desk.take(okx_total("-3", "snapshot"))
    assert asked == [], "what was paid before we came is not ours to tell"
    desk.take(okx_total("-3"))
    assert asked == []
    desk.take(okx_total("-3.5"))
    assert asked == ["_read_until_told"]
    desk.take(okx_total("-3.5"))
    assert len(asked) == 1
    desk.take(okx_total("0", pos_id="10"), okx_total("-1", pos_id="10"))
    assert len(asked) == 2


def bill(number: int, change: str, symbol: str = "BTC-USDT-SWAP") -> dict[str, str]:
    return {"billId": str(number), "type": "8", "subType": "173", "instId": symbol,
            "pnl": change, "balChg": change, "ts": "1798000000000"}  # fmt: skip


def test_okx_bills_that_come_late_are_asked_for_until_they_are_there(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("arbitrage.venues.private_stream.FUNDING_ASK_S", 0.0)
    caplog.set_level("WARNING")

    async def main() -> None:
        desk = Desk("okx")
        other = bill(8, "9", "DOGE-USDT-SWAP")
        answers = [[], [bill(1, "-0.5"), other], [bill(2, "0.3"), bill(1, "-0.5")]]
        asked = 0

        async def answer(*_: Any) -> tuple[int, dict[str, str], bytes]:
            nonlocal asked
            rows = answers[min(asked, 2)]
            asked += 1
            return 200, {}, json.dumps({"code": "0", "msg": "", "data": rows}).encode()

        desk.private.rest._transport = answer
        desk.take(okx_total("-3", "snapshot"), okx_total("-3.5"), okx_total("-3.5"))
        await desk.private._funding_task
        assert [(payment.payment_id, payment.amount) for payment in desk.funding] == [
            ("1", Decimal("0.5"))
        ]
        assert asked == 2
        desk.take(okx_total("-3.2"))
        await desk.private._funding_task
        assert [payment.amount for payment in desk.funding] == [Decimal("0.5"), Decimal("-0.3")]
        assert asked == 3
        desk.take(okx_total("-3.1"))
        await desk.private._funding_task
        assert len(desk.funding) == 2
        assert "no new bill" in caplog.text

    asyncio.run(main())


# ---- answers to orders ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("venue", "frame", "call"),
    [
        ("bybit", frames.BYBIT_ACK, ("ack", OURS, 5)),
        ("bybit", frames.BYBIT_REJECT, ("reject", OURS, 110007, 5)),
        ("bybit", frames.BYBIT_DUPLICATE, ("doubt", OURS, 110072)),
        ("bybit", frames.BYBIT_RESTARTING, ("doubt", OURS, 10019)),
        ("okx", frames.OKX_ACK, ("ack", OURS, 5)),
        ("okx", frames.OKX_REJECT, ("reject", OURS, 51008, 5)),
        ("okx", frames.OKX_RATE, ("reject", OURS, 50011, 5)),
        ("okx", frames.OKX_FORMAT, ("reject", OURS, 60013, 5)),
        ("okx", frames.OKX_DUPLICATE, ("doubt", OURS, 51016)),
    ],
)
def test_answers_to_orders(venue: str, frame: bytes, call: tuple[Any, ...]) -> None:
    desk = Desk(venue)
    desk.line.on_message(frame, 5)
    assert desk.sender.calls == [call]


def test_answers_to_requests_of_others_are_ignored() -> None:
    for venue, frame in (("bybit", frames.BYBIT_ACK), ("okx", frames.OKX_ACK)):
        desk = Desk(venue)
        desk.line.on_message(frame.replace(str(OURS).encode(), b"test-005"), 5)
        assert desk.sender.calls == []


# ---- public slow path ----------------------------------------------------------------------------


class Lane:
    def __init__(self) -> None:
        self.funding: list[tuple[Any, ...]] = []

    def push_state(self, row: int, state: int) -> None: ...

    def push_funding(self, *funding: Any) -> None:
        self.funding.append(funding)


def market(venue: str, name: str) -> tuple[Any, Lane, list[ConnectorError]]:
    lane, errors = Lane(), []
    make = {"bybit": BybitMarketFeed, "okx": OkxMarketFeed}[venue]
    feed = make(URL, 0, lane, [MarketSymbol(4, name, "X")], listener_factory=lambda *_: None)
    feed.fail = errors.append  # type: ignore[method-assign]
    return feed, lane, errors


def test_bybit_funding_merges_deltas_into_the_snapshot() -> None:
    feed, lane, _ = market("bybit", "BTCUSDT")
    feed.on_message(frames.BYBIT_TICKER_DELTA, 1)
    assert lane.funding == [], "a delta alone does not name the interval"
    feed.on_message(frames.BYBIT_TICKER, 1)
    feed.on_message(frames.BYBIT_TICKER_BBO, 1)
    feed.on_message(frames.BYBIT_TICKER_DELTA, 1)
    assert lane.funding == [
        (4, 0.0000544, 8.0, 1786550400000 * 10**6),
        (4, 0.0000612, 8.0, 1786579200000 * 10**6),
    ]


def test_okx_interval_is_the_distance_of_two_settlements() -> None:
    feed, lane, _ = market("okx", "LTC-USDT-SWAP")
    feed.on_message(frames.OKX_FUNDING, 1)
    feed.on_message(frames.OKX_FUNDING.replace(b"1765238400000", b"1765224000000"), 1)
    assert lane.funding == [
        (4, 0.0001, 8.0, 1765209600000 * 10**6),
        (4, 0.0001, 4.0, 1765209600000 * 10**6),
    ]


def test_refused_symbols_are_named() -> None:
    feed, _, errors = market("bybit", "NOPEUSDT")
    feed.on_message(frames.BYBIT_UNKNOWN_SYMBOL, 1)
    feed.on_message(frames.BYBIT_ALREADY, 1)
    assert len(errors) == 1
    assert "'NOPEUSDT'" in str(errors[0])
    assert errors[0].is_terminal
    feed, _, errors = market("okx", "NOPE-USDT")
    feed.on_message(frames.OKX_UNKNOWN_SYMBOL, 1)
    assert "'NOPE-USDT'" in str(errors[0])
    assert errors[0].venue == "okx"


def test_a_service_notice_has_the_line_left() -> None:
    feed, _, _ = market("okx", "X")
    left = []
    feed.move = lambda: left.append(1)  # type: ignore[method-assign]
    feed.on_message(frames.OKX_NOTICE, 1)
    assert left == [1]


# ---- frames that are broken ---------------------------------------------------------------------

ALL = {name: frame for name, frame in vars(frames).items() if isinstance(frame, bytes)}


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_truncation_is_refused_and_applies_nothing(name: str) -> None:
    venue = name.partition("_")[0].lower()
    frame = ALL[name]
    desk = Desk(venue)
    takers: list[Callable[[bytes, int], None]] = [desk.private.on_message, desk.line.on_message]
    takers.append(market(venue, "X")[0].on_message)
    for size in range(len(frame)):
        for taker in takers:
            with pytest.raises(WireError, match=f"{venue}: cannot read"):
                taker(frame[:size], 1)
    assert (desk.published, desk.fills, desk.positions, desk.wallets) == ([], [], [], [])
    assert desk.sender.calls == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("execQty", "0.0x"),
        ("execPrice", "NaN"),
        ("execFee", "Infinity"),
        ("execQty", 5),
        ("execTime", "12x"),
    ],
)
def test_a_push_with_a_bad_number_applies_nothing(field: str, value: Any) -> None:
    desk = Desk("bybit")
    frame = json.loads(frames.BYBIT_EXECUTIONS)
    frame["data"][0][field] = value
    with pytest.raises(WireError):
        desk.take(json.dumps(frame).encode())
    assert desk.published == []
    assert desk.fills == []


@pytest.mark.parametrize(
    ("text", "client_id"),
    [
        (str(2**63 - 1), 2**63 - 1),
        ("1", 1),
        (str(2**63), 0),
        ("01", 0),
        ("", 0),
        ("arb-7f3a-000003", 0),
        ("-5", 0),
        ("٣", 0),
        ("9" * 40, 0),
    ],
)
def test_only_our_own_ids_are_ours(text: str, client_id: int) -> None:
    assert base.client_id_of(text) == client_id


def test_wire_errors_show_only_the_beginning() -> None:
    for decode in (bybit_wire.control, okx_wire.message):
        with pytest.raises(WireError) as caught:
            decode(b'{"x":' + b"9" * 10_000)
        assert len(str(caught.value)) < 300
