"""Errors are one clear line; tracebacks only for those who ask."""

import subprocess
import sys

import pytest

from arbitrage import errors
from arbitrage.errors import ArbitrageError, ConfigError, ConnectorError, fail, run_guarded


@pytest.mark.parametrize(
    "name", [name for name in errors.__all__ if isinstance(getattr(errors, name), type)]
)
def test_every_error_belongs_to_the_tree_of_the_docstring(name: str) -> None:
    assert issubclass(getattr(errors, name), ArbitrageError)
    assert errors.__doc__ is not None
    assert name in errors.__doc__


def test_connector_error_names_venue_and_code() -> None:
    error = ConnectorError("login refused", venue="okx", code=60009, is_terminal=True)
    assert str(error) == "okx: login refused (code 60009)"
    assert (error.venue, error.code, error.is_terminal) == ("okx", "60009", True)
    assert str(ConnectorError("no answer")) == "no answer"


def test_fail_prints_one_line(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    assert fail(ConfigError("first\n second")) == 2
    assert capsys.readouterr().err == "error: first second\n"
    assert fail(ArbitrageError("bad")) == 1
    assert fail(OSError(98, "Address in use")) == 1


def test_debug_level_adds_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    try:
        raise ConfigError("bad value")
    except ConfigError as error:
        fail(error)
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert text.endswith("error: bad value\n")


@pytest.mark.parametrize(("body", "code"), [("return 0", 0), ("return None", 0), ("return 3", 3)])
def test_run_guarded_exits_with_the_code(body: str, code: int) -> None:
    with pytest.raises(SystemExit) as caught:
        run_guarded(lambda: None if body == "return None" else code)
    assert caught.value.code == code


def test_a_defect_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_guarded(lambda: 1 // 0)
    assert caught.value.code == 1
    text = capsys.readouterr().err
    assert text.startswith("error: unexpected ZeroDivisionError: ")
    assert text.count("\n") == 1


def test_a_missing_core_says_how_to_build_it(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        raise ModuleNotFoundError("no", name="arbitrage.core.ring")

    with pytest.raises(SystemExit):
        run_guarded(main)
    assert "module arbitrage.core.ring is missing; build it" in capsys.readouterr().err


def test_a_program_that_fails_shows_no_traceback() -> None:
    program = (
        "from arbitrage.errors import *\n"
        "def main():\n    raise SegmentError('no segment named x; start a trader')\n"
        "run_guarded(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={}
    )
    assert done.returncode == 1
    assert done.stderr == "error: no segment named x; start a trader\n"
