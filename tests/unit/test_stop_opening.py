"""An answer after which no order can pass: opening stops each time, one line tells why."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from arbitrage.errors import ConnectorError
from arbitrage.runtime.gateways import Gateways


def test_opening_stops_with_one_clear_error(caplog: pytest.LogCaptureFixture) -> None:
    steered: list[dict[str, bool]] = []
    segment = SimpleNamespace(steer=lambda **flags: steered.append(flags))
    core: Any = SimpleNamespace(segment=segment)
    nothing: Any = None
    gateways = Gateways(nothing, core, nothing, nothing, nothing)
    for number in range(3):
        gateways._stop_opening(ConnectorError(f"order {number}: banned", venue="okx", code=50110))
    gateways._stop_opening(ConnectorError("banned", venue="bybit", code=10008))
    assert steered == [{"opening_off": True}] * 4
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert [error.partition(": ")[2] for error in errors] == [
        str(ConnectorError("order 0: banned", venue="okx", code=50110)),
        str(ConnectorError("banned", venue="bybit", code=10008)),
    ]
