# SPDX-License-Identifier: Apache-2.0
"""The commands: sources are indexed once, what is damaged is named, and moments are found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from poster_videos import poster

from perception_kit.bags.bag import BagWriter
from video_search import Library
from video_search.find import main as find
from video_search.index import main as index

S = 1_000_000_000
FAST = ("--models", "none", "--no-descriptors")


def run_index(library: Path, *sources: Path | str, report: Path) -> tuple[int, dict[str, object]]:
    code = index([str(library), *map(str, sources), *FAST, "--json", str(report)])
    return code, json.loads(report.read_text())


def test_a_video_with_its_subtitles(video: Path, patterns: Path, tmp_path: Path) -> None:
    library, report = tmp_path / "library", tmp_path / "report.json"
    code, done = run_index(library, video, "--patterns", patterns, report=report)
    assert (code, done["indexed"], done["tags"]) == (0, 1, 2)

    pattern, text = Library.open(library).tags(thumbnails=True), Library.open(library).find("sign")
    (seen,) = (tag for tag in pattern if tag.kind == "pattern")
    assert seen.label == "acme"
    assert (seen.start_ns, seen.end_ns) == pytest.approx((S, 1.8 * S), abs=0.21 * S)
    assert cv2.imdecode(np.frombuffer(seen.thumbnail, np.uint8), cv2.IMREAD_COLOR) is not None
    assert text.moments[0].start_ns == S // 2


def test_only_what_has_changed_is_read_again(video: Path, patterns: Path, tmp_path: Path) -> None:
    library, report = tmp_path / "library", tmp_path / "report.json"
    arguments = (video, "--patterns", patterns)
    run_index(library, *arguments, report=report)
    assert run_index(library, *arguments, report=report)[1]["unchanged"] == 1

    video.with_suffix(".srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    assert run_index(library, *arguments, report=report)[1]["indexed"] == 1
    cv2.imwrite(str(patterns / "other.png"), poster(3))
    assert run_index(library, *arguments, report=report)[1]["indexed"] == 1
    assert Library.open(library).count() == 2


def test_a_damaged_source_is_named_and_the_others_go_on(
    video: Path, patterns: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    shutil.copy(video, folder / "whole.mp4")
    (folder / "damaged.mp4").write_bytes(video.read_bytes()[:3000])
    (folder / "feed.jsonl").write_text('{"start": 1, "text": "goal"}\n')
    arguments = (folder, "--patterns", patterns)
    code, done = run_index(tmp_path / "library", *arguments, report=tmp_path / "report.json")
    assert (code, done["indexed"], done["failed"]) == (1, 2, 1)
    assert "damaged.mp4" in capsys.readouterr().err
    states = {Path(s.uri).name: s.state for s in Library.open(tmp_path / "library").sources()}
    assert states == {"damaged.mp4": "failed", "whole.mp4": "done", "feed.jsonl": "done"}


def test_strings_of_a_bag_are_what_was_said(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        said = writer.typestore.types["std_msgs/msg/String"](data="bring me the mug")
        writer.write("/speech", said, 1_700_000_000 * S)
    code, _ = run_index(tmp_path / "library", tmp_path / "bag", report=tmp_path / "r.json")
    assert code == 0
    (moment,) = Library.open(tmp_path / "library").find("mug")
    assert (moment.start_ns, moment.source.clock) == (1_700_000_000 * S, "wall")


def test_find_prints_cuts_and_writes(
    video: Path, patterns: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = tmp_path / "library"
    run_index(library, video, "--patterns", patterns, report=tmp_path / "r.json")
    out = tmp_path / "moments.json"
    code = find([str(library), "acme", "--json", str(out), "--clip", str(tmp_path / "clips")])
    assert code == 0
    assert "is called acme" in capsys.readouterr().out
    (moment,) = json.loads(out.read_text())["moments"]
    clip = cv2.VideoCapture(moment["clip"])
    # From 0 s to the end, as the video is shorter than the clip asks for.
    assert 25 <= clip.get(cv2.CAP_PROP_FRAME_COUNT) <= 30

    assert find([str(library), "giraffe"]) == 1
    assert "'giraffe'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "mug"], "there is no library"),
        (["library", "mug", "--since", "noon"], "'noon' is no time"),
        (["library", "--image", "none.png"], "does not exist"),
        (["library", "--image", "text.png"], "is not a picture"),
        (["library", "mug", "--source", "none"], "no source ends in"),
        (["library", "mug", "--vocabulary", "text.png"], "text.png"),
    ],
)
def test_bad_questions_are_named(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Library.create("library")
    Path("text.png").write_text("no picture")
    assert find(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.mp4"], "does not exist"),
        (["empty"], "nothing that can be indexed"),
        (["a.jsonl", "--patterns", "empty"], "holds no picture"),
        (["a.jsonl", "--patterns", "plain"], "has 0 features"),
        (["a.jsonl", "--matcher", "nobody"], "no matcher is called 'nobody'"),
        (["a.jsonl", "--faces", "empty"], "face_detection_yunet"),
    ],
)
def test_bad_input_is_named(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "plain"):
        Path(name).mkdir()
    cv2.imwrite("plain/plain.png", np.full((50, 50, 3), 90, np.uint8))
    Path("a.jsonl").write_text('{"start": 1, "text": "goal"}\n')
    assert index(["library", *arguments, *FAST]) == 2
    assert message in capsys.readouterr().err
