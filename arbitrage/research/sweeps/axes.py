"""One axis of a grid: what it is called, and the values that it takes, checked before any run."""

import difflib
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from arbitrage.config_values import accepted_words
from arbitrage.errors import ConfigError
from arbitrage.fees import FeeSchedule, parse_fees
from arbitrage.settings import RiskSettings, StrategySettings, fields_of
from arbitrage.trading.strategy_host import check_names

__all__ = ["LATENCIES", "PARAMETER", "Value", "axis_values", "known_names", "setting_value"]

Value = float | int | str | bool

VALUES_MAX = 100_000  # of one axis
_WAYS = ("feed", "order", "reply")
# One number for both venues, or one for each: a constant delay in microseconds.
LATENCIES = tuple(f"latency.{venue}{way}_us" for venue in ("", "bybit.", "okx.") for way in _WAYS)
PARAMETER = "strategy."  # and then what a class of one's own calls it
_OWN = {
    "strategy": "spread, funding, both with a comma between, or file.py:Class",
    "seed": "a whole number from 0 to 4294967295",
    "fees": "a list such as bybit=5.5,okx=5.0 in basis points",
}
_RANGE_WORDS = (
    "accepted is {from = 0, to = 3, step = 0.5}, or count = 7 instead of step, then also "
    'scale = "log"'
)


@cache
def _fields() -> dict[str, tuple[str, Any, Meta]]:
    """Return (field, type, range) of every setting by its field's and its variable's name."""
    found: dict[str, tuple[str, Any, Meta]] = {}
    for struct in (StrategySettings, RiskSettings):
        for field, variable, kind, meta, _ in fields_of(struct):
            found[field] = found[variable] = (field, kind, meta)
    return found


def known_names() -> tuple[str, ...]:
    """Return everything that an axis may be called; variables of the trader serve as well."""
    fields = [name for name, (field, _, _) in _fields().items() if name == field]
    return (*fields, *_OWN, *LATENCIES)


def setting_value(where: str, name: str, value: object) -> tuple[str, Value]:
    """Check one value of a setting; return the setting's plain name and the value as it is meant.

    Raises
    ------
    ConfigError
        No such setting, with the nearest name, or a value that it does not take.
    """
    if name in _OWN:
        return name, _own_value(where, name, value)
    if name in LATENCIES:
        return name, _converted(f"{where}: {name}", value, float, Meta(ge=0, le=60e6))
    if name.startswith(PARAMETER):
        return name, _parameter(where, name, value)
    if name == "ARB_FEES" or name == "ARB_STRATEGY":
        return setting_value(where, name.removeprefix("ARB_").lower(), value)
    known = _fields().get(name)
    if known is None:
        near = difflib.get_close_matches(name, [*known_names(), *_fields()], n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"{where}: {name} is no setting of a strategy or of the risk gate{hint}")
    field, kind, meta = known
    return field, _converted(f"{where}: {name}", value, kind, meta)


def _converted(label: str, value: object, kind: Any, meta: Meta) -> Value:
    try:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError
        if kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        return msgspec.convert(value, Annotated[kind, meta])  # type: ignore[no-any-return]
    except (msgspec.ValidationError, ValueError):
        raise ConfigError(f"{label} was {value!r}; {accepted_words(kind, meta)}") from None


def _parameter(where: str, name: str, value: object) -> Value:
    if not name.removeprefix(PARAMETER).isidentifier():
        raise ConfigError(f"{where}: {name} is no name; accepted is {PARAMETER} and a Python name")
    if not isinstance(value, bool | int | float | str):
        raise ConfigError(f"{where}: {name} was {value!r}; accepted is a number, a text or a bool")
    return value


def _own_value(where: str, name: str, value: object) -> Value:
    if name == "seed":
        return _converted(f"{where}: seed", value, int, Meta(ge=0, le=(1 << 32) - 1))
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{where}: {name} was {value!r}; accepted is {_OWN[name]}")
    if name == "fees":
        schedule: FeeSchedule = parse_fees(value, label=f"{where}: fees")
        return str(schedule)
    names = tuple(part.strip() for part in value.split(",") if part.strip())
    check_names(names, f"{where}: strategy")
    return ",".join(names)


# ---- lists and ranges ----------------------------------------------------------------------------


def axis_values(where: str, name: str, given: object) -> tuple[str, tuple[Value, ...]]:
    """Return an axis' plain name and its values in order.

    Parameters
    ----------
    where : str
        What the grid is called in messages, such as its file.
    name : str
        A setting's field or variable, ``strategy``, ``seed``, ``fees``, one of `LATENCIES`, or
        ``strategy.`` and the name of a parameter of a class of one's own.
    given : object
        A value, several (any iterable: a list, a range, a NumPy array), or a mapping: ``from`` and
        ``to``, both among the values, with a ``step``, or with a ``count`` and, if ratios are to be
        equal instead of distances, ``scale = "log"``.

    Raises
    ------
    ConfigError
        An unknown name, with the nearest one; a value that does not fit; no values at all.
    """
    if isinstance(given, Mapping):
        items: Iterable[object] = _range(f"{where}: {name}", given)
    elif isinstance(given, str) or not isinstance(given, Iterable):
        items = [given]
    else:
        items = given.tolist() if hasattr(given, "tolist") else given
    field = name
    values: list[Value] = []
    for item in items:
        field, value = setting_value(where, name, item)
        if value in values:
            raise ConfigError(f"{where}: {name} names {value!r} twice; leave one of them out")
        values.append(value)
        if len(values) > VALUES_MAX:
            raise ConfigError(f"{where}: {name} has more than {VALUES_MAX:,} values")
    if not values:
        raise ConfigError(f"{where}: {name} has no values; give it at least one, or leave it out")
    return field, tuple(values)


def _range(label: str, given: Mapping[str, object]) -> list[object]:
    unknown = sorted(set(given) - {"from", "to", "step", "count", "scale"})
    if unknown:
        raise ConfigError(f"{label} has {', '.join(unknown)}; {_RANGE_WORDS}")
    if not {"from", "to"} <= set(given) or ("step" in given) == ("count" in given):
        raise ConfigError(f"{label} was {dict(given)!r}; {_RANGE_WORDS}")
    first, last = _number(label, "from", given), _number(label, "to", given)
    if "step" in given:
        if "scale" in given:
            raise ConfigError(f"{label} has both step and scale; {_RANGE_WORDS}")
        return _stepped(label, first, last, _number(label, "step", given))
    count, scale = given["count"], given.get("scale", "linear")
    if not isinstance(count, int) or isinstance(count, bool) or not 2 <= count <= VALUES_MAX:
        raise ConfigError(
            f"{label}: count was {count!r}; accepted is a whole number from 2 to {VALUES_MAX}"
        )
    if scale not in ("linear", "log"):
        raise ConfigError(f"{label}: scale was {scale!r}; accepted values are linear, log")
    if scale == "log":
        if not (first > 0 and last > 0):
            raise ConfigError(f"{label}: a log scale goes from and to a number above 0")
        ratio = math.log(last / first) / (count - 1)
        inner = [float(first) * math.exp(ratio * index) for index in range(1, count - 1)]
        return [_plain(first), *(float(f"{value:.12g}") for value in inner), _plain(last)]
    return [_plain(first + (last - first) * index / (count - 1)) for index in range(count)]


def _stepped(label: str, first: Decimal, last: Decimal, step: Decimal) -> list[object]:
    """Return both ends and what lies between, in decimal steps: 0.1, 0.2, 0.3 and not 0.30...04."""
    if step == 0 or (last - first) / step < 0:
        raise ConfigError(f"{label}: step {step} does not lead from {first} to {last}")
    count = int((last - first) / step)
    if count >= VALUES_MAX:
        raise ConfigError(f"{label} has more than {VALUES_MAX:,} values")
    return [_plain(first + step * index) for index in range(count + 1)]


def _number(label: str, name: str, given: Mapping[str, object]) -> Decimal:
    value = given[name]
    try:
        if isinstance(value, bool | str):
            raise ValueError
        number = Decimal(str(value))
        if not number.is_finite():
            raise ValueError
    except (InvalidOperation, ValueError):
        raise ConfigError(f"{label}: {name} was {value!r}; accepted is a number") from None
    return number


def _plain(value: Decimal) -> float | int:
    """Return a whole number as one: whole settings take no other, and others do not mind."""
    return int(value) if value == value.to_integral_value() else float(f"{value:.12g}")
