"""Every execution of a small concurrent program under the C11 orders we use, by exhaustive search.

An operational, view-based model of relaxed / acquire / release accesses, fences and
read-modify-writes (after J. Kang et al., "A promising semantics for relaxed-memory concurrency",
POPL 2017, without promises: no load reads from a store that comes later in program order). Each
location keeps its stores in modification order; a thread's view says how far along each location it
has seen; a load may return any store that is not older than the view; release attaches the view to
the store and acquire takes it over. Plain accesses are checked for data races: an access that does
not know of every conflicting one before it is a violation.

A program is a list of threads. A thread is a function that returns a generator: it yields
operations (built by the functions below), is sent their results, and returns its outcome. Threads
must be deterministic in what they are sent.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

Operation = tuple[Any, ...]
Body = Callable[[], Generator[Operation, Any, Any]]
RELAXED, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST = "relaxed", "acquire", "release", "acq_rel", "seq_cst"


def load(place: Any, order: str) -> Operation:
    return ("load", place, order)


def store(place: Any, value: int, order: str) -> Operation:
    return ("store", place, value, order)


def update(place: Any, change: Callable[[int], int | None], order: str) -> Operation:
    """Read-modify-write: `change` gives the new value, None to fail. Results in the old value."""
    return ("update", place, change, order)


def fence(order: str | None) -> Operation:
    return ("fence", order)


def read(place: Any) -> Operation:
    return ("read", place)


def write(place: Any, value: int) -> Operation:
    return ("write", place, value)


def join(thread: int) -> Operation:
    """Wait for another thread's end and know all it did."""
    return ("join", thread)


@dataclass(frozen=True)
class Message:
    """One store; `view` is what an acquire of it learns."""

    name: tuple[int, int]  # thread, number of the thread's store: the same in every interleaving
    value: int
    view: frozenset[tuple[Any, Any]]
    follows: tuple[int, int] | None = None  # the store a read-modify-write read: nothing in between


@dataclass(frozen=True)
class Thread:
    history: tuple[Any, ...] = ()
    current: frozenset[tuple[Any, Any]] = frozenset()
    acquired: frozenset[tuple[Any, Any]] = frozenset()  # becomes current at an acquire fence
    released: frozenset[tuple[Any, Any]] = frozenset()  # what relaxed stores carry
    stores: int = 0


@dataclass(frozen=True)
class State:
    threads: tuple[Thread, ...]
    memory: frozenset[tuple[Any, tuple[Message, ...]]]
    reads: frozenset[tuple[Any, int]]  # plain reads so far, by (place, thread)
    total: frozenset[tuple[Any, Any]]  # what the last seq_cst fence knew


@dataclass
class Result:
    states: int
    outcomes: set[Any]
    violation: str | None


class RaceError(Exception):
    """Two plain accesses of one place, one a write, and no order between them."""


class Explorer:
    """Depth-first over all interleavings, all stores a load may see, all places for a store."""

    def __init__(self, bodies: list[Body], check: Callable[[tuple[Any, ...]], bool]) -> None:
        self.bodies = bodies
        self.check = check
        self.steps: dict[tuple[int, tuple[Any, ...]], tuple[bool, Any]] = {}

    def step_of(self, thread: int, history: tuple[Any, ...]) -> tuple[bool, Any]:
        """(True, outcome) at the end of a thread, else (False, its next operation)."""
        known = self.steps.get((thread, history))
        if known is None:
            body = self.bodies[thread]()
            try:
                operation = next(body)
                for value in history:
                    operation = body.send(value)
                known = (False, operation)
            except StopIteration as end:
                known = (True, end.value)
            self.steps[thread, history] = known
        return known

    def run(self) -> Result:
        first = State(tuple(Thread() for _ in self.bodies), frozenset(), frozenset(), frozenset())
        seen, stack, outcomes = {first}, [first], set()
        while stack:
            state = stack.pop()
            steps = [self.step_of(i, t.history) for i, t in enumerate(state.threads)]
            if all(ended for ended, _ in steps):
                outcome = tuple(value for _, value in steps)
                outcomes.add(repr(outcome))
                if not self.check(outcome):
                    return Result(len(seen), outcomes, f"outcome {outcome}")
                continue
            try:
                following = self.following(state, steps)
            except RaceError as race:
                return Result(len(seen), outcomes, f"data race: {race}")
            for successor in following:
                if successor not in seen:
                    seen.add(successor)
                    stack.append(successor)
        return Result(len(seen), outcomes, None)

    def following(self, state: State, steps: list[tuple[bool, Any]]) -> list[State]:
        for index, (ended, operation) in enumerate(steps):
            # steps that commute with all others need no interleaving; races show in either order
            if not ended and (
                operation[0] in ("read", "write")
                or (operation[0] == "fence" and operation[1] != SEQ_CST)
            ):
                return list(Step(state, index).take(operation, steps))
        return [
            successor
            for index, (ended, operation) in enumerate(steps)
            if not ended
            for successor in Step(state, index).take(operation, steps)
        ]


class Step:
    """One operation of one thread: all states it may lead to."""

    def __init__(self, state: State, index: int) -> None:
        self.state, self.index = state, index
        self.thread = state.threads[index]
        self.memory = dict(state.memory)
        self.reads = dict(state.reads)

    def rank(self, place: Any, name: Any) -> Any:
        if isinstance(name, int):
            return name  # a count of plain reads
        return next(i for i, m in enumerate(self.messages(place)) if m.name == name)

    def messages(self, place: Any) -> tuple[Message, ...]:
        return self.memory.get(place, (Message((-1, 0), 0, frozenset()),))

    def joined(self, *views: frozenset[tuple[Any, Any]]) -> frozenset[tuple[Any, Any]]:
        best: dict[Any, Any] = {}
        for view in views:
            for place, name in view:
                if place not in best or self.rank(place, best[place]) < self.rank(place, name):
                    best[place] = name
        return frozenset(best.items())

    def seen_rank(self, place: Any) -> int:
        name = dict(self.thread.current).get(place)
        return 0 if name is None else self.rank(place, name)

    def next(self, thread: Thread, total: frozenset[tuple[Any, Any]] | None = None) -> State:
        threads = list(self.state.threads)
        threads[self.index] = thread
        return State(
            tuple(threads),
            frozenset(self.memory.items()),
            frozenset(self.reads.items()),
            self.state.total if total is None else total,
        )

    def take(self, operation: Operation, steps: list[tuple[bool, Any]]) -> list[State]:
        kind = operation[0]
        if kind == "join":
            return self.join(operation[1], steps)
        return list(getattr(self, kind)(*operation[1:]))

    def with_view(self, thread: Thread, value: Any, **views: Any) -> Thread:
        fields = {
            "current": thread.current,
            "acquired": thread.acquired,
            "released": thread.released,
            "stores": thread.stores,
        } | views
        return Thread((*thread.history, value), **fields)

    def after_reading(self, place: Any, message: Message, order: str) -> dict[str, Any]:
        seen = frozenset({(place, message.name)})
        acquired = self.joined(self.thread.acquired, seen, message.view)
        learned = message.view if order in (ACQUIRE, ACQ_REL, SEQ_CST) else frozenset()
        return {
            "current": self.joined(self.thread.current, seen, learned),
            "acquired": acquired,
        }

    def load(self, place: Any, order: str) -> Any:
        for message in self.messages(place)[self.seen_rank(place) :]:
            views = self.after_reading(place, message, order)
            yield self.next(self.with_view(self.thread, message.value, **views))

    def put(
        self, place: Any, at: int, value: int, order: str, read_view: Any = None
    ) -> dict[str, Any]:
        """Insert a store; `read_view` is what a read-modify-write carries on."""
        name = (self.index, self.thread.stores)
        messages = self.messages(place)
        base = self.thread.current if read_view is None else read_view["current"]
        carried = base if order in (RELEASE, ACQ_REL, SEQ_CST) else self.thread.released
        follows = None
        if read_view is not None:
            follows = messages[at - 1].name
            carried = self.joined(carried, messages[at - 1].view)
        bare = Message(name, value, frozenset(), follows)
        self.memory[place] = (*messages[:at], bare, *messages[at:])
        own = frozenset({(place, name)})
        whole = Message(name, value, self.joined(carried, own), follows)
        self.memory[place] = (*messages[:at], whole, *messages[at:])
        return {"current": self.joined(base, own), "stores": self.thread.stores + 1}

    def store(self, place: Any, value: int, order: str) -> Any:
        messages = self.messages(place)
        for at in range(self.seen_rank(place) + 1, len(messages) + 1):
            if at < len(messages) and messages[at].follows is not None:
                continue  # a read-modify-write stays right behind what it read
            step = Step(self.state, self.index)
            views = step.put(place, at, value, order)
            yield step.next(step.with_view(self.thread, None, **views))

    def update(self, place: Any, change: Callable[[int], int | None], order: str) -> Any:
        messages = self.messages(place)
        for rank in range(self.seen_rank(place), len(messages)):
            message = messages[rank]
            views = self.after_reading(place, message, order)
            value = change(message.value)
            if value is None:
                yield self.next(self.with_view(self.thread, message.value, **views))
                continue
            if rank + 1 < len(messages) and messages[rank + 1].follows is not None:
                continue
            step = Step(self.state, self.index)
            views |= step.put(place, rank + 1, value, order, views)
            yield step.next(step.with_view(self.thread, message.value, **views))

    def fence(self, order: str | None) -> Any:
        thread, total = self.thread, self.state.total
        current = thread.current
        if order in (ACQUIRE, ACQ_REL, SEQ_CST):
            current = self.joined(current, thread.acquired)
        if order == SEQ_CST:
            current = total = self.joined(current, total)
        released = current if order in (RELEASE, ACQ_REL, SEQ_CST) else thread.released
        views = {"current": current, "released": released}
        yield self.next(self.with_view(thread, None, **views), total)

    def knows_all_writes(self, place: Any) -> None:
        if self.seen_rank(place) != len(self.messages(place)) - 1:
            raise RaceError(f"thread {self.index} and an unordered write of {place}")

    def read(self, place: Any) -> Any:
        self.knows_all_writes(place)
        key = ("reads", place, self.index)
        count = self.reads.get(key, 0) + 1
        self.reads[key] = count
        current = self.joined(self.thread.current, frozenset({(key, count)}))
        value = self.messages(place)[-1].value
        yield self.next(self.with_view(self.thread, value, current=current))

    def write(self, place: Any, value: int) -> Any:
        self.knows_all_writes(place)
        known = dict(self.thread.current)
        for key, count in self.reads.items():
            if key[1] == place and key[2] != self.index and known.get(key, 0) != count:
                raise RaceError(f"thread {self.index} writes {place}, unordered read by {key[2]}")
        views = self.put(place, len(self.messages(place)), value, RELAXED)
        yield self.next(self.with_view(self.thread, None, **views))

    def join(self, other: int, steps: list[tuple[bool, Any]]) -> list[State]:
        if not steps[other][0]:
            return []
        current = self.joined(self.thread.current, self.state.threads[other].current)
        return [self.next(self.with_view(self.thread, None, current=current))]


def explore(bodies: list[Body], check: Callable[[tuple[Any, ...]], bool]) -> Result:
    """All executions; stops at the first outcome that `check` refuses or the first data race."""
    return Explorer(bodies, check).run()
