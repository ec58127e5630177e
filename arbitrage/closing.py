"""What a ``with`` block closes at its end."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

__all__ = ["Closing"]


class Closing(ABC):
    """A resource whose ``with`` block ends with `close`."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back; harmless when it was done before."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
