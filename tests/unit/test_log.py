"""Log lines: one line an event, UTC, repeats counted, no secret, a traceback for those who ask."""

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from arbitrage.cold.log import KINDS_MAX, FoldingHandler, JsonFormatter, LineFormatter
from arbitrage.secret import Secret, mask, mask_known

CANARY = 'can"ary\\key/+=0123456789'


def record_of(error: Exception | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("arbitrage.x", logging.WARNING, "f", 1, "lost %d\nof 9", (3,), info)


def raised(text: str) -> Exception:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


# ---- how a line looks ---------------------------------------------------------------------------


def test_a_record_is_one_line_in_utc() -> None:
    text = LineFormatter(tracebacks=False).format(record_of())
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING arbitrage\.x: lost 3 of 9", text
    )


def test_tracebacks_come_only_when_asked_for() -> None:
    record = record_of(raised("bad frame"))
    assert LineFormatter(tracebacks=False).format(record).endswith("ValueError: bad frame")
    assert "\n" not in LineFormatter(tracebacks=False).format(record)
    assert "Traceback" in LineFormatter(tracebacks=True).format(record)


def test_json_lines_have_time_level_logger_event_and_fields() -> None:
    record = record_of(raised("bad frame"))
    record.venue = "okx"  # as logging's `extra` does
    line = JsonFormatter(tracebacks=False).format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert list(found) == ["time", "level", "logger", "event", "fields"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["time"])
    assert (found["level"], found["logger"]) == ("WARNING", "arbitrage.x")
    assert found["event"] == "lost 3 of 9: ValueError: bad frame"
    assert found["fields"] == {
        "thread": "MainThread", "template": "lost %d\nof 9", "error": "ValueError", "venue": "okx"
    }
    with_trace = json.loads(JsonFormatter(tracebacks=True).format(record))
    assert "Traceback" in with_trace["fields"]["traceback"]


# ---- no secret ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tracebacks", [False, True])
@pytest.mark.parametrize("kind", [LineFormatter, JsonFormatter])
def test_no_secret_passes_in_message_arguments_extras_or_errors(
    kind: Any, tracebacks: bool
) -> None:
    Secret(CANARY)
    told = [CANARY, repr(CANARY), json.dumps(CANARY), "can%22ary%5Ckey%2F%2B%3D0123456789"]
    for text in told:
        record = logging.LogRecord(
            "arbitrage.x", logging.ERROR, "f", 1, text.replace("%", "%%") + " and %s of %s",
            (text, [CANARY]), None,
        )
        error = raised(f"venue said {text}")
        record.exc_info = (type(error), error, error.__traceback__)
        record.sent = {"sign": text}
        line = kind(tracebacks=tracebacks).format(record)
        assert "ary" not in line
        assert "0123456789" not in line
        assert "***" in line


def test_passwords_of_addresses_and_keys_of_webhooks_are_secret_by_themselves() -> None:
    Secret("redis://user:p%40ss-word-1@host:6379/0")
    Secret("unix:///run/redis.sock?db=1&password=in-the-query")
    Secret("https://api.example.org/bot12345:AAEthetoken/sendMessage?key=querykey1")
    told = "user of host said p%40ss-word-1, p@ss-word-1, 12345:AAEthetoken, querykey1"
    assert mask_known(told) == "user of host said ***, ***, ***, ***"
    assert mask_known("/run/redis.sock said in-the-query") == "/run/redis.sock said ***"


def test_words_and_short_texts_stay() -> None:
    for text in ("", "a", "demo", "phrase", "seven-7", "http://127.0.0.1:8080/services/x"):
        Secret(text)
    told = "a demo of services, whose passphrase is seven-7 phrases long"
    assert mask_known(told) == told
    Secret("eight--8")
    assert mask_known("eight--8") == "***"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("unix:///var/lib/arbitrage/redis/redis.sock",) * 2,
        ("redis://127.0.0.1:6379/3",) * 2,
        ("redis://127.0.0.1:6379/4?health_check_interval=9",) * 2,
        ("rediss://mirror:long-password@redis.example:6380/0", "rediss://***@redis.example:6380/0"),
        ("redis://:short@redis.example/0", "redis://***@redis.example/0"),  # as it is used
        # what is no address may be a password as a whole
        ("redis://u:canary-in-front/x@h:6379/0", "***"),
        ("redis://h:canary-as-a-port/0", "***"),
        ("redis://[canary-in-brackets/0", "***"),
    ],
)
def test_of_an_address_the_credentials_alone_are_secret(address: str, shown: str) -> None:
    Secret(address)
    assert mask_known(f"Redis at {address} is away") == f"Redis at {shown} is away"


def test_what_a_venue_quotes_of_a_short_secret_is_masked_where_it_stands_alone() -> None:
    secrets = (Secret("phrase"), Secret("a-long-api-key"), Secret(""))
    told = 'passphrase "phrase" of a-long-api-keys is wrong: {"passphrase":"phrase"}'
    hidden = 'passphrase "***" of ***s is wrong: {"passphrase":"***"}'
    assert mask(told, secrets) == hidden
    bybit = "error sign! origin_string[1701783394711phrase5000]"
    assert mask(bybit, secrets) == "error sign! origin_string[1701783394711***5000]"


# ---- repeats ------------------------------------------------------------------------------------


class Bench:
    """A handler on a hand-turned clock, and what it wrote."""

    def __init__(self, **options: Any) -> None:
        self.now_s = 100.0
        self.stream = io.StringIO()
        self.handler = FoldingHandler(self.stream, clock=lambda: self.now_s, **options)

    def log(self, text: str, level: int = logging.WARNING, name: str = "arbitrage.x") -> None:
        self.handler.handle(logging.LogRecord(name, level, "f", 1, text, None, None))

    def lines(self) -> list[str]:
        found = self.stream.getvalue().splitlines()
        self.stream.seek(0)
        self.stream.truncate()
        return found


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.handler.close()


def test_a_line_that_repeats_is_written_once_and_counted(bench: Bench) -> None:
    for _ in range(38):
        bench.log("okx is away")
    bench.log("bybit is away")
    assert bench.lines() == ["okx is away", "bybit is away"]
    bench.now_s += 59
    bench.log("other")
    assert bench.lines() == ["other"]
    bench.now_s += 1
    bench.log("more")
    assert bench.lines() == ["okx is away (37 more in 60 s)", "more"]


def test_a_flood_is_one_line_a_window_and_news_after_silence(bench: Bench) -> None:
    for second in range(180):
        bench.now_s = 100.0 + second
        bench.log("okx is away")
    assert bench.lines() == [
        "okx is away", *["okx is away (59 more in 60 s)", "okx is away (60 more in 60 s)"]
    ]
    bench.now_s += 1000
    bench.handler.tell_due()
    assert len(bench.lines()) == 1
    bench.now_s += 61
    bench.log("okx is away")
    assert bench.lines() == ["okx is away"]


def test_lines_that_differ_in_numbers_are_one_kind_after_the_fifth(bench: Bench) -> None:
    for number in range(20):
        bench.log(f"order {number} was refused")
    assert bench.lines() == [f"order {number} was refused" for number in range(5)]
    bench.handler.close()
    assert bench.lines() == ["order 19 was refused (15 more in 0 s)"]


def test_levels_and_loggers_are_apart_and_news_is_never_folded(bench: Bench) -> None:
    for _ in range(2):
        bench.log("a")
        bench.log("a", logging.ERROR)
        bench.log("a", name="arbitrage.y")
        bench.log("a", logging.INFO)
    assert len(bench.lines()) == 3 + 2


def test_who_debugs_sees_every_line() -> None:
    bench = Bench(folds=False)
    for _ in range(3):
        bench.log("again")
    assert len(bench.lines()) == 3


def test_kinds_are_bounded_and_none_is_lost(bench: Bench) -> None:
    names = [f"{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(KINDS_MAX + 10)]
    for name in names * 2:
        bench.log(name)
    assert len(bench.handler._kinds) == KINDS_MAX
    assert len(bench.lines()) == KINDS_MAX + 2 * 10


def test_what_was_counted_is_told_though_nobody_logs_again() -> None:
    told = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            if "more in" in text:
                told.set()
            return super().write(text)

    handler = FoldingHandler(Stream(), window_s=0.05)
    for _ in range(3):
        handler.handle(logging.LogRecord("x", logging.ERROR, "f", 1, "again", None, None))
    assert told.wait(20)
    handler.close()


def test_arguments_that_do_not_fit_are_told_without_them(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    Secret(CANARY)
    bench.handler.handle(
        logging.LogRecord("x", logging.ERROR, "dir/f.py", 7, f"%d {CANARY}", (CANARY,), None)
    )
    assert capsys.readouterr().err == ""
    (line,) = bench.lines()
    assert line.endswith("ERROR x: a line of f.py:7 cannot be written (TypeError): '%d ***'")
    bench.handler.setFormatter(JsonFormatter(tracebacks=False))
    bench.handler.handle(logging.LogRecord("x", logging.ERROR, "f.py", 7, "%d", ("a",), None))
    (line,) = bench.lines()
    assert json.loads(line)["event"].startswith("a line of f.py:7 cannot be written (TypeError)")


# ---- a program's set-up -------------------------------------------------------------------------

PROGRAM = """
import logging, sys, threading
from arbitrage.cold.log import setup_logging
from arbitrage.secret import Secret
setup_logging(sys.argv[1], sys.argv[2])
Secret("canary-of-a-program")
class Sad:
    def __del__(self):
        raise ValueError("unraisable canary-of-a-program")
Sad()
def fail(): raise ValueError("thread canary-of-a-program")
thread = threading.Thread(target=fail)
thread.start(); thread.join()
for _ in range(4):
    logging.getLogger("x").error("again and again")
raise ValueError("main canary-of-a-program")
"""


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_errors_that_nobody_caught_are_log_lines_without_secrets(level: str, form: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, level, form], capture_output=True, text=True, timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "canary" not in done.stderr
    for place in ("unraisable ***", "thread ***", "main ***"):
        assert place in done.stderr
    assert ("Traceback" in done.stderr) == (level == "DEBUG")
    assert ("again and again (3 more in 0 s)" in done.stderr) == (level == "INFO")
    if form == "json":
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        assert all(line["logger"] in {"x", "arbitrage.log"} for line in lines)


TWICE_AND_OUT = """
import logging
from arbitrage.cold.log import setup_logging
from arbitrage.errors import ConfigError, fail
setup_logging("INFO")
for _ in range(3):
    logging.getLogger("arbitrage.test").warning("again")
raise SystemExit(fail(ConfigError("the reason")))
"""


def test_the_error_that_ends_a_program_is_its_last_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", TWICE_AND_OUT], capture_output=True, text=True, check=False
    )
    first, counted, last = ended.stderr.splitlines()
    assert first.endswith("again")
    assert "again (2 more in" in counted
    assert last == "error: the reason"


ENDS = {
    "an error": "from arbitrage.errors import ConfigError; raise ConfigError(SAID)",
    "a defect": "raise ValueError(SAID)",
    "a file": "open('/' + SAID)",
    "a module": "import no_such_module_here",
}
PROGRAM_THAT_ENDS = """
import sys
from arbitrage.errors import run_guarded
from arbitrage.secret import Secret
if sys.argv[1] == "set-up":
    from arbitrage.cold.log import setup_logging
    setup_logging("INFO")
SAID = "lost\\n the canary-of-the-end"
Secret("canary-of-the-end")
def main():
    END
run_guarded(main)
"""


@pytest.mark.parametrize("set_up", ["set-up", "early"])
@pytest.mark.parametrize("end", ENDS)
def test_with_json_the_error_that_ends_a_program_is_an_object_too(end: str, set_up: str) -> None:
    script = PROGRAM_THAT_ENDS.replace("END", ENDS[end])
    for level in ("INFO", "DEBUG"):
        environment = os.environ | {"LOG_FORMAT": "json", "LOG_LEVEL": level}
        done = subprocess.run(
            [sys.executable, "-c", script, set_up], capture_output=True, text=True, timeout=60,
            check=False, env=environment,
        )
        assert done.returncode == (2 if end == "an error" else 1)
        (line,) = done.stderr.splitlines()
        found = json.loads(line)
        assert list(found) == ["time", "level", "logger", "event", "fields"]
        assert (found["level"], found["logger"]) == ("ERROR", "arbitrage")
        assert found["fields"]["thread"] == "MainThread"
        assert found["fields"]["error"].endswith("Error")
        assert ("traceback" in found["fields"]) == (level == "DEBUG")
        assert "canary" not in line
        assert end == "a module" or "***" in found["event"]


def test_before_there_are_settings_a_program_s_error_follows_the_environment() -> None:
    command = [sys.executable, "-m", "arbitrage.cli", "no-such-verb"]
    for form in ("json", "text", ""):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False,
            env=os.environ | {"LOG_FORMAT": form},
        )
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        said = json.loads(line)["event"] if form == "json" else line.removeprefix("error: ")
        assert said.startswith("command was 'no-such-verb'")
