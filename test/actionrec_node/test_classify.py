# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from actionrec_node import classify
from actionrec_node.data.labeled_videos import LabeledVideo
from actionrec_node.evaluation.clip_scores import predict_video
from actionrec_node.networks.action_model import load_action_model
from perception_kit.videos.video import VideoError, VideoFormat, read_video, video_frames


def test_windows_of_a_video_as_json(
    write_video, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video("v.mkv", np.arange(30) / 15)
    assert classify.main([str(video), "--model", str(model_path), "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [(window["start"], window["end"]) for window in result["windows"]] == [
        (0.0, 1.0),
        (0.267, 1.267),
        (0.533, 1.533),
        (0.8, 1.8),
    ]
    for window in result["windows"]:
        assert sum(window["scores"].values()) == pytest.approx(1, abs=1e-3)
        assert window["label"] == max(window["scores"], key=window["scores"].get)
    assert result["label"] in result["windows"][0]["scores"]
    assert result["architecture"] == "resnext3d_compact"
    seconds = result["seconds_per_clip"]
    assert 0 < seconds["network"] <= seconds["with_preprocessing"]


def test_json_goes_to_a_file_or_as_before_where_no_path_is_given(
    write_video, model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(write_video("v.mkv", np.arange(30) / 15)), "--model", str(model_path)]
    path = tmp_path / "new" / "out.json"
    assert classify.main([*command, "--json", str(path)]) == 0
    result = json.loads(path.read_text())
    assert f"v.mkv: {result['label']}" in capsys.readouterr().out

    assert classify.main(["--json", *command]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["windows"] == result["windows"]
    assert "--json takes a path now" in printed.err


def test_json_that_cannot_be_written_is_named(
    write_video, model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, path = write_video("v.mkv", np.arange(30) / 15), tmp_path / "none" / "out.json"
    (tmp_path / "none").touch()
    assert classify.main([str(video), "--model", str(model_path), "--json", str(path)]) == 2
    assert f"{tmp_path}/none" in capsys.readouterr().err


def test_a_long_video_is_classified_as_the_whole_of_it_is(write_video, model_path: Path) -> None:
    video = write_video("v.mkv", np.arange(100) / 15)
    model = load_action_model(model_path).eval()
    spec = model.spec
    frames = read_video(video, VideoFormat(spec.clip_fps, 2 * spec.size))
    expected = predict_video(
        model, LabeledVideo(video, frames, np.zeros(len(frames), np.int64)), stride=3
    )
    windows = classify.classify(model, video, stride=3)["windows"]
    assert len(windows) == 29  # more than the network gets at once
    scores = np.array([list(window["scores"].values()) for window in windows])
    np.testing.assert_allclose(scores, expected.scores, atol=1e-4)
    assert [round(window["end"] * spec.clip_fps) for window in windows] == expected.ends.tolist()


def test_no_clip_goes_across_a_gap(
    write_video, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = np.concatenate([np.arange(30), np.arange(48, 78)]) / 15
    model = load_action_model(model_path).eval()
    video = write_video("v.mkv", times)
    windows = classify.classify(model, video, stride=1, keep_damaged=True)["windows"]
    gap = 29 / 15, 48 / 15
    around = [(window["start"], window["end"]) for window in windows]
    assert not [window for window in around if window[0] <= gap[0] and window[1] >= gap[1]]
    assert min(window[0] for window in around if window[1] > gap[1]) == pytest.approx(3.2, abs=1e-3)
    assert "no clip goes across its 1 gap of more than 0.5 s" in capsys.readouterr().err


def test_a_rate_at_which_the_node_sees_nothing_is_refused(write_video, model_path: Path) -> None:
    video = write_video("v.mkv", np.arange(10.0))
    with pytest.raises(
        VideoError,
        match=r"16 \(1\.07 s\) in a row; .* its 9 gaps of more than 0\.5 s; the video has 1 fps",
    ):
        classify.classify(load_action_model(model_path).eval(), video, stride=4)


def test_the_slowest_rate_that_the_node_sees_has_no_gaps(
    write_video, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video("v.mkv", np.arange(8) / 2)
    windows = classify.classify(load_action_model(model_path).eval(), video, stride=1)["windows"]
    assert len(windows) == 54 - 16 + 1
    remark = capsys.readouterr().err
    assert "gap" not in remark
    assert "the video has 2 fps, the model expects 15" in remark


def test_a_video_of_a_few_pixels_is_refused(model_path: Path, tmp_path: Path) -> None:
    for number in range(30):
        cv2.imwrite(str(tmp_path / f"{number:03}.png"), np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(VideoError, match="is of 2x2 pixels"):
        classify.classify(load_action_model(model_path).eval(), tmp_path, stride=4)


@pytest.mark.parametrize(
    ("seconds", "message"), [(0.2, "the model needs 16"), (0.0, "could not be decoded")]
)
def test_a_video_that_cannot_be_classified_is_named(
    write_video, model_path: Path, capsys: pytest.CaptureFixture[str], seconds: float, message: str
) -> None:
    video = write_video("odd.mkv", np.arange(round(seconds * 15)) / 15)
    if not seconds:
        video.write_bytes(b"no video")
    assert classify.main([str(video), "--model", str(model_path)]) == 2
    error = capsys.readouterr().err
    assert "odd.mkv" in error
    assert message in error


def test_a_missing_video_and_a_folder_given_as_model_are_named(
    model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert classify.main([str(tmp_path / "absent.mp4"), "--model", str(model_path)]) == 2
    assert "absent.mp4' does not exist" in capsys.readouterr().err
    assert classify.main([str(tmp_path / "absent.mp4"), "--model", str(model_path.parent)]) == 2
    assert "is a folder, expected a model file" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["0", "rtsp:/camera/live", "/dev/video9", "/dev/null"])
def test_cameras_and_addresses_are_refused_as_files_with_the_way_out(source: str) -> None:
    with pytest.raises(VideoError, match=r"is a camera or an address.*'perception classify'"):
        next(video_frames(Path(source), VideoFormat(15.0, 64)))


def test_a_model_of_another_architecture_is_refused(
    write_video, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video("v.mkv", np.arange(30) / 15)
    assert classify.main([str(video), "--model", str(model_path), "--architecture", "i3d"]) == 2
    assert "holds the network 'resnext3d_compact', not 'i3d'" in capsys.readouterr().err
    assert classify.main([str(video), "--model", "rgb_imagenet.pt", "--architecture", "i3d"]) == 2
    message = "convert a checkpoint with 'python -m actionrec_node.convert rgb_imagenet.pt"
    assert message in capsys.readouterr().err


def test_what_is_left_of_a_damaged_video_is_used_where_that_is_asked_for(
    write_video, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video("v.mkv", np.arange(60) / 15, colors="bgr0")
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    command = [str(video), "--model", str(model_path)]
    assert classify.main(command) == 2
    assert "it was cut off" in capsys.readouterr().err
    assert classify.main([*command, "--skip-bad"]) == 0
    printed = capsys.readouterr()
    assert "it was cut off; the rest is used" in printed.err
    assert "v.mkv: " in printed.out


def test_pictures_of_a_folder_are_chosen_by_name(
    model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(20):
        for name in ("img", "flow_x"):
            picture = np.full((24, 32, 3), 10 * index, np.uint8)
            cv2.imwrite(str(tmp_path / f"{name}_{index:02d}.png"), picture)
    command = [str(tmp_path), "--model", str(model_path), "--folder-fps", "15"]
    assert classify.main(command) == 2
    assert "pictures of 2 kinds" in capsys.readouterr().err
    assert classify.main([*command, "--pictures", "img_*", "--json", "-"]) == 0
    assert len(json.loads(capsys.readouterr().out)["windows"]) == 2
