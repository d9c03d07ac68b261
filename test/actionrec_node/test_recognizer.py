# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actionrec_node.recognizer import ActionRecognizer
from perception_kit.model_file import ModelFileError, save_model
from perception_kit.types import ActionEstimate

STEP_NS = 66_666_667  # 15 frames per second


def _image(index: int, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    image = np.full((*size, 3), 60, np.uint8)
    image[10:40, index % 40 : index % 40 + 10] = 200
    return image


def _push(recognizer: ActionRecognizer, indices: range) -> list[list[ActionEstimate]]:
    return [recognizer.push(_image(index), 1_000_000_000 + index * STEP_NS) for index in indices]


def test_first_result_after_one_clip_then_every_stride(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, stride=4)
    results = _push(recognizer, range(25))
    assert [len(result) for result in results] == [0] * 15 + [1] * 10
    ends = [result[0].clip_end_ns for result in results[15:]]
    wanted = [1_000_000_000 + index * STEP_NS for index in (15, 19, 23)]
    assert ends == [wanted[0]] * 4 + [wanted[1]] * 4 + [wanted[2]] * 2


def test_result_is_a_distribution_over_the_classes(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    (action,) = _push(recognizer, range(16))[-1]
    assert recognizer.class_names == ["falling", "running", "walking"]
    assert action.class_scores.sum() == pytest.approx(1.0, abs=1e-5)
    assert action.label == recognizer.class_names[int(action.class_scores.argmax())]
    assert action.score == pytest.approx(action.class_scores.max())
    assert (action.clip_start_ns, action.track_id) == (1_000_000_000, -1)


def test_stamp_going_back_forgets_the_result(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    assert _push(recognizer, range(16))[-1]
    assert recognizer.push(_image(0), 0) == []


def test_same_stream_after_reset_gives_the_same_result(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    (first,) = _push(recognizer, range(16))[-1]
    recognizer.reset()
    (second,) = _push(recognizer, range(16))[-1]
    assert np.array_equal(first.class_scores, second.class_scores)


def test_frames_of_changing_size_make_one_clip(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    for index in range(16):
        result = recognizer.push(_image(index, (60 + index, 80)), index * STEP_NS)
    assert len(result) == 1


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_not_an_rgb_image_is_refused(model_path: Path, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected an image \(height, width, 3\)"):
        ActionRecognizer(model_path).push(image, 0)


def test_bad_settings_and_files_are_named(model_path: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stride must be at least 1 frame, got 0"):
        ActionRecognizer(model_path, stride=0)
    path = tmp_path / "odd.safetensors"
    save_model(path, "action", {}, {"architecture": "lstm", "class_names": ["walking"]})
    with pytest.raises(ModelFileError, match=r"odd\.safetensors.*unknown architecture 'lstm'"):
        ActionRecognizer(path)
