# SPDX-License-Identifier: Apache-2.0
"""What went wrong in a frame, in words and as a number to find the worst frames by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from perception_kit.evaluation.frame_records import FrameRecord, ObjectRecord
from perception_kit.metrics.pose import RECALL_DIAMETER_FRACTION

_SWITCH_WEIGHT = 2.0
_SPACING_S = 0.7  # the worst frames of a long recording show different moments


def is_pose_wrong(item: ObjectRecord) -> bool:
    """Whether a found object has no pose, or one that is off by a tenth of its diameter or more."""
    return (
        item.found
        and item.diameter is not None
        and (item.error is None or item.error >= RECALL_DIAMETER_FRACTION * item.diameter)
    )


def is_action_wrong(frame: FrameRecord) -> bool:
    """Whether the frame is labelled, and not with what the nodes said."""
    return bool(frame.true_label) and frame.label != frame.true_label


def describe_problems(frame: FrameRecord) -> list[str]:
    """One sentence for each kind of mistake; empty where everything is right or nobody knows."""
    objects, identities = frame.objects or [], frame.identities or []
    problems = []
    if missed := _names([item.class_name for item in objects if not item.found]):
        problems.append(f"missed: {missed}")
    if wrong := _names([item.class_name for item in frame.detections if item.right is False]):
        problems.append(f"wrong detection: {wrong}")
    problems += [_describe_pose(item) for item in objects if is_pose_wrong(item)]
    problems += [
        f"identity switch: {one.class_name} {one.id} is now track {one.track}"
        for one in identities
        if one.switch
    ]
    problems += [
        f"track lost for a while: {one.class_name} {one.id}" for one in identities if one.fragment
    ]
    if is_action_wrong(frame):
        problems.append(f"action is {frame.true_label}, recognised: {frame.label or 'none'}")
    return problems


def badness(frame: FrameRecord) -> float:
    """Number of mistakes; an identity switch counts twice."""
    objects = frame.objects or []
    missed = sum(not item.found for item in objects)
    wrong = sum(item.right is False for item in frame.detections)
    poses = sum(is_pose_wrong(item) for item in objects)
    switches = sum(one.switch for one in frame.identities or [])
    return missed + wrong + poses + _SWITCH_WEIGHT * switches + is_action_wrong(frame)


def worst_frames(scores: Sequence[float], seconds: Sequence[float], number: int) -> list[int]:
    """Indices of up to ``number`` frames with the largest ``scores`` above 0, worst first, spread
    over ``seconds`` (ascending).
    """
    spacing = min(_SPACING_S, (seconds[-1] - seconds[0]) / number) if len(seconds) else 0.0
    chosen: list[int] = []
    for index in sorted(range(len(scores)), key=lambda k: -scores[k]):
        if len(chosen) == number or scores[index] <= 0:
            break
        if all(abs(seconds[index] - seconds[other]) >= spacing for other in chosen):
            chosen.append(index)
    return chosen


def _describe_pose(item: ObjectRecord) -> str:
    if item.error is None:
        return f"no pose: {item.class_name}"
    return (
        f"pose off: {item.class_name} by {1e3 * item.error:.0f} mm"
        f" ({item.error / item.diameter:.0%} of its diameter)"
    )


def _names(names: Sequence[str]) -> str:
    return ", ".join(
        f"{count} × {name}" if count > 1 else name for name, count in sorted(Counter(names).items())
    )
