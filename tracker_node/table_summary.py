# SPDX-License-Identifier: Apache-2.0
"""What a reader understood of a table, in one line, and what looks wrong about it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

LOW_CONFIDENCE = 0.3
MANY = 0.25  # of the detections


def report_table(
    path: Path,
    layout: str,
    frame: np.ndarray,
    counts: np.ndarray,
    classes: Mapping[str, int],
    confidence: np.ndarray | None = None,
    candidates: np.ndarray | None = None,
    remedy: str = "",
) -> None:
    """Print on standard error what N rows of ``path`` are: ``frame`` (N,), ``counts`` (N,) bool.

    ``classes`` has the rows of each class, ``confidence`` (N,). Warns where less than half of the
    rows count, or of the ``candidates`` (N,) bool; ``remedy`` says what to do about it.
    """
    if not len(frame):
        print(f"{path}: {layout}, no rows", file=sys.stderr)
        return

    words = [layout, f"frames {frame.min()} to {frame.max()}"]
    if classes:
        words.append("classes " + ", ".join(f"{name}: {rows}" for name, rows in classes.items()))
    if confidence is not None:
        words.append(f"confidence {confidence.min():.3g} to {confidence.max():.3g}")
    used = int(counts.sum())
    print(f"{path}: {'; '.join(words)}; {used} of {len(frame)} rows count", file=sys.stderr)

    of_class = "" if candidates is None else " of the class"
    possible = len(frame) if candidates is None else int(candidates.sum())
    if used < possible / 2:
        print(
            f"warning: less than half of the rows{of_class} in {path} count"
            f"{remedy and ': ' + remedy}",
            file=sys.stderr,
        )


def warn_low_confidence(path: Path, confidence: np.ndarray) -> None:
    """Warn where many of (N,) confidences are those of a detector without a threshold."""
    low = int((confidence < LOW_CONFIDENCE).sum())
    is_probability = len(confidence) > 0 and confidence.min() >= 0 and confidence.max() <= 1
    if is_probability and low >= MANY * len(confidence):
        print(
            f"warning: {low} of the {len(confidence)} detections in {path} have a confidence below"
            f" {LOW_CONFIDENCE:g} and become tracks like all others: --min-confidence leaves them"
            " out",
            file=sys.stderr,
        )


def class_counts(names: list[str]) -> dict[str, int]:
    """Rows of each class, in the order of the names."""
    unique, counts = np.unique(np.array(names, np.str_), return_counts=True)
    return dict(zip(unique.tolist(), counts.tolist(), strict=True))
