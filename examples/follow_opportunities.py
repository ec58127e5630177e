"""Follow a trader's opportunities from another machine, alone or as one of a group.

`arb mirror` writes them into a Redis stream; this reads the stream as a consumer of a group: each
entry goes to one consumer of the group, stays with it until it is acknowledged, and goes to another
one when that consumer is gone for a while. So an entry may come twice, and never not at all while
the stream still holds it. It needs the package redis alone, and Redis 6.2 or newer:

    pip install redis
    REDIS_URL=rediss://reader:password@redis.example.org:6380/0 REDIS_CA_FILE=ca.pem \
        python follow_opportunities.py --name arbitrage --group desk

What it does with an entry is `handle`: put your own in its place.
"""

import argparse
import os
import signal
import socket
import sys
import time
from datetime import UTC, datetime
from typing import Any

import redis

BATCH = 100
BLOCK_MS = 1000
RETRY_S = 1.0


def handle(fields: dict[str, str]) -> None:
    """Say what happened to one opportunity."""
    when = datetime.fromtimestamp(int(fields["wall_ns"]) / 1e9, UTC)
    edge = f"net {float(fields['net_bps']):.2f} bps of gross {float(fields['gross_bps']):.2f}"
    if fields["event"] == "CLOSE":
        edge = f"{fields['reason'].lower()}, at best {float(fields['peak_net_bps']):.2f} bps net"
    print(
        f"{when:%H:%M:%S.%f} {fields['event']} {fields['id']} {fields['symbol']} "
        f"buy {fields['buy_venue']} sell {fields['sell_venue']}: {edge}",
        flush=True,
    )


class Follower:
    """One consumer of a group."""

    def __init__(self, client: Any, stream: str, group: str, consumer: str, start: str) -> None:
        self.client, self.stream, self.group, self.consumer = client, stream, group, consumer
        self.start = start  # where a new group begins: "$", the entries to come, or "0", all
        self.handled = 0
        self.should_stop = False

    def run(self, stale_s: float) -> None:
        """Handle entries until told to stop, whatever happens to Redis meanwhile."""
        is_ready, claim_s = False, 0.0
        while not self.should_stop:
            try:
                if not is_ready:
                    self.join()
                    is_ready, claim_s = True, 0.0
                if time.monotonic() >= claim_s:
                    self.claim(stale_s)
                    claim_s = time.monotonic() + stale_s / 2
                self.take(">")
            except (redis.AuthenticationError, redis.exceptions.AuthorizationError):
                raise  # it is there, and refuses: that does not pass
            except (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError) as error:
                print(f"Redis is away: {error}; trying again", file=sys.stderr)
                is_ready = False
                time.sleep(RETRY_S)
            except redis.ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
                is_ready = False  # Redis has lost it

    def join(self) -> None:
        """Make the group, unless it is there."""
        try:
            self.client.xgroup_create(self.stream, self.group, self.start, mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        self.start = "0"  # a group that is gone later was lost: all that came since is new

    def claim(self, stale_s: float) -> None:
        """Take over what another consumer has held for so long that it must be gone."""
        while not self.should_stop and self.client.xautoclaim(
            self.stream, self.group, self.consumer, int(stale_s * 1000), count=BATCH, justid=True
        ):
            self.take("0")
        self.take("0")  # also what we had taken before we ended, and not acknowledged

    def take(self, after: str) -> None:
        """Handle what the group has for us: `>` new entries, `0` those we hold."""
        streams = {self.stream: after}
        for _, entries in self.client.xreadgroup(
            self.group, self.consumer, streams, count=BATCH, block=BLOCK_MS
        ):
            self.handle_all(entries)

    def handle_all(self, entries: list[tuple[str, dict[str, str]]]) -> None:
        """Handle entries, and acknowledge them then."""
        for number, fields in entries:
            if fields:  # else it was trimmed while nobody had acknowledged it
                handle(fields)
                self.handled += 1
            self.client.xack(self.stream, self.group, number)


def client_of(url: str) -> Any:
    """Return a client; the files of TLS come from the environment, as for `arb mirror`."""
    names = {"ssl_ca_certs": "CA", "ssl_certfile": "CERT", "ssl_keyfile": "KEY"}
    files = {
        option: path
        for option, word in names.items()
        if (path := os.environ.get(f"REDIS_{word}_FILE"))
    }
    options: dict[str, Any] = {"protocol": 2, "decode_responses": True, "socket_timeout": 10.0}
    if url.startswith("rediss:"):
        options |= {**files, "ssl_cert_reqs": "required", "ssl_check_hostname": True}
    return redis.Redis.from_url(url, **options)


def main() -> int:
    """Read the command line and follow."""
    parser = argparse.ArgumentParser(description="Follow a trader's opportunities in Redis.")
    parser.add_argument("--name", default="arbitrage", help="name of the trader")
    parser.add_argument("--group", default="followers", help="those who share the entries")
    parser.add_argument("--consumer", default=f"{socket.gethostname()}-{os.getpid()}")
    parser.add_argument("--from-start", action="store_true", help="begin with the oldest entry")
    parser.add_argument("--stale-s", type=float, default=60.0, help="when a consumer is gone")
    args = parser.parse_args()
    url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
    start = "0" if args.from_start else "$"
    stream = f"arbitrage:{args.name}:opportunities"
    follower = Follower(client_of(url), stream, args.group, args.consumer, start)

    def stop(*_: object) -> None:
        follower.should_stop = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        follower.run(args.stale_s)
    except (redis.AuthenticationError, redis.exceptions.AuthorizationError) as error:
        print(f"error: Redis refused the user or password of REDIS_URL: {error}", file=sys.stderr)
        return 1
    except redis.RedisError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{follower.handled} entries handled", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
