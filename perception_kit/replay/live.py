# SPDX-License-Identifier: Apache-2.0
"""Frames that a live run, which never waits for the nodes, would have dropped."""

from __future__ import annotations

from collections.abc import Sequence


def count_live_drops(stamps_s: Sequence[float], busy_s: Sequence[float]) -> int:
    """Number of frames dropped by a node that needs ``busy_s`` for each.

    Frames arrive at ``stamps_s``. As in the nodes, one frame may wait for its turn, and a newer one
    replaces it.
    """
    free_s = float("-inf")
    waiting: int | None = None
    dropped = 0
    for index, stamp_s in enumerate(stamps_s):
        if waiting is not None and free_s <= stamp_s:
            free_s += busy_s[waiting]
            waiting = None

        if free_s <= stamp_s:
            free_s = stamp_s + busy_s[index]
        else:
            dropped += waiting is not None
            waiting = index
    return dropped
