# SPDX-License-Identifier: Apache-2.0
"""Markers have lifetimes, stable ids and the right texts."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from perception_kit.datasets import opener
from perception_kit.ros import markers as markers_module
from perception_kit.ros.markers import (
    MeshResource,
    Trails,
    action_markers,
    delete_all,
    mesh_resources,
    pose_markers,
    track_markers,
)
from perception_kit.ros.to_messages import ns_to_stamp
from perception_kit.stamps import stamp_to_ns
from perception_kit.types import ActionEstimate, PoseEstimate, TrackEstimate, TrackState

FRAME_NS = 50_000_000
HEADER = Header(frame_id="camera_color_optical_frame")


def pose(name: str) -> PoseEstimate:
    position, size = np.array([0.1, 0.2, 0.9]), np.array([0.08, 0.08, 0.12])
    return PoseEstimate(0, 1, name, np.eye(3), position, 0.8, size)


def track(
    number: int, state: TrackState, age: int = 5, position: np.ndarray | None = None
) -> TrackEstimate:
    box = np.zeros(4, np.float32)
    return TrackEstimate(number, 1, "cup", state, 0.9, age, 4, 0.0, 0, box, box, position=position)


def test_poses_are_boxes_of_the_model_size_with_axes() -> None:
    box, axes = pose_markers([pose("cup")], HEADER).markers
    assert (box.type, axes.type) == (Marker.CUBE, Marker.LINE_LIST)
    assert (box.scale.x, box.scale.y, box.scale.z) == (0.08, 0.08, 0.12)
    assert (box.pose.position.x, box.pose.position.y, box.pose.position.z) == (0.1, 0.2, 0.9)
    assert len(axes.points) == len(axes.colors) == 6


def test_an_unsure_pose_is_faint_and_has_no_axes() -> None:
    doubtful = replace(pose("cup"), confidence=0.05)
    sure, _ = pose_markers([pose("cup")], HEADER).markers
    (unsure,) = pose_markers([doubtful], HEADER).markers
    assert (unsure.type, unsure.ns, unsure.id) == (sure.type, sure.ns, sure.id)
    assert unsure.color.a < sure.color.a / 2


def test_ids_differ_within_a_frame_and_stay_the_same_over_frames() -> None:
    def names(poses: list[PoseEstimate]) -> list[tuple[str, int]]:
        return [(marker.ns, marker.id) for marker in pose_markers(poses, HEADER).markers]

    poses = [pose("cup"), pose("box"), pose("cup")]
    assert len(set(names(poses))) == 6
    assert names(poses) == names(poses)


def test_all_markers_end_by_themselves() -> None:
    seen = track(1, TrackState.CONFIRMED, position=np.ones(3))
    markers = (
        pose_markers([pose("cup")], HEADER).markers
        + track_markers([seen], HEADER).markers
        + Trails().update([seen], HEADER)
    )
    assert all(
        marker.header == HEADER and (marker.lifetime.sec, marker.lifetime.nanosec) > (0, 0)
        for marker in markers
    )


@pytest.mark.parametrize(
    ("state", "position", "texts"),
    [
        (TrackState.CONFIRMED, np.ones(3), ["cup 3"]),
        (TrackState.LOST, np.ones(3), ["cup 3 (lost)"]),
        (TrackState.TENTATIVE, np.ones(3), []),
        (TrackState.CONFIRMED, None, []),
    ],
)
def test_tracks_are_named(state: TrackState, position: np.ndarray | None, texts: list[str]) -> None:
    markers = track_markers([track(3, state, position=position)], HEADER).markers
    assert [marker.text for marker in markers if marker.type == Marker.TEXT_VIEW_FACING] == texts


def trail(trails: Trails, age: int, stamp_ns: int, number: int = 3) -> list[Marker]:
    header = Header(frame_id=HEADER.frame_id, stamp=ns_to_stamp(stamp_ns))
    return trails.update([track(number, TrackState.CONFIRMED, age, np.full(3, float(age)))], header)


def test_a_trail_grows_by_one_point_a_frame() -> None:
    trails = Trails()
    points = {
        (marker.ns, marker.id) for age in range(40) for marker in trail(trails, age, age * FRAME_NS)
    }
    assert len(points) == 40


def test_a_trail_fades_where_it_is_and_ends() -> None:
    trails = Trails()
    sent = [
        marker
        for age in range(120)
        for marker in copy.deepcopy(trail(trails, age, age * FRAME_NS))
        if marker.id == 5
    ]
    opacities = [marker.color.a for marker in sent]
    assert len(opacities) == 6
    assert opacities == sorted(opacities, reverse=True)
    assert (opacities[0], 0 < opacities[-1] < 0.2) == (1.0, True)

    positions = {marker.pose.position.x for marker in sent}
    stamps = {stamp_to_ns(marker.header.stamp) for marker in sent}
    assert (positions, stamps) == ({5.0}, {5 * FRAME_NS})

    ends = [marker.lifetime.sec + marker.lifetime.nanosec * 1e-9 for marker in sent]
    assert ends == sorted(ends, reverse=True)
    assert 0 < ends[-1] <= 0.5


def test_nothing_is_left_of_a_trail_that_ended_or_was_reset() -> None:
    trails = Trails()
    trail(trails, 1, FRAME_NS)
    assert trails.update([], Header(stamp=ns_to_stamp(10 * 10**9))) == []
    trail(trails, 1, FRAME_NS)
    trails.reset()
    assert trails.update([], Header(stamp=ns_to_stamp(2 * 10**9))) == []


def test_only_confirmed_tracks_with_a_position_leave_a_trail() -> None:
    tracks = [
        track(1, TrackState.LOST, position=np.ones(3)),
        track(2, TrackState.TENTATIVE, position=np.ones(3)),
        track(3, TrackState.CONFIRMED),
    ]
    assert Trails().update(tracks, HEADER) == []


def test_meshes_are_shown_where_they_are_known(tmp_path: Path) -> None:
    cup = {"name": "cup", "diameter": 120, "size_x": 80, "size_y": 80, "size_z": 120}
    info = {"7": cup, "9": {"name": "person", "articulated": True}}
    (tmp_path / "models_info.json").write_text(json.dumps(info))
    (tmp_path / "obj_000007.ply").touch()
    meshes = mesh_resources(str(tmp_path))
    assert list(meshes) == ["cup"]
    assert meshes["cup"].uri == f"file://{tmp_path}/obj_000007.ply"
    assert (meshes["cup"].scale, meshes["cup"].size) == (0.001, pytest.approx((0.08, 0.08, 0.12)))

    mesh, _, box, _ = pose_markers([pose("cup"), pose("box")], HEADER, meshes).markers
    assert (mesh.type, mesh.scale.x) == (Marker.MESH_RESOURCE, 0.001)
    assert mesh.mesh_resource == meshes["cup"].uri
    assert box.type == Marker.CUBE

    # Of estimated size: twice as large as its model, and half as high.
    sized = replace(pose("cup"), size=np.array([0.16, 0.16, 0.06]), size_std=np.full(3, 0.01))
    mesh = pose_markers([sized], HEADER, meshes).markers[0]
    scale = [mesh.scale.x, mesh.scale.y, mesh.scale.z]
    np.testing.assert_allclose(scale, [0.002, 0.002, 0.0005], rtol=1e-5)


def test_meshes_of_a_package_are_named_by_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SimpleNamespace(
        name="cup",
        mesh_path=tmp_path / "cup" / "cup.obj",
        meters_per_unit=0.01,
        size=np.array([0.5, 0.25, 1.0]),
    )
    monkeypatch.setattr(opener, "open_models", lambda folder, unit: {7: model})
    monkeypatch.setattr(markers_module, "resolve_path", lambda folder: tmp_path)
    assert mesh_resources("package://assistant_perception/meshes/") == {
        "cup": MeshResource(
            "package://assistant_perception/meshes/cup/cup.obj", 0.01, (0.5, 0.25, 1.0)
        )
    }


def person(number: int, detection: int) -> TrackEstimate:
    estimate = track(number, TrackState.CONFIRMED)
    estimate.class_name, estimate.detection_index = "person", detection
    return estimate


def action(label: str, number: int) -> ActionEstimate:
    return ActionEstimate(label, 0.9, np.zeros(2), 0, 0, number)


def test_actions_are_written_over_the_people() -> None:
    places = {0: np.array([0.0, 0.0, 2.0]), 1: np.array([1.0, 0.0, 3.0]), 2: None}
    people = [person(7, 0), person(8, 1), person(9, 2)]
    labels = {7: "walking", 8: "falling", 9: "running", -1: "walking"}
    actions = [action(label, number) for number, label in labels.items()]
    walker, faller = action_markers(actions, people, places, HEADER).markers
    assert (walker.text, walker.id, walker.pose.position.z) == ("person 7: walking", 7, 2.0)
    assert walker.pose.position.y < 0
    assert faller.text == "person 8: FALL"
    assert faller.color.r > 0.8
    assert faller.color.g < 0.1
    assert faller.scale.z > 2 * walker.scale.z
    assert walker.lifetime.sec > 0


def test_the_action_of_the_image_is_that_of_the_only_person() -> None:
    tracks = [person(7, 0), track(3, TrackState.CONFIRMED)]
    (marker,) = action_markers([action("walking", -1)], tracks, {0: np.ones(3)}, HEADER).markers
    assert marker.text == "person 7: walking"


def test_delete_all() -> None:
    (marker,) = delete_all(HEADER).markers
    assert marker.action == Marker.DELETEALL
