# SPDX-License-Identifier: Apache-2.0
"""The camera's imperfections, and textures and paths of the splits."""

from __future__ import annotations

import numpy as np
import pytest

from perception_kit.geometry import pose_matrix
from perception_kit.synth import shapes
from perception_kit.synth.camera_path import PERIODS, CameraPath
from perception_kit.synth.render import Item, Rendering, render
from perception_kit.synth.sensor import Sensor
from perception_kit.synth.surface import Surface
from perception_kit.synth.textures import FAMILIES, random_texture
from perception_kit.types import Intrinsics

CAMERA = Intrinsics(200.0, 200.0, 79.5, 59.5, 160, 120)
PLAIN = np.full((8, 8, 3), 200, np.uint8)
NO_LOSS = {"edge_loss": 0.0, "grazing_cosine": 0.0, "hole_fraction": 0.0}


def block(
    size: tuple[float, float, float], center: tuple[float, float, float], instance: int = 0
) -> Item:
    pose = pose_matrix(np.eye(3), np.array(center))
    return Item(Surface([shapes.box(size, PLAIN)]), pose, instance)


def wall(distance: float) -> Rendering:
    return render([block((20.0, 20.0, 0.2), (0, 0, distance + 0.1))], np.eye(4), CAMERA)


@pytest.mark.parametrize("distance", [1.0, 2.0, 4.0])
def test_depth_noise_grows_with_the_square_of_the_distance(distance: float) -> None:
    sensor = Sensor(depth_sigma=0.0012, **NO_LOSS)
    depth = sensor.depth_image(wall(distance), CAMERA, np.random.default_rng(0))
    assert depth.dtype == np.uint16
    assert depth.mean() == pytest.approx(1000 * distance, rel=0.002)
    quantization = 1 / np.sqrt(12)
    assert depth.std() == pytest.approx(np.hypot(1.2 * distance**2, quantization), rel=0.05)


@pytest.mark.parametrize("distance", [0.2, 6.5])
def test_nothing_is_measured_outside_the_range(distance: float) -> None:
    sensor = Sensor(depth_sigma=0.0, **NO_LOSS)
    assert not sensor.depth_image(wall(distance), CAMERA, np.random.default_rng(0)).any()


def test_depth_is_lost_at_edges_slants_and_holes() -> None:
    box, back = block((0.3, 0.3, 0.3), (0, 0, 1.0), 1), block((20.0, 20.0, 0.2), (0, 0, 2.0))
    rendering = render([box, back], np.eye(4), CAMERA)
    rng = np.random.default_rng(0)
    assert Sensor(**NO_LOSS).depth_image(rendering, CAMERA, rng).all()

    sensor = Sensor(edge_loss=1.0, grazing_cosine=0.0, hole_fraction=0.0)
    lost = sensor.depth_image(rendering, CAMERA, rng) == 0
    assert 0 < lost.mean() < 0.1
    assert not lost[60, 80]

    floor = render([block((20.0, 0.2, 20.0), (0, 0.2, 10.1))], np.eye(4), CAMERA)
    sensor = Sensor(edge_loss=0.0, grazing_cosine=0.15, hole_fraction=0.0)
    slanted = sensor.depth_image(floor, CAMERA, rng)
    assert slanted[119].all(), "seen at 17 degrees"
    assert not slanted[64].any(), "seen at 1.3 degrees, though within range"

    sensor = Sensor(edge_loss=0.0, grazing_cosine=0.0, hole_fraction=0.1)
    holes = sensor.depth_image(rendering, CAMERA, rng)
    assert (holes == 0).mean() == pytest.approx(0.1, abs=0.05)


def test_color_follows_exposure_and_white_balance() -> None:
    radiance = np.full((3, 120, 160), 0.2, np.float32)
    rng = np.random.default_rng(0)
    plain = Sensor(vignette=0.0, noise=0.0).color_image(radiance, rng)
    assert plain.shape == (120, 160, 3)
    assert np.ptp(plain) == 0
    assert plain[0, 0, 0] == pytest.approx(255 * 0.2 ** (1 / 2.2), abs=1)

    bright = Sensor(exposure=2.0, vignette=0.0, noise=0.0).color_image(radiance, rng)
    assert bright.mean() > plain.mean() + 30

    warm = Sensor(white_balance=(1.2, 1.0, 0.8), vignette=0.0, noise=0.0).color_image(radiance, rng)
    assert warm[0, 0, 0] > warm[0, 0, 1] > warm[0, 0, 2]

    noisy = Sensor(vignette=0.0, noise=4.0).color_image(radiance, rng)
    assert noisy.std() == pytest.approx(4.0, rel=0.1)

    overexposed = Sensor(exposure=100.0).color_image(radiance, rng)
    assert overexposed.max() == 255, "saturates instead of wrapping around"


def test_splits_draw_different_textures() -> None:
    drawn_by = [function for family in FAMILIES.values() for function in family]
    assert len(drawn_by) == len(set(drawn_by)), "no family belongs to two splits"

    for split in FAMILIES:
        texture = random_texture(np.random.default_rng(0), split)
        assert texture.dtype == np.uint8
        assert texture.std() > 1
        np.testing.assert_array_equal(texture, random_texture(np.random.default_rng(0), split))


@pytest.mark.parametrize("split", list(PERIODS))
def test_camera_moves_smoothly_and_keeps_looking_at_the_table(split: str) -> None:
    path = CameraPath.sample(np.random.default_rng(2), split)
    poses = [path.at(k / 30) for k in range(300)]
    positions = np.array([pose[:3, 3] for pose in poses])
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1) * 30
    assert steps.max() < 0.5, "metres per second"
    assert np.ptp(positions, axis=0).max() > 0.05
    for pose in poses[::30]:
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
        table = pose[:3, :3].T @ (np.array([0.0, 0.0, 0.45]) - pose[:3, 3])
        assert table[2] > 0.5
        assert abs(table[1] / table[2]) < 0.45
