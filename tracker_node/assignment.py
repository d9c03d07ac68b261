# SPDX-License-Identifier: Apache-2.0
"""One-to-one assignment of tracks and detections from a list of allowed pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment


@dataclass
class Pairs:
    """Allowed pairs: ``rows`` (P,) of tracks, ``columns`` (P,) of detections, ``cost`` (P,) below ``limit``, the cost of no match."""

    rows: np.ndarray
    columns: np.ndarray
    cost: np.ndarray
    limit: float


def assign(pairs: Pairs, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cheapest one-to-one matches of the tracks ``rows`` (n,) and detections ``columns`` (m,): matched rows, matched columns, the rest.

    The rest are the unmatched ``columns`` in the order in which the Hungarian method on the full matrix leaves them, which is the order
    of new identities in the published tracker: first those without a partner, then those whose partner is not allowed.
    """
    if len(rows) == 0 or len(columns) == 0:
        return rows[:0], columns[:0], columns
    if _is_decided(pairs, len(rows), len(columns)):
        free = np.ones(len(columns), bool)
        free[_places(columns, pairs.columns)] = False
        return pairs.rows, pairs.columns, columns[free]
    matrix = np.full((len(rows), len(columns)), pairs.limit)
    matrix[_places(rows, pairs.rows), _places(columns, pairs.columns)] = pairs.cost
    row, column = linear_sum_assignment(matrix)
    allowed = matrix[row, column] < pairs.limit
    without_partner = np.ones(len(columns), bool)
    without_partner[column] = False
    rest = np.concatenate([columns[without_partner], columns[column[~allowed]]])
    return rows[row[allowed]], columns[column[allowed]], rest


def _is_decided(pairs: Pairs, n: int, m: int) -> bool:
    """Whether no two pairs share a track or a detection, and at most one detection or no track is left: nothing is there to choose."""
    matched = len(pairs.rows)
    if matched < n and m - matched > 1:
        return False
    return matched == 0 or bool(np.bincount(pairs.rows).max() == 1 and np.bincount(pairs.columns).max() == 1)


def _places(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Index in ``values`` of each of the ``wanted``, all of which are there once."""
    place = np.empty(values.max() + 1, np.int64)
    place[values] = np.arange(len(values))
    return place[wanted]
