"""The fault plan over HTTP, for tests: ``POST``, ``GET`` and ``DELETE /admin/faults``.

POST arms the plan of its JSON body in place of the present one, its times counting from then; GET
tells the plan and every fault that struck so far; DELETE ends all faults. Open only with
``--admin``, like the other calls of `arbitrage.sim.admin`.
"""

from __future__ import annotations

from arbitrage.sim import admin
from arbitrage.sim.config import SimError
from arbitrage.sim.exchange import encode
from arbitrage.sim.fault_reading import parse_plan
from arbitrage.sim.faults import FaultLayer

PATH = f"{admin.PREFIX}faults"


def answer(layer: FaultLayer, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """Carry out one administrative call; return (HTTP status, JSON)."""
    if path != PATH:
        return admin.answer(layer.exchange, method, path, body)
    if method == "GET":
        return 200, encode({"plan": layer.plan, "counts": layer.counts, "injected": layer.log})
    if method == "DELETE":
        layer.disarm()
        return 200, encode({})
    if method != "POST":
        return 405, encode({"error": f"{method} {PATH}: accepted are POST, GET, DELETE"})
    try:
        layer.arm(parse_plan(body))
    except SimError as error:
        return 400, encode({"error": str(error)})
    return 200, encode({})
