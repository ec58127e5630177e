"""However many orders are wanted, the venue never has to say that they were too many."""

import asyncio
from decimal import Decimal

import pytest
from lost_orders import REJECT, SENT, ClockLoop, Desk

from arbitrage.core.gateway import REJECT_RATE

RATE_CODES = {10006, 10018, 10403, 20003, 50011, 50040, 50061, 60014}
# what a venue may take of entries in a window: the limit less its reserve
ENTRIES = {"bybit": (7, 1.0), "okx": (42, 2.0)}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_bursts_are_cut_here_and_unwinds_still_pass(venue: str, seed: int) -> None:
    count_max, window_s = ENTRIES[venue]

    async def main() -> None:
        desk = Desk(venue, seed)
        await desk.open()
        asked: list[tuple[int, bool]] = []
        for _ in range(6):
            for _ in range(desk.rng.randrange(1, 3 * count_max)):
                reduces = desk.rng.random() < 0.1
                side = int(reduces)
                asked.append((desk.send(side, 10, Decimal("0.003"), reduces=reduces), reduces))
                if desk.rng.random() < 0.3:
                    await asyncio.sleep(desk.rng.uniform(0.0, window_s / count_max))
                desk.look()
            await asyncio.sleep(desk.rng.uniform(0.0, 1.5 * window_s))
        await asyncio.sleep(2.0)
        desk.look()
        codes = {code for told in desk.told.values() for kind, _, _, code in told if kind == REJECT}
        assert not codes & RATE_CODES, "the venue had to say it"
        assert REJECT_RATE in codes
        left = [desk.sent_s[key] for key, reduces in asked
                if not reduces and desk.told[key][0][0] == SENT]
        for at_s in left:
            inside = [other for other in left if at_s <= other < at_s + window_s]
            assert len(inside) <= count_max
        assert len(left) > count_max, "tokens come back"
        await desk.close()

    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        runner.run(main())
