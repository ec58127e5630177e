"""Trade recorded frames in virtual time: the trader's own detector, strategies and paper gateway.

The recording's clock is the only clock: every run over the same files with the same settings makes
the same orders. Frames go through the live feed path, continuity rules and funding included.
A user's strategy runs in this process, by the same host as beside a trader.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from arbitrage.config import Settings
from arbitrage.core.feed import FeedLane
from arbitrage.core.frames import parse_frame
from arbitrage.core.intents import IntentDoor
from arbitrage.core.journal import Journal
from arbitrage.core.messages import PAIR_KINDS, PairEvent
from arbitrage.core.strategy import EVENTS, EXIT_REASONS
from arbitrage.errors import ArbitrageError, ConfigError, FramesError
from arbitrage.fills import Fill
from arbitrage.instruments import VENUES, Instrument, canonical_symbol, common_lot
from arbitrage.research.frames import read_frames
from arbitrage.runtime.startup import Market
from arbitrage.runtime.wiring import Core, build_core, make_segment
from arbitrage.trading.ledger import Ledger
from arbitrage.trading.paper import PaperGateway
from arbitrage.trading.strategy import MarketView
from arbitrage.trading.strategy_host import (
    BUILT_IN,
    OVER,
    StrategyHost,
    describe,
    load_strategy,
)
from arbitrage.venues.bybit.market_feed import BybitMarketFeed
from arbitrage.venues.okx.market_feed import OkxMarketFeed
from arbitrage.venues.public_feed import PublicFeed

__all__ = ["common_symbols", "replay_market", "replay_trade"]

JOURNAL_RECORDS = 1 << 16
TEND_FRAMES = 4096
STEP_NS = 1_000_000  # between frames, while orders are on their way
SETTLE_NS = 10_000_000_000  # after the last frame: time to close what is open
LOOK_FRAMES = 20_000
_SLOW = (b'"tickers.', b'"funding-rate"')
_Result = TypeVar("_Result")
Frames = Iterator[tuple[int, int, bytes]]  # recv_ns, venue, frame


def common_symbols(bybit: Path, okx: Path) -> tuple[str, ...]:
    """Return the symbols that quotes near the beginning of both files are of."""
    found: list[dict[str, None]] = []
    for venue, path in zip(VENUES, (bybit, okx), strict=True):
        names: dict[str, None] = {}
        for _, frame in islice(read_frames(path), LOOK_FRAMES):
            try:
                names[canonical_symbol(venue, parse_frame(venue, frame).symbol)] = None
            except (ValueError, ConfigError):
                continue
        found.append(names)
    both = tuple(symbol for symbol in found[0] if symbol in found[1])
    if not both:
        raise FramesError(f"no symbol has quotes in both {bybit} and {okx}")
    return both


def replay_market(
    settings: Settings, contracts: Iterable[Instrument], symbols: Iterable[str]
) -> Market:
    """Return what the venues would have said of these symbols; ConfigError names one missing."""
    listed: dict[str, dict[str, Instrument]] = {venue: {} for venue in VENUES}
    for item in contracts:
        listed[item.venue][item.symbol] = item
    chosen = tuple(symbols)
    for symbol in chosen:
        for venue in VENUES:
            if symbol not in listed[venue]:
                raise ConfigError(
                    f"no contract of {symbol} at {venue} is known; write a list with "
                    "`arb instruments --json FILE` and give it by --instruments"
                )
    fees = {venue: settings.fees.taker_bps(venue) for venue in VENUES}
    return Market(
        chosen,
        {venue: {symbol: listed[venue][symbol] for symbol in chosen} for venue in VENUES},
        {venue: dict.fromkeys(chosen, fees[venue]) for venue in VENUES},
        {symbol: common_lot(*(listed[venue][symbol] for venue in VENUES)) for symbol in chosen},
    )


def _frames(paths: tuple[Path, Path]) -> Frames:
    def of(venue: int) -> Frames:
        newest = 0
        for recv_ns, frame in read_frames(paths[venue]):
            newest = max(newest, recv_ns)  # a line that runs backwards keeps its place
            yield newest, venue, frame

    return merge(of(0), of(1), key=lambda item: item[:2])


class _Replay:
    """One run: the compiled half of a trader on a clock that stands where it is told."""

    def __init__(self, settings: Settings, market: Market, folder: Path) -> None:
        self.journal = Journal.create(folder / "replay-0.journal", JOURNAL_RECORDS, run=1)
        self.journal.wall_offset_ns = 0  # the files' clock is taken for the UTC epoch
        self._folder = folder
        self.segment = make_segment(settings, 1, 1)
        self.core: Core = build_core(
            settings, market, self.segment, self.journal, wall_minus_mono_ns=0
        )
        self.ledger = Ledger(x for found in market.instruments.values() for x in found.values())
        self.lane = FeedLane(self.segment, 0)
        # never connected: they read the frames that are not quotes
        self.feeds: list[PublicFeed] = [
            feed("", index, self.lane, self.core.market_symbols[VENUES[index]])
            for index, feed in enumerate((BybitMarketFeed, OkxMarketFeed))
        ]
        self.gateway = PaperGateway(
            self.segment.store,
            [self.segment.orders(venue) for venue in range(len(VENUES))],
            [self.core.stages.publisher(venue) for venue in range(len(VENUES))],
            {i.row: i.instrument for i in chain.from_iterable(self.core.traded_symbols.values())},
            on_fill=self._take_fill,
        )
        self._symbols = market.symbols
        self.events = self.segment.pair_events.reader(from_oldest=True)
        self.pairs: list[dict[str, Any]] = []
        self.fills = 0
        self.now_ns = 0
        self.hosts = self._make_hosts(settings, market)
        self.core.strategy.release()

    def _make_hosts(self, settings: Settings, market: Market) -> list[StrategyHost]:
        hosts = []
        names = [name for name in settings.strategies if name not in BUILT_IN]
        for tag, name in enumerate(names, 1):
            door = IntentDoor.private(tag)
            self.core.strategy.attach_door(door)
            view = MarketView(self.segment.store, market.symbols)
            host = StrategyHost(
                load_strategy(name), view, door, self.segment.opportunities,
                self.segment.pair_events, self.segment.notices,
                clock=lambda: self.now_ns, wall_offset_ns=lambda: 0,
            )  # fmt: skip
            hosts.append(host)
        return hosts

    def _take_fill(self, fill: Fill) -> None:
        self.fills += 1
        self.ledger.apply_fill(fill)

    def at(self, now_ns: int) -> None:
        """Bring everything to this moment."""
        self.now_ns = now_ns
        self.segment.clock.stand(now_ns)
        worked = 1
        while worked:
            worked = self.core.stages.turn(now_ns) + self.gateway.poll(now_ns)
            worked += sum(self._told(host.poll) for host in self.hosts)
        for payload in self.events.drain():
            self._note(PairEvent.unpack(payload))

    def _told(self, tell: Callable[[], _Result]) -> _Result:
        """Call a user's code; what it raises is one line with its place."""
        try:
            return tell()
        except ArbitrageError:
            raise
        except Exception as error:
            text = f"strategy raised {describe(error)}; the replay ended there"
            raise ArbitrageError(text) from error

    def begin(self, now_ns: int) -> None:
        """The first moment."""
        self.at(now_ns)
        for host in self.hosts:
            self._told(host.start)

    def travel(self, until_ns: int) -> None:
        """Let orders under way arrive on their own time, before the next frame."""
        while self.gateway.waiting and self.now_ns + STEP_NS < until_ns:
            self.at(self.now_ns + STEP_NS)

    def take(self, venue: int, frame: bytes, recv_ns: int) -> None:
        """One frame, as the live feed takes it."""
        self.lane.on_frame(venue, frame, recv_ns)
        if any(mark in frame for mark in _SLOW):
            self.feeds[venue].on_message(frame, recv_ns)
        self.at(recv_ns)

    def finish(self) -> None:
        """Close every pair at the last quotes, in time that goes on without frames."""
        self.segment.steer(opening_off=True, flatten=True)
        end_ns = self.now_ns + SETTLE_NS
        while self.core.strategy.live_pairs and self.now_ns < end_ns:
            self.at(self.now_ns + STEP_NS)
        for host in self.hosts:
            self._told(host.stop)

    def tend(self) -> None:
        """Make room in the journal."""
        self.journal.tend(lambda part: self._folder / f"replay-{part}.journal")

    def _note(self, event: PairEvent) -> None:
        kind = EVENTS[event.event]
        if kind not in OVER or kind == "missed":
            return
        self.pairs.append({
            "pair": event.pair,
            "symbol": self._symbols[event.symbol_index],
            "kind": PAIR_KINDS[event.kind],
            "tag": event.tag,
            "opened_ns": event.opened_mono_ns,
            "closed_ns": event.mono_ns,
            "end": kind,
            "reason": EXIT_REASONS[event.reason],
            "base_qty": event.base_qty,
            "gross_bps": event.gross_bps,
            "fees_bps": event.fees_bps,
            "funding_bps": event.funding_bps,
            "pair_bps": event.pair_bps,
        })  # fmt: skip

    def report(self, frame_count: int) -> dict[str, Any]:
        """Return what was done, the same for the same files and settings."""
        counters = self.segment.counters()
        strategy, detector = counters["strategy"], counters["detector"]
        return {
            "frames": frame_count,
            "quotes": detector["quotes"],
            "opportunities": detector["opened"],
            "orders": strategy["orders"],
            "fills": self.fills,
            "pairs": {
                name: strategy[f"pairs_{name}"]
                for name in ("opened", "closed", "unwound", "missed", "funding", "intent")
            },
            "intents": {"taken": strategy["intents"], "refused": strategy["intents_refused"]},
            "ledger": {name: str(value) for name, value in self.ledger.totals().items()},
            "open_legs": self.ledger.open_legs,
            "by_pair": self.pairs,
        }


def replay_trade(settings: Settings, market: Market, bybit: Path, okx: Path) -> dict[str, Any]:
    """Trade two recordings from the first frame to the last, then close; return the report.

    Parameters
    ----------
    settings : Settings
        Thresholds, limits and strategies; threads and hosts do not matter here.
    market : Market
        See :func:`replay_market`.
    bybit, okx : Path
        Files of ``recv_ns TAB frame`` lines; `recv_ns` is taken for the UTC epoch.
    """
    frame_count = 0
    with TemporaryDirectory(prefix=f"arb-replay-{os.getpid()}-") as folder:
        run = _Replay(settings, market, Path(folder))
        try:
            for recv_ns, venue, frame in _frames((bybit, okx)):
                if frame_count == 0:
                    run.begin(recv_ns)
                run.travel(recv_ns)
                run.take(venue, frame, recv_ns)
                frame_count += 1
                if frame_count % TEND_FRAMES == 0:
                    run.tend()
            run.finish()
            return run.report(frame_count)
        finally:
            run.segment.close()
            run.journal.close()
