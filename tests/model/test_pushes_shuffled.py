"""The pushes of a real schedule, shuffled and repeated: the same account in the end."""

import asyncio
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lost_orders import KEYS, PARTS, ClockLoop, Desk

from arbitrage.instruments import Instrument
from arbitrage.venues.base import Fill, TradedSymbol
from arbitrage.venues.executions import ExecutionTracker

VENUES = ["bybit", "okx"]
FILL, DONE = 3, 4


class Story(NamedTuple):
    """What a venue pushed while orders were sent, and its own account of them."""

    instrument: Instrument
    pushes: list[bytes]
    filled: dict[int, int]
    held: int
    equity: Decimal


@cache
def story_of(venue: str) -> Story:
    """Let a venue tell of a dozen orders: whole fills, parts, nothing, and what reduces."""

    async def main() -> Story:
        desk = Desk(venue, 12)
        await desk.open()
        pushes: list[bytes] = []
        take = desk.private.on_message

        def noted(payload: bytes, recv_mono_ns: int) -> None:
            if b'"data":' in payload:
                pushes.append(payload)
            take(payload, recv_mono_ns)

        desk.private.on_message = noted
        sent = []
        for number in range(12):
            slip = Decimal("-0.004") if number % 5 == 3 else Decimal("0.003")
            side = int(number % 3 == 2)
            sent.append(desk.send(side, 15 + number, slip, reduces=number % 4 == 3 and side == 1))
            await asyncio.sleep(0.8)
        await asyncio.sleep(6.0)  # the account's regular repeats as well
        matcher = desk.venue.exchange.matcher
        orders = {client_id: matcher.by_client.get(str(client_id)) for client_id in sent}
        wallet = desk.private.account.wallet
        assert wallet is not None
        story = Story(
            desk.instrument,
            pushes,
            {key: order.filled_lots for key, order in orders.items() if order is not None},
            matcher.positions[0].lots,
            wallet.equity,
        )
        await desk.close()
        return story

    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        return runner.run(main())


class Reader:
    """A private feed without a line, and what it made of what it was given."""

    def __init__(self, venue: str, instrument: Instrument) -> None:
        rest_class, _, private_class = PARTS[venue]
        self.records: list[tuple[Any, ...]] = []
        self.fills: list[Fill] = []
        self.settled: list[int] = []
        items = [TradedSymbol(row=0, instrument=instrument)]
        tracker = ExecutionTracker(0, venue, items, self, self.fills.append, self.settled.append)
        self.feed = private_class(
            "ws://127.0.0.1:1", KEYS, rest_class("http://127.0.0.1:1", KEYS), tracker
        )
        self.feed.account.begin([])

    def publish(self, *record: Any) -> bool:
        self.records.append(record)
        return True


def check(reader: Reader, story: Story) -> None:
    for client_id, filled in story.filled.items():
        records = [record for record in reader.records if record[0] == client_id]
        assert [record[1] for record in records][-1] == DONE, "the end comes last"
        assert [record[1] for record in records].count(DONE) == 1
        assert sum(record[6] for record in records if record[1] == FILL) == filled
        assert records[-1][7] == filled
    assert sorted(reader.settled) == sorted(story.filled)
    assert len({fill.trade_id for fill in reader.fills}) == len(reader.fills)
    theirs, ours = reader.feed.account.holds(story.instrument.venue_symbol)
    assert ours == theirs == story.instrument.base_qty(1) * story.held
    assert reader.feed.account.wallet.equity == story.equity


@pytest.mark.parametrize("venue", VENUES)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), repeats=st.floats(0.0, 2.0), is_whole=st.booleans())
def test_any_order_and_repetition_of_a_venues_pushes(
    venue: str, seed: int, repeats: float, is_whole: bool
) -> None:
    story, rng = story_of(venue), Random(seed)
    pushes = story.pushes + rng.choices(story.pushes, k=int(repeats * len(story.pushes)))
    if is_whole:
        rng.shuffle(pushes)
    else:  # late by a few places, as a venue's own would be
        pushes.sort(key=lambda push: story.pushes.index(push) + rng.uniform(0, 6))

    async def main() -> None:
        reader = Reader(venue, story.instrument)
        for push in pushes:
            reader.feed.on_message(push, 7)
        check(reader, story)

    asyncio.run(main())


@pytest.mark.parametrize("venue", VENUES)
def test_the_story_is_worth_telling(venue: str) -> None:
    story = story_of(venue)
    assert len(story.pushes) > 30
    assert len(story.filled) >= 9
    assert 0 in story.filled.values()
    assert story.held != 0
