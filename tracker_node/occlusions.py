# SPDX-License-Identifier: Apache-2.0
"""Whether identities survive while an object is hidden for a short time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perception_kit.types import TrackEstimate, TrackState
from tracker_node.tuning_data import NO_IDENTITY, LabeledFrame

SHORT_S = 1.0


@dataclass(frozen=True)
class Occlusions:
    """``count`` of short occlusions, and how many of them the track survived: ``kept``."""

    count: int
    kept: int


def short_occlusions(
    frames: Sequence[LabeledFrame], tracked: Sequence[Sequence[TrackEstimate]]
) -> Occlusions:
    """Count the times that an object with a confirmed track was not detected in some frames, and
    was again in less than SHORT_S seconds.

    ``tracked`` holds all tracks of each frame. A track survives when it takes the first detection
    after the occlusion.
    """
    last_seen: dict[
        int, tuple[int, TrackEstimate]
    ] = {}  # by true identity: number of the frame, and its track there
    count = kept = 0
    for number, (frame, tracks) in enumerate(zip(frames, tracked, strict=True)):
        track_of = {track.detection_index: track for track in tracks}
        for index, identity in enumerate(frame.identities().tolist()):
            track = track_of.get(index)
            if track is None or identity == NO_IDENTITY:
                continue
            before, earlier = last_seen.get(identity, (number, track))
            hidden = (
                number - before > 1 and (frame.stamp_ns - frames[before].stamp_ns) * 1e-9 < SHORT_S
            )
            if hidden and earlier.state == TrackState.CONFIRMED:
                count += 1
                kept += track.id == earlier.id
            last_seen[identity] = number, track
    return Occlusions(count, kept)
