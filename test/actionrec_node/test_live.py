# SPDX-License-Identifier: Apache-2.0
"""Actions of a stream, for which a file at a URL stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actionrec_node import classify, live
from perception_kit.videos.video import VideoError


@pytest.mark.parametrize("source", ["0", "12", "/dev/video2", "rtsp://camera/1", "http://a/b.mjpg"])
def test_cameras_and_addresses_are_streams(source: str) -> None:
    assert live.is_stream(source)


@pytest.mark.parametrize("source", ["video.mp4", "/data/0.mkv", "pictures", "C0"])
def test_files_are_none(source: str) -> None:
    assert not live.is_stream(source)


def test_a_stream_is_classified_to_its_end(
    write_video, model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"file://{write_video('v.mkv', np.arange(40) / 15)}"
    path = tmp_path / "out.json"
    assert classify.main([url, "--model", str(model_path), "--json", str(path)]) == 0
    printed, result = capsys.readouterr().out, json.loads(path.read_text())
    windows = result["windows"]
    assert printed.count(" s  ") == len(windows) >= 1
    assert result["label"] in windows[0]["scores"]
    assert windows[-1]["end"] > 2.0, "the newest clip is never left out"
    assert sum(windows[-1]["scores"].values()) == pytest.approx(1, abs=1e-3)


def test_ctrl_c_is_the_end_of_a_stream(
    model_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: Any) -> Any:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(classify, "live_actions", interrupted)
    assert classify.main(["0", "--model", str(model_path), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["windows"] == []


@pytest.mark.parametrize(
    ("source", "opened", "hint"),
    [
        ("7", ("/dev/video7", "v4l2"), "'/dev/video7' gives no images .*: check the number"),
        ("rtsp://camera/1", ("rtsp://camera/1", None), "'rtsp://camera/1' .*: check the address"),
    ],
)
def test_a_stream_that_does_not_open_is_named(
    source: str, opened: tuple[str, str | None], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, format: str | None, **options: Any) -> None:
        assert (path, format) == opened
        raise OSError("no such device")

    monkeypatch.setattr(live.av, "open", refuse)
    with pytest.raises(VideoError, match=hint):
        live.open_stream(source)
