"""The contracts a simulated venue lists: grids, contract values, funding intervals.

Values follow the venues' instrument lists of 2026 where a capture was at hand (BTC, ETH, SOL,
DOGE, PEPE) and are of the right size elsewhere. A trader must read them over REST anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from arbitrage.sim.config import SimError

LIVE, SUSPENDED, DELISTED = STATES = ("live", "suspended", "delisted")


@dataclass(frozen=True, slots=True)
class Instrument:
    """One contract on one venue. Prices are ``ticks * tick``, sizes ``lots * lot``."""

    index: int
    canonical: str
    name: str
    base: str  # base coin as the venue spells it (1000PEPE on Bybit)
    tick: Decimal
    lot: Decimal
    tick_text: str  # the venue's own spelling, 0.10 on Bybit
    px_places: int
    qty_places: int
    min_lots: int
    max_lots: int
    max_market_lots: int
    contract_value: Decimal  # USDT notional = price * size * contract_value
    base_px: float  # where the simulated price path starts, in this venue's quotation
    funding_hours: int
    code: int  # OKX instIdCode, Bybit symbolId
    leverage_max: str
    state: str = LIVE

    @property
    def tick_float(self) -> float:
        return float(self.tick)

    def px(self, ticks: int) -> Decimal:
        return self.tick * ticks

    def qty(self, lots: int) -> Decimal:
        return self.lot * lots

    def qty_text(self, lots: int) -> str:
        return f"{self.lot * lots:.{self.qty_places}f}"

    def px_text(self, ticks: int) -> str:
        return f"{self.tick * ticks:.{self.px_places}f}"

    def with_grid(self, tick: str, lot: str) -> Instrument:
        """The same contract on other grids; the largest sizes stay what they are worth."""
        lot_size = Decimal(lot)
        return replace(
            self, tick=Decimal(tick), tick_text=tick, px_places=_places(tick), lot=lot_size,
            qty_places=_places(lot), max_lots=int(self.qty(self.max_lots) / lot_size),
            max_market_lots=int(self.qty(self.max_market_lots) / lot_size),
        )


# canonical: coin, USD price, Bybit (units a contract coin, tick, lot, max, symbolId, hours),
#            OKX (ctVal, tick, lot, max, instIdCode, hours), leverage
_TABLE: dict[str, tuple[str, float, tuple[int, str, str, str, int, int],
                        tuple[str, str, str, str, int, int], str]] = {
    "BTCUSDT": ("BTC", 84021.3, (1, "0.10", "0.001", "1190.000", 5, 8),
                ("0.01", "0.1", "0.01", "34000", 10459, 8), "100"),
    "ETHUSDT": ("ETH", 2811.4, (1, "0.01", "0.01", "7240.00", 6, 8),
                ("0.1", "0.01", "0.01", "67000", 10461, 8), "100"),
    "SOLUSDT": ("SOL", 182.35, (1, "0.010", "0.1", "79770.0", 41, 8),
                ("1", "0.01", "0.01", "34000", 10530, 8), "50"),
    "XRPUSDT": ("XRP", 2.1874, (1, "0.0001", "0.1", "2000000.0", 21, 8),
                ("100", "0.0001", "0.01", "60000", 10488, 8), "75"),
    "DOGEUSDT": ("DOGE", 0.16423, (1, "0.00001", "1", "13000000", 30, 8),
                 ("1000", "0.00001", "0.01", "40000", 10515, 8), "75"),
    "BNBUSDT": ("BNB", 871.2, (1, "0.10", "0.01", "2500.00", 24, 8),
                ("0.01", "0.1", "1", "200000", 33210, 8), "50"),
    "ADAUSDT": ("ADA", 0.6412, (1, "0.0001", "1", "3900000", 22, 8),
                ("100", "0.0001", "0.1", "80000", 10503, 8), "50"),
    "LINKUSDT": ("LINK", 14.612, (1, "0.001", "0.1", "130000.0", 18, 8),
                 ("1", "0.001", "0.1", "300000", 10478, 8), "50"),
    "AVAXUSDT": ("AVAX", 22.847, (1, "0.001", "0.1", "80000.0", 57, 8),
                 ("1", "0.001", "0.1", "200000", 10549, 8), "50"),
    "LTCUSDT": ("LTC", 88.41, (1, "0.01", "0.1", "18000.0", 15, 8),
                ("1", "0.01", "0.1", "80000", 10467, 8), "50"),
    "SUIUSDT": ("SUI", 2.9137, (1, "0.0001", "10", "1600000", 903, 4),
                ("1", "0.0001", "1", "2500000", 121880, 4), "50"),
    "TONUSDT": ("TON", 2.4451, (1, "0.0001", "0.1", "600000.0", 1290, 4),
                ("1", "0.0001", "1", "600000", 150331, 4), "50"),
    "TRXUSDT": ("TRX", 0.27331, (1, "0.00001", "1", "9000000", 45, 8),
                ("1000", "0.00001", "0.01", "10000", 10541, 8), "50"),
    "PEPEUSDT": ("PEPE", 0.0000085231, (1000, "0.0000001", "100", "50000000", 812, 4),
                 ("10000000", "0.000000001", "0.1", "15000", 120775, 8), "50"),
}
CANONICAL_SYMBOLS = tuple(_TABLE)


def _places(step: str) -> int:
    return len(step.partition(".")[2])


def _make(index: int, canonical: str, venue: str) -> Instrument:
    coin, usd_px, bybit, okx, leverage = _TABLE[canonical]
    if venue == "bybit":
        units, tick, lot, most, code, hours = bybit
        base = coin if units == 1 else f"{units}{coin}"
        name, value, base_px = f"{base}USDT", Decimal(1), usd_px * units
    else:
        ct_val, tick, lot, most, code, hours = okx
        base = coin
        name, value, base_px = f"{coin}-USDT-SWAP", Decimal(ct_val), usd_px
    lot_size = Decimal(lot)
    max_lots = int(Decimal(most) / lot_size)
    return Instrument(
        index=index, canonical=canonical, name=name, base=base, tick=Decimal(tick), lot=lot_size,
        tick_text=tick, px_places=_places(tick), qty_places=_places(lot), min_lots=1,
        max_lots=max_lots, max_market_lots=max_lots if venue == "okx" else max_lots // 2,
        contract_value=value, base_px=base_px, funding_hours=hours, code=code,
        leverage_max=leverage,
    )


def canonical_of(symbol: str) -> str:
    """Canonical name of any spelling (``1000PEPEUSDT``, ``PEPE-USDT-SWAP``, ``btcusdt``)."""
    text = symbol.strip().upper()
    if text.endswith("-USDT-SWAP"):
        text = text[: -len("-USDT-SWAP")] + "USDT"
    if text.startswith("1000"):
        text = text[4:]
    if text not in _TABLE:
        known = ", ".join(CANONICAL_SYMBOLS)
        raise SimError(f"symbol was {symbol!r}, which the simulator does not list; known: {known}")
    return text


# What the lists of other environments say differently: other grids, and other codes on OKX.
_OTHER_GRIDS = {("okx", "demo", "BTCUSDT"): ("0.01", "0.01"),
                ("bybit", "testnet", "ETHUSDT"): ("0.05", "0.01")}
DEMO_CODE_BASE = 2_021_032_601_090_000


def _dressed(item: Instrument, venue: str, environment: str) -> Instrument:
    grid = _OTHER_GRIDS.get((venue, environment, item.canonical))
    if grid is not None:
        item = item.with_grid(*grid)
    if (venue, environment) == ("okx", "demo"):
        item = replace(item, code=DEMO_CODE_BASE + item.code)
    return item


def listed(
    venue: str, symbols: tuple[str, ...], environment: str = "mainnet"
) -> tuple[Instrument, ...]:
    """Contracts of ``venue`` for ``symbols``, in that order, duplicates dropped."""
    names = dict.fromkeys(canonical_of(symbol) for symbol in symbols)
    return tuple(_dressed(_make(index, name, venue), venue, environment)
                 for index, name in enumerate(names))
