"""When somebody should be called: alert rules over the trader's metrics."""

from typing import NamedTuple

__all__ = ["RULES", "Rule"]


class Rule(NamedTuple):
    """One alert: `critical` calls a person now, `warning` is for the next look.

    Parameters
    ----------
    name : str
    expr : str
        PromQL; the alert is on while it has a result, and has had one for `wait`.
    wait : str
        Prometheus duration; ``0s``: at once.
    severity : str
        ``critical`` or ``warning``.
    summary, action : str
        What it is, and what to do; ``{{ $labels.NAME }}`` and ``{{ $value }}``, by way of a
        function where it is no whole number, are filled in.
    """

    name: str
    expr: str
    wait: str
    severity: str
    summary: str
    action: str


EACH = "instance, trader"  # one monitor may watch several traders
SEEN = 'rate(stage_latency_seconds_bucket{stage="seen"}[5m])'
SEEN_P99 = f"histogram_quantile(0.99, sum by ({EACH}, le) ({SEEN}))"
NAKED_P99 = (
    f"histogram_quantile(0.99, sum by ({EACH}, le) (rate(naked_leg_seconds_bucket[15m])))"
)
TROUBLE = 'pairs_under_way{phase=~"one_leg|completing|unwinding|broken"}'
UNKNOWN = 'increase(order_states_total{state="unknown"}[10m])'
LIVE = f'sum by ({EACH}, venue) (feed_rows{{state="LIVE"}})'
REJECTS = f"sum by ({EACH}, venue, reason) (increase(order_rejects_total[10m]))"

RULES = (
    Rule(
        "TraderMonitorDown", 'up{job="arbitrage"} == 0', "15s", "critical",
        "nobody answers at {{ $labels.instance }}: the trader is not watched",
        "Start arb-monitor; look at the trader itself with arb status.",
    ),
    Rule(
        "TraderDown", "up_trader == 0", "5s", "critical",
        "no trader runs on the segment",
        "If it was not stopped by a person: read its log and arb journal show, then start it "
        "again; it takes over what stood.",
    ),
    Rule(
        "TraderSilent", "heartbeat_age_seconds > 5", "5s", "critical",
        "the trader's main thread has not been seen for {{ $value | humanizeDuration }}",
        "The machine stands still or the process is stopped: look at both before anything else.",
    ),
    Rule(
        "KillSwitchTripped", "kill_switch == 1", "0s", "critical",
        "the kill switch is tripped, no order leaves",
        "arb status tells why and by whom; arb kill --clear once that is settled.",
    ),
    Rule(
        "OneLegOpen", f"{TROUBLE} > 0", "5s", "critical",
        '{{ printf "%.0f" $value }} pairs are {{ $labels.phase }}',
        "It is completed or flattened by itself; watch it, and flatten by hand what is broken.",
    ),
    Rule(
        "PairBroken", "increase(pairs_broken_total[15m]) > 0", "0s", "critical",
        "a pair could not be made level within its bound",
        "Its symbol is paused: see what stands at both venues, then arb resume.",
    ),
    Rule(
        "LegAloneLong", f"{NAKED_P99} > 2", "0s", "warning",
        "a leg stood alone for {{ $value | humanizeDuration }}",
        "See which venue answers late: order_states_total, stage_latency_seconds of acknowledged.",
    ),
    Rule(
        "FeedLost", f"{LIVE} == 0", "5s", "critical",
        "{{ $labels.venue }}: no book is live",
        "Nothing is opened meanwhile; see the venue's status page and the network.",
    ),
    Rule(
        "BooksLoseUpdates", "increase(feed_gaps_total[10m]) > 10", "0s", "warning",
        '{{ $labels.venue }}: {{ printf "%.0f" $value }} books were given up in ten minutes',
        "The line loses frames, or the machine is too slow: see queues and processor time.",
    ),
    Rule(
        "FeedReconnects", "increase(feed_reconnects_total[10m]) > 5", "0s", "warning",
        '{{ $labels.venue }}: {{ printf "%.0f" $value }} reconnects in ten minutes',
        "See the log for what the venue said when it closed them.",
    ),
    Rule(
        "FramesNotUnderstood", "increase(feed_malformed_total[10m]) > 0", "0s", "warning",
        "{{ $labels.venue }}: frames could not be read",
        "The venue may have changed its protocol: record and look before trading on.",
    ),
    Rule(
        "DayLossNear", 'risk_limit_used_percent{limit="max_day_loss_usd"} >= 80', "0s", "warning",
        '{{ printf "%.0f" $value }} % of the limit of a day are lost',
        "At 100 % the kill switch trips.",
    ),
    Rule(
        "LimitNearlyUsed", 'risk_limit_used_percent{limit!="max_day_loss_usd"} >= 95', "5m",
        "warning", '{{ $labels.limit }} is {{ printf "%.0f" $value }} % used',
        "Pairs are refused that would pass it; see refusals_total.",
    ),
    Rule(
        "VenueRateLimitNear", "venue_rate_limit_used / venue_rate_limit_allowed > 0.9", "1m",
        "warning", "{{ $labels.venue }}: {{ $labels.what }} near the venue's limit",
        "Orders are held back beyond it; trade fewer symbols or fewer orders a second.",
    ),
    Rule(
        "OrdersUnknown", f"{UNKNOWN} > 0", "0s", "warning",
        '{{ $labels.venue }}: {{ printf "%.0f" $value }} orders were not answered in time',
        "They are asked for by client id; more than a few mean that the venue or the line is slow.",
    ),
    Rule(
        "OrdersRefused", f"{REJECTS} > 20", "0s", "warning",
        '{{ $labels.venue }} refused {{ printf "%.0f" $value }} orders: {{ $labels.reason }}',
        "The venue's page in docs/venues says what its code means.",
    ),
    Rule(
        "OpeningHeldBack", "opening_allowed == 0", "10m", "warning",
        "no pair may open for ten minutes",
        "arb status says why.",
    ),
    Rule(
        "MarketQueueFull", "queue_utilization_market_percent >= 90", "5s", "critical",
        'the market queue is {{ printf "%.0f" $value }} % full',
        "The detector does not keep up: see its thread's processor time and core.",
    ),
    Rule(
        "OrderQueueFull", "queue_utilization_order_percent >= 90", "5s", "critical",
        'the order queue is {{ printf "%.0f" $value }} % full',
        "The gateways do not keep up: see cpu_websocket_threads_percent.",
    ),
    Rule(
        "OrdersLost", "increase(queue_order_drop_total[10m]) > 0", "0s", "critical",
        "orders found their ring full and were not sent",
        "Raise ORDER_QUEUE_SIZE, and see why the gateway's loop stood still.",
    ),
    Rule(
        "QuotesOverwritten", "increase(queue_market_drop_total[10m]) > 0", "0s", "warning",
        '{{ printf "%.0f" $value }} quotes were overwritten by newer ones before they were read',
        "Bursts do that and lose nothing that is current; often means that a core is missing.",
    ),
    Rule(
        "LatencyHigh", f"{SEEN_P99} > 0.001", "5m", "warning",
        "a frame takes {{ $value | humanizeDuration }} to become an opportunity (p99)",
        "See stage_latency_seconds for which stage, then cores, governor and other programs.",
    ),
    Rule(
        "VenueClockOff", "abs(venue_clock_offset_seconds) > 0.5", "1m", "warning",
        "{{ $labels.venue }}: its clock and ours differ by {{ $value | humanizeDuration }}",
        "Orders carry times: see that this machine's clock is kept by NTP.",
    ),
    Rule(
        "MirrorDown", "mirror_up == 0", "30s", "warning",
        "the mirror into {{ $labels.place }} was killed",
        "Start arb mirror again: it goes on where it was, orders and fills lose nothing.",
    ),
    Rule(
        "MirrorCutOff", "mirror_connected == 0 or mirror_age_seconds > 30", "1m", "warning",
        "nothing reaches Redis at {{ $labels.place }}",
        "See the mirror's log for what Redis says; it keeps 100,000 entries of each stream.",
    ),
    Rule(
        "MirrorLoses",
        f"sum by ({EACH}, place, cause) (increase(mirror_lost_total[10m])) > 0", "0s", "warning",
        '{{ printf "%.0f" $value }} entries are not in {{ $labels.place }}: {{ $labels.cause }}',
        "docs/redis.md tells each cause and what to do.",
    ),
    Rule(
        "RecorderDown", "recorder_up == 0", "30s", "warning",
        "the recorder into {{ $labels.place }} was killed",
        "What it wrote lies there as .part files; start arb record into another folder.",
    ),
    Rule(
        "RecorderLoses",
        f"sum by ({EACH}, place, stream) (increase(recorder_lost_total[10m])) > 0", "0s",
        "warning",
        '{{ printf "%.0f" $value }} {{ $labels.stream }} are missing in {{ $labels.place }}',
        "A larger ARB_TAP_MB of the trader gives the recorder more time.",
    ),
    Rule(
        "BoardOld", "board_age_seconds > 10", "10s", "warning",
        "pairs and money have not been told for {{ $value | humanizeDuration }}",
        "The trader's main thread is late; its log says why.",
    ),
)  # fmt: skip
