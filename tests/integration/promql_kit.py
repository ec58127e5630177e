"""What an expression of PromQL asks for: metrics by name, the labels it reads, those it keeps."""

import re
from typing import NamedTuple

__all__ = ["Selector", "asked", "mentioned"]

GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(?!\s*\()(?![\w:])")
MATCHER = re.compile(r'([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"')
KEYWORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "bool", "and", "or"}
KEYWORDS |= {"unless", "offset", "inf", "nan"}


class Selector(NamedTuple):
    """One selector: a series' name and the labels it is chosen by."""

    name: str
    labels: frozenset[str]


def asked(expression: str) -> tuple[list[Selector], set[str]]:
    """Return the selectors, and the labels that the expression groups by or matches on."""
    grouped = {
        label.strip()
        for names in GROUPING.findall(expression)
        for label in names.split(",")
        if label.strip()
    }
    rest = GROUPING.sub(" ", expression)
    rest = re.sub(r"\[[^\]]*\]", " ", rest)
    selectors = []
    for name, matchers in SELECTOR.findall(rest):
        if name.lower() not in KEYWORDS:
            selectors.append(Selector(name, frozenset(MATCHER.findall(matchers))))
    return selectors, grouped


def mentioned(text: str) -> set[str]:
    """Return the labels that a legend or an annotation puts into words."""
    return set(re.findall(r"\{\{\s*(?:\$labels\.)?([a-zA-Z_]\w*)\s*\}\}", text))
