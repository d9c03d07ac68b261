# SPDX-License-Identifier: Apache-2.0
"""Appearance galleries R_k of all tracks in one array (Wojke 2017, section 2.2)."""

from __future__ import annotations

from itertools import groupby

import numpy as np

# Below this many slots, shrinking the array frees nothing worth the copy.
MIN_SLOTS = 16


class Gallery:
    """The ``size`` newest descriptors (L_k = 100 in the paper) for each slot.

    A track owns one slot while it lives. All descriptors that are held at one time have the same
    length. The array grows with the number of tracks alive at one time, and shrinks again when they
    are gone.
    """

    def __init__(self, size: int) -> None:
        self._descriptors = np.zeros((0, size, 0), np.float32)
        self._added = np.zeros(0, np.int64)
        self._used = np.zeros(0, bool)

    @property
    def length(self) -> int:
        """Number of values of a descriptor.

        It is 0 while no slot holds any: then the next one added may have another length.
        """
        return self._descriptors.shape[2] if self._added.any() else 0

    @property
    def holders(self) -> int:
        """Number of slots that hold descriptors."""
        return int(np.count_nonzero(self._added))

    @property
    def nbytes(self) -> int:
        """Bytes that the descriptors take."""
        return self._descriptors.nbytes

    def allocate(self, count: int) -> np.ndarray:
        """(count,) empty slots, the lowest that are free."""
        free = np.flatnonzero(~self._used)
        if len(free) < count:
            self._resize(max(len(self._used) + count - len(free), 2 * len(self._used), MIN_SLOTS))
            free = np.flatnonzero(~self._used)
        self._used[free[:count]] = True
        return free[:count]

    def release(self, slots: np.ndarray) -> None:
        """Empty slots and give them back."""
        self._added[slots] = 0
        self._used[slots] = False

        # Doubling above and a quarter here: a count that swings about one size never copies.
        needed = len(self._used) - int(self._used[::-1].argmax()) if self._used.any() else 0
        if max(4 * needed, MIN_SLOTS) < len(self._used):
            self._resize(max(2 * needed, MIN_SLOTS))

    def expect(self, length: int) -> None:
        """Make room for descriptors of ``length`` values.

        Those of another length are forgotten; the slots stay.
        """
        if self.length not in (0, length):
            self._added[:] = 0

    def add(self, slots: np.ndarray, descriptors: np.ndarray) -> None:
        """Append one unit descriptor (M, length) to each of the M different slots.

        In a full slot it takes the place of the oldest one.
        """
        slot_count, size, length = self._descriptors.shape
        if length != descriptors.shape[1]:
            self._descriptors = np.zeros((slot_count, size, descriptors.shape[1]), np.float32)
        self._descriptors[slots, self._added[slots] % size] = descriptors
        self._added[slots] += 1

    def sample(self, slot: int, count: int) -> np.ndarray:
        """(N, length) descriptors of a slot, at most ``count``, evenly from oldest to newest."""
        size, added = self._descriptors.shape[1], int(self._added[slot])
        held = min(added, size)
        places = np.linspace(added - held, added - 1, min(count, held)).round().astype(int) % size
        return self._descriptors[slot, places].copy()

    def has_descriptors(self, slots: np.ndarray) -> np.ndarray:
        """(M,) whether anything was added to a slot."""
        return self._added[slots] > 0

    def distances(
        self, slots: np.ndarray, columns: np.ndarray, descriptors: np.ndarray
    ) -> np.ndarray:
        """(P,) smallest cosine distance between each pair's slot and descriptor, equation (3).

        Pair p compares all descriptors in ``slots[p]`` with ``descriptors[columns[p]]``. Pairs of
        one slot must follow each other, and no slot may be empty.
        """
        size = self._descriptors.shape[1]
        similarity = np.empty(len(slots), np.float32)
        chosen, added = descriptors[columns], self._added[slots].tolist()

        # d(i, j) = min over k of 1 - r_j^T r_k, one matrix product for each track i.
        start = 0
        for slot, pairs in groupby(slots.tolist()):
            stop, count = start + sum(1 for _ in pairs), min(added[start], size)
            products = chosen[start:stop] @ self._descriptors[slot, :count].T
            np.maximum.reduce(products, axis=1, out=similarity[start:stop])
            start = stop
        return 1.0 - similarity

    def _resize(self, slots: int) -> None:
        """Keep the first ``slots`` slots, or add empty ones up to that number."""
        kept = min(slots, len(self._used))
        descriptors, added, used = self._descriptors[:kept], self._added[:kept], self._used[:kept]

        self._descriptors = np.zeros((slots, *self._descriptors.shape[1:]), np.float32)
        self._added, self._used = np.zeros(slots, np.int64), np.zeros(slots, bool)
        self._descriptors[:kept], self._added[:kept], self._used[:kept] = descriptors, added, used
