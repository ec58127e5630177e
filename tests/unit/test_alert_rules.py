"""Which looks at a trader become alerts, once when something begins and once when it is over."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from deck_rig import fake_deck, gone_deck, killed_deck

from arbitrage.board import LimitLine
from arbitrage.cold.alert_rules import Alert, Rules, Watchman
from arbitrage.cold.alert_targets import Message, parse_target
from arbitrage.cold.deck import Deck
from arbitrage.cold.steady_reader import SteadyReader
from arbitrage.errors import ConfigError
from arbitrage.secret import Secret

RULES = Rules(one_leg_s=2.0, feed_s=10.0, gone_s=5.0, loss_part=0.8)


class Desk:
    """A watchman whose clock is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.watchman = Watchman(RULES, lambda: self.now_s)

    def look(self, deck: Deck, after_s: float = 0.5) -> list[Alert]:
        self.now_s += after_s
        return self.watchman.look(deck)

    def told(self, deck: Deck, after_s: float = 0.5) -> list[tuple[str, bool]]:
        return [(alert.kind, alert.is_over) for alert in self.look(deck, after_s)]


def calm(**changes: Any) -> Deck:
    return fake_deck(**{"pairs": [], **changes})


def pairs(phase: str, sell_qty: float, number: int = 91) -> Any:
    line = fake_deck().pairs[1]
    return [msgspec.structs.replace(line, pair=number, phase=phase, sell_qty=sell_qty)]


def test_a_calm_trader_is_no_news() -> None:
    desk = Desk()
    for _ in range(100):
        assert desk.told(calm(), 1.0) == []


def test_each_kill_is_told_once_and_its_end_too() -> None:
    desk = Desk()
    assert desk.told(calm()) == []
    alert = desk.look(killed_deck())[0]
    assert alert.text == "KILLED (loss) by the day's loss: 200.31 USD lost"
    killed = killed_deck()
    killed.pairs = []
    assert desk.told(killed) == []
    assert desk.told(calm()) == [("kill", True)]
    assert desk.told(killed) == [("kill", False)]
    assert killed.killed is not None
    again = msgspec.structs.replace(killed.killed, since_wall_ns=killed.killed.since_wall_ns + 1)
    both = desk.told(msgspec.structs.replace(killed, killed=again))
    assert sorted(both) == [("kill", False), ("kill", True)]


def test_a_leg_alone_is_told_after_its_bound_only() -> None:
    desk = Desk()
    assert desk.told(calm(pairs=pairs("one_leg", 0.0))) == []
    assert desk.told(calm(pairs=pairs("open", 0.31))) == []
    for after_s in (0.5, 1.0, 0.9):
        assert desk.told(calm(pairs=pairs("unwinding", 0.1)), after_s) == []
    alert = desk.look(calm(pairs=pairs("unwinding", 0.1)), 0.2)[0]
    assert alert.kind == "one_leg"
    assert "ETHUSDT: pair 91 has stood on one leg for longer than 2 s" in alert.text
    assert "okx +0.31, bybit -0.1, unwinding" in alert.text
    assert desk.told(calm(pairs=pairs("unwinding", 0.2))) == []
    assert desk.told(calm(pairs=pairs("open", 0.309))) == [("one_leg", True)]


def test_a_broken_pair_is_told_at_once() -> None:
    desk = Desk()
    alert = desk.look(calm(pairs=pairs("broken", 0.0)))[0]
    assert alert.kind == "broken"
    assert "pair 91 is BROKEN" in alert.text
    assert desk.told(calm()) == [("broken", True)]


def test_pairs_of_a_run_that_ended_are_not_said_to_be_even() -> None:
    desk = Desk()
    desk.look(calm(pairs=pairs("broken", 0.0)))
    assert desk.told(gone_deck(), 6.0) == []
    assert desk.told(gone_deck(), 6.0) == [("gone", False)]
    told = desk.look(calm(run=13))
    assert {alert.kind for alert in told if alert.is_over} == {"gone", "broken"}
    broken = next(alert for alert in told if alert.kind == "broken")
    assert broken.text == "pair 91 of run 12 ended with its run; run 13 tells what stands"


def test_a_lost_feed_is_told_after_its_bound_and_when_it_is_back() -> None:
    desk = Desk()
    venues = fake_deck().venues
    lost = [venues[0], msgspec.structs.replace(venues[1], rows_by_state={"SYNCING": 6})]
    assert desk.told(calm(venues=lost)) == []
    assert desk.told(calm(), 9.0) == []
    assert desk.told(calm(venues=lost), 9.0) == []
    assert desk.told(calm(venues=lost), 9.9) == []
    alert = desk.look(calm(venues=lost), 0.2)[0]
    assert alert.text == "okx: feed lost, no row is LIVE (6 SYNCING)"
    assert desk.told(gone_deck(), 1.0) == []  # what the feed does is not known
    assert [each.text for each in desk.look(calm(), 19.0)] == ["okx: feed is back after 30 seconds"]


def test_a_trader_that_is_away_is_told_and_so_is_its_return() -> None:
    desk = Desk()
    assert desk.told(gone_deck()) == []
    assert desk.told(calm(), 3.0) == []
    assert desk.told(gone_deck(), 1.0) == []
    assert desk.told(gone_deck(), 4.9) == []
    alert = desk.look(gone_deck(), 0.2)[0]
    assert alert.text == "the trader is gone: the trader (pid 4242) has ended"
    assert desk.told(gone_deck(), 500.0) == []
    back = desk.look(calm(run=13))[0]
    assert back.text.startswith("the trader is back after ")
    assert back.text.endswith("run 13, mode paper")


def test_the_days_loss_warns_before_the_limit_and_does_not_flutter() -> None:
    desk = Desk()

    def used(usd: float) -> Deck:
        return calm(limits=[LimitLine(name="max_day_loss_usd", used=usd, limit=200.0, unit="USD")])

    assert desk.told(used(159.0)) == []
    alert = desk.look(used(161.0))[0]
    assert "161.00 of 200.00 USD" in alert.text
    for usd in (158.0, 163.0, 150.0, 199.0):
        assert desk.told(used(usd)) == []
    assert desk.told(used(140.0)) == [("loss", True)]
    assert desk.told(calm(limits=[])) == []
    off = LimitLine(name="max_day_loss_usd", used=5.0, limit=0.0, unit="USD")
    assert desk.told(calm(limits=[off])) == []


def test_what_is_not_known_does_not_end() -> None:
    desk = Desk()
    desk.look(killed_deck())
    unknown = calm(board_age_s=None, limits=[], paused={})
    assert desk.told(unknown) == []
    assert desk.told(gone_deck()) == []
    assert desk.told(unknown) == []
    assert desk.told(calm()) == [("kill", True)]


def test_a_trader_that_cannot_be_read_is_told_and_read_anew() -> None:
    """A defect of ours must not end who watches."""
    made: list[str] = []

    class Reader:
        def __init__(self) -> None:
            self.number = len(made)
            made.append("")

        def look(self) -> Deck:
            if self.number == 0:
                raise IndexError("no such row")
            return calm()

    steady = SteadyReader("arb", Reader)
    lost = steady.look()
    assert (lost.name, lost.alive) == ("arb", False)
    assert lost.why_not == "the trader cannot be read: IndexError: no such row"
    assert steady.look().alive
    assert steady.look().alive
    assert len(made) == 2


# ---- addresses -----------------------------------------------------------------------------------

CANARY = "c4n4ry-51c7e7"


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        (f"https://hooks.slack.com/services/T/B/{CANARY}", "slack", "slack at hooks.slack.com"),
        (
            f"https://api.telegram.org/bot{CANARY}/sendMessage?chat_id=-100",
            "telegram",
            "telegram at api.telegram.org",
        ),
        (f"https://example.org:8443/{CANARY}?x=1", "webhook", "webhook at example.org:8443"),
        (f"http://127.0.0.1:9/{CANARY}", "webhook", "webhook at 127.0.0.1:9"),
        (f"http://[::1]:9/{CANARY}", "webhook", "webhook at ::1:9"),
        (f"slack+http://localhost:9/{CANARY}", "slack", "slack at localhost:9"),
        (f"https://me:{CANARY}@example.org/", "webhook", "webhook at example.org"),
    ],
)
def test_an_address_shows_its_kind_and_host_alone(text: str, kind: str, place: str) -> None:
    target = parse_target(Secret(text), 1)
    assert (target.kind, target.place) == (kind, place)
    assert CANARY not in repr(target)
    assert CANARY not in str(target)


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f"http://example.org/{CANARY}",
        f"http://10.0.0.1/{CANARY}",
        f"ftp://example.org/{CANARY}",
        f"https:///{CANARY}",
        f"https://example.org:port/{CANARY}",
        f"https://[::1/{CANARY}",
        f"https://exa\nmple.org/{CANARY}",
        f"https://api.telegram.org/bot{CANARY}/sendMessage",
        f"https://api.telegram.org/bot{CANARY}/getUpdates?chat_id=1",
        f"discord+https://example.org/{CANARY}",
    ],
)
def test_what_is_no_address_is_refused_without_being_shown(text: str) -> None:
    said = r"address 3 of ARB_ALERT_URLS .*\(value hidden\)"
    with pytest.raises(ConfigError, match=said) as told:
        parse_target(Secret(text), 3)
    assert CANARY not in str(told.value)
    assert told.value.__cause__ is None


def test_each_form_says_the_same() -> None:
    said = "KILLED <!channel> & more\x1b[2J"
    alert = Alert("kill", "1", said, wall_ns=3_723_000_000_000, trader="arb")
    message = Message([alert, replace(alert, text="cleared", is_over=True)])
    slack = parse_target(Secret("slack+http://localhost/x"), 1).body(message)
    assert msgspec.json.decode(slack) == {
        "text": "ALERT arb 01:02:03 UTC: KILLED &lt;!channel&gt; &amp; more [2J\n"
        "OK arb 01:02:03 UTC: cleared"
    }
    address = "telegram+http://localhost/bot1:x/sendMessage?chat_id=-7"
    telegram = parse_target(Secret(address), 1)
    body = msgspec.json.decode(telegram.body(message))
    assert (body["chat_id"], body["text"]) == ("-7", message.text)
    assert "chat_id" not in telegram.url.reveal()
    hook = msgspec.json.decode(parse_target(Secret("http://localhost/x"), 1).body(message))
    assert [each["kind"] for each in hook["alerts"]] == ["kill", "kill"]
    assert [each["is_over"] for each in hook["alerts"]] == [False, True]


def test_many_alerts_are_one_message_that_says_how_many_more() -> None:
    alerts = [Alert("feed", str(number), f"number {number}", trader="arb") for number in range(12)]
    lines = Message(alerts, lost=4).text.splitlines()
    assert [line.rpartition(" ")[2] for line in lines[:5]] == ["7", "8", "9", "10", "11"]
    assert lines[5:] == ["and 7 more", "4 earlier ones could not be sent"]
