"""The board: what only a trader's main thread knows, as its readers in other processes see it.

The trader writes one a few times a second into its segment (`Segment.write_board`); whoever has the
segment attached reads the newest, whole (`Segment.board`), and reads it with `decode_board`.
"""

from typing import Any

import msgspec

__all__ = [
    "Board",
    "IncidentLine",
    "KillLine",
    "LimitLine",
    "MoneyLine",
    "PairLine",
    "RateLine",
    "RejectLine",
    "decode_board",
    "encode_board",
]


class PairLine(msgspec.Struct, kw_only=True):
    """One pair that is not over.

    Attributes
    ----------
    pair : int
        Its number in the run.
    kind : str
        Who opened it, a name of `strategy.PAIR_KINDS`.
    buy_qty, sell_qty : float
        What its legs hold, base coin units, both positive in the pair's own direction.
    entry_bps : float or None
        What it earned by entering, gross; None while that is not known.
    opened_wall_ns : int
        When both legs stood; 0 while they do not.
    unrealised_usd : float or None
        Its whole result were it closed at the present quotes, all fees taken; None without them.
    """

    pair: int
    symbol: str
    kind: str
    phase: str
    buy_venue: str
    sell_venue: str
    buy_qty: float
    sell_qty: float
    entry_bps: float | None = None
    opened_wall_ns: int = 0
    unrealised_usd: float | None = None


class MoneyLine(msgspec.Struct, kw_only=True):
    """One venue's money since the run began; amounts as they changed the equity.

    Attributes
    ----------
    equity_usd, free_usd : float or None
        As the venue said last; None where it was not asked, as in paper trading.
    """

    venue: str
    equity_usd: float | None = None
    free_usd: float | None = None
    realised_usd: float = 0.0
    fees_usd: float = 0.0
    funding_usd: float = 0.0
    unrealised_usd: float | None = None


class LimitLine(msgspec.Struct, kw_only=True):
    """One limit of the risk gate and how much of it is used, in `unit`; None: not measured."""

    name: str
    used: float | None = None
    limit: float
    unit: str


class RateLine(msgspec.Struct, kw_only=True):
    """One of a venue's rate limits: how much of what is allowed in its window is used."""

    venue: str
    what: str
    used: float
    allowed: float


class RejectLine(msgspec.Struct, kw_only=True):
    """Orders that came back refused: by a venue with its code, or here before they left."""

    venue: str
    reason: str
    count: int


class IncidentLine(msgspec.Struct, kw_only=True):
    """One thing that went wrong; `number` counts from 1 in the run and stays with it."""

    number: int
    began_wall_ns: int
    last_wall_ns: int
    kind: str
    venue: str = ""
    symbol: str = ""
    text: str
    ending: str = ""
    is_open: bool = False
    count: int = 1


class KillLine(msgspec.Struct, kw_only=True):
    """The trip of the kill switch that stands; `since_wall_ns` is 0 when nobody knows."""

    reason: str
    by: str
    since_wall_ns: int
    why: str


class Board(msgspec.Struct, kw_only=True):
    """One look of the trader's main thread at its trader.

    Attributes
    ----------
    opening : str
        Empty: new pairs may open; else why not, in words.
    refusals : dict of str to int
        Orders that the risk gate refused, by reason.
    incidents : list of IncidentLine
        Newest last; the oldest that are over are left out where they do not fit.
    paused : dict of str to list of str
        Symbol -> why no pair of it may open.
    state_dir : str
        Folder of the trader's journals.
    is_cut : bool
        Pairs or paused symbols were left out as well: they did not fit.
    """

    version: int = 1
    wall_ns: int
    strategy: str = ""
    opening: str = ""
    killed: KillLine | None = None
    pairs: list[PairLine] = []
    money: list[MoneyLine] = []
    day_result_usd: float = 0.0
    limits: list[LimitLine] = []
    refusals: dict[str, int] = {}
    rejects: list[RejectLine] = []
    rates: list[RateLine] = []
    incidents: list[IncidentLine] = []
    paused: dict[str, list[str]] = {}
    state_dir: str = ""
    is_cut: bool = False


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Board)


def encode_board(board: Board, bytes_max: int) -> bytes:
    """Write a board as JSON of at most `bytes_max` bytes.

    What does not fit is left out: incidents that are over, the oldest first, then those that go on,
    then the longer of pairs and paused symbols, from its end.

    Raises
    ------
    ValueError
        It does not fit without any of them either.
    """
    text = _ENCODER.encode(board)
    told = list(board.incidents)
    while len(text) > bytes_max and told:
        surplus = len(text) - bytes_max
        for line in sorted(told, key=lambda each: (each.is_open, each.number)):
            told.remove(line)
            surplus -= len(_ENCODER.encode(line)) + 1
            if surplus <= 0:
                break
        text = _ENCODER.encode(msgspec.structs.replace(board, incidents=told))
    pairs, paused = list(board.pairs), list(board.paused.items())
    while len(text) > bytes_max and (pairs or paused):
        longer: list[Any] = pairs if len(pairs) >= len(paused) else paused
        del longer[len(longer) // 2 :]
        text = _ENCODER.encode(
            msgspec.structs.replace(
                board, incidents=told, pairs=pairs, paused=dict(paused), is_cut=True
            )
        )
    if len(text) > bytes_max:
        raise ValueError(f"the board has {len(text)} bytes; {bytes_max} fit")
    return text


def decode_board(text: bytes) -> Board:
    """Read what `encode_board` wrote.

    Raises
    ------
    msgspec.MsgspecError
        It is of another version or broken.
    """
    return _DECODER.decode(text)
