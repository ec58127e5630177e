"""The consumer of the examples: a group shares the stream, and nothing is lost with a consumer."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis_kit import WAIT_S, Running, Server, client_of, publish, refused, trader, wait_for
from test_redis_access import acl_line, address

from arbitrage import attach
from arbitrage.cold.redis_writer import Mirror
from arbitrage.secret import Secret

PROGRAM = Path(__file__).parents[2] / "examples/follow_opportunities.py"


class Consumer:
    """The example as a program, and what it has said so far."""

    def __init__(self, url: str, *args: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "REDIS_URL": url},
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def ids(self) -> list[int]:
        """Opportunities it has handled."""
        return [int(line.split()[2]) for line in self.lines]

    def stop(self) -> str:
        """End it; return what it said on stderr."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        assert self.process.stderr is not None
        return self.process.stderr.read()


@contextmanager
def consumer(url: str, name: str, who: str, *args: str) -> Iterator[Consumer]:
    running = Consumer(url, "--name", name, "--group", "desk", "--consumer", who, *args)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def pending(client: Any, name: str) -> int:
    return int(client.xpending(f"arbitrage:{name}:opportunities", "desk")["pending"])


def has_group(client: Any, name: str) -> bool:
    key = f"arbitrage:{name}:opportunities"
    return bool(client.exists(key) and client.xinfo_groups(key))


def test_two_consumers_share_the_stream(url: str, name: str) -> None:
    segment, client = trader(name), client_of(url)
    with (
        Running(Mirror(name, Secret(url), attach)),
        consumer(url, name, "a", "--from-start") as first,
        consumer(url, name, "b", "--from-start") as second,
    ):
        wait_for(lambda: has_group(client, name))
        published = 0

        def both_have_some() -> bool:
            nonlocal published
            publish(segment, range(published + 1, published + 11))
            published += 10
            return min(len(first.lines), len(second.lines)) >= 20

        wait_for(both_have_some)
        wait_for(lambda: len(first.lines) + len(second.lines) == published)
        wait_for(lambda: pending(client, name) == 0)
        said = [one.stop() for one in (first, second)]
    assert sorted(first.ids + second.ids) == list(range(1, published + 1))
    assert first.ids == sorted(first.ids)
    assert " UPDATE " in first.lines[0]
    assert f"{len(first.ids)} entries handled" in said[0]
    segment.close()


def test_what_a_dead_consumer_held_is_taken_over(url: str, name: str) -> None:
    segment, client = trader(name), client_of(url)
    key = f"arbitrage:{name}:opportunities"
    publish(segment, range(1, 21))
    with Running(Mirror(name, Secret(url), attach)) as mirror:
        wait_for(lambda: mirror.counters["published"] == 20)
    client.xgroup_create(key, "desk", "0")
    client.xreadgroup("desk", "dead", {key: ">"}, count=5)
    client.xreadgroup("desk", "a", {key: ">"}, count=5)  # of our own name: we had ended too early
    client.xdel(key, client.xrange(key)[0][0])  # trimmed meanwhile
    with consumer(url, name, "a", "--stale-s", "0.2") as living:
        wait_for(lambda: pending(client, name) == 0 and len(living.lines) == 19)
        living.stop()
    assert sorted(living.ids) == list(range(2, 21))
    segment.close()


def test_a_consumer_survives_a_redis_that_forgets_everything(
    serve: Callable[..., Server], name: str
) -> None:
    server, segment = serve(), trader(name)
    with (
        Running(Mirror(name, Secret(server.url), attach)),
        consumer(server.url, name, "a") as follower,
    ):
        wait_for(lambda: has_group(server.client, name))
        publish(segment, range(1, 11))
        wait_for(lambda: len(follower.lines) == 10)
        server.kill()
        publish(segment, range(11, 21))
        server.start()
        wait_for(lambda: follower.ids[10:] == list(range(11, 21)))
    segment.close()


def test_a_wrong_password_ends_it_with_one_line(serve: Callable[..., Server]) -> None:
    server = serve("--requirepass", "another")
    for user in ("", ":wrong@", "nobody:wrong@"):
        done = subprocess.run(
            [sys.executable, str(PROGRAM)],
            env={**os.environ, "REDIS_URL": f"redis://{user}127.0.0.1:{server.port}/0"},
            capture_output=True, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert done.stderr.startswith("error: Redis refused the user or password of REDIS_URL: ")
        assert done.stderr.count("\n") == 1


def test_a_reader_with_the_documented_rights_can_follow(
    serve: Callable[..., Server], name: str
) -> None:
    server, segment = serve(), trader(name)
    version = server.client.info("server")["redis_version"]
    server.client.execute_command(*acl_line("reader", name, version))
    url = address(server, "reader").reveal()
    publish(segment, range(1, 11))
    with Running(Mirror(name, Secret(server.url), attach)), consumer(
        url, name, "a", "--from-start"
    ) as follower:
        wait_for(lambda: follower.ids == list(range(1, 11)))
        wait_for(lambda: pending(server.client, name) == 0)
        follower.stop()
    assert refused(server.client) == []
    segment.close()
