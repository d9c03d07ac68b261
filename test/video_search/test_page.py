# SPDX-License-Identifier: Apache-2.0
"""The page in a browser: search, keyboard, preview, player, timelines, reference pictures."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import cv2
import pytest
from browser import console_errors
from playwright.sync_api import Browser, Page, expect

from video_search import Library
from video_search.serve import main as serve

_LIMIT_MS = 120_000


@pytest.fixture(scope="module")
def address(kitchen: Library) -> Iterator[str]:
    """Where ``python -m video_search.serve`` serves the library, as it says itself."""
    command = [sys.executable, "-m", "video_search.serve", kitchen.uri, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
            assert found, f"the server ended with {process.poll()}"
            yield found.group()
        finally:
            process.terminate()


@pytest.fixture
def errors() -> list[str]:
    """Errors that the console of the page must show in the end; a test adds its own."""
    return []


@pytest.fixture
def page(browser: Browser, address: str, errors: list[str]) -> Iterator[Page]:
    """The page as it opens; it must end without errors on its console."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    page.set_default_timeout(_LIMIT_MS)
    expect.set_options(timeout=_LIMIT_MS)
    seen = console_errors(page)
    page.goto(address)
    expect(page.locator("#status")).to_have_text("5 moments")
    yield page
    # A preview that is left, or a player that is closed, ends its transfer.
    assert [text for text in seen if "ERR_ABORTED" not in text] == errors
    page.close()


def until(page: Page, condition: str) -> None:
    """Wait for something that holds in the page, whose policy forbids Playwright's own wait."""
    end_s = monotonic() + _LIMIT_MS / 1000
    while not page.evaluate(condition):
        assert monotonic() < end_s, f"waited in vain for {condition}"
        page.wait_for_timeout(100)


def test_words_filters_and_reasons(page: Page) -> None:
    page.fill("#q", "red mug")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("1 moment")
    first = page.locator(".moment").first
    expect(first).to_contain_text("red mug")
    expect(first.locator("img")).to_have_js_property("complete", True)
    expect(page.locator(".lane")).to_have_count(1)
    assert "q=red+mug" in page.url, "the address leads back to the search"

    page.get_by_text("action", exact=True).click()
    expect(page.locator("#status")).to_have_text("No moments found")
    expect(page.locator("#remarks li").first).to_be_visible()


def test_what_was_said_is_shown_as_text(page: Page) -> None:
    page.fill("#q", "kettle")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("1 moment")
    expect(page.locator(".moment")).to_contain_text("<b>blue</b>")


def test_the_keyboard_alone_finds_and_plays(page: Page) -> None:
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("falling")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("1 moment")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".moment")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#player")).to_be_visible()
    until(page, "document.querySelector('#video').readyState >= 2")
    lasts = page.evaluate("document.querySelector('#video').duration")
    assert lasts == pytest.approx(3.0, abs=0.25), "one second before and after"

    page.keyboard.press("Escape")
    expect(page.locator("#player")).to_be_hidden()
    expect(page.locator(".moment")).to_be_focused()


def test_a_moment_previews_under_the_pointer(page: Page) -> None:
    page.fill("#q", "falling")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("1 moment")
    page.locator(".moment").hover()
    expect(page.locator(".moment video")).to_have_count(1)
    until(page, "document.querySelector('.moment video').currentTime > 0")
    page.mouse.move(2, 2)
    expect(page.locator(".moment video")).to_have_count(0)


def test_a_clip_is_downloaded(page: Page, tmp_path: Path) -> None:
    page.fill("#q", "falling")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("1 moment")
    expect(page.locator(".track button")).to_have_count(1)
    page.locator(".track button").click()
    with page.expect_download() as waiting:
        page.click("#download")
    assert waiting.value.suggested_filename == "kitchen_7.0s.mp4"
    waiting.value.save_as(tmp_path / "clip.mp4")
    assert cv2.VideoCapture(str(tmp_path / "clip.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 31


def test_a_picture_that_is_none_is_named(page: Page, errors: list[str]) -> None:
    text = {"name": "notes.png", "mimeType": "image/png", "buffer": b"not a picture"}
    page.set_input_files("#image", files=[text])
    expect(page.locator("#status")).to_contain_text("not a picture that can be read")
    errors.append(
        "Failed to load resource: the server responded with a status of 400 (Bad Request)"
    )
    page.get_by_label("Remove the picture").click()
    expect(page.locator("#status")).to_have_text("5 moments")


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    page.locator(".moment").first.click()
    box = page.locator("#player").bounding_box()
    assert box is not None
    assert box["width"] <= width
    expect(page.locator("#facts")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colors_follow_the_system(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    colors = page.evaluate(
        "['backgroundColor', 'color'].map(name => getComputedStyle(document.body)[name])"
    )
    background, text = ([int(value) for value in re.findall(r"\d+", color)] for color in colors)
    assert (sum(background[:3]) > sum(text[:3])) == (scheme == "light")


def test_a_vocabulary_that_is_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Library.create(tmp_path / "library")
    (tmp_path / "library" / "vocabulary.yaml").write_text("- mug\n")
    assert serve([str(tmp_path / "library"), "--port", "0"]) == 2
    assert "vocabulary.yaml' is not of the form" in capsys.readouterr().err


def test_a_library_that_is_none_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "video_search.serve", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no library at" in done.stderr
