"""The programs beside the trader, in the metrics: its mirrors into Redis and its recorders."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import Metric

from arbitrage.cold.beside import Beside, MirrorState, RecorderState
from arbitrage.cold.metrics.families import Rows, counters, gauges

__all__ = ["beside_families"]

PLACE = ["place"]


def beside_families(found: Sequence[Beside]) -> Iterator[Metric]:
    """Yield the families of all of them; of one that is down only that it is."""
    mirrors = [
        (each.place, each.state) for each in found if isinstance(each.state, MirrorState)
    ]
    recorders = [
        (each.place, each.state) for each in found if isinstance(each.state, RecorderState)
    ]
    yield from _told(found, "mirror", "mirror into Redis")

    def each(value: Callable[[MirrorState], float]) -> Rows:
        return [([place], value(state)) for place, state in mirrors]

    about = "1 while Redis takes what the mirror writes"
    yield gauges("mirror_connected", about, PLACE, each(lambda state: float(not state.away)))
    yield counters("mirror_published", "Entries that are in Redis", [*PLACE, "stream"], [
        ([place, stream], count)
        for place, state in mirrors
        for stream, count in state.published.items()
    ])  # fmt: skip
    yield counters("mirror_lost", "Entries that never came to Redis", [*PLACE, "stream", "cause"], [
        ([place, stream, cause], count)
        for place, state in mirrors
        for cause, streams in state.lost.items()
        for stream, count in streams.items()
    ])  # fmt: skip
    about = "Entries that wait for Redis"
    yield gauges("mirror_backlog", about, PLACE, each(lambda state: state.waiting))
    about = "How old the oldest entry of the last write was"
    yield gauges("mirror_lag_seconds", about, PLACE, each(lambda state: state.lag_s))
    about = "Times that Redis was back after it had been away"
    yield counters("mirror_reconnects", about, PLACE, each(lambda state: state.reconnects))
    yield from _told(found, "recorder", "recorder")
    for name, about, field in (
        ("written", "Frames, decisions and opportunities written", "written"),
        ("lost", "What a recorder was too slow for", "lost"),
    ):
        yield counters(f"recorder_{name}", about, [*PLACE, "stream"], [
            ([place, stream], count)
            for place, state in recorders
            for stream, count in getattr(state, field).items()
        ])  # fmt: skip
    about = "Size of the files of a recording"
    yield gauges("recorder_size_bytes", about, PLACE, [
        ([place], state.written_bytes) for place, state in recorders
    ])  # fmt: skip


def _told(found: Sequence[Beside], kind: str, title: str) -> Iterator[Metric]:
    ours = [each for each in found if each.kind == kind]
    about = f"1 while a {title} runs, 0 when it was killed"
    yield gauges(f"{kind}_up", about, PLACE, [([each.place], float(each.is_up)) for each in ours])
    about = f"Since a {title} told of itself"
    yield gauges(f"{kind}_age_seconds", about, PLACE, [([each.place], each.age_s) for each in ours])
