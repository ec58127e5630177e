"""An order's states, each a class: what may happen to it next is what its class has methods for.

::

  Intended -> Sent -> Acknowledged -> PartlyFilled ------> Filled
     |         |           |              |                Cancelled   (the venue's count is known)
     |         +-----------+--------------+--------------> Ended       (over; the count is not)
     |         |           |              |                Rejected    (only where nothing filled)
     |         v           v              v
     |        Unknown <----+      PartlyUnknown            asked for, never sent again
     +-> Rejected                 (they end like Sent and PartlyFilled)

Quantity is conserved in each of them: what was ordered is filled, cancelled or open. What a venue
says becomes a transition in `arbitrage.trading.order_news`.
"""

from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from arbitrage.core.messages import Order
from arbitrage.trading.typestate import State

__all__ = [
    "Acknowledged",
    "AnyLive",
    "AnyOrder",
    "Cancelled",
    "Ended",
    "Facts",
    "Filled",
    "Intended",
    "Live",
    "OrderState",
    "Over",
    "PartlyFilled",
    "PartlyUnknown",
    "Rejected",
    "Sent",
    "Unknown",
]


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What is known of an order whatever its state; it never becomes less.

    Attributes
    ----------
    order : Order
        The intent.
    filled_lots : int
        The larger of the fills summed and the venue's own count.
    priced_lots : int
        The fills summed: their prices are known.
    cum_lots, last_cum_lots : int
        The largest count that a fill stated, and the last one; -1: none.
    code : int
        The venue's code of a rejection.
    is_acknowledged : bool
        Whether the venue accepted it for processing.
    """

    order: Order
    filled_lots: int = 0
    priced_lots: int = 0
    cum_lots: int = 0
    last_cum_lots: int = -1
    code: int = 0
    is_acknowledged: bool = False

    @property
    def is_full(self) -> bool:
        """Whether all of it filled."""
        return self.filled_lots >= self.order.qty_lots


@dataclass(frozen=True, slots=True)
class OrderState(State):
    """What every state of an order tells."""

    facts: Facts

    @property
    def client_id(self) -> int:
        """The order's id, at both venues."""
        return self.facts.order.client_id

    @property
    def is_over(self) -> bool:
        """Whether nothing can fill any more."""
        return isinstance(self, Over)

    @property
    def open_lots(self) -> int:
        """Lots that may still fill."""
        return 0 if self.is_over else self.facts.order.qty_lots - self.facts.filled_lots

    @property
    def cancelled_lots(self) -> int:
        """Lots that will never fill."""
        return self.facts.order.qty_lots - self.facts.filled_lots if self.is_over else 0


@dataclass(frozen=True, slots=True)
class Over(OrderState):
    """Nothing is open."""


@dataclass(frozen=True, slots=True)
class Live(OrderState):
    """Something of it may be open at the venue."""

    def filled(self, facts: Facts) -> "Filled":
        """All of it filled."""
        self._leave()
        return Filled(facts)

    def cancelled(self, facts: Facts) -> "Cancelled":
        """The venue ended it and said how much had filled."""
        self._leave()
        return Cancelled(facts)

    def ended(self) -> "Ended":
        """The venue ended it and did not say how much had filled."""
        self._leave()
        return Ended(self.facts)


@dataclass(frozen=True, slots=True)
class Intended(OrderState):
    """Written down; not known to have left."""

    def sent(self) -> "Sent":
        """It left, or a later word proves that it did."""
        self._leave()
        return Sent(self.facts)

    def rejected(self, code: int) -> "Rejected":
        """It never left, or was refused."""
        self._leave()
        return Rejected(replace(self.facts, code=code))


@dataclass(frozen=True, slots=True)
class Sent(Live):
    """Handed to the socket; the venue has said nothing."""

    def acknowledged(self) -> "Acknowledged":
        """The venue accepted it for processing."""
        self._leave()
        return Acknowledged(replace(self.facts, is_acknowledged=True))

    def part_filled(self, facts: Facts) -> "PartlyFilled":
        """Some of it filled."""
        self._leave()
        return PartlyFilled(facts)

    def rejected(self, code: int) -> "Rejected":
        """The venue refused it."""
        self._leave()
        return Rejected(replace(self.facts, code=code))

    def timed_out(self) -> "Unknown":
        """No answer came in time: the venue is asked."""
        self._leave()
        return Unknown(self.facts)


@dataclass(frozen=True, slots=True)
class Acknowledged(Live):
    """Accepted for processing; nothing is known of fills."""

    def part_filled(self, facts: Facts) -> "PartlyFilled":
        """Some of it filled."""
        self._leave()
        return PartlyFilled(facts)

    def rejected(self, code: int) -> "Rejected":
        """The venue refused it after all."""
        self._leave()
        return Rejected(replace(self.facts, code=code))

    def timed_out(self) -> "Unknown":
        """Its end was not told in time: the venue is asked."""
        self._leave()
        return Unknown(self.facts)


@dataclass(frozen=True, slots=True)
class PartlyFilled(Live):
    """Some of it filled; the rest may still."""

    def part_filled(self, facts: Facts) -> "PartlyFilled":
        """More of it filled, or the price of what had."""
        self._leave()
        return PartlyFilled(facts)

    def timed_out(self) -> "PartlyUnknown":
        """Its end was not told in time: the venue is asked."""
        self._leave()
        return PartlyUnknown(self.facts)


@dataclass(frozen=True, slots=True)
class Unknown(Live):
    """Nobody knows what became of it: being asked for, never sent again."""

    def acknowledged(self) -> "Acknowledged":
        """The venue's word came late."""
        self._leave()
        return Acknowledged(replace(self.facts, is_acknowledged=True))

    def part_filled(self, facts: Facts) -> "PartlyUnknown":
        """Some of it filled; of the rest nobody knows."""
        self._leave()
        return PartlyUnknown(facts)

    def rejected(self, code: int) -> "Rejected":
        """The venue refused it, or never saw it."""
        self._leave()
        return Rejected(replace(self.facts, code=code))


@dataclass(frozen=True, slots=True)
class PartlyUnknown(Live):
    """Some of it filled, and nobody knows what became of the rest."""

    def part_filled(self, facts: Facts) -> "PartlyUnknown":
        """More of it filled, or the price of what had."""
        self._leave()
        return PartlyUnknown(facts)


@dataclass(frozen=True, slots=True)
class Filled(Over):
    """All of it filled."""

    def priced(self, facts: Facts) -> "Filled":
        """A fill behind the count came: its price is known now."""
        self._leave()
        return Filled(facts)


@dataclass(frozen=True, slots=True)
class Cancelled(Over):
    """Over, and the venue's count of what filled is final."""

    def priced(self, facts: Facts) -> "Cancelled":
        """A fill behind the count came: its price is known now."""
        self._leave()
        return Cancelled(facts)


@dataclass(frozen=True, slots=True)
class Ended(Over):
    """Over; how much filled was not said, so a late fill still counts."""

    def late_fill(self, facts: Facts) -> "Ended":
        """A fill came after the end."""
        self._leave()
        return Ended(facts)

    def filled(self, facts: Facts) -> "Filled":
        """Late fills or a count make it whole."""
        self._leave()
        return Filled(facts)

    def cancelled(self, facts: Facts) -> "Cancelled":
        """The venue's count came at last."""
        self._leave()
        return Cancelled(facts)


@dataclass(frozen=True, slots=True)
class Rejected(Over):
    """Refused: nothing filled. `facts.code` says why."""


AnyOrder = (
    Intended
    | Sent
    | Acknowledged
    | PartlyFilled
    | Unknown
    | PartlyUnknown
    | Filled
    | Cancelled
    | Ended
    | Rejected
)
AnyLive = Sent | Acknowledged | PartlyFilled | Unknown | PartlyUnknown
