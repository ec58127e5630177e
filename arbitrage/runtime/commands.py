"""What the commands of the control socket do to a running trader, and how each proves it."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from arbitrage.control import Request
from arbitrage.core.risk import KILLS, PAUSES
from arbitrage.errors import ControlError
from arbitrage.runtime.status import (
    kill_state,
    pair_counts,
    paused_symbols,
    state_of,
    status_of,
    what_holds_back,
)

if TYPE_CHECKING:
    from arbitrage.runtime.engine import Trader

__all__ = ["Commands"]

LOOK_S = 0.0005
LOOK_AGAIN_S = 0.02
EFFECT_S = 2.0
ALL = "all"
# What a person's word lifts; a changed contract stays out until a start loads it anew.
LIFTED = PAUSES["operator"] | PAUSES["breaker"] | PAUSES["reconciliation"]
KILL_LOSS = KILLS.index("loss")
TURNING = ("strategy", "fused")
_log = logging.getLogger(__name__)


class KillArgs(msgspec.Struct, forbid_unknown_fields=True):
    """`why` in words; `flatten` closes what is open too."""

    why: str = ""
    flatten: bool = False


class SymbolArgs(msgspec.Struct, forbid_unknown_fields=True):
    """Canonical symbols, or ``all``."""

    symbols: list[str]


class LimitArgs(msgspec.Struct, forbid_unknown_fields=True):
    """Without a name: list them."""

    name: str = ""
    value: float | None = None


class NoArgs(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing to say."""


class Commands:
    """Carry out one command at a time for each client.

    Threads: the control loop. Everything here reaches the hot threads by words of shared memory.
    """

    def __init__(self, trader: "Trader") -> None:
        self._trader = trader
        self._verbs: dict[str, tuple[type[Any], Callable[[Any, str], Any]]] = {
            "status": (NoArgs, self._status),
            "kill": (KillArgs, self._kill),
            "clear_kill": (NoArgs, self._clear_kill),
            "pause": (SymbolArgs, self._pause),
            "resume": (SymbolArgs, self._resume),
            "flatten": (NoArgs, self._flatten),
            "limit": (LimitArgs, self._limit),
        }

    async def answer(self, request: Request) -> dict[str, Any]:
        """Carry out a command; return its result once it has taken effect.

        Raises
        ------
        ControlError
            It is not known, cannot be done, or has not taken effect in time.
        """
        if request.verb not in self._verbs:
            raise ControlError(
                f"verb was {request.verb[:40]!r}; accepted are {', '.join(self._verbs)}"
            )
        form, work = self._verbs[request.verb]
        args = msgspec.convert(request.args, form)
        result: dict[str, Any] = await work(args, request.by)
        if isinstance(args, SymbolArgs):
            _log.info("%s %s, told by %s", request.verb, ",".join(args.symbols), request.by)
        elif isinstance(args, LimitArgs) and args.value is not None:
            _log.info("limit %s is %g now, told by %s", args.name, args.value, request.by)
        elif request.verb == "flatten":
            _log.info("every pair is being closed, told by %s", request.by)
        return result

    # ---- the kill switch ------------------------------------------------------------------------

    async def _kill(self, args: KillArgs, by: str) -> dict[str, Any]:
        began_ns = time.monotonic_ns()
        reason = "dashboard" if by == "dashboard" else "operator"
        switch = self._trader.kill_switch
        was = switch.record
        is_first = switch.trip(
            reason, " ".join(args.why.split()) or "no reason given", by, flatten=args.flatten
        )
        await self._seen_by_gateways(True)
        acknowledged_ns, wall_ns = time.monotonic_ns() - began_ns, time.time_ns()
        switch.attend()
        return {
            "was_killed": not is_first,
            "was": None if is_first or was is None else was.line,
            "flatten": self._trader.segment.controls["flatten"],
            "acknowledged_ms": round(acknowledged_ns / 1e6, 3),
            "acknowledged_wall_ns": wall_ns,
            "kill": kill_state(self._trader),
        }

    async def _clear_kill(self, _args: NoArgs, by: str) -> dict[str, Any]:
        if self._trader.segment.kill_reason == 0:
            raise ControlError("the kill switch has not tripped: there is nothing to clear")
        record = self._trader.kill_switch.clear(by)
        await self._seen_by_gateways(False)
        return {
            "cleared": None if record is None else msgspec.to_builtins(record),
            "flatten": self._trader.segment.controls["flatten"],
            **self._day(),
        }

    def _day(self) -> dict[str, Any]:
        """Return whether the day's loss lets nothing in, killed or not."""
        now_ns, gate = time.time_ns(), self._trader.core.strategy.risk
        return {
            "day_is_lost": gate.is_day_lost(now_ns),
            "day_result_usd": gate.day_usd(now_ns),
            "max_day_loss_usd": gate.limits["max_day_loss_usd"],
        }

    async def _seen_by_gateways(self, is_killed: bool) -> None:
        """Wait until no gateway can act on what the switch was before."""
        gateways = self._trader.gateways
        end_s = time.monotonic() + EFFECT_S
        look_s = 0.0
        while not gateways.has_seen(is_killed):
            now_s = time.monotonic()
            if is_killed != (self._trader.segment.kill_reason != 0):
                return  # somebody else has said the opposite since
            if now_s > end_s:
                raise ControlError(
                    f"the word is set, but a gateway has not looked at it within {EFFECT_S:g} s: "
                    "its loop hangs; stop the process if orders must not leave"
                )
            if now_s >= look_s:
                gateways.look()
                look_s = now_s + LOOK_AGAIN_S
            await asyncio.sleep(LOOK_S)

    # ---- pausing and flattening -----------------------------------------------------------------

    async def _pause(self, args: SymbolArgs, _by: str) -> dict[str, Any]:
        for index in self._chosen(args.symbols):
            self._trader.segment.pause(index, PAUSES["operator"])
        await self._strategy_turned()
        return {"paused": paused_symbols(self._trader)}

    async def _resume(self, args: SymbolArgs, _by: str) -> dict[str, Any]:
        trader = self._trader
        chosen = self._chosen(args.symbols)
        ended = False
        if any(symbol.lower() == ALL for symbol in args.symbols):
            if trader.stop_asked.is_set():
                raise ControlError("the trader is stopping: it opens no pair any more")
            trader.kill_switch.is_flatten_told = False
            if trader.segment.kill_reason == 0:
                ended = trader.segment.controls["flatten"]
                trader.segment.steer(flatten=False)
        before = paused_symbols(trader)
        for index in chosen:
            trader.segment.unpause(index, LIFTED)
        await self._strategy_turned()
        paused = paused_symbols(trader)
        return {
            "resumed": [symbol for symbol in before if symbol not in paused],
            "paused": paused,
            "killed": trader.segment.kill_reason != 0,
            "flatten": trader.segment.controls["flatten"],
            "flatten_ended": ended,
            "state": state_of(what_holds_back(trader), trader),
        }

    async def _flatten(self, _args: NoArgs, by: str) -> dict[str, Any]:
        trader = self._trader
        trader.kill_switch.is_flatten_told = True
        told = pair_counts(trader)  # before it acts: what is closed at once is told of as well
        if trader.segment.kill_reason != 0:
            trader.kill_switch.flatten(by)
        trader.segment.steer(flatten=True)
        trader.core.stages.wake()
        await self._strategy_turned()
        return {"open_pairs": trader.core.strategy.live_pairs, **told}

    def _chosen(self, symbols: Iterable[str]) -> list[int]:
        known = self._trader.market.symbols
        chosen: list[int] = []
        for given in symbols:
            if given.lower() == ALL:
                return list(range(len(known)))
            symbol = given.upper()
            if symbol not in known:
                raise ControlError(
                    f"symbol was {given!r}; this trader has {', '.join(known)}, or {ALL}"
                )
            chosen.append(self._trader.segment.symbols.index(symbol))
        return chosen

    async def _strategy_turned(self) -> None:
        """Wait for one whole turn of the strategy: what it decides now, it decides by our words."""
        stages = self._trader.core.stages
        if stages.placement == "inline":
            # its turns are callbacks of the feed loop: none is under way when this one runs
            await self._through_loop("feed")
            return
        before = self._turns()
        end_s = time.monotonic() + EFFECT_S
        while self._turns() < before + 2:
            if time.monotonic() > end_s:
                raise ControlError(f"the strategy has not turned within {EFFECT_S:g} s")
            stages.wake()
            await asyncio.sleep(LOOK_S)

    def _turns(self) -> int:
        table = self._trader.segment.threads()
        return sum(int(entry["turns"]) for entry in table if entry["role"] in TURNING)

    async def _through_loop(self, role: str) -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        for thread in self._trader.crew.loops:
            if thread.role == role:
                thread.call(lambda: loop.call_soon_threadsafe(done.set))
                try:
                    async with asyncio.timeout(EFFECT_S):
                        await done.wait()
                except TimeoutError:
                    raise ControlError(
                        f"the {role} loop has not turned within {EFFECT_S:g} s"
                    ) from None

    # ---- limits and status ----------------------------------------------------------------------

    async def _limit(self, args: LimitArgs, by: str) -> dict[str, Any]:
        gate = self._trader.core.strategy.risk
        if args.name and args.name not in gate.limits:
            raise ControlError(f"limit was {args.name!r}; there are {', '.join(gate.limits)}")
        has_tripped = False
        if args.name and args.value is not None:
            try:
                gate.set_limit(args.name, args.value)
            except ValueError as error:
                raise ControlError(str(error)) from None
            try:
                await self._strategy_turned()
            finally:
                # after the turn: what was noted before it is seen here, what comes later is judged
                # by the new limit
                has_tripped = args.name == "max_day_loss_usd" and self._trip_by_loss(args.value, by)
            if has_tripped:
                await self._seen_by_gateways(True)
                self._trader.kill_switch.attend()
        return {"limits": gate.limits, "tripped": has_tripped}

    def _trip_by_loss(self, limit_usd: float, by: str) -> bool:
        """Trip when the day has lost more than the limit that was set just now."""
        now_ns, gate = time.time_ns(), self._trader.core.strategy.risk
        if not gate.is_day_lost(now_ns):
            return False
        if self._trader.segment.kill_reason == 0:
            why = f"the day has lost {-gate.day_usd(now_ns):.6g} USD, and max_day_loss_usd was set "
            self._trader.kill_switch.trip("loss", f"{why}to {limit_usd:g}", by)
        return self._trader.segment.kill_reason == KILL_LOSS

    async def _status(self, _args: NoArgs, _by: str) -> dict[str, Any]:
        return status_of(self._trader)
