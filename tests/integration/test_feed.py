"""The feed listener on a real WebSocket: quotes become ticks, everything else goes the slow way."""

import asyncio
import json
import os
import time
import uuid
from collections.abc import Iterator

import pytest
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect, ws_create_server

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.feed import FeedLane, FeedListener
from arbitrage.core.memory import ClaimError
from arbitrage.core.segment import Segment
from arbitrage.core.stages import Stages

SYNCING, LIVE = 1, 2


def bybit(bid: str, ask: str, seq: int, symbol: str = "BTCUSDT") -> bytes:
    """Return a Bybit orderbook.1 snapshot."""
    return json.dumps(
        {
            "topic": f"orderbook.1.{symbol}",
            "ts": 1_700_000_000_000 + seq,
            "type": "snapshot",
            "data": {"s": symbol, "b": [[bid, "1.5"]], "a": [[ask, "2.5"]], "u": seq, "seq": seq},
            "cts": 1_700_000_000_000 + seq,
        },
        separators=(",", ":"),
    ).encode()


def okx(bid: str, ask: str, seq: int) -> bytes:
    """Return an OKX bbo-tbt frame."""
    return json.dumps(
        {
            "arg": {"channel": "bbo-tbt", "instId": "BTC-USDT-SWAP"},
            "data": [
                {
                    "asks": [[ask, "10", "0", "1"]],
                    "bids": [[bid, "12", "0", "2"]],
                    "ts": str(1_700_000_000_000 + seq),
                    "seqId": seq,
                }
            ],
        },
        separators=(",", ":"),
    ).encode()


@pytest.fixture
def segment() -> Iterator[Segment]:
    made = Segment.create(f"test-{os.getpid()}-{uuid.uuid4().hex[:8]}", parking=False)
    made.symbols.add("BTCUSDT", {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"})
    for venue in ("bybit", "okx"):
        made.store.set_instrument(made.store.row(venue, 0))
    yield made
    made.close()


@pytest.fixture
def stages(segment: Segment) -> Stages:
    detector = OpportunityDetector(segment.store, min_gross_bps=None, depth_factor=0.0)
    return Stages(segment, detector, placement="inline", wait="spin")


class Sender(WSListener):
    """A server that sends frames as soon as somebody connects."""

    def __init__(self, sends: list[tuple[WSMsgType, bytes, bool]]) -> None:
        self.sends = sends

    def on_ws_connected(self, transport: WSTransport) -> None:
        for kind, payload, fin in self.sends:
            transport.send(kind, payload, fin)
        transport.send_close()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


def receive(lane: FeedLane, venue: int, sends: list[tuple[WSMsgType, bytes, bool]]) -> list[bytes]:
    """Send frames over a loopback socket into a listener; return what took the slow way."""
    slow: list[bytes] = []

    async def main() -> None:
        server = await ws_create_server(lambda _request: Sender(sends), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await ws_connect(
            lambda: FeedListener(lane, venue, slow.append), f"ws://127.0.0.1:{port}/"
        )
        await asyncio.wait_for(transport.wait_disconnected(), 5)
        server.close()

    asyncio.run(main())
    return slow


def texts(*payloads: bytes) -> list[tuple[WSMsgType, bytes, bool]]:
    return [(WSMsgType.TEXT, payload, True) for payload in payloads]


def test_quotes_reach_the_store_and_open_an_opportunity(segment: Segment, stages: Stages) -> None:
    lane = FeedLane(segment, 0)
    lane.attach_loop(None, stages)
    opportunities = segment.opportunities.reader()
    assert receive(lane, 0, texts(bybit("100.0", "100.1", 5))) == []
    assert receive(lane, 1, texts(okx("100.5", "100.6", 9))) == []
    assert segment.store.bid_px[:, 0].tolist() == [100.0, 100.5]
    assert segment.store.ask_qty[:, 0].tolist() == [2.5, 10.0]
    assert segment.store.state[:, 0].tolist() == [LIVE, LIVE]
    assert opportunities.try_pop() is not None
    counters = segment.counters()
    assert counters["feed"]["bybit"]["quotes"] == counters["feed"]["okx"]["quotes"] == 1
    assert counters["feed"]["bybit"]["connects"] == counters["feed"]["bybit"]["disconnects"] == 1
    assert segment.latency.histogram("parsed").count == 2


def test_control_and_other_topics_go_the_slow_way(segment: Segment) -> None:
    lane = FeedLane(segment, 0)
    ack = b'{"success":true,"ret_msg":"","op":"subscribe","conn_id":"x"}'
    ticker = b'{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT"},"ts":1}'
    assert receive(lane, 0, texts(ack, bybit("1", "2", 1), ticker)) == [ack, ticker]
    feed = segment.counters()["feed"]["bybit"]
    assert (feed["frames"], feed["quotes"], feed["control"], feed["other_topics"]) == (3, 1, 1, 1)
    assert receive(lane, 1, texts(b"pong")) == [b"pong"]


@pytest.mark.parametrize(
    "bad",
    [
        bybit("100.0", "100.1", 5)[:-20],
        bybit("1x", "2", 1),
        bybit("-1", "2", 1),
        bybit("3", "2", 1),
        b'{"topic":"orderbook.1.BTCUSDT","type":"snapshot"}',
        b"",
    ],
)
def test_a_malformed_frame_changes_nothing_and_is_counted(
    segment: Segment, stages: Stages, bad: bytes
) -> None:
    lane = FeedLane(segment, 0)
    lane.attach_loop(None, stages)
    lane.on_frame(0, bybit("100.0", "100.1", 5))
    before = repr(segment.store.read_row("bybit", 0))  # by text: NaN equals NaN there
    receive(lane, 0, texts(bad))
    assert repr(segment.store.read_row("bybit", 0)) == before
    feed = segment.counters()["feed"]["bybit"]
    assert feed["frames"] == 2
    assert feed["malformed"] + feed["control"] == 1
    assert sum(feed["by_status"]) == 2


def test_an_unknown_symbol_is_counted(segment: Segment, stages: Stages) -> None:
    lane = FeedLane(segment, 0)
    lane.attach_loop(None, stages)
    receive(lane, 0, texts(bybit("1", "2", 1, symbol="OTHERUSDT")))
    feed = segment.counters()["feed"]["bybit"]
    assert (feed["unknown_symbols"], feed["quotes"]) == (1, 0)


def test_a_fragmented_message_is_joined(segment: Segment, stages: Stages) -> None:
    lane = FeedLane(segment, 0)
    lane.attach_loop(None, stages)
    frame = bybit("100.0", "100.1", 5)
    pieces = [
        (WSMsgType.TEXT, frame[:40], False),
        (WSMsgType.CONTINUATION, frame[40:90], False),
        (WSMsgType.CONTINUATION, frame[90:], True),
    ]
    assert receive(lane, 0, pieces) == []
    assert segment.store.bid_px[0, 0] == 100.0


def test_leaving_live_empties_the_row_and_a_snapshot_brings_it_back(
    segment: Segment, stages: Stages
) -> None:
    lane = FeedLane(segment, 0)
    lane.attach_loop(None, stages)
    lane.on_frame(0, bybit("100.0", "100.1", 5))
    row = segment.store.row("bybit", 0)
    lane.push_state(row, SYNCING)
    assert segment.store.state[0, 0] == SYNCING
    assert segment.store.bid_px[0, 0] != segment.store.bid_px[0, 0]
    # the same sequence again: after a disconnect it is news, not a repeat
    lane.on_frame(0, bybit("100.0", "100.1", 5))
    assert segment.store.state[0, 0] == LIVE
    assert segment.store.bid_px[0, 0] == 100.0


def test_funding_reaches_the_store(segment: Segment, stages: Stages) -> None:
    lane = FeedLane(segment, 0)
    lane.attach_loop(None, stages)
    next_ns = (time.time_ns() // 1_000_000 + 3_600_000) * 1_000_000
    lane.push_funding(segment.store.row("okx", 0), -0.000125, 4.0, next_ns)
    row = segment.store.read_row("okx", 0)
    assert (row.funding_rate, row.funding_interval_h) == (-0.000125, 4.0)
    assert row.funding_next_ns == next_ns


def test_states_and_funding_may_be_told_with_the_time_of_their_cause(
    segment: Segment, stages: Stages
) -> None:
    lane = FeedLane(segment, 0)
    lane.attach_loop(None, stages)
    row = segment.store.row("bybit", 0)
    now_ns = time.monotonic_ns()
    lane.on_frame(0, bybit("100.0", "100.1", 5), recv_mono_ns=now_ns)
    lane.push_state(row, SYNCING, mono_ns=now_ns - 1)
    assert segment.store.state[0, 0] == LIVE, "it was true before the quote"
    lane.push_state(row, SYNCING, mono_ns=now_ns + 1)
    assert segment.store.state[0, 0] == SYNCING
    lane.push_funding(row, 0.0001, 8.0, 1_700_000_000_000_000_000, mono_ns=now_ns)
    assert segment.store.read_row("bybit", 0).funding_rate == 0.0001


def test_a_reader_may_not_feed(segment: Segment) -> None:
    with pytest.raises(ValueError, match="writable=True"):
        FeedLane(Segment.attach(segment.name), 0)
    with pytest.raises(IndexError, match="lane was 1"):
        FeedLane(segment, 1)
    with pytest.raises(IndexError, match="row was 9999"):
        FeedLane(segment, 0).push_state(9999, LIVE)


def test_a_lane_has_one_feed_and_a_segment_one_set_of_stages(
    segment: Segment, stages: Stages
) -> None:
    first = FeedLane(segment, 0)
    with pytest.raises(ClaimError, match="producer"):
        FeedLane(segment, 0)
    del first
    FeedLane(segment, 0)
    with pytest.raises(ClaimError, match="consumer"):
        Stages(segment, OpportunityDetector(segment.store), placement="inline", wait="spin")
