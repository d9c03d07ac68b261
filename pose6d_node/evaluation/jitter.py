# SPDX-License-Identifier: Apache-2.0
"""How much the estimated poses of a video jump from one frame to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.geometry import invert_pose, pose_matrix
from pose6d_node.evaluation.pose_targets import PoseMatch, TargetModel

JUMP_DEGREES = 20.0  # turns beyond are changes of mind, not noise


def jitter(
    matches: Sequence[PoseMatch],
    models: dict[str, TargetModel],
    scene_of: Callable[[int], str],
) -> dict[str, Any]:
    """Change of the error of each object's pose between consecutive frames of a scene.

    What the object and the camera did is not in it. ``translation_mm`` (of the center of the
    model's box) and ``rotation_degrees``, of symmetric objects the smallest one, each with
    ``median`` and ``p95``; ``jumps``: turns of more than 20 degrees; ``pairs`` of frames, each with
    a pose. Objects are told apart by class, and those of one class by their order in the frames.
    """
    moves, turns = [], []
    for track in _tracks(matches, scene_of).values():
        for before, after in pairwise(track):
            if after.frame != before.frame + 1:
                continue
            move, turn = _change(before, after, models[after.pose.class_name])
            moves.append(1000 * move)
            turns.append(turn)

    return {
        "translation_mm": _spread(moves),
        "rotation_degrees": _spread(turns),
        "jumps": sum(turn > JUMP_DEGREES for turn in turns),
        "pairs": len(turns),
    }


def _tracks(
    matches: Sequence[PoseMatch], scene_of: Callable[[int], str]
) -> dict[tuple[str, str, int], list[PoseMatch]]:
    """The posed matches of each object, in the order of the frames."""
    tracks: dict[tuple[str, str, int], list[PoseMatch]] = {}
    order: Counter[tuple[int, str]] = Counter()
    for match in matches:
        name = match.pose.class_name
        number = order[match.frame, name]
        order[match.frame, name] += 1
        if match.estimate is not None:
            tracks.setdefault((scene_of(match.frame), name, number), []).append(match)
    return tracks


def _change(before: PoseMatch, after: PoseMatch, model: TargetModel) -> tuple[float, float]:
    """Metres and degrees between the errors of two poses, in the model's frame."""
    first, second = _error(before), _error(after)
    center = np.append((model.extremes.min(axis=0) + model.extremes.max(axis=0)) / 2, 1.0)
    turns = [
        Rotation.from_matrix((invert_pose(first @ transform) @ second)[:3, :3]).magnitude()
        for transform in model.symmetries
    ]
    move = float(np.linalg.norm(first @ center - second @ center))
    return move, float(np.degrees(min(turns)))


def _error(match: PoseMatch) -> np.ndarray:
    """(4, 4) from the estimated to the true model frame."""
    assert match.estimate is not None  # as _tracks chose them
    return invert_pose(pose_matrix(*match.ground_truth)) @ pose_matrix(*match.estimate)


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"median": None, "p95": None}
    return {"median": float(np.median(values)), "p95": float(np.percentile(values, 95))}
