# SPDX-License-Identifier: Apache-2.0
"""Segmenter: what it accepts, what it returns, and how masks come back into the image."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.networks.finite_outputs import NonFiniteError
from perception_kit.networks.model_file import read_model, save_model
from perception_kit.networks.model_metadata import ModelFileError, read_metadata
from perception_kit.types import Intrinsics
from pose6d_node.config import Pose6dConfig
from pose6d_node.segmentation.network import IMAGE_MEAN, IMAGE_STD, build_network
from pose6d_node.segmentation.predictor import Segmenter, paste_mask
from pose6d_node.segmentation.segmentation_model import (
    SegmentationModelSpec,
    save_segmentation,
)

CLASS_NAMES = ["mug", "bowl"]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model file of a network with random weights and full masks, written before depth was known.

    It detects noise, which is enough for shapes and invariants.
    """
    torch.manual_seed(0)
    network = build_network("compact", len(CLASS_NAMES))
    torch.nn.init.constant_(network.roi_heads.mask_predictor.mask_fcn_logits.bias, 20.0)
    path = tmp_path_factory.mktemp("model") / "seg.safetensors"
    metadata = {
        "architecture": "compact",
        "class_names": CLASS_NAMES,
        "input_size": [160, 120],
        "mean": IMAGE_MEAN,
        "std": IMAGE_STD,
        "descriptor_size": network.descriptor.size,
    }
    save_model(path, "segmentation", network.state_dict(), metadata)
    return path


@pytest.mark.parametrize("shape", [(120, 160), (480, 640), (90, 200), (37, 23)])
def test_instances_lie_in_the_image(untrained: Path, shape: tuple[int, int]) -> None:
    segmenter = Segmenter(untrained, score_threshold=0.0, max_detections=7)
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    instances = segmenter(rgb)
    assert 0 < len(instances) <= 7
    scores = [instance.score for instance in instances]
    assert scores == sorted(scores, reverse=True)
    for instance in instances:
        assert instance.class_name == CLASS_NAMES[instance.class_id - 1]
        assert instance.full_mask(*shape).sum() == instance.mask.sum() > 0
        assert np.all(instance.box >= 0)
        assert np.all(instance.box[2:] <= np.array(shape[::-1]) + 1e-3)
        assert instance.descriptor.shape == (segmenter.descriptor_size,)
        assert np.linalg.norm(instance.descriptor) == pytest.approx(1, abs=1e-5)


def test_same_image_gives_same_result(untrained: Path) -> None:
    segmenter = Segmenter(untrained, score_threshold=0.0)
    rgb = np.random.default_rng(1).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    for first, second in zip(segmenter(rgb), segmenter(rgb), strict=True):
        assert first.score == second.score
        np.testing.assert_array_equal(first.mask, second.mask)
        np.testing.assert_array_equal(first.descriptor, second.descriptor)


def test_score_above_the_threshold_only(untrained: Path) -> None:
    assert Segmenter(untrained, score_threshold=1.0)(np.zeros((120, 160, 3), np.uint8)) == []


def test_the_threshold_changes_while_running(untrained: Path) -> None:
    segmenter = Segmenter(untrained, score_threshold=0.0)
    rgb = np.random.default_rng(1).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    assert len(segmenter(rgb)) > 0
    segmenter.configure(Pose6dConfig(score_threshold=1.0))
    assert segmenter(rgb) == []


def test_a_model_file_states_what_it_takes_to_run_it(tmp_path: Path) -> None:
    network = build_network("compact", len(CLASS_NAMES))
    path = tmp_path / "seg.safetensors"
    save_segmentation(path, network, "compact", CLASS_NAMES, [160, 120])
    assert read_metadata(path) == {
        "kind": "segmentation",
        "architecture": "compact",
        "class_names": CLASS_NAMES,
        "input_size": [160, 120],
        "mean": list(IMAGE_MEAN),
        "std": list(IMAGE_STD),
        "descriptor_size": network.descriptor.size,
        "depth": False,
        "bfloat16": False,
    }


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(untrained: Path, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected an \(H, W, 3\) uint8 colour image, got shape"):
        Segmenter(untrained)(image)


def test_depth_in_millimetres_is_refused(untrained: Path) -> None:
    rgb, depth = np.zeros((4, 6, 3), np.uint8), np.full((4, 6), 900, np.uint16)
    with pytest.raises(ValueError, match="depth is uint16, expected float32 in metres"):
        Segmenter(untrained)(rgb, depth, Intrinsics(5, 5, 2.5, 1.5, 6, 4))


def test_values_out_of_range_are_refused(untrained: Path) -> None:
    with pytest.raises(ValueError, match=r"score_threshold is 1\.5, expected 0\.0 to 1\.0"):
        Segmenter(untrained, score_threshold=1.5)
    with pytest.raises(ValueError, match="runtime is 'onnx', expected one of 'auto'"):
        Segmenter(untrained, runtime="onnx")


def test_other_model_kinds_are_refused(tmp_path: Path) -> None:
    save_model(tmp_path / "pose.safetensors", "pose", {"weight": torch.zeros(1)}, {})
    with pytest.raises(ModelFileError, match="'pose' model, expected a 'segmentation' model"):
        Segmenter(tmp_path / "pose.safetensors")


def test_an_input_without_pixels_is_refused(tmp_path: Path) -> None:
    network = build_network("compact", len(CLASS_NAMES))
    metadata = asdict(SegmentationModelSpec("compact", CLASS_NAMES, (160, 120)))
    metadata["input_size"] = [0, 120]
    save_model(tmp_path / "seg.safetensors", "segmentation", network.state_dict(), metadata)
    with pytest.raises(ModelFileError, match=r"input_size is \[0, 120\], expected"):
        Segmenter(tmp_path / "seg.safetensors")


def test_depth_changes_what_a_model_with_depth_finds_and_may_be_missing(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network("efficientnet_lite0", len(CLASS_NAMES), depth=True)
    torch.nn.init.constant_(network.roi_heads.mask_predictor.mask_fcn_logits.bias, 20.0)
    path = tmp_path / "seg.safetensors"
    save_segmentation(path, network, "efficientnet_lite0", CLASS_NAMES, [160, 120])
    segmenter = Segmenter(path, score_threshold=0.0)
    assert segmenter.uses_depth

    rgb = np.random.default_rng(1).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    camera = Intrinsics(300, 300, 80, 60, 160, 120)
    scores = [
        [instance.score for instance in segmenter(rgb, *given)]
        for given in ((), (np.zeros((120, 160)), camera), (np.ones((120, 160)), camera))
    ]
    assert scores[0] == scores[1] != scores[2]
    with pytest.raises(ValueError, match="aligned to the colour"):
        segmenter(rgb, np.ones((60, 80)), camera)


@given(
    left=st.integers(-10, 50),
    top=st.integers(-10, 40),
    width=st.integers(3, 60),
    height=st.integers(3, 60),
    size=st.sampled_from([14, 28]),
)
def test_full_mask_fills_its_box(left: int, top: int, width: int, height: int, size: int) -> None:
    box = np.array([left, top, left + width, top + height], np.float32)
    pixels, (x, y) = paste_mask(np.ones((size, size), np.float32), box, 50, 60)
    expected = np.zeros((50, 60), bool)
    expected[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = True
    full = np.zeros((50, 60), bool)
    full[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    np.testing.assert_array_equal(full, expected)


def test_half_mask_covers_half_its_box() -> None:
    mask = np.zeros((28, 28), np.float32)
    mask[:, :14] = 1
    pixels, origin = paste_mask(mask, np.array([10, 20, 50, 60], np.float32), 100, 100)
    assert origin == (10, 20)
    assert pixels[:, :20].all()
    assert not pixels[:, 21:].any()


def addresses(segmenter: Segmenter) -> set[int]:
    """Where the weights of a network lie."""
    return {weights.data_ptr() for weights in segmenter.network.parameters()}


def test_segmenters_share_the_weights_and_nothing_else(untrained: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(untrained, tmp_path))
    first = Segmenter(path, "cpu", 0.0, 7, "pytorch")
    second = Segmenter(path, "cpu", 1.0, 3, "pytorch")
    assert addresses(first) == addresses(second) != set()

    # Limits of each
    rgb = np.random.default_rng(2).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    assert len(first(rgb)) == 7
    assert second(rgb) == []
    second.configure(Pose6dConfig(score_threshold=0.0))
    first.configure(Pose6dConfig(score_threshold=1.0))
    assert len(second(rgb)) == 3
    assert first(rgb) == []

    # Another file under its name
    other = tmp_path / "other"
    shutil.copy(untrained, other)
    other.replace(path)
    assert not addresses(Segmenter(path, "cpu", runtime="pytorch")) & addresses(first)


@pytest.mark.parametrize("runtime", ["pytorch", "openvino"])
def test_images_of_two_sizes_at_once_get_the_answers_of_one_after_the_other(
    untrained: Path, runtime: str
) -> None:
    segmenters = [Segmenter(untrained, "cpu", 0.0, 5, runtime) for _ in range(2)]
    assert segmenters[0].network is segmenters[1].network
    rng = np.random.default_rng(3)
    images = [rng.integers(0, 256, (*size, 3)).astype(np.uint8) for size in ((120, 160), (90, 200))]

    def boxes(segmenter: Segmenter, rgb: np.ndarray) -> np.ndarray:
        return np.stack([[*instance.box, instance.score] for instance in segmenter(rgb)])

    alone = [boxes(*pair) for pair in zip(segmenters, images, strict=True)]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            for got, expected in zip(pool.map(boxes, segmenters, images), alone, strict=True):
                np.testing.assert_allclose(got, expected, atol=1e-3)


def test_a_network_that_makes_nonsense_is_refused(untrained: Path, tmp_path: Path) -> None:
    tensors, metadata = read_model(untrained, "segmentation")
    name = next(name for name in tensors if name.startswith("roi_heads.box_head.fc6.weight"))
    tensors[name] = torch.full_like(tensors[name], 1e38)
    path = tmp_path / "overflowing.safetensors"
    save_model(path, "segmentation", tensors, metadata)
    with pytest.raises(ModelFileError, match=r"is of no use: the classes and boxes of the network"):
        Segmenter(path, "cpu")


def test_values_that_are_not_finite_later_are_an_error_and_no_empty_result(
    untrained: Path,
) -> None:
    segmenter = Segmenter(untrained, "cpu", score_threshold=0.0)
    with torch.no_grad():
        segmenter.network.roi_heads.box_predictor.cls_score.bias.fill_(torch.nan)
    with pytest.raises(NonFiniteError, match="classes and boxes"):
        segmenter(np.zeros((120, 160, 3), np.uint8))
