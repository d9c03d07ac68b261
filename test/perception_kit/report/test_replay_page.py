# SPDX-License-Identifier: Apache-2.0
"""The report of a replay, opened in a real browser."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from replay_runs import FRAME_S, details, frame, metrics
from report_pages import click_timeline, opened

from perception_kit.evaluation.run import RunError
from perception_kit.report.replay_page import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

COUNT = 6


def shown_brightness(page: Page) -> float:
    source = page.get_attribute("#picture", "src")
    data = np.frombuffer(base64.b64decode(source.partition("base64,")[2]), np.uint8)
    return float(cv2.imdecode(data, cv2.IMREAD_COLOR).mean())


@pytest.fixture
def report(write_run: Callable[..., Path]) -> Path:
    frames = [frame(index) for index in range(COUNT)]
    frames[4] = replace(
        frame(4, found=False, label="falling"),
        identities=[replace(frames[4].identities[0], track=9, switch=True)],
    )
    folder = write_run("run", frames)
    write_report(folder)
    return folder / "report.html"


@pytest.mark.slow
def test_everything_is_drawn_without_an_error(report: Path, browser: Browser) -> None:
    page, errors = opened(browser, report)
    assert errors == []
    titles = page.locator("#timeline .annotation-text").all_text_contents()
    assert [title.split(",")[0].split(":")[0] for title in titles] == [
        "objects",
        "pose error",
        "tracks of the true objects",
        "action",
        "action scores",
        "latency",
    ]
    assert page.locator("[id^=chart] .main-svg").count() >= 4
    text = page.inner_text("body")
    for expected in (
        "Replay of kitchen",
        "75.0%",
        "MOTA",
        "<odd> & note",
        "identity switch: mug 1 is now track 9",
        "Worst frames",
    ):
        assert expected in text
    assert page.locator(".worst figure").count() == 1
    page.close()


@pytest.mark.slow
def test_a_click_on_each_timeline_shows_the_picture_of_its_frame(
    report: Path, browser: Browser
) -> None:
    page, errors = opened(browser, report)
    assert shown_brightness(page) == pytest.approx(160, abs=6)  # the worst frame is shown first
    assert "recognised: falling" in page.inner_text("#problems")
    for row, index in enumerate((2, 0, 5, 1, 3, 2), start=1):
        click_timeline(page, row, index * FRAME_S, 0.5)
        page.wait_for_function(
            f"document.getElementById('picture').dataset.frame === '{index}'", timeout=30_000
        )
        assert shown_brightness(page) == pytest.approx(40 * index, abs=6)
        assert page.inner_text("#when") == f"frame {index}, {index * FRAME_S:.2f} s"
        assert page.inner_text("#problems") == "nothing wrong"
    assert errors == []
    page.close()


@pytest.mark.slow
def test_keys_slider_and_cards_choose_frames(report: Path, browser: Browser) -> None:
    page, errors = opened(browser, report)
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#when").startswith("frame 5")
    page.locator("#slider").fill("1")
    assert page.inner_text("#when").startswith("frame 1")
    page.locator(".worst figure").click()
    assert page.inner_text("#when").startswith("frame 4")
    assert page.locator("#boxes rect").count() == 1
    page.locator("#mark").select_option("of the truth")
    assert page.locator("#boxes text").all_text_contents() == ["mug"]
    page.locator("#mark").select_option("of detections")
    assert page.locator("#boxes rect").count() == 0
    page.locator("#slider").fill("1")
    assert page.locator("#boxes text").all_text_contents() == ["mug 0.90"]
    page.locator("#mark").select_option("none")
    assert page.locator("#boxes rect").count() == 0
    assert errors == []
    page.close()


@pytest.mark.slow
def test_the_list_of_objects_is_sorted_and_leads_to_their_frames(
    report: Path, browser: Browser
) -> None:
    page, errors = opened(browser, report)
    rows = page.locator("#instances tbody tr")
    assert rows.count() == COUNT
    found = page.locator("#instances thead th").nth(2)
    found.click()
    assert rows.first.locator("td").nth(2).inner_text() == "yes"
    found.click()
    assert found.get_attribute("aria-sort") == "ascending"
    assert rows.first.locator("td").all_inner_texts()[:3] == ["4", "mug", "no"]
    assert rows.first.locator("td").nth(4).inner_text() == "–"
    page.locator("#slider").fill("0")
    rows.first.click()
    assert page.inner_text("#when").startswith("frame 4")
    assert errors == []
    page.close()


@pytest.mark.slow
def test_the_page_can_be_light_plays_and_sorts(report: Path, browser: Browser) -> None:
    page, errors = opened(browser, report)
    theme = page.locator("html").get_attribute("data-theme")
    page.locator("#theme").click()
    assert {theme, page.locator("html").get_attribute("data-theme")} == {"light", "dark"}
    page.locator("#slider").fill("0")
    page.locator("#play").click()
    page.wait_for_function("document.getElementById('slider').value > 0", timeout=30_000)
    header = page.locator("thead th").nth(1)
    header.click()
    assert header.get_attribute("aria-sort") == "descending"
    assert "Nothing is wrong in" in page.inner_text(".verdict")
    assert errors == []
    page.close()


@pytest.mark.slow
def test_without_ground_truth_and_with_a_picture_that_could_not_be_drawn(
    write_run: Callable[..., Path], browser: Browser
) -> None:
    unknown = ("segmentation", "pose", "tracking", "actions", "instances")
    frames = [
        replace(
            frame(index),
            picture=None if index == 0 else index - 1,
            objects=None,
            identities=None,
            true_label=None,
        )
        for index in range(3)
    ]
    details_without = {key: value for key, value in details().items() if key not in unknown}
    scores = replace(metrics(), **dict.fromkeys(unknown))
    folder = write_run("run", frames, scores, details_without)
    write_report(folder)
    page, errors = opened(browser, folder / "report.html")
    assert "no truth is known" in page.inner_text("#problems")
    assert "MOTA" not in page.inner_text("body")
    assert page.inner_text("#when") == "frame 0, 0.00 s (picture of frame 1)"
    assert errors == []
    page.close()


def test_a_replay_without_a_frame_has_a_report(write_run: Callable[..., Path]) -> None:
    folder = write_run("run", [])
    write_report(folder)
    assert "no frame was played" in (folder / "report.html").read_text()


def test_a_report_needs_no_other_file(report: Path) -> None:
    text = report.read_text()
    page = text[: text.index('id="plotly"')]
    assert all(word not in page for word in ('src="http', 'href="http', "@import", "url("))


def test_folder_without_a_replay(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"'metrics.json' is missing; give the --out folder"):
        write_report(tmp_path)


def test_damaged_frames(report: Path) -> None:
    (report.parent / "frames.json").write_text('[{"number": 1}]')
    with pytest.raises(RunError, match="cannot be read"):
        write_report(report.parent)
