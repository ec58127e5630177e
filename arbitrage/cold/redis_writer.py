"""Mirror a running trader into Redis: its opportunities, its pairs and the newest quotes.

It reads the trader's segment from a process of its own, so that a Redis that is slow, stuck or gone
costs the trader nothing. Keys, for a trader named NAME::

    arbitrage:NAME:opportunities   stream, one entry an event, one field a field of the record
    arbitrage:NAME:pairs           stream, the same of pair events
    arbitrage:NAME:quotes          hash, `venue:symbol` -> JSON; expires when nobody renews it
    arbitrage:NAME:mirror          hash: published, lost, reconnects, and why entries were lost

A batch and the count that includes it are one transaction, guarded by the count of the last one.
So the count in Redis tells whether a batch arrived whose answer was lost, and how much Redis itself
has forgotten: nothing is written twice, and ``published + lost`` is all that the trader published.
"""

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from arbitrage.cold.events import STREAMS, Entry, Source
from arbitrage.core.segment import Segment
from arbitrage.errors import ArbitrageError, ConfigError, SegmentError
from arbitrage.secret import Secret

__all__ = ["Mirror"]

BACKLOG_MAX = 100_000
BATCH_MAX = 500
TURN_S = 0.01
QUOTES_EVERY_S = 0.1
QUOTES_EXPIRE_MS = 10_000
RENEW_EVERY_S = 1.0
REATTACH_EVERY_S = 0.25
TIMEOUT_S = 1.0
BACKOFF_MAX_S = 5.0
KEY_TYPES = {"opportunities": "stream", "pairs": "stream", "quotes": "hash", "mirror": "hash"}
_log = logging.getLogger("arbitrage.mirror")


# ---- the mirror ----------------------------------------------------------------------------------


class Mirror:
    """Copy a trader's events into Redis, and count whatever could not be copied.

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
        Events kept while Redis is away; the oldest are dropped, and counted, beyond it.
    """

    def __init__(
        self,
        name: str,
        url: Secret,
        attach: Callable[[str], Segment],
        stream_max: int = 100_000,
        backlog_max: int = BACKLOG_MAX,
    ) -> None:
        self._name, self._attach = name, attach
        self._stream_max, self._backlog_max = stream_max, backlog_max
        self._client = _client(url, name)
        self._keys = {part: f"arbitrage:{name}:{part}" for part in KEY_TYPES}
        self._session = time.time_ns()  # the younger of two mirrors goes on
        self._backlog: deque[Entry] = deque()
        self._flying: list[Entry] = []  # sent, or about to be; unknown until Redis has answered
        self._source: Source | None = None
        self._held: dict[str, str] = {}
        self._done: dict[str, Any] = {}
        self._counts = dict.fromkeys(
            ("published", "reconnects", "lost_lapped", "lost_dropped", "lost_by_redis"), 0
        )
        self._shown: dict[str, int] = {}
        self._failures = 0
        self._is_open = False
        self._retry_s = self._attach_s = self._quotes_s = self._renew_s = 0.0

    @property
    def counters(self) -> dict[str, int]:
        """What was published and what was lost, as in the mirror's hash."""
        lost = sum(value for key, value in self._counts.items() if key.startswith("lost_"))
        return {"published": self._counts["published"], "lost": lost, **self._counts}

    @property
    def waiting(self) -> int:
        """Events that are read and not yet published."""
        return len(self._backlog) + len(self._flying)

    @property
    def place(self) -> str:
        """Where Redis is, without user and password."""
        found = self._client.connection_pool.connection_kwargs
        return str(
            found.get("path") or f"{found.get('host', 'localhost')}:{found.get('port', 6379)}"
        )

    def open(self) -> None:
        """Attach and connect for the first time.

        Raises
        ------
        SegmentError
            No such trader.
        ArbitrageError
            Redis cannot be used.
        """
        segment = self._attach(self._name)
        try:
            self._open_redis()
        except (redis.RedisError, OSError) as error:
            raise ArbitrageError(
                f"Redis at {self.place} cannot be used: {_reason(error)}; check REDIS_URL"
            ) from None
        if segment.alive:
            self._source = Source(segment, self._held, is_first=True)

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Mirror until told to stop; then send what is left, if Redis is there."""
        while not should_stop():
            took = self._collect()
            sent = self._turn()
            if not (took or sent):
                time.sleep(TURN_S)
        self._collect()
        deadline_s = time.monotonic() + TIMEOUT_S
        while self._is_open and self._turn() and time.monotonic() < deadline_s:
            pass
        self._client.close()

    # ---- from the trader -------------------------------------------------------------------------

    def _collect(self) -> bool:
        source, now_s = self._source, time.monotonic()
        if source is None:
            if now_s >= self._attach_s:
                self._attach_s = now_s + REATTACH_EVERY_S
                self._reattach()
            return False
        was_alive = source.segment.alive  # asked first: what it published before its end is read
        taken = source.take(BATCH_MAX)
        self._backlog.extend(taken)
        self._counts["lost_lapped"] += source.lapped
        source.lapped = 0
        while len(self._backlog) > self._backlog_max:
            self._backlog.popleft()
            self._counts["lost_dropped"] += 1
        if not taken and not was_alive:
            _log.warning("the trader (pid %d) has ended; waiting for another", source.segment.pid)
            self._source = None
        return bool(taken)

    def _reattach(self) -> None:
        try:
            segment = self._attach(self._name)
        except SegmentError:
            return
        if segment.alive:
            self._source = Source(segment, {}, is_first=False)
            _log.info("attached to the trader with pid %d", segment.pid)

    # ---- to Redis --------------------------------------------------------------------------------

    def _turn(self) -> bool:
        """Send what is due; return whether events were sent. Never raises for a Redis away."""
        try:
            if not self._is_open:
                if time.monotonic() < self._retry_s:
                    return False
                self._open_redis()
                self._counts["reconnects"] += 1
                _log.warning("Redis at %s is back", self.place)
            return self._send()
        except redis.WatchError:
            return False  # the count moved under the batch: look again at the next turn
        except (redis.RedisError, OSError) as error:
            self._lose_redis(error)
            return False

    def _lose_redis(self, error: Exception) -> None:
        self._client.connection_pool.disconnect()
        wait_s = min(BACKOFF_MAX_S, 0.1 * 2 ** min(self._failures, 10)) * random.uniform(0.5, 1.0)
        self._retry_s = time.monotonic() + wait_s
        if self._is_open or self._failures == 0:
            _log.warning("Redis at %s is away: %s; trying again", self.place, _reason(error))
        self._is_open = False
        self._failures += 1

    def _open_redis(self) -> None:
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
            for key in self._counts:
                self._counts[key] = int(held.get(key, 0))
        if self._source is not None:
            self._source.forget_quotes()
        self._is_open, self._failures = True, 0

    def _agree(self, held: dict[str, str]) -> None:
        """Learn from the count in Redis what became of the batch in flight and of older ones."""
        self._refuse_rival(held)
        counts, published = self._counts, int(held.get("published", 0))
        if self._flying and published == counts["published"] + len(self._flying):
            self._commit()
        elif published < counts["published"]:
            counts["lost_by_redis"] += counts["published"] - published
            counts["published"] = published

    def _refuse_rival(self, held: Mapping[str, str]) -> None:
        if int(held.get("session", 0)) > self._session:
            raise ArbitrageError(
                f"another mirror of {self._name!r} has taken over in Redis at {self.place}; this "
                "one ends"
            )

    def _positions(self) -> dict[str, Any]:
        """Say how far the trader has been read, with the batch in flight."""
        done = dict(self._done)
        for entry in self._flying:
            if done.get("segment") != entry.source.identity:
                done = {"segment": entry.source.identity}
                done |= {f"{stream}_position": 0 for stream in STREAMS}
            done[f"{STREAMS[entry.stream]}_position"] = entry.position
        return done

    def _commit(self) -> None:
        self._done = self._positions()
        self._counts["published"] += len(self._flying)
        self._flying = []

    def _send(self) -> bool:
        now_s = time.monotonic()
        quotes = self._due_quotes(now_s)
        renews = now_s - self._renew_s >= RENEW_EVERY_S
        if not (self._flying or self._backlog or quotes or renews or self._counts != self._shown):
            return False
        mirror = self._keys["mirror"]
        pipe: Any  # its annotations know neither watch() nor the answers that follow it
        with self._client.pipeline(transaction=True) as pipe:
            pipe.watch(mirror)
            self._agree(pipe.hgetall(mirror))
            while self._backlog and len(self._flying) < BATCH_MAX:
                self._flying.append(self._backlog.popleft())
            pipe.multi()
            for entry in self._flying:
                key, fields = self._keys[STREAMS[entry.stream]], entry.fields()
                pipe.execute_command(
                    "XADD", key, "MAXLEN", "~", self._stream_max, "*", *chain(*fields.items())
                )
            shown = dict(self._counts)
            pipe.hset(mirror, mapping=self._state())
            if quotes:
                pipe.hset(self._keys["quotes"], mapping=quotes)
            if renews and self._source is not None:
                pipe.pexpire(self._keys["quotes"], QUOTES_EXPIRE_MS)
            pipe.execute()
        has_sent = bool(self._flying)
        shown["published"] += len(self._flying)
        self._commit()
        self._shown = shown
        self._renew_s = now_s if renews else self._renew_s
        return has_sent

    def _state(self) -> Any:
        """Return the mirror's hash as it stands once the batch in flight has arrived."""
        counts = self.counters
        counts["published"] += len(self._flying)
        return {**counts, "session": self._session, **self._positions()}

    def _due_quotes(self, now_s: float) -> Any:
        if self._source is None or now_s - self._quotes_s < QUOTES_EVERY_S:
            return {}
        self._quotes_s = now_s
        return self._source.quotes()


def _client(url: Secret, name: str) -> "redis.Redis":
    try:
        return redis.Redis.from_url(
            url.reveal(),
            decode_responses=True,
            client_name=f"arbitrage-mirror-{name}",
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # a transaction whose answer is missing is never repeated
        )
    except (ValueError, TypeError):
        pass  # its text may hold a part of the password
    raise ConfigError(
        "REDIS_URL is no Redis address (value hidden, it may hold a password); accepted are "
        "redis://host:port/db, rediss://... and unix:///path"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, redis.AuthenticationError):
        return "it refused the user or password"
    return str(error).rstrip(".") or type(error).__name__
