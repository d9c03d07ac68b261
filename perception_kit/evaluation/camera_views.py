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
# Fragments mean nothing where the frames of several cameras take turns.
_SCORES = ("mota", "idf1", "hota", "id_switches")


@dataclass(frozen=True)
class ViewFrame:
    """A frame of ``camera``; ``identities`` has the fused id by the camera's track id."""

    camera: str
    frame: EvaluatedFrame
    identities: dict[int, int]


@dataclass(frozen=True)
class HandOver:
    """A ground-truth identity that came into the view of ``camera`` after it was seen before.

    ``source`` is the camera that had followed it last, until ``seen_ns``; it is the same one where
    the identity has returned. ``before`` and ``after`` are its fused ids.
    """

    ground_truth_id: int
    class_name: str
    stamp_ns: int
    camera: str
    source: str
    seen_ns: int
    before: int
    after: int

    @property
    def is_kept(self) -> bool:
        """Whether the identity is the same."""
        return self.before == self.after


def evaluate_views(views: Sequence[ViewFrame]) -> tuple[dict[str, Any], list[HandOver]]:
    """Scores of the fused identities, every hand-over and every return; ``views`` by time.

    ``judged_frames`` of the scores counts the frames that have ground truth of tracks.
    The frames of all cameras are one sequence, so that an identity that changes from one view to
    the next is a switch. A track without an identity counts as none.
    """
    known = [view for view in views if view.frame.ground_truth.tracks is not None]
    pairs = [counted_boxes(_with_fused_ids(view)) for view in known]
    ground_truth, tracks = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    metrics = tracking_metrics(ground_truth, tracks)
    events = identity_events(ground_truth, tracks)
    hand_overs = _hand_overs(known, events)
    between = [entry for entry in hand_overs if entry.source != entry.camera]
    returns = [entry for entry in hand_overs if entry.source == entry.camera]
    return {
        "judged_frames": len(known),
        **{name: metrics[name] for name in _SCORES},
        "hand_overs": len(between),
        "hand_overs_kept": sum(entry.is_kept for entry in between),
        "returns": len(returns),
        "returns_kept": sum(entry.is_kept for entry in returns),
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
    """The first match of each appearance in a view but the very first."""
    shown_ns: dict[tuple[int, str], int] = {}
    is_open: set[tuple[int, str]] = set()  # appearances without a match so far
    last: dict[int, tuple[str, int, int]] = {}  # camera, stamp and fused id of the last match
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
            if key in is_open and before is not None:
                name, track_id = names[identity], event.track_id
                found.append(HandOver(identity, name, stamp_ns, camera, *before, track_id))
            is_open.discard(key)
            last[identity] = (camera, stamp_ns, event.track_id)
    return found
