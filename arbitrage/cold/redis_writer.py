"""Mirror a running trader into Redis: events, orders, fills, incidents, quotes and pair states.

It reads the trader's segment and journals from a process of its own, so that a Redis that is slow,
stuck or gone costs the trader nothing. Keys, for a trader named NAME (docs/redis.md has the
fields)::

    arbitrage:NAME:opportunities   stream, one entry an event of an opportunity
    arbitrage:NAME:pairs           stream, one entry an event of a pair
    arbitrage:NAME:orders          stream, one entry an order sent or an answer to it
    arbitrage:NAME:fills           stream, one entry an execution or a settlement, exact
    arbitrage:NAME:incidents       stream, one entry a beginning or an end of an incident
    arbitrage:NAME:quotes          hash, `venue:symbol` -> JSON; expires when nobody renews it
    arbitrage:NAME:pair_states     hash, number of a pair under way -> JSON; expires likewise
    arbitrage:NAME:mirror          hash: published, lost and why, lag, and where each stream is

A batch and the counts that include it are one transaction, guarded by the counts of the last one.
So the counts in Redis tell whether a batch arrived whose answer was lost, and how much Redis itself
has forgotten: nothing is written twice, and ``published + lost`` is all that the trader published.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import redis

from arbitrage.cold.backlog import CAUSES, Backlog
from arbitrage.cold.beside import MirrorState
from arbitrage.cold.board_source import BoardSource
from arbitrage.cold.events import STREAMS, Source
from arbitrage.cold.journal_source import JournalSource, Tail
from arbitrage.cold.redis_link import (
    TIMEOUT_S,
    TlsFiles,
    is_away,
    make_client,
    place_of,
    reason_of,
    require_version,
)
from arbitrage.core.segment import Segment
from arbitrage.errors import ArbitrageError, SegmentError, SegmentGoneError
from arbitrage.secret import Secret

__all__ = ["Mirror"]

BACKLOG_MAX = 100_000
TAKE_MAX = 10_000  # reading is cheap, and what waits here cannot be overwritten any more
BATCH_MAX = 500
TURN_S = 0.01
STATES_EVERY_S = 0.1
STATES_EXPIRE_MS = 10_000
SILENT_S = 5.0  # a trader whose heart beat last so long ago: nobody knows whether its quotes hold
RENEW_EVERY_S = 1.0
REATTACH_EVERY_S = 0.25
BACKOFF_MAX_S = 5.0
KEY_TYPES = {
    **dict.fromkeys(STREAMS, "stream"),
    **dict.fromkeys(("quotes", "pair_states", "mirror"), "hash"),
}
_log = logging.getLogger("arbitrage.mirror")


# ---- the mirror ----------------------------------------------------------------------------------


class Mirror:
    """Copy what a trader tells into Redis, and count whatever could not be copied.

    Threads: one.

    Parameters
    ----------
    name : str
        Name of the trader's segment.
    url : Secret
        Address of Redis; it may hold a password.
    attach : callable
        Attaches the segment read-only by name; raises `SegmentError` when there is none.
    stream_max : int
        Entries a stream keeps, approximately.
    backlog_max : int
        Entries of each stream kept while Redis is away; beyond it the oldest are dropped, and
        counted. Orders and fills wait in the journals instead, and are not dropped.
    tls : TlsFiles
        Files of an address of TLS.
    follow : callable, optional
        Makes what follows the journals, see `JournalSource`; without it there are no orders and no
        fills.
    state_dir : Path, optional
        Folder of the journals; by default the trader names it.
    revive : callable, optional
        Called before each attempt to reach a Redis that is away.
    """

    def __init__(
        self,
        name: str,
        url: Secret,
        attach: Callable[[str], Segment],
        stream_max: int = 100_000,
        backlog_max: int = BACKLOG_MAX,
        *,
        tls: TlsFiles | None = None,
        follow: Callable[[Path, str, int, int], Tail] | None = None,
        state_dir: Path | None = None,
        revive: Callable[[], None] | None = None,
    ) -> None:
        self._name, self._attach = name, attach
        self._stream_max = stream_max
        self._follow, self._state_dir, self._revive = follow, state_dir, revive
        self._client = make_client(url, name, tls or TlsFiles())
        self._keys = {part: f"arbitrage:{name}:{part}" for part in KEY_TYPES}
        self._session = time.time_ns()  # the younger of two mirrors goes on
        self._backlog = Backlog(backlog_max)
        self._source: Source | None = None
        self._board: BoardSource | None = None
        self._journals: JournalSource | None = None
        self._held: dict[str, str] = {}
        self._shown: dict[str, int] = {}
        self._reason = ""  # why Redis is away; empty: it is not
        self._failures = 0
        self._lag_ms = 0.0
        self._is_open = self._is_whole = False  # whole: the hashes in Redis are all ours
        self._retry_s = self._attach_s = self._states_s = self._renew_s = 0.0

    @property
    def counters(self) -> dict[str, int]:
        """What was published and what was lost, as in the mirror's hash."""
        return self._backlog.counters()

    @property
    def waiting(self) -> int:
        """Entries that are read and not yet published."""
        return self._backlog.waiting

    @property
    def state(self) -> MirrorState:
        """What is told of it to who watches the trader."""
        found = self._backlog.counters()
        return MirrorState(
            published={stream: found[f"{stream}_published"] for stream in STREAMS},
            lost={
                cause: {stream: found[f"{stream}_lost_{cause}"] for stream in STREAMS}
                for cause in CAUSES
            },
            waiting=self._backlog.waiting,
            reconnects=self._backlog.reconnects,
            lag_s=self._lag_ms / 1e3,
            away=self._reason,
        )

    @property
    def place(self) -> str:
        """Where Redis is, without user and password."""
        return place_of(self._client)

    def open(self, should_stop: Callable[[], bool] | None = None) -> None:
        """Attach and connect for the first time.

        Parameters
        ----------
        should_stop : callable, optional
            Wait for a Redis that is away until this says so, and let `run` wait for the trader.

        Raises
        ------
        SegmentError
            The trader does not run and is not waited for, or is of another release.
        ArbitrageError
            Redis cannot be used.
        """
        segment: Segment | None = None
        try:
            segment = self._attach(self._name)
        except SegmentGoneError as error:
            if should_stop is None:
                raise
            _log.warning("%s; waiting for it", error)
        while not self._is_open:
            try:
                self._open_redis()
            except (redis.RedisError, OSError) as error:
                if should_stop is None or not is_away(error):
                    raise ArbitrageError(
                        f"Redis at {self.place} cannot be used: {reason_of(error)}; check REDIS_URL"
                    ) from None
                self._lose_redis(error)
            while should_stop is not None and time.monotonic() < self._retry_s:
                if should_stop():
                    return
                time.sleep(TURN_S)
        self._failures, self._reason = 0, ""
        if self._follow is not None:
            self._journals = JournalSource(self._follow, self._held, self._state_dir)
        if segment is not None and segment.alive:
            self._begin(segment, self._held, is_first=True)

    def run(
        self, should_stop: Callable[[], bool], tell: Callable[[], None] = lambda: None
    ) -> None:
        """Mirror until told to stop; then send what is left, if Redis is there.

        `tell` is called at every turn.
        """
        try:
            while not should_stop():
                tell()
                took = self._collect()
                sent = self._turn()
                if not (took or sent):
                    time.sleep(TURN_S)
            self._collect(at_once=True)
            deadline_s = time.monotonic() + TIMEOUT_S
            while self._is_open and self._turn() and time.monotonic() < deadline_s:
                pass
        finally:
            if self._journals is not None:
                self._journals.close()
            self._client.close()

    # ---- from the trader -------------------------------------------------------------------------

    def _begin(self, segment: Segment, held: Mapping[str, str], *, is_first: bool) -> None:
        self._source = Source(segment, held, is_first=is_first)
        self._board = BoardSource(segment, held, is_first=is_first)
        self._is_whole = False

    def _collect(self, *, at_once: bool = False) -> bool:
        """Read what is new; return whether there was any."""
        taken = self._collect_run(at_once)
        if self._journals is not None:
            entries = self._journals.take(self._backlog.room(), at_once=at_once)
            self._backlog.add(entries)
            taken = taken or bool(entries)
        return taken

    def _collect_run(self, at_once: bool) -> bool:
        source, board, now_s = self._source, self._board, time.monotonic()
        if source is None or board is None:
            if now_s >= self._attach_s:
                self._attach_s = now_s + REATTACH_EVERY_S
                self._reattach()
            return False
        was_alive = source.segment.alive  # asked first: what it published before its end is read
        taken = source.take(TAKE_MAX)
        incidents = board.take(at_once=at_once or not was_alive)
        self._backlog.add(taken)
        self._backlog.add(incidents)
        for stream, count in {**source.lapped, "incidents": board.lapped}.items():
            self._backlog.lapse(stream, count)
            if stream in source.lapped:
                source.lapped[stream] = 0
        board.lapped = 0
        if self._journals is not None:
            self._journals.begin(source.segment.run, board.board.state_dir if board.board else "")
        if not taken and not was_alive:
            _log.warning("the trader (pid %d) has ended; waiting for another", source.segment.pid)
            self._source = self._board = None
        return bool(taken or incidents)

    def _reattach(self) -> None:
        try:
            segment = self._attach(self._name)
        except SegmentError:
            return
        if segment.alive:
            self._begin(segment, {}, is_first=False)
            _log.info("attached to the trader with pid %d", segment.pid)

    # ---- to Redis --------------------------------------------------------------------------------

    def _turn(self) -> bool:
        """Send what is due; return whether events were sent. Never raises for a Redis away."""
        try:
            if not self._is_open:
                if time.monotonic() < self._retry_s:
                    return False
                if self._revive is not None:
                    self._revive()
                self._open_redis()
            return self._send()
        except redis.WatchError:
            return False  # the count moved under the batch: look again at the next turn
        except (redis.RedisError, OSError) as error:
            self._lose_redis(error)
            return False

    def _lose_redis(self, error: Exception) -> None:
        self._client.connection_pool.disconnect()
        self._is_open = False
        wait_s = min(BACKOFF_MAX_S, 0.1 * 2 ** min(self._failures, 10)) * random.uniform(0.5, 1.0)
        self._retry_s = time.monotonic() + wait_s
        self._failures += 1
        reason = reason_of(error)
        if not self._reason:
            _log.warning("nothing reaches Redis at %s: %s; trying again", self.place, reason)
        elif reason != self._reason:
            _log.info("still nothing reaches Redis at %s: %s", self.place, reason)
        self._reason = reason

    def _go_on(self) -> None:
        """Note that Redis has taken something."""
        if self._failures:
            self._backlog.reconnects += 1
            _log.warning("Redis at %s is back", self.place)
        self._failures, self._reason = 0, ""

    def _open_redis(self) -> None:
        require_version(self._client)
        pipe = self._client.pipeline(transaction=False)
        for key in self._keys.values():
            pipe.type(key)
        pipe.hgetall(self._keys["mirror"])
        *types, held = pipe.execute()
        for (part, key), found in zip(self._keys.items(), types, strict=True):
            if found not in {"none", KEY_TYPES[part]}:
                raise ArbitrageError(
                    f"{key} in Redis holds a {found}, not the mirror's {KEY_TYPES[part]}; rename it"
                )
        self._refuse_rival(held)
        if not self._held:  # the counts go on where an earlier mirror ended
            self._held = held or {"published": "0"}
            self._backlog.restore(self._held)
        self._is_whole = False
        self._is_open = True

    def _refuse_rival(self, held: Mapping[str, str]) -> None:
        if int(held.get("session", 0)) > self._session:
            raise ArbitrageError(
                f"another mirror of {self._name!r} has taken over in Redis at {self.place}; this "
                "one ends"
            )

    def _send(self) -> bool:
        now_s, backlog = time.monotonic(), self._backlog
        renews = now_s - self._renew_s >= RENEW_EVERY_S
        has_states = not self._is_whole or now_s - self._states_s >= STATES_EVERY_S
        counters = backlog.counters()
        if not (backlog.waiting or has_states or renews or counters != self._shown):
            return False
        mirror = self._keys["mirror"]
        pipe: Any  # its annotations know neither watch() nor the answers that follow it
        with self._client.pipeline(transaction=True) as pipe:
            pipe.watch(mirror)
            held = pipe.hgetall(mirror)
            self._refuse_rival(held)
            if backlog.agree(held):
                self._is_whole = False
            backlog.load(BATCH_MAX)
            shown = backlog.counters(with_flying=True)
            pipe.multi()
            self._lag_ms = self._put_entries(pipe)
            has_changed = has_states and self._put_states(pipe, renews)
            if not (backlog.flying or has_changed or renews or shown != self._shown):
                return False
            pipe.hset(mirror, mapping={**shown, **self._facts(), **backlog.marks()})
            try:
                pipe.execute()
            except BaseException:
                self._is_whole = False  # of what was to change in the hashes nothing is known
                raise
        has_sent = bool(backlog.flying)
        backlog.land()
        self._go_on()
        self._shown = shown
        self._renew_s = now_s if renews else self._renew_s
        return has_sent

    def _put_entries(self, pipe: Any) -> float:
        """Write what flies; return how old the oldest of it is, in ms."""
        oldest_ns = now_ns = time.time_ns()
        for entry in self._backlog.flying:
            wall_ns, fields = entry.told()
            oldest_ns = min(oldest_ns, wall_ns)
            key = self._keys[entry.stream]
            pipe.execute_command(
                "XADD", key, "MAXLEN", "~", self._stream_max, "*", *chain(*fields.items())
            )
        return round((now_ns - oldest_ns) / 1e6, 3)

    def _put_states(self, pipe: Any, renews: bool) -> bool:
        """Bring both hashes up to date; return whether there was anything to write."""
        self._states_s = time.monotonic()
        source, board = self._source, self._board
        has_quotes = source is not None and source.segment.heartbeat_age_s < SILENT_S
        has_pairs = board is not None and board.is_fresh
        if source is not None and (not has_quotes or not self._is_whole):
            source.forget_quotes()
        if board is not None and (not has_pairs or not self._is_whole):
            board.forget_pairs()
        quotes = source.quotes() if source is not None and has_quotes else {}
        pairs, gone = board.pair_states() if board is not None and has_pairs else ({}, [])
        keys = self._keys["quotes"], self._keys["pair_states"]
        if not self._is_whole:
            pipe.delete(*keys)
        if gone:
            pipe.hdel(keys[1], *gone)
        for key, changed, is_known in zip(
            keys, (quotes, pairs), (has_quotes, has_pairs), strict=True
        ):
            if changed:
                pipe.hset(key, mapping=changed)
            if changed or (renews and is_known):
                pipe.pexpire(key, STATES_EXPIRE_MS)
        has_changed = bool(quotes or pairs or gone or not self._is_whole)
        self._is_whole = True
        return has_changed

    def _facts(self) -> dict[str, Any]:
        """Return what the mirror knows of itself and of the trader, apart from the counts."""
        source, journals = self._source, self._journals
        return {
            "session": self._session,
            "wall_ns": time.time_ns(),
            "lag_ms": self._lag_ms,
            "backlog": self._backlog.waiting - len(self._backlog.flying),
            "trader_alive": int(source is not None),
            **({"trader_run": source.segment.run, "trader_mode": source.segment.mode}
               if source is not None else {}),
            "journals": "not followed" if journals is None else journals.why_not or "followed",
        }  # fmt: skip
