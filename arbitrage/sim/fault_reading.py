"""Fault plans from TOML and JSON; what does not fit is one line that says what is accepted."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec

from arbitrage.sim.config import SimError
from arbitrage.sim.fault_fields import form_problem, said, where_problem, with_values
from arbitrage.sim.fault_plan import FORMS, AnyRule, FaultPlan


class PlanForm(msgspec.Struct, frozen=True):
    """The tables that a plan is made of."""

    seed: int = 0
    rule: tuple[dict[str, Any], ...] = ()


def checked(value: Any) -> FaultPlan:
    """Make a plan of what TOML or JSON held.

    Raises
    ------
    SimError : one line that names the rule, the field, what it was and what is accepted.
    """
    if not isinstance(value, dict):
        raise SimError(f"fault plan: it was {said(value)}; accepted: an object of seed and rule")
    problem = form_problem(PlanForm, value)
    if problem:
        raise SimError(f"fault plan: {problem}")
    form = msgspec.convert(value, PlanForm)
    return FaultPlan(seed=form.seed, rule=tuple(
        _rule(number, table) for number, table in enumerate(form.rule)))


def _rule(number: int, table: dict[str, Any]) -> AnyRule:
    what = table.get("what")
    form = FORMS.get(what) if isinstance(what, str) else None
    if form is None:
        was = f"was {said(what)}" if "what" in table else "is missing"
        raise SimError(f"fault plan: rule {number}: what {was}; accepted: {', '.join(FORMS)}")
    problem = form_problem(form, table)
    if not problem:
        rule: AnyRule = msgspec.convert(table, form)
        problem = where_problem(rule) or with_values(rule.problem(), form, table)
        if not problem:
            return rule
    raise SimError(f"fault plan: rule {number} ({what}): {problem}")


def read_plan(path: str) -> FaultPlan:
    """Read a plan from a TOML file; SimError with one line when it cannot be."""
    try:
        with open(path, "rb") as file:
            return checked(tomllib.load(file))
    except OSError as error:
        raise SimError(f"--faults {path} cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SimError(f"--faults {path} is not TOML: {error}") from None
    except SimError as error:
        raise SimError(f"--faults {path}: {error}") from None


def parse_plan(body: bytes) -> FaultPlan:
    """Read a plan from JSON; SimError with one line when it cannot be."""
    try:
        return checked(msgspec.json.decode(body))
    except msgspec.DecodeError as error:
        raise SimError(f"fault plan: not JSON: {error}") from None
