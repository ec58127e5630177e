"""The fault layer without sockets: each kind of fault does what it says, and is recorded."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from fault_kit import QUOTE_CHANNEL, VENUES, Bench
from sim_kit import Venue

from arbitrage.sim.config import SimError
from arbitrage.sim.exchange import Connection
from arbitrage.sim.fault_plan import AnyRule
from arbitrage.sim.fault_reading import checked
from arbitrage.sim.faults import FaultLayer, NoAnswer, Refused


@pytest.mark.parametrize("venue", VENUES)
def test_without_a_plan_everything_passes(venue: str) -> None:
    bench = Bench(venue)
    assert not bench.layer.is_active
    assert len(bench.subscribed) == 2  # the answer and the first quote
    assert bench.quote() in bench.prices()
    assert "pong" in bench.ping()[0]
    assert bench.layer.log == []


@pytest.mark.parametrize("venue", VENUES)
def test_frames_are_dropped_at_points_in_time(venue: str) -> None:
    bench = Bench(venue, {"what": "drop", "at_s": [0.015, 0.035]})
    seen = []
    for _ in range(5):
        bench.quote()
        seen += bench.prices()
    assert seen == [84001.0, 84003.0, 84005.0]
    assert bench.struck("drop") == 2
    first = bench.layer.log[0]
    assert (first.role, first.channel, first.symbol) == ("public", QUOTE_CHANNEL[venue], "BTCUSDT")
    assert first.conn_id == bench.conn.conn_id


def test_drops_by_probability_repeat_with_the_seed() -> None:
    def run(seed: int) -> list[float]:
        bench = Bench("okx", {"what": "drop", "probability": 0.3}, seed=seed)
        seen = []
        for _ in range(200):
            bench.quote()
            seen += bench.prices()
        assert len(seen) + bench.struck("drop") == 201 or len(seen) + bench.struck("drop") == 200
        return seen

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 110 < len(run(1)) < 170


def test_a_rule_keeps_to_its_channel_symbol_connection_window_and_count() -> None:
    bench = Bench(
        "bybit",
        {"what": "drop", "channel": "tickers"},
        {"what": "drop", "symbol": "ETHUSDT"},
        {"what": "drop", "connection": 1},
        {"what": "drop", "venue": "okx"},
        {"what": "drop", "role": "private"},
        {"what": "drop", "from_s": 0.035, "until_s": 0.055},
        {"what": "drop", "from_s": 0.075, "count": 1},
    )
    seen = []
    for _ in range(9):
        bench.quote()
        seen += bench.prices()
    assert seen == [84001.0, 84002.0, 84003.0, 84006.0, 84007.0, 84009.0]
    assert {fault.rule for fault in bench.layer.log} == {5, 6}


@pytest.mark.parametrize("venue", VENUES)
def test_duplicates_reorders_and_delays(venue: str) -> None:
    bench = Bench(venue, {"what": "duplicate", "copies": 2, "at_s": [0.005]})
    bench.quote()
    assert bench.prices() == [84001.0] * 3
    bench = Bench(venue, {"what": "reorder", "frames": 2, "at_s": [0.005]})
    seen = []
    for _ in range(4):
        bench.quote()
        seen += bench.prices()
    assert seen == [84002.0, 84003.0, 84001.0, 84004.0]
    bench = Bench(venue, {"what": "delay", "ms": 15, "at_s": [0.005]})
    bench.quote()
    assert bench.prices() == []
    bench.quote()
    assert bench.prices() == []  # what is behind a late frame waits
    bench.turn(5)
    assert bench.prices() == [84001.0, 84002.0]
    bench = Bench(venue, {"what": "delay", "ms": 15, "at_s": [0.005], "is_overtaken": True})
    bench.quote()
    bench.quote()
    assert bench.prices() == [84002.0]
    bench.turn(5)
    assert bench.prices() == [84001.0]


def test_a_frame_that_nothing_overtakes_goes_after_a_second() -> None:
    bench = Bench("bybit", {"what": "reorder", "at_s": [0.005]})
    bench.quote()
    bench.turn(900)
    assert bench.prices() == []
    bench.turn(100)
    assert bench.prices() == [84001.0]


@pytest.mark.parametrize("venue", VENUES)
def test_a_silent_symbol_answers_pings(venue: str) -> None:
    bench = Bench(venue, {"what": "silent", "symbol": "BTCUSDT", "at_s": [0.005], "for_s": 0.02})
    bench.turn(5)
    bench.quote()
    assert bench.prices() == []
    assert "pong" in bench.ping()[0]
    bench.turn(10)
    bench.quote()
    assert bench.prices() == [84002.0]


@pytest.mark.parametrize("venue", VENUES)
def test_a_half_open_line_answers_nothing_until_it_is_healed(venue: str) -> None:
    bench = Bench(venue, {"what": "half_open", "at_s": [0.005]})
    bench.turn(5)
    bench.quote()
    assert bench.prices() == []
    assert bench.ping() == []
    assert bench.layer.is_deaf(bench.conn)
    bench.layer.disarm()
    assert "pong" in bench.ping()[0]


def test_lines_are_closed_reset_and_picked() -> None:
    bench = Bench("bybit", {"what": "close", "code": 1012, "reason": "bye", "at_s": [0.005]},
                  {"what": "reset", "at_s": [0.015], "pick": "one"})
    bench.connect("public")
    bench.turn(5)
    assert bench.cuts() == [(1012, "bye")] * 2
    bench.turn(10)
    assert bench.cuts() == [(0, "")]


def test_random_moments_come_at_their_mean_rate() -> None:
    bench = Bench("bybit", {"what": "reset", "every_s": 1.0})
    for _ in range(1000):
        bench.turn(100)
    assert 70 < bench.struck("reset") < 130


def test_okx_announces_an_upgrade_and_closes() -> None:
    bench = Bench("okx", {"what": "notice", "at_s": [0.005], "after_s": 1.0})
    bench.turn(5)
    (text,) = bench.texts()
    assert (json.loads(text)["event"], json.loads(text)["code"]) == ("notice", "64008")
    bench.turn(999)
    assert bench.cuts() == []
    bench.turn(1)
    assert [code for code, _ in bench.cuts()] == [4006]


def test_connections_and_rest_are_refused_for_a_while() -> None:
    bench = Bench("bybit", {"what": "refuse", "at_s": [1.0], "for_s": 2.0, "status": 429})
    public, path = bench.exchange.public_path, "/v5/market/time"
    bench.turn(1000)
    assert bench.layer.connect(public) == Refused(429)
    assert bench.layer.rest("GET", path, "", {}, b"") == Refused(429)
    bench.turn(2000)
    assert isinstance(bench.layer.connect(public), Connection)
    assert bench.venue.exchange.rest("GET", path, "", {}, b"").status == 200
    assert bench.struck("refuse") == 2


@pytest.mark.parametrize(
    ("venue", "rule", "status", "said"),
    [
        ("bybit", {"code": 10006, "text": "Too many visits!"}, 200, '"retCode":10006'),
        ("okx", {"code": 50011, "status": 429}, 429, '"code":"50011"'),
        ("okx", {"code": 50061}, 200, '"code":"50061"'),
        ("bybit", {"status": 503}, 503, "<html>"),
    ],
)
def test_rest_is_answered_with_codes(
    venue: str, rule: dict[str, Any], status: int, said: str
) -> None:
    path = {"bybit": "/v5/market/time", "okx": "/api/v5/public/time"}[venue]
    bench = Bench(venue, {"what": "answer", "call": path, "count": 1, **rule})
    reply = bench.layer.rest("GET", path, "", {}, b"")
    assert reply[0] == status
    assert said in reply[2].decode()
    assert bench.layer.rest("GET", path, "", {}, b"")[0] == 200
    assert bench.layer.log[0].detail == f"GET {path}"


def test_an_answer_over_rest_is_lost() -> None:
    bench = Bench("bybit", {"what": "lose", "after_s": 0.5})
    assert bench.layer.rest("GET", "/v5/market/time", "", {}, b"") == NoAnswer(0.5)


def test_numbers_skip_and_restart() -> None:
    bench = Bench("bybit", {"what": "skip", "ids": 5, "at_s": [0.015]},
                  {"what": "restart", "at_s": [0.035]})
    ids = []
    for _ in range(4):
        bench.quote()
        ids += [json.loads(text)["data"]["u"] for text in bench.texts()]
    first = ids[0]
    assert ids == [first, first + 6, first + 7, 1]
    bench = Bench("okx", {"what": "restart", "at_s": [0.015]})
    ids = []
    for _ in range(3):
        bench.quote()
        ids += [json.loads(text)["data"][0]["seqId"] for text in bench.texts()]
    assert ids[0] > 1_000_000
    assert ids[1] < ids[2] < 1000


def test_the_clock_funding_and_contracts_change() -> None:
    bench = Bench("bybit", {"what": "clock", "jump_ms": 2500, "at_s": [0.005]},
                  {"what": "funding", "symbol": "BTCUSDT", "rate": "0.0042", "at_s": [0.005]},
                  {"what": "contract", "symbol": "BTCUSDT", "tick": "0.50", "at_s": [0.005]},
                  {"what": "contract", "symbol": "ETHUSDT", "state": "suspended", "at_s": [0.005]})
    before_ms = bench.exchange.now_ms()
    bench.turn(5)
    assert bench.exchange.now_ms() == before_ms + 2505
    assert str(bench.exchange.funding_rates[0]) == "0.0042"
    assert [item.state for item in bench.exchange.instruments] == ["live", "suspended"]
    assert bench.exchange.instruments[0].tick_text == "0.50"
    bench.quote()
    assert len(bench.prices()) == 1  # the market goes on by the clock that did not jump


def test_a_plan_names_only_what_the_venue_has() -> None:
    with pytest.raises(SimError, match=r"rule 0 \(drop\): symbol was 'XRPUSDT', which bybit was"):
        Bench("bybit", {"what": "drop", "symbol": "XRPUSDT"})


@pytest.mark.parametrize("venue", VENUES)
def test_the_manuals_plans_can_be_armed_and_show_every_kind(venue: str) -> None:
    text = (Path(__file__).parents[2] / "docs/simulator.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", text, re.S)
    plans = [checked(tomllib.loads(block)) for block in blocks]
    layer = FaultLayer(Venue(venue).exchange)
    for plan in plans:
        layer.arm(plan)
    shown = {type(rule) for plan in plans for rule in plan.rule}
    assert shown == set(get_args(AnyRule))
    table = re.findall(r"^\| `([a-z_]+)` \| [^|]+ \| ([^|]*)\|$", text, re.M)
    told = {what: set(re.findall(r"`([a-z_]+)`", fields)) for what, fields in table}
    shared = {"venue", "from_s", "until_s", "at_s", "count", "every_s", "probability"}
    where = {"role", "channel", "symbol", "connection"}
    for kind in get_args(AnyRule):
        fields = set(kind.__struct_fields__) - shared
        what = kind.__struct_config__.tag
        assert fields - where <= told[what] <= fields, what
