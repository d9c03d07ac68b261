# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_kit.synth.person import Person, sample_skeleton
from perception_kit.synth.person_mesh import Outfit, build_body
from perception_kit.synth.person_skeleton import (
    CHANNEL_INDEX,
    CHANNELS,
    JOINT_INDEX,
    JOINTS,
    PARENTS,
    BodyPose,
    Skeleton,
)
from perception_kit.synth.person_wardrobe import cloth_color, draw_atlas, draw_pattern
from perception_kit.synth.splits import SPLITS

PERSON = Person(np.random.default_rng(3))


def pose_with(**angles: float) -> np.ndarray:
    """(1, channels) rest pose but for the named channels, radians."""
    channels = np.zeros((1, len(CHANNELS)))
    for name, value in angles.items():
        channels[0, CHANNEL_INDEX[name]] = value
    return channels


def joint(channels: np.ndarray, name: str) -> np.ndarray:
    return Skeleton().forward_kinematics(channels)[1][0, JOINT_INDEX[name]]


def test_standing_person_is_as_tall_as_the_skeleton_says_and_stands_on_the_floor():
    vertices = PERSON.mesh(BodyPose.standing()).vertices
    assert vertices[:, 2].min() == pytest.approx(0.0, abs=1e-6)
    assert vertices[:, 2].max() == pytest.approx(PERSON.skeleton.height, rel=0.02)


def test_faces_look_outwards():
    mesh = PERSON.mesh(BodyPose.standing())
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(float) for k in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    assert 0.04 < volume < 0.25


def test_only_vertices_change_between_poses():
    first = PERSON.mesh(BodyPose.standing())
    second = PERSON.mesh(BodyPose(pose_with(left_knee=1.0)[0], np.array([1.0, 2.0]), 0.5))
    assert first.faces is second.faces
    assert first.uv is second.uv
    assert first.texture is second.texture
    assert not np.allclose(first.vertices, second.vertices)
    assert 2000 < len(first.faces) < 6000
    assert first.uv.min() >= 0
    assert first.uv.max() <= 1


@given(st.integers(0, 10_000), st.floats(-3, 3), st.floats(0, 0.5))
@settings(max_examples=25, deadline=None)
def test_lowest_vertex_has_the_clearance_of_the_pose(seed: int, heading: float, clearance: float):
    channels = np.random.default_rng(seed).normal(0, 0.8, len(CHANNELS))
    channels[CHANNEL_INDEX["clearance"]] = clearance
    vertices = PERSON.mesh(BodyPose(channels, np.array([0.3, -0.7]), heading)).vertices
    assert vertices[:, 2].min() == pytest.approx(clearance, abs=1e-5)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_bones_keep_their_length_in_every_pose(seed: int):
    rng = np.random.default_rng(seed)
    skeleton = sample_skeleton(rng)
    positions = skeleton.forward_kinematics(rng.normal(0, 1, (4, len(CHANNELS))))[1]
    for index in range(1, len(JOINTS)):
        lengths = np.linalg.norm(positions[:, index] - positions[:, PARENTS[index]], axis=1)
        np.testing.assert_allclose(lengths, np.linalg.norm(skeleton.offsets[index]), atol=1e-9)


@pytest.mark.parametrize(
    ("channel", "moved", "reference", "axis", "sign"),
    [
        ("left_hip_flex", "left_shin", "left_thigh", 0, 1),
        ("left_knee", "left_foot", "left_shin", 0, -1),
        ("right_shoulder_flex", "right_hand", "right_upper_arm", 0, 1),
        ("right_elbow", "right_hand", "right_forearm", 0, 1),
        ("left_shoulder_abduct", "left_hand", "left_upper_arm", 1, 1),
        ("right_shoulder_abduct", "right_hand", "right_upper_arm", 1, -1),
        ("right_hip_abduct", "right_foot", "right_thigh", 1, -1),
        ("root_pitch", "head", "pelvis", 0, 1),
        ("root_roll", "head", "pelvis", 1, -1),
        ("spine_flex", "head", "pelvis", 0, 1),
    ],
)
def test_positive_angles_move_the_way_their_names_say(
    channel: str, moved: str, reference: str, axis: int, sign: int
):
    channels = pose_with(**{channel: 0.6})
    bent = joint(channels, moved) - joint(channels, reference)
    straight = joint(pose_with(), moved) - joint(pose_with(), reference)
    assert sign * (bent - straight)[axis] > 0.05


def test_weights_bind_every_vertex_completely():
    body = build_body(Skeleton(), Outfit(skirt=0.3, long_hair=True))
    np.testing.assert_allclose(body.weights.sum(axis=1), 1.0, atol=1e-9)
    assert (body.weights >= 0).all()


def test_same_seed_same_person_and_other_seed_another():
    same = Person(np.random.default_rng(8)), Person(np.random.default_rng(8))
    np.testing.assert_array_equal(same[0].texture, same[1].texture)
    np.testing.assert_array_equal(
        same[0].mesh(BodyPose.standing()).vertices, same[1].mesh(BodyPose.standing()).vertices
    )
    assert not np.array_equal(same[0].texture, Person(np.random.default_rng(9)).texture)


def test_bodies_stay_in_the_range_of_adults():
    heights = [sample_skeleton(np.random.default_rng(seed)).height for seed in range(200)]
    assert min(heights) >= 1.5
    assert max(heights) <= 1.95
    assert np.ptp(heights) > 0.3


def test_splits_dress_in_disjoint_hues():
    rng = np.random.default_rng(0)
    hues: dict[str, set[int]] = {}
    for split in SPLITS:
        colors = np.array([cloth_color(rng, split) for _ in range(400)])
        vivid = colors[np.ptp(colors, axis=1) > 60] / 255

        # The hue in sixths of the colour circle, from red over green to blue.
        high, low = vivid.max(axis=1), vivid.min(axis=1)
        r, g, b = vivid.T
        spread = high - low
        sector = np.select(
            [high == r, high == g],
            [(g - b) / spread % 6, (b - r) / spread + 2],
            (r - g) / spread + 4,
        )
        hues[split] = set((sector / 6 * 15).astype(int))
    assert all(hues.values())
    assert not hues["train"] & hues["val"]
    assert not hues["train"] & hues["test"]
    assert not hues["val"] & hues["test"]


def test_unknown_split_and_pattern_are_refused_by_name():
    with pytest.raises(ValueError, match="holdout"):
        draw_atlas(np.random.default_rng(0), "holdout", dress=False)
    with pytest.raises(ValueError, match="tartan"):
        draw_pattern(np.random.default_rng(0), "train", "tartan", (8, 8))
