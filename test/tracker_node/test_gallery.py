# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker_node.gallery import Gallery


def unit(rng: np.random.Generator, count: int, length: int = 8) -> np.ndarray:
    vectors = rng.normal(size=(count, length)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(st.integers(1, 5), st.lists(st.integers(0, 3), max_size=30), st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_distances_are_the_smallest_to_the_newest_descriptors(
    size: int, additions: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    gallery = Gallery(size)
    slots = gallery.allocate(4)
    expected: dict[int, list[np.ndarray]] = {number: [] for number in range(4)}
    for number in additions:
        descriptor = unit(rng, 1)
        gallery.add(slots[[number]], descriptor)
        expected[number].append(descriptor[0])
    np.testing.assert_array_equal(
        gallery.has_descriptors(slots), [bool(expected[number]) for number in range(4)]
    )
    queries = unit(rng, 3)
    pairs = [(number, column) for number in range(4) if expected[number] for column in range(3)]
    rows, columns = np.array(pairs, int).reshape(-1, 2).T
    wanted = [
        min(1 - queries[column] @ known for known in expected[number][-size:])
        for number, column in pairs
    ]
    np.testing.assert_allclose(gallery.distances(slots[rows], columns, queries), wanted, atol=1e-6)


def test_released_slots_are_empty_when_they_come_back() -> None:
    gallery = Gallery(3)
    slots = gallery.allocate(2)
    gallery.add(slots, unit(np.random.default_rng(0), 2))
    gallery.release(slots)
    again = gallery.allocate(2)
    assert set(again.tolist()) == set(slots.tolist())
    assert not gallery.has_descriptors(again).any()


def test_memory_does_not_grow_with_time() -> None:
    gallery = Gallery(10)
    sizes = set()
    for _ in range(200):
        slots = gallery.allocate(7)
        gallery.add(slots, unit(np.random.default_rng(0), 7))
        sizes.add(gallery.nbytes)
        gallery.release(slots)
    assert len(sizes) == 1


def test_memory_of_a_crowd_is_freed() -> None:
    """What is kept after the crowd has left is untouched, and the next crowd finds empty slots."""
    gallery, rng = Gallery(10), np.random.default_rng(0)
    kept = gallery.allocate(3)
    known = unit(rng, 3)
    gallery.add(kept, known)
    small = gallery.nbytes
    for _ in range(3):
        crowd = gallery.allocate(500)
        assert not gallery.has_descriptors(crowd).any()
        gallery.add(crowd, unit(rng, 500))
        gallery.release(crowd)
        assert gallery.nbytes == small
    np.testing.assert_allclose(gallery.distances(kept, np.arange(3), known), 0, atol=1e-6)


def test_another_length_may_come_when_nothing_is_held() -> None:
    gallery = Gallery(3)
    slots = gallery.allocate(1)
    gallery.add(slots, unit(np.random.default_rng(0), 1, length=7))
    gallery.release(slots)
    assert gallery.length == 0
    gallery.add(gallery.allocate(1), unit(np.random.default_rng(0), 1, length=8))
    assert gallery.length == 8


def test_another_length_that_is_expected_empties_the_slots() -> None:
    gallery = Gallery(3)
    slots = gallery.allocate(2)
    gallery.add(slots, unit(np.random.default_rng(0), 2, length=7))
    gallery.expect(7)
    assert gallery.holders == 2
    gallery.expect(8)
    assert (gallery.holders, gallery.length) == (0, 0)
    gallery.add(slots[:1], unit(np.random.default_rng(0), 1, length=8))
    assert gallery.has_descriptors(slots).tolist() == [True, False]


def test_slots_from_before_the_first_descriptor_stay_valid() -> None:
    gallery = Gallery(2)
    early = gallery.allocate(3)
    assert gallery.length == 0
    gallery.add(gallery.allocate(1), unit(np.random.default_rng(0), 1))
    assert gallery.length == 8
    assert not gallery.has_descriptors(early).any()
