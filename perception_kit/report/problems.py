# SPDX-License-Identifier: Apache-2.0
"""Mistakes in a frame, in words and as a number to find the worst frames by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from perception_kit.evaluation.frame_records import FrameRecord, ObjectRecord
from perception_kit.metrics.pose import RECALL_DIAMETER_FRACTION

_SWITCH_WEIGHT = 2.0  # mistakes: from then on, everything known about the object is lost
_SPACING_S = 0.7  # the worst frames of a long recording show different moments


def is_pose_wrong(record: ObjectRecord) -> bool:
    """Whether a found object has no pose, or one that is off by a tenth of its diameter or more."""
    return (
        record.found
        and record.diameter is not None
        and (record.error is None or record.error >= RECALL_DIAMETER_FRACTION * record.diameter)
    )


def is_action_wrong(frame: FrameRecord) -> bool:
    """Whether the frame is labeled, and not with the action that was recognized."""
    return bool(frame.true_label) and frame.label != frame.true_label


def describe_problems(frame: FrameRecord) -> list[str]:
    """One sentence for each kind of mistake; empty where all is right or nobody knows."""
    objects, identities = frame.objects or [], frame.identities or []
    problems = []

    # Objects and their poses.
    if missed := _names([record.class_name for record in objects if not record.found]):
        problems.append(f"missed: {missed}")
    if wrong := _names([item.class_name for item in frame.detections if item.right is False]):
        problems.append(f"wrong detection: {wrong}")
    problems += [_describe_pose(record) for record in objects if is_pose_wrong(record)]

    # Identities.
    problems += [
        f"identity switch: {identity.class_name} {identity.id} is now track {identity.track}"
        for identity in identities
        if identity.switch
    ]
    problems += [
        f"track lost for a while: {identity.class_name} {identity.id}"
        for identity in identities
        if identity.fragment
    ]

    if is_action_wrong(frame):
        problems.append(f"action is {frame.true_label}, recognised: {frame.label or 'none'}")
    return problems


def verdict(frames: Sequence[FrameRecord]) -> str:
    """One sentence on a replay: how many frames are right, and what is wrong in the others."""
    wrong = sum(bool(describe_problems(frame)) for frame in frames)
    if not wrong:
        return f"Nothing is wrong in any of the {len(frames)} frames."

    kinds = {
        "a missed object": _number_of(frames, lambda record: not record.found),
        "a wrong detection": sum(
            any(item.right is False for item in frame.detections) for frame in frames
        ),
        "a pose that is off": _number_of(frames, is_pose_wrong),
        "an identity switch": sum(
            any(identity.switch for identity in frame.identities or []) for frame in frames
        ),
        "a wrong action": sum(is_action_wrong(frame) for frame in frames),
    }
    counts = sorted(((count, kind) for kind, count in kinds.items() if count), reverse=True)
    listed = ", ".join(f"{kind} in {count}" for count, kind in counts) or "a track lost for a while"
    return f"Nothing is wrong in {len(frames) - wrong} of {len(frames)} frames: {listed}."


def _number_of(frames: Sequence[FrameRecord], test: Callable[[ObjectRecord], bool]) -> int:
    """Number of frames with an object that passes the test."""
    return sum(any(map(test, frame.objects or [])) for frame in frames)


def badness(frame: FrameRecord) -> float:
    """Number of mistakes; an identity switch counts twice."""
    objects = frame.objects or []
    missed = sum(not record.found for record in objects)
    wrong = sum(detection.right is False for detection in frame.detections)
    poses = sum(is_pose_wrong(record) for record in objects)
    switches = sum(identity.switch for identity in frame.identities or [])
    return missed + wrong + poses + _SWITCH_WEIGHT * switches + is_action_wrong(frame)


def worst_frames(scores: Sequence[float], seconds: Sequence[float], number: int) -> list[int]:
    """Indices of up to ``number`` frames with the largest ``scores`` above 0, worst first.

    They are spread over ``seconds`` (ascending).
    """
    spacing = min(_SPACING_S, (seconds[-1] - seconds[0]) / number) if len(seconds) else 0.0
    chosen: list[int] = []
    for index in sorted(range(len(scores)), key=lambda k: -scores[k]):
        if len(chosen) == number or scores[index] <= 0:
            break
        if all(abs(seconds[index] - seconds[earlier]) >= spacing for earlier in chosen):
            chosen.append(index)
    return chosen


def _describe_pose(record: ObjectRecord) -> str:
    relative = record.error_in_diameters
    if record.error is None or relative is None:
        return f"no pose: {record.class_name}"
    return (
        f"pose off: {record.class_name} by {1e3 * record.error:.0f} mm"
        f" ({relative:.0%} of its diameter)"
    )


def _names(names: Sequence[str]) -> str:
    counts = sorted(Counter(names).items())
    return ", ".join(f"{count} × {name}" if count > 1 else name for name, count in counts)
