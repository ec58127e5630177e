"""Private channels of the simulated OKX: what a subscriber gets at first, and again and again.

Source: OKX V5 documentation, trading account channels; read in 2026. ``account`` and ``positions``
begin with a snapshot and repeat it about every 5 s (``extraParams`` with ``updateInterval`` 0: only
when something happens). A snapshot names what is held and nothing else, in pages: a symbol that no
page names is flat.
"""

from __future__ import annotations

from typing import Any

import msgspec

from arbitrage.sim import okx_frames as frames
from arbitrage.sim.exchange import Connection, encode
from arbitrage.sim.okx_trading import OkxTrading

# channel: the arguments it knows
PRIVATE_CHANNELS = {
    "orders": {"channel", "instType", "instFamily", "instId"},
    "positions": {"channel", "instType", "instFamily", "instId", "extraParams"},
    "account": {"channel", "ccy", "extraParams"},
    "balance_and_position": {"channel"},
}
OF_INSTRUMENTS = ("orders", "positions")
REPEATED = ("account", "positions")
INTERVALS_MS = (0, 2000, 3000, 4000)  # a client may ask for; 5 s otherwise
USUAL_MS = 5000
ROWS_A_PAGE = 10


class _ExtraParams(msgspec.Struct):
    updateInterval: str = ""


_extra_params = msgspec.json.Decoder(_ExtraParams)


def interval_ms(arg: dict[str, str]) -> int | None:
    """How often a subscriber wants the channel repeated, 0: never; None when it may not ask so."""
    text = arg.get("extraParams", "")
    if not text:
        return USUAL_MS
    try:
        wanted = _extra_params.decode(text).updateInterval
    except msgspec.MsgspecError:
        return None
    if not wanted:
        return USUAL_MS
    return int(wanted) if wanted.isdigit() and int(wanted) in INTERVALS_MS else None


class OkxPrivate(OkxTrading):
    """Snapshots of the private channels."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._repeats: dict[tuple[str, str], tuple[int, int]] = {}  # every, next (ns)

    def join(self, conn: Connection, channel: str, arg: dict[str, str]) -> list[bytes]:
        """Subscribe a logged-in socket; return what it gets at once."""
        conn.topics[channel] = arg
        key = (conn.conn_id, channel)
        self._repeats.pop(key, None)
        every_ns = (interval_ms(arg) or 0) * 1_000_000
        if channel in REPEATED and every_ns:
            self._repeats[key] = (every_ns, self.clock() + every_ns)
        listening = sum(channel in other.topics for other in self.connections.values())
        count = encode({"event": "channel-conn-count", "channel": channel,
                        "connCount": str(listening), "connId": conn.conn_id})
        return [count, *self._snapshot(channel, arg)]

    def leave(self, conn: Connection, channel: str) -> None:
        conn.topics.pop(channel, None)
        self._repeats.pop((conn.conn_id, channel), None)

    def repeat_channels(self, now_ns: int) -> None:
        """Push the regular snapshots that are due."""
        for key, (every_ns, due_ns) in list(self._repeats.items()):
            conn = self.connections.get(key[0])
            if conn is None:
                del self._repeats[key]
            elif now_ns >= due_ns:
                self._repeats[key] = (every_ns, now_ns + every_ns)
                conn.heard_ns = now_ns
                for frame in self._snapshot(key[1], conn.topics[key[1]]):
                    self._pushes.append((conn, frame))

    def _snapshot(self, channel: str, arg: dict[str, str]) -> list[bytes]:
        if channel == "orders":
            return []
        now = self.now_ms()
        if channel == "balance_and_position":
            held = [p for p in self.matcher.positions if p.lots]
            row = frames.balance_and_position(self.matcher, held, "snapshot", now)
            return [encode({"arg": self.arg_of(arg), "data": [row]})]
        if channel == "account":
            rows = [frames.account(self.matcher, now, rest=False)]
        else:
            rows = [frames.position(p, self.matcher, now, rest=False)
                    for p in self.matcher.positions
                    if p.lots and arg.get("instId", "") in ("", p.instrument.name)]
        pages = [rows[i : i + ROWS_A_PAGE] for i in range(0, len(rows), ROWS_A_PAGE)] or [[]]
        return [encode({"arg": self.arg_of(arg), "eventType": "snapshot", "curPage": number,
                        "lastPage": number == len(pages), "data": page})
                for number, page in enumerate(pages, 1)]

    def push_account(self, indexes: list[int]) -> None:
        super().push_account(indexes)
        held = [self.matcher.positions[index] for index in indexes]
        row = frames.balance_and_position(self.matcher, held, "filled", self.now_ms())
        for conn in self.connections.values():
            arg = conn.topics.get("balance_and_position")
            if arg is not None:
                self._pushes.append((conn, encode({"arg": self.arg_of(arg), "data": [row]})))
