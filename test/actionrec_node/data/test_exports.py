# SPDX-License-Identifier: Apache-2.0
"""The same actions by each of the annotation tools, and what is none of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actionrec_node import clips
from actionrec_node.data.annotations import DataError, Segment, read_annotations
from actionrec_node.data.exports import read_export

RATE = 15


@pytest.fixture
def video(write_video) -> Path:
    return write_video("v.mkv", np.arange(60) / RATE, speed=10.0)


def _task(results: list[dict[str, Any]], **data: Any) -> dict[str, Any]:
    data = {"video": "/data/upload/3/0a1b2c3d-v.mkv", **data}
    return {"id": 7, "data": data, "annotations": [{"id": 1, "result": results}]}


def _span(start: int, end: int, label: str) -> dict[str, Any]:
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [label]}
    return {"type": "timelinelabels", "from_name": "l", "to_name": "video", "value": value}


SPANS = [_span(16, 31, "walking"), _span(31, 46, "falling")]
SECONDS = [Segment(1.0, 2.0, "walking"), Segment(2.0, 3.0, "falling")]


def _write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("tasks", "fps"),
    [
        pytest.param([_task(SPANS)], RATE, id="rate by option"),
        pytest.param([_task(SPANS, fps=RATE)], None, id="rate of the task"),
        pytest.param(
            [_task([*SPANS, {"value": {"framesCount": 60, "duration": 4.0, "labels": ["x"]}}])],
            None,
            id="rate of a box",
        ),
        pytest.param(
            [
                _task(
                    [
                        {"value": {"start": 1.0, "end": 2.0, "labels": ["walking"]}},
                        {"value": {"start": 2.0, "end": 3.0, "labels": ["falling"]}},
                    ]
                )
            ],
            None,
            id="seconds",
        ),
        pytest.param(
            [{"id": 7, "video": "v.mkv", "l": [span["value"] for span in SPANS]}],
            RATE,
            id="short form",
        ),
    ],
)
def test_spans_of_label_studio(video: Path, tasks: list[Any], fps: float | None) -> None:
    export = _write(video.parent / "project-1.json", tasks)
    assert read_export(export, "dummy", fps=fps) == {video: SECONDS}


def test_frames_of_label_studio_need_a_rate(video: Path) -> None:
    export = _write(video.parent / "e.json", [_task(SPANS)])
    with pytest.raises(DataError, match="task 7 counts frames at a rate that it does not say"):
        read_export(export, "dummy")


def _cvat(body: str, filtered: str = "", start: int = 0) -> str:
    return (
        "<?xml version='1.0' encoding='utf-8'?><annotations><version>1.1</version><meta><task>"
        f"<id>4</id><start_frame>{start}</start_frame><frame_filter>{filtered}</frame_filter>"
        f"<source>v.mkv</source></task></meta>{body}</annotations>"
    )


def _box(frame: int, outside: int = 0, action: str = "") -> str:
    attribute = f"<attribute name='action'>{action}</attribute>" if action else ""
    return f"<box frame='{frame}' outside='{outside}' keyframe='1'>{attribute}</box>"


TRACKS = {
    "a track for each action": _cvat(
        f"<track id='0' label='walking'>{_box(15)}{_box(20)}{_box(31, 1)}</track>"
        f"<track id='1' label='falling'>{_box(30)}{_box(45)}</track>"
    ),
    "an attribute of the person": _cvat(
        "<track id='0' label='person'>"
        + "".join(_box(frame, action="walking") for frame in range(15, 31))
        + "</track><track id='1' label='person'>"
        + f"{_box(30, action='falling')}{_box(45, action='falling')}{_box(46, 1)}</track>"
    ),
    "every third frame from the third on": _cvat(
        f"<track id='0' label='walking'>{_box(4)}{_box(10, 1)}</track>"
        f"<track id='1' label='falling'>{_box(9)}{_box(14)}</track>",
        filtered="step=3",
        start=3,
    ),
    "tags of images": _cvat(
        "".join(
            f"<image id='{frame}' name='frame_{frame:06d}'><tag label='{label}'/></image>"
            for label, begin, end in (("walking", 15, 30), ("falling", 30, 45))
            for frame in range(begin, end + 1)
        )
    ),
}


@pytest.mark.parametrize("case", TRACKS)
def test_tracks_and_tags_of_cvat(case: str, video: Path) -> None:
    export = _write(video.parent / "annotations.xml", TRACKS[case])
    (segments,) = read_export(export, "dummy").values()
    assert [segment.label for segment in segments] == ["walking", "falling"]
    times = [(segment.start, segment.end) for segment in segments]
    np.testing.assert_allclose(times, [(1, 2), (2, 3)], atol=0.002)


def test_clips_are_cut_from_every_tool(video: Path, tmp_path: Path) -> None:
    exports = {
        "label_studio.json": [_task(SPANS, fps=RATE)],
        "annotations.xml": TRACKS["a track for each action"],
    }
    for name, content in exports.items():
        out = tmp_path / f"from_{name}"
        assert clips.main([str(_write(tmp_path / name, content)), "--out", str(out)]) == 0
        read = read_annotations(out)
        assert sorted(path.name for path in read) == ["v_0001000ms.mp4", "v_0002000ms.mp4"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.json", {"_via_settings": {}}, "is an export of VIA; what is read are exports of VoTT"),
        ("e.json", {"images": [], "categories": []}, "is an export of COCO; what is read"),
        ("e.json", [{"data_row": {}}], "is an export of Labelbox; what is read"),
        ("e.json", {"anything": 1}, "is no export that is known; what is read"),
        ("e.json", {"database": {}}, "is an export of ActivityNet; what is read"),
        ("e.json", "start;end", "cannot be read as JSON.*or write labels.csv"),
        ("e.eaf", "<ANNOTATION_DOCUMENT/>", "is an export of ELAN; what is read"),
        ("e.xml", "<other/>", "is an unknown XML file"),
        ("e.xml", "<annotations><meta>", "is no export of CVAT that can be read"),
        ("e.xml", "<annotations><meta/></annotations>", "holds 0 tasks of CVAT"),
        ("e.xml", _cvat(""), "has no track and no tag"),
        (
            "e.xml",
            _cvat(f"<track label='falling'>{_box(50)}{_box(70)}</track>"),
            "labels frame 70 of 'v.mkv', which has 60",
        ),
        (
            "e.xml",
            _cvat(
                f"<track label='a'>{_box(1)}{_box(9)}</track>"
                f"<track label='b'>{_box(5)}{_box(20)}</track>"
            ),
            "'a' until 0.60 s and 'b' from 0.33 s overlap",
        ),
        ("e.json", [_task([], fps=RATE)], "has no span"),
        ("e.json", [_task([_span(0, 9, "a")], fps=RATE)], "'a' from -0.07 to 0.53 s is no action"),
        ("e.json", [_task(SPANS, fps=RATE, video="gone.mkv")], "'gone.mkv', which is not there"),
    ],
)
def test_other_exports_are_refused_by_name(
    video: Path, name: str, content: Any, message: str
) -> None:
    export = _write(video.parent / name, content)
    with pytest.raises(DataError, match=rf"{name}'.*{message}"):
        read_export(export, "dummy")
