"""Mirror and recorder tell the monitor what they do; of one that was killed only that it was."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from monitor_kit import Monitor, monitor, value_of
from prometheus_client import Metric
from redis_kit import (
    PROGRAMS,
    Server,
    client_of,
    counts,
    publish,
    trader,
    wait_for,
)

from arbitrage.cold.beside import FOLDER, MirrorState, Teller, read_beside
from arbitrage.core.messages import Opportunity
from arbitrage.core.segment import Segment

STATE = MirrorState(
    published={"fills": 1}, lost={}, waiting=0, reconnects=0, lag_s=0.0, away=""
)  # fmt: skip


@contextmanager
def program(*args: str, **environ: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a verb of arb beside the trader."""
    command = [sys.executable, "-m", "arbitrage.cli", *args]
    with subprocess.Popen(command, env=os.environ | environ) as child:
        try:
            yield child
        finally:
            child.kill()


@pytest.fixture
def segment(name: str) -> Iterator[Segment]:
    made = trader(name, tap_bytes=1 << 16)
    made.tap(0).enable(True)
    made.decisions.enable(True)
    made.heartbeat()
    yield made
    made.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(PROGRAMS["embedded"], tmp_path)
    yield found
    found.kill()


@pytest.fixture
def watched(name: str, segment: Segment) -> Iterator[Monitor]:
    assert segment.name == name
    with monitor(name) as found:
        yield found


def shown(watched: Monitor, name: str, **labels: str) -> float | None:
    """Return what the monitor serves now; None: there is no such series."""
    try:
        return value_of(watched.scrape(), name, **labels)
    except AssertionError:
        return None


def beside(found: dict[str, Metric], kind: str) -> list[Any]:
    """Return every sample of a kind of program."""
    families = (family for name, family in found.items() if name.startswith(f"{kind}_"))
    return [sample for family in families for sample in family.samples]


def test_the_monitor_shows_what_a_mirror_does_and_that_it_was_killed(
    name: str, segment: Segment, server: Server, watched: Monitor
) -> None:
    where = {"place": f"127.0.0.1:{server.port}"}
    assert beside(watched.scrape(), "mirror") == []
    with program("mirror", "--name", name, REDIS_URL=server.url) as mirror:
        wait_for(lambda: shown(watched, "mirror_up", **where) == 1)
        publish(segment, range(1, 41))
        labels = where | {"stream": "opportunities"}
        wait_for(lambda: shown(watched, "mirror_published_total", **labels) == 40)
        client = client_of(server.url)
        assert counts(client, name) == {"published": 40, "lost": 0, "reconnects": 0}
        found = watched.scrape()
        assert value_of(found, "mirror_connected", **where) == 1
        assert value_of(found, "mirror_backlog", **where) == 0
        assert 0 <= value_of(found, "mirror_age_seconds", **where) < 60
        assert value_of(found, "mirror_lost_total", cause="dropped", **labels) == 0

        server.kill()
        publish(segment, range(41, 61))
        wait_for(lambda: shown(watched, "mirror_connected", **where) == 0)
        wait_for(lambda: shown(watched, "mirror_backlog", **where) == 20)
        server.start()  # it has forgotten all
        wait_for(lambda: shown(watched, "mirror_reconnects_total", **where) == 1)
        lost = labels | {"cause": "by_redis"}
        wait_for(lambda: shown(watched, "mirror_lost_total", **lost) == 40)
        wait_for(lambda: shown(watched, "mirror_published_total", **labels) == 20)
        assert shown(watched, "mirror_connected", **where) == 1

        mirror.send_signal(signal.SIGKILL)
        mirror.wait(30)
    wait_for(lambda: shown(watched, "mirror_up", **where) == 0)
    only = beside(watched.scrape(), "mirror")
    assert [(sample.name, sample.labels) for sample in only] == [("mirror_up", where)]
    with program("mirror", "--name", name, REDIS_URL=server.url) as mirror:
        wait_for(lambda: shown(watched, "mirror_up", **where) == 1)
        assert len(list(FOLDER.glob(f"arbitrage-beside.{name}.mirror.*"))) == 1
        mirror.send_signal(signal.SIGTERM)
        assert mirror.wait(30) == 0
    assert beside(watched.scrape(), "mirror") == []
    assert list(FOLDER.glob(f"arbitrage-beside.{name}.*")) == []


def test_the_monitor_shows_what_a_recorder_writes(
    name: str, segment: Segment, watched: Monitor, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    where = {"place": str(folder)}
    with program("record", name, "--out", str(folder), "--compress", "none") as recorder:
        wait_for(lambda: shown(watched, "recorder_up", **where) == 1)
        for number in range(30):
            segment.tap(0).write(segment.clock.now(), 1, 0, b"x" * 60)
            segment.opportunities.try_push(
                Opportunity(number, *[0] * len(Opportunity._fields[1:])).pack()
            )
        frames = where | {"stream": "okx_frames"}
        wait_for(lambda: shown(watched, "recorder_written_total", **frames) == 30)
        found = watched.scrape()
        told = where | {"stream": "opportunities"}
        assert value_of(found, "recorder_written_total", **told) == 30
        assert value_of(found, "recorder_lost_total", **where, stream="frames") == 0
        assert value_of(found, "recorder_size_bytes", **where) > 30 * 60
        recorder.send_signal(signal.SIGINT)
        assert recorder.wait(30) == 0
    assert beside(watched.scrape(), "recorder") == []


# ---- the file ------------------------------------------------------------------------------------


def test_a_file_is_its_owners_alone_and_comes_once_a_second(name: str) -> None:
    now_s = [0.0]
    with Teller(name, "redis:1", lambda: STATE, lambda: now_s[0]) as teller:
        assert read_beside(name) == []
        teller.tell()
        (path,) = FOLDER.glob(f"arbitrage-beside.{name}.*")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        before = path.stat().st_ino
        now_s[0] = 0.9
        teller.tell()
        assert path.stat().st_ino == before
        now_s[0] = 1.1
        teller.tell()
        assert path.stat().st_ino != before  # replaced, never half written
        (found,) = read_beside(name)
        assert (found.kind, found.place, found.is_up, found.state) == (
            "mirror", "redis:1", True, STATE,
        )  # fmt: skip
        assert read_beside(name.removesuffix(name[-1])) == []
    assert read_beside(name) == []
    teller.tell()
    assert read_beside(name) == []


def test_what_others_put_there_is_not_believed_and_nothing_waits_for_it(
    name: str, tmp_path: Path
) -> None:
    with Teller(name, "redis:1", lambda: STATE) as teller:
        teller.tell()
        (path,) = FOLDER.glob(f"arbitrage-beside.{name}.*")
        text = path.read_bytes()
    stem = f"arbitrage-beside.{name}.mirror."
    made = [FOLDER / f"{stem}{number}" for number in range(1, 6)]
    victim = tmp_path / "victim"
    victim.write_bytes(text)
    try:
        os.mkfifo(made[0])
        made[1].symlink_to(victim)
        made[2].write_bytes(text[:-9])
        made[3].write_bytes(text.replace(b'"mirror"', b'"another"'))
        made[4].mkdir()
        assert read_beside(name) == []
        part = FOLDER / f"{stem}{os.getpid()}.part"
        part.symlink_to(victim)
        made.append(part)
        with Teller(name, "redis:1", lambda: STATE) as teller:
            teller.tell()
            assert victim.read_bytes() == text
            assert read_beside(name) == []
    finally:
        for each in made:
            each.rmdir() if each.is_dir() else each.unlink(missing_ok=True)


def test_of_two_at_one_place_the_living_one_is_shown(name: str) -> None:
    with Teller(name, "redis:1", lambda: STATE) as teller:
        teller.tell()
        (path,) = FOLDER.glob(f"arbitrage-beside.{name}.*")
        dead = path.with_suffix(".1")
        dead.write_bytes(path.read_bytes().replace(f'"pid":{os.getpid()}'.encode(), b'"pid":1'))
        try:
            (found,) = read_beside(name)
            assert (found.is_up, found.pid) == (True, os.getpid())
        finally:
            dead.unlink()
