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
    """Count the occlusions of less than SHORT_S seconds and those that a track survived.

    In an occlusion, an object with a confirmed track is not detected in some frames. Its track
    survives when it takes the first detection afterwards. ``tracked`` holds all tracks of each
    frame.
    """
    # By true identity: number of the frame in which it was last tracked, and its track there.
    last_seen: dict[int, tuple[int, TrackEstimate]] = {}

    count = kept = 0
    for number, (frame, tracks) in enumerate(zip(frames, tracked, strict=True)):
        track_of = {track.detection_index: track for track in tracks}
        for index, identity in enumerate(frame.identities().tolist()):
            track = track_of.get(index)
            if track is None or identity == NO_IDENTITY:
                continue

            before, earlier = last_seen.get(identity, (number, track))
            seconds = (frame.stamp_ns - frames[before].stamp_ns) * 1e-9
            hidden = number - before > 1 and seconds < SHORT_S
            if hidden and earlier.state == TrackState.CONFIRMED:
                count += 1
                kept += track.id == earlier.id
            last_seen[identity] = number, track
    return Occlusions(count, kept)
