# SPDX-License-Identifier: Apache-2.0
"""Two replays of a bag side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from replay_runs import details, frame, metrics

from perception_kit.compare import main
from perception_kit.evaluation.run import RunError, read_run
from perception_kit.evaluation.scores import Score
from perception_kit.report.comparison import Change, compare_runs

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHANGES = {
    # name: (better, form, first, second, verdict, difference as text)
    "more is better": (1, "{:.1%}", 0.5, 0.6, "better", "+10.0%"),
    "less of it": (1, "{:.1%}", 0.6, 0.5, "worse", "−10.0%"),
    "fewer switches": (-1, "{:.0f}", 3, 1, "better", "−2"),
    "more switches": (-1, "{:.0f}", 1, 3, "worse", "+2"),
    "equal": (1, "{:.3f}", 0.5, 0.5, "same", "+0.000"),
    "not to be seen at this precision": (1, "{:.3f}", 0.5, 0.50001, "same", "+0.000"),
    "neither good nor bad": (0, "{:.0f}", 3, 5, "", "+2"),
    "not known before": (1, "{:.3f}", None, 0.5, "", "–"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_verdict(case: str) -> None:
    better, form, first, second, verdict, text = CHANGES[case]
    change = Change(
        "", Score("part", "name", first, form, better), Score("part", "name", second, form, better)
    )
    assert (change.verdict, change.difference_text) == (verdict, text)


@pytest.fixture
def runs(write_run: Callable[..., Path]) -> tuple[Path, Path]:
    """The second run misses the mug in frame 3 and takes frames 1 and 3 for a fall.

    Its poses are better by class.
    """
    first = [frame(index) for index in range(4)]
    second = [frame(0), frame(1, label="falling"), frame(2), frame(3, found=False, label="falling")]
    better = details()
    better["pose"]["per_class"]["mug"]["recall_0.1d"] = 0.75
    return write_run("first", first), write_run("second", second, metrics(recall=0.25), better)


def test_what_changed_and_where(runs: tuple[Path, Path]) -> None:
    comparison = compare_runs(*map(read_run, runs))
    verdicts = {(change.of, change.first.name): change.verdict for change in comparison.changes}
    assert verdicts["", "ADD(-S) below 0.1 d"] == "worse"
    assert verdicts["mug", "ADD(-S) < 0.1 d"] == "better"
    assert verdicts["mug", "found"] == "worse"
    assert verdicts["walking", "f1"] == "same"
    assert ("", "delay of the fall alarm") not in verdicts  # nobody fell
    assert [(change.number, change.worse_by) for change in comparison.frames] == [(3, 2), (1, 1)]
    assert comparison.frames[0].second_problems == [
        "missed: mug",
        "action is walking, recognised: falling",
    ]


def test_other_mistakes_that_are_as_many_differ_too(write_run: Callable[..., Path]) -> None:
    folders = (
        write_run("first", [frame(0, found=False)]),
        write_run("second", [frame(0, label="falling")]),
    )
    (change,) = compare_runs(*map(read_run, folders)).frames
    assert (change.worse_by, change.first_problems) == (0, ["missed: mug"])


def test_what_they_ran_with_is_named_where_it_differs(write_run: Callable[..., Path]) -> None:
    first, second = (read_run(write_run(name, [frame(0)])) for name in ("first", "second"))
    second.config["settings"] |= {"out": "elsewhere", "realtime": 2.0}
    second.config["parameters"] = {"pose6d_node": {"icp": True}}
    assert compare_runs(first, second).causes == [
        ("settings.realtime", "–", "2.0"),
        ("parameters.pose6d_node.icp", "–", "True"),
    ]
    assert compare_runs(first, first).causes == []


def test_runs_of_other_recordings_are_refused(write_run: Callable[..., Path]) -> None:
    folders = write_run("first", [frame(0)]), write_run("second", [replace(frame(0), stamp_ns=5)])
    with pytest.raises(RunError, match="no stamp in common: compare two replays of the same bag"):
        compare_runs(*map(read_run, folders))


def test_command(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*map(str, runs), "--out", str(runs[0].parent / "out")]) == 0
    printed = capsys.readouterr().out
    assert "−25.0% worse" in printed
    assert "second: missed: mug; action is walking, recognised: falling" in printed
    page = (runs[0].parent / "out" / "compare.html").read_text()
    assert '<span class="worse">−25.0% worse</span>' in page
    assert "second: 0 better, 1 worse, 14 the same" in page
    written = json.loads((runs[0].parent / "out" / "compare.json").read_text())
    assert written["frames"][0]["number"] == 3
    recall = next(
        change for change in written["changes"] if change["name"] == "ADD(-S) below 0.1 d"
    )
    assert recall == {
        "of": "",
        "part": "pose",
        "name": "ADD(-S) below 0.1 d",
        "first": 0.5,
        "second": 0.25,
        "difference": -0.25,
        "verdict": "worse",
    }


def test_several_runs_are_compared_with_the_first(
    runs: tuple[Path, Path], write_run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    third = write_run("third", [frame(index) for index in range(4)], metrics(recall=0.75))
    assert main([*map(str, runs), str(third)]) == 0
    assert capsys.readouterr().out.count("second: ") >= 2
    written = json.loads((third / "compare.json").read_text())["comparisons"]
    assert [Path(entry["second"]).name for entry in written] == ["second", "third"]
    page = (third / "compare.html").read_text()
    assert "second: 0 better, 1 worse, 14 the same; third: 1 better, 0 worse, 14 the same" in page
    cells = page.partition("ADD(-S) below 0.1 d</td>")[2].partition("</tr>")[0]
    assert cells.replace("<td>", "").split("</td>")[:3] == [
        "50.0%",
        '25.0%<br><span class="worse">−25.0% worse</span>',
        '75.0%<br><span class="better">+25.0% better</span>',
    ]


def test_command_refuses_what_is_no_replay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), str(tmp_path)]) == 2
    assert "holds no finished replay" in capsys.readouterr().err


DAMAGE = {
    # case: (file, what is in it; None: it is missing)
    "no metrics": ("metrics.json", None),
    "cut metrics": ("metrics.json", '{"frames": {"inp'),
    "foreign metrics": ("metrics.json", '{"accuracy": 0.5}'),
    "metrics that are a list": ("metrics.json", "[]"),
    "text for a number": (
        "metrics.json",
        '{"frames": {"input": "a", "processed": 1, "dropped": 0}, "latency_ms": {}}',
    ),
    "no details": ("details.json", None),
    "empty details": ("details.json", ""),
    "details that are a list": ("details.json", "[]"),
    "foreign details": ("details.json", '{"segmentation": "good", "pose": [1]}'),
    "foreign classes": ("details.json", '{"pose": {"per_class": {"mug": 0.5}}}'),
    "details without a part": ("details.json", '{"segmentation": null}'),
    "no config": ("effective_config.yaml", None),
    "empty config": ("effective_config.yaml", ""),
    "config that is no YAML": ("effective_config.yaml", "settings: ["),
    "config of a node": ("effective_config.yaml", "pose6d_node: {device: cpu}"),
    "config without a bag": ("effective_config.yaml", "settings: {rate: 1}"),
    "bytes": ("effective_config.yaml", "settings: {bag: \x00}"),
    "no frames": ("frames.json", None),
    "cut frames": ("frames.json", '[{"number": 1, "sta'),
    "frames that are an object": ("frames.json", '{"frames": []}'),
    "frames that are null": ("frames.json", "null"),
    "foreign frames": ("frames.json", '[{"file_name": "a.png"}]'),
    "no video": ("overlay.mp4", None),
    "foreign video": ("overlay.mp4", "text"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_command_names_the_file_that_is_damaged(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str], case: str
) -> None:
    name, content = DAMAGE[case]
    path = runs[1] / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert main([*map(str, runs)]) == 2
    error = capsys.readouterr().err
    assert str(runs[1]) in error
    assert name in error
    assert "missing; give the --out" in error or "replay the bag again" in error


def test_command_takes_frames_with_keys_that_it_does_not_know(runs: tuple[Path, Path]) -> None:
    path = runs[1] / "frames.json"
    frames = json.loads(path.read_text())
    path.write_text(json.dumps([{**frame, "weather": "fine"} for frame in frames]))
    assert main([*map(str, runs)]) == 0


def test_command_names_a_video_of_another_replay(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = runs[1] / "frames.json"
    path.write_text(json.dumps(json.loads(path.read_text())[1:]))
    assert main([*map(str, runs)]) == 2
    assert "overlay.mp4' has more pictures than frames.json" in capsys.readouterr().err


@pytest.mark.slow
def test_page(runs: tuple[Path, Path], browser: Browser) -> None:
    from browser import console_errors

    assert main([*map(str, runs)]) == 0
    page = browser.new_page()
    errors = console_errors(page)
    page.goto((runs[1] / "compare.html").as_uri())
    page.wait_for_selector("body[data-ready=yes]", timeout=120_000)
    assert errors == []
    assert page.locator(".pair").count() == 2
    assert page.locator(".pair img").count() == 4
    assert page.locator("#mistakes .main-svg").count() >= 1
    assert page.locator("#classes .bars .point").count() == 2
    page.close()
