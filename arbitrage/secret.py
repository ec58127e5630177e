"""A string that does not show itself: API secrets and passphrases."""

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

__all__ = ["MaskedLog", "Secret", "mask"]


class Secret:
    """Hold a secret text; every rendering of it is masked.

    Only `reveal` hands the text out, so the places that use a secret can be found by name. The
    object can be compared with another `Secret`, but neither pickled nor formatted into anything
    but a mask, and a traceback that shows local variables shows the mask.
    """

    __slots__ = ("_text",)

    def __init__(self, text: "str | Secret") -> None:
        self._text: str = text._text if isinstance(text, Secret) else str(text)

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
    """Return a text, such as a venue's, with every occurrence of the secrets masked."""
    hidden = sorted({secret.reveal() for secret in secrets if secret}, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, hidden)), "***", text) if hidden else text


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
