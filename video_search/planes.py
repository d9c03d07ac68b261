# SPDX-License-Identifier: Apache-2.0
"""Finds the plane of a flat pattern from matched features, and sees whether it looks like it there.

Each feature has a place, a size and a direction, so that one match alone says where the whole
pattern would lie (an affinity). The one that most other matches agree on is fitted to them, and
the image must look like the pattern there, cell by cell: so few features are enough that a small,
blurred or half hidden pattern has them, without taking chance for a find.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from video_search.pattern_views import LOOKS_SIDE, Features, Pattern

# As many places of the image must agree, of so many matches at most.
MIN_WITNESSES, MOST_MATCHES = 3, 300
# They may be off by pixels, by a fraction of the pattern's height, and, where a single match
# says it, by a fraction of the distance from it.
OFF_PX, OFF_HEIGHT, OFF_DISTANCE = 2.0, 0.04, 0.25
# Frobenius norm of how a match may differ from another in size and direction.
MAX_DIFFERENCE = 1.0
# A perspective is fitted to so many.
MIN_HOMOGRAPHY = 8
# The looks: as many cells a side, and the correlation from which a cell looks alike.
CELLS, ALIKE = 4, 0.7
# The quadrilateral: not folded, larger than this, and no side is shortened more than this.
MIN_SIDE_PX, MAX_SIDE_RATIO = 16.0, 8.0
# Planes that are looked at before a pattern counts as not there.
_TRIES = 3


@dataclass(frozen=True)
class Plane:
    """Where a pattern may lie: its (4, 2) corners in pixels.

    ``witnesses`` is the number of places that agree on it, ``cells`` that of the pattern's sixteen
    parts that look alike there.
    """

    quad: np.ndarray
    witnesses: int
    cells: int


def planes(
    pattern: Pattern, features: Features, matches: np.ndarray, gray: np.ndarray
) -> Iterator[Plane]:
    """The planes that most matches agree on, in the (H, W) uint8 image.

    ``matches`` (N, 2) are numbers of features of the pattern and of the image, the surest first.
    """
    matches = matches[:MOST_MATCHES]
    matches = matches[np.argsort(matches[:, 1], kind="stable")]
    known = pattern.features.chosen(matches[:, 0])
    seen = features.chosen(matches[:, 1])
    if len(np.unique(matches[:, 1])) < MIN_WITNESSES:
        return

    agreed, support = _agreement(known, seen, matches[:, 1])
    is_tried = np.zeros(len(matches), bool)
    for _ in range(_TRIES):
        best = int(np.where(is_tried, 0, support).argmax())
        if is_tried[best] or support[best] < MIN_WITNESSES:
            return
        is_tried |= agreed[best]
        is_tried[best] = True
        found = [
            _plane(pattern, to_image, known, seen, gray)
            for to_image in _fitted(known.chosen(agreed[best]), seen.chosen(agreed[best]))
        ]
        sound = [plane for plane in found if plane is not None]
        if sound:
            yield max(sound, key=lambda plane: (plane.cells, plane.witnesses))


def _agreement(
    known: Features, seen: Features, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(N, N) which matches agree with where each match says that the pattern lies.

    Also (N,) how many features of the image, whose ``numbers`` are in order, those are.
    """
    to_image = seen.frames @ np.linalg.inv(known.frames)
    offsets = np.einsum("iab,ijb->ija", to_image, known.places[None] - known.places[:, None])
    wrong = np.linalg.norm(seen.places[:, None] + offsets - seen.places[None], axis=2)
    height = np.sqrt(np.abs(np.linalg.det(to_image)))
    allowed = OFF_PX + OFF_HEIGHT * height[:, None]
    allowed = allowed + OFF_DISTANCE * np.linalg.norm(offsets, axis=2)
    difference = np.linalg.inv(to_image)[:, None] @ to_image[None] - np.eye(2)
    agreed = (wrong < allowed) & (np.linalg.norm(difference, axis=(2, 3)) < MAX_DIFFERENCE)

    # One place that is matched to several views of the pattern is one witness.
    starts = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))
    support = np.logical_or.reduceat(agreed, starts, axis=1).sum(axis=1)
    return agreed, np.where(height >= MIN_SIDE_PX, support, 0)


def _fitted(known: Features, seen: Features) -> Iterator[np.ndarray]:
    """(3, 3) transforms from the pattern to the image that fit matches."""
    rows = np.column_stack([known.places, np.ones(len(known))])
    kept = np.ones(len(known), bool)
    for _ in range(3):
        if _count(seen.places[kept]) < MIN_WITNESSES:
            return
        solved = np.linalg.lstsq(rows[kept], seen.places[kept], rcond=None)[0]
        affine = np.vstack([solved.T, [0, 0, 1]])
        kept = _off(affine, known, seen) < _allowed(affine)
    yield affine

    if _count(seen.places) >= MIN_HOMOGRAPHY:
        homography = cv2.findHomography(
            known.places, seen.places, cv2.USAC_MAGSAC, 3.0, maxIters=1000, confidence=0.999
        )[0]
        if homography is not None:
            yield homography


def _plane(
    pattern: Pattern, to_image: np.ndarray, known: Features, seen: Features, gray: np.ndarray
) -> Plane | None:
    """The plane of a transform; None where nobody could see the pattern so."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * [pattern.aspect, 1]
    quad = cv2.perspectiveTransform(corners[None].astype(np.float32), to_image)[0]
    if not _is_sound(quad):
        return None
    near = _off(to_image, known, seen) < _allowed(to_image)
    return Plane(quad, _count(seen.places[near]), _cells_alike(pattern, to_image, gray))


def _cells_alike(pattern: Pattern, to_image: np.ndarray, gray: np.ndarray) -> int:
    """How many parts of the pattern correlate with the image where they would lie."""
    fine = 2 * LOOKS_SIDE
    from_pixels = to_image @ np.diag([pattern.aspect / fine, 1 / fine, 1.0])
    view = cv2.warpPerspective(
        gray,
        from_pixels,
        (fine, fine),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    view = cv2.resize(view, (LOOKS_SIDE, LOOKS_SIDE), interpolation=cv2.INTER_AREA)
    expected, found = _centered_cells(pattern.looks), _centered_cells(view.astype(np.float32))
    norms = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
    return int(((expected * found).sum(axis=1) > ALIKE * np.maximum(norms, 1e-3)).sum())


def _centered_cells(image: np.ndarray) -> np.ndarray:
    """(C * C, P) pixels of the cells of an (S, S) image without their means."""
    side = LOOKS_SIDE // CELLS
    cells = image.reshape(CELLS, side, CELLS, side).swapaxes(1, 2).reshape(CELLS**2, -1)
    centered: np.ndarray = cells - cells.mean(axis=1, keepdims=True)
    return centered


def _off(to_image: np.ndarray, known: Features, seen: Features) -> np.ndarray:
    """(N,) pixels by which matches miss a transform."""
    expected = cv2.perspectiveTransform(known.places[None].astype(np.float64), to_image)[0]
    return np.asarray(np.linalg.norm(expected - seen.places, axis=1))


def _allowed(to_image: np.ndarray) -> float:
    """Pixels by which matches may miss a transform."""
    return float(OFF_PX + OFF_HEIGHT * np.sqrt(abs(np.linalg.det(to_image[:2, :2]))))


def _count(places: np.ndarray) -> int:
    """Number of places that differ by a pixel: features of two sizes at one are one witness."""
    return len(np.unique(np.round(places), axis=0))


def _is_sound(quad: np.ndarray) -> bool:
    """Whether a (4, 2) quadrilateral can be a rectangle seen from its front."""
    sides = np.roll(quad, -1, axis=0) - quad
    lengths = np.linalg.norm(sides, axis=1)
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    return bool(
        np.isfinite(quad).all()
        and (turns > 0).all()
        and lengths.min() >= MIN_SIDE_PX / 2
        and lengths.max() >= MIN_SIDE_PX
        and lengths.max() / lengths.min() <= MAX_SIDE_RATIO
    )
