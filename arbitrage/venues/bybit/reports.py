"""What Bybit's rows say, in our own terms: exact, signed, in the venue's units."""

from decimal import Decimal

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
from arbitrage.venues.bybit import wire


def execution_report(row: wire.Execution) -> ExecutionReport:
    """Make an execution exact; Bybit's fee is already positive when paid."""
    return ExecutionReport(
        venue_symbol=row.symbol,
        client_id=client_id_of(row.orderLinkId),
        trade_id=row.execId,
        side=side_of(row.side),
        px=decimal_of(row.execPrice),
        qty_venue=decimal_of(row.execQty),
        fee=decimal_of(row.execFee),
        wall_ms=wall_ms_of(row.execTime),
        by_venue=row.execType in wire.VENUE_EXEC_TYPES,
    )


def funding_report(row: wire.Execution) -> FundingReport:
    """Make a settlement exact; it comes as an execution whose fee is what was paid."""
    return FundingReport(
        venue_symbol=row.symbol,
        payment_id=row.execId,
        amount=decimal_of(row.execFee),
        wall_ms=wall_ms_of(row.execTime),
    )


def order_report(row: wire.Order) -> OrderReport:
    """Make an order's state exact."""
    return OrderReport(
        venue_symbol=row.symbol,
        client_id=client_id_of(row.orderLinkId),
        order_id=row.orderId,
        side=side_of(row.side),
        cum_qty_venue=decimal_of(row.cumExecQty),
        is_terminal=row.orderStatus in wire.TERMINAL_STATES,
        state=row.orderStatus,
    )


def position_of(row: wire.PositionRow) -> Position:
    """Sign a position by its side."""
    size = decimal_of(row.size)
    return Position(
        venue="bybit",
        venue_symbol=row.symbol,
        qty_venue=-size if row.side == "Sell" else size,
        entry_px=decimal_of(row.avgPrice or row.entryPrice),
        unrealised_pnl=decimal_of(row.unrealisedPnl),
        version=max(0, row.seq),
    )


def instrument_of(row: wire.InstrumentRow) -> Instrument:
    """Read a contract."""
    coin, _ = canonical_base(row.baseCoin)
    return Instrument(
        venue="bybit",
        venue_symbol=row.symbol,
        symbol=coin + row.settleCoin,
        base=coin,
        settle=row.settleCoin,
        contract_base_qty=Decimal(1),
        tick=decimal_of(row.priceFilter.tickSize),
        lot=decimal_of(row.lotSizeFilter.qtyStep),
        min_qty=decimal_of(row.lotSizeFilter.minOrderQty),
        max_qty=decimal_of(row.lotSizeFilter.maxOrderQty),
        min_notional=decimal_of(row.lotSizeFilter.minNotionalValue),
        px_mult=default_px_mult(row.baseCoin),
        state="live" if row.status == "Trading" else row.status.lower(),
        funding_interval_h=row.fundingInterval / 60,
    )
