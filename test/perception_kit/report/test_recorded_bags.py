# SPDX-License-Identifier: Apache-2.0
"""The replay of the demo's and of recorded bags with the shipped models, and their reports."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("assistant_perception", reason="the messages are not built: run 'make setup'")

from report_pages import click_timeline, opened

from perception_kit.resources import package_folder

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.ros, pytest.mark.slow]
MODELS = package_folder() / "models" / "ycbv"


def run(module: str, *arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", module, *map(str, arguments)], check=True)


def check_report(out: Path, browser: Browser, frames: int, rows: set[str]) -> None:
    """All frames are in the report, and a click in its timeline of ``rows`` shows a picture."""
    page, errors = opened(browser, out / "report.html")
    titles = page.locator("#timeline .annotation-text").all_text_contents()
    assert {title.split(",")[0].split(":")[0] for title in titles} == rows
    assert page.locator("[id^=chart] .main-svg").count() >= 4
    stamps = [frame["stamp_ns"] for frame in json.loads((out / "frames.json").read_text())]
    for number in (frames - 1, 1):
        click_timeline(page, 1, (stamps[number] - stamps[0]) / 1e9, 0.5)
        page.wait_for_function(
            f"document.getElementById('picture').dataset.frame === '{number}'", timeout=30_000
        )
        assert page.inner_text("#when").startswith(f"frame {number},")
        assert page.evaluate("document.getElementById('picture').naturalWidth") > 300
    assert errors == []
    page.close()


def test_two_seconds_of_the_demo(tmp_path: Path, browser: Browser) -> None:
    scene, out = tmp_path / "scene", tmp_path / "out"
    length = ("--seconds", "2", "--fps", "5")
    run("perception_kit.synth", "--split", "test", "--seed", "7", *length, "--out", scene)
    run("perception_kit.replay", scene, "--out", out)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["frames"] == {"input": 10, "processed": 10, "dropped": 0}
    assert metrics["segmentation"]["map50"] > 0.9
    assert metrics["pose"]["recall_0.1d"] > 0.9
    rows = {"objects", "pose error", "tracks of the true objects", "latency"}
    check_report(out, browser, 10, {*rows, "action", "action scores"})


@pytest.mark.parametrize("scene", ["0000", "0001"])
def test_recorded_bag_with_the_ground_truth_of_its_dataset(
    scene: str,
    shared_dir: Path,
    recorded_frames: Callable[[str], Path],
    tmp_path: Path,
    browser: Browser,
) -> None:
    bag, ground_truth = shared_dir / "data/rgbd_bag" / f"ycbv_{scene}", recorded_frames(scene)
    models = [
        *("--segmentation-model", MODELS / "segmentation.safetensors"),
        *("--pose-model", MODELS / "pose.safetensors"),
    ]
    run("perception_kit.replay", bag, "--truth", ground_truth, *models, "--out", tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["frames"] == {"input": 5, "processed": 5, "dropped": 0}
    assert metrics["segmentation"]["map50"] > 0.7
    assert metrics["pose"]["adds_auc"] > 0.5
    check_report(
        tmp_path, browser, 5, {"objects", "pose error", "tracks of the true objects", "latency"}
    )
