"""The rings' protocols under every execution C11 allows: real orders hold, weaker ones do not.

observed                                       outcome     sentence
---------------------------------------------  ----------  -----------------------------------------
classic litmus tests have their known results  ACCEPTABLE  the model itself is right
a protocol with the orders of its header       ACCEPTABLE  no race, no torn, lost or doubled record
the same with one order made relaxed           FORBIDDEN   must be rejected, else it orders nothing
"""

from collections.abc import Callable
from typing import Any

import pytest
from c11_model import (
    ACQ_REL,
    ACQUIRE,
    RELAXED,
    RELEASE,
    SEQ_CST,
    Body,
    Result,
    explore,
    fence,
    join,
    load,
    read,
    store,
    update,
    write,
)

Orders = dict[str, Any]


# ---- the model itself ---------------------------------------------------------------------------


def message_passing(store_order: str, load_order: str) -> set[Any]:
    def writer() -> Any:
        yield store("x", 1, RELAXED)
        yield store("y", 1, store_order)

    def reader() -> Any:
        flag = yield load("y", load_order)
        return flag, (yield load("x", RELAXED))

    return explore([writer, reader], lambda _: True).outcomes


def test_message_passing_needs_release_and_acquire() -> None:
    stale = "(None, (1, 0))"
    assert stale not in message_passing(RELEASE, ACQUIRE)
    assert stale in message_passing(RELAXED, ACQUIRE)
    assert stale in message_passing(RELEASE, RELAXED)


@pytest.mark.parametrize(("order", "allowed"), [(SEQ_CST, False), (ACQ_REL, True), (None, True)])
def test_store_buffering_needs_seq_cst_fences(order: str | None, allowed: bool) -> None:
    def side(mine: str, other: str) -> Body:
        def body() -> Any:
            yield store(mine, 1, RELEASE)
            yield fence(order)
            return (yield load(other, ACQUIRE))

        return body

    outcomes = explore([side("x", "y"), side("y", "x")], lambda _: True).outcomes
    assert ("(0, 0)" in outcomes) is allowed


def test_coherence_and_atomic_updates() -> None:
    def twice() -> Any:
        yield store("x", 1, RELAXED)
        yield store("x", 2, RELAXED)

    def look() -> Any:
        first = yield load("x", RELAXED)
        return first, (yield load("x", RELAXED))

    assert "(None, (2, 1))" not in explore([twice, look], lambda _: True).outcomes

    def add() -> Any:
        return (yield update("x", lambda value: value + 1, RELAXED))

    assert explore([add, add], lambda _: True).outcomes == {"(0, 1)", "(1, 0)"}


def test_a_plain_race_is_found_in_both_directions() -> None:
    def reader() -> Any:
        return (yield read("x"))

    def writer() -> Any:
        yield write("x", 1)

    for bodies in ([reader, writer], [writer, reader], [writer, writer]):
        assert "data race" in str(explore(bodies, lambda _: True).violation)


# ---- SPSC ---------------------------------------------------------------------------------------


def free_sequence(position: int, capacity: int) -> int:
    """What the slot of a position holds when it is free; memory begins with zeros."""
    return 0 if position < capacity else 2 * position


SPSC = {
    "fill acquires": ACQUIRE,
    "fill releases": RELEASE,
    "look acquires": ACQUIRE,
    "vacate releases": RELEASE,
}


def spsc(orders: Orders, capacity: int, pushes: int, pops: int) -> Result:
    def producer() -> Any:
        position = 0
        for _ in range(pushes):
            slot = position % capacity
            sequence = yield load(("seq", slot), orders["fill acquires"])
            if sequence != free_sequence(position, capacity):
                continue
            yield write(("a", slot), position + 1)
            yield write(("b", slot), position + 1)
            yield store(("seq", slot), 2 * position + 1, orders["fill releases"])
            position += 1

    def consumer() -> Any:
        position, taken = 0, []
        for _ in range(pops):
            slot = position % capacity
            sequence = yield load(("seq", slot), orders["look acquires"])
            if sequence != 2 * position + 1:
                continue
            taken.append(((yield read(("a", slot))), (yield read(("b", slot)))))
            free = 2 * (position + capacity)
            yield store(("seq", slot), free, orders["vacate releases"])
            position += 1
        return taken

    def check(outcome: tuple[Any, ...]) -> bool:
        return outcome[1] == [(n + 1, n + 1) for n in range(len(outcome[1]))]

    return explore([producer, consumer], check)


# ---- MPSC ---------------------------------------------------------------------------------------

MPSC = {
    "win acquires": ACQUIRE,
    "publish releases": RELEASE,
    "peek acquires": ACQUIRE,
    "advance releases": RELEASE,
}


def mpsc(orders: Orders, capacity: int, tries: int, pops: int) -> Result:
    def producer(number: int) -> Body:
        def body() -> Any:
            position = yield load("tail", RELAXED)
            for _ in range(tries):
                slot = position % capacity
                sequence = yield load(("seq", slot), orders["win acquires"])
                if sequence == free_sequence(position, capacity):
                    seen = yield update(
                        "tail", lambda tail, won=position: won + 1 if tail == won else None, RELAXED
                    )
                    if seen == position:
                        yield write(("a", slot), number)
                        yield write(("b", slot), number)
                        yield store(("seq", slot), 2 * position + 1, orders["publish releases"])
                        return True
                    position = seen
                elif sequence < free_sequence(position, capacity):
                    return False
                else:
                    position = yield load("tail", RELAXED)
            return False

        return body

    def consumer() -> Any:
        position, taken = 0, []
        for _ in range(pops):
            slot = position % capacity
            if (yield load(("seq", slot), orders["peek acquires"])) == 2 * position + 1:
                taken.append(((yield read(("a", slot))), (yield read(("b", slot)))))
                free = 2 * (position + capacity)
                yield store(("seq", slot), free, orders["advance releases"])
                position += 1
        return taken

    def check(outcome: tuple[Any, ...]) -> bool:
        taken = outcome[2]
        pushed = {number for number, done in ((1, outcome[0]), (2, outcome[1])) if done}
        whole = all(a == b and a in pushed for a, b in taken)
        return whole and len({a for a, _ in taken}) == len(taken)

    return explore([producer(1), producer(2), consumer], check)


# ---- broadcast, seqlock, tap --------------------------------------------------------------------

BROADCAST = {
    "mark": True,
    "release fence": RELEASE,
    "whole releases": RELEASE,
    "first look acquires": ACQUIRE,
    "acquire fence": ACQUIRE,
    "second look": True,
}


def broadcast(orders: Orders, capacity: int, publishes: int, reads: int) -> Result:
    """Also the seqlock: a ring of one slot whose reader takes whatever is there."""

    def writer() -> Any:
        for position in range(publishes):
            slot = position % capacity
            if orders["mark"]:
                yield store(("seq", slot), 2 * position + 1, RELAXED)
            yield fence(orders["release fence"])
            yield store(("a", slot), position + 1, RELAXED)
            yield store(("b", slot), position + 1, RELAXED)
            yield store(("seq", slot), 2 * position + 2, orders["whole releases"])

    def reader() -> Any:
        cursor, got = 0, []
        for _ in range(reads):
            slot = cursor % capacity
            sequence = yield load(("seq", slot), orders["first look acquires"])
            if sequence == 2 * cursor + 2:
                a = yield load(("a", slot), RELAXED)
                b = yield load(("b", slot), RELAXED)
                yield fence(orders["acquire fence"])
                if not orders["second look"] or ((yield load(("seq", slot), RELAXED)) == sequence):
                    got.append((cursor + 1, a, b))
                    cursor += 1
            elif sequence > 2 * cursor + 2:
                cursor += 1
        return got

    return explore([writer, reader], lambda out: all(n == a == b for n, a, b in out[1]))


TAP = {
    "release fence": RELEASE,
    "tail releases": RELEASE,
    "read acquires": ACQUIRE,
    "acquire fence": ACQUIRE,
    "second look": True,
}


def tap(orders: Orders, capacity: int, frames: int, reads: int) -> Result:
    def writer() -> Any:
        for position in range(frames):
            yield store("intent", position + 1, RELAXED)
            yield fence(orders["release fence"])
            yield store(("word", position % capacity), position + 1, RELAXED)
            yield store("newest", position, RELEASE)
            yield store("tail", position + 1, orders["tail releases"])

    def reader() -> Any:
        cursor, got = 0, []
        for _ in range(reads):
            if (yield load("tail", orders["read acquires"])) <= cursor:
                continue
            word = yield load(("word", cursor % capacity), RELAXED)
            yield fence(orders["acquire fence"])
            if not orders["second look"] or (yield load("intent", RELAXED)) - cursor <= capacity:
                got.append((cursor + 1, word))
                cursor += 1
            else:
                cursor = yield load("newest", ACQUIRE)
        return got

    return explore([writer, reader], lambda out: all(n == word for n, word in out[1]))


# ---- lane overflow ------------------------------------------------------------------------------

LANE = {
    "bit releases": RELEASE,
    "count releases": RELEASE,
    "count acquires": ACQUIRE,
    "exchange acquires": ACQUIRE,
}


def lane(orders: Orders, writes: int, sweeps: int) -> Result:
    """One cell; its tick is its version, because the seqlock has its own check above."""

    def feed() -> Any:
        for number in range(1, writes + 1):
            yield store("version", 2 * number - 1, RELAXED)
            yield fence(RELEASE)
            yield store("version", 2 * number, RELEASE)
            yield update("bits", lambda bits: bits | 1, orders["bit releases"])
            yield store("count", number, orders["count releases"])

    def detector() -> Any:
        seen = taken = newest = overwritten = count_taken = 0
        for sweep in range(sweeps + 1):
            if sweep == sweeps:
                yield join(0)
            count = yield load("count", orders["count acquires"])
            if count == seen:
                continue
            clean = True
            bits = yield load("bits", RELAXED)
            if bits:
                bits = yield update("bits", lambda _: 0, orders["exchange acquires"])
            if bits:
                version = yield load("version", ACQUIRE)
                if version % 2:
                    clean = False
                    yield update("bits", lambda bits: bits | 1, RELEASE)
                elif version // 2 != taken:
                    overwritten += version // 2 - taken - 1
                    count_taken += 1
                    taken = newest = version // 2
            if clean:
                seen = count
        return newest, count_taken, overwritten

    return explore([feed, detector], lambda out: out[1][0] == sum(out[1][1:]) == writes)


# ---- parker -------------------------------------------------------------------------------------

PARKER = {"notify fence": SEQ_CST, "prepare fence": SEQ_CST, "second look": True}


def parker(orders: Orders) -> Result:
    def producer() -> Any:
        yield store("queue", 1, RELEASE)
        yield fence(orders["notify fence"])
        if (yield load("parked", RELAXED)) == 0:
            return "saw nobody"
        old = yield update("parked", lambda _: 0, ACQ_REL)
        return "woke" if old else "saw nobody"

    def consumer() -> Any:
        yield store("parked", 1, RELAXED)
        yield fence(orders["prepare fence"])
        if orders["second look"] and (yield load("queue", ACQUIRE)):
            return "found work"
        return "sleeps"

    return explore([producer, consumer], lambda out: out != ("saw nobody", "sleeps"))


PROTOCOLS: dict[str, tuple[Orders, Callable[[Orders], Result]]] = {
    "spsc-1": (SPSC, lambda orders: spsc(orders, 1, 3, 3)),
    "spsc-2": (SPSC, lambda orders: spsc(orders, 2, 3, 3)),
    "mpsc-1": (MPSC, lambda orders: mpsc(orders, 1, 2, 2)),
    "mpsc-2": (MPSC, lambda orders: mpsc(orders, 2, 2, 2)),
    "broadcast-1": (BROADCAST, lambda orders: broadcast(orders, 1, 2, 2)),
    "broadcast-2": (BROADCAST, lambda orders: broadcast(orders, 2, 3, 2)),
    "tap-2": (TAP, lambda orders: tap(orders, 2, 3, 2)),
    "lane": (LANE, lambda orders: lane(orders, 2, 2)),
    "parker": (PARKER, parker),
}
# Orders that these small programs do not need. With two slots and one lap no slot is used again.
# The release fence of the cell's seqlock already stands before its bit: a reader that sees the bit
# sees the cell as being written at least, and puts the bit back.
NOT_NEEDED = {
    ("mpsc-2", "win acquires"),
    ("mpsc-2", "advance releases"),
    ("lane", "bit releases"),
}
WEAKER = [
    (protocol, name)
    for protocol, (orders, _) in PROTOCOLS.items()
    for name in orders
    if (protocol, name) not in NOT_NEEDED
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_real_orders_are_accepted(protocol: str) -> None:
    orders, run = PROTOCOLS[protocol]
    result = run(orders)
    assert result.violation is None
    assert len(result.outcomes) > 1, "the search saw more than one outcome"


@pytest.mark.parametrize(
    ("protocol", "name"), WEAKER, ids=[f"{protocol}: {name}" for protocol, name in WEAKER]
)
def test_a_weaker_order_is_rejected(protocol: str, name: str) -> None:
    orders, run = PROTOCOLS[protocol]
    order = orders[name]
    weaker = False if order is True else None if "fence" in name else RELAXED
    if order == SEQ_CST:
        weaker = ACQ_REL
    assert run(orders | {name: weaker}).violation is not None
