# SPDX-License-Identifier: Apache-2.0
"""Messages that the commands of this package print on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tqdm import tqdm


def report_skipped(frame: str, rejected: Sequence[tuple[int, str]]) -> None:
    """Name on standard error the detections (index, reason) of a frame that were rejected."""
    for index, reason in rejected:
        tqdm.write(f"{frame}: detection {index + 1} is skipped: {reason}", file=sys.stderr)
