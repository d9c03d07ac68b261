# SPDX-License-Identifier: Apache-2.0
"""The detections of a frame as arrays, without those that no tracker could use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_kit.types import Instance
from tracker_node.box_motion import boxes_to_measurements

# Further out than any image: beyond it, squares of coordinates would drown the noise of the filter.
MAX_COORDINATE_PX = 1e6
# Smaller boxes and shorter descriptors have no aspect or direction but that of rounding.
MIN_SIZE_PX = 1e-3
MIN_DESCRIPTOR_NORM = 1e-6


@dataclass
class Detections:
    """N usable detections of one frame.

    ``index`` (N,) position in the list of instances; ``boxes`` (N, 4) x_min, y_min, x_max, y_max in
    pixels; ``measurements`` (N, 4), d_j of the paper; ``class_id`` (N,); ``class_name`` (N,)
    objects; ``score`` (N,); ``descriptors`` (N, D) float32 of norm 1, r_j of the paper, or rows of
    zeros where ``has_descriptor`` (N,) is False.
    """

    index: np.ndarray
    boxes: np.ndarray
    measurements: np.ndarray
    class_id: np.ndarray
    class_name: np.ndarray
    score: np.ndarray
    descriptors: np.ndarray
    has_descriptor: np.ndarray

    def __len__(self) -> int:
        return len(self.index)


def usable_detections(
    instances: Sequence[Instance], known_length: int, holders: int
) -> tuple[Detections, list[tuple[int, str]]]:
    """The usable detections, and (index, reason) of each of the others.

    All descriptors must have the length that most have, in this frame and of the ``holders``,
    tracks with descriptors of ``known_length``: one wrong detection that came first does not shut
    out the others for ever. An empty descriptor means that a detection has no appearance, which is
    allowed.
    """
    boxes = np.array([_box_or_nan(instance.box) for instance in instances], np.float64)
    boxes = boxes.reshape(-1, 4)
    score = np.array([instance.score for instance in instances], np.float64)

    # Descriptors of another length stay zero, which is no unit vector.
    length = _voted_length(instances, known_length, holders)
    sizes = [np.size(instance.descriptor) for instance in instances]
    descriptors = np.zeros((len(instances), length), np.float32)
    for row, instance in enumerate(instances):
        if sizes[row] == length:
            descriptors[row] = instance.descriptor
    has_descriptor = np.array(sizes, int) > 0
    with np.errstate(over="ignore"):  # a norm beyond float32 is infinite, and refused
        norms = np.linalg.norm(descriptors, axis=1)

    is_unit = np.isfinite(norms) & (norms > MIN_DESCRIPTOR_NORM)
    good = _good_boxes(boxes) & np.isfinite(score) & (~has_descriptor | is_unit)
    rejected = [
        (row, _reason(instances[row], boxes[row], length)) for row in np.flatnonzero(~good).tolist()
    ]

    index = np.flatnonzero(good)
    scale = np.where(has_descriptor[index], norms[index], 1.0).astype(np.float32)
    detections = Detections(
        index=index,
        boxes=boxes[index],
        measurements=boxes_to_measurements(boxes[index]),
        class_id=np.array([instance.class_id for instance in instances], np.int64)[index],
        class_name=np.array([instance.class_name for instance in instances], object)[index],
        score=score[index],
        descriptors=descriptors[index] / scale[:, None],
        has_descriptor=has_descriptor[index],
    )
    return detections, rejected


def _voted_length(instances: Sequence[Instance], known_length: int, holders: int) -> int:
    """Length of most descriptors, 0 where there are none.

    Of two that are as frequent, it is ``known_length``.
    """
    votes = Counter({known_length: holders})
    votes.update(size for instance in instances if (size := np.size(instance.descriptor)))
    return votes.most_common(1)[0][0]


def _box_or_nan(box: np.ndarray) -> np.ndarray:
    return box if np.shape(box) == (4,) else np.full(4, np.nan)


def _good_boxes(boxes: np.ndarray) -> np.ndarray:
    """(N,) whether boxes are finite, inside the allowed range and larger than nothing."""
    with np.errstate(invalid="ignore"):  # inf - inf
        large_enough = (boxes[:, 2:] - boxes[:, :2] >= MIN_SIZE_PX).all(axis=1)
    return large_enough & (np.abs(boxes) <= MAX_COORDINATE_PX).all(axis=1)


def _reason(instance: Instance, box: np.ndarray, length: int) -> str:
    """Why a detection cannot be used."""
    # Box.
    if np.shape(instance.box) != (4,):
        return f"box has shape {np.shape(instance.box)}, expected (4,)"
    if not np.isfinite(box).all():
        return f"box {box.tolist()} is not finite"
    if np.abs(box).max() > MAX_COORDINATE_PX:
        return f"box {box.tolist()} lies more than {MAX_COORDINATE_PX:.0f} px out"
    if (box[2:] - box[:2]).min() < MIN_SIZE_PX:
        width, height = box[2:] - box[:2]
        return (
            f"box is {width:g} px wide and {height:g} px high, expected at least {MIN_SIZE_PX:g} px"
        )

    # Score.
    if not np.isfinite(instance.score):
        return f"score is {instance.score}, expected a number"

    # Descriptor.
    size = np.size(instance.descriptor)
    if size != length:
        return f"descriptor has {size} values, expected {length} as in the other detections"
    if not np.isfinite(instance.descriptor).all():
        return "descriptor is not finite"
    norm = np.linalg.norm(np.asarray(instance.descriptor, np.float64))
    return f"descriptor has norm {norm:g}, expected a unit vector or an empty one"
