"""Decks of a trader that does not run, the same at each call: for screens and their pictures."""

import math

import msgspec

from arbitrage.board import IncidentLine, KillLine, LimitLine, MoneyLine, PairLine, RateLine
from arbitrage.cold.deck import Deck, OpportunityLine, QueueLine, RowLine, StageLine, VenueLine
from arbitrage.cold.metrics.feeds import FeedLine

START_NS = 1_767_225_600_000_000_000  # 2026-01-01 00:00:00 UTC
SECOND_NS = 1_000_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT")
REASONS = ("edge_gone", "not_live", "thin", "too_old")
STAGES = {
    "parsed": "frame in the callback to parsed",
    "detected": "frame in the callback to opportunity published",
    "seen": "frame in the callback to opportunity seen by the strategy",
    "decided": "frame in the callback to order decided",
    "opportunity_to_order": "opportunity published to order decided",
    "sent": "frame in the callback to order frame sent",
    "acknowledged": "order sent to acknowledged by its venue",
}


def _opportunity(number: int, now_ns: int) -> OpportunityLine:
    is_open = number % 8 < 3
    gross = 14.2 + 9.5 * math.sin(number * 1.7)
    fees, slip, funding = 10.5, 0.3 + 0.2 * (number % 5), 0.4 * math.cos(number)
    net = gross - fees - slip + funding
    buys_okx = number % 3 == 0
    opened_ns = now_ns - (number + 1) * 730_000_000 - 100_000_000
    return OpportunityLine(
        id=4000 - number,
        symbol=SYMBOLS[number % len(SYMBOLS)],
        buy_venue="okx" if buys_okx else "bybit",
        sell_venue="bybit" if buys_okx else "okx",
        opened_wall_ns=opened_ns,
        age_ms=(now_ns - opened_ns) / 1e6,
        gross_bps=gross,
        fees_bps=fees,
        slippage_bps=slip,
        funding_bps=funding,
        net_bps=net,
        peak_net_bps=net + 1.1,
        size_usd=1000.0 - 37 * (number % 9),
        state="open" if is_open else "closed",
        reason="" if is_open else REASONS[number % len(REASONS)],
        lasted_ms=None if is_open else 3.4 * 2.6 ** (number % 9),
    )


def _lines() -> list[FeedLine]:
    return [
        FeedLine(line=0, first=4_100_222, copies=922_889, led=900_000, led_ns=270_000_000_000,
                 connects=1, disconnects=0),
        FeedLine(line=1, first=922_889, copies=4_100_222, led=0, led_ns=0, connects=4,
                 disconnects=3),
    ]  # fmt: skip


def _rows() -> list[RowLine]:
    return [
        RowLine(symbol=symbol, state="SYNCING" if symbol == "DOGEUSDT" else "LIVE",
                age_ms=None if symbol == "DOGEUSDT" else 1.9 + 40 * number,
                gaps=2 if symbol == "DOGEUSDT" else 0, cuts=3 - number % 3)
        for number, symbol in enumerate(SYMBOLS)
    ]  # fmt: skip


def _pairs(now_ns: int) -> list[PairLine]:
    return [
        PairLine(
            pair=88, symbol="BTCUSDT", kind="spread", phase="open", buy_venue="bybit",
            sell_venue="okx", buy_qty=0.011, sell_qty=0.011, entry_bps=13.8,
            opened_wall_ns=now_ns - 192 * SECOND_NS, unrealised_usd=0.42,
        ),
        PairLine(
            pair=91, symbol="ETHUSDT", kind="spread", phase="one_leg", buy_venue="okx",
            sell_venue="bybit", buy_qty=0.31, sell_qty=0.0, entry_bps=12.1,
            opened_wall_ns=now_ns - SECOND_NS // 2, unrealised_usd=-0.08,
        ),
    ]  # fmt: skip


def _money() -> list[MoneyLine]:
    return [
        MoneyLine(venue="bybit", equity_usd=25_012.41, free_usd=22_801.10, realised_usd=31.20,
                  fees_usd=-18.79, funding_usd=1.05, unrealised_usd=0.31),
        MoneyLine(venue="okx", equity_usd=24_996.02, free_usd=21_950.77, realised_usd=14.77,
                  fees_usd=-17.70, funding_usd=-0.61, unrealised_usd=0.03),
    ]  # fmt: skip


def _stages(step: int) -> list[StageLine]:
    found = []
    for number, (stage, about) in enumerate(STAGES.items()):
        p50 = int(180 * 2.7**number * (1 + 0.1 * math.sin(step / 3 + number)))
        p99 = int(p50 * (2.2 + math.sin(step / 2 + number) + (step % 17 == number) * 3))
        found.append(
            StageLine(stage=stage, label=f"{about}, last 10 s", count=120_000 * (step + 1),
                      p50_ns=p50, p99_ns=p99, p999_ns=p99 * 3, max_ns=p99 * 11)
        )  # fmt: skip
    return found


def _incidents(now_ns: int) -> list[IncidentLine]:
    lines = [
        (900, "connection", "okx", "", "public line 1 lost: no frame for 10 s", "back", False, 3),
        (420, "order", "bybit", "SOLUSDT", "refused with code 110007, available balance is not "
         "enough", "", False, 1),
        (95, "book", "okx", "DOGEUSDT", "GAP, subscribed again", "LIVE", False, 2),
        (1, "pair", "", "ETHUSDT", "pair 91 stands on one leg", "", True, 1),
    ]  # fmt: skip
    return [
        IncidentLine(
            number=number, began_wall_ns=now_ns - age * SECOND_NS,
            last_wall_ns=now_ns - age * SECOND_NS // 2, kind=kind, venue=venue, symbol=symbol,
            text=text, ending=ending, is_open=is_open, count=count,
        )
        for number, (age, kind, venue, symbol, text, ending, is_open, count) in enumerate(lines, 1)
    ]  # fmt: skip


def _limits() -> list[LimitLine]:
    return [
        LimitLine(name="max_order_usd", used=988.0, limit=1000.0, unit="USD"),
        LimitLine(name="max_position_usd", used=1100.0, limit=2000.0, unit="USD"),
        LimitLine(name="max_gross_usd", used=3210.0, limit=20_000.0, unit="USD"),
        LimitLine(name="max_day_loss_usd", used=12.5, limit=200.0, unit="USD"),
        LimitLine(name="max_symbol_usd", used=None, limit=0.0, unit="USD"),
    ]


def fake_deck(step: int = 0, **changes: object) -> Deck:
    """Return the deck of a trader, `step` seconds after its first; fields can be replaced."""
    now_ns = START_NS + (3_723 + step) * SECOND_NS
    deck = Deck(
        name="arbitrage", wall_ns=now_ns, alive=True, why_not="", mode="paper", strategy="spread",
        run=12, pid=4242, uptime_s=3_723.0 + step, heartbeat_age_s=0.2, board_age_s=0.3,
        venues=[
            VenueLine(venue="bybit", rows_by_state={"LIVE": 6}, frames=8_123_456,
                      frames_per_s=2210.0, malformed=0, age_ms=0.4, gaps=0, reconnects=0,
                      clock_offset_ms=1.2, rtt_ms=11.0, lines=[]),
            VenueLine(venue="okx", rows_by_state={"LIVE": 5, "SYNCING": 1}, frames=5_023_111,
                      frames_per_s=1350.0, malformed=0, age_ms=1.9, gaps=2, reconnects=3,
                      clock_offset_ms=-3.8, rtt_ms=24.0, lines=_lines(), rows=_rows()),
        ],
        opportunities=sorted(
            (_opportunity(number, now_ns) for number in range(40)),
            key=lambda line: line.state != "open",
        ),
        pairs=_pairs(now_ns),
        money=_money(), day_result_usd=-12.5,
        pnl=[
            (now_ns - (400 - at) * SECOND_NS, 0.03 * at + 2.2 * math.sin(at / 23) - 0.8)
            for at in range(400)
        ],
        latency=_stages(step),
        queues=[
            QueueLine(kind="market", depth=130, capacity=16_384, utilization_percent=0.8,
                      pushed=13_146_567, dropped=0),
            QueueLine(kind="order", depth=1, capacity=1024, utilization_percent=0.1,
                      pushed=412, dropped=0),
            QueueLine(kind="executions", depth=3200, capacity=4096, utilization_percent=78.1,
                      pushed=820, dropped=2),
        ],
        incidents=_incidents(now_ns),
        limits=_limits(),
        refusals={"SIGNAL_AGE": 41, "BASIS": 3},
        rates=[RateLine(venue="bybit", what="orders", used=4.0, allowed=20.0),
               RateLine(venue="okx", what="orders", used=55.0, allowed=60.0)],
        killed=None, opening="", paused={"SOLUSDT": ["operator"]},
    )  # fmt: skip
    return msgspec.structs.replace(deck, **changes)


def killed_deck(step: int = 0) -> Deck:
    """Return the deck of a killed trader."""
    killed = KillLine(reason="loss", by="the day's loss", why="200.31 USD lost",
                      since_wall_ns=START_NS + 3_700 * SECOND_NS)  # fmt: skip
    return fake_deck(step, killed=killed, opening="the kill switch has tripped")


def gone_deck() -> Deck:
    """Return what is known of a trader that has ended: nothing."""
    return Deck(name="arbitrage", wall_ns=START_NS + 3_800 * SECOND_NS, alive=False,
                why_not="the trader (pid 4242) has ended")  # fmt: skip
