# SPDX-License-Identifier: Apache-2.0
"""One-to-one assignment of tracks and detections from a list of allowed pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


@dataclass
class Pairs:
    """Allowed pairs of a track and a detection.

    ``rows`` (P,) of tracks, ``columns`` (P,) of detections, ``cost`` (P,) below ``limit``, the cost
    of no match.
    """

    rows: np.ndarray
    columns: np.ndarray
    cost: np.ndarray
    limit: float

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, index: np.ndarray) -> Pairs:
        """The pairs that a boolean mask or an array of places selects."""
        return Pairs(self.rows[index], self.columns[index], self.cost[index], self.limit)


def assign(
    pairs: Pairs, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cheapest one-to-one matches of the tracks ``rows`` (n,) and detections ``columns`` (m,).

    Returns matched rows, matched columns, and the unmatched columns.

    The unmatched ones are in the order in which the Hungarian method on the full matrix leaves
    them, which is the order of new identities in the published tracker: first those without a
    partner, then those whose partner is not allowed. Only where this order is open is the full
    matrix solved; otherwise each connected component of the pairs is a problem of its own.
    """
    matched_rows, matched_columns = _assign_by_component(pairs)
    if len(matched_rows) == len(rows) or len(columns) - len(matched_rows) <= 1:
        return matched_rows, matched_columns, _without(columns, matched_columns)

    # The full matrix, where pairs that are not allowed cost as much as no match.
    matrix = np.full((len(rows), len(columns)), pairs.limit)
    matrix[_places(rows, pairs.rows), _places(columns, pairs.columns)] = pairs.cost
    row, column = linear_sum_assignment(matrix)
    allowed = matrix[row, column] < pairs.limit

    without_partner = np.ones(len(columns), bool)
    without_partner[column] = False
    unmatched = np.concatenate([columns[without_partner], columns[column[~allowed]]])
    return rows[row[allowed]], columns[column[allowed]], unmatched


def _assign_by_component(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the cheapest matches, pair by pair."""
    if len(pairs) == 0:
        return pairs.rows, pairs.columns

    # A pair that shares neither its track nor its detection is a match.
    rows_once = np.bincount(pairs.rows)[pairs.rows] == 1
    columns_once = np.bincount(pairs.columns)[pairs.columns] == 1
    alone = rows_once & columns_once
    if alone.all():
        return pairs.rows, pairs.columns

    shared = pairs.select(~alone)
    solved = [_solve(shared.select(component)) for component in _components(shared)]
    found_rows, found_columns = zip((pairs.rows[alone], pairs.columns[alone]), *solved, strict=True)
    return np.concatenate(found_rows), np.concatenate(found_columns)


def _components(pairs: Pairs) -> list[np.ndarray]:
    """Places of the pairs of each connected component.

    The nodes of the graph are the tracks and the detections, its edges the pairs.
    """
    first_column = int(pairs.rows.max()) + 1
    size = first_column + int(pairs.columns.max()) + 1
    edges = (pairs.rows, first_column + pairs.columns)
    graph = coo_array((np.ones(len(pairs), bool), edges), shape=(size, size))

    label = connected_components(graph, directed=False)[1][pairs.rows]
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def _solve(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the cheapest matches by the Hungarian method."""
    rows, row = np.unique(pairs.rows, return_inverse=True)
    columns, column = np.unique(pairs.columns, return_inverse=True)
    matrix = np.full((len(rows), len(columns)), pairs.limit)
    matrix[row, column] = pairs.cost
    row, column = linear_sum_assignment(matrix)
    allowed = matrix[row, column] < pairs.limit
    return rows[row[allowed]], columns[column[allowed]]


def _without(columns: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """``columns`` in their order, without those that are ``taken``."""
    if len(taken) == len(columns):
        return columns[:0]
    free = np.ones(columns.max() + 1, bool)
    free[taken] = False
    return columns[free[columns]]


def _places(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Index in ``values`` of each of the ``wanted``, all of which are there once."""
    place = np.empty(values.max() + 1, np.int64)
    place[values] = np.arange(len(values))
    return place[wanted]
