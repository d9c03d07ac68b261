# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vott_exports import vott_export

from actionrec_node import clips, train
from actionrec_node.data.annotations import DataError, Segment, read_annotations
from actionrec_node.data.exports import read_export
from actionrec_node.data.labeled_videos import load_video
from actionrec_node.data.vott import TaggedFrame, segments_from_tags
from perception_kit.videos.video import VideoFormat, read_video


def _frames(text: str) -> list[TaggedFrame]:
    """One frame a second; letters are labels, ``.`` is the dummy, ``x.`` both, ``-`` nothing."""
    names = {".": "dummy", "f": "falling", "w": "walking"}
    return [
        TaggedFrame(float(index), frozenset(names[letter] for letter in word if letter != "-"))
        for index, word in enumerate(text.split())
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f - .", [(0, 2, "falling")]),
        ("f . w - .", [(0, 1, "falling"), (2, 4, "walking")]),
        ("f - w. - .", [(0, 2, "falling"), (2, 4, "walking")]),
        ("- -", []),
    ],
)
def test_clips_lie_between_a_label_and_the_next_dummy(
    text: str, expected: list[tuple[float, float, str]]
) -> None:
    segments = segments_from_tags(_frames(text), "dummy", "v")
    assert segments == [Segment(*values) for values in expected]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f -", r"v: 'falling' from 0\.00 s has no 'dummy'"),
        ("f w .", r"v: 'walking' begins at 1\.00 s, before 'falling' from 0\.00 s has its 'dummy'"),
        (". f .", r"v: 'dummy' at 0\.00 s ends nothing"),
        ("fw .", r"v: the frame at 0\.00 s has the labels \['falling', 'walking'\]"),
    ],
)
def test_tags_that_make_no_clips_are_named(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        segments_from_tags(_frames(text), "dummy", "v")


@given(
    st.lists(
        st.tuples(st.floats(0.01, 5.0), st.floats(0.01, 5.0), st.sampled_from("ab")), max_size=8
    ),
    st.randoms(),
)
def test_clips_come_back_from_their_frames_in_any_order(
    steps: list[tuple[float, float, str]], random
) -> None:
    segments, frames, time = [], [], 0.0
    for gap, length, label in steps:
        segments.append(Segment(time + gap, time + gap + length, label))
        frames += [
            TaggedFrame(segments[-1].start, frozenset({label})),
            TaggedFrame(segments[-1].end, frozenset({"dummy"})),
        ]
        time = segments[-1].end
    random.shuffle(frames)
    assert segments_from_tags(frames, "dummy", "v") == segments


def test_cutting_the_clips_of_an_export(
    write_video, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video("my videos/v.mkv", np.arange(45) / 15, speed=15.0, height=49, width=65)
    export = tmp_path / "project-export.json"
    export.write_text(
        json.dumps(vott_export(video, {0.4: "walking", 1.0: "dummy", 1.2: "falling", 2.4: "dummy"}))
    )
    out = tmp_path / "clips"
    assert clips.main([str(export), "--out", str(out)]) == 0
    annotations = read_annotations(out)
    assert [segments[0].label for segments in annotations.values()] == ["walking", "falling"]

    # Every clip shows what comes before, the first one from the start of the video on, held.
    form, names = VideoFormat(15, 32), ["falling", "walking"]
    walking, falling = (
        load_video(path, segments, names, form, min_frames=16)
        for path, segments in annotations.items()
    )
    assert (falling.labels == 0).sum() == 19
    assert (walking.labels == 1).sum() == 10
    whole = read_video(video, form)
    assert np.abs(falling.frames[-37:].astype(int) - whole[:37]).mean() < 6
    assert np.abs(walking.frames[-16:].astype(int) - whole[:16]).mean() < 6
    assert np.abs(walking.frames[:-16].astype(int) - whole[0]).mean() < 6
    printed, warned = (text.splitlines() for text in capsys.readouterr())
    assert printed[1].split() == ["falling", "1", "50.0%", "1.2"]
    assert printed[2].split() == ["walking", "1", "50.0%", "0.6"]
    assert warned[0].startswith("warning: 1 clips, such as")
    assert "begin with their first frame held" in warned[0]


def test_tags_of_half_a_second_to_three_seconds_become_a_trained_model(
    write_video, tmp_path: Path
) -> None:
    """The README's path: tags, clips, training and scores."""
    tags = {
        0.1: "falling",
        0.6: "dummy",
        1.5: "walking",
        4.5: "dummy",
        5.0: "falling",
        5.5: "dummy",
    }
    for side in ("train", "val"):
        video = write_video(f"{side}.mkv", np.arange(90) / 15, speed=20.0)
        (tmp_path / f"{side}.json").write_text(json.dumps(vott_export(video, tags)))
        arguments = [str(tmp_path / f"{side}.json"), "--out", str(tmp_path / side / "clips")]
        assert clips.main(arguments) == 0

    model = tmp_path / "m.safetensors"
    data = ["--data", str(tmp_path / "train" / "clips"), "--val", str(tmp_path / "val" / "clips")]
    tiny = ["--input-size", "32", "--batch-size", "2", "--workers", "0", "--steps", "2"]
    train.main([*data, *tiny, "--out", str(model), "--run-dir", str(tmp_path / "run")])
    record = json.loads((tmp_path / "m.safetensors.json").read_text())
    assert record["data"]["train_windows"] == {"falling": 13, "walking": 44}
    assert record["held_out"]["clips"] == 3
    assert record["held_out"]["clips_without_window"] == 0


def test_labels_of_other_videos_stay_when_clips_are_cut(write_video, tmp_path: Path) -> None:
    out = tmp_path / "clips"
    for name in ("walking/of_an_earlier_version.mkv", "running/mine.mkv", "uncut.mkv"):
        write_video(f"clips/{name}", np.arange(30) / 15)
    (out / "labels.csv").write_text(
        "video,start,end,label,subject\nuncut.mkv,0.5,1.5,lying,anna\ngone.mkv,0,1,lying,anna\n"
    )
    for video in (write_video(name, np.arange(60) / 15) for name in ("a.mkv", "b.mkv")):
        export = tmp_path / "e.json"
        export.write_text(json.dumps(vott_export(video, {2.6: "walking", 3.0: "dummy"})))
        assert clips.main([str(export), "--out", str(out)]) == 0
    read = read_annotations(out)
    assert {str(path.relative_to(out)): segments[0] for path, segments in read.items()} == {
        "uncut.mkv": Segment(0.5, 1.5, "lying", "anna"),
        "running/mine.mkv": Segment(0.0, float("inf"), "running"),
        "walking/of_an_earlier_version.mkv": Segment(0.0, float("inf"), "walking"),
        "walking/a_0002600ms.mp4": Segment(2.0, float("inf"), "walking"),
        "walking/b_0002600ms.mp4": Segment(2.0, float("inf"), "walking"),
    }


def test_exports_of_version_1_count_frames(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").touch()
    regions = {
        "12": [{"x1": 0, "tags": ["falling"]}],
        "20": [],
        "36": [{"x1": 0, "tags": ["dummy"]}],
    }
    (tmp_path / "v.mp4.json").write_text(
        json.dumps({"frames": regions, "framerate": "12", "inputTags": "falling,dummy"})
    )
    assert read_export(tmp_path / "v.mp4.json", "dummy") == {
        tmp_path / "v.mp4": [Segment(1.0, 3.0, "falling")]
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "is no export that is known"),
        ('{"assets": {"a": {}}}', "is not a VoTT export"),
        ('{"frames": {"1": [{"tags": ["a"]}]}, "framerate": 0}', "is not a VoTT export"),
        (
            json.dumps(vott_export(Path("/nowhere/v.mp4"), {float("nan"): "a", 2.0: "dummy"})),
            "is tagged at nan s",
        ),
        (json.dumps(vott_export(Path("/nowhere/v.mp4"), {})), "has no frame with a label"),
        (
            json.dumps(vott_export(Path("/nowhere/v.mp4"), {1.0: "a", 2.0: "dummy"})),
            "'v.mp4', which is not there",
        ),
    ],
)
def test_exports_that_cannot_be_used_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "e.json").write_text(content)
    with pytest.raises(DataError, match=rf"e\.json'.*{message}"):
        read_export(tmp_path / "e.json", "dummy")


@pytest.mark.parametrize("start", [0.0, 7.0])
def test_a_clip_behind_the_end_of_its_video_is_named(
    write_video, tmp_path: Path, capsys: pytest.CaptureFixture[str], start: float
) -> None:
    video = write_video("v.mkv", np.arange(5) / 15)
    (tmp_path / "e.json").write_text(
        json.dumps(vott_export(video, {start: "falling", 8.0: "dummy"}))
    )
    assert clips.main([str(tmp_path / "e.json"), "--out", str(tmp_path / "clips")]) == 2
    message = f"ends at 0.27 s, but 'falling' is tagged from {start:.2f} to 8.00 s"
    assert message in capsys.readouterr().err
    assert list((tmp_path / "clips").iterdir()) == [], "no empty class folder either"


def test_a_video_of_one_pixel_is_named(
    write_video, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "frames"
    video = write_video("v.mkv", np.arange(30) / 15, height=1, width=20, colors="bgr0")
    (tmp_path / "e.json").write_text(json.dumps(vott_export(video, {0.2: "walking", 1.0: "dummy"})))
    assert clips.main([str(tmp_path / "e.json"), "--out", str(folder)]) == 2
    assert "v.mkv' is 20x1 pixels: too small for a clip" in capsys.readouterr().err


@pytest.mark.parametrize("tag", ["../walking", "a/b", "..", ""])
def test_a_tag_that_is_no_name_of_a_folder_is_refused(
    write_video, tmp_path: Path, capsys: pytest.CaptureFixture[str], tag: str
) -> None:
    video = write_video("v.mkv", np.arange(30) / 15)
    (tmp_path / "e.json").write_text(json.dumps(vott_export(video, {0.2: tag, 1.0: "dummy"})))
    assert clips.main([str(tmp_path / "e.json"), "--out", str(tmp_path / "out" / "clips")]) == 2
    message = f"v.mkv' is tagged '{tag}', which cannot be the name of a class folder"
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_videos_of_the_same_name_do_not_replace_each_other(
    write_video, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for camera in ("left", "right"):
        video = write_video(f"{camera}/v.mkv", np.arange(30) / 15)
        (tmp_path / f"{camera}.json").write_text(
            json.dumps(vott_export(video, {0.2: "walking", 1.0: "dummy"}))
        )
    exports = [str(tmp_path / f"{camera}.json") for camera in ("left", "right")]
    assert clips.main([*exports, "--out", str(tmp_path / "clips")]) == 2
    assert "left/v.mkv' and '" in capsys.readouterr().err
    assert clips.main([exports[0], "--out", str(tmp_path / "left.json")]) == 2
    assert "left.json" in capsys.readouterr().err


def test_clips_of_an_earlier_tagging_are_not_mixed_with_the_new_ones(
    write_video, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (write_video(name, np.arange(30) / 15) for name in ("v.mkv", "v2.mkv"))
    command = [str(tmp_path / "e.json"), "--out", str(tmp_path / "clips")]

    def cut(path: Path, start: float, label: str) -> int:
        (tmp_path / "e.json").write_text(
            json.dumps(vott_export(path, {start: label, 1.0: "dummy"}))
        )
        return clips.main(command)

    for video, start in ((first, 0.2), (second, 0.4), (first, 0.2)):
        assert cut(video, start, "walking") == 0
    capsys.readouterr()

    for start, label in ((0.6, "walking"), (0.2, "running")):
        assert cut(first, start, label) == 2
        error = capsys.readouterr().err
        assert "has 1 clips of these videos that are not tagged (any more): remove " in error
        assert "walking/v_0000200ms.mp4'" in error
    assert not (tmp_path / "clips" / "running").exists()


def test_a_video_that_breaks_off_leaves_no_half_a_clip(
    write_video, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video("v.mp4", np.arange(60) / 15, speed=20.0)
    content = bytearray(video.read_bytes())
    begin, end = len(content) // 4, len(content) // 2
    content[begin:end] = np.random.default_rng(0).bytes(end - begin)
    video.write_bytes(content)
    (tmp_path / "e.json").write_text(json.dumps(vott_export(video, {0.0: "walking", 3.0: "dummy"})))
    assert clips.main([str(tmp_path / "e.json"), "--out", str(tmp_path / "clips")]) == 2
    assert "v.mp4' could not be decoded" in capsys.readouterr().err
    assert list((tmp_path / "clips").rglob("*.mp4")) == []
