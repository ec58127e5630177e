"""What a panel is made of, whatever draws it: columns, cells and rows."""

from dataclasses import dataclass

__all__ = ["TONES", "UNKNOWN", "Cell", "Column", "Facts", "Row", "fullness", "number", "signed",
           "words"]  # fmt: skip

TONES = ("plain", "good", "bad", "warn", "dim", "strong")
NEAR, FULL = 0.75, 0.9  # how full a queue, a limit or an allowance is when it is told in colour
UNKNOWN = float("nan")
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Column:
    """How one column looks.

    Attributes
    ----------
    width : int
        Places; a column that grows has at least so many.
    rank : int
        Where there is no room for all, the columns of the highest rank leave first; 0 never.
    grows : bool
        It takes what the others leave.
    keeps_end : bool
        What is too long loses its beginning.
    """

    title: str
    width: int
    is_right: bool = False
    rank: int = 0
    grows: bool = False
    keeps_end: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One value: its text, its tone and what it is sorted by (the text, where it is None)."""

    text: str
    tone: str = "plain"
    value: float | str | None = None

    @property
    def order(self) -> tuple[bool, float, str]:
        """What to sort by: numbers before words, by size."""
        if isinstance(self.value, int | float):
            return (self.value != self.value, float(self.value), "")
        return (True, 0.0, (self.value or self.text).lower())


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a key that lasts, its cells, the symbol it is about, all that is known of it."""

    key: str
    cells: tuple[Cell, ...]
    symbol: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    is_dim: bool = False

    @property
    def words(self) -> str:
        """Return what a filter looks at."""
        return " ".join([self.symbol, *(cell.text for cell in self.cells)]).lower()


def number(value: float | None, text: str, tone: str = "plain") -> Cell:
    """A number as it is shown, sorted by its value; what is not known comes last."""
    return Cell(text, tone, UNKNOWN if value is None else value)


def signed(value: float | None, text: str) -> Cell:
    """A gain or a loss."""
    tone = "plain" if value is None or abs(value) < 0.005 else "good" if value > 0 else "bad"
    return number(value, text, tone)


def fullness(fraction: float | None) -> str:
    """Return the tone of something that is so full, 0 to 1."""
    if fraction is None or fraction < NEAR:
        return "plain"
    return "bad" if fraction >= FULL else "warn"


def words(name: str) -> str:
    """Return a name of the code as words."""
    return name.lower().replace("_", " ")
