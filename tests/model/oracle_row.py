"""One row's market in exact decimals, as one side of the wire has it. Part of backtest_oracle."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

D = Decimal
QUOTE, LEVEL, FUNDING, GAP = 1, 2, 3, 4
LAST, SNAPSHOT = 1, 2
ZERO = D(0)


def exact(value: Any) -> Decimal | None:
    """Return a float as the decimal it was written as; None for NaN."""
    number = float(value)
    return None if number != number else D(repr(number))


@dataclass
class Row:
    """One row's market, as one side of the wire has it."""

    quote: list[tuple[Decimal | None, Decimal]] | None = None  # [bid, ask], each (px, qty)
    quote_number: int = 0
    book: list[dict[Decimal, Decimal]] | None = None
    book_number: int = 0
    newest: int = 0  # kind of the last that spoke
    lost: bool = False

    def book_speaks(self) -> bool:
        if self.book is None or self.quote is None:
            return self.book is not None
        if self.quote_number and self.book_number:
            return self.book_number > self.quote_number
        return self.newest == LEVEL

    def top(self, side: int) -> tuple[Decimal | None, Decimal]:
        if self.book_speaks():
            assert self.book is not None
            best = (max, min)[side](self.book[side], default=None)
            return (None, ZERO) if best is None else (best, self.book[side][best])
        return self.quote[side] if self.quote is not None else (None, ZERO)

    def take(self, record: Any) -> None:
        kind, flags = int(record["kind"]), int(record["flags"])
        pairs = [(exact(record[f"{n}_px"]), exact(record[f"{n}_qty"])) for n in ("bid", "ask")]
        if kind == GAP:
            self.quote, self.book, self.lost = None, None, True
        elif kind == QUOTE:
            self.quote = [(px, qty or ZERO) for px, qty in pairs]
            self.quote_number, self.newest, self.lost = int(record["number"]), QUOTE, False
        elif kind == LEVEL:
            if flags & SNAPSHOT:
                self.book = [{}, {}]
            for side, (px, qty) in enumerate(pairs):
                if self.book is not None and px is not None:
                    self.book[side].pop(px, None)
                    if qty:
                        self.book[side][px] = qty
            if flags & LAST and self.book is not None:
                self.book_number, self.newest, self.lost = int(record["number"]), LEVEL, False
