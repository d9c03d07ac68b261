# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from perception_kit.types import Instance
from tracker_node.association import associate
from tracker_node.config import TrackerConfig
from tracker_node.detections import Detections, usable_detections
from tracker_node.gallery import Gallery
from tracker_node.tracks import Tracks

Detection = Callable[..., Instance]


def make_tracks(
    instances: list[Instance], missed: list[int], confirmed: bool = True
) -> tuple[Tracks, Gallery]:
    """One track for each instance, with its descriptor in the gallery, one frame later."""
    config = TrackerConfig()
    detections = usable(instances)
    tracks, gallery = Tracks(), Gallery(10)
    rows = np.arange(len(instances))
    slots = gallery.allocate(len(instances))
    tracks.start(detections, rows, rows + 1, 0, config)
    tracks.records["slot"] = slots
    seen = detections.has_descriptor
    gallery.add(slots[seen], detections.descriptors[seen])
    tracks.predict(1.0, config)
    tracks.records["missed"] = missed
    tracks.records["confirmed"] = confirmed
    return tracks, gallery


def usable(instances: list[Instance]) -> Detections:
    detections, rejected = usable_detections(instances, 0, 0)
    assert not rejected
    return detections


def matches(
    tracks: Tracks, gallery: Gallery, instances: list[Instance], config: TrackerConfig | None = None
) -> dict[int, int]:
    """Detection index by track row."""
    found = associate(tracks, usable(instances), gallery, None, config or TrackerConfig())
    columns = [*found.columns.tolist(), *found.unmatched.tolist()]
    assert sorted(columns) == list(range(len(instances)))
    return dict(zip(found.rows.tolist(), found.columns.tolist(), strict=True))


def test_appearance_decides_between_two_tracks_at_one_place(detection: Detection) -> None:
    tracks, gallery = make_tracks(
        [detection([100, 100, 150, 200], descriptor=d) for d in ([1, 0], [0, 1])], [1, 1]
    )
    seen = [
        detection([102, 100, 152, 200], descriptor=[0.1, 1]),
        detection([101, 100, 151, 200], descriptor=[1, 0.1]),
    ]
    assert matches(tracks, gallery, seen) == {0: 1, 1: 0}


def test_motion_weight_trades_appearance_for_position(detection: Detection) -> None:
    """Detection 0 is at the track's place, detection 1 looks more like it."""
    tracks, gallery = make_tracks([detection([100, 100, 150, 200], descriptor=[1, 0])], [1])
    seen = [
        detection([100, 100, 150, 200], descriptor=[1, 0.5]),
        detection([125, 100, 175, 200], descriptor=[1, 0]),
    ]
    assert matches(tracks, gallery, seen, TrackerConfig(motion_weight=0.0)) == {0: 1}
    assert matches(tracks, gallery, seen, TrackerConfig(motion_weight=0.5)) == {0: 0}


def test_a_track_seen_lately_comes_before_one_that_fits_better(detection: Detection) -> None:
    box = [100, 100, 150, 200]
    tracks, gallery = make_tracks(
        [detection(box, descriptor=[1, 0]), detection(box, descriptor=[1, 0.3])], missed=[5, 1]
    )
    assert matches(tracks, gallery, [detection(box, descriptor=[1, 0])]) == {1: 0}


def test_a_detection_is_matched_once_in_the_cascade(detection: Detection) -> None:
    box = [100, 100, 150, 200]
    tracks, gallery = make_tracks(
        [detection(box, descriptor=[1, 0]), detection(box, descriptor=[1, 0])], missed=[4, 1]
    )
    elsewhere = detection([400, 100, 450, 200], descriptor=[1, 0])
    assert matches(tracks, gallery, [elsewhere, detection(box, descriptor=[1, 0])]) == {1: 1}


def test_pairs_outside_the_motion_gate_never_match(detection: Detection) -> None:
    tracks, gallery = make_tracks([detection([100, 100, 150, 200], descriptor=[1, 0])], [1])
    assert matches(tracks, gallery, [detection([300, 100, 350, 200], descriptor=[1, 0])]) == {}


def test_another_look_matches_by_overlap_only_right_after_the_last_match(
    detection: Detection,
) -> None:
    box, other_look = [100, 100, 150, 200], [0, 1]
    for missed, expected in ((1, {0: 0}), (2, {})):
        tracks, gallery = make_tracks([detection(box, descriptor=[1, 0])], [missed])
        assert matches(tracks, gallery, [detection(box, descriptor=other_look)]) == expected


def test_tentative_tracks_match_by_overlap(detection: Detection) -> None:
    tracks, gallery = make_tracks([detection([100, 100, 150, 200])], [1], confirmed=False)
    assert matches(tracks, gallery, [detection([110, 100, 160, 200])]) == {0: 0}
    # Inside the motion gate, but 1 - IoU is above 0.7.
    assert matches(tracks, gallery, [detection([130, 100, 180, 200])]) == {}


@pytest.mark.parametrize("confirmed", [True, False])
def test_classes_do_not_mix_unless_asked_to(confirmed: bool, detection: Detection) -> None:
    box = [100, 100, 150, 200]
    tracks, gallery = make_tracks([detection(box, class_id=1)], [1], confirmed=confirmed)
    of_another_class = [detection(box, class_id=2)]
    assert matches(tracks, gallery, of_another_class) == {}
    config = TrackerConfig(class_aware=False)
    assert matches(tracks, gallery, of_another_class, config) == {0: 0}


def test_without_descriptors_the_nearer_one_matches(detection: Detection) -> None:
    tracks, gallery = make_tracks(
        [detection([100, 100, 150, 200]), detection([140, 100, 190, 200])], missed=[3, 3]
    )
    seen = [detection([138, 100, 188, 200]), detection([104, 100, 154, 200])]
    assert matches(tracks, gallery, seen) == {0: 1, 1: 0}


def test_a_detection_without_descriptor_matches_a_track_that_has_some(detection: Detection) -> None:
    tracks, gallery = make_tracks([detection([100, 100, 150, 200], descriptor=[1, 0])], missed=[3])
    assert matches(tracks, gallery, [detection([104, 100, 154, 200])]) == {0: 0}
