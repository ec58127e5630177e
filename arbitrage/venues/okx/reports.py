"""What OKX's rows say, in our own terms: exact, signed, in the venue's units."""

from arbitrage.instruments import Instrument, canonical_base, default_px_mult
from arbitrage.venues.base import (
    ExecutionReport,
    FundingReport,
    OrderReport,
    Position,
    client_id_of,
    decimal_of,
    side_of,
    wall_ms_of,
)
from arbitrage.venues.okx import wire


def fill_report(row: wire.FillRow) -> ExecutionReport:
    """Make a fill exact; OKX writes a charge as a negative fee, we as a positive one."""
    return ExecutionReport(
        venue_symbol=row.instId,
        client_id=client_id_of(row.clOrdId),
        trade_id=row.tradeId,
        side=side_of(row.side),
        px=decimal_of(row.fillPx),
        qty_venue=decimal_of(row.fillSz),
        fee=-decimal_of(row.fee),
        wall_ms=wall_ms_of(row.fillTime or row.ts),
        by_venue=row.subType in wire.VENUE_SUB_TYPES,
    )


def funding_report(row: wire.Bill) -> FundingReport:
    """Make a settlement exact; OKX writes what we paid negative."""
    return FundingReport(
        venue_symbol=row.instId,
        payment_id=row.billId,
        amount=-decimal_of(row.pnl or row.balChg),
        wall_ms=wall_ms_of(row.ts),
    )


def order_report(row: wire.Order) -> OrderReport:
    """Make an order's state exact."""
    return OrderReport(
        venue_symbol=row.instId,
        client_id=client_id_of(row.clOrdId),
        order_id=row.ordId,
        side=side_of(row.side),
        cum_qty_venue=decimal_of(row.accFillSz),
        is_terminal=row.state in wire.TERMINAL_STATES,
        state=row.state,
    )


def position_of(row: wire.PositionRow) -> Position:
    """Read a net-mode position; its sign is already in `pos`."""
    return Position(
        venue="okx",
        venue_symbol=row.instId,
        qty_venue=decimal_of(row.pos),
        entry_px=decimal_of(row.avgPx),
        unrealised_pnl=decimal_of(row.upl),
        version=wall_ms_of(row.uTime),
    )


def instrument_of(row: wire.InstrumentRow) -> Instrument:
    """Read a contract."""
    listed = (row.instFamily or row.uly or row.instId).partition("-")[0]
    coin, _ = canonical_base(listed)
    return Instrument(
        venue="okx",
        venue_symbol=row.instId,
        symbol=coin + row.settleCcy,
        base=coin,
        settle=row.settleCcy,
        contract_base_qty=decimal_of(row.ctVal) * decimal_of(row.ctMult, "1"),
        tick=decimal_of(row.tickSz),
        lot=decimal_of(row.lotSz),
        min_qty=decimal_of(row.minSz),
        max_qty=decimal_of(row.maxLmtSz),
        px_mult=default_px_mult(listed),
        inst_id_code=row.instIdCode,
        state=row.state,
    )
