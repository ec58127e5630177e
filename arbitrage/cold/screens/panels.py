"""The panels: in which order, with which columns, and what they show of a deck."""

from collections.abc import Callable

from arbitrage.cold.deck import Deck
from arbitrage.cold.screens.book_rows import (
    INCIDENTS,
    LIMITS,
    MONEY,
    PAIRS,
    incident_row,
    limit_row,
    money_row,
    pair_row,
    rate_row,
    refusal_rows,
)
from arbitrage.cold.screens.cells import Column, Row
from arbitrage.cold.screens.market_rows import (
    OPPORTUNITIES,
    QUEUES,
    STAGES,
    VENUES,
    Trends,
    opportunity_row,
    queue_row,
    stage_row,
    venue_row,
)

__all__ = ["PANELS", "Panel", "rows_of"]


class Panel:
    """One panel: its place in the order of the number keys, its columns, its lines."""

    def __init__(
        self,
        name: str,
        title: str,
        columns: tuple[Column, ...],
        nothing: str,
        rows: Callable[[Deck, Trends], list[Row]],
        *,
        is_of_board: bool = False,
    ) -> None:
        self.name, self.title, self.columns, self.nothing = name, title, columns, nothing
        self.rows = rows
        self.is_of_board = is_of_board  # written by the trader's main thread, with an age


PANELS = (
    Panel("opportunities", "Opportunities", OPPORTUNITIES, "no opportunity yet",
          lambda deck, _: [opportunity_row(line, deck.paused) for line in deck.opportunities]),
    Panel("pairs", "Pairs", PAIRS, "no pair is open",
          lambda deck, _: [pair_row(line, deck.wall_ns) for line in deck.pairs], is_of_board=True),
    Panel("venues", "Venues", VENUES, "no venue yet",
          lambda deck, _: [venue_row(line) for line in deck.venues]),
    Panel("latency", "Latency", STAGES, "nothing measured yet",
          lambda deck, trends: [stage_row(line, trends) for line in deck.latency]),
    Panel("queues", "Queues", QUEUES, "no queue",
          lambda deck, _: [queue_row(line) for line in deck.queues]),
    Panel("money", "PnL", MONEY, "no account yet",
          lambda deck, _: [money_row(line) for line in deck.money], is_of_board=True),
    Panel("limits", "Limits", LIMITS, "no limit told yet",
          lambda deck, _: [*map(limit_row, deck.limits), *map(rate_row, deck.rates),
                           *refusal_rows(deck.refusals)], is_of_board=True),
    Panel("incidents", "Incidents", INCIDENTS, "nothing went wrong",
          lambda deck, _: [incident_row(line) for line in reversed(deck.incidents)],
          is_of_board=True),
)  # fmt: skip


def rows_of(panel: Panel, deck: Deck, trends: Trends, *, is_old: bool) -> list[Row]:
    """Return a panel's lines; none of a trader that is gone, dim ones when they are old."""
    if not deck.alive:
        return []
    rows = panel.rows(deck, trends)
    if not is_old:
        return rows
    return [Row(row.key, row.cells, row.symbol, row.facts, is_dim=True) for row in rows]
