"""Typestate: what a thing may do next is what its class has methods for.

Each state is a frozen class of its own. A transition is a method of the state it leaves; it returns
the state it enters, so a transition that is not allowed has no name to call, and mypy says so. A
state that was left cannot be left again. docs/typestate_pattern.md tells the pattern whole.
"""

import inspect
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

__all__ = ["State", "StateLeftError", "moves_of", "states_of"]


class StateLeftError(RuntimeError):
    """A state was left a second time: somebody kept it after its transition."""


@dataclass(frozen=True, slots=True)
class State:
    """What all states share: they are left once."""

    _left: bool = field(default=False, init=False, repr=False, compare=False)

    def _leave(self) -> None:
        if self._left:
            name = type(self).__name__
            raise StateLeftError(f"this {name} was left already; go on with what it became")
        object.__setattr__(self, "_left", True)


def states_of(base: type[State]) -> list[type[State]]:
    """Return the states of one machine, in the order they are written down: the leaf classes."""
    found: list[type[State]] = []
    for child in base.__subclasses__():
        # a slotted dataclass is made twice; the one that its module knows counts
        if getattr(inspect.getmodule(child), child.__name__, None) is child:
            deeper = states_of(child)
            found += deeper or [child]
    return found


def moves_of(base: type[State]) -> list[tuple[type[State], str, type[State]]]:
    """Return every transition of one machine: state, method, state; read off the annotations."""
    states = set(states_of(base))
    found: list[tuple[type[State], str, type[State]]] = []
    for state in states_of(base):
        for name, method in inspect.getmembers(state, inspect.isfunction):
            if name.startswith("_"):
                continue
            result: Any = get_type_hints(method).get("return")
            targets = get_args(result) if get_origin(result) in (Union, UnionType) else (result,)
            found += [(state, name, target) for target in targets if target in states]
    return found
