"""Redis: does it answer, is it new enough, what does it do when it is full, and how fast is it?"""

import time
from collections.abc import Iterator
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.exceptions import NoPermissionError

from arbitrage.doctor.findings import Finding, bad, ok, skip, warn
from arbitrage.secret import Secret

__all__ = ["check_redis"]

AREA = "Redis"
ASKS = 20
TIMEOUT_S = 3.0
SLOW_MS = 5.0
VERSION_MIN = 6
LOOPBACK = {"", "127.0.0.1", "localhost", "::1"}


def check_redis(url: Secret | None) -> Iterator[Finding]:
    """Ask the Redis that `arb mirror` would write to; nothing is written."""
    if url is None:
        yield skip(AREA, "Redis", "REDIS_URL is not set: only arb mirror needs it")
        return
    parts = urlsplit(url.reveal())
    place = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
    yield from _way(parts.scheme, parts.hostname or "", has_password=bool(parts.password))
    try:
        client = redis.Redis.from_url(
            url.reveal(), decode_responses=True, socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
        )
        with client:
            yield from _answers(client, place)
    except redis.AuthenticationError:
        yield bad(AREA, "Redis", f"{place} refused the user or password", "correct REDIS_URL")
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
    client.ping()
    try:
        facts: dict[str, Any] = {**client.info("server"), **client.info("memory")}
    except NoPermissionError:
        facts = {}
        yield skip(AREA, "Redis server", "this user may not ask INFO: version and memory unknown")
    version = str(facts.get("redis_version", ""))
    if version:
        if int(version.partition(".")[0]) < VERSION_MIN:
            yield bad(AREA, "Redis server", f"{place} is version {version}",
                      f"install Redis {VERSION_MIN} or newer")
        else:
            yield ok(AREA, "Redis server", f"{place}, version {version}")
        yield _memory(facts)
    took_ms = []
    for _ in range(ASKS):
        began_ns = time.monotonic_ns()
        client.ping()
        took_ms.append((time.monotonic_ns() - began_ns) / 1e6)
    p50_ms = median(took_ms)
    told = f"p50 {p50_ms:.2f} ms of {ASKS} questions, slowest {max(took_ms):.2f}"
    if p50_ms > SLOW_MS:
        yield warn(AREA, "Redis latency", told,
                   "put it nearer: what cannot be written in time is dropped and counted")
    else:
        yield ok(AREA, "Redis latency", told)


def _memory(facts: dict[str, Any]) -> Finding:
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
