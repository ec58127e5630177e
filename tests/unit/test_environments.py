"""Mainnet, testnet and demo: keys, hosts and regions that never stand in for each other."""

import asyncio
import itertools
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from arbitrage.config import Settings, load_settings
from arbitrage.errors import ConfigError, ConnectorError
from arbitrage.keys import KEY_VARIABLES
from arbitrage.runtime.connectors import open_public_rest, open_rest
from arbitrage.secret import Secret
from arbitrage.venues.bybit.session import BybitSession

SETS = [(venue, name) for venue, sets in KEY_VARIABLES.items() for name in sets]
MODES = {
    "paper": {"bybit": "mainnet", "okx": "mainnet"},
    "live": {"bybit": "mainnet", "okx": "mainnet"},
    "testnet": {"bybit": "testnet", "okx": "demo"},
    "demo": {"bybit": "demo", "okx": "demo"},
}


def keys_of(venue: str, environment: str) -> dict[str, str]:
    names = KEY_VARIABLES[venue][environment]
    return {name: f"canary-{name.lower()}" for name in names}


ALL_KEYS = {name: text for one in SETS for name, text in keys_of(*one).items()}


def load(values: Mapping[str, str], **environ: str) -> Settings:
    return load_settings({**values, **environ}, dotenv=None, cores=range(8))


# ---- keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_takes_the_keys_of_its_environment_only(mode: str) -> None:
    settings = load(ALL_KEYS, ARB_MODE=mode)
    for venue, environment in MODES[mode].items():
        names = KEY_VARIABLES[venue][environment]
        held = getattr(settings, venue)
        assert held.key == Secret(f"canary-{names[0].lower()}")
        assert held.secret == Secret(f"canary-{names[1].lower()}")
        assert held.variable == names[0]
        assert "canary" not in repr(held)


@pytest.mark.parametrize("mode", ["testnet", "demo", "live"])
def test_keys_of_the_other_environments_do_not_do(mode: str) -> None:
    """Nothing stands in silently: the line names what to set, and what was set in vain."""
    wanted = set(MODES[mode].items())
    others = {
        name: text for one in SETS if one not in wanted for name, text in keys_of(*one).items()
    }
    with pytest.raises(ConfigError) as caught:
        load(others, ARB_MODE=mode)
    said = str(caught.value)
    assert said.startswith(f"mode {mode} needs keys of bybit; set ")
    for venue, environment in wanted:
        assert all(name in said for name in KEY_VARIABLES[venue][environment])
    assert "of another environment and stays unused" in said
    assert "canary" not in said
    assert "\n" not in said


@pytest.mark.parametrize("mode", ["testnet", "demo", "live"])
def test_without_keys_one_line_says_what_to_set(mode: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, ARB_MODE=mode)
    names = [", ".join(KEY_VARIABLES[venue][where]) for venue, where in MODES[mode].items()]
    assert str(caught.value) == (
        f"mode {mode} needs keys of bybit; set {names[0]}; and keys of okx; set {names[1]}"
    )


@pytest.mark.parametrize(("venue", "environment"), SETS)
def test_a_set_is_given_whole_or_not_at_all(venue: str, environment: str) -> None:
    names = KEY_VARIABLES[venue][environment]
    for name in names:
        values = keys_of(venue, environment) | {name: ""}
        with pytest.raises(ConfigError, match=f"^{name} was empty while"):
            load(values, ARB_MODE="paper")


@pytest.mark.parametrize("venue", KEY_VARIABLES)
def test_one_key_cannot_be_of_two_environments(venue: str) -> None:
    for one, other in itertools.combinations(KEY_VARIABLES[venue].values(), 2):
        values = ALL_KEYS | {other[0]: ALL_KEYS[one[0]]}
        with pytest.raises(ConfigError) as caught:
            load(values, ARB_MODE="paper")
        assert f"{one[0]} and {other[0]} hold the same key (hidden)" in str(caught.value)
        assert "canary" not in str(caught.value)


def test_mainnet_keys_alone_do_not_choose_a_mode(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    mainnet = keys_of("bybit", "mainnet") | keys_of("okx", "mainnet")
    assert load(mainnet).mode == "paper"
    assert "BYBIT_API_KEY and OKX_API_KEY open mainnet, but no mode was named: paper" in caplog.text
    caplog.clear()
    assert load(mainnet, ARB_MODE="live").mode == "live"
    load_settings(mainnet, dotenv=None, needs_keys=False)
    assert not caplog.records


@pytest.mark.parametrize(
    ("venue", "environment", "words"),
    [
        (
            "bybit",
            "testnet",
            "BYBIT_TESTNET_API_KEY set, but mode testnet needs OKX_DEMO_API_KEY, "
            "OKX_DEMO_API_SECRET, OKX_DEMO_API_PASSPHRASE too: mode is paper",
        ),
        (
            "okx",
            "demo",
            "OKX_DEMO_API_KEY set, but mode testnet needs BYBIT_TESTNET_API_KEY, "
            "BYBIT_TESTNET_API_SECRET too, mode demo needs BYBIT_DEMO_API_KEY, "
            "BYBIT_DEMO_API_SECRET too: mode is paper",
        ),
    ],
)
def test_practice_keys_of_one_venue_only_are_told(
    caplog: pytest.LogCaptureFixture, venue: str, environment: str, words: str
) -> None:
    caplog.set_level(logging.WARNING)
    keys = keys_of(venue, environment)
    assert load(keys).mode == "paper"
    assert [record.getMessage()[: len(words)] for record in caplog.records] == [words]
    caplog.clear()
    load(keys, ARB_MODE="paper")
    load_settings(keys, dotenv=None, needs_keys=False)
    assert load(keys | keys_of("bybit", "demo") | keys_of("okx", "demo")).mode != "paper"
    assert not caplog.records


def test_a_simulator_on_this_machine_takes_the_plain_variables() -> None:
    urls = {
        "BYBIT_REST_URL": "http://127.0.0.1:7702",
        "OKX_REST_URL": "http://localhost:7712",
    }
    mainnet = keys_of("bybit", "mainnet") | keys_of("okx", "mainnet")
    for mode in ("testnet", "demo", "live"):
        settings = load(mainnet | urls, ARB_MODE=mode)
        assert settings.credentials("bybit").variable == "BYBIT_API_KEY"
    assert load(mainnet | urls).mode == "testnet"
    settings = load(ALL_KEYS | urls, ARB_MODE="demo")
    assert settings.credentials("bybit").variable == "BYBIT_DEMO_API_KEY"
    with pytest.raises(ConfigError, match="needs keys of okx; set OKX_DEMO_API_KEY"):
        load(mainnet | urls | {"OKX_REST_URL": ""}, ARB_MODE="demo")


# ---- hosts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "variable", "url", "words"),
    [
        ("live", "BYBIT_REST_URL", "https://api-demo.bybit.com", "is bybit demo, but mode live"),
        ("live", "BYBIT_REST_URL", "https://api-testnet.bybit.com", "choose mode testnet"),
        ("demo", "BYBIT_REST_URL", "https://api.bybit.com", "choose mode paper or live"),
        ("testnet", "BYBIT_REST_URL", "https://api.bytick.com", "trades at bybit testnet"),
        ("demo", "BYBIT_REST_URL", "https://api.bybit.kz", "is bybit mainnet"),
        ("live", "OKX_PRIVATE_WS_URL", "wss://wspap.okx.com/ws/v5/private", "is okx demo"),
        ("demo", "OKX_PRIVATE_WS_URL", "wss://ws.okx.com/ws/v5/private", "is okx mainnet"),
        ("demo", "OKX_PUBLIC_WS_URL", "wss://wseea.okx.com/ws/v5/public", "is okx mainnet"),
        ("live", "OKX_REST_URL", "https://api.bybit.com", "is bybit mainnet, but mode live"),
        ("live", "OKX_PUBLIC_WS_URL", "wss://ws.okx.com:8443/ws/v5/public", "retired port 8443"),
    ],
)
def test_a_host_of_another_place_is_refused(
    mode: str, variable: str, url: str, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(ALL_KEYS, ARB_MODE=mode, **{variable: url})
    assert str(caught.value).startswith(f"{variable} was {url!r}")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("mode", "variable", "url"),
    [
        ("demo", "BYBIT_PUBLIC_WS_URL", "wss://stream.bybit.com/v5/public/linear"),
        ("live", "BYBIT_REST_URL", "https://api.bytick.com"),
        ("live", "BYBIT_REST_URL", "https://api.bybit.nl"),
        ("demo", "OKX_REST_URL", "https://www.okx.com"),
        ("live", "OKX_REST_URL", "https://tr.okx.com"),
        ("demo", "OKX_PUBLIC_WS_URL", "wss://wspap.okx.com/ws/v5/public?brokerId=9999"),
        ("live", "BYBIT_REST_URL", "https://proxy.example.org/bybit"),
    ],
)
def test_other_hosts_are_taken_as_given(mode: str, variable: str, url: str) -> None:
    hosts: Any = load(ALL_KEYS, ARB_MODE=mode, **{variable: url}).hosts
    venue, field = variable.lower().removesuffix("_url").split("_", 1)
    assert getattr(getattr(hosts, venue), field) == url


@pytest.mark.parametrize(
    ("region", "name"), [("tr", "bybit.tr"), ("KZ", "bybit.kz"), ("id", "bybit.id"),
                         ("ge", "bybitgeorgia.ge"), ("jp", "manepa.jp")],
)
def test_bybits_regions(region: str, name: str) -> None:
    hosts = load(ALL_KEYS, ARB_MODE="live", BYBIT_REGION=region).hosts.bybit
    assert hosts.rest == f"https://api.{name}"
    assert hosts.public_ws == f"wss://stream.{name}/v5/public/linear"
    assert hosts.private_ws == f"wss://stream.{name}/v5/private"
    assert hosts.trade_ws == f"wss://stream.{name}/v5/trade"
    with pytest.raises(ConfigError, match=r"BYBIT_REGION was .* no demo hosts are known"):
        load(ALL_KEYS, ARB_MODE="demo", BYBIT_REGION=region)


@pytest.mark.parametrize(
    ("region", "mode", "rest", "ws"),
    [
        ("", "live", "openapi.okx.com", "ws.okx.com"),
        ("eea", "live", "eea.okx.com", "wseea.okx.com"),
        ("eea", "demo", "eea.okx.com", "wseeapap.okx.com"),
        ("us", "live", "us.okx.com", "wsus.okx.com"),
        ("us", "testnet", "us.okx.com", "wsuspap.okx.com"),
    ],
)
def test_okxs_regions(region: str, mode: str, rest: str, ws: str) -> None:
    hosts = load(ALL_KEYS, ARB_MODE=mode, OKX_REGION=region).hosts.okx
    assert hosts.rest == f"https://{rest}"
    assert hosts.public_ws == f"wss://{ws}/ws/v5/public"
    assert hosts.private_ws == f"wss://{ws}/ws/v5/private"
    assert hosts.simulated == (mode != "live")


def test_a_region_that_is_not_listed_is_refused() -> None:
    for variable, listed in (("BYBIT_REGION", "global, tr, kz, id, ge, jp"), ("OKX_REGION", "eea")):
        with pytest.raises(ConfigError, match=f"^{variable} was 'mars'; accepted .*{listed}"):
            load(ALL_KEYS, ARB_MODE="live", **{variable: "mars"})


# ---- what the venue says of a key of another place ----------------------------------------------


@pytest.mark.parametrize(
    ("venue", "mode", "status", "body", "words"),
    [
        (
            "bybit", "demo", 200, b'{"retCode":10003,"retMsg":"API key is invalid.","result":{}}',
            "BYBIT_DEMO_API_KEY is no key of https://api-demo.bybit.com",
        ),
        (
            "okx", "testnet", 401,
            b'{"code":"50101","msg":"APIKey does not match current environment.","data":[]}',
            "OKX_DEMO_API_KEY is no key of demo trading at https://openapi.okx.com",
        ),
        (
            "okx", "live", 401, b'{"code":"50119","msg":"API key doesn\'t exist","data":[]}',
            "OKX_API_KEY is no key of https://openapi.okx.com",
        ),
    ],
)
def test_a_key_in_the_wrong_place_is_one_line(
    venue: str, mode: str, status: int, body: bytes, words: str
) -> None:
    async def answer(*_: Any) -> Any:
        return status, {}, body

    async def main() -> None:
        rest = open_rest(load(ALL_KEYS, ARB_MODE=mode), venue)
        rest._transport = answer
        async with rest:
            await rest.positions()

    with pytest.raises(ConnectorError) as caught:
        asyncio.run(main())
    assert caught.value.is_terminal
    assert words in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refused_login_names_the_variable_and_the_host() -> None:
    class Probe(BybitSession):
        async def on_open(self) -> None: ...

        def on_message(self, payload: bytes, recv_mono_ns: int) -> None: ...

    async def main() -> None:
        settings = load(ALL_KEYS, ARB_MODE="demo")
        url = settings.hosts.bybit.private_ws
        probe = Probe(url, "private data", settings.credentials("bybit"),
                      open_rest(settings, "bybit"))
        probe._failure = asyncio.get_running_loop().create_future()
        probe.login_refused(10003, "API key is invalid.")
        await probe._failure

    with pytest.raises(ConnectorError) as caught:
        asyncio.run(main())
    assert "check BYBIT_DEMO_API_KEY and its secret" in str(caught.value)
    assert "that they belong to stream-demo.bybit.com" in str(caught.value)


@pytest.mark.parametrize("mode", ["demo", "testnet", "live", "paper"])
def test_what_each_mode_sends_to_okx_says_where_it_belongs(mode: str) -> None:
    asked: list[dict[str, str]] = []

    async def answer(_: str, __: str, headers: Mapping[str, str], ___: bytes) -> Any:
        asked.append(dict(headers))
        return 200, {}, b'{"code":"0","msg":"","data":[{"ts":"1"}]}'

    async def main() -> None:
        settings = load(ALL_KEYS, ARB_MODE=mode)
        for rest in (open_rest(settings, "okx"), open_public_rest(settings, "okx")):
            rest._transport = answer
            async with rest:
                await rest.server_time_ms()

    asyncio.run(main())
    wanted = "1" if mode in {"demo", "testnet"} else None
    assert [headers.get("x-simulated-trading") for headers in asked] == [wanted] * 2
