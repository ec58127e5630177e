"""A string that does not show itself: API secrets and passphrases.

Every `Secret` ever made is also remembered for `mask_known`, the last line of what leaves a process
as text: log lines, error lines and tracebacks pass it, whoever wrote them. It looks for the text of
a secret, which must be too long to be a word of ours: `KNOWN_MIN`. What is shorter is hidden where
it is used: in every rendering of its `Secret`, in addresses, and in what a venue says wherever it
stands alone (`mask`).
"""

import json
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, unquote, urlsplit

__all__ = ["KNOWN_MIN", "MaskedLog", "Secret", "mask", "mask_known"]

# No venue gives or takes a shorter one (OKX' passphrases have 8 to 32 characters, keys have 18 and
# more), and what is shorter is a word such as "phrase", which a mask would eat in every line.
KNOWN_MIN = 8
# A part of a webhook's path that is longer than a word.
PATH_PART_MIN = 12
# Addresses of which the credentials alone are secret; a webhook's is a secret as a whole.
PLACES = ("redis", "rediss", "unix")
_NO_LETTER_BEFORE, _NO_LETTER_AFTER = r"(?<![^\W\d_])", r"(?![^\W\d_])"
_USER_INFO = re.compile(r"(?<=://)[^\s/@]*@")


class _Known:
    """The texts that no output may hold, as one pattern."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may log while its thread makes a Secret
        self._texts: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, text: str) -> None:
        found = {form for part in _parts(text) if len(part) >= KNOWN_MIN for form in _forms(part)}
        with self._lock:
            if not found <= self._texts:
                self._texts |= found
                self._pattern = None

    def hide(self, text: str) -> str:
        with self._lock:
            if self._pattern is None:
                longest_first = sorted(self._texts, key=len, reverse=True)
                self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
            pattern = self._pattern
        return _USER_INFO.sub("***@", pattern.sub("***", text))


_known = _Known()


def _parts(text: str) -> Iterator[str]:
    """Yield a secret and, of an address, what in it is secret by itself."""
    if not _is_place(text):
        yield text
    for word in re.split(r"[\s,]+", text):
        if "://" in word:
            yield from _address_parts(word)


def _is_place(text: str) -> bool:
    """Tell whether a text is an address of Redis, well-formed: one may say where that is."""
    try:
        address = urlsplit(text)
        address.port  # noqa: B018  a password where the port should be is no port
    except ValueError:
        return False
    return address.scheme in PLACES and "@" not in address.path + address.query + address.fragment


def _address_parts(text: str) -> Iterator[str]:
    try:
        address = urlsplit(text)
        password = address.password or ""
    except ValueError:
        return
    yield from (password, unquote(password))
    if address.scheme in PLACES:
        for name, value in parse_qsl(address.query):
            if "password" in name.lower():
                yield value
    if address.scheme in {"http", "https"}:  # a webhook: its path or its query is the key
        for part in address.path.split("/"):
            if len(part) >= PATH_PART_MIN:
                yield from (part, part.removeprefix("bot"))
        yield from (pair.partition("=")[2] for pair in address.query.split("&"))


def _forms(text: str) -> Iterator[str]:
    """Yield how a text is written: as it is, in an address, in a repr, in JSON, in both."""
    yield from (text, quote(text, safe=""), quote(text))
    for shown in (text, repr(text)[1:-1]):
        yield from (shown, json.dumps(shown)[1:-1], json.dumps(json.dumps(shown)[1:-1])[1:-1])


class Secret:
    """Hold a secret text; every rendering of it is masked.

    Only `reveal` hands the text out, so the places that use a secret can be found by name. The
    object can be compared with another `Secret`, but neither pickled nor formatted into anything
    but a mask, and a traceback that shows local variables shows the mask.
    """

    __slots__ = ("_text",)

    def __init__(self, text: "str | Secret") -> None:
        self._text: str = text._text if isinstance(text, Secret) else str(text)
        if self._text and not isinstance(text, Secret):
            _known.add(self._text)

    def reveal(self) -> str:
        """Return the text itself. Keep it in no variable that outlives the call."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')" if self._text else "Secret('')"

    def __str__(self) -> str:
        return "***" if self._text else ""

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled: it would leave the process in clear text")


def mask(text: str, secrets: Iterable[Secret]) -> str:
    """Return a text, such as a venue's, with every occurrence of the secrets masked.

    Of a secret that is shorter than `KNOWN_MIN` every one that is not a part of a longer word; a
    digit beside it makes none, for Bybit repeats a key between a time and a number.
    """
    hidden = sorted({secret.reveal() for secret in secrets if secret}, key=len, reverse=True)
    forms = [
        re.escape(each)
        if len(each) >= KNOWN_MIN
        else f"{_NO_LETTER_BEFORE}{re.escape(each)}{_NO_LETTER_AFTER}"
        for each in hidden
    ]
    return re.sub("|".join(forms), "***", text) if forms else text


def mask_known(text: str) -> str:
    """Return a text with every secret of this process masked, of `KNOWN_MIN` characters and more.

    Of an address of Redis the password is, and not the place; of a webhook's the whole, and the
    parts that are its key. User and password of any address are, whoever made it and however short
    they are. Any thread.
    """
    return _known.hide(text)


class MaskedLog(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines pass a function that masks what must not be shown."""

    def __init__(self, logger: logging.Logger, hide: Callable[[str], str]) -> None:
        super().__init__(logger, {})
        self._hide = hide

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Write one line, masked with its arguments in place."""
        if self.isEnabledFor(level):
            text = str(msg) % args if args else str(msg)
            self.logger.log(level, "%s", self._hide(text), **kwargs)
