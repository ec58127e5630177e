"""``arb replay FOLDER``: a recorded trader's decisions through its own detector again."""

import hashlib
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbitrage.errors import ConfigError

if TYPE_CHECKING:
    from arbitrage.research.recording import Comparison, Progress, Recording, Replayed

__all__ = ["replay_folder", "table_of"]

EVENTS = {1: "OPEN", 2: "UPDATE", 3: "CLOSE"}
_log = logging.getLogger("arbitrage.replay")


def replay_folder(
    folder: Path, is_verifying: bool, events_path: str | None, progress: "Progress | None"
) -> tuple[dict[str, Any], bool]:
    """Replay a folder; return the result, and whether it is as it should be."""
    from arbitrage.research.recording import Recording

    begun = time.monotonic()
    recording = Recording(folder)
    replayed = recording.replay(progress)
    events = replayed.events
    elapsed_ns = replayed.core.elapsed_ns
    found: dict[str, Any] = {
        "trader": recording.session["trader"],
        "run": recording.session["run"],
        "decisions": replayed.records,
        "ticks": replayed.core.counts["ticks"],
        "lost_decisions": sum(end - first for first, end in replayed.gaps),
        "opportunities": int((events["event"] == 1).sum()),
        "events": len(events),
        "events_sha256": hashlib.sha256(events.tobytes()).hexdigest(),
        "exact": [_range(one, recording.session["wall_offset_ns"]) for one in replayed.ranges],
        "differences": replayed.core.counts["differences"],
        "first_different_record": replayed.core.first_difference,
        "decisions_per_s": replayed.records / (elapsed_ns / 1e9) if elapsed_ns else 0.0,
    }
    for first, end in replayed.gaps:
        _log.warning(
            "decisions %d to %d are missing; exact again from the second round after them",
            first,
            end - 1,
        )
    if events_path is not None:
        _write_events(Path(events_path), recording, events)
    is_well = bool(replayed.ranges) and replayed.is_faithful
    if is_verifying:
        compared = replayed.compare(recording)
        is_well = is_well and compared.first is None
        found |= _verified(compared, replayed, is_well)
    found["wall_s"] = time.monotonic() - begun
    return found, is_well or not is_verifying


def _range(one: Any, offset_ns: int) -> dict[str, Any]:
    return {
        "from_record": one.from_record,
        "to_record": one.to_record,
        "from_event": one.from_event,
        "to_event": one.to_event,
        "from": _clock(one.from_mono_ns + offset_ns),
        "to": _clock(one.to_mono_ns + offset_ns),
    }


def _clock(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="milliseconds")


def _verified(compared: "Comparison", replayed: "Replayed", is_well: bool) -> dict[str, Any]:
    why = ""
    if compared.first is not None:
        why = f"event {compared.first.event}: {compared.first.what}"
    elif not replayed.is_faithful:
        why = f"decision {replayed.core.first_difference}, counted from the first replayed"
    elif not replayed.ranges:
        why = "no stretch is exact: a recording needs two rounds, two seconds, without a gap"
    return {
        "verified": is_well,
        "equal": compared.equal,
        "not_recorded": compared.missing,
        "outside": compared.beyond,
        "first_difference": why,
    }


def table_of(found: dict[str, Any]) -> str:
    """Write a result for people."""
    lines = [f"{'trader':<16}{found['trader']:>20}", f"{'run':<16}{found['run']:>20}"]
    for name in ("decisions", "ticks", "lost_decisions", "opportunities", "events"):
        lines.append(f"{name:<16}{found[name]:>20,}")
    lines += [f"{'exact':<16}{one['from']} to {one['to']}" for one in found["exact"]]
    lines.append(f"{'wall_s':<16}{found['wall_s']:>20.3f}")
    lines.append(f"{'decisions_per_s':<16}{found['decisions_per_s']:>20,.0f}")
    lines.append(f"{'events_sha256':<16}{found['events_sha256'][:16]:>20}")
    if "verified" in found:
        lines.append(f"{'equal':<16}{found['equal']:>20,}")
        for name in ("not_recorded", "outside"):
            if found[name]:
                lines.append(f"{name:<16}{found[name]:>20,}")
        if found["verified"]:
            lines.append("the same opportunities in the same order, byte for byte")
        else:
            lines.append(f"DIFFERENT: {found['first_difference']}")
    return "\n".join(lines) + "\n"


# ---- events as text ------------------------------------------------------------------------------


def _write_events(path: Path, recording: "Recording", events: Any) -> None:
    from arbitrage.core.replay import CSV_HEADER

    try:
        with path.open("wb") as out:
            out.write(CSV_HEADER)
            out.writelines(line.encode() for line in _csv(recording, events))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"events file {path} could not be written: {reason}") from None


def _csv(recording: "Recording", events: Any) -> Iterator[str]:
    session = recording.session
    capacity, offset_ns = session["symbol_capacity"], session["wall_offset_ns"]
    for row in events:
        prices = [
            "" if value != value else repr(value)
            for value in (float(row["ask_px"]), float(row["bid_px"]))
        ]
        edges = [
            "" if value != value else f"{value:.6f}"
            for value in (float(row["gross_bps"]), float(row["net_bps"]))
        ]
        yield ",".join(
            [
                EVENTS[int(row["event"])],
                str(row["id"]),
                recording.symbols[int(row["symbol_index"])],
                recording.venues[int(row["buy_row"]) // capacity],
                recording.venues[int(row["sell_row"]) // capacity],
                str(int(row["recv_mono_ns"]) + offset_ns),
                *prices,
                *edges,
            ]
        ) + "\n"
