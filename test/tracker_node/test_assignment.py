# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from tracker_node.assignment import Pairs, assign

LIMIT = 1.0


@st.composite
def problems(draw: st.DrawFn) -> tuple[Pairs, np.ndarray, np.ndarray]:
    """Up to 4 tracks and 4 detections with gaps in their numbers, and random allowed pairs."""
    rows = np.array(draw(st.lists(st.integers(0, 20), unique=True, max_size=4)), np.int64)
    columns = np.array(draw(st.lists(st.integers(0, 20), unique=True, max_size=4)), np.int64)
    every = list(itertools.product(rows.tolist(), columns.tolist()))
    kept = draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    cost = draw(st.lists(st.floats(0, 0.99), min_size=len(kept), max_size=len(kept)))
    pair_rows, pair_columns = np.array(kept, np.int64).reshape(-1, 2).T
    return Pairs(pair_rows, pair_columns, np.array(cost, float), LIMIT), rows, columns


def cheapest(pairs: Pairs) -> float:
    """Smallest cost minus LIMIT per match over all sets of pairs that share nothing."""
    count = len(pairs.rows)
    best = 0.0
    for chosen in itertools.chain.from_iterable(
        itertools.combinations(range(count), size) for size in range(min(count, 4) + 1)
    ):
        index = list(chosen)
        if len(set(pairs.rows[index])) == len(set(pairs.columns[index])) == len(index):
            best = min(best, float((pairs.cost[index] - LIMIT).sum()))
    return best


@given(problems())
@settings(max_examples=150, deadline=None)
def test_assignment_is_the_cheapest_and_every_detection_is_accounted_for(
    problem: tuple[Pairs, np.ndarray, np.ndarray],
) -> None:
    pairs, rows, columns = problem
    matched_rows, matched_columns, unmatched = assign(pairs, rows, columns)
    cost = dict(
        zip(zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True), pairs.cost, strict=True)
    )
    matches = list(zip(matched_rows.tolist(), matched_columns.tolist(), strict=True))
    assert sum(cost[match] - LIMIT for match in matches) == pytest.approx(cheapest(pairs))
    assert len(set(matched_rows.tolist())) == len(matches)
    assert sorted([*matched_columns.tolist(), *unmatched.tolist()]) == sorted(columns.tolist())


@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(1, 60), st.floats(0.0, 0.3))
@settings(max_examples=60, deadline=None)
def test_same_matches_and_order_as_on_the_full_matrix(
    seed: int, n: int, m: int, density: float
) -> None:
    """With costs that all differ there is one cheapest assignment."""
    rng = np.random.default_rng(seed)
    pair_rows, pair_columns = np.nonzero(rng.random((n, m)) < density)
    pairs = Pairs(pair_rows, pair_columns, rng.uniform(0, 0.99, len(pair_rows)), LIMIT)
    matrix = np.full((n, m), LIMIT)
    matrix[pair_rows, pair_columns] = pairs.cost
    row, column = linear_sum_assignment(matrix)
    allowed = matrix[row, column] < LIMIT
    rows, columns, unmatched = assign(pairs, np.arange(n), np.arange(m))
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == set(
        zip(row[allowed].tolist(), column[allowed].tolist(), strict=True)
    )
    assert unmatched.tolist() == [*np.setdiff1d(np.arange(m), column), *column[~allowed]]


def pairs_of(*triples: tuple[int, int, float]) -> Pairs:
    rows, columns, cost = np.array(triples, float).reshape(-1, 3).T
    return Pairs(rows.astype(np.int64), columns.astype(np.int64), cost, LIMIT)


def test_one_track_gives_way_when_both_are_served_better() -> None:
    pairs = pairs_of((0, 0, 0.1), (0, 1, 0.2), (1, 0, 0.2))
    rows, columns, unmatched = assign(pairs, np.array([0, 1]), np.array([0, 1]))
    assert dict(zip(rows.tolist(), columns.tolist(), strict=True)) == {0: 1, 1: 0}
    assert len(unmatched) == 0


def test_rest_starts_with_the_detections_that_have_no_partner() -> None:
    """The track's only partner of the full matrix is detection 3, which is not allowed.

    It comes after 5 and 4, in the given order.
    """
    rows, _, unmatched = assign(pairs_of(), np.array([7]), np.array([3, 5, 4]))
    assert len(rows) == 0
    assert unmatched.tolist() == [5, 4, 3]


def test_without_tracks_the_order_is_kept() -> None:
    _, _, unmatched = assign(pairs_of(), np.zeros(0, np.int64), np.array([3, 5, 4]))
    assert unmatched.tolist() == [3, 5, 4]
