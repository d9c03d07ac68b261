# SPDX-License-Identifier: Apache-2.0
"""What is drawn, where, and in which colour."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.colors import FALL_COLOR, class_color
from perception_kit.drawing import draw_caption, draw_outline, draw_overlay
from perception_kit.types import (
    ActionEstimate,
    FrameResults,
    Instance,
    Intrinsics,
    PoseEstimate,
    TrackEstimate,
    TrackState,
)

SIZES = [(480, 640), (1080, 1920), (33, 41)]


def scene_of_everything(height: int, width: int, action: str = "walking") -> FrameResults:
    box = np.array([0.25 * width, 0.4 * height, 0.5 * width, 0.8 * height], np.float32)
    left, top, right, bottom = box.astype(int)
    instance = Instance(
        1, "mug", 0.9, box, np.ones((bottom - top, right - left), bool), (int(left), int(top))
    )
    pose = PoseEstimate(
        0, 1, "mug", np.eye(3), np.array([0.0, 0.0, 1.0]), 0.8, np.array([0.1, 0.1, 0.1])
    )
    tracks = [
        TrackEstimate(
            k, 1, "mug", state, 0.9, 5, 5, 0.0, 0 if k == 1 else -1, box + 3 * k, np.zeros(4)
        )
        for k, state in enumerate(TrackState, 1)
    ]
    intrinsics = Intrinsics(width, width, width / 2, height / 2, width, height)
    return FrameResults(
        [instance], [pose], tracks, [ActionEstimate(action, 0.7, np.zeros(5), 0, 0)], intrinsics
    )


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_everything_is_drawn_on_a_copy(height: int, width: int) -> None:
    rgb = np.full((height, width, 3), 90, np.uint8)
    drawn = draw_overlay(rgb, scene_of_everything(height, width))
    assert drawn.shape == rgb.shape
    assert drawn.dtype == np.uint8
    assert (rgb == 90).all()
    assert (drawn != rgb).any(axis=-1).mean() > 0.1


def test_nothing_to_draw_leaves_the_image_as_it_is() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    assert np.array_equal(draw_overlay(rgb, FrameResults()), rgb)


def test_mask_is_tinted_in_the_color_of_its_class() -> None:
    scene = scene_of_everything(480, 640)
    drawn = draw_overlay(np.zeros((480, 640, 3), np.uint8), FrameResults(instances=scene.instances))
    assert np.allclose(drawn[300, 200], np.array(class_color("mug")) * 0.35, atol=1)
    assert (drawn[100, 500] == 0).all()


@pytest.mark.parametrize(("height", "width"), SIZES[:2])
def test_only_a_fall_frames_the_image_in_red(height: int, width: int) -> None:
    rgb = np.full((height, width, 3), 90, np.uint8)
    fall = draw_overlay(rgb, scene_of_everything(height, width, "falling"))
    walk = draw_overlay(rgb, scene_of_everything(height, width, "walking"))
    for row, column in (
        (2, 2),
        (height // 2, 1),
        (height // 2, width - 2),
        (height - 2, width // 2),
    ):
        assert tuple(fall[row, column]) == FALL_COLOR
        assert tuple(walk[row, column]) != FALL_COLOR


def test_fall_of_anybody_wins_over_higher_scores() -> None:
    actions = [
        ActionEstimate("walking", 0.99, np.zeros(5), 0, 0, 1),
        ActionEstimate("falling", 0.5, np.zeros(5), 0, 0, 2),
    ]
    assert (
        tuple(draw_overlay(np.zeros((480, 640, 3), np.uint8), FrameResults(actions=actions))[2, 2])
        == FALL_COLOR
    )


def test_poses_need_intrinsics() -> None:
    scene = scene_of_everything(480, 640)
    rgb = np.zeros((480, 640, 3), np.uint8)
    with_pose = draw_overlay(rgb, FrameResults(poses=scene.poses, intrinsics=scene.intrinsics))
    assert np.any(with_pose[:, :, 0] > 200)
    assert not draw_overlay(rgb, FrameResults(poses=scene.poses)).any()


def test_a_known_model_is_drawn_as_the_outline_of_its_projection() -> None:
    scene = scene_of_everything(480, 640)
    corners = np.array([[x, y, 0.0] for x in (-0.1, 0.1) for y in (-0.1, 0.1)])
    known = FrameResults(
        poses=scene.poses, intrinsics=scene.intrinsics, model_points={"mug": corners}
    )
    drawn = draw_overlay(np.zeros((480, 640, 3), np.uint8), known)
    colored = np.abs(drawn.astype(int) - class_color("mug")).max(axis=-1) < 30
    rows, columns = np.nonzero(colored)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx(
        (240 - 64, 240 + 64, 320 - 64, 320 + 64), abs=2
    )
    assert colored[240 - 64 : 240 + 64, 320 - 64].mean() > 0.9
    assert not colored[250:290, 260:310].any()

    # Of estimated size: half as wide, and twice as high.
    scene.poses[0].size, scene.poses[0].size_std = np.array([0.1, 0.4, 0.1]), np.full(3, 0.01)
    drawn = draw_overlay(np.zeros((480, 640, 3), np.uint8), known)
    colored = np.abs(drawn.astype(int) - class_color("mug")).max(axis=-1) < 30
    rows, columns = np.nonzero(colored)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx(
        (240 - 128, 240 + 128, 320 - 32, 320 + 32), abs=2
    )


def test_an_unsure_pose_is_a_grey_outline_without_axes_beside_the_box() -> None:
    scene = scene_of_everything(480, 640)
    scene.poses[0].confidence = 0.02
    drawn = draw_overlay(
        np.zeros((480, 640, 3), np.uint8),
        FrameResults(poses=scene.poses, intrinsics=scene.intrinsics),
    ).astype(int)
    assert drawn.any()
    assert np.ptp(drawn, axis=2).max() == 0
    box = scene.instances[0].box.round().astype(int)
    drawn = draw_overlay(
        np.zeros((480, 640, 3), np.uint8),
        FrameResults(scene.instances, scene.poses, intrinsics=scene.intrinsics),
    )
    np.testing.assert_array_equal(drawn[box[3], (box[0] + box[2]) // 2], class_color("mug"))


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-2, 2).map(lambda z: round(z, 6)))
def test_boxes_and_poses_outside_the_image_do_no_harm(x: float, y: float, z: float) -> None:
    scene = scene_of_everything(48, 64)
    scene.tracks[0].box = np.array([x, y, x + 50, y + 50], np.float32)
    scene.poses[0].translation = np.array([x, y, z])
    scene.model_points = {"mug": np.eye(3)} if z > 0.5 else {}
    assert draw_overlay(np.zeros((48, 64, 3), np.uint8), scene).shape == (48, 64, 3)


def test_no_rectangle_goes_through_a_name() -> None:
    """The box of a lost track, drawn in grey, crosses the name of the track before it."""
    box = np.array([100, 200, 300, 400], np.float32)
    track, lost = (
        TrackEstimate(k, 1, "power_drill", state, 0.9, 5, 5, 0.0, -1, box + shift, np.zeros(4))
        for k, state, shift in (
            (1, TrackState.CONFIRMED, 0),
            (2, TrackState.LOST, np.array([20, -100, 20, 0])),
        )
    )
    rgb = np.zeros((480, 640, 3), np.uint8)
    alone, both = (
        draw_overlay(rgb, FrameResults(tracks=tracks)) for tracks in ([track], [track, lost])
    )
    name = slice(185, 198), slice(105, 180)
    assert alone[name].any()
    np.testing.assert_allclose(both[name].astype(int), alone[name], atol=40)  # it may shine through


def test_outline_is_drawn_on_the_edges_and_the_hole_of_a_silhouette() -> None:
    silhouette = np.zeros((300, 300), bool)
    silhouette[50:250, 50:250] = True
    silhouette[120:180, 120:180] = False
    drawn = draw_outline(np.zeros((300, 300, 3), np.uint8), silhouette, (0, 255, 0))
    green = drawn[..., 1] > 128
    assert green[50, 50:250].all()
    assert green[50:250, 249].all()
    assert green[119, 130:170].all()
    assert not green[60:110, 60:240].any()
    assert not green[130:170, 130:170].any()
    assert not drawn[..., [0, 2]].any()


def test_caption_covers_the_top_only() -> None:
    rgb = np.full((240, 320, 3), 200, np.uint8)
    drawn = draw_caption(rgb, [("first", (255, 255, 255)), ("second", (255, 0, 0))])
    changed = np.flatnonzero((drawn != rgb).any(axis=(1, 2)))
    assert changed.tolist() == list(range(len(changed)))
    assert 20 < len(changed) < 60
    assert ((drawn[..., 0] > 200) & (drawn[..., 1] < 80)).any()
    assert (rgb == 200).all()


def test_a_name_without_end_is_drawn_short() -> None:
    name = "mug\n" * 100_000
    instance = Instance(
        1, name, 0.9, np.array([5, 20, 30, 40], np.float32), np.ones((3, 3)), (5, 5)
    )
    drawn = draw_overlay(np.zeros((60, 80, 3), np.uint8), FrameResults([instance]))
    assert drawn.any()
