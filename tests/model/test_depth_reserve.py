"""What our own orders may have taken is no depth: sizing by brute force on what is left."""

import random
from collections.abc import Iterator
from fractions import Fraction

import pytest
from strategy_rig import BUY, DONE, GRID, INSTRUMENTS, REJECT, SELL, Rig
from test_depth_sizing import Levels, depth_of, reached, still_pays

from arbitrage.core.messages import Order

# money is no bound here: what the books hold is
RICH = {
    "position_usd": 1e6,
    "max_order_usd": 1e7,
    "max_position_usd": 1e8,
    "max_gross_usd": 1e9,
    "min_gross_bps": 5.0,
    "min_net_bps": 0.0,
}
FLOOR_BPS = 5.0
BOOKS = 250  # of one rig: its journal is not endless


class Books:
    """One rig whose books change only when the test says so."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.factor = self.rng.choice([1.0, 1.0, 2.0])
        self.rig = Rig(depth_factor=self.factor, journal_records=32_768, **RICH)
        self.quote = self.rig.quote
        self.rig.quote = lambda *args: None  # type: ignore[method-assign]

    def renew(self) -> None:
        """Draw both books anew."""
        rng, rig = self.rng, self.rig
        rig.poll(5.0)
        self.symbol, self.buy_venue = rng.randrange(2), rng.randrange(2)
        self.gross = float(rng.randrange(8, 40))
        step, _ = GRID[self.symbol]
        for venue in (0, 1):
            coins = step * rng.choice([0.3, 1.0, 2.5, 6.0])
            shift = 0.0 if venue == self.buy_venue else self.gross + 1.0
            qty = coins / INSTRUMENTS[venue, self.symbol]["qty_mult"]
            self.quote(venue, self.symbol, shift, qty)
        self.asks = depth_of(rig, self.symbol, self.buy_venue, 1, rng)
        self.bids = depth_of(rig, self.symbol, 1 - self.buy_venue, 0, rng)

    def enter(self) -> tuple[Order, Order] | None:
        """Tell of the opportunity; return what the strategy sent."""
        self.rig.poll(2.0)  # past the cooling
        self.rig.opportunity(self.symbol, self.buy_venue, self.gross)
        self.rig.poll()
        buy, sell = self.rig.take_order(self.buy_venue), self.rig.take_order(1 - self.buy_venue)
        if buy is None or sell is None:
            assert buy is sell
            return None
        return buy, sell

    def take(self, levels: Levels, coins: Fraction) -> Levels:
        """Remove so much from the best levels, which stay, emptied."""
        left = []
        for px, size in levels:
            taken = min(coins, Fraction(size))
            left.append((px, float(Fraction(size) - taken)))
            coins -= taken
        return left

    def check(self, sent: tuple[Order, Order] | None) -> Fraction:
        """Compare with the largest size whose every coin pays; return the coins that left."""
        step, step_lots = Fraction(GRID[self.symbol][0]), GRID[self.symbol][1]
        pays = still_pays(self.asks, self.bids, FLOOR_BPS) / Fraction(self.factor)
        most, near = divmod(pays, step)
        if sent is None:
            assert most == 0 or (most == 1 and near < step / 10**8)
            return Fraction(0)
        buy, sell = sent
        steps = buy.qty_lots // step_lots[self.buy_venue]
        assert (steps * step_lots[self.buy_venue], steps * step_lots[1 - self.buy_venue]) == (
            buy.qty_lots,
            sell.qty_lots,
        )
        if min(near, step - near) > step / 10**8:
            assert steps == most
        taken = steps * step * (1 - Fraction(1, 10**9))
        for order, levels, sign in ((buy, self.asks, 1), (sell, self.bids, -1)):
            numbers = INSTRUMENTS[order.venue, self.symbol]
            limit = order.px_ticks * numbers["px_tick"] * numbers["px_mult"]
            worst = float(reached(levels, taken) or levels[-1][0])
            tick = numbers["px_tick"] * numbers["px_mult"]
            assert 0 <= sign * (limit - worst * (1 + sign * 1e-4)) + 1e-9 * worst <= tick * 1.01
        return steps * step


def run_books(seed: int, count: int) -> tuple[int, int]:
    """Check so many books, entered up to three times each; return (books, entries)."""
    books, entries = Books(seed), 0
    for _ in range(count):
        books.renew()
        for _ in range(books.rng.randrange(1, 4)):
            sent = books.enter()
            coins = books.check(sent)
            if sent is None:
                break
            entries += 1
            for order in sent:  # how they end is no news of the books
                books.rig.tell(order, books.rng.choice([REJECT, DONE]), 0, 0)
            books.asks = books.take(books.asks, coins)
            books.bids = books.take(books.bids, coins)
    assert books.rig.strategy.counters["illegal_moves"] == 0
    books.rig.close()
    return count, entries


@pytest.mark.parametrize("seed", range(6))
def test_no_depth_is_counted_twice(seed: int) -> None:
    _, entries = run_books(seed, 80)
    assert entries > 40


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", range(8))
def test_sizes_are_those_of_brute_force(block: int) -> None:
    done = [run_books(1000 + block * 1000 + seed, BOOKS) for seed in range(52)]
    books, entries = (sum(numbers) for numbers in zip(*done, strict=True))
    print(f"books: {books}, sizes: {entries}")
    assert books * 8 >= 100_000
    assert entries > books / 2


# ---- until when ----------------------------------------------------------------------------------


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.close()


def sizes(rig: Rig) -> tuple[int, int]:
    """Enter symbol 0 on the books as they are; end both orders unfilled; return their lots."""
    rig.poll(2.0)
    quote, rig.quote = rig.quote, lambda *args: None  # type: ignore[method-assign]
    rig.opportunity(0, 0)
    rig.quote = quote  # type: ignore[method-assign]
    rig.poll()
    found = []
    for venue in (0, 1):
        order = rig.take_order(venue)
        found.append(order.qty_lots if order else 0)
        if order:
            rig.tell(order, DONE, 0, 0)
    return found[0], found[1]


def test_a_reservation_lasts_until_an_update_that_was_received_after_the_order_left(
    rig: Rig,
) -> None:
    rig.quote(0, 0, 0.0, qty=0.5)  # 8 steps of 0.06, of which the budget takes all
    rig.quote(1, 0, 21.0)
    assert sizes(rig) == (24, 16)
    left_ns = rig.now
    assert sizes(rig) == (0, 0), "0.02 coins are left of the touch"
    now_ns, rig.now = rig.now, left_ns  # received when the order left: it cannot know of it
    rig.quote(0, 0, 0.0, qty=0.5)
    rig.now = now_ns
    assert sizes(rig) == (0, 0)
    rig.quote(0, 0, 0.0, qty=0.5)
    assert sizes(rig) == (24, 16)


def test_the_other_side_of_a_book_is_not_reserved(rig: Rig) -> None:
    rig.quote(0, 0, 0.0, qty=0.5)
    rig.quote(1, 0, 21.0, qty=5.0)
    assert sizes(rig) == (24, 16)
    pair = rig.strategy.pair(0)["legs"]
    assert (pair[0]["orders"][0]["side"], pair[1]["orders"][0]["side"]) == (BUY, SELL)
    # the other way round: buy at OKX, sell at Bybit; both other sides are whole
    rig.poll(2.0)
    row_0, row_1 = rig.store.read_row(0, 0), rig.store.read_row(1, 0)
    rig.store.apply_quote(
        0, 0, row_0.bid_px * 1.006, row_0.ask_px * 1.006, 0.5, 0.5, recv_mono_ns=row_0.recv_mono_ns
    )
    rig.store.apply_quote(
        1, 0, row_1.bid_px, row_1.ask_px, 5.0, 5.0, recv_mono_ns=row_1.recv_mono_ns
    )
    quote, rig.quote = rig.quote, lambda *args: None  # type: ignore[method-assign]
    rig.opportunity(0, 1, 30.0)
    rig.quote = quote  # type: ignore[method-assign]
    rig.poll()
    back, out = rig.take_order(1), rig.take_order(0)
    assert (back.side, out.side) == (BUY, SELL)
    assert out.qty_lots == 24
