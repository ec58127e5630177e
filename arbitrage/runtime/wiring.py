"""Wiring: from settings and what the venues said to a segment, detector, strategy and stages."""

from dataclasses import dataclass, field

from arbitrage.config import Settings
from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.journal import Journal
from arbitrage.core.segment import STAGES, Segment
from arbitrage.core.stages import Stages
from arbitrage.core.strategy import SpreadStrategy
from arbitrage.errors import SegmentError
from arbitrage.instruments import VENUES, Instrument
from arbitrage.runtime.startup import Market
from arbitrage.trading.strategy_settings import detector_words, strategy_words
from arbitrage.venues.base import MarketSymbol, TradedSymbol

__all__ = ["Core", "build_core", "make_segment", "strategy_lots"]

TAP_BYTES_OFF = 4096  # of a tap that nobody writes


@dataclass
class Core:
    """The compiled half of a trader, wired and not yet running."""

    segment: Segment
    detector: OpportunityDetector
    strategy: SpreadStrategy
    stages: Stages
    market_symbols: dict[str, list[MarketSymbol]]
    traded_symbols: dict[str, list[TradedSymbol]]
    # row -> signed lots held by pairs that an earlier run had opened
    adopted_lots: dict[int, int] = field(default_factory=dict)


def make_segment(settings: Settings, lane_count: int, run: int) -> Segment:
    """Make the trader's segment; one clear line when the name is taken or there is no room."""
    symbol_capacity = max(8, 1 << (len(settings.symbols) - 1).bit_length())
    try:
        segment = Segment.create(
            settings.name,
            symbol_capacity=min(symbol_capacity, 2047),
            lane_count=lane_count,
            tick_capacity=settings.market_queue_size,
            opportunity_capacity=settings.opportunity_queue_size,
            order_capacity=settings.order_queue_size,
            tap_bytes=max(TAP_BYTES_OFF, settings.tap_mb << 20),
            parking=settings.wait == "adaptive",
            mode=settings.mode,
            run=run,
        )
    except (OSError, ValueError) as error:
        raise SegmentError(str(error)) from None
    for index in range(lane_count):
        segment.tap(index).enable(settings.tap_mb > 0)
    segment.decisions.enable(settings.tap_mb > 0)
    return segment


def describe_market(
    segment: Segment, market: Market
) -> tuple[dict[str, list[MarketSymbol]], dict[str, list[TradedSymbol]]]:
    """Enter symbols and contracts into the segment; return each venue's rows."""
    feeds: dict[str, list[MarketSymbol]] = {venue: [] for venue in VENUES}
    traded: dict[str, list[TradedSymbol]] = {venue: [] for venue in VENUES}
    for symbol in market.symbols:
        names = {venue: market.instruments[venue][symbol].venue_symbol for venue in VENUES}
        index = segment.symbols.add(symbol, names)
        for venue_index, venue in enumerate(VENUES):
            instrument = market.instruments[venue][symbol]
            row = segment.store.row(venue_index, index)
            _describe_row(segment, row, instrument, market.taker_bps[venue][symbol])
            feeds[venue].append(MarketSymbol(row, instrument.venue_symbol, symbol))
            traded[venue].append(TradedSymbol(row, instrument))
    return feeds, traded


def _describe_row(segment: Segment, row: int, instrument: Instrument, taker_bps: float) -> None:
    segment.store.set_instrument(
        row,
        px_mult=float(instrument.px_mult),
        qty_mult=float(instrument.qty_mult),
        px_tick=float(instrument.tick),
        qty_lot=float(instrument.lot),
        min_lots=instrument.min_lots,
        max_lots=instrument.max_lots,
        min_notional=float(instrument.min_notional),
        taker_bps=taker_bps,
    )


def build_core(
    settings: Settings,
    market: Market,
    segment: Segment,
    journal: Journal,
    *,
    wall_minus_mono_ns: int | None = None,
) -> Core:
    """Build detector, strategy and stages over a fresh segment.

    `wall_minus_mono_ns` is the UTC epoch of the clock's zero; None: of this machine's, now.
    """
    feeds, traded = describe_market(segment, market)
    detector = OpportunityDetector(
        segment.store, wall_minus_mono_ns=wall_minus_mono_ns, **detector_words(settings)
    )
    strategy = SpreadStrategy(
        segment.store,
        segment.opportunities,
        segment.executions,
        [segment.orders(venue) for venue in range(len(VENUES))],
        journal,
        strategy_lots(segment, market),
        pair_events=segment.pair_events,
        notices=segment.notices,
        clock=segment.clock,
        seen=segment.histogram(STAGES["seen"]),
        decided=segment.histogram(STAGES["decided"]),
        to_order=segment.histogram(STAGES["opportunity_to_order"]),
        naked=segment.histogram(STAGES["naked_leg"]),
        **strategy_words(settings),
    )
    stages = Stages(
        segment,
        detector,
        strategy,
        placement=settings.placed_stages,
        wait=settings.wait,
        spin_us=settings.spin_us,
        keep_warm=settings.keep_warm,
    )
    return Core(segment, detector, strategy, stages, feeds, traded)


def strategy_lots(segment: Segment, market: Market) -> dict[int, tuple[float, tuple[int, int]]]:
    """Return each symbol's common lot: base units, and lots of each venue in it."""
    return {
        segment.symbols.index(symbol): (float(lot.base_qty), (lot.lots_a, lot.lots_b))
        for symbol, lot in market.lots.items()
    }
