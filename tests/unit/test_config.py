"""Settings: every variable is typed and validated, and its error says what to write instead."""

import logging
from pathlib import Path

import pytest

from arbitrage.config import (
    EXIT_BAND_MIN_BPS,
    Settings,
    load_settings,
    parse_cores,
    variables,
)
from arbitrage.core.risk import LIMITS
from arbitrage.core.strategy import SETTINGS
from arbitrage.errors import ConfigError
from arbitrage.fees import FeeSchedule
from arbitrage.secret import mask_known
from arbitrage.settings import RiskSettings, fields_of

CANARY = "canary-5up3r-53cr37"
KEYS = {
    "BYBIT_API_KEY": "bybit-key",
    "BYBIT_API_SECRET": CANARY,
    "OKX_API_KEY": "okx-key",
    "OKX_API_SECRET": CANARY,
    "OKX_API_PASSPHRASE": CANARY,
}
OKX_DEMO_KEYS = {
    f"OKX_DEMO_{name[4:]}": f"demo-{text}" for name, text in KEYS.items() if name.startswith("OKX")
}
TESTNET_KEYS = OKX_DEMO_KEYS | {
    "BYBIT_TESTNET_API_KEY": "bybit-testnet-key",
    "BYBIT_TESTNET_API_SECRET": CANARY,
}
DEMO_KEYS = OKX_DEMO_KEYS | {
    "BYBIT_DEMO_API_KEY": "bybit-demo-key",
    "BYBIT_DEMO_API_SECRET": CANARY,
}


def load(**environ: str) -> Settings:
    return load_settings(environ, dotenv=None, cores=range(8))


def test_defaults() -> None:
    settings = load()
    assert settings.market_queue_size == 10000
    assert settings.order_queue_size == 1000
    assert settings.mode == "paper"
    assert settings.feed_mode == "loop"
    assert settings.wait == "adaptive"
    assert (settings.depth, settings.connections_per_venue) == ("full", 1)
    assert settings.strategy.min_gross_bps == 10.0
    assert settings.fees == FeeSchedule()
    assert not settings.fees_given


def test_every_value_is_read() -> None:
    settings = load(
        MARKET_QUEUE_SIZE="64",
        STRATEGY_CORE="0",
        DETECTOR_CORE="3",
        WEBSOCKET_CORES="2-4,1",
        LOG_LEVEL="debug",
        ARB_SYMBOLS="ETHUSDT, BTCUSDT,ETHUSDT",
        ARB_MIN_NET_BPS="-1.5",
        ARB_MAX_ORDERS_PER_S="7",
        ARB_FEES="okx=2",
        ARB_STAGES="split",
        ARB_DEPTH="five",
        ARB_CONNECTIONS_PER_VENUE="2",
    )
    assert (settings.depth, settings.connections_per_venue) == ("five", 2)
    assert settings.market_queue_size == 64
    assert (settings.strategy_core, settings.detector_core) == (0, 3)
    assert settings.websocket_cores == (2, 3, 4, 1)
    assert settings.log_level == "DEBUG"
    assert settings.symbols == ("ETHUSDT", "BTCUSDT")
    assert settings.strategy.min_net_bps == -1.5
    assert settings.risk.max_orders_per_s == 7
    assert settings.fees == FeeSchedule(bybit=5.5, okx=2.0)
    assert settings.fees_given
    assert settings.placed_stages == "split"


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("MARKET_QUEUE_SIZE", "many", "accepted is a whole number from 2 to 4194304"),
        ("MARKET_QUEUE_SIZE", "1", "accepted is a whole number from 2"),
        ("ORDER_QUEUE_SIZE", "1.5", "accepted is a whole number"),
        ("ARB_CONNECTIONS_PER_VENUE", "5", "accepted is a whole number from 1 to 4"),
        ("ARB_DEPTH", "400", "full"),
        ("STRATEGY_CORE", "-1", "accepted is a whole number from 0 to 1023"),
        ("WEBSOCKET_CORES", "2-", "a range such as 2-7 or a list such as 2,3"),
        ("WEBSOCKET_CORES", "7-2", "a range such as 2-7"),
        ("WEBSOCKET_CORES", "2,,3", "a range such as 2-7"),
        ("WEBSOCKET_CORES", "2;3", "a range such as 2-7"),
        ("WEBSOCKET_CORES", "1024", "cores 0 to 1023"),
        ("LOG_LEVEL", "LOUD", "accepted values are DEBUG, INFO, WARNING, ERROR"),
        ("ARB_MODE", "real", "accepted values are paper, demo, testnet, live"),
        ("ARB_WAIT", "sleep", "accepted values are spin, yield, adaptive"),
        ("ARB_NAME", "../x", "letters, digits"),
        ("ARB_SYMBOLS", "BTC-USDT", "canonical symbols such as BTCUSDT"),
        ("ARB_SYMBOLS", "1000PEPEUSDT", "the canonical name of 1000PEPEUSDT is PEPEUSDT"),
        ("ARB_MIN_NET_BPS", "nan", "accepted is a number from -1000 to 10000"),
        ("ARB_STOP_BPS", "0", "accepted is a number above 0 to 10000"),
        ("ARB_MAX_HOLD_S", "inf", "accepted is a number above 0"),
        ("ARB_FEES", "5", "bybit=5.5,okx=5.0"),
        ("BYBIT_REST_URL", "http://api.bybit.com", "accepted is https://host"),
        ("OKX_PUBLIC_WS_URL", "https://ws.okx.com", "accepted is wss://host"),
        ("OKX_PUBLIC_WS_URL", "wss://x:99999", "accepted is wss://host"),
    ],
)
def test_errors_name_variable_value_and_what_is_accepted(
    name: str, value: str, accepted: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(**{name: value})
    text = str(caught.value)
    assert text.startswith(name)
    assert value in text or "URL" in name
    assert accepted in text
    assert "\n" not in text


def test_an_empty_value_means_the_default() -> None:
    assert load(MARKET_QUEUE_SIZE="", STRATEGY_CORE=" ", ARB_FEES="") == load()


# ---- cores ------------------------------------------------------------------------------------


def test_core_lists() -> None:
    assert parse_cores("2-7") == (2, 3, 4, 5, 6, 7)
    assert parse_cores(" 2 , 3 ") == (2, 3)
    assert parse_cores("5") == (5,)
    assert parse_cores("3,1-4") == (3, 1, 2, 4)


def test_missing_cores_warn_once_and_share(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "arbitrage.config"):
        settings = load_settings(
            {"STRATEGY_CORE": "9", "WEBSOCKET_CORES": "2-7"}, dotenv=None, cores=[0, 1, 2]
        )
    assert len(caplog.records) == 1
    assert "cores 3,4,5,6,7,9 are not available" in caplog.text
    assert settings.strategy_core in (0, 1, 2)
    assert set(settings.websocket_cores) == {0, 1, 2}


@pytest.mark.parametrize(
    ("count", "given", "stages"),
    [
        (1, {}, "inline"),
        (4, {}, "inline"),
        (8, {}, "inline"),
        (8, {"ARB_FEED_MODE": "threads"}, "split"),
        (4, {"ARB_FEED_MODE": "processes"}, "fused"),
        (4, {"DETECTOR_CORE": "2"}, "fused"),
        (4, {"STRATEGY_CORE": "3"}, "split"),
        (8, {"DETECTOR_CORE": "2"}, "split"),
        (2, {"DETECTOR_CORE": "1"}, "inline"),
        (4, {"ARB_JOURNAL_DURABILITY": "every"}, "fused"),
        (8, {"DETECTOR_CORE": "2", "ARB_STAGES": "inline"}, "inline"),
    ],
)
def test_stages_follow_the_cores(count: int, given: dict[str, str], stages: str) -> None:
    assert load_settings(given, dotenv=None, cores=range(count)).placed_stages == stages


# ---- modes, hosts and keys -----------------------------------------------------------------------


def test_hosts_follow_the_mode() -> None:
    live = load(ARB_MODE="live", **KEYS).hosts
    testnet = load(ARB_MODE="testnet", **TESTNET_KEYS).hosts
    assert live.bybit.trade_ws == "wss://stream.bybit.com/v5/trade"
    assert not live.okx.simulated
    assert testnet.bybit.rest == "https://api-testnet.bybit.com"
    assert testnet.okx.public_ws == "wss://wspap.okx.com/ws/v5/public"
    assert testnet.okx.simulated
    assert load(ARB_MODE="demo", **DEMO_KEYS).hosts.bybit.trade_ws == ""


def test_a_url_variable_replaces_one_host() -> None:
    hosts = load(BYBIT_PUBLIC_WS_URL="ws://127.0.0.1:7701/v5/public/linear/").hosts
    assert hosts.bybit.public_ws == "ws://127.0.0.1:7701/v5/public/linear"
    assert hosts.bybit.rest == "https://api.bybit.com"


def test_orders_never_become_real_by_default() -> None:
    assert load(**KEYS).mode == "paper"
    assert load(**TESTNET_KEYS).mode == "testnet"
    assert load(**DEMO_KEYS).mode == "demo"
    assert load(**TESTNET_KEYS, **KEYS).mode == "testnet"
    assert load().mode == "paper"


def test_modes_with_orders_need_all_keys() -> None:
    with pytest.raises(ConfigError, match="set BYBIT_API_KEY, BYBIT_API_SECRET"):
        load(ARB_MODE="live")
    with pytest.raises(ConfigError, match="OKX_API_PASSPHRASE was empty while OKX_API_KEY"):
        load(**{**KEYS, "OKX_API_PASSPHRASE": ""})


def test_secrets_show_nowhere() -> None:
    settings = load(REDIS_URL=f"redis://:{CANARY}@h:6379/0", **KEYS)
    assert CANARY not in repr(settings) + str(settings) + f"{settings.okx}"
    assert settings.okx is not None
    assert settings.okx.passphrase.reveal() == CANARY


@pytest.mark.parametrize(
    "environ",
    [
        {"BYBIT_API_KEY": CANARY},
        {**KEYS, "OKX_API_SECRET": CANARY + " x"},
        {"REDIS_URL": CANARY},
        {"REDIS_URL": CANARY + ":x"},
        {"OKX_REST_URL": f"https://user:{CANARY}@openapi.okx.com"},
    ],
)
def test_secrets_are_not_echoed_in_errors(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(**environ)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("says", "environ"),
    [
        ("POSITION_USD was 400, below ARB_MAX_ORDER_USD 500; one", {"ARB_MAX_POSITION_USD": "400"}),
        ("SYMBOL_USD was 999, below twice ARB_MAX_ORDER_USD 1000;", {"ARB_MAX_SYMBOL_USD": "999"}),
        ("MAX_VENUE_USD was 499, below ARB_MAX_ORDER_USD 500; one", {"ARB_MAX_VENUE_USD": "499"}),
        ("MAX_GROSS_USD was 999, below twice ARB_MAX_ORDER_USD", {"ARB_MAX_GROSS_USD": "999"}),
        ("ENTRY_BAND_BPS was 1, below ARB_SLIP_BPS 2; an entry's", {"ARB_ENTRY_BAND_BPS": "1"}),
        ("EXIT_BAND_BPS was 299, below ARB_ENTRY_BAND_BPS 300;", {"ARB_EXIT_BAND_BPS": "299"}),
        (
            "EXIT_BAND_BPS was 199, below the least accepted, 200; the widest slip",
            {"ARB_EXIT_BAND_BPS": "199", "ARB_ENTRY_BAND_BPS": "100"},
        ),
        ("ENTRY_BAND_BPS was 0, off, with ARB_EXIT_BAND_BPS 1000", {"ARB_ENTRY_BAND_BPS": "0"}),
        ("KEPT_FOR_EXITS was 9 of ARB_MAX_ORDERS_BURST 10;", {"ARB_ORDERS_KEPT_FOR_EXITS": "9"}),
    ],
)  # fmt: skip
def test_limits_must_agree(says: str, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=says):
        load(**({"ARB_MAX_ORDER_USD": "500"} | environ))


def test_limits_that_are_off_contradict_nothing() -> None:
    bands = {"ARB_ENTRY_BAND_BPS": "0", "ARB_EXIT_BAND_BPS": "0", "ARB_MAX_BASIS_BPS": "0"}
    risk = load(**bands, ARB_MAX_SYMBOL_USD="0", ARB_MAX_VENUE_USD="0").risk
    assert (risk.exit_band_bps, risk.max_venue_usd) == (0.0, 0.0)


def test_every_limit_of_the_gate_is_a_setting_with_its_default() -> None:
    ours = {name: default for name, _, _, _, default in fields_of(RiskSettings)}
    rate = "max_orders_per_s"  # a gate by itself is not bound by what venues take
    assert {name: ours[name] for name in LIMITS if name != rate} == {
        name: default for name, (default, _, _) in LIMITS.items() if name != rate
    }
    widest = SETTINGS["exit_slip_bps_max"][0] + SETTINGS["stale_slip_bps"][0]
    assert widest < EXIT_BAND_MIN_BPS


# ---- files and names ----------------------------------------------------------------------------


def test_environment_wins_over_dotenv(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("MARKET_QUEUE_SIZE=32\nORDER_QUEUE_SIZE=16 # a comment\n")
    settings = load_settings({"MARKET_QUEUE_SIZE": "64"}, dotenv=path)
    assert (settings.market_queue_size, settings.order_queue_size) == (64, 16)
    overridden = load_settings({}, dotenv=path, overrides={"ORDER_QUEUE_SIZE": "8"})
    assert overridden.order_queue_size == 8


def test_a_readable_file_with_keys_warns(tmp_path: Path, caplog) -> None:
    path = tmp_path / ".env"
    path.write_text("".join(f"{name}={text}\n" for name, text in KEYS.items()))
    path.chmod(0o644)
    load_settings({"ARB_MODE": "live"}, dotenv=path)
    assert f"chmod 600 {path}" in caplog.text
    assert CANARY not in caplog.text
    caplog.clear()
    path.chmod(0o600)
    load_settings({"ARB_MODE": "live"}, dotenv=path)
    assert caplog.text == ""


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xff\xfe\x00A=1")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings({}, dotenv=path)


def test_unknown_names_warn_with_the_nearest(caplog: pytest.LogCaptureFixture) -> None:
    load(ARB_SYMBOL=CANARY, ARB_BUILD="debug", HOME="/")
    assert [record.getMessage() for record in caplog.records] == [
        "ARB_SYMBOL is no known variable and is ignored; did you mean ARB_SYMBOLS?"
    ]


def test_the_example_file_lists_every_variable_with_its_default() -> None:
    text = (Path(__file__).parents[2] / ".env.example").read_text()
    lines = [line for line in text.splitlines() if line.startswith("#") and "=" in line]
    found = dict(line.lstrip("# ").split("=", 1) for line in lines if line[1:2].isupper())
    assert found == {name: default for name, (default, _) in variables().items()}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"A=1\n\n\nARB_MAX_ORDER_USD {CANARY}\n", 4),
        (f"ARB_MAX_ORDER_USD\nA={CANARY}\n", 1),
        (f"A='{CANARY}\n", 1),
        (f"# fine\nexport A=1\n={CANARY}\n", 3),
    ],
)
def test_a_malformed_line_is_named_by_file_and_number(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / ".env"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings({}, dotenv=path)
    assert str(caught.value).startswith(f"{path} line {line} is no setting")
    assert CANARY not in str(caught.value)


def test_settings_know_where_the_symbols_came_from() -> None:
    assert load().symbols_source == "the default list (ARB_SYMBOLS is not set)"
    assert load(ARB_SYMBOLS="BTCUSDT").symbols_source == "ARB_SYMBOLS"
    flags = {"ARB_SYMBOLS": "BTCUSDT"}
    assert load_settings({}, dotenv=None, overrides=flags).symbols_source == "--symbols"


@pytest.mark.parametrize("feed_mode", ["threads", "processes"])
def test_inline_stages_need_the_one_feed_loop(feed_mode: str) -> None:
    """With feeds of their own threads or processes nothing would ever run inline stages."""
    few_cores = load_settings({"ARB_FEED_MODE": feed_mode}, dotenv=None, cores=(0, 1))
    assert few_cores.placed_stages == "fused"
    assert load_settings({}, dotenv=None, cores=(0, 1)).placed_stages == "inline"
    with pytest.raises(ConfigError, match="ARB_STAGES was 'inline' with ARB_FEED_MODE"):
        load_settings({"ARB_FEED_MODE": feed_mode, "ARB_STAGES": "inline"}, dotenv=None)


def test_systemd_credentials_are_read_between_dotenv_and_environment(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ARB_NAME=a\nARB_MAX_ORDER_USD=10\nLOG_FORMAT=json\n")
    (tmp_path / "arbitrage.env").write_text("ARB_MAX_ORDER_USD=20\nLOG_FORMAT=text\n")
    settings = load_settings(
        {"CREDENTIALS_DIRECTORY": str(tmp_path), "LOG_FORMAT": "json"}, dotenv=tmp_path / ".env"
    )
    assert (settings.name, settings.risk.max_order_usd, settings.log_format) == ("a", 20.0, "json")
    nothing = load_settings({"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}, dotenv=None)
    assert nothing.risk.max_order_usd == 1000.0


def test_a_secret_in_the_wrong_variable_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        load(ARB_MODE="canary-of-the-wrong-place", BYBIT_API_KEY="canary-of-the-wrong-place")
    assert "canary" not in mask_known(str(caught.value))
