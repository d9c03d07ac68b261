# SPDX-License-Identifier: Apache-2.0
"""The commands: sources are indexed once, what is damaged is named, and moments are found."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from poster_videos import frames_with, poster

from perception_kit.bags.bag import BagWriter
from video_search import Library, indexing
from video_search.find import main as find
from video_search.frames import Frame
from video_search.index import main as index
from video_search.sightings import Sighting

S = 1_000_000_000
FAST = ("--models", "none", "--no-descriptors")


def run_index(library: Path, *sources: Path | str, report: Path) -> tuple[int, dict[str, Any]]:
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


def test_a_video_that_nothing_looks_at_is_counted(
    video: Path, patterns: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library, report = tmp_path / "library", tmp_path / "report.json"
    text = tmp_path / "feed.jsonl"
    text.write_text('{"start": 1, "text": "goal"}\n')
    for state in ("indexed", "unchanged"):
        code, done = run_index(library, video, text, report=report)
        assert (code, done[state]) == (0, 2)
        assert [source["looked_at"] for source in done["sources"]] == [False, True]
        said = capsys.readouterr().err
        assert "nothing has looked at 1 of 2 sources" in said
        assert "give --models all" in said

    run_index(library, video, text, "--patterns", patterns, report=report)
    assert "nothing has looked at" not in capsys.readouterr().err


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
        (["library", "mug", "--since", "9" * 400 + "d"], "is no time"),
        (["library", "mug", "--since", "99999999999w"], "is no time"),
        (["library", "mug", "--track", "9" * 30], "a track has a smaller number"),
        (["library", "mug xyz " * 1250], "the question has 10000 characters, at most 500"),
        (["library", "mug", "--rrd", "."], "'.' is a folder"),
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


def test_what_cannot_be_read_in_a_folder_is_named_and_the_rest_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "many"
    (folder / "replay" / "results").mkdir(parents=True)
    (folder / "replay" / "effective_config.yaml").write_text("- no settings\n")
    (folder / "feed.jsonl").write_text('{"start": 1, "text": "goal"}\n')
    (folder / "far.csv").write_text("start,text\n5e10,later\n")
    (folder / "lost.mp4").symlink_to("nothing")
    (folder / "again").symlink_to(folder)
    os.mkfifo(folder / "pipe.mp4")
    shutil.copy(folder / "feed.jsonl", os.fsencode(folder) + b"/\xff.jsonl")

    code, done = run_index(tmp_path / "library", folder, report=tmp_path / "report.json")
    assert (code, done["indexed"], done["failed"]) == (1, 1, 5)
    said = capsys.readouterr().err
    for part in ("far.csv", "lost.mp4", "pipe.mp4", "not the file of a replay", "must be UTF-8"):
        assert part in said


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = tmp_path / "disk" / "lost+found"
    closed.mkdir(parents=True)
    (tmp_path / "disk" / "feed.jsonl").write_text('{"start": 1, "text": "goal"}\n')
    children = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder == closed:
            raise PermissionError(13, "Permission denied", str(folder))
        return children(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    code, done = run_index(tmp_path / "library", tmp_path / "disk", report=tmp_path / "r.json")
    assert (code, done["indexed"], done["failed"]) == (1, 1, 1)
    assert "lost+found' cannot be read" in capsys.readouterr().err


def test_every_picture_of_any_kind_is_looked_at(
    video: Path, patterns: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "album"
    (folder / "older").mkdir(parents=True)
    plain = np.full((240, 320, 3), 90, np.uint8)
    for name in ("a.jpg", "b2.png", "grey.png", "older/c.png"):
        cv2.imwrite(str(folder / name), plain[..., 0] if name == "grey.png" else plain)
    (folder / "damaged.jpg").write_text("no picture")
    frame = next(frames_with(poster(), range(1)))
    cv2.imwrite(str(folder / "poster.png"), frame[..., ::-1])
    shutil.copy(video, folder / "shop.mp4")

    report = tmp_path / "report.json"
    code, done = run_index(tmp_path / "library", folder, "--patterns", patterns, report=report)
    assert (code, done["indexed"]) == (0, 3)
    found = {Path(m.source.uri).name for m in Library.open(tmp_path / "library").find("acme")}
    assert found == {"album", "shop.mp4"}


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (None, "TypeError"),
        (Sighting("object", "x", float("nan"), "bad"), "the confidence of a tag is 0 to 1"),
        (Sighting("object", "x", 1.0, "bad", text="\ud800"), "surrogates not allowed"),
        (
            Sighting("object", "x", 1.0, "bad", descriptor=np.ones(500, np.float32), space="bad"),
            "at most 128 values",
        ),
    ],
    ids=["raises", "nan", "half a character", "long descriptor"],
)
def test_a_matcher_that_fails_is_named_and_the_rest_is_read(
    seen: Sighting | None,
    message: str,
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Bad:
        name, settings = "bad", ""

        def __call__(self, frame: Frame) -> list[Sighting]:
            return [seen] if seen is not None else seen  # type: ignore[return-value]

    monkeypatch.setattr(indexing, "load_plugin", lambda name, folder: Bad())
    (tmp_path / "feed.jsonl").write_text('{"start": 1, "text": "goal"}\n')
    sources = (video, tmp_path / "feed.jsonl", "--matcher", "bad")
    code, done = run_index(tmp_path / "library", *sources, report=tmp_path / "report.json")
    assert (code, done["indexed"], done["failed"]) == (1, 1, 1)
    said = capsys.readouterr().err
    assert "matcher 'bad' failed at 0.00 s" in said
    assert message in said


def test_what_changed_since_is_not_cut_out(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library, report = tmp_path / "library", tmp_path / "report.json"
    run_index(library, video, report=report)
    (tmp_path / "said.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nThe sign\n")
    run_index(library, tmp_path / "said.srt", report=report)
    clips, rerun = tmp_path / "clips", tmp_path / "moments.rrd"
    ask = [str(library), "sign", "--clip", str(clips), "--rrd", str(rerun)]

    time.sleep(0.02)
    video.touch()
    assert find(ask) == 0
    said = capsys.readouterr()
    assert said.err.count("shop.mp4' was changed after it was indexed") == 2
    assert said.err.count("is a text source without images") == 2
    assert "says “The sign”" in said.out

    assert run_index(library, video, report=report)[1]["unchanged"] == 1
    assert find(ask) == 0
    assert "was changed" not in capsys.readouterr().err
    assert len(list(clips.iterdir())) == 1

    time.sleep(0.02)
    video.write_bytes(b"damaged")
    os.utime(video, (1, 1))  # so old that it looks as it was
    assert find(ask) == 0
    assert "could not be decoded" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.mp4"], "does not exist"),
        (["empty"], "nothing that can be indexed"),
        (["a.jsonl", "--patterns", "empty"], "holds no picture"),
        (["a.jsonl", "--patterns", "plain"], "has 0 features"),
        (["a.jsonl", "--matcher", "nobody"], "no matcher is called 'nobody'"),
        (["a.jsonl", "--faces", "empty"], "face_detection_yunet"),
        (["a.jsonl", "--faces", "faces"], "are not both models that OpenCV reads"),
        (["a.jsonl", "--models", "all", "--action-model", "none"], "'none' does not exist"),
        (["a.jsonl", "--models", "all", "--pose-model", "a.jsonl"], "is not a safetensors model"),
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
    for name in ("empty", "plain", "faces"):
        Path(name).mkdir()
    for name in ("face_detection_yunet.onnx", "face_recognition_sface.onnx"):
        Path("faces", name).write_text("no model")
    cv2.imwrite("plain/plain.png", np.full((50, 50, 3), 90, np.uint8))
    Path("a.jsonl").write_text('{"start": 1, "text": "goal"}\n')
    assert index(["library", *FAST, *arguments]) == 2
    assert message in capsys.readouterr().err
