# SPDX-License-Identifier: Apache-2.0
"""What has to be closed, as a context manager."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

Self = TypeVar("Self", bound="Closing")


class Closing(ABC):
    """Closed at the end of its ``with`` block, also after an error."""

    @abstractmethod
    def close(self) -> None:
        """Free what this holds."""

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
