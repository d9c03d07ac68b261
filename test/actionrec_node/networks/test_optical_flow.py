# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence

from actionrec_node.networks.optical_flow import MAX_FLOW_PX, clip_flow


def _moving_texture(shift: tuple[float, float], frames: int = 4, size: int = 96) -> np.ndarray:
    texture = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (3 * size, 3 * size, 3), np.uint8), (0, 0), 3
    )
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    moves = [
        np.float32([[1, 0, index * shift[0] - size], [0, 1, index * shift[1] - size]])
        for index in range(frames)
    ]
    return np.stack([cv2.warpAffine(texture, move, (size, size)) for move in moves])


@pytest.mark.parametrize("shift", [(3.0, 0.0), (0.0, -2.0), (-4.0, 1.5)])
def test_flow_is_the_motion_right_and_down_in_twentieths_of_a_pixel(
    shift: tuple[float, float],
) -> None:
    flow = clip_flow(_moving_texture(shift))
    assert flow.shape == (4, 96, 96, 2)
    assert flow.dtype == np.float32
    assert np.array_equal(flow[0], flow[1])
    np.testing.assert_allclose(
        np.median(flow[:, 20:-20, 20:-20], axis=(1, 2)) * MAX_FLOW_PX,
        np.tile(shift, (4, 1)),
        atol=0.2,
    )


def test_large_motion_is_clamped() -> None:
    flow = clip_flow(_moving_texture((26.0, 0.0), frames=2, size=192))
    assert np.abs(flow).max() <= 1.0
    assert np.median(flow[..., 0]) == 1.0


def test_tv_l1_is_taken_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    still = np.zeros((8, 8, 2), np.float32)
    method = SimpleNamespace(calc=lambda before, after, flow: still + 5.0)
    monkeypatch.setattr(
        cv2, "optflow", SimpleNamespace(createOptFlow_DualTVL1=lambda: method), raising=False
    )
    assert (clip_flow(np.zeros((3, 8, 8, 3), np.uint8)) == 0.25).all()


def test_one_frame_has_no_flow() -> None:
    with pytest.raises(ValueError, match="at least 2 frames, got 1"):
        clip_flow(np.zeros((1, 8, 8, 3), np.uint8))


def _gif(path: Path) -> np.ndarray:
    return np.stack(
        [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(Image.open(path))]
    )


def test_flow_has_signs_and_scale_of_the_published_sample(shared_dir: Path) -> None:
    """The sample's flow was computed by TV-L1 from the frames that its other picture shows."""
    folder = shared_dir / "data" / "i3d_sample" / "data"
    rgb, published = (
        _gif(folder / f"v_CricketShot_g04_c01_{kind}.gif") for kind in ("rgb", "flow")
    )
    published = published[..., :2] / 255 - 0.5  # its README: 0.5 was added
    ours = clip_flow(rgb[24:37])[1:]  # from frame k to frame k + 1, as in the sample
    for axis in range(2):
        theirs = np.clip(published[24:36, ..., axis], -0.5, 0.5)
        moving = np.abs(theirs) > 0.05
        correlation = np.corrcoef(ours[..., axis][moving], theirs[moving])[0, 1]
        gain = (ours[..., axis][moving] * theirs[moving]).sum() / (theirs[moving] ** 2).sum()
        assert correlation > 0.6, axis
        assert 0.6 < gain < 1.4, axis
