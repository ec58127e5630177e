"""Where alerts go: webhooks, Slack and Telegram, each by one URL that is a secret as a whole."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import msgspec

from arbitrage.cold.alert_rules import Alert
from arbitrage.errors import ConfigError
from arbitrage.secret import Secret

__all__ = ["Message", "Target", "parse_target"]

KINDS = ("slack", "telegram", "webhook")
HOSTS = {"hooks.slack.com": "slack", "api.telegram.org": "telegram"}
SHOWN_MAX = 5  # of what is folded into one message
TEXT_MAX = 3000
FORMS = (
    "accepted are https://hooks.slack.com/services/..., "
    "https://api.telegram.org/botTOKEN/sendMessage?chat_id=ID and any other https://host/path, "
    "http:// to this machine only; slack+, telegram+ or webhook+ in front says which form is meant"
)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent at once: some alerts, and how many did not get here."""

    alerts: Sequence[Alert]
    lost: int = 0

    @property
    def traders(self) -> list[str]:
        """Return whose alerts they are, each once."""
        return list(dict.fromkeys(alert.trader for alert in self.alerts))

    @property
    def text(self) -> str:
        """Return it as a person reads it: the newest few, and how many more there are."""
        shown = list(self.alerts)[-SHOWN_MAX:]
        lines = [_line(alert) for alert in shown]
        more = len(self.alerts) - len(shown)
        if more:
            lines.append(f"and {more} more")
        if self.lost:
            lines.append(f"{self.lost} earlier ones could not be sent")
        return "\n".join(lines)[:TEXT_MAX]


def _line(alert: Alert) -> str:
    at = f"{datetime.fromtimestamp(alert.wall_ns // 1_000_000_000, UTC):%H:%M:%S} UTC"
    text = "".join(letter if letter.isprintable() else " " for letter in alert.text)
    return f"{'OK' if alert.is_over else 'ALERT'} {alert.trader} {at}: {text}"


@dataclass(frozen=True, slots=True)
class Target:
    """One address.

    Attributes
    ----------
    kind : str
        ``slack``, ``telegram`` or ``webhook``.
    place : str
        Kind and host, which may be shown; the rest of the URL may not.
    """

    kind: str
    url: Secret
    place: str
    chat: Secret | None = None

    def body(self, message: Message) -> bytes:
        """Return what is posted, JSON."""
        if self.kind == "slack":
            return json.dumps({"text": _escaped(message.text)}).encode()
        if self.kind == "telegram":
            chat = self.chat.reveal() if self.chat is not None else ""
            return json.dumps({"chat_id": chat, "text": message.text}).encode()
        found: dict[str, Any] = {
            "trader": ", ".join(message.traders),
            "text": message.text,
            "alerts": [
                {
                    "trader": alert.trader,
                    "kind": alert.kind,
                    "key": alert.key,
                    "text": alert.text,
                    "is_over": alert.is_over,
                    "wall_ns": alert.wall_ns,
                }
                for alert in message.alerts
            ],
            "lost": message.lost,
        }
        return msgspec.json.encode(found)


def _escaped(text: str) -> str:
    """Return a text that Slack shows and does not obey: no link, no call of everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def parse_target(text: Secret, number: int) -> Target:
    """Read one address of ARB_ALERT_URLS; `number` counts from 1 and stands in the error.

    Raises
    ------
    ConfigError
        It is none; the value is never shown.
    """
    head, plus, rest = text.reveal().partition("+")
    kind = head if plus and head in KINDS else ""
    url = rest if kind else text.reveal()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, SplitResult("", "", "", "", "")
    is_open = parts.scheme == "https" or (parts.scheme == "http" and _is_here(host))
    if not host or not is_open or not url.isprintable() or " " in url:
        raise ConfigError(
            f"address {number} of ARB_ALERT_URLS cannot be used (value hidden); {FORMS}"
        )
    kind = kind or HOSTS.get(host, "webhook")
    place = f"{kind} at {host}{f':{port}' if port else ''}"
    if kind != "telegram":
        return Target(kind, Secret(url), place)
    chats = parse_qs(parts.query).get("chat_id", [])
    if len(chats) != 1 or not parts.path.endswith("/sendMessage"):
        raise ConfigError(
            f"address {number} of ARB_ALERT_URLS is no Telegram address (value hidden); expected "
            "is https://api.telegram.org/botTOKEN/sendMessage?chat_id=ID"
        )
    bare = parts._replace(query="", fragment="").geturl()
    return Target(kind, Secret(bare), place, Secret(chats[0]))


def _is_here(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False
