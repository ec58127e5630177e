"""docs/risk.md tells every limit and every refusal, as they are."""

from pathlib import Path

from arbitrage.core.risk import LIMITS, REASON_TEXTS, REASONS
from arbitrage.settings import RiskSettings, fields_of

PAGE = (Path(__file__).parents[2] / "docs/risk.md").read_text()
EXITS = {"bad_order", "killed", "price_band", "order_rate"}


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table under a heading, without marks."""
    lines = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ")[0].splitlines()
    rows = [line for line in lines if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_every_limit_has_its_row() -> None:
    settings = {name: (env, default) for name, env, _, _, default in fields_of(RiskSettings)}
    told = [(row[0], row[1], row[3]) for row in table("The limits")]
    assert told == [
        (f"`{name}`", f"`{settings[name][0]}`", f"{settings[name][1]:g}") for name in LIMITS
    ]
    named = {word for row in table("The limits") for word in row[5].replace("`", "").split(", ")}
    assert named <= set(REASONS)


def test_every_refusal_has_its_row() -> None:
    rows = table("Refusals")
    assert [row[0] for row in rows] == [f"`{name}`" for name in REASONS if name != "ok"]
    assert [row[1] for row in rows] == [REASON_TEXTS[name] for name in REASONS if name != "ok"]
    assert {row[0].strip("`") for row in rows if row[2] != "no"} == EXITS


def test_what_is_always_on_cannot_be_0() -> None:
    always = {"max_order_usd", "max_position_usd", "max_gross_usd", "max_orders_per_s"}
    assert {name for name, (_, least, _) in LIMITS.items() if least > 0} == always
