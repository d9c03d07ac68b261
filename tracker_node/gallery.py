# SPDX-License-Identifier: Apache-2.0
"""The newest appearance descriptors of every track, in one array (the gallery R_k of Wojke 2017, section 2.2)."""

from __future__ import annotations

import numpy as np


class Gallery:
    """The ``size`` newest descriptors for each slot; a track owns one slot while it lives. The first descriptor fixes the length of all.

    The array grows with the number of tracks alive at one time, and freed slots are used again: memory does not grow with time.
    """

    def __init__(self, size: int) -> None:
        self._descriptors = np.zeros((0, size, 0), np.float32)
        self._added = np.zeros(0, np.int64)
        self._free: list[int] = []

    @property
    def length(self) -> int:
        """Number of values of a descriptor, 0 while none was added."""
        return self._descriptors.shape[2]

    def allocate(self, count: int) -> np.ndarray:
        """(count,) empty slots."""
        if len(self._free) < count:
            capacity = len(self._added)
            extra = max(count - len(self._free), capacity, 16)
            self._descriptors = np.concatenate([self._descriptors, np.zeros((extra, *self._descriptors.shape[1:]), np.float32)])
            self._added = np.concatenate([self._added, np.zeros(extra, np.int64)])
            self._free.extend(range(capacity + extra - 1, capacity - 1, -1))
        slots = np.array([self._free.pop() for _ in range(count)], np.int64)
        self._added[slots] = 0
        return slots

    def release(self, slots: np.ndarray) -> None:
        """Give slots back."""
        self._free.extend(slots.tolist())

    def add(self, slots: np.ndarray, descriptors: np.ndarray) -> None:
        """Append one unit descriptor (M, length) to each of the M different slots; the oldest one of a full slot makes room."""
        if self.length == 0:
            self._descriptors = np.zeros((*self._descriptors.shape[:2], descriptors.shape[1]), np.float32)
        self._descriptors[slots, self._added[slots] % self._descriptors.shape[1]] = descriptors
        self._added[slots] += 1

    def has_descriptors(self, slots: np.ndarray) -> np.ndarray:
        """(M,) whether anything was added to a slot."""
        return self._added[slots] > 0

    def distances(self, slots: np.ndarray, columns: np.ndarray, descriptors: np.ndarray) -> np.ndarray:
        """(P,) smallest cosine distance between all descriptors in ``slots[p]`` and ``descriptors[columns[p]]``.

        Pairs of one slot must follow each other, and no slot may be empty.
        """
        similarity = np.empty(len(slots), np.float32)
        starts = np.flatnonzero(np.diff(slots, prepend=-1))
        stops = np.append(starts, len(slots))[1:]
        counts = np.minimum(self._added[slots[starts]], self._descriptors.shape[1])
        chosen = descriptors[columns]
        for slot, start, stop, count in zip(slots[starts].tolist(), starts.tolist(), stops.tolist(), counts.tolist(), strict=True):
            similarity[start:stop] = (chosen[start:stop] @ self._descriptors[slot, :count].T).max(axis=1)
        return 1.0 - similarity
