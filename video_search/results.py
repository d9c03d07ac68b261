# SPDX-License-Identifier: Apache-2.0
"""Results of the three nodes for one frame as sightings."""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_kit.types import FrameResults, Instance, TrackState
from video_search.pictures import color_name
from video_search.sightings import Sighting

# Names of classes that stand for nothing that anybody would search for.
_NOTHING = ("", "other")
SEGMENTATION, TRACKER, ACTIONS = "pose6d_node", "tracker_node", "actionrec_node"


def sightings_of(
    results: FrameResults, frame_id: str, space: str, rgb: np.ndarray | None = None
) -> list[Sighting]:
    """What the results of a frame say is seen.

    A detection that a confirmed track has matched is a sighting of the track, the others are
    objects. ``frame_id`` is that of the image, ``space`` that of the descriptors; colors need the
    image, (H, W, 3) uint8.
    """
    sightings, matched = [], set()
    for track in results.tracks:
        if track.state != TrackState.CONFIRMED or not (
            0 <= track.detection_index < len(results.instances)
        ):
            continue
        matched.add(track.detection_index)
        instance = results.instances[track.detection_index]
        sightings.append(
            Sighting(
                "track",
                track.class_name,
                _unit(track.score),
                TRACKER,
                box=np.asarray(track.box, np.float32),
                position=_finite(track.position),
                frame_id=frame_id,
                track_id=track.id,
                **_appearance(instance, space, rgb),
            )
        )

    positions = {pose.detection_index: pose.translation for pose in results.poses}
    for index, instance in enumerate(results.instances):
        if index not in matched:
            sightings.append(
                Sighting(
                    "object",
                    instance.class_name,
                    _unit(instance.score),
                    SEGMENTATION,
                    box=np.asarray(instance.box, np.float32),
                    position=_finite(positions.get(index)),
                    frame_id=frame_id,
                    **_appearance(instance, space, rgb),
                )
            )
    return sightings + _actions(results, frame_id)


def _actions(results: FrameResults, frame_id: str) -> list[Sighting]:
    """Actions, where the person of the action was."""
    tracks = {track.id: track for track in results.tracks}
    sightings = []
    for action in results.actions:
        if action.label in _NOTHING:
            continue
        track = tracks.get(action.track_id)
        sightings.append(
            Sighting(
                "action",
                action.label,
                _unit(action.score),
                ACTIONS,
                box=None if track is None else np.asarray(track.box, np.float32),
                position=None if track is None else _finite(track.position),
                frame_id=frame_id,
                track_id=action.track_id,
            )
        )
    return sightings


def _appearance(instance: Instance, space: str, rgb: np.ndarray | None) -> dict[str, Any]:
    appearance: dict[str, Any] = {}
    if len(instance.descriptor) and space:
        appearance.update(descriptor=instance.descriptor, space=space)
    if rgb is not None:
        x, y = instance.mask_origin
        rows, columns = instance.mask.shape
        crop = rgb[y : y + rows, x : x + columns]
        if crop.shape[:2] == instance.mask.shape:
            appearance["color"] = color_name(crop[instance.mask])
    return appearance


def _unit(score: float) -> float:
    return float(np.clip(np.nan_to_num(score), 0.0, 1.0))


def _finite(position: np.ndarray | None) -> np.ndarray | None:
    if position is None or not np.isfinite(position).all():
        return None
    return np.asarray(position, np.float32)
