"""Cancelling goes on until a venue says that nothing is open, and is not told so too early."""

import asyncio
import logging
from collections.abc import Sequence
from decimal import Decimal

import pytest

from arbitrage.errors import ConnectorError
from arbitrage.venues import canceller
from arbitrage.venues.base import BUY, OrderReport
from arbitrage.venues.canceller import Canceller


class Venue:
    """Answers with what the script says, then with nothing open."""

    venue = "okx"

    def __init__(self, *answers: list[str] | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.cancelled: list[str] = []

    async def open_orders(self, venue_symbol: str | None = None) -> list[OrderReport]:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        return [
            OrderReport(
                venue_symbol=name, client_id=0, order_id=f"{name}-1", side=BUY,
                cum_qty_venue=Decimal(0), is_terminal=False, state="live",
            )
            for name in answer
        ]  # fmt: skip

    async def cancel_orders(self, orders: Sequence[OrderReport]) -> None:
        self.cancelled += [order.order_id for order in orders]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canceller, "AGAIN_S", 0.001)
    monkeypatch.setattr(canceller, "AGAIN_S_MAX", 0.001)


def run(venue: Venue, under_way: list[int]) -> Canceller:
    """`under_way`: what each look finds, the last for good."""
    made = Canceller(
        venue, ["A", "B"], lambda: under_way.pop(0) if len(under_way) > 1 else under_way[0]
    )
    asyncio.run(asyncio.wait_for(made.run(), 5.0))
    return made


def test_nothing_open_is_confirmed_by_one_question() -> None:
    venue = Venue()
    made = run(venue, [0])
    assert (made.is_confirmed, made.state, venue.asked) == (True, "nothing open", 1)


def test_what_rests_is_cancelled_and_asked_for_again_others_are_left_alone() -> None:
    venue = Venue(["A", "OTHER"], ["A", "B"], ["OTHER"])
    made = run(venue, [0])
    assert venue.cancelled == ["A-1", "A-1", "B-1"]
    assert (made.cancelled_count, venue.asked) == (3, 3)


def test_an_empty_answer_counts_only_when_nothing_was_under_way_before_the_question() -> None:
    venue = Venue()
    run(venue, [2, 1, 0])
    assert venue.asked == 3


def test_a_venue_that_does_not_answer_is_asked_again_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(canceller, "SAY_AFTER_S", 0.0)
    venue = Venue(*[ConnectorError("no answer", venue="okx")] * 5)
    with caplog.at_level(logging.ERROR):
        made = run(venue, [0])
    assert made.is_confirmed
    assert [text for text in caplog.messages if "okx: no answer" in text] == caplog.messages
    assert len(caplog.messages) == 1
