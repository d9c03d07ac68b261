# SPDX-License-Identifier: Apache-2.0
"""How the clips of a training are drawn and changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from actionrec_node.data.augmentation import Mode

Balance = Literal["sampling", "weights", "none"]


@dataclass(frozen=True)
class ClipSettings:
    """How windows are drawn and changed."""

    augmentation: Mode = "some"
    balance: Balance = "sampling"
    seed: int = 0
