"""A string that does not show itself: API secrets and passphrases."""

from typing import NoReturn


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
