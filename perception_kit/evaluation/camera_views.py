# SPDX-License-Identifier: Apache-2.0
"""Scores identities over the views of several cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from perception_kit.evaluation.matching import EvaluatedFrame, counted_boxes
from perception_kit.metrics.tracking import IdentityEvent, identity_events, tracking_metrics
from perception_kit.types import TrackEstimate

# What a camera has not shown for so long comes into its view anew.
_AWAY_NS = 1_000_000_000
_SCORES = ("mota", "idf1", "hota", "id_switches", "fragments")


@dataclass(frozen=True)
class ViewFrame:
    """A frame of ``camera``; ``identities`` has the fused id by the camera's track id."""

    camera: str
    frame: EvaluatedFrame
    identities: dict[int, int]


@dataclass(frozen=True)
class HandOver:
    """A ground-truth identity that came into the view of ``camera`` when another had shown it.

    ``before`` and ``after`` are its fused ids.
    """

    ground_truth_id: int
    class_name: str
    stamp_ns: int
    camera: str
    before: int
    after: int

    @property
    def is_kept(self) -> bool:
        """Whether the identity is the same."""
        return self.before == self.after


def evaluate_views(views: Sequence[ViewFrame]) -> tuple[dict[str, Any], list[HandOver]]:
    """Scores of the fused identities, and every hand-over; ``views`` in the order of time.

    The frames of all cameras are one sequence, so that an identity that changes from one view to
    the next is a switch. A track without an identity counts as none.
    """
    known = [view for view in views if view.frame.ground_truth.tracks is not None]
    pairs = [counted_boxes(_with_fused_ids(view)) for view in known]
    ground_truth, tracks = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    metrics = tracking_metrics(ground_truth, tracks)
    events = identity_events(ground_truth, tracks)
    hand_overs = _hand_overs(known, events)
    kept = sum(hand_over.is_kept for hand_over in hand_overs)
    return {
        **{name: metrics[name] for name in _SCORES},
        "hand_overs": len(hand_overs),
        "hand_overs_kept": kept,
    }, hand_overs


def _with_fused_ids(view: ViewFrame) -> EvaluatedFrame:
    results = view.frame.results
    fused: list[TrackEstimate] = [
        replace(track, id=view.identities[track.id])
        for track in results.tracks
        if track.id in view.identities
    ]
    return replace(view.frame, results=replace(results, tracks=fused))


def _hand_overs(
    views: Sequence[ViewFrame], events: Sequence[Sequence[IdentityEvent]]
) -> list[HandOver]:
    """The first match of each appearance in a view, where the last one before was in another."""
    shown_ns: dict[tuple[int, str], int] = {}
    is_open: set[tuple[int, str]] = set()  # appearances without a match so far
    last: dict[int, tuple[str, int]] = {}  # camera and fused id of the last match
    found = []
    for view, frame_events in zip(views, events, strict=True):
        stamp_ns, camera = view.frame.stamp_ns, view.camera
        names = {track.id: track.class_name for track in view.frame.ground_truth.tracks or []}
        for event in frame_events:
            identity, key = event.ground_truth_id, (event.ground_truth_id, camera)
            if stamp_ns - shown_ns.get(key, stamp_ns - 2 * _AWAY_NS) > _AWAY_NS:
                is_open.add(key)
            shown_ns[key] = stamp_ns
            if event.track_id is None:
                continue
            before = last.get(identity)
            if key in is_open and before is not None and before[0] != camera:
                found.append(
                    HandOver(identity, names[identity], stamp_ns, camera, before[1], event.track_id)
                )
            is_open.discard(key)
            last[identity] = (camera, event.track_id)
    return found
